"""Reads the SQL of the migrations as SQLite understands it, and writes it as PostgreSQL does.

For definitions and triggers alone: what storage functions say is written so that it runs on both. SQLite has no
truth values of their own and counts with them; PostgreSQL does not, so each expression knows whether it is one. What is
not known here is refused, so that no migration means one thing on SQLite and another on PostgreSQL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*)
    |(?P<text>'(?:[^']|'')*')
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<quoted>"[A-Za-z_]\w*")
    |(?P<sign>\|\||<=|>=|<>|[-+*/%<>=(),.;])
    """,
    re.VERBOSE | re.ASCII,
)
_ENDS_EXPRESSION = frozenset({
    "AND", "AS", "ASC", "BEGIN", "BETWEEN", "CHECK", "CROSS", "DEFAULT", "DESC", "DO", "ELSE", "END", "FROM", "GLOB",
    "GROUP", "HAVING", "IN", "INNER", "IS", "JOIN", "LEFT", "LIKE", "LIMIT", "NOT", "NULL", "ON", "OR", "ORDER",
    "PRIMARY", "REFERENCES", "SET", "THEN", "UNION", "UNIQUE", "VALUES", "WHEN", "WHERE",
})  # fmt: skip
TYPES: Mapping[str, str] = MappingProxyType(
    {"TEXT": 'TEXT COLLATE "C"', "INTEGER": "BIGINT", "REAL": "DOUBLE PRECISION", "BLOB": "BYTEA"}
)
"""Columns; texts compare by their bytes, as SQLite's do."""


class NotTranslated(ValueError):
    """A statement says something that PostgreSQL says otherwise, and nobody has written down how."""


class Token(NamedTuple):
    kind: str
    text: str

    def is_word(self, *words: str) -> bool:
        return self.kind == "name" and self.text.upper() in words


class Term(NamedTuple):
    """A translated expression."""

    sql: str
    is_truth: bool = False
    """What PostgreSQL calls boolean; SQLite has 0 and 1 for it."""
    is_whole: bool = False
    """Can stand beside any operator without brackets."""

    @property
    def operand(self) -> str:
        return self.sql if self.is_whole else f"({self.sql})"

    @property
    def value(self) -> str:
        """For what is stored, returned or calculated with."""
        return f"CAST({self.operand} AS INTEGER)" if self.is_truth else self.sql

    @property
    def truth(self) -> str:
        """For a condition."""
        if not self.is_truth:
            raise NotTranslated(f"a number or text is no condition for PostgreSQL: {self.sql}")
        return self.sql


_END = Token("end", "")


