"""Refusals in the audit trail: of people with a role a line each, of everybody else a number."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.access.process import Process
from bot.domain.check.references import parse_reference
from bot.errors import Refusal, Refused
from storage import audit, checks
from storage.engine.database import Transaction


@dataclass(slots=True, kw_only=True, eq=False)
class Refusals(Process):
    count: Callable[[str], None]
    """Counts what is turned away, by kind."""

    def note(self, user: str, no: Refused, *, door: str, about: str = "") -> None:
        """Somebody with a role was refused; delays nothing.

        `door` is what they pressed, sent or typed, by its id; `about` the reference that it held, where the refusal
        names none.
        """
        named = str(no.facts.get("ref") or about)
        self.database.write_later(_note, user, parse_reference(named), f"{no.code.value}:{door}", at=self.now())

    def count_stranger(self, no: Refused) -> None:
        """Somebody without a role, or of whom Slack did not say in time: anybody may try, and none fills the trail."""
        self.count(f"person_{no.code.value}")

    def of_message(self, user: str, no: Refused) -> None:
        """The author of a message was refused; no listener has asked before whether they have a role."""
        if no.code in (Refusal.NO_ACCESS, Refusal.NOT_SURE):
            self.count_stranger(no)
        else:
            self.note(user, no, door="message")


def _note(tx: Transaction, user: str, ref: str | None, detail: str, *, at: datetime) -> None:
    # What somebody typed in a reference's place may be anything, a number or a name too: it must be of a check.
    is_known = ref is not None and checks.find(tx, ref, sealed=False) is not None
    audit.record(tx, at=at, actor=user, act="act.refused", ref=ref if is_known else None, detail=detail)
