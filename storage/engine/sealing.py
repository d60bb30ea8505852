"""Sealing of personal data at rest, keyed hashes to look it up by, MACs and signatures.

`sealed_values` says what is sealed where.

A sealed value is `version (1 byte) | key id (4) | nonce (12) | AES-256-GCM ciphertext and tag`; its header and
its place are authenticated with it, so that a value moved to another row or column does not open.
"""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Sequence
from itertools import pairwise
from typing import Self

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.errors import SealBroken, SettingsFault, WrongKey

_VERSION = b"\x01"
_ID_BYTES = 4
_NONCE_BYTES = 12
_HEADER_BYTES = len(_VERSION) + _ID_BYTES
_KEY_BYTES = 32
_FEWEST_DIFFERENT = 8
"""Of 32 random bytes about 30 differ."""


class Sealer:
    """Seals under the newest key, opens what any configured key has sealed."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """`keys` are 32 bytes each, newest first, at least one; ValueError otherwise."""
        if not keys or any(len(key) != _KEY_BYTES for key in keys):
            raise ValueError("a sealer needs at least one key, each of 32 bytes")
        self._keys = {one.id: one for one in map(_Key, keys)}
        if len(self._keys) != len(keys):
            raise ValueError("a key is given twice")
        self._by_hex = {one.id.hex(): one for one in self._keys.values()}
        self._newest = next(iter(self._keys.values()))
        self.key_id = self._newest.id.hex()
        self.key_ids = tuple(self._by_hex)
        """Of all keys, newest first. An id tells nothing of its key."""

    @classmethod
    def from_text(cls, keys: Sequence[str]) -> Self:
        """Keys in URL-safe base64, padded or not; SettingsFault tells by position which are wrong, or weak.

        An older key may be weak: how else would what it has sealed be renewed under a better one?
        """
        if not keys:
            raise SettingsFault("at least one encryption key is needed")
        decoded = [_decode(text) for text in keys]
        if wrong := [at for at, key in enumerate(decoded, 1) if not key]:
            raise SettingsFault("; ".join(f"encryption key {at} is not 32 bytes in URL-safe base64" for at in wrong))
        good = [key for key in decoded if key]
        if why := weakness(good[0]):
            raise SettingsFault(
                f"encryption key 1 can be guessed ({why}): put one that `kyc-bot check --new-key` prints in front of "
                "it. If a database is sealed with it, keep it as the second one and run `kyc-bot rekey --forget-old`"
            )
        for at, key in enumerate(good):
            if key in good[:at]:
                raise SettingsFault(f"encryption key {at + 1} repeats key {good.index(key) + 1}")
        return cls(good)

    @staticmethod
    def new_key() -> str:
        """A fresh random key in the form that `from_text` reads."""
        return base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)).decode()

    @staticmethod
    def weak_ones(keys: Sequence[str]) -> list[int]:
        """Which keys can be guessed, by position from 1."""
        return [at for at, key in enumerate(map(_decode, keys), 1) if key and weakness(key)]

    @staticmethod
    def readable_ones(keys: Sequence[str]) -> list[int]:
        """Which keys are text, by position from 1: phrases, or the demo's own key, which everybody can read."""
        return [
            at for at, key in enumerate(map(_decode, keys), 1) if key and key.isascii() and key.decode().isprintable()
        ]

    def __repr__(self) -> str:
        return f"Sealer(key_id={self.key_id!r}, keys={len(self._keys)})"

    def seal(self, text: str, *, place: str) -> bytes:
        """Seal under the newest key. `place` is where the value lives: `table.column:row id`."""
        header = _VERSION + self._newest.id
        nonce = os.urandom(_NONCE_BYTES)
        return header + nonce + self._newest.cipher.encrypt(nonce, _bytes(text), header + _bytes(place))

    def open(self, sealed: bytes, *, place: str) -> str:
        """What `seal` was given for this place.

        Raises WrongKey if its key is not configured, SealBroken if it was altered or belongs elsewhere.
        """
        header, nonce = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES : _HEADER_BYTES + _NONCE_BYTES]
        if len(nonce) != _NONCE_BYTES or not header.startswith(_VERSION):
            raise SealBroken(f"{place} is not in a form that this version can open")
        key = self._keys.get(header[len(_VERSION) :])
        if key is None:
            raise WrongKey(f"{place} is sealed with key {header[len(_VERSION) :].hex()}, which is not configured")
        try:
            text = key.cipher.decrypt(nonce, sealed[_HEADER_BYTES + _NONCE_BYTES :], header + _bytes(place))
        except InvalidTag as error:
            raise SealBroken(f"{place} does not open: it was altered, or sealed for another place") from error
        return text.decode(errors="surrogatepass")

    def fingerprint(self, text: str, *, purpose: str) -> str:
        """What to store for looking `text` up: a hash under the newest key, never equal across purposes."""
        return self._newest.fingerprint(text, purpose)

    def fingerprints(self, text: str, *, purpose: str) -> list[str]:
        """What to look for: the hashes under all keys, newest first."""
        return [key.fingerprint(text, purpose) for key in self._keys.values()]

    def look_up_key(self, key_id: str) -> str:
        """The part of a key that makes fingerprints, in hex; for `fingerprint_by`, once the key itself is gone."""
        return self._by_hex[key_id].look_up.hex()

    def mac(self, text: str | bytes, *, purpose: str) -> str:
        """A proof under the newest key that the bot itself wrote this text; never equal across purposes."""
        return self._newest.mac(text, purpose)

    def is_mac(self, mac: str, text: str | bytes, *, purpose: str) -> bool:
        """Whether `mac` gave this text its proof, under whichever of the keys; in constant time."""
        key = self._by_hex.get(mac.partition(":")[0]) if mac else None
        return key is not None and hmac.compare_digest(key.mac(text, purpose).encode(), mac.encode())

    @property
    def public_key(self) -> bytes:
        """By which everybody can tell what `sign` gave: Ed25519, 32 bytes. It tells nothing of the newest key."""
        return self._newest.signing.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature of 64 bytes, by a private key that is derived from the newest key and kept nowhere."""
        return self._newest.signing.sign(message)


class _Key:
    """What is derived from one configured key; the key itself is not kept."""

    __slots__ = ("_mac", "cipher", "id", "look_up", "signing")

    def __init__(self, key: bytes) -> None:
        self.id = _derive(key, b"kyc-bot key id v1")[:_ID_BYTES]
        self.cipher = AESGCM(_derive(key, b"kyc-bot sealing v1"))
        self.look_up = _derive(key, b"kyc-bot look-up v1")
        self.signing = Ed25519PrivateKey.from_private_bytes(_derive(key, b"kyc-bot signing v1"))
        self._mac = _derive(key, b"kyc-bot record mac v1")

    def fingerprint(self, text: str, purpose: str) -> str:
        return self._keyed(self.look_up, text, purpose)

    def mac(self, text: str | bytes, purpose: str) -> str:
        return self._keyed(self._mac, text, purpose)

    def _keyed(self, key: bytes, text: str | bytes, purpose: str) -> str:
        return f"{self.id.hex()}:{_digest(key, text, purpose)}"


def key_id_of(sealed: bytes) -> str:
    """Of the key that a value is sealed with, as `Sealer.key_ids` has it."""
    return sealed[len(_VERSION) : _HEADER_BYTES].hex()


def fingerprint_by(look_up_key: str, text: str, *, purpose: str) -> str:
    """The hash within a fingerprint, by a key that `Sealer.look_up_key` gave."""
    return _digest(bytes.fromhex(look_up_key), text, purpose)


def is_signature(signature: bytes, message: bytes, *, public_key: bytes) -> bool:
    """Whether the holder of this Ed25519 key has signed this message."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def weakness(key: bytes) -> str | None:
    """Why a key is none that chance has made; None for any that may be. Chance fails it once in 10^20 keys."""
    if len(set(key)) == 1:
        return "all its bytes are the same"
    if any(key == (key[:period] * len(key))[: len(key)] for period in range(2, len(key) // 2 + 1)):
        return "it repeats itself"
    if len({(after - before) % 256 for before, after in pairwise(key)}) == 1:
        return "it is a sequence"
    if len(set(key)) < _FEWEST_DIFFERENT:
        return "few of its bytes differ"
    return None


def _digest(key: bytes, text: str | bytes, purpose: str) -> str:
    label, message = _bytes(purpose), text if isinstance(text, bytes) else _bytes(text)
    return hmac.digest(key, len(label).to_bytes(4, "big") + label + message, "sha256").hex()


def _derive(key: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(key)


def _bytes(text: str) -> bytes:
    # An encoding error would carry the text: half a surrogate pair is sealed as it came.
    return text.encode(errors="surrogatepass")


def _decode(text: str) -> bytes | None:
    bare = text.strip().rstrip("=")
    try:
        key = base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return key if len(key) == _KEY_BYTES else None
