"""`kyc-bot setup` in parts: what somebody typed, and what becomes of it. tests/journeys plays it whole."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from bot.runtime.doctor.findings import Finding, fail, ok
from bot.runtime.setup.choices import Choice, NotUnderstood, group_choice, pick
from bot.runtime.setup.draft import Draft
from bot.runtime.setup.secrets import clean, misfit
from bot.runtime.setup.smile_id import ask_smile_id
from bot.runtime.setup.terminal import InputEnded, Terminal
from bot.runtime.setup.writing import cannot_write


class Script(Terminal):
    """Answers line by line, and keeps what was said."""

    def __init__(self, *lines: str) -> None:
        self._lines = list(lines)
        self.said = ""

    def say(self, text: str = "") -> None:
        self.said += f"{text}\n"

    def _answer(self, prompt: str, *, hidden: bool) -> str:
        self.say(prompt)
        if not self._lines:
            raise InputEnded
        return self._lines.pop(0)


# Smile ID's other environment


def keys_of(environment: str, *, asked: list[str], draft: Draft) -> list[Finding]:
    """As Smile ID answers to a key that only one environment knows."""
    asked.append(draft.get("SMILE_ID_ENVIRONMENT"))
    right = asked[-1] == environment
    return [ok("smile id credentials", "taken") if right else fail("smile id credentials", "refused")]


def ask(environment: str, *lines: str, environ: Mapping[str, str] | None = None) -> tuple[Draft, str, list[str]]:
    """The draft, what was said, and the environments that were tried."""
    draft, terminal, asked = Draft({}, environ or {}), Script(*lines), list[str]()
    try:
        ask_smile_id(draft, terminal, lambda: keys_of(environment, asked=asked, draft=draft))
    except InputEnded:
        terminal.say("ended")
    return draft, terminal.said, asked


@pytest.mark.parametrize(("typed", "other"), [("sandbox", "production"), ("production", "sandbox")])
def test_keys_of_the_other_environment_are_told_and_taken_when_confirmed(typed: str, other: str) -> None:
    draft, said, asked = ask(other, typed, "0421", "a-key", "y")
    assert f"Smile ID's {other} takes them. Use {other}? [y/N]" in said
    assert (draft.get("SMILE_ID_ENVIRONMENT"), asked) == (other, [typed, other])
    assert draft.get("SMILE_ID_API_KEY") == "a-key"
    assert "a-key" not in said


@pytest.mark.parametrize("answer", ["", "n"])
def test_production_is_never_chosen_without_a_yes(answer: str) -> None:
    draft, said, _asked = ask("production", "sandbox", "0421", "a-key", answer)
    assert draft.get("SMILE_ID_ENVIRONMENT") == "sandbox"
    assert "Type both again" in said


def test_keys_that_no_environment_takes_leave_the_one_that_was_named() -> None:
    draft, said, asked = ask("neither", "sandbox", "0421", "a-key")
    assert (draft.get("SMILE_ID_ENVIRONMENT"), asked) == ("sandbox", ["sandbox", "production"])
    assert "Use production?" not in said


def test_an_address_of_ones_own_has_no_other_environment() -> None:
    environ = {"SMILE_ID_API_URL": "http://127.0.0.1:9/v1"}
    _draft, _said, asked = ask("production", "sandbox", "0421", "a-key", environ=environ)
    assert asked == ["sandbox"]


# What came along with a secret


@pytest.mark.parametrize(
    "typed",
    [
        "xoxb-1",
        "\N{LEFT DOUBLE QUOTATION MARK}xoxb-1\N{RIGHT DOUBLE QUOTATION MARK}",
        "`xoxb-1`",
        "\N{NO-BREAK SPACE}xoxb-1\N{NO-BREAK SPACE}",
        "\N{ZERO WIDTH SPACE}xoxb-1\N{ZERO WIDTH SPACE}",
        "export SLACK_BOT_TOKEN='xoxb-1'",
        'SLACK_BOT_TOKEN = "xoxb-1"',
        "SLACK_BOT_TOKEN: xoxb-1",
    ],
)
def test_what_was_copied_along_with_a_secret_is_left_out(typed: str) -> None:
    assert clean("SLACK_BOT_TOKEN", typed) == "xoxb-1"


@pytest.mark.parametrize("begins", ["", "xoxb-"])
def test_an_unseen_sign_within_a_secret_is_told(begins: str) -> None:
    typed = clean("SLACK_BOT_TOKEN", "xoxb-1\N{ZERO WIDTH SPACE}2")
    assert "unseen sign within" in (misfit(typed, begins) or "")


# What can be chosen

FLAGGED = group_choice(
    {"id": "S0EMOJI0001", "name": "Pru\N{COMBINING DIAERESIS}fer \U0001f575\ufe0f\u200d♀️", "handle": "pruefer"}
)


@pytest.mark.parametrize(
    "typed",
    [
        "Pr\N{LATIN SMALL LETTER U WITH DIAERESIS}fer \U0001f575\ufe0f\u200d♀️",
        FLAGGED.label.rpartition(" @")[0],
        "@pruefer",
    ],
)
def test_a_name_with_an_emoji_is_taken_as_slack_or_the_list_shows_it(typed: str) -> None:
    assert pick(typed, [FLAGGED]) == [FLAGGED.id]


def test_two_thousand_names_are_searched_at_once_and_the_nearest_is_named() -> None:
    many = [Choice(id=f"C0MANY{n:05}", label=f"#team-{n}", names=frozenset({f"team-{n}"})) for n in range(2000)]
    assert pick("#Team-1999", many) == ["C0MANY01999"]
    with pytest.raises(NotUnderstood, match="Did you mean team-1999"):
        pick("teams-1999", many)


# Where the file may stand


def test_a_device_or_a_pipe_is_never_replaced_by_the_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (Path(os.devnull), pipe):
        assert "is a device or a pipe" in (cannot_write(path) or "")
