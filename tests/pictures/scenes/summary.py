"""The managers' figures: messages, picture and file."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import cast

from bot.access.permissions import Access
from bot.domain.check.states import ReviewReason, State
from bot.domain.outbox import CheckLinks, Post, PostKind
from bot.domain.reporting.figures import Report, report
from bot.domain.reporting.periods import day_of, week_of
from bot.domain.reporting.round_facts import RoundFact
from bot.domain.results.codes import ResultStory
from bot.outbox.builders import File
from bot.outbox.links import Links
from bot.reporting.report_reader import ReportReader
from bot.reporting.summary_posts import SummaryPostData, SummaryPosts
from bot.settings import Settings
from bot.slack.blocks import summary
from bot.slack.blocks.summary import SummaryContext
from bot.slack.blocks.summary_numbers import DisplayNames
from bot.slack.blocks.text import linked
from bot.slack.client import SlackClient
from storage.engine.database import Database
from tests.pictures.people import AMINA, MUSA, NOW, PEOPLE, REMI, SUMMARIES, ZOLA, ZONE
from tests.pictures.scene import Place, Scene, Sheet
from tests.slack.blocks.samples import ID_TYPES

DAY = date(2026, 11, 21)
MORNING = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
_TODAY = date(2026, 11, 22)
_NAMES = DisplayNames(
    subject=ID_TYPES.subject,
    country=ID_TYPES.country_name,
    person=PEOPLE.__getitem__,
    check=lambda ref: linked(ref, CheckLinks(thread=f"https://kyc.slack.example/{ref}")),
)
_TOLD = SummaryContext(today=_TODAY, zone="Africa/Lagos")
_TYPES = [("NG", "BVN"), ("NG", "BVN"), ("NG", "NIN_V2"), ("GH", "GHANA_CARD"), ("KE", "NATIONAL_ID"), ("NG", "BVN")]
_ENDS = [
    *[(State.APPROVED, ResultStory.CONFIRMED)] * 8,
    (State.REJECTED, ResultStory.FACES_DIFFER),
    (State.REJECTED, ResultStory.SPOOF),
    (State.FAILED, ResultStory.AUTHORITY_DOWN),
    (State.IN_REVIEW, ResultStory.PROVISIONAL),
]


def facts() -> list[RoundFact]:
    """Nine days of invented checks; the same at every call."""
    return [_fact(day, number) for day in range(9) for number in range(48 - 4 * day if day != 2 else 0)]


def _fact(day: int, number: int) -> RoundFact:
    asked = datetime(2026, 11, 21, 7, tzinfo=UTC) - timedelta(days=day) + timedelta(minutes=11 * number)
    state, why = _ENDS[(number * 5 + day) % len(_ENDS)]
    ref = f"K-{'234567892'[day]}{number:02}F3K"
    country, id_type = _TYPES[number % len(_TYPES)]
    machine = asked + timedelta(seconds=6 + number % 9)
    fact = RoundFact(
        ref=ref,
        round=1,
        person=ref,
        requester=(AMINA, REMI, MUSA)[number % 3],
        country=country,
        id_type=id_type,
        asked_at=asked,
        state=state,
        why=why.value,
        machine_at=machine,
        ended_at=machine + timedelta(seconds=3 * (number % 20)),
    )
    if state is not State.IN_REVIEW:
        return fact
    if day:
        decided = asked + timedelta(minutes=12 + number)
        return replace(fact, review_at=machine, ended_at=None, decision="approved", decided_at=decided,
                       reason=ReviewReason.SMILE_ID)  # fmt: skip
    return replace(fact, review_at=machine, ended_at=None, reason=ReviewReason.SMILE_ID)


@cache
def of_day(day: date = DAY, *, as_of: datetime = MORNING, country: str | None = None) -> Report:
    return report(
        facts(),
        day_of(day),
        zone=ZONE,
        as_of=as_of,
        review_due=timedelta(hours=4),
        began=datetime(2026, 11, 1, tzinfo=UTC),
        country=country,
    )


@cache
def _files(kind: PostKind) -> File:
    """As the outbox builds it: the picture, and the table."""
    settings = Settings.model_construct(timezone="Africa/Lagos", summary_time=time(8))
    # It speaks to Slack for people's names only, which are given here.
    saying = SummaryPosts(
        database=cast("Database", None),
        access=cast("Access", None),
        slack=cast("SlackClient", None),
        links=cast("Links", None),
        reports=cast("ReportReader", None),
        id_types=ID_TYPES,
        settings=settings,
        now=lambda: MORNING,
        rng=random.Random(1),
    )
    opening = _post(PostKind.SUMMARY)
    found = asyncio.run(saying.file(_post(kind), SummaryPostData(report=of_day(), opening=opening), PEOPLE))
    assert found is not None
    return found


def _post(kind: PostKind) -> Post:
    return Post(
        id="p",
        ref=None,
        kind=kind,
        destination=SUMMARIES,
        receipt=None,
        payload={},
        parent_id=None,
        tries=0,
        in_doubt_since=None,
        created_at=NOW,
        ts="1700000000.000300",
        channel=SUMMARIES,
    )


def sheets() -> list[Sheet]:
    return [
        Sheet(
            name="summary",
            title="The managers' summary",
            line="A message for each day, week and month, with picture and file in its thread; at any time privately.",
            scenes=[*_told(), *_asked_for()],
        )
    ]


def _told() -> Iterator[Scene]:
    def scene(caption: str, report_: Report, told: SummaryContext) -> Scene:
        said = summary.message(report_, _NAMES, told)
        return Scene(caption=caption, shows=said, kinds=[PostKind.SUMMARY], place=Place.MANAGERS)

    yield scene("Each morning", of_day(), _TOLD)
    whole = summary.with_picture(
        summary.message(of_day(), _NAMES, _TOLD),
        file_id="F0CHART0001",
        alt_text=_files(PostKind.SUMMARY_CHART).alt_text,
    )
    assert whole is not None
    yield Scene(
        caption="A moment later, with its picture",
        shows=whole,
        kinds=[PostKind.SUMMARY_PICTURE],
        place=Place.MANAGERS,
        images={"F0CHART0001": _files(PostKind.SUMMARY_CHART).data},
    )
    for kind, caption in (
        (PostKind.SUMMARY_CHART, "Its picture, in the thread"),
        (PostKind.SUMMARY_CSV, "Its file, in the thread"),
    ):
        yield Scene(caption=caption, shows=_files(kind), kinds=[kind], place=Place.THREAD)
    quiet = replace(of_day(DAY - timedelta(days=2)), as_of=NOW - timedelta(days=2))
    due = (NOW - timedelta(days=2)).replace(hour=7, minute=0)
    told = SummaryContext(today=DAY - timedelta(days=1), zone="Africa/Lagos", late_since=due)
    yield scene("A day without any check, told late", quiet, told)
    week = replace(of_day(), period=week_of(DAY))
    said = summary.older(week, unit="week", count=3, today=_TODAY)
    yield Scene(caption="After a long stop", shows=said, kinds=[PostKind.SUMMARY_OLDER], place=Place.MANAGERS)


def _asked_for() -> Iterator[Scene]:
    running = of_day(DAY, as_of=datetime(2026, 11, 21, 9, tzinfo=UTC), country="GH")
    told = SummaryContext(today=DAY, zone="Africa/Lagos")
    whole = summary.whole(running, _NAMES, told)
    yield Scene(
        caption="/kyc summary of a day that still runs, of one country",
        shows=summary.with_button(whole, value={"kind": "day"}, with_chart=True),
        place=Place.PRIVATE,
    )
    yield Scene(
        caption="The same once it was shared",
        shows=summary.with_line(whole, summary.shared(SUMMARIES, with_chart=True)),
        place=Place.PRIVATE,
    )
    shared = summary.message(of_day(country="KE"), _NAMES, replace(_TOLD, by=ZOLA))
    yield Scene(caption="Shared by somebody", shows=shared, kinds=[PostKind.SUMMARY], place=Place.MANAGERS)
