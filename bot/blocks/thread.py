"""The message of a request and what is said in its thread: verdict first, then why, then what to do.

Everything here is built at delivery from what is stored, and tells one event.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.blocks import approval, ids, refusals, words
from bot.blocks.status import smile_id_says, status_name, verdict_name
from bot.blocks.text import Block, button, context, foreign, person, plain, quoted, section, spoken, took, when
from bot.blocks.words import Story
from bot.domain.assurance import Doubt
from bot.domain.checks import Check
from bot.domain.id_types import IDType
from bot.domain.liveness import Liveness
from bot.domain.masking import tail
from bot.domain.outbox import Message
from bot.domain.outcomes import Outcome, Reading, Why
from bot.domain.record_match import RecordMatch
from bot.domain.reviews import OTHER, REASONS, Agreement, Decided, Decision, Proposal, runs_again
from bot.domain.states import FINAL, POLLED_REASONS, State

_NAME = 75
"""Longest name of a country or ID type that is shown; Slack's own limit for an option of the form."""
_QUOTE = 240
_HEARD = 900
"""More than all of Smile ID's Actions take when they are read aloud."""
_WORDS = 500
"""What a reviewer may write beside a decision."""
_ABOUT_A_FACE = frozenset({Outcome.APPROVED, Outcome.REJECTED, Outcome.IN_PROGRESS, Outcome.ID_UNVERIFIED})
_LINES = 40
"""More Actions than Smile ID knows of are somebody's game."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What a reviewer had decided before Smile ID's final result came, and how the two stand."""

    decided: Decided
    agreement: Agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifiedParties:
    """Who else has been told, as far as it is true at the moment of delivery."""

    reviewers: bool = False
    """A notice stands in the reviewers' channel."""
    reviewer_mentions: str = ""
    """Otherwise: whom to call in the thread; empty if nobody can be called."""
    operators: bool = False


def subject(check: Check, entry: IDType | None) -> str:
    """Nigeria · BVN ending 0000."""
    country = entry.country_name if entry else check.country
    name = entry.short if entry else check.id_type
    last = tail(check.id_info.get("id_number", ""))
    return f"{foreign(country, _NAME)} · {foreign(name, _NAME)}" + (f" ending {foreign(last)}" if last else "")


def against(check: Check) -> str:
    """How a decision that takes two people stands to what Smile ID says."""
    return "against Smile ID's verdict" if check.reason is None else "without a clear word from Smile ID"


def request_message(
    check: Check,
    entry: IDType | None,
    *,
    waiting: timedelta | None = None,
    unconfirmed: bool = False,
    later: datetime | None = None,
) -> Message:
    """The message that carries reference and progress, updated in place.

    `waiting` is told when it is long; `later` when somebody chose a time for another try.
    """
    status = status_name(check)
    if later is not None and check.state is State.REQUESTED:
        status = f"Will be sent {when(later)}"
    if unconfirmed:
        status += " (not yet confirmed)"
    if waiting is not None and (check.state is State.PROCESSING or check.reason in POLLED_REASONS):
        status = f"{status}. Still waiting: {took(waiting)}, we ask Smile ID again {_how_often(waiting)}"
    elif check.tries > 1 and check.state in (State.REQUESTED, State.SUBMITTING):
        status += ". It takes longer than usual, we keep trying"
    head = f"*Biometric KYC · {subject(check, entry)}* — {status}"
    asked = f"Asked by {person(check.requester)} · {when(check.asked_at)} · {check.ref}"
    steps = _steps(check)
    return Message(
        text=spoken(f"{head}. {check.ref}. {steps}"),
        blocks=[
            section(head),
            context({"type": "mrkdwn", "text": asked, "verbatim": True}, plain(steps)),
            buttons(check),
        ],
    )


def label(check: Check) -> str:
    """The reference, and of a row of a file its number."""
    return f"row {check.batch_row} · {check.ref}" if check.batch_row is not None else check.ref


