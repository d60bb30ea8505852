"""Smile ID's results in the thread of a check: verdict first, then why, then what to do.

Built at delivery from what is stored; each message reports one event.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.check.check import Check
from bot.domain.check.states import FINAL
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import Message, PostKind
from bot.domain.results.assurance import Doubt, Liveness
from bot.domain.results.codes import Outcome, ResultMeaning, ResultStory
from bot.domain.results.record_match import RecordMatch
from bot.domain.review.requests import REQUEST_REASONS, ReviewRequest
from bot.domain.review.review import UNANSWERED, Agreement, ReviewDecision
from bot.slack.blocks import kit, refusals, words
from bot.slack.blocks.status import NAME, approval_story, differing_story, label, record_line, verdict_name
from bot.slack.blocks.text import foreign, person, quoted, took
from bot.slack.blocks.thread import buttons
from bot.slack.blocks.words import Story

_QUOTE = 240
_SPOKEN_LENGTH = 900
"""Longer than all of Smile ID's Actions together."""
_ABOUT_A_FACE = frozenset({Outcome.APPROVED, Outcome.REJECTED, Outcome.IN_PROGRESS, Outcome.ID_UNVERIFIED})
_LINES = 40
"""More Actions than Smile ID knows of are somebody's game."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierDecision:
    """What a reviewer decided before Smile ID's final result came, and whether the two agree."""

    decided: ReviewDecision
    agreement: Agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifiedParties:
    """Who else has been notified, as of delivery."""

    reviewers: bool = False
    """The reviewers' channel has a notice."""
    reviewer_mentions: str = ""
    """Otherwise: whom to call in the thread; empty if nobody can be called."""
    admins: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFacts:
    """What a post about a message of Smile ID's is built from, as of delivery."""

    check: Check
    entry: IDType | None = None
    reading: ResultMeaning
    at: datetime
    """When the message was received."""
    notified: NotifiedParties
    first: Outcome | None = None
    """Smile ID's earlier result, where two differ."""
    doubt: Doubt | None = None
    """Why reviewers were called for an approval."""
    earlier: EarlierDecision | None = None


def _with_earlier_decision(story: Story, reading: ResultMeaning, earlier: EarlierDecision | None) -> Story:
    if earlier is None:
        return story
    before = f"{person(earlier.decided.by)} had decided: {words.DECIDED[earlier.decided.decision]}."
    match earlier.agreement:
        case Agreement.AGREES:
            leaves_open = reading.outcome is Outcome.APPROVED and story != words.STORIES[ResultStory.CONFIRMED]
            meaning = f"{before} Smile ID's final result agrees."
            if leaves_open:
                return replace(story, meaning=f"{meaning} {story.meaning}".strip())
            return replace(story, meaning=meaning, next_step=words.AFTER[earlier.decided.decision])
        case Agreement.APART:
            next_step = words.AFTER[earlier.decided.decision]
            return replace(story, meaning=f"{before} That decision stands.", next_step=next_step)
        case Agreement.CONTRADICTS:
            return words.filled(words.DIFFERS, first=before, second=_outcome_name(reading.outcome))


def result(of: ResultFacts, *, confirmed: bool) -> Message:
    """A final result. An unconfirmed approval is not reported as one."""
    check, reading = of.check, of.reading
    if reading.outcome is Outcome.APPROVED and not confirmed:
        return _approval_unconfirmed(of)
    story = approval_story(check, of.doubt) if reading.outcome is Outcome.APPROVED else _filled(of)
    story = _with_earlier_decision(story, reading, of.earlier)
    facts = []
    if reading.outcome is not Outcome.FAILED and not reading.is_id_message:
        facts.append("by a person at Smile ID" if reading.code.startswith("12") else "by the machine")
    # Run again, perhaps days later and at an hour that somebody chose, it counts from its own sending.
    begun = check.asked_at if check.round == 1 else check.sent_at or check.consent_at
    facts.append(f"took {took(of.at - begun)}")
    facts.append("confirmed with Smile ID" if confirmed else "not yet confirmed by Smile ID's own record")
    return _story(
        check, story, notified=of.notified, reading=reading, facts=facts, mention=True, unconfirmed=not confirmed
    )


def _approval_unconfirmed(of: ResultFacts) -> Message:
    return _about(of, words.APPROVAL_UNCONFIRMED, mention=True)


