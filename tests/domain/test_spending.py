"""Daily limits: how they are written, and which marks were passed."""

import pytest

from bot.domain.spending import DailyLimits, reached


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("", DailyLimits()),
        ("50", DailyLimits(per_person=50)),
        ("total=400", DailyLimits(total=400)),
        (" 50 , total = 400 ", DailyLimits(per_person=50, total=400)),
        ("TOTAL=400,50", DailyLimits(per_person=50, total=400)),
    ],
)
def test_limits_are_read_for_each_and_for_all(text: str, limits: DailyLimits) -> None:
    assert DailyLimits.parse(text) == limits


@pytest.mark.parametrize(
    "text", ["many", "-1", "0", "total=0", "50,60", "total=1,total=2", "each=5", "5.5", "²", "50;total=400"]
)
def test_a_limit_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        DailyLimits.parse(text)


def test_what_is_left_is_the_smaller_room_and_never_negative() -> None:
    limits = DailyLimits(per_person=5, total=20)
    assert limits.left(own=2, all_=3) == 3
    assert limits.left(own=0, all_=19) == 1
    assert limits.left(own=9, all_=9) == 0
    assert DailyLimits().left(own=9, all_=9) is None


def test_each_mark_is_passed_once() -> None:
    steps = [reached(10, before=n, after=n + 1) for n in range(12)]
    assert [percent for percent in steps if percent] == [80, 100]
    assert steps.index(80) == 7
    assert steps.index(100) == 9
    assert reached(10, before=0, after=10) == 100
