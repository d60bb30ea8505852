"""What reviewers see: the card of a check that needs review, the forms to decide, messages below the card.

The card holds only what is needed to decide; *Details* shows everything else to those who may see it.
"""

import json
from collections.abc import Collection, Mapping, Sequence

from bot.domain.check.check import Check
from bot.domain.check.states import FINAL, State
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import Message
from bot.domain.results.codes import ResultMeaning
from bot.domain.results.record_match import RecordMatch
from bot.domain.review.review import (
    FOR_REVIEWERS,
    OTHER,
    REASONS,
    Decision,
    Note,
    Review,
    ReviewDecision,
    ReviewState,
    Subscription,
    may_be_decided,
)
from bot.slack.blocks import ids, kit, words
from bot.slack.blocks.kit import Block, Style, View
from bot.slack.blocks.results import checklist
from bot.slack.blocks.status import against, record_line, smile_id_says, status_name, subject, verdict_name
from bot.slack.blocks.text import foreign, link_to, person, quoted, sentence, spoken, when
from bot.slack.blocks.thread import why_decided

MAX_WORDS = 500
_BEFORE_A_RESULT = frozenset({State.REQUESTED, State.SUBMITTING, State.CANCELLED})
_ENTRIES = 12
"""Decisions and notes in the Details; Slack takes 100 blocks in a view, and Smile ID's messages want most of them."""

NO_REF = "Add the reference of a check, for example `/kyc review K-7F3K2Q`."
NEEDS_WORDS = "Say in your own words why."
EXPIRED = "The form timed out. Try again."
SECOND_NEEDED = "This decision takes two people. It stands on the card as a proposal until a second reviewer agrees."

_DECIDE: Mapping[Decision, str] = {
    Decision.APPROVED: "Approve",
    Decision.REJECTED: "Reject",
    Decision.NEW_PHOTOS: "Ask for new photos",
}
PERSONAL: Mapping[Subscription, str] = {Subscription.SECOND: "A decision needs a second person"}
_CHOICES: Mapping[Subscription, str] = {
    Subscription.RESULTS: "A final result of a check I asked for",
    Subscription.DECISIONS: "A reviewer's decision about a check I asked for",
    Subscription.NEWS: "Anything before that, which is not final",
    Subscription.CARDS: "A check that needs eyes",
    Subscription.SECOND: "A decision that needs a second person",
}


def card(
    check: Check,
    entry: IDType | None,
    review: Review | None,
    *,
    round_: int,
    title: str,
    link: str | None = None,
    reading: ResultMeaning | None = None,
    mentions: str = "",
    requests: Sequence[str] = (),
) -> Message:
    """The card now; of an earlier round, that it is over. `title` is why, `reading` the message that caused it.

    `requests` are lines of mrkdwn: who asked reviewers to look, and why.
    """
    head = f"{mentions} *{title}* · {subject(check, entry)} · {link_to(check.ref, link)}".strip()
    if round_ != check.round:
        line = "The check was run again since; nobody needs to look at this any more."
        return Message(text=spoken(f"{head}. {line}"), blocks=[kit.section(head), kit.section(line)])
    is_over = review is not None and review.state is ReviewState.SETTLED and check.state in FINAL
    failed = []
    if reading and not is_over:
        lines = checklist(reading, liveness_images=check.liveness_images)
        failed = [line for line in lines if line[:1] in "✗…"]
    if is_over and check.record.outcome is RecordMatch.DIFFERS:
        failed.append(record_line(check))
    elif not is_over and check.state not in _BEFORE_A_RESULT:
        failed += [record_line(check), *([] if check.liveness_images else [f"• {words.NO_LIVENESS_IMAGES}"])]
    asked = f"Asked by {person(check.requester)} {when(check.asked_at)} ({when(check.asked_at, '{ago}')})"
    if review is not None and review.notes:
        asked += f" · {review.notes} {'note' if review.notes == 1 else 'notes'}, in the Details"
    stage = _stage(check, review)
    blocks = [kit.section(head), *([kit.section("\n".join(requests))] if requests else [])]
    blocks.append(kit.section(smile_id_says(check)))
    if failed:
        blocks.append(kit.small("\n".join(failed)))
    blocks += [kit.small_mrkdwn(asked), kit.section(stage)]
    blocks.append(kit.actions(*buttons(check, review)))
    heard = f"{foreign('; '.join(failed), 900)}. " if failed else ""
    said = " ".join((f"{head}.", *requests, f"{smile_id_says(check)}."))
    return Message(text=spoken(f"{said} {heard}{asked}. {stage}"), blocks=blocks)


