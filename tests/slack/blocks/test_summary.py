"""The managers' summary as text and as a picture: what it says, and that Slack accepts it."""

import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.domain.check.states import ReviewReason, State
from bot.domain.reporting.figure_tables import COLUMNS, record, table
from bot.domain.reporting.figures import Report, RoundFact, report
from bot.domain.reporting.periods import Period, day_of, week_of
from bot.reporting import chart
from bot.reporting.chart import STYLES, Bar, Chart
from bot.sandbox.slack.block_rules import faults_in_message
from bot.slack.blocks import summary
from bot.slack.blocks.summary import DisplayNames, SummaryContext

ZONE = ZoneInfo("Africa/Lagos")
DAY = date(2026, 11, 23)
NOON = datetime(2026, 11, 23, 12, tzinfo=ZONE)
NAMES = DisplayNames(subject=lambda country, id_type: f"{country} · {id_type}", country=str, person=lambda user: user)
TOLD = SummaryContext(today=date(2026, 11, 24), zone="Africa/Lagos")


def facts(state: State, count: int, *, at: datetime = NOON, **more: object) -> list[RoundFact]:
    ends = at + timedelta(seconds=9) if state not in (State.IN_REVIEW, State.PROCESSING) else None
    plain: dict[str, object] = {
        "requester": "amina",
        "country": "NG",
        "id_type": "BVN",
        "asked_at": at,
        "ended_at": ends,
    }
    refs = [f"K-{state.value[:3]}{at:%d}{n:04d}" for n in range(count)]
    return [RoundFact(ref=ref, person=ref, round=1, state=state, **(plain | more)) for ref in refs]  # type: ignore[arg-type]


def reported(found: list[RoundFact], period: Period | None = None) -> Report:
    return report(
        found,
        period or day_of(DAY),
        zone=ZONE,
        as_of=datetime(2026, 11, 24, 8, tzinfo=ZONE),
        review_due=timedelta(hours=4),
        began=datetime(2026, 1, 1, tzinfo=UTC),
    )


BUSY = [
    *facts(State.APPROVED, 39),
    *facts(State.REJECTED, 5, why="spoof"),
    *facts(State.FAILED, 1, why="authority_down"),
    *facts(State.IN_REVIEW, 3, reason=ReviewReason.SMILE_ID, review_at=NOON),
    *facts(State.APPROVED, 16, at=NOON - timedelta(days=7)),
    *facts(State.REJECTED, 3, at=NOON - timedelta(days=7), why="spoof"),
]


def text_of(found: Report) -> str:
    return "\n".join(summary.lines_of(summary.message(found, NAMES, TOLD)))


def test_it_begins_with_what_a_manager_asks_first() -> None:
    said = text_of(reported(BUSY)).split("\n")
    assert said[0] == (
        "KYC, Monday 23 November — 48 checks: 39 approved, 5 rejected, 1 without result, 3 still open. "
        "Approval rate 89\u00a0% (last Monday 84\u00a0%)."
    )
    assert said[1] == "Half were done within 9 s, 95 in 100 within 9 s."
    assert "For comparison: last Monday 19 checks; mean of the 7 days before 2.7, approval rate 84\u00a0%." in said
    assert "Open now: 3. Oldest: K-in_230000, 20 h, in human review at Smile ID." in said
    assert "In review: 3, all of them over 4 h" in said


def test_of_a_single_check_there_is_no_half_and_no_95_in_100() -> None:
    (one,) = facts(State.APPROVED, 1, machine_at=NOON + timedelta(seconds=4))
    said = text_of(reported([one]))
    assert "Done within 9 s.\nSmile ID's machine: a result within 4 s." in said
    assert "95 in 100" not in said


def test_a_rate_of_few_is_not_shown_and_says_why() -> None:
    assert "Approval rate not shown: fewer than 5 decided." in text_of(reported(facts(State.APPROVED, 4)))
    assert "Approval rate not shown: none decided." in text_of(reported(facts(State.FAILED, 1)))


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("spoof", "the selfie does not look like a live person"),
        ("photo", "a photo could not be sent"),
        ("reviewer:tampered", "a reviewer: a photo or document looks tampered with"),
        ("reviewer:of_later_days", "a reviewer: of later days"),
        ("reviewer:", "a reviewer decided so"),
        ("", "no reason recorded"),
        ("of_a_newer_version", "of a newer version"),
    ],
)
def test_reasons_read_as_they_do_in_the_results(why: str, words: str) -> None:
    assert summary.because(why) == words


