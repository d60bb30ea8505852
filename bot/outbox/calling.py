"""What reviewers are told: cards, calls below them, and what somebody chose to hear of directly."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from bot.access import Access, Role, Verdict
from bot.blocks import review, words
from bot.blocks.text import person
from bot.domain.checks import Check
from bot.domain.id_types import IDType, IDTypes
from bot.domain.outbox import Message, Post, PostKind
from bot.domain.reviews import (
    FOR_REVIEWERS,
    Agreement,
    Choice,
    Decision,
    ReviewState,
    Silence,
    silence_of,
    silent_since,
    waits_for_smile_id,
)
from bot.errors import SlackNotSent, SlackRefused
from bot.outbox.context import Context
from bot.slack.web import SlackWeb

REVIEWERS = frozenset({PostKind.REVIEW_NOTICE, PostKind.REVIEW_CARD, PostKind.REVIEW_CALL, PostKind.PERSONAL})


class Calling:
    """Builds these messages."""

    def __init__(self, *, slack: SlackWeb, access: Access, id_types: IDTypes, now: Callable[[], datetime]) -> None:
        self._slack = slack
        self._access = access
        self._id_types = id_types
        self._now = now

    async def say(self, post: Post, context: Context) -> Message | None:
        """The words of one post; None when there is nothing to say any more."""
        check = context.check
        if check is None:
            return None
        entry = self._id_types.find(check.country, check.id_type)
        match post.kind:
            case PostKind.PERSONAL:
                return await self._personal(post, context, check, entry)
            case PostKind.REVIEW_CALL:
                return self._call(post, context, check, entry)
            case _:
                return await self._card(post, context, check, entry)

    async def _card(self, post: Post, context: Context, check: Check, entry: IDType | None) -> Message | None:
        """Everything needed to decide, with a link to the request's message; directly only to who is a reviewer now."""
        if post.destination[0] in "UW" and not await self._reviews(post.destination):
            return None
        return review.card(
            check,
            entry,
            context.review,
            round_=int(post.payload.get("round", check.round)),
            title=_title(post, context),
            link=await self._link(check),
            reading=context.reading,
            mentions=self._access.mentions(Role.REVIEWER) if _calls(post) else "",
        )

    async def _personal(self, post: Post, context: Context, check: Check, entry: IDType | None) -> Message | None:
        """For one person who chose so, if they may (still) know, and there is (still) something for them to do."""
        choice, opened = Choice(post.payload["choice"]), context.review
        if choice in FOR_REVIEWERS:
            if opened is None or opened.state is not ReviewState.OPEN:
                return None
            if (choice is Choice.SECOND and opened.proposal is None) or not await self._reviews(post.destination):
                return None
        title = review.PERSONAL.get(choice) or _title(post, context)
        if choice is Choice.DECISIONS:
            title = words.DECIDED[Decision(post.payload["decision"])] + " by a reviewer"
        return review.personal(check, entry, title=title, link=await self._link(check))

    def _call(self, post: Post, context: Context, check: Check, entry: IDType | None) -> Message | None:
        """None when what it calls for has been done meanwhile."""
        payload, opened = post.payload, context.review
        if opened is None or opened.state is not ReviewState.OPEN:
            return None
        if payload["what"] == "second":
            if opened.proposal is None:
                return None
            whom = payload["whom"] and person(payload["whom"])
            whom = whom or self._access.mentions(Role.REVIEWER)
            below = context.below is not None
            return review.second(check, entry, opened.proposal, whom=whom, below_a_card=below)
        if payload["what"] == "handed":
            return (
                review.handed(check, entry, by=payload["by"], to=payload["whom"])
                if payload["whom"] == opened.claimed_by
                else None
            )
        silence = Silence(payload["what"])
        if silence is not silence_of(opened, waits_for_smile_id=waits_for_smile_id(check.state, check.reason)):
            return None
        whom = person(payload["whom"]) if payload["whom"] else self._access.mentions(Role.REVIEWER)
        waited = self._now() - silent_since(opened)
        return review.reminder(check, entry, silence, whom=whom, claimer=opened.claimed_by, waited=waited)

    async def _reviews(self, person: str) -> bool:
        """Raises SlackNotSent while Slack does not say: then it is told later."""
        is_reviewer = await self._access.has(person, Role.REVIEWER, Role.ADMIN)
        if is_reviewer is Verdict.UNKNOWN:
            raise SlackNotSent("who reviews is not known now")
        return is_reviewer is Verdict.YES

    async def _link(self, check: Check) -> str | None:
        if check.message_ts is None:
            return None
        # The message may have been deleted since, or its channel closed to us: it is worth telling anyway.
        with suppress(SlackRefused):
            return await self._slack.permalink(channel=check.channel, ts=check.message_ts)
        return None


def _calls(post: Post) -> bool:
    """In their channel, of what was not taken up by somebody already."""
    return post.destination[0] in "CG" and post.payload.get("tell") != "again"


def _title(post: Post, context: Context) -> str:
    tell = "differs" if post.payload.get("agreement") == Agreement.CONTRADICTS else post.payload.get("tell", "")
    return words.notice_title(tell, context.reading.why if context.reading else None)
