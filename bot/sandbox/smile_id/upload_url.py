"""Upload URLs in the shape of S3's pre-signed ones, and S3's way to refuse a `PUT`.

Shape: docs.usesmileid.com/products/for-individuals-kyc/biometric-kyc. The content type is part of what is
signed, so any other value fails; S3 wants a `Content-Length`, and its errors are XML.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

LIFETIME = timedelta(minutes=15)
"""Ours: Smile ID documents that an upload URL expires, not when."""

_CONTENT_TYPE = "application/zip"


class S3Error(Exception):
    """A refusal in S3's words."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.xml = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{message}</Message>"
            f"<RequestId>{secrets.token_hex(8).upper()}</RequestId></Error>"
        )


class UrlSigner:
    """Makes links that work for a while and cannot be altered."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def upload_url(self, origin: str, path: str, now: datetime) -> str:
        query = {
            "AWSAccessKeyId": "ASIASANDBOX",
            "Content-Type": _CONTENT_TYPE,
            "Expires": str(int((now + LIFETIME).timestamp())),
            "x-amz-security-token": "sandbox-token",
            "x-amz-server-side-encryption": "AES256",
        }
        return self._link("PUT", origin, path, query)

    def image_url(self, origin: str, path: str, now: datetime) -> str:
        return self._link("GET", origin, path, {"Expires": str(int((now + LIFETIME).timestamp()))})

    def check(self, method: str, path: str, query: Mapping[str, str], now: datetime) -> None:
        """Raise `S3Error` for a link that we did not make, or that has had its time."""
        given = dict(query)
        signature = given.pop("Signature", "")
        if not hmac.compare_digest(signature.encode(), self._signature(method, path, given).encode()):
            raise S3Error(403, "SignatureDoesNotMatch", "The request signature does not match.")
        if int(given["Expires"]) < now.timestamp():
            raise S3Error(403, "AccessDenied", "Request has expired")

    def _link(self, method: str, origin: str, path: str, query: dict[str, str]) -> str:
        signed = {**query, "Signature": self._signature(method, path, query)}
        return f"{origin}{path}?{urlencode(signed)}"

    def _signature(self, method: str, path: str, query: Mapping[str, str]) -> str:
        text = "\n".join([method, path, *(f"{name}={query[name]}" for name in sorted(query))])
        return base64.b64encode(hmac.digest(self._secret, text.encode(), hashlib.sha1)).decode()


def check_put_headers(headers: Mapping[str, str]) -> None:
    """Raise `S3Error` for a `PUT` that the signed URL does not allow."""
    if "Transfer-Encoding" in headers or "Content-Length" not in headers:
        raise S3Error(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
    if headers.get("Content-Type") != _CONTENT_TYPE:
        raise S3Error(403, "SignatureDoesNotMatch", "The Content-Type is not the one that was signed.")
