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
from bot.domain.reporting.durations import LinkFigures, LinkTimes
from bot.domain.reporting.figure_tables import COLUMNS, record, table
from bot.domain.reporting.figures import Report, report
from bot.domain.reporting.periods import Period, day_of, week_of
from bot.domain.reporting.round_facts import RoundFact
from bot.reporting import chart
from bot.reporting.chart import STYLES, Bar, Chart
from bot.sandbox.slack.block_rules import faults_in_message
from bot.slack.blocks import summary
from bot.slack.blocks.summary import SummaryContext
from bot.slack.blocks.summary_details import because
from bot.slack.blocks.summary_numbers import DisplayNames

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
    return "\n".join(summary.lines_of(summary.whole(found, NAMES, TOLD)))


def test_it_begins_with_what_needs_a_manager_then_four_numbers_with_their_trend() -> None:
    said = text_of(reported(BUSY)).split("\n")
    assert said[:10] == [
        "KYC, Monday 23 November",
        "3 reviews over 4 h need you",
        "Oldest: K-in_230000, 20 h, in human review at Smile ID",
        "Waiting for review: 3 · Still open: 3 checks",
        "In human review at Smile ID: K-in_230001 (20 h), K-in_230002 (20 h)",
        "48 checks: +29, more than last Monday (19)",
        "Approval rate 89\u00a0%: +5 points, higher than last Monday (84\u00a0%)",
        "No result: 1: +1, more than last Monday (0)",
        "Median 9 s · 95th percentile 9 s: same as last Monday (9 s)",
        "39 approved · 5 rejected · 1 no result · 3 still open.",
    ]
    assert "Mean of the 7 days before: 2.7 checks, approval rate 84\u00a0%." in said


def test_a_number_without_one_to_compare_it_with_says_so() -> None:
    last_monday = facts(State.APPROVED, 3, at=NOON - timedelta(days=7))
    said = text_of(reported([*facts(State.APPROVED, 6), *last_monday]))
    assert "Approval rate 100\u00a0%: not compared, too few decided last Monday" in said
    said = text_of(reported(facts(State.APPROVED, 6)))
    assert "Approval rate 100\u00a0%: not compared, none decided last Monday" in said
    assert "Median 9 s · 95th percentile 9 s: not compared, no final result last Monday" in said


def test_no_sentence_is_said_five_times() -> None:
    reasons = [ReviewReason.SMILE_ID, ReviewReason.CONTRADICTION]
    found = [
        one
        for hour in range(9)
        for one in facts(
            State.IN_REVIEW, 1, at=NOON - timedelta(hours=hour), reason=reasons[hour % 2], id_type=str(hour)
        )
    ]
    found = [replace(one, ref=f"K-{n}") for n, one in enumerate(found)]
    said = text_of(reported(found)).split("\n")
    assert said[1:6] == [
        "9 reviews over 4 h need you",
        "Oldest: K-8, 28 h, in human review at Smile ID",
        "Waiting for review: 9 · Still open: 9 checks, 5 for more than a day",
        "Results differ: K-7 (27 h), K-5 (25 h)",
        "In human review at Smile ID: K-6 (26 h), K-4 (24 h)",
    ]
    assert said[6] == "4 more: type `/kyc list all review`"


def test_the_oldest_check_has_a_button_and_every_reference_may_be_a_link() -> None:
    linked = replace(NAMES, check=lambda ref: f"<https://example.test/{ref}|{ref}>")
    said = summary.message(reported(BUSY), linked, TOLD)
    row, rest = said.blocks[1:3]
    assert row["accessory"]["value"] == "K-in_230000"
    assert "<https://example.test/K-in_230000|K-in_230000>, 20 h" in row["text"]["text"]
    assert rest["text"]["text"].count("<https://example.test/") == 2
    # A screen reader would read the addresses out.
    assert "example.test" not in said.text


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (BUSY, "3 reviews over 4 h need you. Open K-in_230000, 20 h, in human review at Smile ID. KYC, Monday"),
        (facts(State.APPROVED, 6), "Nothing needs you, no check is open. KYC, Monday 23 November. 6 checks"),
        (facts(State.PROCESSING, 1), "Nothing needs you. Oldest: K-pro230000, 20 h, no decision from Smile ID yet."),
        (facts(State.IN_REVIEW, 1), "1 review over 4 h needs you. Open K-in_230000, 20 h, no decision from Smile ID"),
    ],
)
def test_its_text_alone_says_what_needs_the_reader_and_which_check(found: list[RoundFact], verdict: str) -> None:
    said = summary.message(reported(found), NAMES, TOLD)
    assert said.text.startswith(verdict)
    # And after it whatever the blocks say besides.
    for line in summary.lines_of(said)[3:]:
        assert all(part in said.text for part in line.rstrip(".").split(": ")), line


def test_the_oldest_of_all_is_named_beside_the_oldest_over_its_time() -> None:
    found = [*BUSY, *facts(State.PROCESSING, 1, at=NOON - timedelta(days=3))]
    said = text_of(reported(found)).split("\n")
    assert said[2].startswith("Oldest: K-in_230000, 20 h")
    assert "No decision from Smile ID yet: K-pro200000 (3 days)" in said


def test_of_a_single_check_there_is_no_median_and_no_percentile() -> None:
    (one,) = facts(State.APPROVED, 1, machine_at=NOON + timedelta(seconds=4))
    said = text_of(reported([one]))
    assert "Took 9 s" in said
    assert "Smile ID's machine: took 4 s" in said
    assert "percentile" not in said


def test_links_of_customers_are_told_where_there_are_any() -> None:
    found, hour = reported(BUSY), timedelta(hours=1)
    assert "Links for customers" not in text_of(found)
    assert not [line for line in table(found) if line[0] == "capture links"]
    made = [LinkTimes(NOON, None, None), LinkTimes(NOON, NOON + hour, None)]
    # A clock that was set back makes nothing shorter than nothing.
    used = [LinkTimes(NOON, NOON, NOON + span) for span in (-hour, 2 * hour, 5 * hour)]
    found = replace(found, links=LinkFigures.of([*made, *used]))
    assert "Links for customers: 5 made, 4 opened, 3 with photos, median 2 h · 95th percentile 5 h." in text_of(found)
    told = [line for line in table(found) if line[0] == "capture links"]
    assert [(line[1], line[COLUMNS.index("count")]) for line in told] == [
        ("made", "5"),
        ("opened", "4"),
        ("completed", "3"),
    ]
    assert record(found)["capture_links"] == {
        "made": 5,
        "opened": 4,
        "completed": 3,
        "took": {"count": 3, "median_seconds": 7_200.0, "p95_seconds": 18_000.0},
    }


def test_a_rate_of_few_is_not_shown_and_says_why() -> None:
    assert "Approval rate not shown: fewer than 5 decided" in text_of(reported(facts(State.APPROVED, 4)))
    assert "Approval rate not shown: none decided" in text_of(reported(facts(State.FAILED, 1)))


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
    assert because(why) == words


def test_a_summary_of_a_week_says_so() -> None:
    said = text_of(reported(BUSY, week_of(DAY - timedelta(days=7))))
    assert said.startswith("KYC, week of 16 to 22 November\n")
    rate = "Approval rate 84\u00a0%: not compared, none decided the week before"
    assert f"19 checks: +19, more than the week before (0)\n{rate}\n" in said
    assert "Mean of the 4 weeks before: 0.0 checks." in said


@pytest.mark.slow
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
