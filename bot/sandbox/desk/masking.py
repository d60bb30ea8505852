"""Masks what identifies somebody or opens something, in bodies that are shown: invented here, but a habit to keep."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

MASK = "•••"
LONGEST_TEXT = 400
"""Characters of one string that are shown."""
MOST_ENTRIES = 60
"""Entries of one list or object that are shown."""

_SECRET_WORDS = ("token", "signature", "secret", "authorization", "cookie", "api_key", "trigger_id", "response_url")
_PERSONAL = frozenset(
    {
        "id_number", "first_name", "last_name", "middle_name", "dob", "phone_number", "bank_code", "idnumber",
        "fullname", "phonenumber", "phonenumber2", "address", "gender", "photo", "fulldata", "expirationdate",
        "issuancedate", "customer_reference", "find_number", "find_first", "find_last", "find_reference",
    }
)  # fmt: skip
"""Field names of Smile ID's and of the form, whatever lies below them."""
_ADDRESSES = re.compile(r"(https?|wss?)://[^\s\"<>|]+")
_SECRETS = re.compile(r"xox[a-z]-[\w-]+|xapp-[\w-]+|v0=[0-9a-f]{16,}")
_LONGEST_PART = 20
"""Characters of one part of a path; a longer one is a secret."""
_OPENED_BY_WHAT_FOLLOWS = frozenset({"callback", "hooks"})
_NUMBERS = re.compile(r"(?<![\w.^-])\d{7,}(?![\w.])")
"""Long numbers that stand alone: ID numbers and telephones, but no times of messages and no ids."""


def personal_words(bodies: Iterable[object]) -> frozenset[str]:
    """What these bodies hold in fields about a person: to be masked wherever else it is said."""
    found: set[str] = set()
    for body in bodies:
        _collect(body, found, is_personal=False)
    return frozenset(word for word in found if len(word) > 2 and word not in ("true", "false", "Not Available"))


def _collect(body: object, found: set[str], *, is_personal: bool) -> None:
    if isinstance(body, Mapping):
        for key, value in body.items():
            _collect(value, found, is_personal=is_personal or str(key).lower() in _PERSONAL)
    elif isinstance(body, list | tuple):
        for value in body:
            _collect(value, found, is_personal=is_personal)
    elif isinstance(body, str) and is_personal and len(body) <= 80:
        found.update({body, *body.split()})


class Masker:
    """Masks secrets and personal fields, and these words wherever they stand."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        longest_first = sorted({re.escape(word) for word in words if word}, key=len, reverse=True)
        self._words = re.compile(rf"(?<!\w)({'|'.join(longest_first)})(?!\w)", re.IGNORECASE) if longest_first else None

    def shown(self, body: Any, *, longest: int = 6000) -> str:
        """As JSON with indents, cut after `longest` characters."""
        text = json.dumps(self.masked(body), indent=2, ensure_ascii=False, default=str)
        return text if len(text) <= longest else f"{text[:longest]}\n… {len(text) - longest} more characters"

    def masked(self, body: Any) -> Any:
        if isinstance(body, Mapping):
            first = list(body.items())[:MOST_ENTRIES]
            return {str(key): self._field(str(key), value) for key, value in first}
        if isinstance(body, list | tuple):
            left = len(body) - MOST_ENTRIES
            return [self.masked(value) for value in body[:MOST_ENTRIES]] + ([f"… {left} more"] if left > 0 else [])
        if isinstance(body, bytes | bytearray | memoryview):
            return f"{len(body)} bytes"
        return self.text(body) if isinstance(body, str) else body

    def _field(self, key: str, value: Any) -> Any:
        name = key.lower()
        if name in _PERSONAL or any(word in name for word in _SECRET_WORDS):
            return MASK if value else value
        return self._inner(value)

    def _inner(self, value: Any) -> Any:
        """Slack's forms and Smile ID's tools carry JSON within JSON."""
        if isinstance(value, str) and value[:1] in "{[" and value[-1:] in "}]":
            try:
                return self.masked(json.loads(value))
            except ValueError:
                return self.text(value)
        return self.masked(value)

    def text(self, words: str) -> str:
        """One string, masked and cut."""
        words = words if len(words) <= LONGEST_TEXT else f"{words[:LONGEST_TEXT]}… {len(words)} characters"
        words = _SECRETS.sub(MASK, _ADDRESSES.sub(_without_secrets, words))
        if self._words is not None:
            words = self._words.sub(MASK, words)
        return _NUMBERS.sub(MASK, words)


def _without_secrets(found: re.Match[str]) -> str:
    """An address without its query, and without what in its path opens something."""
    address, _, query = found[0].partition("?")
    scheme, _, rest = address.partition("://")
    parts = rest.split("/")
    shown = [
        MASK if len(part) > _LONGEST_PART or before in _OPENED_BY_WHAT_FOLLOWS else part
        for before, part in zip(["", *parts], parts, strict=False)
    ]
    return f"{scheme}://{'/'.join(shown)}" + (f"?{MASK}" if query else "")