def test_a_summary_of_a_week_says_so() -> None:
    said = text_of(reported(BUSY, week_of(DAY - timedelta(days=7))))
    assert said.startswith(
        "KYC, week of 16 to 22 November — 19 checks: 16 approved, 3 rejected. Approval rate 84\u00a0%."
    )
    assert "mean of the 4 weeks before 0.0" in said


@given(
    name=st.text(max_size=400) | st.text("<>&*_~`|@!\n", min_size=300, max_size=600),
    groups=st.integers(1, 30),
    count=st.integers(1, 4),
    busy=st.booleans(),
)
def test_whatever_things_are_called_it_stays_within_the_limits(name: str, groups: int, count: int, busy: bool) -> None:
    found = BUSY[:] if busy else []
    for group in range(groups):
        found += facts(
            State.REJECTED, count, id_type=f"{group}{name}", why=f"reviewer:{group}{name}", requester=f"U{group}"
        )
        found += facts(State.IN_REVIEW, 1, id_type=f"{group}{name}", reason=ReviewReason.CONTRADICTION)
    shown = reported(found)
    names = DisplayNames(
        subject=lambda country, id_type: f"{country} · {id_type}", country=str, person=lambda user: f"<@{user}>"
    )
    said = summary.with_button(summary.message(shown, names, TOLD), value={"once": "1"}, with_chart=True)
    assert faults_in_message(said.blocks) == []
    assert said.text.strip()
    assert len(summary.alt_text(shown, names, TOLD)) <= summary.ALT_LENGTH
    json.dumps(record(shown))
    assert {len(line) for line in table(shown)} == {len(COLUMNS)}


def test_other_peoples_text_mentions_nobody_and_links_nowhere() -> None:
    found = facts(State.REJECTED, 1, id_type="<!channel> <https://evil.example|x>", why="reviewer:<!here>")
    said = summary.message(reported(found), NAMES, TOLD)
    shown = json.dumps(said.blocks) + said.text
    assert "<!channel>" not in shown
    assert "<!here>" not in shown
    assert "<https" not in shown


# The picture


@pytest.mark.slow
@pytest.mark.parametrize("bars", [0, 1, 8])
@pytest.mark.parametrize("most", [0, 1, 123_456])
def test_a_picture_is_drawn_of_whatever_there_is(bars: int, most: int) -> None:
    parts = [(name, most) for name in STYLES]
    drawn = chart.draw(
        Chart(
            title="KYC, Wednesday 23 September 2026",
            subtitle="123456 checks · approval rate 100\u00a0%",
            counts=parts,
            bars=[Bar(label=f"Mon {n}", asked=most * len(STYLES), parts=parts, rate="100\u00a0%") for n in range(bars)],
            bars_title="Checks a day, and approval rate",
        )
    )
    with Image.open(io.BytesIO(drawn)) as image:
        assert (image.format, image.size) == ("PNG", (1080, 1080))
        colours = {colour for _count, colour in image.convert("RGB").getcolors(1 << 24) or []}
    # Something of each outcome is there to be seen, unless there was none.
    assert ((0, 0x72, 0xB2) in colours) is (most > 0)


def test_every_outcome_has_a_colour_and_a_pattern_of_its_own() -> None:
    assert len(set(STYLES.values())) == len(STYLES)
    colours, _patterns = zip(*STYLES.values(), strict=True)
    assert len(set(colours)) == len(STYLES)


@pytest.mark.parametrize(
    ("country", "id_type", "said"),
    [(None, None, ""), ("KE", None, "Kenya"), (None, "BVN", "BVN"), ("KE", "BVN", "Kenya · BVN")],
)
def test_a_summary_names_the_country_and_id_type_it_is_limited_to(
    country: str | None, id_type: str | None, said: str
) -> None:
    names = DisplayNames(subject=lambda _country, id_type: f"Kenya · {id_type}", country=lambda _: "Kenya", person=str)
    told = replace(reported(BUSY), country=country, id_type=id_type)
    assert summary.narrowed(told, names) == said


def test_the_line_below_the_title_of_a_picture_is_not_cut_off() -> None:
    longest = "Cote d'Ivoire · Resident ID (without Photo) · 123456 checks · approval rate 100\u00a0%"
    drawn = chart.draw(Chart(title="KYC", subtitle=longest, counts=[("approved", 1)], bars=[], bars_title=""))
    with Image.open(io.BytesIO(drawn)) as picture:
        margin = picture.convert("L").crop((1055, 80, 1080, 125))
    assert margin.getextrema() == (255, 255)
