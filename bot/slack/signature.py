"""Slack's signature under what it sends us over HTTP."""

from collections.abc import Callable, Mapping

from pydantic import SecretStr
from slack_sdk.signature import Clock, SignatureVerifier


class _SlackTime(Clock):
    def __init__(self, slack_time: Callable[[], float]) -> None:
        self._slack_time = slack_time

    def now(self) -> float:
        return self._slack_time()


class SlackSignature:
    """Knows requests that Slack signed within the last five minutes; without a secret it knows none.

    The minutes are counted by Slack's own clock, as far as its answers tell it: by a machine's clock that is an hour
    off, every request would be refused, and people could do nothing.
    """

    def __init__(self, secret: SecretStr | None, *, slack_time: Callable[[], float]) -> None:
        """`slack_time` gives seconds since 1970."""
        self._verifier = SignatureVerifier(secret.get_secret_value(), _SlackTime(slack_time)) if secret else None

    def fits(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Asked before Bolt, which reads a body before it asks who sent it, and stumbles over what it cannot read."""
        try:
            return self._verifier is not None and self._verifier.is_valid_request(body, headers)
        except (ValueError, TypeError):
            # A time that is no number, bytes that are no text.
            return False
