"""Types of arguments that several commands take."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

PORT = click.IntRange(0, 65535)


class Day(click.DateTime):
    """A day as YYYY-MM-DD, of a time that calendars and time zones can reckon with."""

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d"])

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        day: datetime = super().convert(value, param, ctx)
        if not 1970 <= day.year < 9999:
            self.fail(f"{value!r} is not between 1970-01-01 and 9998-12-31.", param, ctx)
        return day
