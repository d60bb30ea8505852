"""Builds the posts for reviewers: cards, calls below them, and direct messages to subscribers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.access.process import Process
from bot.access.rights import Right, Role
from bot.domain.check.check import Check
from bot.domain.check.references import parse_reference
from bot.domain.check.states import State
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import CheckLinks, Message, Post, PostKind
from bot.domain.results.attempt import Receipt
from bot.domain.results.codes import ResultMeaning
from bot.domain.review.queue import Queue
from bot.domain.review.requests import ReviewRequest
from bot.domain.review.review import (
    FOR_REVIEWERS,
    UNANSWERED,
    Agreement,
    Audience,
    Decision,
    ReminderCause,
    Review,
    ReviewState,
    Subscription,
    is_unanswered,
    reminder_cause,
    waiting_since,
    waits_for_smile_id,
)
from bot.errors import Refusal, Refused, SlackNotSent
from bot.outbox.builders import Builders
from bot.outbox.links import PATIENT_SECONDS, Links
from bot.outbox.look_ups import LookUps
from bot.review import eligibility
from bot.review.transitions import LONG_WAITS
from bot.slack.blocks import reasons, review, review_calls, review_next, thread, words
from bot.slack.blocks.kit import View
from bot.slack.blocks.text import person
from storage import attempts, checks, outbox, receipts, review_requests, reviews
from storage.engine.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    check: Check
    entry: IDType | None
    review: Review | None
    """Of the post's round."""
    reading: ResultMeaning | None
    requests: list[ReviewRequest]
    """Of the post's round."""
    is_below_a_card: bool
    has_newer_card: bool = False
    """Where this card stands, another of the same check was posted since."""


