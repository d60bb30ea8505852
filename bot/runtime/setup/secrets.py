"""One secret: asked for, looked at, tried at once, and asked for again until it is taken."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from bot.runtime.doctor.findings import Finding
from bot.runtime.setup.draft import Draft
from bot.runtime.setup.terminal import Terminal, printable
from bot.settings import QUOTES

UNTRIED = "!"
"""Typed instead of a secret: go on with it although the trial failed, as where the network is set up later."""
NONE = "-"
"""Typed instead of an answer: leave it unset."""

_KINDS = (
    ("xoxb-", "a bot token (xoxb-…)"),
    ("xapp-", "an app-level token (xapp-…)"),
    ("xoxp-", "a user token (xoxp-…)"),
    ("xoxe", "a token that rotates, which kyc-bot does not follow"),
)
_HEX = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretQuestion:
    name: str
    """Of the setting."""
    text: str
    begins: str = ""
    optional: bool = False
    """Whether - leaves it unset."""


def ask_secret(
    draft: Draft, terminal: Terminal, question: SecretQuestion, trial: Callable[[], list[Finding]] | None
) -> None:
    """Puts it into the draft. The first finding of the trial decides; without a trial anything is taken."""
    while True:
        typed = clean(question.name, terminal.ask_secret(question.text, kept=bool(draft.get(question.name))))
        if typed == NONE and question.optional:
            draft.put(question.name, "")
            return
        if typed == UNTRIED and draft.get(question.name):
            return
        if typed and (wrong := misfit(typed, question.begins)):
            terminal.say(wrong)
            continue
        draft.put(question.name, typed or draft.get(question.name))
        if not draft.get(question.name):
            if question.optional:
                return
            terminal.say("It is needed.")
        elif trial is None or told(terminal, trial()):
            return
        else:
            terminal.say(f"Type another one, Enter to try again, or {UNTRIED} to go on with it untried.")


def told(terminal: Terminal, findings: list[Finding]) -> bool:
    """Shows what was found; whether the first of it is good."""
    for finding in findings:
        terminal.say(f"  {finding.line()}")
    return findings[0].ok


def clean(name: str, typed: str) -> str:
    """Without what comes along when a secret is copied from a file: its name, quotes, blanks."""
    value = re.sub(rf"\A\s*(?:export\s+)?{name}\s*[=:]", "", printable(typed), count=1)
    return value.strip().strip(QUOTES).strip()


def misfit(typed: str, begins: str) -> str | None:
    """What is wrong with a secret before anybody is asked; never what was typed."""
    if not begins or typed == UNTRIED:
        return None if printable(typed) == typed and " " not in typed else "It has a blank or an unseen sign within."
    if not typed.startswith(begins):
        kind = next((kind for start, kind in _KINDS if typed.startswith(start)), None)
        kind = kind or ("a signing secret or a client secret" if _HEX.fullmatch(typed) else "something else")
        return f"It begins with {begins}; what you typed is {kind}."
    if " " in typed or printable(typed) != typed:
        return "It has a blank or an unseen sign within. Copy it again."
    return None
