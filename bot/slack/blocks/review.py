"""What reviewers see: the card of a check that needs review, messages below it, what they wrote in the Details.

The card holds only what is needed to decide; *Details* shows everything else to those who may see it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.domain.check.check import Check
from bot.domain.check.states import BEFORE_SENDING, FINAL, ReviewReason, State
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import Message
from bot.domain.results.codes import ResultMeaning, ResultStory
from bot.domain.results.record_match import RecordMatch
from bot.domain.review.review import (
    UNANSWERED,
    Note,
    Objection,
    Review,
    ReviewDecision,
    ReviewState,
    Subscription,
    may_be_decided,
)
from bot.slack.blocks import kit, words
from bot.slack.blocks.kit import Block
from bot.slack.blocks.results import confidence, open_actions
from bot.slack.blocks.review_actions import buttons
from bot.slack.blocks.review_forms import MAX_WORDS
from bot.slack.blocks.status import (
    against,
    record_line,
    record_title,
    smile_id_says,
    subject,
    verdict_name,
)
from bot.slack.blocks.text import foreign, link_to, person, quoted, sentence, when
from bot.slack.blocks.thread import why_decided

_BEFORE_A_RESULT = BEFORE_SENDING | {State.SUBMITTING, State.CANCELLED}
_ENTRIES = 12
"""Decisions and notes in the Details; Slack takes 100 blocks in a view, and Smile ID's messages want most of them."""

_AFTER_A_WEEK = "Look for its job in Smile ID's portal. If there is no result, end the check without one."

NO_REF = "Add the reference of a check, for example `/kyc review K-7F3K2Q`."

PERSONAL: Mapping[Subscription, str] = {Subscription.SECOND: "A decision needs a second person"}
_TITLES: Mapping[ReviewReason, frozenset[str]] = {
    ReviewReason.SMILE_ID: frozenset(
        words.STORIES[why].name
        for why in (ResultStory.PROVISIONAL, ResultStory.SUSPECTED_SPOOF, ResultStory.INCONCLUSIVE)
    ),
    ReviewReason.UNCONFIRMED: frozenset({words.APPROVAL_UNCONFIRMED.name}),
    ReviewReason.UNKNOWN_CODE: frozenset({words.STORIES[ResultStory.UNKNOWN_CODE].name}),
    ReviewReason.CONTRADICTION: frozenset({words.CONTRADICTION.name, words.DIFFERS.name}),
    ReviewReason.ID_UNVERIFIED: frozenset({words.STORIES[ResultStory.ID_UNVERIFIED].name}),
    ReviewReason.SECOND_FINAL: frozenset({words.SECOND_FINAL.name}),
    ReviewReason.ALTERED: frozenset(),
}
"""The titles of cards that say why themselves there is no result that counts."""
_ABOUT_LIVENESS = frozenset({words.notice_title("liveness_not_proven", None)})
_ABOUT_RECORD: Mapping[str, RecordMatch] = {
    words.notice_title("record_differs", None): RecordMatch.DIFFERS,
    words.notice_title("record_partly", None): RecordMatch.PARTLY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewerCard:
    """Another card of the same check, posted since: one check is decided in one place."""

    link: str | None
    """None while Slack does not give one."""


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
    newer: NewerCard | None = None,
    unanswered: bool = False,
) -> Message:
    """The card now; of an earlier round, that it is over. `title` is why, `reading` the message that caused it.

    `requests` are lines of mrkdwn: who asked reviewers to look, and why. `unanswered`: no result came for a week.
    """
    if round_ != check.round:
        head = _head(check, entry, title=title, link=link, mentions=mentions)
        line = "The check was run again since. No action needed here."
        verdict, next_step = "The check was run again since", "No action needed here."
        return kit.told(
            [kit.section(head), kit.section(line)],
            verdict=verdict,
            ref=check.ref,
            next_step=next_step,
            rest=[title, subject(check, entry)],
        )
    where = f"<{newer.link}|newer card>" if newer is not None and newer.link else "newer card below"
    line = f"Decide on the {where}: this one is only for information."
    shown = facts(
        check,
        entry,
        review,
        title=title,
        link=link,
        reading=reading,
        mentions=mentions,
        requests=requests,
        # An address would fill what a notification shows.
        next_step=(_AFTER_A_WEEK if unanswered else "")
        if newer is None
        else "Decide on the newer card: this one is only for information.",
    )
    if newer is None:
        return Message(
            text=shown.text, blocks=[*shown.blocks, kit.actions(*buttons(check, review, unanswered=unanswered))]
        )
    blocks = [*shown.blocks, kit.section(line), kit.actions(kit.details_button(check.ref))]
    return Message(text=shown.text, blocks=blocks)


