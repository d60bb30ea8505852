"""What the check finds, one line each; and how a probe that fails leaves the others alone."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorTimeouts:
    """How long the check waits, in seconds; an operator sits in front of it."""

    call: float = 6.0
    """For one answer from outside."""
    connect: float = 4.0
    """For the connection within that."""
    part: float = 10.0
    """For a few calls about one thing: a channel, a role."""
    probe: float = 25.0
    """For a whole probe; nothing takes longer."""


class Mark(StrEnum):
    OK = "ok"
    FAIL = "FAIL"
    NOTE = "note"
    """Worth knowing, and no failure."""


@dataclass(frozen=True, slots=True)
class Finding:
    mark: Mark
    subject: str
    text: str

    @property
    def ok(self) -> bool:
        return self.mark is not Mark.FAIL

    def line(self) -> str:
        """For a terminal: on one line, and without what steers one, since names come from outside."""
        return f"{self.mark.value:<6}{_plain(f'{self.subject}: {self.text}')}"

    def as_json(self) -> dict[str, str]:
        return {"mark": self.mark.value.lower(), "subject": _plain(self.subject), "text": _plain(self.text)}


def _plain(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


ok = partial(Finding, Mark.OK)
fail = partial(Finding, Mark.FAIL)
note = partial(Finding, Mark.NOTE)


async def within(seconds: float, subject: str, probe: Coroutine[Any, Any, list[Finding]]) -> list[Finding]:
    """A probe's findings, or one that says why there are none: the others are told all the same."""
    try:
        async with asyncio.timeout(seconds):
            return await probe
    except TimeoutError:
        return [fail(subject, f"not answered within {seconds:g} s. Run the check again.")]
    except Exception as fault:  # noqa: BLE001 - an answer of a form that nobody expected must not end the check
        return [
            fail(
                subject,
                f"could not be understood ({type(fault).__name__}). Run the check again; if it stays so, report it.",
            )
        ]


def listed(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
