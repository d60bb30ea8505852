"""The Home tab, by part."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.domain.check.check import Check
from bot.domain.outbox import CheckLinks
from bot.domain.review.home_choices import HomeChoices
from bot.domain.review.queue import QueueFilter
from bot.domain.review.review import Review
from bot.slack.blocks import home
from bot.slack.blocks.home import HomeCheck, HomeFigures, OwnChecks, ReviewQueue
from tests.pictures.people import MUSA
from tests.pictures.scene import Scene, Sheet
from tests.pictures.scenes import find, review, summary
from tests.pictures.scenes.samples import CHECK_BVN, LINK
from tests.slack.blocks.samples import ID_TYPES

_COUNTS = {
    QueueFilter.ALL: 23,
    QueueFilter.MINE: 1,
    QueueFilter.UNCLAIMED: 20,
    QueueFilter.SECOND: 1,
    QueueFilter.OVERDUE: 3,
}
_NOTHING = ReviewQueue(
    rows=[],
    choices=HomeChoices(),
    matching=0,
    total=0,
    counts=dict.fromkeys(QueueFilter, 0),
    countries=[],
    due=timedelta(hours=4),
    own=1,
)


def _waiting(check: Check, opened: Review, waited: timedelta, *, is_overdue: bool = False) -> HomeCheck:
    return HomeCheck(
        check=check,
        entry=ID_TYPES.find(check.country, check.id_type),
        review=opened,
        links=CheckLinks(thread=LINK, card=LINK),
        waited=waited,
        is_overdue=is_overdue,
    )


def sheets() -> list[Sheet]:
    waiting = [
        _waiting(replace(review.IN_REVIEW, ref="K-6F3K2Q"), review.CLAIMED, timedelta(hours=5), is_overdue=True),
        _waiting(
            replace(review.REJECTED, ref="K-3F3K2Q"),
            replace(review.CLAIMED, proposal=review.PROPOSAL),
            timedelta(minutes=40),
        ),
        _waiting(replace(CHECK_BVN, ref="K-5F3K2Q"), review.OPEN, timedelta(0)),
    ]
    queue = ReviewQueue(
        rows=waiting,
        choices=HomeChoices(page=1),
        matching=23,
        total=23,
        counts=_COUNTS,
        countries=[("Nigeria", "NG"), ("Ghana", "GH")],
        due=timedelta(hours=4),
        own=1,
    )
    own = OwnChecks(
        rows=[
            HomeCheck(check=row.check, entry=row.entry, review=None, links=CheckLinks(thread=row.link))
            for row in find.rows()
        ],
        has_older=True,
    )
    record = replace(
        queue,
        rows=[replace(one, check=replace(one.check, id_info={}), links=CheckLinks(thread=LINK)) for one in waiting],
        own=0,
        is_reviewer=False,
    )
    overdue = replace(queue, rows=waiting[:1], matching=1, choices=HomeChoices(queue=QueueFilter.OVERDUE))
    now = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
    figures = HomeFigures(
        today=summary.of_day(summary.DAY, as_of=now),
        yesterday=summary.of_day(summary.DAY - timedelta(days=1), as_of=now),
    )
    return [
        Sheet(
            name="home",
            title="The Home tab",
            line="Everybody sees their part: what waits for review, a manager's figures, own checks.",
            scenes=[
                Scene(
                    caption="For who asks, reviews and manages", shows=home.home(own=own, queue=queue, figures=figures)
                ),
                Scene(
                    caption="For a manager, who sees nobody's data",
                    shows=home.home(own=None, queue=record, figures=figures),
                ),
                Scene(caption="Overdue reviews alone", shows=home.home(own=None, queue=overdue, figures=None)),
                Scene(
                    caption="For who has asked nothing yet",
                    shows=home.home(own=OwnChecks(rows=[]), queue=None, figures=None),
                ),
                Scene(
                    caption="For a reviewer, and nothing waits",
                    shows=home.home(own=None, queue=_NOTHING, figures=None),
                ),
                Scene(
                    caption="For who has no part, and an admin is known",
                    shows=home.home(own=None, queue=None, figures=None, ask=MUSA),
                ),
                Scene(caption="For who has no part", shows=home.home(own=None, queue=None, figures=None)),
                Scene(
                    caption="While Slack has not answered who this is",
                    shows=home.home(own=None, queue=None, figures=None, unsure=True),
                ),
            ],
        )
    ]