class Reader:
    """Goes through the words of one statement."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._tokens = list(_tokens(sql))
        self._at = 0
        self.of_bare_names = ""
        """What a column without a table belongs to, where PostgreSQL has two that it could mean."""

    def fault(self) -> NotTranslated:
        here = " ".join(token.text for token in self._tokens[self._at : self._at + 6])
        return NotTranslated(f"not understood from {here!r} on: {' '.join(self._sql.split())}")

    @property
    def next(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    @property
    def is_at_end(self) -> bool:
        return self.next is _END

    def _after_next(self) -> Token:
        return self._tokens[self._at + 1] if self._at + 1 < len(self._tokens) else _END

    def take(self) -> Token:
        token = self.next
        self._at += 1
        return token

    def sees(self, *words: str) -> bool:
        """Whether these words or signs come next."""
        coming = self._tokens[self._at : self._at + len(words)]
        return [token.text.upper() for token in coming] == list(words) and all(t.kind != "text" for t in coming)

    def accept(self, *words: str) -> bool:
        """Take them if they come next."""
        if not self.sees(*words):
            return False
        self._at += len(words)
        return True

    def expect(self, *words: str) -> None:
        if not self.accept(*words):
            raise self.fault()

    def name(self) -> str:
        token = self.take()
        if token.kind == "quoted":
            return token.text[1:-1]
        if token.kind != "name":
            self._at -= 1
            raise self.fault()
        return token.text

    def names(self) -> list[str]:
        """A list of names in brackets."""
        self.expect("(")
        found = [self.name()]
        while self.accept(","):
            found.append(self.name())
        self.expect(")")
        return found

    def text(self) -> str:
        """A text constant, without its quotes."""
        if self.next.kind != "text":
            raise self.fault()
        return self.take().text[1:-1].replace("''", "'")

    def word(self, *words: str) -> str:
        if not self.next.is_word(*words):
            raise self.fault()
        return self.take().text.upper()

    # Expressions, by how tightly SQLite binds them (sqlite.org/lang_expr.html, 2026-11), loosest first.

    def expression(self) -> Term:
        return self._joined("OR", lambda: self._joined("AND", self._negation))

    def condition(self) -> str:
        return self.expression().truth

    def value(self) -> str:
        return self.expression().value

    def _joined(self, word: str, part: Callable[[], Term]) -> Term:
        parts = [part()]
        while self.accept(word):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        for one in parts:
            one.truth  # noqa: B018 - raises where it is none
        return Term(f" {word} ".join(one.operand for one in parts), is_truth=True)

    def _negation(self) -> Term:
        if not self.accept("NOT"):
            return self._predicate()
        found = self._negation()
        found.truth  # noqa: B018 - raises where it is none
        return Term(f"NOT {found.operand}", is_truth=True)

    def _predicate(self) -> Term:
        found = self._compared(("=", "<>"), lambda: self._compared(("<", "<=", ">", ">="), self._sum))
        while True:
            if self.accept("IS"):
                says = "IS NOT" if self.accept("NOT") else "IS"
                self.expect("NULL")
                found = Term(f"{found.operand} {says} NULL", is_truth=True)
            elif self.next.is_word("IN", "BETWEEN", "GLOB") or (
                self.next.is_word("NOT") and self._after_next().is_word("IN", "BETWEEN", "GLOB")
            ):
                found = self._within(found)
            elif self.next.is_word("LIKE"):
                # Without regard to case on SQLite; and what a text is compared with is a pattern.
                raise self.fault()
            elif self.sees("=") or self.sees("<>"):
                found = self._comparison(found, self.take().text, self._compared(("<", "<=", ">", ">="), self._sum))
            else:
                return found

    def _within(self, left: Term) -> Term:
        negated = "NOT " if self.accept("NOT") else ""
        if self.accept("BETWEEN"):
            first = self._sum()
            self.expect("AND")
            return Term(f"{left.operand} {negated}BETWEEN {first.operand} AND {self._sum().operand}", is_truth=True)
        if self.accept("GLOB"):
            return Term(f"{left.operand} {'!' if negated else ''}~ {_quoted(_pattern(self.text()))}", is_truth=True)
        self.expect("IN", "(")
        within = self.select() if self.sees("SELECT") else ", ".join(self._values())
        self.expect(")")
        return Term(f"{left.operand} {negated}IN ({within})", is_truth=True)

    def _compared(self, signs: tuple[str, ...], part: Callable[[], Term]) -> Term:
        found = part()
        while self.next.kind == "sign" and self.next.text in signs:
            found = self._comparison(found, self.take().text, part())
        return found

    def _comparison(self, left: Term, sign: str, right: Term) -> Term:
        if left.is_truth != right.is_truth:
            left, right = Term(left.value, is_whole=left.is_whole), Term(right.value, is_whole=right.is_whole)
        return Term(f"{left.operand} {sign} {right.operand}", is_truth=True)

    def _sum(self) -> Term:
        return self._calculated(("+", "-"), lambda: self._calculated(("*", "/", "%"), self._concatenated))

    def _concatenated(self) -> Term:
        return self._calculated(("||",), self._primary)

    def _calculated(self, signs: tuple[str, ...], part: Callable[[], Term]) -> Term:
        found = part()
        while self.next.kind == "sign" and self.next.text in signs:
            sign, right = self.take().text, part()
            found = Term(f"{_number(found)} {sign} {_number(right)}")
        return found

    def _primary(self) -> Term:
        token = self.next
        if token.kind in ("text", "number"):
            return Term(self.take().text, is_whole=True)
        if self.accept("-"):
            return Term(f"-{_number(self._primary())}")
        if self.accept("("):
            return self._bracketed()
        if self.accept("NULL"):
            return Term("NULL", is_whole=True)
        if self.accept("EXISTS", "("):
            found = self.select()
            self.expect(")")
            return Term(f"EXISTS ({found})", is_truth=True, is_whole=True)
        if self.accept("CASE"):
            return self._case()
        if self.accept("CAST", "("):
            value = self.value()
            self.expect("AS")
            found = f"CAST({value} AS {TYPES[self.word(*TYPES)].partition(' COLLATE')[0]})"
            self.expect(")")
            return Term(found, is_whole=True)
        if token.kind not in ("name", "quoted") or token.text.upper() in _ENDS_EXPRESSION:
            raise self.fault()
        name = self.name()
        if self.accept("("):
            return self._call(name)
        if self.accept("."):
            return Term(f"{name}.{self.name()}", is_whole=True)
        return Term(f"{self.of_bare_names}{name}", is_whole=True)

    def _bracketed(self) -> Term:
        if self.sees("SELECT"):
            found = self.select()
            self.expect(")")
            return Term(f"({found})", is_whole=True)
        first = self.expression()
        if self.accept(")"):
            return Term(f"({first.sql})", is_truth=first.is_truth, is_whole=True)
        self.expect(",")
        row = ", ".join([first.value, *self._values()])
        self.expect(")")
        return Term(f"({row})", is_whole=True)

    def _case(self) -> Term:
        parts = ["CASE"]
        if not self.next.is_word("WHEN"):
            parts.append(self.value())
            of_value = True
        else:
            of_value = False
        while self.accept("WHEN"):
            when = self.value() if of_value else self.condition()
            self.expect("THEN")
            parts.append(f"WHEN {when} THEN {self.value()}")
        if self.accept("ELSE"):
            parts.append(f"ELSE {self.value()}")
        self.expect("END")
        return Term(" ".join([*parts, "END"]), is_whole=True)

    def _values(self) -> list[str]:
        found = [self.value()]
        while self.accept(","):
            found.append(self.value())
        return found

    def _call(self, name: str) -> Term:
        known = FUNCTIONS.get(called := name.upper())
        if called == "COUNT" and self.accept("*", ")"):
            return Term("COUNT(*)", is_whole=True)
        distinct = "DISTINCT " if known and self.accept("DISTINCT") else ""
        arguments = [] if self.sees(")") else self._values()
        self.expect(")")
        found = known(*arguments) if known and len(arguments) in ARGUMENTS[called] else None
        if found is None or (distinct and called != "COUNT"):
            raise NotTranslated(f"{name}() of {len(arguments)} is not known: {' '.join(self._sql.split())}")
        return Term(found.replace("(", f"({distinct}", 1), is_whole=True)

    # What is selected.

    def select(self) -> str:
        """From SELECT to the end of it."""
        bare, self.of_bare_names = self.of_bare_names, ""
        found = self._one_select()
        while self.accept("UNION"):
            found += f" UNION {'ALL ' if self.accept('ALL') else ''}{self._one_select()}"
        if self.accept("ORDER", "BY"):
            found += f" ORDER BY {self._ordered()}"
        if self.accept("LIMIT"):
            found += f" LIMIT {self.value()}"
        self.of_bare_names = bare
        return found

    def _one_select(self) -> str:
        self.expect("SELECT")
        parts = ["SELECT DISTINCT" if self.accept("DISTINCT") else "SELECT", self._selected()]
        if self.accept("FROM"):
            parts.append(f"FROM {self.source()}")
        if self.accept("WHERE"):
            parts.append(f"WHERE {self.condition()}")
        if self.accept("GROUP", "BY"):
            parts.append(f"GROUP BY {', '.join(self._values())}")
        if self.accept("HAVING"):
            parts.append(f"HAVING {self.condition()}")
        return " ".join(parts)

    def _selected(self) -> str:
        found = list[str]()
        while not found or self.accept(","):
            value = self.value()
            found.append(f"{value} AS {self.name()}" if self.accept("AS") else value)
        return ", ".join(found)

    def _ordered(self) -> str:
        found = list[str]()
        while not found or self.accept(","):
            found.append(self.value())
            if self.next.is_word("ASC", "DESC"):
                found[-1] += f" {self.take().text.upper()}"
        return ", ".join(found)

    def source(self) -> str:
        """Behind FROM."""
        found = self._table()
        while True:
            if self.accept(","):
                found += f", {self._table()}"
            elif self.accept("CROSS", "JOIN"):
                found += f" CROSS JOIN {self._table()}"
            elif self.next.is_word("JOIN", "LEFT"):
                how = "LEFT JOIN" if self.accept("LEFT") else "JOIN"
                self.expect("JOIN")
                found += f" {how} {self._table()}"
                self.expect("ON")
                found += f" ON {self.condition()}"
            else:
                return found

    def _table(self) -> str:
        if self.accept("("):
            found = f"({self.select()})"
            self.expect(")")
        else:
            found = self.name()
        self.accept("AS")
        if self.next.kind == "name" and self.next.text.upper() not in _ENDS_EXPRESSION:
            found += f" {self.name()}"
        return found


def _tokens(sql: str) -> list[Token]:
    found, at = list[Token](), 0
    while at < len(sql):
        match = _TOKEN.match(sql, at)
        if match is None or match.lastgroup is None:
            raise NotTranslated(f"not understood from {sql[at : at + 30]!r} on: {' '.join(sql.split())}")
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup, match.group()))
        at = match.end()
    return found


def _number(term: Term) -> str:
    return term.value if term.is_whole or term.is_truth else term.operand


def _quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


def _pattern(glob: str) -> str:
    """The regular expression for what GLOB matches. Sets are written alike but for their negation."""
    pieces = re.findall(r"\[[A-Za-z0-9-]+\]|\*|\?|[A-Za-z0-9_: ]", glob, re.ASCII)
    if "".join(pieces) != glob:
        raise NotTranslated(f"GLOB {glob!r} is not understood")
    return f"^{''.join({'*': '.*', '?': '.'}.get(piece, piece) for piece in pieces)}$"


def _date(moment: str, later: str) -> str:
    days = re.fullmatch(r"'\+(\d+) days'", later, re.ASCII)
    if days is None:
        raise NotTranslated(f"date(…, {later}) is not understood")
    return f"day_after({moment}, {days[1]})"


def _plain(name: str) -> Callable[..., str]:
    return lambda *arguments: f"{name}({', '.join(arguments)})"


FUNCTIONS: Mapping[str, Callable[..., str]] = MappingProxyType(
    {
        **{name: _plain(name) for name in ("ABS", "COALESCE", "COUNT", "LENGTH", "MAX", "MIN", "NULLIF", "REPLACE")},
        "DATE": _date,
        "IFNULL": _plain("COALESCE"),
        "INSTR": _plain("strpos"),
        "JULIANDAY": _plain("julianday"),
        # Of two digits PostgreSQL rounds none but decimals.
        "ROUND": lambda x, digits: f"CAST(ROUND(CAST({x} AS NUMERIC), {digits}) AS DOUBLE PRECISION)",
        "SUBSTR": _plain("substr"),
        # Of whole numbers a decimal elsewhere.
        "SUM": lambda x: f"CAST(SUM({x}) AS BIGINT)",
    }
)
ARGUMENTS: Mapping[str, tuple[int, ...]] = MappingProxyType(
    dict.fromkeys(("ABS", "COUNT", "JULIANDAY", "LENGTH", "MAX", "MIN", "SUM"), (1,))
    | dict.fromkeys(("DATE", "IFNULL", "INSTR", "NULLIF", "ROUND"), (2,))
    | {"COALESCE": (2, 3, 4), "REPLACE": (3,), "SUBSTR": (2, 3)}
)
"""How many each takes: of more, SQLite's MAX and MIN mean something else."""
