"""What somebody chose to see in their Home tab. It is kept, so that the tab stays as it was whenever it changes."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Self

from bot.domain.review.queue import QueueFilter

_LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeChoices:
    """Filters and pages; words, codes and references only."""

    queue: QueueFilter = QueueFilter.ALL
    country: str = ""
    """Of the reviews; empty: every country."""
    page: int = 0
    """Of the reviews, from 0."""
    own: str = ""
    """Own checks: a place in their list, as the button wrote it that turned there."""

    def with_queue(self, queue: QueueFilter) -> Self:
        return replace(self, queue=queue, page=0)

    def with_country(self, country: str) -> Self:
        return replace(self, country=country[:_LONGEST], page=0)

    def with_page(self, page: int) -> Self:
        return replace(self, page=max(0, page))

    def with_own(self, own: str) -> Self:
        return replace(self, own=own[:_LONGEST])

    def dump(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def load(cls, text: str) -> Self:
        """What was kept; the usual tab if nothing was, or a version of the bot that knew other choices kept it."""
        try:
            kept = json.loads(text or "{}")
            return cls(
                queue=QueueFilter(kept.get("queue", QueueFilter.ALL)),
                country=str(kept.get("country", "")),
                page=int(kept.get("page", 0)),
                own=str(kept.get("own", "")),
            )
        except (ValueError, TypeError, AttributeError):
            return cls()
