"""Smile ID's request signature, for what we send and for what we receive.

It covers timestamp and partner id, neither body nor URL: the caller must also check the age of the timestamp and the
job that the message names.
"""

import base64
import hashlib
import hmac
from datetime import UTC, datetime


def sign(*, partner_id: str, api_key: str, timestamp: str) -> str:
    """Standard base64 of the HMAC-SHA256 over timestamp, partner id and the word `sid_request`.

    The key is the API key as issued, not decoded; the partner id keeps its leading zeros
    (smile-identity-core-python:smile_id_core/Signature.py, 2026-11).
    """
    # a JSON string may hold half a surrogate pair; it must end as "does not match", not as an encoding error
    text = f"{timestamp}{partner_id}sid_request".encode("utf-8", "surrogatepass")
    return base64.b64encode(hmac.new(api_key.encode(), text, hashlib.sha256).digest()).decode("ascii")


def matches(*, partner_id: str, api_key: str, timestamp: str, signature: str) -> bool:
    """Whether `signature` belongs to `timestamp`, which must be the text exactly as it was received."""
    expected = sign(partner_id=partner_id, api_key=api_key, timestamp=timestamp)
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass"))


def stamp(now: datetime) -> str:
    """The one form of time that every source accepts: `2026-11-22T12:00:00.000Z`."""
    if now.tzinfo is None:
        raise ValueError("a timestamp needs an aware datetime")
    return now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_stamp(raw: str) -> datetime | None:
    """ISO 8601 with a zone, or epoch milliseconds; None for anything else, which then counts as stale."""
    try:
        if raw.isascii() and raw.isdecimal() and len(raw) == 13:
            return datetime.fromtimestamp(int(raw) / 1000, UTC)
        moment = datetime.fromisoformat(raw)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError, OSError):
        return None
