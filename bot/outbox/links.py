"""Links to the messages of a check: its request, in whose thread everything is told, and its card for reviewers.

One object for all that the bot shows, since a message never moves: Slack is asked once for each. What is shown goes out
without a link where Slack does not answer in time, or no longer knows the message.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from bot.domain.check.check import Check
from bot.domain.outbox import CheckLinks
from bot.errors import SlackError, SlackRateLimited, SlackRefused
from bot.slack.client import FoundMessage, SlackClient
from storage import checks, outbox
from storage.engine.database import Database, Transaction

_T = TypeVar("_T")

KEPT = 20_000
"""Links that are remembered; the oldest are forgotten first."""
REFUSED_FOR = timedelta(minutes=1)
"""How long Slack is not asked again for a link that it refused: Home tabs are built every few seconds."""
PATIENT_SECONDS = 2.0
"""How long a message of the outbox waits for its links: it cannot be built again once it is posted."""


@dataclass(slots=True, kw_only=True, eq=False)
class Links:
    database: Database
    slack: SlackClient
    seconds: float
    """How long an answer waits for its links, however many they are."""
    steady: Callable[[], datetime]
    _known: dict[FoundMessage, str] = field(init=False, default_factory=dict)
    _refused: dict[FoundMessage, datetime] = field(init=False, default_factory=dict)
    """Until when each is not asked for, in steady time."""
    _paused_until: datetime | None = field(init=False, default=None)
    """Slack's rate limit counts the app's calls, not a message's."""

    async def thread(self, check: Check) -> str | None:
        """To the request's message. None until it is posted, or while Slack does not answer."""
        (link,) = await self.threads([check])
        return link

    async def threads(self, found: Iterable[Check]) -> list[str | None]:
        """To the message of each of these requests, in their order."""
        return await self._to(list(map(_request, found)), self.seconds)

    async def of(
        self, refs: Iterable[str], *, reader: str | None = None, seconds: float | None = None
    ) -> Mapping[str, CheckLinks]:
        """To thread and newest card of each check, by its reference; unknown references are left out.

        A card that one reviewer alone got, by direct message, is linked for that `reader` only.
        """
        places = await self.database.read(_places, tuple(dict.fromkeys(refs)), reader)
        wait = self.seconds if seconds is None else seconds
        links = await self._to([place for pair in places.values() for place in pair], wait)
        return {
            ref: CheckLinks(thread=thread, card=card)
            for ref, thread, card in zip(places, links[::2], links[1::2], strict=True)
        }

    async def _to(self, places: Sequence[FoundMessage | None], seconds: float) -> list[str | None]:
        """In their order; Slack is asked for those that are new, each once."""
        new = dict.fromkeys(place for place in places if place is not None and place not in self._known)
        if asked := [place for place in new if not self._is_refused(place)]:
            await asyncio.gather(*(self._ask(place, seconds) for place in asked))
        return [self._known.get(place) if place is not None else None for place in places]

    async def _ask(self, place: FoundMessage, seconds: float) -> None:
        try:
            link = await asyncio.wait_for(self.slack.permalink(channel=place.channel, ts=place.ts), seconds)
        except SlackRateLimited as limited:
            self._paused_until = self.steady() + timedelta(seconds=limited.retry_after)
        except SlackRefused:
            # For a minute only: a channel may be opened to the bot again.
            _keep(self._refused, place, self.steady() + REFUSED_FOR)
        except (SlackError, TimeoutError):
            pass  # not remembered: Slack may be back a moment later
        else:
            _keep(self._known, place, link)

    def _is_refused(self, place: FoundMessage) -> bool:
        until = [moment for moment in (self._paused_until, self._refused.get(place)) if moment is not None]
        return any(self.steady() < moment for moment in until)


def _keep(kept: dict[FoundMessage, _T], place: FoundMessage, what: _T) -> None:
    if len(kept) >= KEPT:
        del kept[next(iter(kept))]
    kept[place] = what


def _request(check: Check) -> FoundMessage | None:
    return FoundMessage(channel=check.channel, ts=check.message_ts) if check.message_ts is not None else None


def _places(
    tx: Transaction, refs: Iterable[str], reader: str | None
) -> dict[str, tuple[FoundMessage | None, FoundMessage | None]]:
    found = filter(None, (checks.find(tx, ref, sealed=False) for ref in refs))
    return {check.ref: (_request(check), _card(tx, check, reader)) for check in found}


def _card(tx: Transaction, check: Check, reader: str | None) -> FoundMessage | None:
    """Of this round: a card of an earlier one only says that it is over."""
    for card in reversed(outbox.cards(tx, check.ref, check.round)):
        is_open_to_them = card.destination[0] not in "UW" or card.destination == reader
        if is_open_to_them and card.channel is not None and card.ts is not None:
            return FoundMessage(channel=card.channel, ts=card.ts)
    return None
