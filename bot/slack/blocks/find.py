"""Lists of checks, for one person: the answer to `/kyc list`, the search form and its pages."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import TypeAdapter

from bot.domain.check.check import Check, Cursor
from bot.domain.check.fields import MAX_TEXT
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import Message
from bot.domain.review.review import Review
from bot.slack.blocks import ids, kit
from bot.slack.blocks.kit import Block, View
from bot.slack.blocks.standing import standing
from bot.slack.blocks.status import subject
from bot.slack.blocks.text import foreign, link_to, person, quoted, sentence, spoken, when

LABELS = {
    "mine": "All of mine",
    "open": "Open",
    "review": "Needs review",
    "approved": "Approved",
    "rejected": "Rejected",
    "failed": "No result",
    "cancelled": "Cancelled",
    "all": "Everybody's",
}
NEVER_AS_TEXT = (
    "For privacy, don't type ID numbers or names in a command. What you typed after `find` was not used. "
    "Fill in the form."
)
_PERSONAL = frozenset({ids.FIND_NUMBER, ids.FIND_COUNTRY, ids.FIND_REFERENCE, ids.FIND_JOB})
"""Fields of the form that find a customer: not for who sees the records of checks alone."""
_CURSOR = TypeAdapter(tuple[str, str | None, str | None, bool])
NOTHING_SOUGHT = "Fill in at least one field."


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    check: Check
    entry: IDType | None
    link: str | None
    review: Review | None = None
    """Of its round: who has it, or who decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCursor:
    """Where the next page of a list begins. Ids only."""

    shown: str
    cursor: Cursor | None = None

    def dump(self) -> str:
        cursor = self.cursor
        place = [cursor.asked_at.isoformat(), cursor.ref, cursor.newer] if cursor else [None, None, False]
        return json.dumps([self.shown, *place], separators=(",", ":"))

    @classmethod
    def load(cls, value: str) -> "PageCursor | None":
        """A button's value; None if it is not one of ours."""
        try:
            shown, at, ref, newer = _CURSOR.validate_json(value, strict=True)
            # As `dump` writes it: pydantic would also take a bare number of seconds.
            asked_at = datetime.fromisoformat(at) if at is not None else None
            # As it is compared with: the first and the last year have moments that have no time in UTC.
            asked_at = asked_at.astimezone(UTC) if asked_at is not None and asked_at.tzinfo else asked_at
        except (ValueError, OverflowError):
            return None
        if asked_at is None and ref is None:
            return cls(shown=shown)
        if asked_at is None or asked_at.tzinfo is None or ref is None:
            return None
        return cls(shown=shown, cursor=Cursor(asked_at=asked_at, ref=ref, newer=newer))


def listing(
    rows: Sequence[CheckRow], *, shown: str, offers: Sequence[str], has_older: bool, has_newer: bool
) -> Message:
    """The answer to `/kyc list`: newest first, without anything personal beyond the last characters.

    `offers` are the filters that this person may choose instead.
    """
    lines = [line(row, names=shown.startswith("all")) for row in rows]
    if not rows and shown == "mine":
        head = "You have not asked for a check yet. `/kyc` opens the form."
    elif not rows:
        head = f"No check here: {filter_name(shown)}."
    else:
        head = f"Checks: {filter_name(shown)}, newest first"
    turns = page_buttons(rows, shown, has_older=has_older, has_newer=has_newer, action_id=ids.LIST_PAGE)
    listed = [kit.row(text, row.check.ref) for text, row in zip(lines, rows, strict=True)]
    blocks = [kit.section(f"*{head}*" if rows else head), *listed, kit.actions(filter_menu(offers, shown), *turns)]
    return Message(text=spoken("\n".join([head, *lines])), blocks=blocks)


def filter_menu(offers: Sequence[str], shown: str) -> Block:
    """What else the list can show this person."""
    options = [(filter_name(name), name) for name in offers]
    return kit.select(options, action_id=ids.LIST_FILTER, chosen=shown, placeholder="Show")


def filter_name(shown: str) -> str:
    """*Rejected*, *Everybody's: rejected*."""
    scope, _, state = shown.partition(" ")
    if state:
        return f"{LABELS[scope]}: {LABELS.get(state, state).casefold()}"
    return LABELS.get(shown, shown)