def _record_differs(of: ResultFacts) -> Message:
    """The authority's record came after the approval was posted."""
    differs = of.check.record.outcome is RecordMatch.DIFFERS
    story = (differing_story if differs else approval_story)(of.check, of.doubt)
    return _story(of.check, story, notified=of.notified, mention=True, small=record_line(of.check))


def _needs_person(of: ResultFacts) -> Message:
    """Unknown code, unverified ID number: not approved, needs review."""
    story = _filled(of)
    if of.check.state in FINAL and of.check.verdict is not None:
        # The check has its result already: what is not approved is this message, not the check.
        earlier = f"The result told before, {verdict_name(of.check)}, stands until somebody has looked."
        story = replace(story, meaning=earlier)
    return _about(of, story, mention=True)


def _contradiction(of: ResultFacts) -> Message:
    return _story(of.check, _of_two(words.CONTRADICTION, of), notified=of.notified, mention=True)


def _old_result(of: ResultFacts) -> Message:
    """A result of an attempt before *Run again*: it changes nothing, but reviewers should know."""
    # Photos and comparison of the check are those of its present round: nothing of them is about this result.
    return _story(of.check, words.OLD_RESULT, notified=of.notified, mention=True, small=smile_id_quote(of.reading))


BY_KIND: Mapping[PostKind, Callable[[ResultFacts], Message]] = {
    PostKind.RESULT: lambda of: result(of, confirmed=True),
    PostKind.RESULT_UNCONFIRMED: lambda of: result(of, confirmed=False),
    PostKind.APPROVAL_UNCONFIRMED: _approval_unconfirmed,
    PostKind.CONTRADICTION: _contradiction,
    PostKind.SECOND_FINAL: lambda of: _about(of, _of_two(words.SECOND_FINAL, of), mention=True),
    PostKind.OLD_RESULT: _old_result,
    PostKind.RECORD_DIFFERS: _record_differs,
    PostKind.SUSPECTS: lambda of: _about(of, words.STORIES[ResultStory.SUSPECTS]),
    PostKind.NOT_FINAL: lambda of: _about(of, _filled(of)),
    PostKind.UNKNOWN_CODE: _needs_person,
    PostKind.ID_UNVERIFIED: _needs_person,
}
"""The posts about a message of Smile ID's. Progress mentions nobody."""


def approval_since_confirmed(check: Check) -> Message:
    """Replaces *not yet confirmed* once it is confirmed; the result follows as its own message."""
    verdict, next_step = "Approval confirmed by Smile ID", "Act on the result below."
    line = "Smile ID's own record did not show it at first."
    blocks = [kit.section(f"*{verdict}* · {label(check)}"), kit.small(f"{line} {next_step}")]
    return kit.told(blocks, verdict=verdict, ref=label(check), next_step=next_step, rest=[line])


def _outcome_name(outcome: Outcome | None) -> str:
    """Also for an outcome that was final when stored, and is not by a corrected table of codes."""
    return words.OUTCOME_NAMES.get(outcome, "another result") if outcome else "another result"


def overdue(check: Check, *, notified: NotifiedParties) -> Message:
    return _story(check, words.OVERDUE, notified=notified, mention=True)


def failure(check: Check, *, notified: NotifiedParties, by: str | None = None, is_override: bool = False) -> Message:
    """An end without any result of Smile ID; `failure_words` say what is wrong.

    `by` is the reviewer who ended it; with `is_override` as an admin who had asked for it.
    """
    # Run again before this is delivered, the check holds no cause any more: by a reviewer there is but one.
    cause = check.failure if by is None else UNANSWERED
    story = words.FAILURES.get(cause or "", words.FAILURES["refused"])
    if by is not None:
        ended = f"{person(by)} ended this check: Smile ID has given no result for it in 7 days or more."
        own = f" {person(by)} asked for this check too, and ended it as an admin." if is_override else ""
        story = replace(story, meaning=f"{ended}{own} {story.meaning}")
    return _story(check, story, notified=notified, mention=True, extra=refusals.stored_sentence(check.failure_words))


