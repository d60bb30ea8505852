"""Who builds what: a kind of post that nobody builds is found at start, not at night."""

import random
from datetime import datetime
from typing import cast

import pytest

from bot.access.permissions import Access
from bot.domain.id_types.id_types import IDTypes
from bot.domain.outbox import Message, Post, PostKind
from bot.outbox.delivery import Outbox
from bot.outbox.rate_limiter import RateLimiter
from bot.settings import Settings
from bot.slack.client import SlackClient
from storage.engine.database import Database


async def nothing(_post: Post) -> Message | None:
    return None


def test_the_outbox_does_not_start_while_nobody_builds_a_kind_of_post() -> None:
    with pytest.raises(ValueError, match="no builder of held, overdue"):
        Outbox(
            database=cast("Database", None),
            id_types=cast("IDTypes", None),
            settings=cast("Settings", None),
            slack=cast("SlackClient", None),
            access=cast("Access", None),
            rate_limiter=cast("RateLimiter", None),
            builders=dict.fromkeys(set(PostKind) - {PostKind.HELD, PostKind.OVERDUE}, nothing),
            followers={},
            now=datetime.now,
            rng=random.Random(1),
        )