def facts(
    check: Check,
    entry: IDType | None,
    review: Review | None,
    *,
    title: str,
    link: str | None,
    reading: ResultMeaning | None,
    mentions: str = "",
    requests: Sequence[str] = (),
    next_step: str = "",
) -> Message:
    """All that a card shows above its buttons: what for, what Smile ID says, what is not plainly passed, who has it."""
    head = _head(check, entry, title=title, link=link, mentions=mentions)
    is_over = review is not None and review.state is ReviewState.SETTLED and check.state in FINAL
    says, lines = (
        _smile_id(check, title, reading, is_over=is_over),
        _open_points(check, title, reading, is_over=is_over),
    )
    asked = f"Asked by {person(check.requester)} {when(check.asked_at)} ({when(check.asked_at, '{ago}')})"
    if review is not None and review.notes:
        asked += f" · {review.notes} {'note' if review.notes == 1 else 'notes'}, in Details"
    stage = _stage(check, review)
    blocks = [kit.section(head), *([kit.section("\n".join(requests))] if requests else []), kit.section(says)]
    if lines:
        blocks.append(kit.small("\n".join(lines)))
    blocks += [kit.small_mrkdwn(asked), kit.section(stage)]
    verdict, _dash, why = _title(check, title).partition(" — ")
    # What somebody wrote comes last: a locked phone shows the beginning to whoever picks it up.
    rest = [subject(check, entry), says, foreign("; ".join(lines), 900), asked, stage, *requests]
    return kit.told(
        blocks,
        verdict=verdict,
        why=why,
        ref=check.ref,
        next_step=next_step or _next_step(check, review),
        mention=mentions,
        rest=rest,
    )


def _head(check: Check, entry: IDType | None, *, title: str, link: str | None, mentions: str) -> str:
    return f"{mentions} *{_title(check, title)}* · {subject(check, entry)} · {link_to(check.ref, link)}".strip()


def _title(check: Check, title: str) -> str:
    return record_title(check) if _ABOUT_RECORD.get(title) is check.record.outcome else title


def _next_step(check: Check, review: Review | None) -> str:
    """What a reader of the card can do, in a few words: the stage and the buttons say the rest."""
    if review is None or review.state is not ReviewState.OPEN:
        return "No action needed."
    if review.proposal is not None:
        return "Agree or disagree: a second reviewer is needed."
    if not may_be_decided(check.state):
        return "Open *Details*."
    # A claim is named by the stage, which changes on the card alone.
    return "Approve or reject it."


def _smile_id(check: Check, title: str, reading: ResultMeaning | None, *, is_over: bool) -> str:
    """Its result; why there is none, unless the title says it; and how sure it was."""
    says = smile_id_says(check, why=check.reason is None or title not in _TITLES[check.reason])
    if reading is None or not reading.confidence or (is_over and reading.code != check.verdict):
        return says
    return f"{says} · confidence {foreign(confidence(reading.confidence))}"


def _open_points(check: Check, title: str, reading: ResultMeaning | None, *, is_over: bool) -> list[str]:
    """Every Action that is not plainly passed, and the comparison with the authority's record.

    What the title says already is left out: the reason for the doubt stands in one place.
    """
    if check.state in _BEFORE_A_RESULT:
        return []
    lines: list[str] = []
    if reading is not None and (not is_over or reading.code == check.verdict):
        lines = open_actions(reading, liveness_images=check.liveness_images, but=_told_by(title, reading))
    told = _ABOUT_RECORD.get(title)
    record = record_line(check, but=told if told is check.record.outcome else None)
    if is_over and not lines:
        return [record] if record and check.record.outcome is RecordMatch.DIFFERS else []
    if check.liveness_images == 0:
        # Smile ID's Action proves no liveness without images; a card without a message of Smile ID's says it too.
        lines = [line for line in lines if words.NO_LIVENESS_IMAGES not in line]
        lines.append(f"• {words.NO_IMAGES if title in _ABOUT_LIVENESS else words.NO_LIVENESS_IMAGES}")
    return [*lines, record] if record else lines


