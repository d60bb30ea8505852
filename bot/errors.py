"""One tree of errors, branched where a caller acts differently.

KycError
├── SettingsFault            settings do not fit; exit 2
├── DatabaseFault            the database cannot be used; exit 1
│   ├── DatabaseInUse        another bot holds the lock
│   ├── DatabaseNewer        written by a newer version of the bot
│   └── WrongKey             sealed with a key that is not configured
├── IllegalMove              our own code asked for a move that the table of states forbids
├── Refused                  a person asked for something that cannot be; `code` says why
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


class Refusal(StrEnum):
    """Why something that a person asked for cannot be done. `bot.blocks.refusals` holds the sentence for each."""

    NOT_SURE = "not_sure"
    """Slack did not say in time who this person is."""
    NO_ACCESS = "no_access"
    NO_RIGHT = "no_right"
    """A role, but not the one to ask for checks."""
    UNKNOWN_REF = "unknown_ref"
    """No such check, or none that this person may see: both read the same."""
    NO_DETAILS = "no_details"
    ALL_IS_FOR_REVIEWERS = "all_is_for_reviewers"

    NO_CHANNEL = "no_channel"
    NOT_IN_THIS_CHANNEL = "not_in_this_channel"
    USE_OTHER_CHANNELS = "use_other_channels"
    SHARED_CHANNEL = "shared_channel"
    CANNOT_POST = "cannot_post"

    RERUN_APPROVED = "rerun_approved"
    RERUN_DECIDED = "rerun_decided"
    """A reviewer approved it."""
    RERUN_IN_REVIEW = "rerun_in_review"
    RERUN_UNDER_WAY = "rerun_under_way"
    RERUN_MOVED_ON = "rerun_moved_on"
    """It could be run again when the form was opened."""
    RERUN_TOO_FAR_AHEAD = "rerun_too_far_ahead"
    CANCEL_TOO_LATE = "cancel_too_late"
    CANCEL_ENDED = "cancel_ended"
    QUESTION_NOT_YOURS = "question_not_yours"
    QUESTION_ANSWERED = "question_answered"
    BATCH_NOT_YOURS = "batch_not_yours"
    BATCH_MOVED_ON = "batch_moved_on"

    NOT_A_REVIEWER = "not_a_reviewer"
    REVIEW_UNKNOWN_REF = "review_unknown_ref"
    FOUR_EYES = "four_eyes"
    CLAIMED_BY = "claimed_by"
    NOT_CLAIMED = "not_claimed"
    CLAIM_NOT_YOURS = "claim_not_yours"
    NOBODY_CLAIMED = "nobody_claimed"
    NOTHING_TO_DECIDE = "nothing_to_decide"
    REVIEW_CLOSED = "review_closed"
    REVIEW_CHANGED = "review_changed"
    """The check is no longer as it was when the form was opened."""
    PROPOSED = "proposed"
    NO_PROPOSAL = "no_proposal"
    OTHER_PROPOSAL = "other_proposal"
    PROPOSER_LEFT = "proposer_left"
    OWN_PROPOSAL = "own_proposal"
    HAND_TO_REQUESTER = "hand_to_requester"
    HAND_TO_NO_REVIEWER = "hand_to_no_reviewer"
    NO_NOTICES = "no_notices"

    SUMMARY_NOT_A_MANAGER = "summary_not_a_manager"
    SUMMARY_NOT_HERE = "summary_not_here"
    SUMMARY_SHARED_CHANNEL = "summary_shared_channel"
    SUMMARY_ONCE = "summary_once"
    SUMMARY_NOT_UNDERSTOOD = "summary_not_understood"
    SPAN_NOT_A_DAY = "span_not_a_day"
    SPAN_BACKWARDS = "span_backwards"
    SPAN_TOO_LONG = "span_too_long"
    SPAN_TO_COME = "span_to_come"

    EXPORT_NOT_A_MANAGER = "export_not_a_manager"
    EXPORT_NOT_UNDERSTOOD = "export_not_understood"
    EXPORT_EMPTY = "export_empty"
    EXPORT_TOO_MANY = "export_too_many"
    EXPORT_UNDER_WAY = "export_under_way"
    EXPORT_NO_SHEET = "export_no_sheet"
    """More checks than a sheet of a workbook holds."""


class Refused(KycError):
    """What a person asked for cannot be done: why, and the facts that the sentence for it names."""

    def __init__(self, code: Refusal, **facts: object) -> None:
        super().__init__(code.value)
        self.code = code
        self.facts = facts


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