def buttons(check: Check) -> Block:
    """*Details*, and what can be done with the check now."""
    elements = [_button(ids.DETAILS, "Details", check)]
    if check.state is State.REQUESTED:
        elements.append(cancel_button(check))
    if runs_again(check.state, check.decision):
        elements.append(_button(ids.RUN_AGAIN, "Run again", check))
    return {"type": "actions", "elements": elements}


def cancel_button(check: Check) -> Block:
    confirm = {
        "title": plain("Cancel this check?", 100),
        "text": plain("It has not been sent to Smile ID; nothing will be charged.", 300),
        "confirm": plain("Cancel the check", 30),
        "deny": plain("Keep it", 30),
    }
    return _button(ids.CANCEL, "Cancel", check) | {"confirm": confirm}


def _button(action_id: str, text: str, check: Check) -> Block:
    return button(action_id, text, check.ref, aloud=f"{text}: check {check.ref}")


def _how_often(waiting: timedelta) -> str:
    if waiting < timedelta(days=1):
        return "every few minutes"
    return "every hour" if waiting < timedelta(days=7) else "once a day"


def _steps(check: Check) -> str:
    done = [
        ("Received", True),
        ("Photos checked", check.photos_checked_at is not None),
        ("Sent to Smile ID", check.sent_at is not None or check.verdict is not None),
    ]
    parts = [f"✓ {name}" if is_done else f"… {name}" for name, is_done in done]
    if check.state in FINAL:
        # What was not reached will not be.
        parts = [part for part in parts if part.startswith("✓")]
    ends = {State.FAILED: "✗ No result", State.CANCELLED: "✗ Cancelled"}
    parts.append(ends.get(check.state, "✓ Result" if check.state in FINAL else "… Result"))
    return " · ".join(parts)


def decided(check: Check, decision: Decided) -> Message:
    """A reviewer's decision, beside what Smile ID says."""
    by = f"{words.DECIDED[decision.decision]} by {person(decision.by)}"
    why = foreign(why_decided(decision), _HEARD).removesuffix(".")
    title = f"{person(check.requester)} *{by}* — {why} · {label(check)}"
    facts = [f"{smile_id_says(check)}."]
    if decision.confirmed_by is not None:
        facts.append(f"{person(decision.confirmed_by)} agreed, since a decision {against(check)} takes two.")
    if decision.is_override:
        facts.append(f"{person(decision.by)} asked for this check too, and decided as an admin.")
    if decision.decision is Decision.NEW_PHOTOS:
        facts.append("Ask the customer for new photos, then *Run again*.")
    if check.batch is None:
        return Message(text=spoken(f"{title}. {' '.join(facts)}"), blocks=[section(title), section(" ".join(facts))])
    return Message(
        text=spoken(f"{title}. {' '.join(facts)}"), blocks=[section(title), section(" ".join(facts)), buttons(check)]
    )


def why_decided(decision: Decided | Proposal) -> str:
    """The reason from the list, and the reviewer's own words, as they wrote them."""
    reason = REASONS[decision.decision].get(decision.reason, decision.reason)
    own = quoted(decision.words, _WORDS)
    if decision.reason == OTHER:
        return own or reason
    return f"{reason}: {own}" if own else reason


def _beside(story: Story, reading: Reading, beside: Beside | None) -> Story:
    """The story of a final result, told beside what a reviewer had decided before."""
    if beside is None:
        return story
    before = f"{person(beside.decided.by)} had decided: {words.DECIDED[beside.decided.decision]}."
    match beside.agreement:
        case Agreement.AGREES:
            leaves_open = reading.outcome is Outcome.APPROVED and story != words.STORIES[Why.CONFIRMED]
            meaning = f"{before} Smile ID's final result agrees."
            if leaves_open:
                return replace(story, meaning=f"{meaning} {story.meaning}".strip())
            return replace(story, meaning=meaning, next_step="")
        case Agreement.APART:
            return replace(story, meaning=f"{before} That decision stands.", next_step="")
        case Agreement.CONTRADICTS:
            return words.filled(words.DIFFERS, first=before, second=_outcome_name(reading.outcome))