def _stage(check: Check, review: Review | None) -> str:
    if review is None or (review.state is ReviewState.SETTLED and check.state not in FINAL):
        return "For information. No action needed."
    proposal, decided = review.proposal, review.decided
    if review.state is ReviewState.DECIDED and decided is not None:
        return _decided(decided)
    if review.state is ReviewState.SETTLED:
        return f"Smile ID's final result has come: *{verdict_name(check)}*. Nothing is left to decide."
    before = f"{_decided(decided)} Somebody must look again. " if decided is not None else ""
    if proposal is not None:
        return (
            f"{before}*{person(proposal.by)} proposes: {words.DECIDED[proposal.decision]}* — "
            f"{sentence(foreign(why_decided(proposal), MAX_WORDS + 100))} It would stand {against(check)}: "
            "a second reviewer must agree."
        )
    if review.claimed_by is None or review.claimed_at is None:
        return f"{before}Nobody has claimed this yet."
    return f"{before}Claimed by {person(review.claimed_by)} {when(review.claimed_at)}."


def _decided(decided: ReviewDecision) -> str:
    text = f"*{words.DECIDED[decided.decision]} by {person(decided.by)}* {when(decided.at)} — "
    text += sentence(foreign(why_decided(decided), MAX_WORDS + 100))
    if decided.confirmed_by is not None:
        text += f" {person(decided.confirmed_by)} agreed."
    if decided.is_override:
        text += f" {person(decided.by)} asked for this check too, and decided as an admin."
    return text


def buttons(check: Check, review: Review | None, *, viewer: str | None = None) -> list[Block]:
    """What can be done with a check now; whoever reads a card sees it, and rights are checked on the click.

    On the `viewer`'s own Home tab they can withdraw their own proposal, not agree to it.
    """
    details, note = kit.details_button(check.ref), kit.check_button(ids.REVIEW_NOTE, "Note", check.ref)
    if review is None or review.state is not ReviewState.OPEN:
        reopen = kit.confirmed(
            kit.check_button(ids.REVIEW_REOPEN, "Reopen", check.ref),
            title="Reopen this check?",
            text="You claim it. The earlier decision stands until you decide again or unclaim it.",
            confirm="Reopen",
            deny="Leave it",
        )
        return [details, reopen, note]
    if review.proposal is not None:
        # It names the proposal: who reads an older one must not agree to a newer.
        value = f"{check.ref}|{review.proposal.at.isoformat()}"
        if review.proposal.by == viewer:
            return [kit.check_button(ids.REVIEW_DISAGREE, "Take back", check.ref, value=value), details, note]
        agree = kit.confirmed(
            kit.check_button(ids.REVIEW_AGREE, "Agree", check.ref, value=value),
            title="Agree to this decision?",
            text=f"{words.DECIDED[review.proposal.decision]}, {against(check)}. "
            "It is told in the request's thread, with both names.",
            confirm="Agree",
            deny="Not yet",
        )
        return [agree, kit.check_button(ids.REVIEW_DISAGREE, "Disagree", check.ref, value=value), details, note]
    if review.claimed_by is None:
        return [kit.check_button(ids.REVIEW_CLAIM, "Claim", check.ref, style=Style.PRIMARY), details, note]
    decide = _DECIDE.items() if may_be_decided(check.state) else ()
    return [
        *(kit.check_button(f"{ids.REVIEW_DECIDE}:{one.value}", text, check.ref) for one, text in decide),
        details,
        note,
        kit.check_button(ids.REVIEW_HAND_ON, "Reassign", check.ref),
        kit.check_button(ids.REVIEW_RELEASE, "Unclaim", check.ref),
    ]


