"""Reads the tables that an operator may replace with a copy: result codes and ID types."""

import csv
import io
from collections.abc import Iterator, Sequence

from bot.errors import SettingsFault


def rows(
    csv_text: str, table: str, columns: Sequence[str], *, newer: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row's place, for messages, and its fields without blanks around them.

    Columns that are `newer` than some operators' copies are empty where they are missing.
    Raises SettingsFault naming the line that does not fit.
    """
    reader = csv.DictReader(io.StringIO(csv_text.removeprefix("\ufeff"), newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            line = reader.line_num
            where = f"{table}, line {line}"
            if None in row:
                raise SettingsFault(f"{where}: more fields than columns; a text with a comma needs quotes")
            if any(row.get(name) is None for name in columns):
                raise SettingsFault(f"{where}: a column is missing")
            yield where, {name: (row.get(name) or "").strip() for name in (*columns, *newer)}
    except csv.Error as fault:
        raise SettingsFault(f"{table}, line {line + 1}: {fault}") from fault


def parts(field: str) -> tuple[str, ...]:
    """The parts of a field between `|`, each once."""
    return tuple(dict.fromkeys(part.strip() for part in field.split("|") if part.strip()))