def result(
    check: Check,
    entry: IDType | None,
    reading: Reading,
    *,
    told: NotifiedParties,
    confirmed: bool,
    at: datetime,
    beside: Beside | None = None,
    doubt: Doubt | None = None,
) -> Message:
    """A final result. `at` is when it was received. An approval without confirmation is not told as one.

    `doubt` is why reviewers were called for an approval.
    """
    if reading.outcome is Outcome.APPROVED and not confirmed:
        return approval_unconfirmed(check, reading, told=told)
    story = _filled(words.STORIES[reading.why], check, entry, reading)
    if reading.outcome is Outcome.APPROVED:
        story = approval.approval_story(check, doubt)
    story = _beside(story, reading, beside)
    facts = []
    if reading.outcome is not Outcome.FAILED and not reading.is_id_message:
        facts.append("by a person at Smile ID" if reading.code.startswith("12") else "by the machine")
    # Run again, perhaps days later and at an hour that somebody chose, it counts from its own sending.
    begun = check.asked_at if check.round == 1 else check.sent_at or check.consent_at
    facts.append(f"took {took(at - begun)}")
    facts.append("confirmed with Smile ID" if confirmed else "not yet confirmed by Smile ID's own record")
    return _story(check, story, told=told, reading=reading, facts=facts, mention=True, unconfirmed=not confirmed)


def record_differs(check: Check, *, told: NotifiedParties, doubt: Doubt | None) -> Message:
    """The authority's record came after the approval had been told."""
    differs = check.record.outcome is RecordMatch.DIFFERS
    story = approval.differing_story(check, doubt) if differs else approval.approval_story(check, doubt)
    return _story(check, story, told=told, mention=True, small=approval.record_line(check))


def not_final(check: Check, entry: IDType | None, reading: Reading, *, told: NotifiedParties) -> Message:
    """Progress that matters: mentions nobody."""
    story = _filled(words.STORIES[reading.why], check, entry, reading)
    return _story(check, story, told=told, reading=reading)


def needs_person(check: Check, entry: IDType | None, reading: Reading, *, told: NotifiedParties) -> Message:
    """Unknown code, unverified ID number: not approved, a person must look."""
    story = _filled(words.STORIES[reading.why], check, entry, reading)
    if check.state in FINAL and check.verdict is not None:
        # Said in the thread of a check that has its result: what is not approved is this message, not the check.
        stands = f"The result told before, {verdict_name(check)}, stands until somebody has looked."
        story = replace(story, meaning=stands)
    return _story(check, story, told=told, reading=reading, mention=True)


def approval_unconfirmed(check: Check, reading: Reading, *, told: NotifiedParties) -> Message:
    return _story(check, words.APPROVAL_UNCONFIRMED, told=told, reading=reading, mention=True)


def approval_since_confirmed(check: Check) -> Message:
    """What stands in place of *not yet confirmed* once it is; the result follows as a message of its own."""
    line = f"Smile ID's own record did not show an approval of {check.ref} at first; it has been confirmed since."
    return Message(text=line, blocks=[section(line)])


def contradiction(check: Check, first: Outcome, second: Outcome, *, told: NotifiedParties) -> Message:
    story = words.filled(words.CONTRADICTION, first=_outcome_name(first), second=_outcome_name(second))
    return _story(check, story, told=told, mention=True)


def second_final(check: Check, first: Outcome, reading: Reading, *, told: NotifiedParties) -> Message:
    story = words.filled(words.SECOND_FINAL, first=_outcome_name(first), second=_outcome_name(reading.outcome))
    return _story(check, story, told=told, reading=reading, mention=True)


def _outcome_name(outcome: Outcome) -> str:
    """Also for an outcome that was final when it was ruled on, and is not by a corrected table of codes."""
    return words.OUTCOME_NAMES.get(outcome, "another result")


def suspects(check: Check, reading: Reading, *, told: NotifiedParties) -> Message:
    return _story(check, words.STORIES[Why.SUSPECTS], told=told, reading=reading)


