"""What reviewers see: the card of a check that needs eyes, the forms to decide, calls below the card.

The card holds what is needed to decide and nothing more; all else opens behind *Details*, by right.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

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
    Proposal,
    ReminderCause,
    Review,
    ReviewDecision,
    ReviewState,
    Subscription,
    may_be_decided,
)
from bot.slack.blocks import ids, words
from bot.slack.blocks.approval import record_line
from bot.slack.blocks.results import checklist
from bot.slack.blocks.status import against, smile_id_says, status_name, subject, verdict_name
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
    sentence,
    spoken,
    took,
    when,
)
from bot.slack.blocks.thread import why_decided

MAX_WORDS = 500
_BEFORE_A_RESULT = frozenset({State.REQUESTED, State.SUBMITTING, State.CANCELLED})
_WRITTEN = 12
"""Notes shown; Slack takes 100 blocks in a view, and Smile ID's messages want most of them."""

NO_REF = "Name a check by its reference, for example `/kyc review K-7F3K2Q`."
NEEDS_WORDS = "Say in your own words why."
TOO_LONG = f"At most {MAX_WORDS} characters."
EXPIRED = "Slack closed the door before the form could open. Click again."
SECOND_NEEDED = "This decision takes two people. It stands on the card as a proposal until a second reviewer agrees."

_DECIDE: Mapping[Decision, str] = {
    Decision.APPROVED: "Approve",
    Decision.REJECTED: "Reject",
    Decision.NEW_PHOTOS: "Ask for new photos",
}
PERSONAL: Mapping[Subscription, str] = {
    Subscription.SECOND: "A decision needs a second person",
}
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
    link: str | None,
    reading: ResultMeaning | None,
    mentions: str = "",
) -> Message:
    """The card as things stand now. `title` is what called for eyes, `reading` Smile ID's message that did.

    Of an earlier round it only says that the check was run again.
    """
    where = f"<{link}|{check.ref}>" if link else check.ref
    head = f"{mentions} *{title}* · {subject(check, entry)} · {where}".strip()
    if round_ != check.round:
        line = "The check was run again since; nobody needs to look at this any more."
        return Message(text=spoken(f"{head}. {line}"), blocks=[section(head), section(line)])
    is_over = review is not None and review.state is ReviewState.SETTLED and check.state in FINAL
    failed = []
    if reading and not is_over:
        lines = checklist(reading, liveness_images=check.liveness_images)
        failed = [line for line in lines if line[:1] in "✗…"]
    if is_over and check.record.outcome is RecordMatch.DIFFERS:
        failed.append(record_line(check))
    elif not is_over and check.state not in _BEFORE_A_RESULT:
        failed += [record_line(check), *([] if check.liveness_images else [f"• {words.NO_LIVENESS_IMAGES}"])]
    asked = f"Asked by {person(check.requester)} {when(check.asked_at)} ({_ago(check.asked_at)})"
    if review is not None and review.notes:
        asked += f" · {review.notes} {'note' if review.notes == 1 else 'notes'}, in the Details"
    version_token = _standing(check, review)
    blocks = [section(head), section(smile_id_says(check))]
    if failed:
        blocks.append(context(plain("\n".join(failed))))
    blocks += [context({"type": "mrkdwn", "text": asked, "verbatim": True}), section(version_token)]
    blocks.append({"type": "actions", "elements": buttons(check, review)})
    heard = f"{foreign('; '.join(failed), 900)}. " if failed else ""
    return Message(text=spoken(f"{head}. {smile_id_says(check)}. {heard}{asked}. {version_token}"), blocks=blocks)