def decide_form(check: Check, entry: IDType | None, decision: Decision, *, seen: str, may_override: bool) -> View:
    """Reason and comment. `seen` is the check's version when the form opened; `may_override` is for its requester."""
    reasons = [(text[:1].upper() + text[1:], key) for key, text in REASONS[decision].items()]
    blocks = [
        kit.section(f"*{subject(check, entry)}* · {check.ref}\n{smile_id_says(check)}\n{record_line(check)}"),
        kit.input_field(ids.REASON, "Why", kit.select(reasons)),
        kit.input_field(
            ids.WORDS,
            "In your own words",
            kit.text_input(MAX_WORDS, multiline=True),
            hint="Stands in the request's thread: write no names, numbers or dates of birth here.",
            optional=True,
        ),
    ]
    if may_override:
        override = kit.option(
            "As an admin I decide a check that I asked for myself",
            ids.OVERRIDDEN,
            "Everybody sees it on the card and in the thread; it is recorded.",
        )
        blocks.append(kit.input_field(ids.OVERRIDE, "Second-person rule", kit.checkboxes(override)))
    return kit.modal(
        _DECIDE[decision],
        blocks,
        callback_id=ids.DECIDE_FORM,
        submit=_DECIDE[decision],
        close="Cancel",
        metadata=json.dumps([check.ref, decision.value, seen]),
    )


def hand_on_form(check: Check) -> View:
    reviewer = kit.input_field(ids.HAND_TO, "To whom", kit.picker("users_select"))
    return _small_form(check, ids.HAND_ON_FORM, "Reassign", reviewer)


def note_form(check: Check) -> View:
    hint = "Kept sealed; shown in the Details to reviewers and admins, not to who asked."
    note = kit.input_field(ids.WORDS, "Note", kit.text_input(2 * MAX_WORDS, multiline=True), hint=hint)
    return _small_form(check, ids.NOTE_FORM, "Note", note)


def _small_form(check: Check, callback_id: str, title: str, content: Block) -> View:
    blocks = [kit.section(f"{check.ref} · {status_name(check)}"), content]
    return kit.modal(title, blocks, callback_id=callback_id, submit="Save", close="Cancel", metadata=check.ref)


def notify_form(chosen: Collection[Subscription], *, is_reviewer: bool) -> View:
    """Which direct messages to get: none, unless ticked."""
    offered = [choice for choice in Subscription if is_reviewer or choice not in FOR_REVIEWERS]
    choices = kit.checkboxes(*(kit.option(_CHOICES[choice], choice.value) for choice in offered), ticked=chosen)
    blocks = [
        kit.plain_section("Everything is told in the request's thread anyway. By direct message you also hear of:"),
        kit.input_field(ids.CHOICES, "Direct messages", choices, optional=True),
    ]
    return kit.modal("Tell me directly", blocks, callback_id=ids.NOTIFY_FORM, submit="Save")


def decisions_and_notes(found: Sequence[ReviewDecision | Note]) -> list[Block]:
    """The newest decisions and notes for the Details, oldest first: who, when, and the text as written."""
    blocks: list[Block] = []
    for one in sorted(found, key=lambda one: one.at)[-_ENTRIES:]:
        if isinstance(one, ReviewDecision):
            second = f" and {person(one.confirmed_by)}" if one.confirmed_by else ""
            author = person(one.by) + (", as an admin who asked too," if one.is_override else "") + second
            text = f"Decided: {words.DECIDED[one.decision]} — {why_decided(one)}"
        else:
            author, text = person(one.author), one.words
        blocks += [
            kit.small_mrkdwn(f"{author} {when(one.at)}"),
            kit.plain_section(quoted(text, 2 * MAX_WORDS) or "(nothing)"),
        ]
    if len(found) > _ENTRIES:
        blocks.insert(0, kit.small(f"The newest {_ENTRIES} of {len(found)}:"))
    return [kit.section("*Reviewers*"), *blocks] if blocks else []


def needs_words(reason: str, text: str) -> bool:
    return reason == OTHER and not text.strip()