def overdue(check: Check, *, told: NotifiedParties) -> Message:
    return _story(check, words.OVERDUE, told=told, mention=True)


def failure(check: Check, *, told: NotifiedParties) -> Message:
    """An end without any result of Smile ID; `failure_words` say what is wrong."""
    story = words.FAILURES.get(check.failure or "", words.FAILURES["refused"])
    return _story(check, story, told=told, mention=True, extra=refusals.told(check.failure_words))


def cancelled(check: Check, *, by: str) -> Message:
    line = f"{person(check.requester)} *Cancelled* by {person(by)} before it was sent · {check.ref}"
    rest = "Nothing was charged for it."
    return Message(text=spoken(f"{line}. {rest}"), blocks=[section(line), section(rest)])


def old_result(check: Check, reading: Reading, *, told: NotifiedParties) -> Message:
    """About an attempt before *Run again*: it moves nothing, and somebody should know."""
    # Photos and comparison of the check are those of its present round: nothing of them is about this result.
    return _story(check, words.OLD_RESULT, told=told, mention=True, small=said_by_smile_id(reading))


def alert(fault: str, payload: Mapping[str, str]) -> Message:
    """To an operator, by direct message."""
    line = f"*kyc-bot needs an operator:* {foreign(payload.get('words') or fault)}"
    ref = payload.get("ref")
    more = f"First seen with {ref}. " if ref else ""
    rest = f"{more}The same kind of fault is told at most once an hour; `kyc-bot check` looks at everything."
    return Message(text=spoken(f"{line} {rest}"), blocks=[section(line), context(plain(rest.replace("`", "")))])


def unanswered(payload: Mapping[str, str]) -> Message:
    """To one person, directly: the answer to what they wrote or pressed never reached them."""
    where = f" in <#{payload['channel']}>" if payload.get("channel", "D")[0] in "CG" else ""
    code = payload.get("code")
    why = f" Something went wrong on our side: reference {code}. The operators can see it." if code else ""
    line = (
        f"I could not answer what you last wrote or pressed{where}.{why} Unless a message of a check has appeared, "
        "nothing was sent or changed: try again, or use `/kyc`."
    )
    return Message(text=spoken(line), blocks=[section(line)])


def directly(said: Message, check: Check) -> Message:
    """The same by direct message, since its thread is gone."""
    line = f"This belongs to {check.ref}; its thread or channel is no longer there for me."
    return Message(text=f"{said.text} {line}", blocks=[*said.blocks, context(plain(line))])


def checklist(reading: Reading, *, liveness_images: int | None) -> list[str]:
    """Smile ID's Actions as lines that can be read aloud, for plain_text; what does not apply is left out.

    `liveness_images` is how many were sent with the job, None where that is not known. Without any, whatever the
    Action says of liveness proves none; only a failure stands.
    """
    actions = reading.actions
    unproven = liveness_images == 0 and actions.get("Liveness_Check") not in words.BAD
    about_face = reading.outcome in _ABOUT_A_FACE and not reading.is_id_message
    lines = []
    for action in (*words.ACTIONS, *sorted(set(actions) - set(words.ACTIONS))):
        if action == "Liveness_Check" and unproven:
            if about_face:
                lines.append(f"• {words.NO_LIVENESS_IMAGES}")
            continue
        value = actions.get(action)
        if not value or value in words.SILENT:
            continue
        # Names and values that we do not know are text that others wrote.
        name = words.ACTIONS.get(action) or quoted(action, _NAME)
        said = words.ACTION_VALUES.get(value) or quoted(value, _NAME)
        lines.append(f"{_mark(value, reading.outcome)} {name}: {said}")
    return lines if len(lines) <= _LINES else [*lines[:_LINES], f"and {len(lines) - _LINES} more"]


def _mark(value: str, outcome: Outcome) -> str:
    # *Completed* says only that faces were compared; how that ended stands in the result code.
    if value in words.GOOD or (value == "Completed" and outcome is Outcome.APPROVED):
        return "✓"
    if value in words.BAD:
        return "✗"
    return "…" if value in words.PENDING else "•"


