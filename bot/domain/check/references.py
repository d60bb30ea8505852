"""References that people read out to each other: K-7F3K2Q."""

import re

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""No 0/O, 1/I/L, U: nothing to mishear or misread."""

_LENGTH = 6
_SHAPE = re.compile(rf"[Kk]?-?([{ALPHABET}{ALPHABET.lower()}]{{{_LENGTH}}})")


def reference(number: int, *, prefix: str = "K") -> str:
    """A reference from any non-negative random number (30**6, about 729 million of them).

    `prefix`: K for a check, B for a file of applicants, X for an export, F for an erasure.
    """
    letters = []
    for _ in range(_LENGTH):
        number, index = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[index])
    return f"{prefix}-{''.join(letters)}"


def parse_reference(text: str) -> str | None:
    """The reference a person typed, in its written form; case and the leading `K-` are free."""
    found = _SHAPE.fullmatch(text.strip())
    return f"K-{found[1].upper()}" if found else None
