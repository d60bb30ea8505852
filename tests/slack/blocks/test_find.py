"""Where a list goes on: a button's value is read back as it was written, and nothing else is taken."""

from datetime import UTC, datetime

import pytest

from bot.domain.check.check import Cursor
from bot.slack.blocks.find import PageCursor

CURSOR = PageCursor(
    shown="mine",
    cursor=Cursor(asked_at=datetime(2026, 11, 27, 8, 30, tzinfo=UTC), ref="K-7F3K2Q", newer=True),
)


def test_a_cursor_comes_back_as_it_was_written() -> None:
    assert PageCursor.load(CURSOR.dump()) == CURSOR
    assert PageCursor.load(PageCursor(shown="all").dump()) == PageCursor(shown="all")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "[]",
        '["mine",null,null]',
        '["mine","1700000000","K-7F3K2Q",false]',
        '["mine",1700000000,"K-7F3K2Q",false]',
        '["mine","2026-11-27T08:30:00","K-7F3K2Q",false]',
        '["mine","2026-11-27T08:30:00+00:00",null,false]',
        '["mine",null,"K-7F3K2Q",false]',
        '["mine",null,null,"no"]',
        "[1,null,null,false]",
        '["mine","0001-01-01T00:00:00+14:00","K-7F3K2Q",false]',
        '["mine","9999-12-31T23:59:59-14:00","K-7F3K2Q",true]',
    ],
)
def test_a_value_that_is_not_ours_is_no_cursor(value: str) -> None:
    assert PageCursor.load(value) is None