def _story(
    check: Check,
    story: Story,
    *,
    told: NotifiedParties,
    reading: Reading | None = None,
    facts: Sequence[str] = (),
    mention: bool = False,
    unconfirmed: bool = False,
    extra: str | None = None,
    small: str = "",
) -> Message:
    verdict, dash, rest = story.title.partition(" — ")
    title = f"*{verdict}*{dash}{rest}" if dash else f"*{verdict}*"
    if unconfirmed:
        title += " (not yet confirmed)"
    if mention:
        title = f"{person(check.requester)} {title}"
    title += f" · {label(check)}"
    after = " ".join(
        filter(None, (story.meaning, extra and foreign(extra), story.next_step, _who_was_told(check, story, told)))
    )
    lines = checklist(reading, liveness_images=check.liveness_images) if reading is not None else []
    if reading is not None and reading.outcome is Outcome.APPROVED:
        if _passed_over_liveness(check, reading):
            lines.append(words.LIVENESS_NOT_SAID)
        lines.append(approval.record_line(check))
    source = said_by_smile_id(reading) if reading is not None else ""
    small = small or " · ".join(filter(None, (*facts, source)))
    blocks = [section(title)]
    if after:
        blocks.append(section(after))
    if lines:
        blocks.append(context(plain("\n".join(lines))))
    if small:
        blocks.append(context(plain(small)))
    if check.batch is not None:
        # It has no message of its own that would carry its buttons.
        blocks.append(buttons(check))
    heard = foreign("; ".join(lines), _HEARD)
    everything = " ".join(filter(None, (f"{title}.", after, heard and f"{heard}.", foreign(small, 2 * _QUOTE))))
    return Message(text=spoken(everything), blocks=blocks)


def _passed_over_liveness(check: Check, reading: Reading) -> bool:
    """Images were sent, and Smile ID says nothing of them: without a line of ours nobody would miss it."""
    is_silent = reading.actions.get("Liveness_Check", "") in {"", *words.SILENT}
    return bool(check.liveness_images) and check.liveness is Liveness.NOT_PROVEN and is_silent


def said_by_smile_id(reading: Reading) -> str:
    """Code, text and confidence as Smile ID wrote them, for plain_text."""
    shown = f"Smile ID: {quoted(reading.code, _NAME)}"
    if text := quoted(reading.text, _QUOTE):
        shown += f" “{text}”"
    if reading.confidence:
        shown += f" · confidence {quoted(reading.confidence, 20)}"
    return shown


def _who_was_told(check: Check, story: Story, told: NotifiedParties) -> str:
    """Said only when it is true."""
    if story.calls_operators:
        done = "The operators have been told; nothing to do for you."
        return done if told.operators else "Please tell an operator of kyc-bot."
    if told.operators:
        return "The operators have been told."
    if told.reviewers and (story.calls_reviewer or story.tells_reviewer):
        return "A reviewer has been told."
    if not story.calls_reviewer:
        return ""
    return _call_reviewers(check, told.reviewer_mentions.split())


def _call_reviewers(check: Check, mentions: Sequence[str]) -> str:
    """In the thread itself. Who asked is mentioned already, and should not be the one who looks."""
    others = [mention for mention in mentions if mention != person(check.requester)]
    if others:
        return f"{' '.join(others)} please look at this."
    if mentions:
        return "A reviewer must look at this; there is none here besides the one who asked."
    return "A person must look at this; no reviewers are set up here."


def _filled(story: Story, check: Check, entry: IDType | None, reading: Reading) -> Story:
    name = foreign(entry.short if entry else check.id_type, _NAME)
    article = "an" if name[:1] in "AEIOU" else "a"
    example = f"For example {foreign(entry.example)}. " if entry and entry.example else ""
    return words.filled(story, id_type=f"{article} {name}", example=example, code=foreign(reading.code))