@dataclass(slots=True, kw_only=True, eq=False)
class ReviewCards(Process):
    """Builds the cards, what follows below them, and what one reviewer is shown of them."""

    links: Links
    look_ups: LookUps
    read: Callable[[Receipt], ResultMeaning]
    """Interprets a stored message of Smile ID's."""

    def builders(self) -> Builders:
        return {
            PostKind.REVIEW_NOTICE: self._card,
            PostKind.REVIEW_CARD: self._card,
            PostKind.REVIEW_CALL: self._call,
            PostKind.PERSONAL: self._personal,
        }

    def _facts(self, tx: Transaction, post: Post, *, sealed: bool = True) -> _Facts | None:
        """With `sealed=False` nothing is opened from its seal: neither the customer's data nor anybody's words."""
        check = checks.find(tx, post.ref, sealed=sealed) if post.ref else None
        if check is None:
            return None
        receipt = receipts.find(tx, post.receipt) if post.receipt else None
        parent = outbox.find(tx, post.parent_id) if post.parent_id else None
        return _Facts(
            check=check,
            entry=self.id_types.find(check.country, check.id_type),
            review=reviews.find(tx, check.ref, _round(post, check), sealed=sealed),
            reading=self.read(receipt) if receipt is not None else None,
            requests=review_requests.of_check(tx, check.ref, _round(post, check)) if sealed else [],
            is_below_a_card=parent is not None and parent.ts is not None and parent.channel == post.destination,
            has_newer_card=_has_newer(tx, post, check),
        )

    async def _card(self, post: Post) -> Message | None:
        """Everything needed to decide, with a link to the request's message; directly only to current reviewers."""
        facts = await self.database.read(self._facts, post)
        if facts is None or (post.destination[0] in "UW" and not await self._reviews(post.destination)):
            return None
        if facts.check.is_altered:
            return thread.altered(facts.check)
        return review.card(
            facts.check,
            facts.entry,
            facts.review,
            round_=_round(post, facts.check),
            title=_title(post.payload, facts),
            link=await self.links.thread(facts.check),
            reading=facts.reading,
            mentions=self.access.mentions(Role.REVIEWER) if _calls(post, facts.check) else "",
            newer=await self._newer(post, facts),
            requests=reasons.lines(facts.requests, facts.check, seen=post.payload.get("seen", "")),
            unanswered=self._is_unanswered(facts.check),
        )

    def _is_unanswered(self, check: Check) -> bool:
        return is_unanswered(check.state, check.sent_at, self.now())

    async def _newer(self, post: Post, facts: _Facts) -> review.NewerCard | None:
        if not facts.has_newer_card:
            return None
        links = await self.links.of([facts.check.ref], reader=post.destination, seconds=PATIENT_SECONDS)
        return review.NewerCard(link=links[facts.check.ref].card)

    async def card(self, user: str, typed: str) -> Message:
        """The card of one check for a reviewer, wherever they ask for it: a look, which is counted. Raises Refused."""
        await eligibility.require_reviewer(self.access, user)
        ref = parse_reference(typed) or typed
        facts = await self.database.read(self._facts_of, ref)
        await self.look_ups.require_for(user, facts.check if facts is not None else None)
        return await self._card_for(user, ref, facts)

    async def refreshed(self, user: str, ref: str) -> Message:
        """The same card after a click on it, which stands: no limit may make it look refused. Raises Refused."""
        await eligibility.require_reviewer(self.access, user)
        return await self._card_for(user, ref, await self.database.read(self._facts_of, ref))

    async def _card_for(self, user: str, ref: str, facts: _Facts | None) -> Message:
        if facts is None:
            raise Refused(Refusal.REVIEW_UNKNOWN_REF, ref=ref)
        self.looked(user, "card.shown", ref=facts.check.ref)
        if facts.check.is_altered:
            return thread.altered(facts.check)
        return review.card(
            facts.check,
            facts.entry,
            facts.review,
            round_=facts.check.round,
            title=_title({}, facts),
            link=await self.links.thread(facts.check),
            reading=facts.reading,
            requests=reasons.lines(facts.requests, facts.check),
            unanswered=self._is_unanswered(facts.check),
        )

    async def first(self, user: str, *, told: str = "", skipped: Sequence[str] = ()) -> View:
        """The first check that waits for this person, for who begins to review or skips one. Raises Refused."""
        await eligibility.require_reviewer(self.access, user)
        return await self.next(user, told=told, skipped=skipped)

    async def next(self, user: str, *, told: str, skipped: Sequence[str] = ()) -> View:
        """The modal after a decision: `told` says what was done, and below it is the next check for this person.

        Only for who has just decided, agreed or disagreed, and so was let in: what they did stands, and no second
        question to Slack may make it look refused. Anybody else comes by `first`.

        Holds no more than a card does.
        """
        facts = await self.database.read(self._next, user, skipped)
        if facts is None or facts.review is None:
            return review_next.nothing_left(told, skipped=len(skipped))
        self.looked(user, "card.shown", ref=facts.check.ref, detail="next")
        return review_next.next_check(
            facts.check,
            facts.entry,
            facts.review,
            told=told,
            title=_title({}, facts),
            link=await self.links.thread(facts.check),
            reading=facts.reading,
            requests=reasons.lines(facts.requests, facts.check),
            viewer=user,
            skipped=skipped,
        )

    def _next(self, tx: Transaction, user: str, skipped: Sequence[str]) -> _Facts | None:
        queue = Queue.of(reviews.open_now(tx), viewer=user, now=self.now(), due=self.settings.review_due)
        passed = set(skipped)
        while (found := queue.next_up(but=passed)) is not None:
            facts = self._facts_of(tx, found.ref)
            if facts is not None and not facts.check.is_altered:
                return facts
            # The queue knows of its head alone, and this one was altered in the rest: nobody decides it.
            passed.add(found.ref)
        return None

    def _facts_of(self, tx: Transaction, ref: str) -> _Facts | None:
        """As the newest card of its round has them; without one, by what Smile ID said last."""
        check = checks.find(tx, ref)
        if check is None:
            return None
        told = [card.receipt for card in outbox.cards(tx, ref, check.round) if card.receipt]
        receipt = receipts.find(tx, told[-1]) if told else _last_word(tx, check)
        return _Facts(
            check=check,
            entry=self.id_types.find(check.country, check.id_type),
            review=reviews.find(tx, ref),
            reading=self.read(receipt) if receipt is not None else None,
            requests=review_requests.of_check(tx, ref, check.round),
            is_below_a_card=False,
        )

    async def _personal(self, post: Post) -> Message | None:
        """For one subscriber, if they still may know, and still have something to do."""
        facts, choice = await self.database.read(self._facts, post), Subscription(post.payload["choice"])
        if facts is None or (choice in FOR_REVIEWERS and not await self._can_act(post, choice, facts.review)):
            return None
        if facts.check.is_altered:
            return thread.altered(facts.check)
        title = review.PERSONAL.get(choice) or _title(post.payload, facts)
        if choice is Subscription.DECISIONS:
            title = words.DECIDED[Decision(post.payload["decision"])] + " by a reviewer"
        links = await self._links(post)
        return review_calls.personal_notice(facts.check, facts.entry, title=title, choice=choice, links=links)

    async def _can_act(self, post: Post, choice: Subscription, opened: Review | None) -> bool:
        if opened is None or opened.state is not ReviewState.OPEN:
            return False
        if choice is Subscription.SECOND and opened.proposal is None:
            return False
        return await self._reviews(post.destination)

    async def _call(self, post: Post) -> Message | None:
        """None when it has been done meanwhile."""
        is_direct = post.destination[0] in "UW"
        # A manager's are neither the customer's data nor the reviewers' channel.
        is_reviewers = not is_direct or await self._reviews(post.destination)
        facts = await self.database.read(self._facts, post, sealed=is_reviewers)
        if facts is None or facts.review is None or facts.review.state is not ReviewState.OPEN:
            return None
        opened, links = facts.review, await self._links(post)
        if not (is_direct and is_reviewers):
            # In a channel it stands below the card; or that was deleted, and a link that is remembered leads nowhere.
            links = replace(links, card=None)
        return self._called(post, facts, opened, links)

    def _called(self, post: Post, facts: _Facts, opened: Review, links: CheckLinks) -> Message | None:
        match post.payload["what"]:
            case "second":
                return self._second(post, facts, opened, links)
            case "handed":
                return _handed(post, facts, opened, links)
            case "disagreed":
                return _disagreed(post, facts, opened)
            case what:
                return self._reminder(post, facts, opened, ReminderCause(what), links)

    def _second(self, post: Post, facts: _Facts, opened: Review, links: CheckLinks) -> Message | None:
        if opened.proposal is None:
            return None
        return review_calls.second_person_request(
            facts.check,
            facts.entry,
            opened.proposal,
            whom=self._whom(post),
            links=links,
            below_a_card=facts.is_below_a_card,
        )

    def _reminder(
        self, post: Post, facts: _Facts, opened: Review, silence: ReminderCause, links: CheckLinks
    ) -> Message | None:
        waits = waits_for_smile_id(facts.check.state, facts.check.reason)
        if silence is not reminder_cause(opened, waits_for_smile_id=waits):
            return None
        return review_calls.reminder(
            facts.check,
            facts.entry,
            silence,
            whom=self._whom(post),
            claimer=opened.claimed_by,
            waited=self.now() - waiting_since(opened),
            links=links,
            below_a_card=facts.is_below_a_card,
            audience=Audience(post.payload.get("audience", Audience.GROUP)),
        )

    async def _links(self, post: Post) -> CheckLinks:
        found = await self.links.of([post.ref or ""], reader=post.destination, seconds=PATIENT_SECONDS)
        return found.get(post.ref or "", CheckLinks())

    def _whom(self, post: Post) -> str:
        """A mention of one person, or else of every reviewer."""
        whom = post.payload["whom"]
        return person(whom) if whom else self.access.mentions(Role.REVIEWER)

    async def _reviews(self, user: str) -> bool:
        """Raises SlackNotSent while Slack does not say: then the post is retried later."""
        permission = await self.access.may(user, Right.REVIEW)
        return permission.settled(SlackNotSent("who reviews is not known now"))