def review_requested(check: Check, asked: ReviewRequest, *, notified: NotifiedParties) -> Message:
    """Somebody asked the reviewers to look. What they wrote besides the reason is for reviewers."""
    reason = REQUEST_REASONS[asked.kind].get(asked.reason, asked.reason)
    story = Story(
        title=f"Review requested — {foreign(reason)}",
        meaning=f"Asked for by {person(asked.person)}.",
        next_step="Wait for a reviewer's decision; it will be posted here.",
        calls_reviewer=True,
    )
    return _story(check, story, notified=notified)


def checklist(reading: ResultMeaning, *, liveness_images: int | None) -> list[str]:
    """Smile ID's Actions as plain_text lines for a screen reader, without those that do not apply.

    Of an Action that the code rules out nothing is claimed, whatever its value (`words.NOT_REACHED` and
    `NOT_REACHED_BY_CODE`).
    `liveness_images` is how many were sent with the job, None where that is not known. Without any, whatever the
    Action says of liveness proves none; only a failure counts.
    """
    actions = reading.actions
    names = (*words.ACTIONS, *sorted(set(actions) - set(words.ACTIONS)))
    lines = [_line(name, actions.get(name, ""), reading, liveness_images) for name in names]
    shown = [line for line in lines if line]
    return shown if len(shown) <= _LINES else [*shown[:_LINES], f"and {len(shown) - _LINES} more"]


def open_actions(reading: ResultMeaning, *, liveness_images: int | None, but: Collection[str] = ()) -> list[str]:
    """The lines of `checklist` that are not plainly passed, without the Actions that are told elsewhere."""
    if len(reading.actions) > _LINES:
        return [line for line in checklist(reading, liveness_images=liveness_images) if not line.startswith("✓")]
    kept = {action: value for action, value in reading.actions.items() if action not in but}
    lines = checklist(replace(reading, actions=kept), liveness_images=liveness_images)
    return [line for line in lines if not line.startswith("✓")]


def confidence(value: str) -> str:
    """As a person reads it: Smile ID writes one and the same value as 97, 97.0 or 97.000000 (of 100)."""
    try:
        number = float(value)
    except ValueError:
        return quoted(value, 20)
    if not 1 <= number <= 100:
        # What is outside of that range, nobody has documented: as it is.
        return quoted(value, 20)
    return f"{number:.2f}".rstrip("0").rstrip(".") + " %"


def _line(action: str, value: str, reading: ResultMeaning, liveness_images: int | None) -> str:
    """One Action; empty where it does not apply."""
    if action == "Liveness_Check" and liveness_images == 0 and value not in words.BAD:
        is_about_face = reading.outcome in _ABOUT_A_FACE and not reading.is_id_message
        return f"• {words.NO_LIVENESS_IMAGES}" if is_about_face else ""
    if not value or value in words.SILENT:
        return ""
    # Names and values that we do not know are text that others wrote.
    name = words.ACTIONS.get(action) or quoted(action, NAME)
    not_reached = _not_reached(action, reading)
    if not_reached is not None and value not in words.TELL_WHY:
        return f"• {name}: {not_reached}"
    known = words.SAID_BY_THE_CODE.get((reading.why, value)) or words.SAID_BY_THE_ACTION.get((action, value))
    if value == "Completed" and reading.outcome is Outcome.APPROVED:
        known = "matched"
    value_name = known or words.ACTION_VALUES.get(value) or quoted(value, NAME)
    return f"{_mark(value, reading.outcome)} {name}: {value_name}"


def _not_reached(action: str, reading: ResultMeaning) -> str | None:
    by_code = words.NOT_REACHED_BY_CODE.get((reading.why, reading.code), {})
    return by_code.get(action) or words.NOT_REACHED.get(reading.why, {}).get(action)


def _mark(value: str, outcome: Outcome) -> str:
    # *Completed* says only that faces were compared; the result code says how that ended.
    if value in words.GOOD or (value == "Completed" and outcome is Outcome.APPROVED):
        return "✓"
    if value in words.BAD:
        return "✗"
    return "…" if value in words.PENDING else "•"


def _about(of: ResultFacts, story: Story, *, mention: bool = False) -> Message:
    return _story(of.check, story, notified=of.notified, reading=of.reading, mention=mention)