def _standing(check: Check, review: Review | None) -> str:
    """Who has it, what is proposed, what was decided."""
    if review is None or (review.state is ReviewState.SETTLED and check.state not in FINAL):
        return "Nobody is waited for here."
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
    """What can be done with a check now; whether they may is looked at when they click.

    Where one person alone looks, the `viewer`, their own proposal is theirs to take back, not to agree to.
    """
    details = _button(ids.DETAILS, "Details", check.ref)
    note = _button(ids.REVIEW_NOTE, "Note", check.ref)
    if review is None or review.state is not ReviewState.OPEN:
        again = _button(ids.REVIEW_REOPEN, "Look again", check.ref) | {
            "confirm": {
                "title": plain("Look at this again?", 100),
                "text": plain("You claim it. What was decided stands unless you decide anew; releasing ends it.", 300),
                "confirm": plain("Look again", 30),
                "deny": plain("Leave it", 30),
            }
        }
        return [details, again, note]
    if review.proposal is not None:
        # It names the proposal: who reads an older one must not agree to a newer.
        value = f"{check.ref}|{review.proposal.at.isoformat()}"
        agree = _button(ids.REVIEW_AGREE, "Agree", check.ref) | {
            "value": value,
            "confirm": {
                "title": plain("Agree to this decision?", 100),
                "text": plain(
                    f"{words.DECIDED[review.proposal.decision]}, {against(check)}. "
                    "It is told in the request's thread, with both names.",
                    300,
                ),
                "confirm": plain("Agree", 30),
                "deny": plain("Not yet", 30),
            },
        }
        if review.proposal.by == viewer:
            return [_button(ids.REVIEW_DISAGREE, "Take back", check.ref) | {"value": value}, details, note]
        disagree = _button(ids.REVIEW_DISAGREE, "Disagree", check.ref) | {"value": value}
        return [agree, disagree, details, note]
    if review.claimed_by is None:
        return [_button(ids.REVIEW_CLAIM, "Claim", check.ref, primary=True), details, note]
    decide = list(_DECIDE.items()) if may_be_decided(check.state) else []
    return [
        *(_button(f"{ids.REVIEW_DECIDE}:{one.value}", text, check.ref) for one, text in decide),
        details,
        note,
        _button(ids.REVIEW_HAND_ON, "Hand on", check.ref),
        _button(ids.REVIEW_RELEASE, "Release", check.ref),
    ]


def decide_form(
    check: Check, entry: IDType | None, decision: Decision, *, seen: str, may_override: bool
) -> dict[str, Any]:
    """Reason and words. `seen` is how the check stood when the form was opened; `may_override` for who asked for it."""
    blocks: list[Block] = [
        section(f"*{subject(check, entry)}* · {check.ref}\n{smile_id_says(check)}\n{record_line(check)}"),
        {
            "type": "input",
            "block_id": ids.REASON,
            "label": plain("Why", 75),
            "element": {
                "type": "static_select",
                "action_id": ids.VALUE,
                "options": [
                    {"text": plain(text[:1].upper() + text[1:], 75), "value": key}
                    for key, text in REASONS[decision].items()
                ],
            },
        },
        {
            "type": "input",
            "block_id": ids.WORDS,
            "optional": True,
            "label": plain("In your own words", 75),
            "hint": plain("Stands in the request's thread: write no names, numbers or dates of birth here.", 150),
            "element": {
                "type": "plain_text_input",
                "action_id": ids.VALUE,
                "multiline": True,
                "max_length": MAX_WORDS,
            },
        },
    ]
    if may_override:
        option = {
            "text": plain("As an admin I decide a check that I asked for myself", 75),
            "description": plain("Everybody sees it on the card and in the thread; it is recorded.", 75),
            "value": ids.OVERRIDDEN,
        }
        blocks.append(
            {
                "type": "input",
                "block_id": ids.OVERRIDE,
                "label": plain("Four eyes", 75),
                "element": {"type": "checkboxes", "action_id": ids.VALUE, "options": [option]},
            }
        )
    return {
        "type": "modal",
        "callback_id": ids.DECIDE_FORM,
        "private_metadata": json.dumps([check.ref, decision.value, seen]),
        "title": plain(_DECIDE[decision], 24),
        "submit": plain(_DECIDE[decision], 24),
        "close": plain("Back", 24),
        "blocks": blocks,
    }


def hand_on_form(check: Check) -> dict[str, Any]:
    return _small_form(
        check,
        callback_id=ids.HAND_ON_FORM,
        title="Hand on",
        field={
            "type": "input",
            "block_id": ids.HAND_TO,
            "label": plain("To whom", 75),
            "element": {"type": "users_select", "action_id": ids.VALUE},
        },
    )


def note_form(check: Check) -> dict[str, Any]:
    return _small_form(
        check,
        callback_id=ids.NOTE_FORM,
        title="Note",
        field={
            "type": "input",
            "block_id": ids.WORDS,
            "label": plain("Note", 75),
            "hint": plain("Kept sealed; shown in the Details to reviewers and admins, not to who asked.", 150),
            "element": {
                "type": "plain_text_input",
                "action_id": ids.VALUE,
                "multiline": True,
                "max_length": 2 * MAX_WORDS,
            },
        },
    )


def _small_form(check: Check, *, callback_id: str, title: str, field: Block) -> dict[str, Any]:
    return {
        "type": "modal",
        "callback_id": callback_id,
        "private_metadata": check.ref,
        "title": plain(title, 24),
        "submit": plain("Save", 24),
        "close": plain("Back", 24),
        "blocks": [section(f"{check.ref} · {status_name(check)}"), field],
    }