def _told_by(title: str, reading: ResultMeaning) -> frozenset[str]:
    """The Actions whose value the title says in words of its own."""
    if title != words.STORIES[reading.why].name:
        return frozenset()
    return frozenset(
        action for action, value in words.TOLD_BY_TITLE.get(reading.why, ()) if reading.actions.get(action) == value
    )


def _stage(check: Check, review: Review | None) -> str:
    if review is None or (review.state is ReviewState.SETTLED and check.state not in FINAL):
        return "For information. No action needed."
    proposal, decided = review.proposal, review.decided
    if review.state is ReviewState.DECIDED and decided is not None:
        return _decided(decided)
    if review.state is ReviewState.SETTLED and check.state is State.CANCELLED:
        return "The check was cancelled before it was sent, and a reviewer closed the review."
    if review.state is ReviewState.SETTLED and check.failure == UNANSWERED:
        by = person(review.claimed_by) if review.claimed_by is not None else "A reviewer"
        return f"{by} ended the check without a result: Smile ID never answered."
    if review.state is ReviewState.SETTLED:
        return f"Smile ID's final result: *{verdict_name(check)}*. Nothing is left to decide."
    before = f"{_decided(decided)} A reviewer must decide again. " if decided is not None else ""
    if proposal is not None:
        return (
            f"{before}*{person(proposal.by)} proposes: {words.DECIDED[proposal.decision]}* — "
            f"{sentence(foreign(why_decided(proposal), MAX_WORDS + 100))} It would stand {against(check)}: "
            "a second reviewer must agree."
        )
    after = _objected(review)
    if review.claimed_by is None or review.claimed_at is None:
        return f"{before}Nobody has claimed this yet.{after}"
    return f"{before}Claimed by {person(review.claimed_by)} {when(review.claimed_at)}.{after}"


def _objected(review: Review) -> str:
    """Why the last proposal was withdrawn, until another is made or the check is decided."""
    objection = review.objection
    if objection is None or (review.decided is not None and review.decided.at >= objection.at):
        return ""
    what, why = words.DECIDED[objection.decision], sentence(foreign(quoted(objection.words, MAX_WORDS), MAX_WORDS))
    if objection.by == objection.proposer:
        return f" {person(objection.by)} took back *{what}* — {why}"
    return f" {person(objection.by)} disagreed with *{what}* (proposed by {person(objection.proposer)}) — {why}"


def _decided(decided: ReviewDecision) -> str:
    text = f"*{words.DECIDED[decided.decision]} by {person(decided.by)}* {when(decided.at)} — "
    text += sentence(foreign(why_decided(decided), MAX_WORDS + 100))
    if decided.confirmed_by is not None:
        text += f" {person(decided.confirmed_by)} agreed."
    if decided.is_override:
        text += f" {person(decided.by)} asked for this check too, and decided as an admin."
    return text


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


def disagreement(check: Check, entry: IDType | None, objection: Objection) -> Message:
    """Below the card, to who proposed it."""
    why = sentence(foreign(quoted(objection.words, MAX_WORDS), MAX_WORDS))
    verdict, mention = (
        f"{person(objection.by)} disagrees with {words.DECIDED[objection.decision]}",
        person(objection.proposer),
    )
    next_step = "Decide it again, or unclaim it: you still claim it."
    blocks = [
        kit.section(f"{mention} *{verdict}* — {why} · {subject(check, entry)} · {check.ref}"),
        kit.section(next_step),
    ]
    return kit.told(
        blocks,
        verdict=f"{words.DECIDED[objection.decision]} not agreed to by {person(objection.by)}",
        ref=check.ref,
        next_step=next_step,
        mention=mention,
        rest=[f"{verdict}: {why}", subject(check, entry)],
    )