def _story(
    check: Check,
    story: Story,
    *,
    notified: NotifiedParties,
    reading: ResultMeaning | None = None,
    facts: Sequence[str] = (),
    mention: bool = False,
    unconfirmed: bool = False,
    extra: str | None = None,
    small: str = "",
) -> Message:
    verdict, _dash, why = story.title.partition(" — ")
    if unconfirmed:
        verdict += " (not yet confirmed)"
    called = person(check.requester) if mention else ""
    title = f"{called} *{verdict}*{why and f' — {why}'} · {label(check)}".lstrip()
    extra, notes = extra and foreign(extra), _who_was_notified(check, story, notified)
    next_step = story.next_step or notes
    after = _sentences(story.meaning, extra, story.next_step, notes)
    lines = _lines(check, reading) if reading is not None else []
    source = smile_id_quote(reading) if reading is not None else ""
    small = small or " · ".join(filter(None, (*facts, source)))
    blocks = [kit.section(title)]
    if after:
        blocks.append(kit.section(after))
    blocks += [kit.small(text) for text in ("\n".join(lines), small) if text]
    blocks.append(buttons(check))
    return kit.told(
        blocks,
        verdict=verdict,
        why=why,
        ref=label(check),
        next_step=next_step,
        mention=called,
        rest=[
            story.meaning,
            extra,
            notes if story.next_step else "",
            foreign("; ".join(lines), _SPOKEN_LENGTH),
            foreign(small, 2 * _QUOTE),
        ],
    )


def _sentences(*parts: str | None) -> str:
    return " ".join(filter(None, parts))


def _lines(check: Check, reading: ResultMeaning) -> list[str]:
    """What Smile ID checked, and for an approval what it leaves open."""
    lines = checklist(reading, liveness_images=check.liveness_images)
    if reading.outcome is not Outcome.APPROVED:
        return lines
    if _ignores_liveness(check, reading):
        lines.append(words.LIVENESS_NOT_SAID)
    return [*lines, record_line(check)]


def _ignores_liveness(check: Check, reading: ResultMeaning) -> bool:
    """Images were sent and Smile ID does not mention them: without our line nobody would notice."""
    is_silent = reading.actions.get("Liveness_Check", "") in {"", *words.SILENT}
    return bool(check.liveness_images) and check.liveness is Liveness.NOT_PROVEN and is_silent


def smile_id_quote(reading: ResultMeaning) -> str:
    """Code, text and confidence as Smile ID wrote them, for plain_text."""
    shown = f"Smile ID: {quoted(reading.code, NAME)}"
    if text := quoted(reading.text, _QUOTE):
        shown += f" “{text}”"
    if reading.confidence:
        shown += f" · confidence {confidence(reading.confidence)}"
    return shown


def _who_was_notified(check: Check, story: Story, notified: NotifiedParties) -> str:
    """Only what is true at delivery."""
    if story.calls_admins:
        done = "Nothing to do for you. The admins have been told."
        return done if notified.admins else "Please tell an admin of kyc-bot."
    if notified.admins:
        return "The admins have been told."
    if notified.reviewers and (story.calls_reviewer or story.tells_reviewer):
        return "A reviewer has been told."
    if not story.calls_reviewer:
        return ""
    return _call_reviewers(check, notified.reviewer_mentions.split())


def _call_reviewers(check: Check, mentions: Sequence[str]) -> str:
    """Mentions reviewers in the thread; not the requester, who is mentioned already and should not review."""
    others = [mention for mention in mentions if mention != person(check.requester)]
    if others:
        return f"{' '.join(others)} please look at this."
    if mentions:
        return "A reviewer must look at this; there is none here besides the one who asked."
    return "A person must look at this; no reviewers are set up here."


def _of_two(story: Story, of: ResultFacts) -> Story:
    return words.filled(story, first=_outcome_name(of.first), second=_outcome_name(of.reading.outcome))


def _filled(of: ResultFacts) -> Story:
    entry = of.entry
    name = foreign(entry.short if entry else of.check.id_type, NAME)
    story, code = words.STORIES[of.reading.why], foreign(of.reading.code)
    return words.filled(story, id_type=name, example=_format(entry, name) if entry else "", code=code)


def _format(entry: IDType, name: str) -> str:
    """How a number of this type looks: *A BVN has 11 digits, e.g. 00000000000.*"""
    example = foreign(entry.example)
    if entry.digits is None:
        return f"For example {example}. " if example else ""
    fewest, most = entry.digits
    count = str(most) if fewest == most else f"{fewest} to {most}"
    return f"{'An' if name[:1] in 'AEIOU' else 'A'} {name} has {count} digits{f', e.g. {example}' if example else ''}. "