def _handed(post: Post, facts: _Facts, opened: Review, links: CheckLinks) -> Message | None:
    to = post.payload["whom"]
    if to != opened.claimed_by:
        return None
    return review_calls.handover(
        facts.check, facts.entry, by=post.payload["by"], to=to, links=links, below_a_card=facts.is_below_a_card
    )


def _disagreed(post: Post, facts: _Facts, opened: Review) -> Message | None:
    objection = opened.objection
    if objection is None or objection.by != post.payload["by"]:
        return None
    return review.disagreement(facts.check, facts.entry, objection)


def _round(post: Post, check: Check) -> int:
    return int(post.payload.get("round", check.round))


def _calls(post: Post, check: Check) -> bool:
    """In their channel, unless somebody reopened it by hand and has it already, or has ended it meanwhile."""
    is_over = post.payload.get("tell") == "again" or _is_ended(post.payload, check)
    return post.destination[0] in "CG" and not is_over


def _is_ended(payload: Mapping[str, str], check: Check) -> bool:
    """Whether this card tells of a long wait that a reviewer has ended.

    A card whose delivery is in doubt is not dropped then: it may be in Slack already.
    """
    return payload.get("tell") in LONG_WAITS and (check.state, check.failure) == (State.FAILED, UNANSWERED)


def _title(payload: Mapping[str, str], facts: _Facts) -> str:
    if _is_ended(payload, facts.check):
        return words.FAILURES[UNANSWERED].title
    tell = "differs" if payload.get("agreement") == Agreement.CONTRADICTS else payload.get("tell", "")
    return words.notice_title(tell, facts.reading.why if facts.reading else None)


def _has_newer(tx: Transaction, post: Post, check: Check) -> bool:
    """Whether a card was delivered after this one, which an update of it names as its parent."""
    card = post.parent_id or post.id
    beside = [one for one in outbox.cards(tx, check.ref, check.round) if one.destination == post.destination]
    place = next((number for number, one in enumerate(beside) if one.id == card), len(beside))
    return any(one.ts is not None for one in beside[place + 1 :])


def _last_word(tx: Transaction, check: Check) -> Receipt | None:
    # An altered one may hold what no attempt can be made of.
    attempt = attempts.latest(tx, check.ref) if not check.is_altered else None
    said = receipts.of_job(tx, attempt.job_id) if attempt is not None else []
    return next((receipt for receipt in reversed(said) if receipt.code == check.verdict), said[-1] if said else None)
