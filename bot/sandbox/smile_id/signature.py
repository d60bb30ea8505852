"""Smile ID's v1 signature, which proves who speaks but covers neither body nor URL.

HMAC-SHA256 with the API key as text over timestamp, partner id and `sid_request`, in base64
(smileidentity/smile-identity-core-python:smile_id_core/Signature.py, read 2026-11).
"""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime

_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})? ?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_EPOCH_MILLISECONDS = re.compile(r"\d{13}", re.ASCII)


class Signer:
    """Signs and checks for one partner; both sides use the same key."""

    def __init__(self, partner_id: str, api_key: str) -> None:
        self.partner_id = partner_id
        self._api_key = api_key

    def sign(self, timestamp: str) -> str:
        """The signature over exactly this text: a timestamp written anew would sign differently."""
        text = f"{timestamp}{self.partner_id}sid_request"
        return base64.b64encode(hmac.digest(self._api_key.encode(), text.encode(), hashlib.sha256)).decode()

    def confirms(self, timestamp: str, signature: str) -> bool:
        return hmac.compare_digest(self.sign(timestamp).encode(), signature.encode(errors="replace"))


def readable_timestamp(timestamp: str) -> bool:
    """Whether any official SDK writes times like this.

    Python, PHP, JS and Java send ISO with different precision, Ruby `2026-11-22 12:00:00 +0000`, and epoch
    milliseconds occur. No limit on age is documented, so none is kept here.
    """
    return bool(_ISO.fullmatch(timestamp) or _EPOCH_MILLISECONDS.fullmatch(timestamp))


def written(moment: datetime) -> str:
    """The form Smile ID's own answers use: UTC, milliseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
