"""The forms behind a reviewer's buttons: decide, disagree, reassign, note; the next check; whom to notify directly.

A form says in `private_metadata` which check it is about and what was known when it opened; nothing personal.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bot.domain.check.check import Check
from bot.domain.id_types.id_types import IDType
from bot.domain.review.review import FOR_REVIEWERS, OTHER, REASONS, Decision, Proposal, Subscription
from bot.slack.blocks import ids, kit, words
from bot.slack.blocks.kit import Block, View
from bot.slack.blocks.review_actions import DECIDE
from bot.slack.blocks.status import record_line, smile_id_says, status_name, subject
from bot.slack.blocks.text import foreign, person
from bot.slack.blocks.thread import why_decided

MAX_WORDS = 500
MOST_SKIPPED = 100
"""References of a few characters each; `private_metadata` takes 3,000."""

NEEDS_WORDS = "Say in your own words why."
EXPIRED = "The form timed out. Try again."

_CHOICES: Mapping[Subscription, str] = {
    Subscription.RESULTS: "A final result of a check I asked for",
    Subscription.DECISIONS: "A reviewer's decision about a check I asked for",
    Subscription.NEWS: "Anything before that, which is not final",
    Subscription.CARDS: "A check that needs review",
    Subscription.SECOND: "A decision that needs a second person",
}
_ON_CARD = "Shown on the card: write no names, numbers or dates of birth here."


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a reviewer came to a form, kept in it from the click to the submit."""

    form: str = ""
    """One opened form: a modal keeps its id while it shows one check after the other."""
    claimed: str = ""
    """When this very click claimed the check; empty if it was claimed before."""
    skipped: Sequence[str] = ()
    """References that this person has skipped since they opened the first form."""
    follows: bool = False
    """Whether the next check follows in this modal."""
    about: str = ""
    """The check whose Details lie below, for the form that was opened on them; not for those that follow it."""
    below: Sequence[str] = ()
    """The ids of the views that show those Details."""

    def dump(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value}

    @classmethod
    def load(cls, kept: Mapping[str, Any] | None) -> "Way":
        """Also of a form that an earlier version of the bot opened."""
        kept = kept or {}
        return cls(
            form=str(kept.get("form") or ""),
            claimed=str(kept.get("claimed") or ""),
            skipped=tuple(str(ref) for ref in kept.get("skipped") or ())[-MOST_SKIPPED:],
            follows=bool(kept.get("follows")),
            about=str(kept.get("about") or ""),
            below=tuple(str(view_id) for view_id in kept.get("below") or ()),
        )


def decide_form(
    check: Check, entry: IDType | None, decision: Decision, *, seen: str, may_override: bool, way: Way | None = None
) -> View:
    """Reason and comment. `seen` is the check's version when the form opened; `may_override` is for its requester."""
    way = way or Way()
    reasons = [(text[:1].upper() + text[1:], key) for key, text in REASONS[decision].items()]
    blocks = [
        kit.section(f"*{subject(check, entry)}* · {check.ref}\n{smile_id_says(check)}\n{record_line(check)}"),
        kit.input_field(ids.REASON, "Why", _fresh(kit.radio(reasons), way)),
        kit.input_field(
            ids.WORDS,
            "In your own words",
            _fresh(kit.text_input(MAX_WORDS, multiline=True), way),
            hint="Shown in the request's thread: write no names, numbers or dates of birth here.",
            optional=True,
        ),
    ]
    if may_override:
        override = kit.option(
            "As an admin I decide a check that I asked for myself",
            ids.OVERRIDDEN,
            "Everybody sees it on the card and in the thread; it is recorded.",
        )
        blocks.append(kit.input_field(ids.OVERRIDE, "Second-person rule", _fresh(kit.checkboxes(override), way)))
    return _told_when_closed(
        kit.modal(
            DECIDE[decision],
            blocks,
            callback_id=ids.DECIDE_FORM,
            submit=DECIDE[decision],
            metadata=json.dumps([check.ref, decision.value, seen, way.dump()]),
        )
    )


def _fresh(element: Block, way: Way) -> Block:
    """Slack keeps what was chosen in a field of the same name when a modal goes on to the next form."""
    return element | {"action_id": f"{ids.VALUE}:{way.form}"} if way.form else element


def _told_when_closed(view: View) -> View:
    return view | {"notify_on_close": True}


def disagree_form(
    check: Check, entry: IDType | None, proposal: Proposal, *, is_own: bool, way: Way | None = None
) -> View:
    """Why: below the card it answers who proposed. `is_own`: they take it back themselves."""
    way, title = way or Way(), "Take back" if is_own else "Disagree"
    proposed = f"{person(proposal.by)} proposed *{words.DECIDED[proposal.decision]}* — {foreign(why_decided(proposal))}"
    blocks = [
        kit.section(f"*{subject(check, entry)}* · {check.ref}\n{smile_id_says(check)}\n{proposed}"),
        kit.input_field(ids.WORDS, "Why", _fresh(kit.text_input(MAX_WORDS, multiline=True), way), hint=_ON_CARD),
    ]
    return kit.modal(
        title,
        blocks,
        callback_id=ids.DISAGREE_FORM,
        submit=title,
        metadata=json.dumps([check.ref, proposal.at.isoformat(), way.dump()]),
    )


def hand_on_form(check: Check, eligible: Sequence[str] | None, *, way: Way | None = None) -> View:
    """`eligible` is everybody who may take it; None where a setting lets anybody review."""
    if eligible is None or len(eligible) > kit.RADIO:
        element = kit.picker("users_select")
    else:
        element = kit.radio_of_people(eligible)
    return _small_form(check, ids.HAND_ON_FORM, "Reassign", kit.input_field(ids.HAND_TO, "To whom", element), way)


def note_form(check: Check, *, way: Way | None = None) -> View:
    hint = "Stored encrypted. Reviewers and admins read it in Details; the requester does not."
    note = kit.input_field(ids.WORDS, "Note", kit.text_input(2 * MAX_WORDS, multiline=True), hint=hint)
    return _small_form(check, ids.NOTE_FORM, "Note", note, way)


def _small_form(check: Check, callback_id: str, title: str, content: Block, way: Way | None) -> View:
    blocks = [kit.section(f"{check.ref} · {status_name(check)}"), content]
    return kit.modal(title, blocks, callback_id=callback_id, submit="Save", metadata=_of(check, way or Way()))


def _of(check: Check, way: Way) -> str:
    return json.dumps([check.ref, way.dump()])


def check_and_way(metadata: str) -> tuple[str, Way]:
    """Of a small form; one that an earlier version of the bot opened holds the reference alone."""
    if not metadata.startswith("["):
        return metadata, Way()
    ref, kept = json.loads(metadata)
    return ref, Way.load(kept)


def notify_form(chosen: Collection[Subscription], *, is_reviewer: bool) -> View:
    """Which direct messages to get: none, unless ticked."""
    offered = [choice for choice in Subscription if is_reviewer or choice not in FOR_REVIEWERS]
    choices = kit.checkboxes(*(kit.option(_CHOICES[choice], choice.value) for choice in offered), ticked=chosen)
    blocks = [
        kit.plain_section("Everything is posted in the request's thread anyway. Get a direct message too about:"),
        kit.input_field(ids.CHOICES, "Direct messages", choices, optional=True),
    ]
    return kit.modal("Tell me directly", blocks, callback_id=ids.NOTIFY_FORM, submit="Save")


def needs_words(reason: str, text: str) -> bool:
    return reason == OTHER and not text.strip()
