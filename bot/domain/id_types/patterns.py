"""Patterns of ID numbers that come from outside: taken if they are harmless, and not at all otherwise.

A regular expression of somebody else's can keep the matcher busy for years. So only a part of the language is read:
characters, classes, groups, alternatives and repeats, anchored at both ends; and the ways in which the matcher may
have to try them are counted before it tries any. What is read is rewritten, so that nothing unread gets through.

Not `google-re2`: it has no wheels for musl or PyPy, where everything else installs, and no type annotations; and it
would bound the time alone, not which part of the language says what the form of a number is.
"""

import re
import string
from dataclasses import dataclass

MOST_CHARACTERS = 200
MOST_WAYS = 12_000
"""Ways to match one text, and so the most that the matcher tries: two open repeats, or four of nine lengths."""
_MOST_REPEATS = 100
"""No longer text is ever matched (`request.MAX_TEXT`); an open repeat is counted as this many."""
_DEEPEST = 5

_ANY_CASE = "(?i)"
_SPECIAL = frozenset("\\^$.|?*+()[]{}")
_PLAIN = frozenset(string.ascii_letters + string.digits + string.punctuation + " ") - _SPECIAL
_PLAIN_IN_CLASS = _PLAIN | _SPECIAL - frozenset("\\^[]")
_SHORTHANDS = {"d": "0-9", "w": "A-Za-z0-9_", "s": r"\ "}
_COUNT = re.compile(r"\{([0-9]{1,3})(?:(,)([0-9]{1,3})?)?\}")


class _NotTaken(Exception):
    """Not of the part of the language that is read, or too much work."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a pattern, rewritten."""

    text: str
    ways: int
    """In how many ways it can be tried at one place."""
    shortest: int
    """Fewest characters that it matches."""


def harmless(source: str) -> re.Pattern[str] | None:
    """The pattern, for `fullmatch` of at most 100 characters in bounded time; None if it is not to be trusted.

    `(?i)` in front makes it blind to case. `\\d` comes out as `[0-9]`, so that equal patterns read alike.
    """
    if len(source) > MOST_CHARACTERS:
        return None
    reader = _Reader(source.removeprefix(_ANY_CASE))
    try:
        text = reader.whole().text
        blind = source.startswith(_ANY_CASE) and any(char.isalpha() for char in text)
        return re.compile(f"{_ANY_CASE if blind else ''}{text}", re.ASCII)
    except (_NotTaken, re.error):
        return None


@dataclass(slots=True, eq=False)
class _Reader:
    """Reads a pattern from left to right, once; each method takes one piece."""

    _source: str
    _at: int = 0

    def whole(self) -> _Part:
        """Every alternative is anchored at both ends: elsewhere `fullmatch` would ask for more than was meant."""
        branches = [self._anchored()]
        while self._next("|"):
            branches.append(self._anchored())
        if self._at < len(self._source):
            raise _NotTaken
        return _either(branches)

    def _anchored(self) -> _Part:
        if not self._next("^"):
            raise _NotTaken
        inner = self._sequence(depth=0)
        if not self._next("$") or inner.shortest == 0:
            raise _NotTaken
        return _Part(f"^{inner.text}$", inner.ways, inner.shortest)

    def _sequence(self, depth: int) -> _Part:
        parts = []
        while self._peek() not in {"", "|", ")", "$"}:
            parts.append(self._repeated(self._one(depth)))
        ways = 1
        for part in parts:
            ways = _bounded(ways * part.ways)
        return _Part("".join(part.text for part in parts), ways, sum(part.shortest for part in parts))

    def _one(self, depth: int) -> _Part:
        if self._next("("):
            return self._group(depth + 1)
        if self._next("["):
            return self._class()
        if self._next("\\"):
            shorthand, char = self._escaped()
            return _Part(f"[{shorthand}]" if shorthand else re.escape(char), 1, 1)
        return _Part(re.escape(self._character()), 1, 1)

    def _group(self, depth: int) -> _Part:
        if depth > _DEEPEST:
            raise _NotTaken
        self._next("?:")
        branches = [self._sequence(depth)]
        while self._next("|"):
            branches.append(self._sequence(depth))
        if not self._next(")"):
            raise _NotTaken
        inner = _either(branches)
        return _Part(f"(?:{inner.text})", inner.ways, inner.shortest)

    def _class(self) -> _Part:
        """Characters and ranges. What is *not* in a class (`[^…]`) is no form of a number, so it is not read."""
        items: list[str] = []
        while not self._next("]"):
            if self._next("\\"):
                shorthand, first = self._escaped()
                if shorthand:
                    items.append(shorthand)
                    continue
            else:
                first = self._character(_PLAIN_IN_CLASS)
            following = self._source[self._at + 1 : self._at + 2]
            if self._peek() == "-" and following not in {"", "]"}:
                self._next("-")
                last = self._character()
                if not (first.isalnum() and last.isalnum() and first <= last):
                    raise _NotTaken
                items.append(f"{first}-{last}")
            else:
                items.append(re.escape(first))
        if not items:
            raise _NotTaken
        return _Part(f"[{''.join(items)}]", 1, 1)

    def _repeated(self, part: _Part) -> _Part:
        if self._next("?"):
            return _repeat(part, "?", 0, 1)
        if self._next("*"):
            return _repeat(part, "*", 0, _MOST_REPEATS)
        if self._next("+"):
            return _repeat(part, "+", 1, _MOST_REPEATS)
        count = _COUNT.match(self._source, self._at)
        if count is None:
            return part
        self._at = count.end()
        fewest = int(count[1])
        most = int(count[3]) if count[3] else _MOST_REPEATS if count[2] else fewest
        return _repeat(part, count[0], fewest, most)

    def _escaped(self) -> tuple[str, str]:
        """After a backslash: what a shorthand means, or else the character itself."""
        char = self._source[self._at : self._at + 1]
        self._at += 1
        if char in _SHORTHANDS:
            return _SHORTHANDS[char], ""
        if not char or char not in string.punctuation + " ":
            raise _NotTaken
        return "", char

    def _character(self, plain: frozenset[str] = _PLAIN) -> str:
        char = self._peek()
        if char not in plain:
            raise _NotTaken
        self._at += 1
        return char

    def _peek(self) -> str:
        return self._source[self._at : self._at + 1]

    def _next(self, text: str) -> bool:
        found = self._source.startswith(text, self._at)
        self._at += len(text) if found else 0
        return found


def _either(branches: list[_Part]) -> _Part:
    return _Part(
        "|".join(branch.text for branch in branches),
        _bounded(sum(branch.ways for branch in branches)),
        min(branch.shortest for branch in branches),
    )


def _repeat(part: _Part, written: str, fewest: int, most: int) -> _Part:
    """Each number of repeats is a way of its own, and each of the repeated in its own ways."""
    # A repeat of nothing moves nowhere: nested, it counts to a hundred times a hundred times a hundred.
    if part.shortest == 0 or not fewest <= most <= _MOST_REPEATS or most == 0:
        raise _NotTaken
    ways = 0
    each = 1
    for number in range(most + 1):
        ways = _bounded(ways + (each if number >= fewest else 0))
        each = min(each * part.ways, MOST_WAYS + 1)
    return _Part(part.text + written, ways, part.shortest * fewest)


def _bounded(ways: int) -> int:
    if ways > MOST_WAYS:
        raise _NotTaken
    return ways
