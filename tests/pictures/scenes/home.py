"""The Home tab, by part."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.slack.blocks import home
from bot.slack.blocks.home import HomeFigures, QueuedCheck, ReviewQueue
from tests.pictures.people import MUSA, ZOLA
from tests.pictures.scene import Scene, Sheet
from tests.pictures.scenes import find, review, summary
from tests.pictures.scenes.samples import CHECK_BVN


def sheets() -> list[Sheet]:
    rows = list(find.rows())
    waiting = [
        QueuedCheck(row=replace(rows[1], check=review.IN_REVIEW), review=review.CLAIMED, waited=timedelta(hours=3)),
        QueuedCheck(
            row=replace(rows[4], check=review.REJECTED),
            review=replace(review.CLAIMED, proposal=review.PROPOSAL),
            waited=timedelta(minutes=40),
        ),
        QueuedCheck(row=replace(rows[2], check=CHECK_BVN), review=review.OPEN, waited=timedelta(0)),
    ]
    queue = ReviewQueue(viewer=ZOLA, first=waiting, more=4)
    now = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
    today = HomeFigures(
        today=summary.of_day(summary.DAY, as_of=now),
        yesterday=summary.of_day(summary.DAY - timedelta(days=1), as_of=now),
    )
    return [
        Sheet(
            name="home",
            title="The Home tab",
            line="Everybody sees their part: own checks, what waits for a reviewer, a manager's figures.",
            scenes=[
                Scene(
                    caption="For who asks, reviews and manages", shows=home.home(mine=rows, queue=queue, today=today)
                ),
                Scene(caption="For who has asked nothing yet", shows=home.home(mine=[], queue=None, today=None)),
                Scene(
                    caption="For a reviewer, and nothing waits",
                    shows=home.home(mine=None, queue=ReviewQueue(viewer=ZOLA, first=[], more=0), today=None),
                ),
                Scene(
                    caption="For who has no part, and an admin is known",
                    shows=home.home(mine=None, queue=None, today=None, ask=MUSA),
                ),
                Scene(caption="For who has no part", shows=home.home(mine=None, queue=None, today=None)),
                Scene(
                    caption="While Slack has not answered who this is",
                    shows=home.home(mine=None, queue=None, today=None, unsure=True),
                ),
            ],
        )
    ]
