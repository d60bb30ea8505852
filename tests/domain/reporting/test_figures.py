"""The managers' figures against a recomputation that knows only the definitions of docs/figures.md."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.check.states import FINAL, ReviewReason, State
from bot.domain.reporting.day_sums import TypeSums, sums_of
from bot.domain.reporting.durations import DurationStats
from bot.domain.reporting.figures import (
    Rate,
    Report,
    days,
    report,
)
from bot.domain.reporting.periods import Period, PeriodKind, Span, day_of, month_of, week_of
from bot.domain.reporting.round_facts import RoundFact
from bot.domain.results.assurance import Liveness
from bot.domain.results.record_match import RecordMatch

LATE = timedelta(hours=4)
BEGAN = datetime(2020, 1, 1, tzinfo=UTC)

CHANGES = [
    ("Africa/Lagos", date(2026, 3, 29)),
    ("Europe/London", date(2026, 3, 29)),
    ("Europe/London", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
]
"""A zone, and a day on which its clocks change (in Lagos they never do)."""

Story = dict[str, Any]
"""One round of a check, in plain values: what the two computations are both made from."""


# Histories


@st.composite
def stories(draw: st.DrawFn, around: datetime) -> Story:
    """One check, asked somewhere in the two weeks around; often close to the midnights of the day itself."""
    minutes = draw(st.one_of(st.integers(-11 * 1440, 4 * 1440), st.integers(-180, 180), st.integers(1260, 1620)))
    asked = around + timedelta(minutes=minutes, seconds=draw(st.integers(0, 59)))
    number, person = draw(st.integers(0, 999)), draw(st.integers(0, 12))
    state = draw(st.sampled_from([*sorted(FINAL), State.IN_REVIEW, State.PROCESSING, State.APPROVED, State.APPROVED]))
    machine = draw(st.none() | st.integers(1, 4000))
    review = draw(st.none() | st.integers(1, 40000)) if state is not State.IN_REVIEW else draw(st.integers(1, 40000))
    ended = draw(st.integers(1, 90000)) if state in FINAL else None
    decision = draw(st.sampled_from([None, None, None, "approved", "rejected", "new_photos"]))
    if decision and review is None:
        review = draw(st.integers(1, 40000))
    decided = 40000 + draw(st.integers(1, 90000))
    if decision and ended is None and draw(st.booleans()):
        # Decided, and not looked at anew.
        ended = decided
    return {
        "ref": f"K-{number:03d}",
        "person": draw(st.sampled_from([f"K-{number:03d}", f"P-{person}"])),
        "round": draw(st.sampled_from([1, 1, 1, 2])),
        "who": draw(st.sampled_from(["U0AMINA0001", "U0BODE00001", "U0CHIDI0001"])),
        "country": draw(st.sampled_from(["NG", "KE"])),
        "id_type": draw(st.sampled_from(["BVN", "NATIONAL_ID"])),
        "asked": asked,
        "state": state.value,
        "reason": "smile_id" if state is State.IN_REVIEW else None,
        "why": draw(st.sampled_from(["faces_differ", "spoof", "authority_down"])) if state in FINAL else None,
        "by_person": draw(st.booleans()),
        "machine": asked + timedelta(seconds=machine) if machine else None,
        "review": asked + timedelta(seconds=review) if review else None,
        "ended": asked + timedelta(seconds=ended) if ended else None,
        # For the requester, so before Smile ID had it.
        "paused": timedelta(seconds=draw(st.integers(0, min(filter(None, (machine, review, ended)), default=0)))),
        "decision": decision,
        "decision_reason": "tampered" if decision else None,
        "decided": asked + timedelta(seconds=decided) if decision else None,
        "record": draw(st.sampled_from(["matches", "partly", "differs", "not_compared"])),
        "liveness": draw(st.sampled_from([None, "proven", "not_proven"])) if state in FINAL else None,
    }


def fact(story: Story) -> RoundFact:
    return RoundFact(
        ref=story["ref"],
        round=story["round"],
        person=story["person"],
        requester=story["who"],
        country=story["country"],
        id_type=story["id_type"],
        asked_at=story["asked"],
        state=State(story["state"]),
        reason=ReviewReason(story["reason"]) if story["reason"] else None,
        why=story["why"],
        by_person=story["by_person"],
        machine_at=story["machine"],
        review_at=story["review"],
        paused=story["paused"],
        ended_at=story["ended"],
        decision=story["decision"],
        decision_reason=story["decision_reason"],
        decided_at=story["decided"],
        record=RecordMatch(story["record"]),
        liveness=Liveness(story["liveness"]) if story["liveness"] else None,
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[ZoneInfo, date, list[Story]]:
    zone_name, day = draw(st.sampled_from(CHANGES))
    day += timedelta(days=draw(st.integers(-1, 1)))
    zone = ZoneInfo(zone_name)
    around = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    return zone, day, draw(st.lists(stories(around), max_size=25))


# The definitions, once more


def outcome(story: Story) -> str:
    if story["ended"] is None:
        return "open"
    if story["decision"]:
        return str(story["decision"])
    return story["state"] if story["state"] in ("approved", "rejected", "failed", "cancelled") else "open"


def outcome_at(story: Story) -> datetime | None:
    found: datetime | None = story["decided"] if story["decision"] else story["ended"]
    return None if outcome(story) == "open" else found


def share(part: int, whole: int) -> tuple[int, int, Fraction | None]:
    return part, whole, None if whole < 5 else Fraction(part, whole)


def times(spans: Sequence[timedelta]) -> tuple[int, timedelta | None, timedelta | None]:
    ordered = sorted(spans)
    if not ordered:
        return 0, None, None
    ranks = [math.ceil(Fraction(p, 100) * len(ordered)) for p in (50, 95)]
    return len(ordered), ordered[ranks[0] - 1], ordered[ranks[1] - 1]


def reviews(of: list[Story], now: datetime) -> tuple[int, int, int]:
    """In time, too late, at risk."""
    took = [((outcome_at(s) or now) - s["review"], outcome(s) == "open") for s in of if s["review"] is not None]
    late = [span for span, _ in took if span > LATE]
    in_time = [span for span, is_open in took if span <= LATE and not is_open]
    return len(in_time), len(late), len([span for span, is_open in took if is_open and LATE * 4 / 5 <= span <= LATE])


def expected(of: list[Story], everything: list[Story], is_in: Callable[[datetime], bool], now: datetime) -> Story:
    """What docs/figures.md says of the checks of a period."""

    def count(what: str) -> int:
        return len([s for s in of if outcome(s) == what])

    def approval(name: Callable[[Story], object]) -> tuple[int, int, Fraction | None]:
        good, bad = [len([s for s in of if name(s) == what]) for what in ("approved", "rejected")]
        return share(good, good + bad)

    def reasons(what: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for s in of:
            if outcome(s) == what:
                by_us = s["decision"] and s["decision"] != s["state"]
                why = f"reviewer:{s['decision_reason']}" if by_us else s["why"] or ""
                found[why] = found.get(why, 0) + 1
        return found

    def group(members: list[Story]) -> Story:
        ended = {what: len([s for s in members if outcome(s) == what]) for what in ("approved", "rejected", "failed")}
        return {
            "asked": len(members),
            **ended,
            "open": len([s for s in members if outcome(s) == "open"]),
            "approval": share(ended["approved"], ended["approved"] + ended["rejected"]),
            "final": finals(members),
            "away": len([s for s in members if outcome(s) == "failed" and s["why"] == "authority_down"]),
        }

    def finals(members: list[Story]) -> tuple[int, timedelta | None, timedelta | None]:
        ended = [s for s in members if outcome(s) in ("approved", "rejected", "failed")]
        return times([at - s["asked"] - s["paused"] for s in ended if (at := outcome_at(s)) is not None])

    decided_people = {s["person"] for s in of if outcome(s) in ("approved", "rejected")}
    first_people = {s["person"] for s in of if s["round"] == 1 and s["ref"] == s["person"] and outcome(s) == "approved"}
    by_smile = [s for s in of if s["by_person"] and s["state"] in ("approved", "rejected", "failed", "cancelled")]
    approved_by_smile = [s for s in of if s["state"] == "approved"]
    ended_at_smile = [s for s in by_smile if s["ended"] and s["machine"]]
    return {
        "asked": len(of),
        **{what: count(what) for what in ("approved", "rejected", "failed", "cancelled", "new_photos", "open")},
        "approval": approval(outcome),
        "smile_approval": approval(lambda s: s["state"]),
        "reviewer_approval": approval(lambda s: s["decision"]),
        "first_pass": share(len(first_people), len(decided_people)),
        "decided": len(
            [s for s in everything if outcome(s) in ("approved", "rejected") and (a := outcome_at(s)) and is_in(a)]
        ),
        "machine": times([s["machine"] - s["asked"] - s["paused"] for s in of if s["machine"]]),
        "final": finals(of),
        "smile_review": times([s["ended"] - s["machine"] for s in ended_at_smile]),
        "reviewers": times([s["decided"] - s["review"] for s in of if s["decision"]]),
        "reviews": reviews(of, now),
        "assurance": (
            *(
                len([s for s in approved_by_smile if s["record"] == word])
                for word in ("differs", "partly", "not_compared")
            ),
            len([s for s in approved_by_smile if s["liveness"] == "not_proven"]),
        ),
        "rejections": reasons("rejected"),
        "failures": reasons("failed"),
        "by_type": {
            (c, t): group([s for s in of if (s["country"], s["id_type"]) == (c, t)])
            for c, t in {(s["country"], s["id_type"]) for s in of}
        },
        "by_requester": {(w,): group([s for s in of if s["who"] == w]) for w in {s["who"] for s in of}},
    }


def computed(found: Any) -> Story:
    """The bot's figures in the same plain form."""

    def rate(r: Rate) -> tuple[int, int, Fraction | None]:
        if r.value is not None:
            assert r.value == pytest.approx(r.part / r.whole)
        return r.part, r.whole, None if r.value is None else Fraction(r.part, r.whole)

    def groups(of: Any) -> Story:
        assert [g.asked for g in of] == sorted((g.asked for g in of), reverse=True)
        return {
            g.key: {
                "asked": g.asked,
                "approved": g.approved,
                "rejected": g.rejected,
                "failed": g.failed,
                "open": g.open,
                "approval": rate(g.approval),
                "final": tuple(g.final),
                "away": g.register_away,
            }
            for g in of
        }

    plain = ("asked", "approved", "rejected", "failed", "cancelled", "new_photos", "open", "decided")
    rates = ("approval", "smile_approval", "reviewer_approval", "first_pass")
    return {
        **{name: getattr(found, name) for name in plain},
        **{name: rate(getattr(found, name)) for name in rates},
        **{
            name: tuple(getattr(found, name))
            for name in ("machine", "final", "smile_review", "reviewers", "reviews", "assurance")
        },
        "rejections": dict(found.rejections),
        "failures": dict(found.failures),
        "by_type": groups(found.by_type),
        "by_requester": groups(found.by_requester),
    }


