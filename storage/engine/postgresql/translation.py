"""A statement as storage functions write it, in PostgreSQL's spelling.

Only what can be changed word by word, whatever the statement means: placeholders, SQLite's order of joins, the types of
a CAST. Everything else is said so that both engines understand it, or by the `Dialect`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

KEPT = 4_096
"""Most translations that are kept: the statements of the bot are several hundred, lists with filters some more."""

_TOKEN = re.compile(
    r"""
      '(?:[^']|'')*'                       # a text; a backslash in it is one
    | "(?:[^"]|"")*"                       # a name
    | --[^\n]*
    | /\*.*?\*/
    | ::                                   # PostgreSQL's cast
    | :(?P<name>[A-Za-z_]\w*)
    | (?P<mark>\?)
    | (?P<cross>\bCROSS\s+JOIN\b)
    | \bAS\s+(?P<type>INTEGER|REAL)(?=\s*\))   # CAST(… AS INTEGER)
    | (?P<word>[A-Za-z_]\w*)
    | (?P<sign>[(),;])
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_TYPES = {"INTEGER": "BIGINT", "REAL": "DOUBLE PRECISION"}
"""PostgreSQL's types of these names are half as wide as SQLite's."""
_ENDS_A_SOURCE = frozenset(
    [
        *("CROSS", "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "NATURAL", "WHERE", "GROUP", "HAVING", "WINDOW"),
        *("ORDER", "LIMIT", "OFFSET", "UNION", "EXCEPT", "INTERSECT"),
    ]
)
_OF_TRANSACTIONS = frozenset(
    [
        *("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "PREPARE"),
        *("SET", "RESET", "DISCARD"),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Translated:
    """What is sent in place of a statement."""

    text: str
    """With `$1`, `$2` …"""
    names: tuple[str, ...] | None
    """Of the parameters, in the order of their numbers; None of a statement with question marks."""
    count: int
    """How many parameters it takes."""
    is_of_transaction: bool
    """It begins or ends a transaction or a savepoint, or sets the session up: nothing for a storage function."""

    def arguments(self, parameters: Sequence[object] | Mapping[str, object]) -> Sequence[object]:
        """The parameters in the order of their numbers.

        As with SQLite a mapping may hold more than the statement names. Raises KeyError for one that is missing,
        ValueError for too many or too few in a row.
        """
        # By its class: to ask whether it is some Mapping costs as much as all the rest.
        kind = parameters.__class__
        is_named = kind is dict or (kind is not list and kind is not tuple and isinstance(parameters, Mapping))
        if self.names is None:
            if is_named or len(parameters) != self.count:
                raise ValueError(f"a statement with {self.count} question marks was given {len(parameters)} parameters")
            return cast("Sequence[object]", parameters)
        if is_named:
            given = cast("Mapping[str, object]", parameters)
            return [given[name] for name in self.names]
        if parameters or self.names:
            raise ValueError(f"a statement that names {self.count} parameters was given {len(parameters)} others")
        return ()


@lru_cache(KEPT)
def translated(sql: str) -> Translated:
    """The statement for PostgreSQL. Raises ValueError for one that both names parameters and has question marks."""
    tokens = list(_TOKEN.finditer(sql))
    numbers: dict[str, int] = {}
    marks, parts, at = 0, list[str](), 0
    for index, token in enumerate(tokens):
        if token["name"]:
            new = f"${numbers.setdefault(token['name'], len(numbers) + 1)}"
        elif token["mark"]:
            marks += 1
            new = f"${marks}"
        elif token["cross"] and _has_condition(tokens[index + 1 :]):
            new = "JOIN"
        elif token["type"]:
            new = f"AS {_TYPES[token['type'].upper()]}"
        else:
            continue
        parts += [sql[at : token.start()], new]
        at = token.end()
    if marks and numbers:
        raise ValueError("a statement has names or question marks for its parameters, not both")
    first = next((token["word"] for token in tokens if token["word"]), "")
    return Translated(
        text="".join([*parts, sql[at:]]),
        names=None if marks else tuple(numbers),
        count=marks or len(numbers),
        is_of_transaction=first.upper() in _OF_TRANSACTIONS,
    )


def _has_condition(following: Sequence[re.Match[str]]) -> bool:
    """Whether an ON belongs to the CROSS JOIN before these tokens: SQLite takes one, PostgreSQL does not."""
    return next(_words_at_this_depth(following), "") == "ON"


def _words_at_this_depth(following: Sequence[re.Match[str]]) -> Iterator[str]:
    """ON, or what ends the joined table without one."""
    depth = 0
    for token in following:
        match token["sign"]:
            case "(":
                depth += 1
            case ")" if depth == 0:
                return
            case ")":
                depth -= 1
            case "," | ";" if depth == 0:
                return
            case _ if depth == 0:
                word = "CROSS" if token["cross"] else (token["word"] or "").upper()
                if word == "ON" or word in _ENDS_A_SOURCE:
                    yield word
