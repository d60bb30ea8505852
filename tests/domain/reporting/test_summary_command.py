"""What a manager types behind `/kyc summary`."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.id_types.id_types import IDTypes
from bot.domain.reporting.periods import PeriodKind
from bot.domain.reporting.summary_command import LONGEST, SummaryRequest, parse
from bot.errors import Refused
from bot.slack.blocks import refusals

TABLE = Path(__file__).parents[3] / "bot" / "data" / "id-types.csv"
ENTRIES = list(IDTypes.parse(TABLE.read_text(encoding="utf-8")).known())
TODAY = date(2026, 11, 24)


def asked(typed: str) -> SummaryRequest:
    return parse(typed, today=TODAY, entries=ENTRIES)


@pytest.mark.parametrize(
    ("typed", "kind", "first", "last"),
    [
        ("", PeriodKind.DAY, "2026-11-24", "2026-11-24"),
        ("TODAY", PeriodKind.DAY, "2026-11-24", "2026-11-24"),
        ("yesterday", PeriodKind.DAY, "2026-11-23", "2026-11-23"),
        ("week", PeriodKind.WEEK, "2026-11-23", "2026-11-29"),
        ("last week", PeriodKind.WEEK, "2026-11-16", "2026-11-22"),
        ("month", PeriodKind.MONTH, "2026-11-01", "2026-11-30"),
        ("last month", PeriodKind.MONTH, "2026-10-01", "2026-10-31"),
        ("2026-11-01", PeriodKind.DAY, "2026-11-01", "2026-11-01"),
        ("2026-11-01..2026-11-01", PeriodKind.DAY, "2026-11-01", "2026-11-01"),
        ("2026-11-01..2026-11-15", PeriodKind.RANGE, "2026-11-01", "2026-11-15"),
    ],
)
def test_days_are_named_as_people_name_them(typed: str, kind: PeriodKind, first: str, last: str) -> None:
    period = asked(typed).period
    assert (period.kind, period.first.isoformat(), period.last.isoformat()) == (kind, first, last)


@pytest.mark.parametrize(
    ("typed", "country", "id_type"),
    [
        ("NG", "NG", None),
        ("week ng bvn", "NG", "BVN"),
        ("south africa", "ZA", None),
        ("yesterday South Africa NATIONAL_ID", "ZA", "NATIONAL_ID"),
        ("today Ghana ghana card", "GH", "GHANA_CARD"),
        ("BVN", None, "BVN"),
    ],
)
def test_a_country_and_an_id_type_go_by_code_or_name(typed: str, country: str | None, id_type: str | None) -> None:
    found = asked(typed)
    assert (found.country, found.id_type) == (country, id_type)


@pytest.mark.parametrize(
    "typed",
    ["tomorrow", "2026-13-01", "2026-11", "2026-11-02..2026-11-01", "2026-11-25", "2020-01-01..2026-01-01", "NG XX"],
)
def test_what_cannot_be_summed_up_is_refused_in_words(typed: str) -> None:
    with pytest.raises(Refused) as no:
        asked(typed)
    assert refusals.sentence(no.value)


@pytest.mark.slow
@given(st.text(max_size=80))
def test_whatever_is_typed_is_understood_or_refused(typed: str) -> None:
    try:
        found: SummaryRequest | str = asked(typed)
    except Refused as no:
        found = refusals.sentence(no)
    assert len(found) < 500 if isinstance(found, str) else found.period.last - found.period.first < LONGEST