def told(
    history: list[Story],
    period: Period,
    zone: ZoneInfo,
    *,
    now: datetime,
    began: datetime | None = None,
    country: str | None = None,
    id_type: str | None = None,
) -> Report:
    return report(
        [fact(s) for s in history],
        period,
        zone=zone,
        as_of=now,
        review_due=LATE,
        began=began or BEGAN,
        country=country,
        id_type=id_type,
    )


def local(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()


# They are the same


@pytest.mark.slow
@given(histories())
def test_the_figures_of_a_day_are_those_of_the_definitions(world: tuple[ZoneInfo, date, list[Story]]) -> None:
    zone, day, history = world
    now = datetime(day.year, day.month, day.day, 8, tzinfo=zone) + timedelta(days=5)
    found = told(history, day_of(day), zone, now=now)

    def of(wanted: Callable[[date], bool]) -> Story:
        mine = [s for s in history if wanted(local(s["asked"], zone))]
        return expected(mine, history, lambda moment: wanted(local(moment, zone)), now)

    assert computed(found.figures) == of(lambda d: d == day)
    week_ago = day - timedelta(days=7)
    assert found.previous is not None
    assert found.previous[0] == day_of(week_ago)
    assert computed(found.previous[1]) == of(lambda d: d == week_ago)
    before = of(lambda d: week_ago <= d < day)
    assert found.mean is not None
    assert found.mean.periods == 7
    assert found.mean.asked == pytest.approx(before["asked"] / 7)
    assert (found.mean.approval.part, found.mean.approval.whole) == before["approval"][:2]
    assert [f.asked for _p, f in found.series] == [
        len([s for s in history if local(s["asked"], zone) == day - timedelta(days=n)]) for n in range(7, -1, -1)
    ]


@pytest.mark.slow
@given(histories(), st.sampled_from(["week", "month", "range"]))
def test_so_are_those_of_longer_periods(world: tuple[ZoneInfo, date, list[Story]], kind: str) -> None:
    zone, day, history = world
    chosen = {
        "week": week_of(day),
        "month": month_of(day),
        "range": Period(kind=PeriodKind.RANGE, first=day - timedelta(days=2), last=day),
    }
    period = chosen[kind]
    now = datetime(period.last.year, period.last.month, period.last.day, tzinfo=zone) + timedelta(days=5)
    found = told(history, period, zone, now=now)
    mine = [s for s in history if period.first <= local(s["asked"], zone) <= period.last]
    assert computed(found.figures) == expected(
        mine, history, lambda moment: period.first <= local(moment, zone) <= period.last, now
    )


@pytest.mark.slow
@given(histories(), st.sampled_from(["NG", "KE"]), st.sampled_from([None, "BVN"]))
def test_so_are_those_of_one_country_or_id_type(
    world: tuple[ZoneInfo, date, list[Story]], country: str, id_type: str | None
) -> None:
    zone, day, history = world
    now = datetime(day.year, day.month, day.day, 8, tzinfo=zone) + timedelta(days=5)
    found = told(history, day_of(day), zone, now=now, country=country, id_type=id_type)
    kept = [s for s in history if s["country"] == country and id_type in (None, s["id_type"])]
    mine = [s for s in kept if local(s["asked"], zone) == day]
    assert computed(found.figures) == expected(mine, kept, lambda moment: local(moment, zone) == day, now)


@pytest.mark.slow
@given(histories())
def test_open_checks_are_listed_oldest_first(world: tuple[ZoneInfo, date, list[Story]]) -> None:
    zone, day, history = world
    now = datetime(day.year, day.month, day.day, 8, tzinfo=zone) + timedelta(days=5)
    found = told(history, day_of(day), zone, now=now).backlog
    waiting = [s for s in history if outcome(s) == "open"]
    assert found.open == len(waiting)
    ages = [(now - s["asked"]) / timedelta(hours=1) for s in waiting]
    bounds = [(0, 1), (1, 4), (4, 24), (24, 72), (72, math.inf)]
    assert list(found.ages) == [len([a for a in ages if low <= a < high]) for low, high in bounds]
    if waiting:
        assert found.oldest is not None
        assert found.oldest.waited == max(now - s["asked"] for s in waiting)
    review = sorted((s["review"], s["ref"]) for s in waiting if s["state"] == "in_review")
    assert [(w.since, w.ref) for w in found.review] == review
    assert found.over == len([s for s, _ref in review if now - s > LATE])


@pytest.mark.slow
@given(histories())
def test_every_check_asked_is_counted_once(world: tuple[ZoneInfo, date, list[Story]]) -> None:
    zone, day, history = world
    now = datetime(day.year, day.month, day.day, 8, tzinfo=zone) + timedelta(days=5)
    f = told(history, day_of(day), zone, now=now).figures
    assert f.asked == f.approved + f.rejected + f.failed + f.cancelled + f.new_photos + f.open
    assert f.asked == sum(g.asked for g in f.by_type) == sum(g.asked for g in f.by_requester)
    days = [day + timedelta(days=n) for n in range(-30, 31)]
    assert sum(told(history, day_of(d), zone, now=now).figures.asked for d in days) == len(history)


@pytest.mark.slow
@given(histories())
def test_a_report_needs_no_fact_beyond_its_reach(world: tuple[ZoneInfo, date, list[Story]]) -> None:
    zone, day, history = world
    now = datetime(day.year, day.month, day.day, 8, tzinfo=zone) + timedelta(days=5)
    needed = days(day_of(day), zone, as_of=now, began=BEGAN)
    since, until = needed[0][0], needed[-1][1]
    ends = [(s, outcome_at(s)) for s in history]
    near = [s for s, end in ends if end is None or since <= s["asked"] < until or since <= end < until]
    assert told(near, day_of(day), zone, now=now) == told(history, day_of(day), zone, now=now)


@pytest.mark.slow
@given(histories(), st.data())
def test_stored_sums_of_any_days_make_the_same_report(
    world: tuple[ZoneInfo, date, list[Story]], data: st.DataObject
) -> None:
    zone, day, history = world
    period = data.draw(st.sampled_from([day_of(day), week_of(day), month_of(day)]))
    now = datetime(period.last.year, period.last.month, period.last.day, 8, tzinfo=zone) + timedelta(days=5)
    asked: dict[str, Any] = {"zone": zone, "as_of": now, "review_due": LATE, "began": BEGAN}
    asked["country"] = data.draw(st.sampled_from([None, "NG"]))
    facts = [fact(s) for s in history]
    ended = [one for one in facts if one.ended_at is not None]
    needed = days(period, zone, as_of=now, began=BEGAN)
    stored = {each: data.draw(st.booleans()) for each in needed}
    sums = {each: stored_and_read(one) for each, one in sums_of(ended, needed).items() if stored[each]}
    # What has ended is needed of the days alone whose sums are not stored.
    rest = [one for one in ended if any(not is_stored and is_of(one, each) for each, is_stored in stored.items())]
    still_open = [one for one in facts if one.ended_at is None]
    assert report([*rest, *still_open], period, sums=sums, **asked) == report(facts, period, **asked)


def is_of(one: RoundFact, span: Span) -> bool:
    return any(moment is not None and span[0] <= moment < span[1] for moment in (one.asked_at, one.final_at))


def stored_and_read(sums: list[TypeSums]) -> list[TypeSums]:
    read = [TypeSums.from_plain(json.loads(json.dumps(one.to_plain()))) for one in sums]
    assert [one.to_plain() for one in read] == [one.to_plain() | {"refs": ""} for one in sums]
    return read


# Corners


def test_a_rate_of_fewer_than_five_is_hidden() -> None:
    assert [Rate(4, n).value for n in (0, 4)] == [None, None]
    assert Rate(4, 5).value == 0.8


def test_the_nearest_rank_is_a_time_that_occurred() -> None:
    spans = [n * 1_000_000 for n in range(1, 21)]
    assert DurationStats.of([spans]) == DurationStats(20, timedelta(seconds=10), timedelta(seconds=19))
    assert DurationStats.of([spans[10:], spans[:10]]) == DurationStats.of([spans])
    assert DurationStats.of([spans[:1]]) == DurationStats(1, timedelta(seconds=1), timedelta(seconds=1))
    assert DurationStats.of([]) == DurationStats(0, None, None)


def test_nothing_is_compared_with_what_was_before_the_first_start() -> None:
    lagos = ZoneInfo("Africa/Lagos")
    now, day = datetime(2026, 11, 24, 8, tzinfo=lagos), date(2026, 11, 23)
    fresh = told([], day_of(day), lagos, now=now, began=datetime(2026, 11, 23, 9, tzinfo=lagos))
    assert (fresh.previous, fresh.mean, len(fresh.series)) == (None, None, 1)
    young = told([], day_of(day), lagos, now=now, began=datetime(2026, 11, 20, 9, tzinfo=lagos))
    assert young.previous is None
    assert young.mean is not None
    assert young.mean.periods == 3


def test_a_period_that_still_runs_is_compared_with_nothing() -> None:
    lagos = ZoneInfo("Africa/Lagos")
    running = told([], day_of(date(2026, 11, 23)), lagos, now=datetime(2026, 11, 23, 15, tzinfo=lagos))
    assert running.is_running
    assert (running.previous, running.mean) == (None, None)


@pytest.mark.parametrize(
    ("period", "periods"),
    [(day_of(date(2026, 11, 23)), 7), (week_of(date(2026, 11, 16)), 4), (month_of(date(2026, 10, 1)), 3)],
)
def test_a_day_is_compared_with_seven_days_a_week_with_four_weeks_a_month_with_three(
    period: Period, periods: int
) -> None:
    found = told([], period, ZoneInfo("Africa/Lagos"), now=NOW, began=NOW - timedelta(days=400))
    assert found.mean is not None
    assert (found.mean.periods, len(found.series)) == (periods, periods + 1)


def test_what_is_decided_at_midnight_is_decided_in_the_day_that_begins() -> None:
    midnight = datetime(2026, 11, 23, tzinfo=ZoneInfo("Africa/Lagos"))
    approved = replace(in_review("K-1", days=3), state=State.APPROVED, reason=None, ended_at=midnight)
    days = (of_day(date(2026, 11, day), approved).figures.decided for day in (22, 23, 24))
    assert list(days) == [0, 1, 0]


NOW = datetime(2026, 11, 24, 8, tzinfo=ZoneInfo("Africa/Lagos"))


def in_review(ref: str, **ago: float) -> RoundFact:
    """Open, and in review since so long ago; asked a minute before."""
    since = NOW - timedelta(**ago)
    return RoundFact(
        ref=ref,
        round=1,
        person=ref,
        requester="U0AMINA0001",
        country="NG",
        id_type="BVN",
        asked_at=since - timedelta(minutes=1),
        state=State.IN_REVIEW,
        reason=ReviewReason.SMILE_ID,
        review_at=since,
    )


def of_day(day: date, *facts: RoundFact) -> Report:
    return report(facts, day_of(day), zone=ZoneInfo("Africa/Lagos"), as_of=NOW, review_due=LATE, began=None)


def of_today(*facts: RoundFact) -> Report:
    return of_day(NOW.date(), *facts)


def test_a_review_is_late_past_its_time_and_at_risk_from_four_fifths_of_it() -> None:
    for ago, due in (
        ({"hours": 4, "seconds": 1}, (0, 1, 0)),
        ({"hours": 4}, (0, 0, 1)),
        ({"hours": 3, "minutes": 12}, (0, 0, 1)),
        ({"hours": 3, "minutes": 11, "seconds": 59}, (0, 0, 0)),
    ):
        found = of_today(in_review("K-1", **ago))
        assert tuple(found.figures.reviews) == due
        assert found.backlog.over == due[1]


def test_what_is_open_is_grouped_by_age_from_each_bound_on() -> None:
    ages = [59, 60, 239, 240, 24 * 60 - 1, 24 * 60, 72 * 60 - 1, 72 * 60]
    found = of_today(*(in_review(f"K-{n}", minutes=n - 1) for n in ages))
    assert found.backlog.ages == (1, 2, 2, 2, 1)


def test_reviews_are_listed_oldest_first_whatever_their_references() -> None:
    found = of_today(in_review("K-A", hours=1), in_review("K-B", hours=3), in_review("K-C", hours=2)).backlog
    assert [waiting.ref for waiting in found.review] == ["K-B", "K-C", "K-A"]
    assert found.oldest is not None
    assert found.oldest.ref == "K-B"
