"""Who may do what, and in which channels: chosen from lists by number or name."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from bot.runtime.setup.choices import EVERYBODY, Choice, NotUnderstood, pick
from bot.runtime.setup.draft import Draft
from bot.runtime.setup.secrets import NONE
from bot.runtime.setup.slack import SlackTrial
from bot.runtime.setup.terminal import Terminal

_AGAIN = "?"
"""Typed instead of an answer: ask Slack again, and show the list."""
_SHOWN = 60
"""A workspace may have thousands of channels; names that are not shown can be typed all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    name: str
    text: str
    required: bool = False
    many: bool = True
    everybody: str = ""
    """What * means, where it may be chosen."""


_ROLES = (
    _Question(
        name="KYC_REQUESTERS",
        text="Who may start checks",
        required=True,
        everybody="every full member of the workspace",
    ),
    _Question(name="KYC_REVIEWERS", text="Who reviews checks that need review"),
    _Question(name="KYC_MANAGERS", text="Who sees figures and exports"),
    _Question(name="KYC_VIEWERS", text="Who sees where checks stand, without personal data (support, audit)"),
    _Question(name="KYC_ADMINS", text="Who is told about faults (admins)"),
)
_CHANNELS = (
    _Question(name="KYC_CHANNELS", text="Where checks may be asked for", everybody="every channel that the bot is in"),
    _Question(name="KYC_REVIEW_CHANNEL", text="The reviewers' channel", many=False),
    _Question(name="KYC_SUMMARY_CHANNEL", text="The channel of the daily summary", many=False),
)


class ChoiceQuestions:
    """Asks for roles and channels; the lists can be asked for anew, since a bot may be invited meanwhile."""

    def __init__(self, draft: Draft, terminal: Terminal, trial: SlackTrial, runner: asyncio.Runner) -> None:
        self._draft = draft
        self._terminal = terminal
        self._trial = trial
        self._runner = runner
        self.directory = runner.run(trial.directory())
        self._people = cache(lambda: runner.run(trial.people(self.directory)))

    def ask(self) -> None:
        say = self._terminal.say
        say(f"\nWho may do what. Numbers or names, with commas between; people by @name. {_AGAIN} lists again.")
        self._show(self._holders())
        for question in _ROLES:
            self._ask(question, roles=True)
        say(f"\nChannels. A private one is listed once the bot is in it: /invite @{self.directory.bot}, then {_AGAIN}.")
        self._show(self._channels())
        for question in _CHANNELS:
            self._ask(question, roles=False)

    def _holders(self) -> Sequence[Choice]:
        return self.directory.holders

    def _channels(self) -> Sequence[Choice]:
        """Those that the bot is in come first."""
        absent = self.directory.absent
        return sorted(self.directory.channels, key=lambda each: (each.id in absent, each.label))

    def _show(self, listed: Sequence[Choice]) -> None:
        for number, each in enumerate(listed[:_SHOWN], 1):
            self._terminal.say(f"  {number:>3}  {each.line}")
        if len(listed) > _SHOWN:
            self._terminal.say(f"       and {len(listed) - _SHOWN} more, which can be typed by name")
        if not listed:
            self._terminal.say("       nothing to list")
        while self.directory.unlisted:
            self._terminal.say(f"  {self.directory.unlisted.pop()}")

    def _ask(self, question: _Question, *, roles: bool) -> None:
        while True:
            listed = self._holders() if roles else self._channels()
            typed = self._terminal.ask(self._text(question), default=self._default(question))
            if typed == _AGAIN:
                self.directory = self._runner.run(self._trial.directory())
                self._show(self._holders() if roles else self._channels())
            elif (chosen := self._chosen(question, typed, listed, roles=roles)) is not None:
                self._draft.put(question.name, chosen)
                return

    def _text(self, question: _Question) -> str:
        more = [f"{EVERYBODY} for {question.everybody}"] if question.everybody else []
        more += [] if question.required else [f"{NONE} for none"] if not question.everybody else []
        return f"{question.text} ({'; '.join(more)})" if more else question.text

    def _default(self, question: _Question) -> str:
        """What is set now, by name; Enter keeps it."""
        ids = [each.strip() for each in self._draft.get(question.name).split(",") if each.strip()]
        if ids:
            return ", ".join(self.directory.label(each) for each in ids)
        return "" if question.required else EVERYBODY if question.everybody else NONE

    def _chosen(self, question: _Question, typed: str, listed: Sequence[Choice], *, roles: bool) -> str | None:
        """The setting's value; None where the answer was not understood, which is told."""
        if typed == self._default(question):
            kept = self._draft.get(question.name)
            if kept or not question.required:
                return kept
        if typed == NONE and not question.required:
            if question.everybody:
                # Unset means all of them, which nobody means who types what elsewhere leaves it unset.
                self._terminal.say(f"  {NONE} cannot be chosen here: without a choice it is {question.everybody}.")
                return None
            return ""
        try:
            ids = pick(
                typed,
                listed,
                others=self._people if roles else tuple,
                everybody=bool(question.everybody),
                many=question.many,
            )
        except NotUnderstood as fault:
            self._terminal.say(f"  {fault}")
            return None
        if not ids:
            self._terminal.say("  It is needed: without one nobody can use the bot.")
            return None
        # Every channel that the bot is in is what an unset KYC_CHANNELS means.
        return "" if ids == [EVERYBODY] and not roles else ",".join(ids)
