"""An attacker who has the bot's database file and none of its keys, and tries to confirm a guess about a person.

A guess is confirmed where the file holds an unkeyed digest of it: whole or cut short, as bytes, hexadecimal or Base64.
Tables and columns are read from the file itself, so that a column of tomorrow is tried too.
"""

import base64
import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import permutations
from pathlib import Path

ALGORITHMS = sorted(name for name in hashlib.algorithms_guaranteed if not name.startswith("shake_"))
SEPARATORS = ("", ":", " ", "|", ",", "-")
_RAW, _HEX, _BASE64 = 8, 16, 10
"""How much of a digest is looked for: 60 bits and more, which nothing equals by chance."""


class Guesses:
    """What the attacker holds to be possible, each under the name by which a test tells of it."""

    def __init__(self) -> None:
        self._by_digest: dict[bytes, str] = {}

    def add(self, name: str, value: bytes | str) -> None:
        """One guess, and the hexadecimal form of its digest, in case that was hashed once more."""
        data = value.encode(errors="surrogatepass") if isinstance(value, str) else value
        for algorithm in ALGORITHMS:
            digest = hashlib.new(algorithm, data, usedforsecurity=False).digest()
            self._remember(digest, f"{algorithm} of {name}")
            again = hashlib.new(algorithm, digest.hex().encode(), usedforsecurity=False).digest()
            self._remember(again, f"{algorithm} twice of {name}")

    def add_texts(self, texts: Mapping[str, str]) -> None:
        """Facts by name: each as typed and in small and capital letters, alone and joined with each other."""
        for name, text in texts.items():
            for written in {text, text.lower(), text.upper(), "".join(filter(str.isalnum, text)).upper()}:
                self.add(name, written)
        for (name, text), (other_name, other) in permutations(texts.items(), 2):
            for separator in SEPARATORS:
                joined = f"{text}{separator}{other}"
                for written in {joined, joined.lower(), joined.upper()}:
                    self.add(f"{name} with {other_name}", written)

    def add_json(self, name: str, body: Mapping[str, object]) -> None:
        """A message in every form in which programs write JSON, with and without what is signed anew each time."""
        signed, links = {"timestamp", "signature"}, {"ImageLinks", "image_links"}
        for left_out in (set[str](), signed, signed | links):
            rest = {key: value for key, value in body.items() if key not in left_out}
            for separators in ((",", ":"), (", ", ": ")):
                for is_sorted in (True, False):
                    for ascii_only in (True, False):
                        text = json.dumps(rest, sort_keys=is_sorted, separators=separators, ensure_ascii=ascii_only)
                        self.add(name, text)

    def found_in(self, data: bytes) -> set[str]:
        """Names of the guesses of which a digest, or its beginning, stands in these bytes."""
        found = set()
        for width, text in ((_RAW, data), (_HEX, data.lower()), (_BASE64, data)):
            for start in range(len(text) - width + 1):
                name = self._by_digest.get(text[start : start + width])
                if name is not None:
                    found.add(name)
        return found

    def _remember(self, digest: bytes, name: str) -> None:
        standard = base64.b64encode(digest)[:_BASE64]
        for form in (
            digest[:_RAW],
            digest.hex().encode()[:_HEX],
            standard,
            base64.urlsafe_b64encode(digest)[:_BASE64],
        ):
            self._by_digest.setdefault(form, name)


def columns_of(database: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Every table and column of a file, those that SQLite keeps for itself too."""
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in ["sqlite_master", *tables]:
        for (column,) in database.execute("SELECT name FROM pragma_table_xinfo(?)", (table,)).fetchall():
            yield table, column


def confirmed_by_columns(path: Path, guesses: Guesses) -> dict[str, set[str]]:
    """By `table.column`, what an attacker learns from it."""
    found: dict[str, set[str]] = {}
    with closing(sqlite3.connect(path)) as database:
        for table, column in columns_of(database):
            for (value,) in database.execute(f'SELECT "{column}" FROM "{table}"'):  # noqa: S608 - the file's own names
                for data in _as_bytes(value):
                    if names := guesses.found_in(data):
                        found.setdefault(f"{table}.{column}", set()).update(names)
    return found


def empty_prints(path: Path) -> list[str]:
    """Columns of prints in which nothing stands, so that trying them says nothing."""
    with closing(sqlite3.connect(path)) as database:
        return [
            f"{table}.{column}"
            for table, column in columns_of(database)
            if column.endswith("_print")
            and not database.execute(f'SELECT 1 FROM "{table}" WHERE "{column}" <> \'\'').fetchone()  # noqa: S608
        ]


def confirmed_by_bytes(path: Path, guesses: Guesses) -> dict[str, set[str]]:
    """The same of the raw file and its log, where free space may tell what no column holds any more."""
    files = path.parent.glob(f"{path.name}*")
    return {file.name: names for file in files if (names := guesses.found_in(file.read_bytes()))}


def _as_bytes(value: object) -> list[bytes]:
    match value:
        case bytes():
            return [value]
        case str():
            return [value.encode(errors="surrogatepass")]
        case int():
            return [value.to_bytes(8, "big", signed=True), value.to_bytes(8, "little", signed=True)]
        case _:
            return []
