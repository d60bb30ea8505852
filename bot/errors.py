"""One tree of errors, branched where a caller acts differently.

KycError
├── SettingsFault            settings do not fit; exit 2
├── DatabaseFault            the database cannot be used; exit 1
│   ├── DatabaseInUse        another bot holds the lock
│   ├── DatabaseNewer        written by a newer version of the bot
│   └── WrongKey             sealed with a key that is not configured
├── IllegalMove              our own code asked for a move that the table of states forbids
├── Refused                  a person asked for something that cannot be; `words` go to them
├── PhotoUnusable            a photo cannot be sent; `words` go to the person who sent it
├── FileUnusable             a file of ID information cannot be read; `words` go to the person who sent it
├── SmileIDError             anything that went wrong with Smile ID
│   ├── SmileIDNotSent       never left this machine: may simply be repeated
│   ├── SmileIDUncertain     sent, answer lost: ask job_status before anything else
│   ├── SmileIDUnavailable   an answer says "not now" (5xx, 429, system error): may be repeated
│   ├── SmileIDRefused       an answer says "no": repeating is no use; `fault` says who must act
│   ├── SmileIDUploadExpired the upload URL is no longer valid: prepare again, with `retry`, for a new one
│   ├── SmileIDAnswerInvalid an answer that is not what the API promises
│   └── SmileIDUntrusted     an answer whose signature does not check out: worth nothing
└── SlackError               anything that went wrong with Slack
    ├── SlackNotSent         never left this machine
    ├── SlackUncertain       sent, answer lost: look for our own metadata before posting again
    ├── SlackRateLimited     wait `retry_after` seconds
    └── SlackRefused         Slack says no; `code` is Slack's word for why
"""

from __future__ import annotations

from enum import StrEnum


class KycError(Exception):
    """The root: catches everything that this project raises on purpose."""


class SettingsFault(KycError):
    """One or more settings do not fit. The text names each of them, without values of secrets."""


class DatabaseFault(KycError):
    """The database cannot be used. The text is for the operator."""


class DatabaseInUse(DatabaseFault):
    """Another process holds the database's lock."""


class DatabaseNewer(DatabaseFault):
    """The database was migrated by a newer version of the bot."""


class WrongKey(DatabaseFault):
    """What is sealed in the database was sealed with a key that is not configured."""


class IllegalMove(KycError):
    """A move that the table of states forbids: a fault of ours, never of a message."""


class Refused(KycError):
    """What a person asked for cannot be done; `words` are for that person."""

    def __init__(self, words: str, *, plain: str | None = None) -> None:
        super().__init__(words)
        self.words = words
        self.plain = words if plain is None else plain
        """For a field of a form, which shows no mentions."""


class PhotoUnusable(KycError):
    """A photo cannot be sent to Smile ID; `words` are for the person who sent it, `reason` for the log."""

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.words = words


class FileUnusable(KycError):
    """A table or zip cannot be read; `words` are for the person who sent it, `reason` (no names) for the log."""

    def __init__(self, reason: str, words: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.words = words


class Fault(StrEnum):
    """Whose turn it is when Smile ID refuses a request."""

    REQUESTER = "requester"
    """The person who asked can correct the input."""
    OPERATOR = "operator"
    """Credentials, contract or our own code: nothing for the requester to do."""
    USER_ID = "user_id"
    """This Smile ID user id cannot be used (again): another one can."""
    JOB_ID = "job_id"
    """This job id was used before: settled as the design says, with `retry` once."""


class SmileIDError(KycError):
    """Something went wrong with Smile ID. Never carries personal data, URLs or secrets in its text."""


class SmileIDNotSent(SmileIDError):
    """The request never left this machine (no connection): repeating it is harmless."""


class SmileIDUncertain(SmileIDError):
    """The request was sent and its answer lost: ask job_status, never just send again."""


class SmileIDUnavailable(SmileIDError):
    """Smile ID answered that it cannot now (5xx, 429, a system error code): try again later."""

    def __init__(self, reason: str, *, code: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.retry_after = retry_after
        """Seconds to wait, if the answer said so."""


class SmileIDRefused(SmileIDError):
    """Smile ID answered no. `code` is its four digits if it gave any; `words` are for a person."""

    def __init__(self, *, code: str | None, status: int, fault: Fault, words: str) -> None:
        super().__init__(f"refused with code {code or 'none'} (HTTP {status})")
        self.code = code
        self.status = status
        self.fault = fault
        self.words = words

    @property
    def alert(self) -> str:
        """One kind of fault for the operators, however many checks it strikes."""
        return f"smile_id:{self.code or self.status}"


class SmileIDUploadExpired(SmileIDError):
    """The pre-signed upload URL is no longer valid: prepare the same job again, with `retry`, and send there."""


class SmileIDAnswerInvalid(SmileIDError):
    """A success status with a body that is not what the API promises."""


class SmileIDUntrusted(SmileIDError):
    """An answer whose signature does not check out: worth nothing."""


class SlackError(KycError):
    """Something went wrong with Slack. The text never holds message content or tokens."""


class SlackNotSent(SlackError):
    """The call never left this machine (no connection)."""


class SlackUncertain(SlackError):
    """The call was sent and its answer lost, or Slack failed in the middle of it."""


class SlackRateLimited(SlackError):
    """Slack asks us to wait `retry_after` seconds before calling this method again."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"rate limited for {retry_after:g} s")
        self.retry_after = retry_after


_REFUSES_US = frozenset(
    {"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "missing_scope"}
)


class SlackRefused(SlackError):
    """Slack says no; `code` is its word (`channel_not_found`, `not_in_channel`, `invalid_auth` …)."""

    def __init__(self, code: str) -> None:
        super().__init__(f"Slack refused: {code}")
        self.code = code

    @property
    def refuses_us(self) -> bool:
        """Nothing is wrong with what was asked: our token is, and an operator must act."""
        return self.code in _REFUSES_US