def notify_form(chosen: Collection[Subscription], *, is_reviewer: bool) -> dict[str, Any]:
    """What to be told by direct message: nothing, unless it is ticked."""
    offered = [choice for choice in Subscription if is_reviewer or choice not in FOR_REVIEWERS]
    options = [{"text": plain(_CHOICES[choice], 75), "value": choice.value} for choice in offered]
    ticked = [option for option, choice in zip(options, offered, strict=True) if choice in chosen]
    element: Block = {"type": "checkboxes", "action_id": ids.VALUE, "options": options}
    if ticked:
        element["initial_options"] = ticked
    return {
        "type": "modal",
        "callback_id": ids.NOTIFY_FORM,
        "title": plain("Tell me directly", 24),
        "submit": plain("Save", 24),
        "close": plain("Cancel", 24),
        "blocks": [
            plain_section("Everything is told in the request's thread anyway. By direct message you also hear of:"),
            {
                "type": "input",
                "block_id": ids.CHOICES,
                "optional": True,
                "label": plain("Direct messages", 75),
                "element": element,
            },
        ],
    }


def decisions_and_notes(found: Sequence[ReviewDecision | Note]) -> list[Block]:
    """Decisions and notes for the Details: who, when, and the words as they were written; the newest, oldest first."""
    blocks: list[Block] = []
    for one in sorted(found, key=lambda one: one.at)[-_WRITTEN:]:
        author, text = (
            (_deciders(one), _decision(one)) if isinstance(one, ReviewDecision) else (person(one.author), one.words)
        )
        blocks += [
            context({"type": "mrkdwn", "text": f"{author} {when(one.at)}", "verbatim": True}),
            plain_section(quoted(text, 2 * MAX_WORDS) or "(nothing)"),
        ]
    if len(found) > _WRITTEN:
        blocks.insert(0, context(plain(f"The newest {_WRITTEN} of {len(found)}:")))
    return [section("*Reviewers*"), *blocks] if blocks else []


def _deciders(decided: ReviewDecision) -> str:
    second = f" and {person(decided.confirmed_by)}" if decided.confirmed_by else ""
    return person(decided.by) + (", as an admin who asked too," if decided.is_override else "") + second


def _decision(decided: ReviewDecision) -> str:
    """For plain text."""
    return f"Decided: {words.DECIDED[decided.decision]} — {why_decided(decided)}"


def second_person_request(
    check: Check, entry: IDType | None, proposal: Proposal, *, whom: str, below_a_card: bool = True
) -> Message:
    """Who reads it elsewhere than below a card has no buttons there."""
    line = (
        f"{whom} *A second person is needed*: {person(proposal.by)} proposes "
        f"{words.DECIDED[proposal.decision]} {against(check)} · {subject(check, entry)} · {check.ref}"
    ).strip()
    if not below_a_card:
        line += f". `/kyc review {check.ref}` shows it, to agree or disagree."
    return Message(text=spoken(line), blocks=[section(line)])


def handover(check: Check, entry: IDType | None, *, by: str, to: str) -> Message:
    line = f"{person(to)}, {person(by)} handed this on to you · {subject(check, entry)} · {check.ref}"
    return Message(text=spoken(line), blocks=[section(line)])


def reminder(
    check: Check, entry: IDType | None, silence: ReminderCause, *, whom: str, claimer: str | None, waited: timedelta
) -> Message:
    """Below the card, or directly. `waited` is the whole time, nights included."""
    who = "You have" if claimer and whom == person(claimer) else f"{person(claimer or '')} has"
    what = {
        ReminderCause.UNCLAIMED: "Nobody has claimed this",
        ReminderCause.IDLE: f"{who} claimed this, and nothing was done",
        ReminderCause.PROPOSED: "A decision has waited for a second person",
        ReminderCause.PENDING: "Smile ID has given no final result",
    }[silence]
    line = f"{whom} *{what}* for {took(waited)} · {subject(check, entry)} · {check.ref} · {status_name(check)}".strip()
    return Message(text=spoken(line), blocks=[section(line)])


def personal_notice(check: Check, entry: IDType | None, *, title: str, link: str | None) -> Message:
    """By direct message, to somebody who chose so."""
    where = f"<{link}|{check.ref}>" if link else check.ref
    line = f"*{title}* · {subject(check, entry)} · {where}"
    small = "You are told because you chose so with /kyc notify."
    return Message(text=spoken(f"{line}. {small}"), blocks=[section(line), context(plain(small))])


def needs_words(reason: str, text: str) -> bool:
    return reason == OTHER and not text.strip()


def _ago(moment: datetime) -> str:
    fallback = moment.strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(moment.timestamp())}^{{ago}}|{fallback}>"


def _button(action_id: str, text: str, ref: str, *, primary: bool = False) -> Block:
    return button(action_id, text, ref, aloud=f"{text}: check {ref}", primary=primary)