def line(row: CheckRow, *, names: bool) -> str:
    """A check in a list; who asked only where the list is of many."""
    check = row.check
    asked = f"asked {when(check.asked_at)}" + (f" by {person(check.requester)}" if names else "")
    return told(check, row.entry, row.review, called=link_to(check.ref, row.link), facts=[asked])


def told(check: Check, entry: IDType | None, review: Review | None, *, called: str, facts: Sequence[str]) -> str:
    """Verdict and why, the next step, then what it is and the `facts`; `called` is the reference with its links."""
    now = standing(check, review)
    by = [f"by {now.by} {when(now.since)}"] if now.by else []
    lines = [f"{now.headline} · {called}"]
    if now.next_step:
        lines.append(f"*Next:* {sentence(now.next_step)}")
    return "\n".join([*lines, " · ".join([subject(check, entry), *facts, *by])])


def form(countries: Sequence[tuple[str, str]], *, finds_customers: bool = True, finds_others: bool = True) -> View:
    """The search form; an ID number is typed here and nowhere else.

    `finds_customers`: this person sees some checks whole, and may look for them by what is personal; those of others
    too with `finds_others`.
    """
    outcomes = [(label, name) for name, label in LABELS.items() if name not in ("mine", "all")]
    issuers = [(quoted(name, 75) or value, value) for value, name in countries]
    text = kit.text_input(2 * MAX_TEXT)
    fields = (
        (ids.FIND_REF, "Reference", text, "For example K-7F3K2Q"),
        (ids.FIND_NUMBER, "ID number", text, "Blanks and dashes do not matter"),
        (ids.FIND_COUNTRY, "Country of the ID number", kit.select(issuers), ""),
        (ids.FIND_REFERENCE, "Customer reference", text, ""),
        (ids.FIND_JOB, "Job id", text, "Smile ID's, or the one we gave"),
        (ids.FIND_REQUESTER, "Asked by", kit.picker("users_select"), ""),
        (ids.FIND_FIRST, "Asked on or after", kit.picker("datepicker"), ""),
        (ids.FIND_LAST, "Asked on or before", kit.picker("datepicker"), ""),
        (ids.FIND_OUTCOME, "Outcome", kit.select(outcomes), ""),
    )
    about = "Results match all fields you fill in and only include checks you can access."
    if finds_customers and not finds_others:
        about += " ID number, customer reference and job id find only checks that you asked for."
    blocks = [
        kit.small(about),
        *(
            kit.input_field(name, label, element, hint=hint, optional=True)
            for name, label, element, hint in fields
            if finds_customers or name not in _PERSONAL
        ),
    ]
    return kit.modal("Find checks", blocks, callback_id=ids.FIND, submit="Find")


def results(rows: Sequence[CheckRow], *, metadata: str, has_older: bool, has_newer: bool) -> View:
    blocks = [kit.row(line(row, names=True), row.check.ref, ids.FOUND_DETAILS) for row in rows]
    if turns := page_buttons(rows, "found", has_older=has_older, has_newer=has_newer, action_id=ids.FIND_PAGE):
        blocks.append(kit.actions(*turns))
    blocks = blocks or [kit.plain_section("No check that you have access to matches.")]
    return kit.modal("Checks found", blocks, callback_id=ids.FOUND, close="Close", metadata=metadata)


def page_buttons(
    rows: Sequence[CheckRow], shown: str, *, has_older: bool, has_newer: bool, action_id: str
) -> list[Block]:
    turns = []
    for name, is_there, row in (("Newer", has_newer, rows[:1]), ("Older", has_older, rows[-1:])):
        if is_there and row:
            cursor = Cursor(asked_at=row[0].check.asked_at, ref=row[0].check.ref, newer=name == "Newer")
            value = PageCursor(shown=shown, cursor=cursor).dump()
            turns.append(kit.button(f"{action_id}:{name.lower()}", name, value, label=f"{name} checks"))
    return turns


def unknown_filter(word: str, offers: Sequence[str]) -> str:
    names = ", ".join(f"`{name}`" for name in offers if name != "mine")
    return f"I don't know the filter “{foreign(word, 40)}”. `/kyc list` takes {names}."
