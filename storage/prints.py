"""Blind indexes: how a photo or a message is found again without being told by the database file.

What the bot does not keep (files of photos, messages as they came) has HMAC(key, SHA-256 of the value) for a print. The
bare SHA-256 would let anybody who has the file alone try one ID number after the other, since little else in a message
is unknown. It lies sealed beside its print, so that a print can be made anew under another key although the value is
gone. Rows keep the print that they were given: look-ups try those of all keys.
"""

from dataclasses import dataclass

from storage.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Kind:
    """One column of prints."""

    purpose: str
    """Prints of one value are never equal across purposes."""
    place: str
    """`table.column` where the SHA-256 lies sealed, without the ending `_sealed`."""


BODY = Kind(purpose="message-body", place="receipts.body_sha256")
"""A row is a receipt's id."""
FILE = Kind(purpose="photo-file", place="photos.file_sha256")
"""A row is `ref:kind:position`."""


def make(sealer: Sealer, kind: Kind, sha256: str, *, row: str) -> tuple[str, bytes]:
    """What to store for a value of this SHA-256 (hex): its print under the newest key, and the SHA-256 sealed."""
    sealed = sealer.seal(sha256, place=f"{kind.place}:{row}")
    return sealer.fingerprint(sha256, purpose=kind.purpose), sealed


def candidates(sealer: Sealer, kind: Kind, sha256: str) -> list[str]:
    """What to look for: the prints under all keys, newest first."""
    return sealer.fingerprints(sha256, purpose=kind.purpose)
