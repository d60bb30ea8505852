"""Signed documents: certificates of erasure, and proofs of single checks.

A signed document is one JSON object that people can read and that everybody can verify with the public key alone:

    {"document": {"kind": …}, "signature": {"algorithm": "Ed25519", "key_id": …, "value": …}}

The signature is over the canonical bytes of `document` (RFC 8785), so that blanks and line ends of the file do not
matter. The private key is derived from the newest encryption key (`storage.engine.sealing`).
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.errors import SignatureInvalid
from storage import audit, meta
from storage.engine.database import Transaction
from storage.engine.sealing import Sealer, is_signature

ALGORITHM = "Ed25519"
_LARGEST = 2**53 - 1
"""Beyond this programs that take all numbers for floating point would read another one."""
_DEEPEST = 32
_NOTED = "signing_key"
_PUBLIC_KEY = re.compile(r"[A-Za-z0-9_-]{43}")
_SIGNATURE = re.compile(r"[A-Za-z0-9_-]{86}")


def public_key(sealer: Sealer) -> str:
    """What to publish: 43 characters of base64url."""
    return _text(sealer.public_key)


def key_id(public: str) -> str:
    """The short name of a public key: 16 hex digits of its SHA-256. Raises ValueError for what is none."""
    return hashlib.sha256(_public_bytes(public)).hexdigest()[:16]


def sign(document: Mapping[str, Any], sealer: Sealer) -> bytes:
    """The signed document, in UTF-8, ending with a line break.

    `document` names its `kind` and holds texts, whole numbers, true, false, null, lists and objects with names in
    ASCII; raises ValueError for anything else.
    """
    if not document.get("kind"):
        raise ValueError("a signed document must name its kind")
    signature = {
        "algorithm": ALGORITHM,
        "key_id": key_id(public_key(sealer)),
        "value": _text(sealer.sign(canonical(document))),
    }
    signed = {"document": document, "signature": signature}
    return (json.dumps(signed, ensure_ascii=False, indent=2) + "\n").encode()


def verify(signed: bytes, public: str) -> dict[str, Any]:
    """The document, if the holder of this public key has signed it.

    No key is taken from the file: whoever altered it could have put theirs in. Raises SignatureInvalid with why,
    ValueError if `public` is no public key.
    """
    key = _public_bytes(public)
    document, signature = _parts(signed)
    try:
        covered = canonical(document)
    except ValueError as error:
        raise SignatureInvalid(f"it is no signed document: {error}") from None
    if not is_signature(_bytes(signature["value"]), covered, public_key=key):
        if signature["key_id"] != key_id(public):
            why = f"it names another key ({signature['key_id']}) than the one that was given ({key_id(public)})"
        else:
            why = "it was altered after it was signed, or was never signed with this key"
        raise SignatureInvalid(why)
    return document


def note_key(tx: Transaction, *, at: datetime) -> None:
    """Have the trail say which key signs from now on, once for each: `signing_key.used`, with its id and the key.

    So whoever trusts the trail can tell an old document by the key of its time.
    """
    public = public_key(tx.sealer)
    if meta.kept(tx, _NOTED) != public:
        meta.keep(tx, _NOTED, public)
        audit.record(tx, at=at, actor=audit.BOT, act="signing_key.used", detail=f"{key_id(public)}:{public}")


def canonical(value: object) -> bytes:
    """The bytes of RFC 8785 for a document as `sign` takes it; raises ValueError for what it does not take."""
    _require_plain(value, depth=0)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _require_plain(value: object, *, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    match value:
        case None | bool():
            pass
        case str():
            # Half a surrogate pair is no text that UTF-8 could hold.
            if any("\ud800" <= sign <= "\udfff" for sign in value):
                raise ValueError("a text is no Unicode")
        case int():
            if abs(value) > _LARGEST:
                raise ValueError("a number is too large")
        case list() | tuple():
            for each in value:
                _require_plain(each, depth=depth + 1)
        case Mapping():
            for name, each in value.items():
                # RFC 8785 sorts names by UTF-16, Python by code points: of ASCII both make the same.
                if not isinstance(name, str) or not name.isascii():
                    raise ValueError("a name is not in ASCII")
                _require_plain(each, depth=depth + 1)
        case _:
            raise ValueError(f"a {type(value).__name__} cannot be signed")


def _parts(signed: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    try:
        whole = json.loads(signed.decode(), object_pairs_hook=_once_each)
    except (ValueError, RecursionError):
        raise SignatureInvalid("it is no signed document: not JSON, or a name stands twice") from None
    match whole:
        case {
            "document": {"kind": str()} as document,
            "signature": {"algorithm": "Ed25519", "key_id": str() as name, "value": str() as value, **beside},
            **others,
        } if not beside and not others and _SIGNATURE.fullmatch(value) and _text(_bytes(value)) == value:
            return document, {"key_id": name, "value": value}
    raise SignatureInvalid("it is no signed document: it has not the two parts that one has, document and signature")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Of a name that stands twice, another program might show the other value.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _public_bytes(public: str) -> bytes:
    bare = public.strip().rstrip("=")
    if not _PUBLIC_KEY.fullmatch(bare) or _text(_bytes(bare)) != bare:
        raise ValueError("a public key has 43 characters, letters, digits, - and _, as `kyc-bot proof key` prints it")
    return _bytes(bare)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
