"""Lists of checks, for one person: the answer to `/kyc list`, the search form and its pages."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.domain.check.check import Check
from bot.domain.check.request import MAX_TEXT
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import Message
from bot.slack.blocks import ids
from bot.slack.blocks.status import status_name, subject
from bot.slack.blocks.text import (
    Block,
    button,
    context,
    foreign,
    person,
    plain,
    plain_section,
    quoted,
    section,
    when,
)

LABELS = {
    "mine": "All of mine",
    "open": "Open",
    "review": "Needs a person",
    "approved": "Approved",
    "rejected": "Rejected",
    "failed": "No result",
    "cancelled": "Cancelled",
    "all": "Everybody's",
}
NEVER_AS_TEXT = (
    "What you typed after `find` was not used: ID numbers and names do not belong into a command. The form is open."
)
NOTHING_SOUGHT = "Fill in at least one field."


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One check in a list."""

    check: Check
    entry: IDType | None
    link: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCursor:
    """Where a list goes on: what it shows, and from which check on. Ids only."""

    shown: str
    asked_at: datetime | None = None
    ref: str | None = None
    newer: bool = False

    def dump(self) -> str:
        at = self.asked_at.isoformat() if self.asked_at else None
        return json.dumps([self.shown, at, self.ref, self.newer], separators=(",", ":"))

    @classmethod
    def load(cls, value: str) -> "PageCursor | None":
        """What came back with a button; None if it is not one of ours."""
        try:
            shown, at, ref, newer = json.loads(value)
            asked_at = datetime.fromisoformat(at) if at is not None else None
        except (ValueError, TypeError):
            return None
        if not isinstance(shown, str) or not isinstance(ref, str | None) or not isinstance(newer, bool):
            return None
        if (asked_at is None) != (ref is None) or (asked_at is not None and asked_at.tzinfo is None):
            return None
        return cls(shown=shown, asked_at=asked_at, ref=ref, newer=newer)


def listing(rows: Sequence[CheckRow], *, shown: str, has_older: bool, has_newer: bool) -> Message:
    """The answer to `/kyc list`: newest first, without anything personal beyond the last characters."""
    lines = [line(row, names=shown == "all") for row in rows]
    if not rows and shown == "mine":
        head = "You have not asked for a check yet. `/kyc` opens the form."
    elif not rows:
        head = f"No check here: {LABELS.get(shown, shown)}."
    else:
        head = f"Checks: {LABELS.get(shown, shown)}, newest first"
    turns = _turns(rows, shown, has_older=has_older, has_newer=has_newer, action_id=ids.LIST_PAGE)
    blocks = [section(f"*{head}*" if rows else head), *_sections(lines), _filter(shown, turns)]
    return Message(text="\n".join([head, *lines]), blocks=blocks)


def line(row: CheckRow, *, names: bool) -> str:
    """Reference, what, state, when; who asked only where the list is of many."""
    check = row.check
    ref = f"<{row.link}|{check.ref}>" if row.link else check.ref
    who = f" · {person(check.requester)}" if names else ""
    return f"*{ref}* · {subject(check, row.entry)} — {status_name(check)} · {when(check.asked_at)}{who}"


def form(countries: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The search form; an ID number is typed here and nowhere else."""
    return {
        "type": "modal",
        "callback_id": ids.FIND,
        "title": plain("Find checks", 24),
        "submit": plain("Find", 24),
        "close": plain("Cancel", 24),
        "blocks": [
            context(plain("Every field that is filled in must fit. You see the checks that you may see.")),
            _text(ids.FIND_REF, "Reference", "For example K-7F3K2Q"),
            _text(ids.FIND_NUMBER, "ID number", "Blanks and dashes do not matter"),
            _select(ids.FIND_COUNTRY, "Country of the ID number", countries),
            _text(ids.FIND_REFERENCE, "Customer reference", ""),
            _text(ids.FIND_JOB, "Job id", "Smile ID's, or the one we gave"),
            _input(ids.FIND_REQUESTER, "Asked by", {"type": "users_select", "action_id": ids.VALUE}),
            _input(ids.FIND_FIRST, "Asked on or after", {"type": "datepicker", "action_id": ids.VALUE}),
            _input(ids.FIND_LAST, "Asked on or before", {"type": "datepicker", "action_id": ids.VALUE}),
            _select(
                ids.FIND_OUTCOME,
                "Outcome",
                [(name, label) for name, label in LABELS.items() if name not in ("mine", "all")],
            ),
        ],
    }


def results(rows: Sequence[CheckRow], *, metadata: str, has_older: bool, has_newer: bool) -> dict[str, Any]:
    """A page of what was found, each with its Details."""
    blocks: list[Block] = []
    if not rows:
        blocks.append(plain_section("No check that you may see fits."))
    for row in rows:
        details = button(ids.FOUND_DETAILS, "Details", row.check.ref, aloud=f"Details: check {row.check.ref}")
        blocks.append(section(line(row, names=True)) | {"accessory": details})
    turns = _turns(rows, "found", has_older=has_older, has_newer=has_newer, action_id=ids.FIND_PAGE)
    if turns:
        blocks.append({"type": "actions", "elements": turns})
    return {
        "type": "modal",
        "callback_id": ids.FOUND,
        "private_metadata": metadata,
        "title": plain("Checks found", 24),
        "close": plain("Close", 24),
        "blocks": blocks,
    }


def _turns(rows: Sequence[CheckRow], shown: str, *, has_older: bool, has_newer: bool, action_id: str) -> list[Block]:
    turns = []
    if rows and has_newer:
        first = rows[0].check
        turns.append(("Newer", PageCursor(shown=shown, asked_at=first.asked_at, ref=first.ref, newer=True)))
    if rows and has_older:
        last = rows[-1].check
        turns.append(("Older", PageCursor(shown=shown, asked_at=last.asked_at, ref=last.ref)))
    return [button(f"{action_id}:{name.lower()}", name, turn.dump(), aloud=f"{name} checks") for name, turn in turns]


def _filter(shown: str, turns: Collection[Block]) -> Block:
    options = [{"text": plain(label, 75), "value": name} for name, label in LABELS.items()]
    select: Block = {
        "type": "static_select",
        "action_id": ids.LIST_FILTER,
        "placeholder": plain("Show", 150),
        "options": options,
    }
    if initial := next((option for option in options if option["value"] == shown), None):
        select["initial_option"] = initial
    return {"type": "actions", "elements": [select, *turns]}


def _sections(lines: Sequence[str]) -> list[Block]:
    """As many lines in a section as its 3,000 characters surely hold."""
    return [section("\n".join(lines[n : n + 3])) for n in range(0, len(lines), 3)]


def _text(block_id: str, label: str, hint: str) -> Block:
    element = {"type": "plain_text_input", "action_id": ids.VALUE, "max_length": 2 * MAX_TEXT}
    return _input(block_id, label, element, hint)


def _select(block_id: str, label: str, options: Sequence[tuple[str, str]]) -> Block:
    offered = [{"text": plain(quoted(name, 75) or value, 75), "value": value} for value, name in options[:100]]
    return _input(block_id, label, {"type": "static_select", "action_id": ids.VALUE, "options": offered})


def _input(block_id: str, label: str, element: Block, hint: str = "") -> Block:
    block = {"type": "input", "block_id": block_id, "optional": True, "label": plain(label), "element": element}
    return block | ({"hint": plain(hint)} if hint else {})


def unknown_filter(word: str) -> str:
    names = ", ".join(f"`{name}`" for name in LABELS if name != "mine")
    return f"I don't know the filter “{foreign(word, 40)}”. `/kyc list` takes {names}."
