"""Slack's signature under what it sends us over HTTP."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from pydantic import SecretStr
from slack_sdk.signature import Clock, SignatureVerifier

FRESH_SECONDS = 300
"""How old a request may be, as Slack recommends (docs.slack.dev/authentication/verifying-requests, 2026-11)."""


class SignatureFault(StrEnum):
    """Why a request is not believed to be Slack's."""

    UNSIGNED = "unsigned"
    """It does not claim to be signed: a stranger's, a scanner's."""
    STALE = "stale"
    """Its time is not ours, within five minutes."""
    DIFFERS = "differs"
    """Signed with another secret, or changed on its way."""


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
        self._slack_time = slack_time
        self._verifier = SignatureVerifier(secret.get_secret_value(), _SlackTime(slack_time)) if secret else None

    def fault(self, headers: Mapping[str, str], body: bytes) -> SignatureFault | None:
        """None for a request of Slack's. `headers` must not mind upper and lower case.

        Asked before Bolt, which reads a body before it asks who sent it, and stumbles over what it cannot read.
        """
        sent_at, signature = headers.get("x-slack-request-timestamp"), headers.get("x-slack-signature")
        if not sent_at or not signature:
            return SignatureFault.UNSIGNED
        try:
            if self._verifier is not None and self._verifier.is_valid(body, sent_at, signature):
                return None
            is_stale = abs(self._slack_time() - int(sent_at)) > FRESH_SECONDS
        except (ValueError, TypeError, OverflowError):
            # A time that is no number or beyond all time, bytes that are no text.
            return SignatureFault.DIFFERS
        return SignatureFault.STALE if is_stale else SignatureFault.DIFFERS
