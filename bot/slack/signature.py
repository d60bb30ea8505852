"""Slack's signature under what it sends us over HTTP."""

from collections.abc import Mapping

from pydantic import SecretStr
from slack_sdk.signature import SignatureVerifier


class SlackSignature:
    """Knows requests that Slack signed within the last five minutes; without a secret it knows none."""

    def __init__(self, secret: SecretStr | None) -> None:
        self._verifier = SignatureVerifier(secret.get_secret_value()) if secret else None

    def fits(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Asked before Bolt, which reads a body before it asks who sent it, and stumbles over what it cannot read."""
        try:
            return self._verifier is not None and self._verifier.is_valid_request(body, headers)
        except (ValueError, TypeError):
            # A time that is no number, bytes that are no text.
            return False
