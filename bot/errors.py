"""One tree of errors, branched where a caller acts differently.

KycError
├── SettingsFault            settings do not fit; exit 2
├── CannotListen             a port is taken, or may not be used; exit 1
├── ConstraintFailed         a row that the schema does not take: one that is there already, say
├── DatabaseFault            the database cannot be used; exit 1
│   ├── DatabaseUnusable     SQLite cannot read or write now: a full disk, a lock, a device
│   ├── DatabaseBusy         more waits to be stored than can be soon: nothing is lost by trying again
│   ├── DatabaseInUse        another bot holds the lock
│   ├── DatabaseNewer        written by a newer version of the bot
│   ├── DatabaseMoved        it was moved to another place, or is being moved here
│   ├── WrongKey             sealed with a key that is not configured
│   └── SealBroken           what is sealed does not open: it was altered, or put in another's place
├── SignatureInvalid         a document is not what the bot signed, or was signed with another key
├── IllegalMove              our own code asked for a move that the table of states forbids
├── Refused                  a person asked for something that cannot be; `code` says why
│   └── RecordAltered        a check's record is not as the bot wrote it: nothing is decided on it, nothing sent
├── PhotoUnusable            a photo cannot be sent; whoever sent it can do something about it
├── FileUnusable             a file of ID information cannot be read; whoever sent it can do something about it
├── CaptureError             what came from a customer's page cannot be done, or not now
│   ├── LinkGone             unknown, used, expired or ended: nobody outside hears which
│   ├── NewerDevice          the link was opened on another device since
│   ├── NotAgreed            the customer has not agreed to what the page says today
│   ├── PhotosFlawed         the customer can take these photos again, now
│   ├── PhotosUnderWay       photos of the same link are on their way
│   └── NotNow               the link still works, in a moment
├── UploadMalformed          what a customer's page handed in is not nine photos; `code` says why
├── SmileIDError             anything that went wrong with Smile ID
│   ├── SmileIDNotSent       never left this machine: may simply be repeated
│   ├── SmileIDUncertain     sent, answer lost: ask Smile ID's record before anything else
│   ├── SmileIDUnavailable   an answer says "not now" (5xx, 429, system error): may be repeated
│   ├── SmileIDRefused       an answer says "no": repeating is no use; `fault` says who must act
│   ├── SmileIDUploadExpired the upload URL is no longer valid; stays inside `bot.smile_id`, which asks for a new one
│   ├── SmileIDAnswerInvalid an answer that is not what the API promises
│   └── SmileIDUntrusted     an answer whose signature does not check out: worth nothing
└── SlackError               anything that went wrong with Slack
    ├── SlackNotSent         never left this machine
    ├── SlackUncertain       sent, answer lost: look for our own metadata before posting again
    ├── SlackRateLimited     wait `retry_after` seconds
    └── SlackRefused         Slack says no; `code` is Slack's word for why

LeaseLost                    another instance has the work by now; passes every handler of errors
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

C = TypeVar("C", bound=StrEnum)


class KycError(Exception):
    """The root: catches everything that this project raises on purpose."""


class LeaseLost(BaseException):
    """This process was ended by another instance, which has its work by now: whoever is at it drops it.

    No error of the work's own, which would be stored or answered: it passes every `except Exception`, as a cancellation
    does, up to whoever began the work. The text is the id under which it was begun.
    """


class _Coded(KycError, Generic[C]):
    """A code says why; the sentence for it, which names the facts, is in `bot.slack.blocks.refusals`."""

    def __init__(self, code: C, **facts: object) -> None:
        super().__init__(code.value)
        self.code = code
        self.facts = facts


class SettingsFault(KycError):
    """One or more settings do not fit. The text names each of them, without values of secrets."""

    def __init__(self, text: str, *, lines: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.lines = dict(lines or {})
        """What is said of each setting, by its name, where that is known."""


class CannotListen(KycError):
    """A port is taken or may not be used: another program has to stop, or another port to be named."""


class ConstraintFailed(KycError):
    """The schema does not take a row. The text is the database's own name for why, without any value."""


class DatabaseFault(KycError):
    """The database cannot be used. The text is for the operator."""


class DatabaseUnusable(DatabaseFault):
    """SQLite cannot read or write now: a full disk, a lock, a device. Whatever was to be stored is not at fault."""


class DatabaseBusy(DatabaseFault):
    """More waits to be stored than can be soon. Nothing of what was asked is kept: whoever asked may ask again."""


class DatabaseInUse(DatabaseFault):
    """Another process holds the database's lock."""


class DatabaseNewer(DatabaseFault):
    """The database was migrated by a newer version of the bot."""


class DatabaseMoved(DatabaseFault):
    """The database was moved to another place, or is being moved here: nothing works on it."""


class WrongKey(DatabaseFault):
    """What is sealed in the database was sealed with a key that is not configured."""


class SealBroken(DatabaseFault):
    """What is sealed in the database does not open: it was altered, or sealed for another place."""


class SignatureInvalid(KycError):
    """A signed document was altered, is none, or was signed with another key. The text is for whoever verifies it."""


class IllegalMove(KycError):
    """A move that the table of states forbids: a fault of ours, never of a message."""


class EditedMeanwhile(IllegalMove):
    """Somebody has edited the check since it was read: what was read of it counts no more."""


class Refusal(StrEnum):
    """Why something that a person asked for cannot be done. `bot.slack.blocks.refusals` holds the sentence for each."""

    NOT_SURE = "not_sure"
    """Slack did not say in time who this person is."""
    SLACK_REFUSES_US = "slack_refuses_us"
    """Slack does not take the bot token, so nobody can be looked up and nothing opened."""
    WRONG_WORKSPACE = "wrong_workspace"
    """The bot token is of another workspace than the database, or of a whole organization."""
    SMILE_ID_REFUSES_US = "smile_id_refuses_us"
    """Smile ID does not take partner id and API key, so no check can be sent."""
    NO_ACCESS = "no_access"
    NO_RIGHT = "no_right"
    """A role, but not the one to ask for checks."""
    UNKNOWN_REF = "unknown_ref"
    """No such check, or none that this person may see: both read the same."""
    RECORD_ALTERED = "record_altered"
    """Its record is not as the bot wrote it, so nothing can be decided on it."""
    NO_DETAILS = "no_details"
    LOOKED_UP_TOO_OFTEN = "looked_up_too_often"
    """More than one person may look up in an hour."""
    OWN_CHECKS_ALONE = "own_checks_alone"
    FIND_IS_PERSONAL = "find_is_personal"
    """Somebody who sees no customers has looked for one."""

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
    ERASED = "erased"
    """Its photos or its customer's data are erased: nothing more can be done with the check."""
    CANCEL_TOO_LATE = "cancel_too_late"
    CANCEL_ENDED = "cancel_ended"
    EDIT_TOO_LATE = "edit_too_late"
    EDIT_ENDED = "edit_ended"
    EDIT_WITH_CUSTOMER = "edit_with_customer"
    """Its customer has a link, and may be looking at what would be changed."""
    PHOTOS_BY_LINK = "photos_by_link"
    """Nobody of the workspace has them."""
    LINK_NOT_YOURS = "link_not_yours"
    LINK_TOO_LATE = "link_too_late"
    """The customer has taken the photos."""
    LINK_ENDED = "link_ended"
    LINKS_OFF = "links_off"
    """A form asks for a link, and a setting was taken away since it was opened."""
    EDIT_NOT_YOURS = "edit_not_yours"
    EDITED_MEANWHILE = "edited_meanwhile"
    """By somebody else, or in another form."""
    QUESTION_NOT_YOURS = "question_not_yours"
    QUESTION_ANSWERED = "question_answered"
    DAILY_OWN = "daily_own"
    """More than this person may start in a day."""
    DAILY_ALL = "daily_all"
    """More than all together may start in a day."""
    DAILY_FILE = "daily_file"
    """Of a file: it does not fit into what is left of the day."""
    DAILY_FILE_NEVER = "daily_file_never"
    """Of a file: it does not fit into any day."""
    DAILY_RESUMED = "daily_resumed"
    DAILY_RESUMED_NEVER = "daily_resumed_never"
    """The same of what is left of a paused file, of which a part may be sent and paid for."""
    BATCH_NOT_YOURS = "batch_not_yours"
    BATCH_MOVED_ON = "batch_moved_on"
    BATCH_ALTERED = "batch_altered"
    """What is stored of the file does not open: somebody else than the bot has changed it."""
    BATCH_SEALED = "batch_sealed"
    """What is stored of the file is sealed with a key that this bot does not have."""
    APPROVAL_NOT_YOURS = "approval_not_yours"
    APPROVAL_OWN = "approval_own"
    """Of a file that they sent, or of which they uploaded a part."""
    APPROVAL_OVER = "approval_over"
    APPROVAL_ASKER_LEFT = "approval_asker_left"
    """Who sent the file may no longer start checks."""
    APPROVAL_LINKS_OFF = "approval_links_off"
    """Its customers were to take the photos by link, and a setting was taken away since."""
    APPROVAL_BY_NOBODY = "approval_by_nobody"
    """There is no second person."""

    NOT_A_REVIEWER = "not_a_reviewer"
    REVIEW_UNKNOWN_REF = "review_unknown_ref"
    REVIEW_REQUESTED = "review_requested"
    """Reviewers have been called already, and have not decided yet."""
    FOUR_EYES = "four_eyes"
    OWN_PHOTOS = "own_photos"
    """Who asked for a check looks at its photos where they sent them."""
    CLAIMED_BY = "claimed_by"
    CLAIM_NOT_YOURS = "claim_not_yours"
    NOBODY_CLAIMED = "nobody_claimed"
    NOTHING_TO_DECIDE = "nothing_to_decide"
    REVIEW_CLOSED = "review_closed"
    END_TOO_EARLY = "end_too_early"
    """Smile ID may still answer: only after a week may a reviewer end a check without its result."""
    END_ANSWERED = "end_answered"
    """A result has come that waits to be settled or confirmed."""
    END_OVER = "end_over"
    REVIEW_CHANGED = "review_changed"
    """The check is no longer as it was when the form was opened."""
    PROPOSED = "proposed"
    NO_PROPOSAL = "no_proposal"
    OTHER_PROPOSAL = "other_proposal"
    PROPOSER_LEFT = "proposer_left"
    OWN_PROPOSAL = "own_proposal"
    HAND_TO_REQUESTER = "hand_to_requester"
    HAND_TO_NO_REVIEWER = "hand_to_no_reviewer"
    HAND_TO_NOBODY = "hand_to_nobody"
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

    FORGET_NOT_AN_ADMIN = "forget_not_an_admin"
    FORGET_NOT_UNDERSTOOD = "forget_not_understood"

    HOLD_NOT_A_MANAGER = "hold_not_a_manager"
    HOLD_NOT_UNDERSTOOD = "hold_not_understood"

    EXPORT_NOT_A_MANAGER = "export_not_a_manager"
    EXPORT_NOT_UNDERSTOOD = "export_not_understood"
    EXPORT_EMPTY = "export_empty"
    EXPORT_TOO_MANY = "export_too_many"
    EXPORT_UNDER_WAY = "export_under_way"
    EXPORT_NO_SHEET = "export_no_sheet"
    """More checks than a sheet of a workbook holds."""


class Refused(_Coded[Refusal]):
    """What a person asked for cannot be done."""


class RecordAltered(Refused):
    """The record of a check is not as the bot wrote it: nothing is decided on it, and nothing sent."""

    def __init__(self, ref: str) -> None:
        super().__init__(Refusal.RECORD_ALTERED, ref=ref)


class PhotoCode(StrEnum):
    """Why a photo cannot be sent to Smile ID. The sentences stand in `bot.slack.blocks.refusals`."""

    NOT_LET = "photo_not_let"
    """Slack shows the bot no way to it."""
    FOREIGN_HOST = "photo_foreign_host"
    GONE = "photo_gone"
    GONE_WITH_ITS_FILE = "photo_gone_with_its_file"
    """The zip or table that holds it is no longer in Slack."""
    FILE_TOO_LARGE = "photo_file_too_large"
    TOO_LARGE = "photo_too_large"
    NEITHER_JPEG_NOR_PNG = "photo_neither_jpeg_nor_png"
    OTHER_KIND = "photo_other_kind"
    """By its content, whatever its name says."""
    DAMAGED = "photo_damaged"
    TOO_SMALL = "photo_too_small"
    TOO_MANY_SCANS = "photo_too_many_scans"
    TOO_MANY_PIXELS = "photo_too_many_pixels"
    NOT_BASE64 = "photo_not_base64"
    NOT_A_PHOTO_IN_BASE64 = "photo_not_a_photo_in_base64"
    DAMAGED_IN_ZIP = "photo_damaged_in_zip"
    NOT_IN_TABLE = "photo_not_in_table"


class FileCode(StrEnum):
    """Why a table or zip of applicants cannot be read. The sentences stand in `bot.slack.blocks.refusals`."""

    NOT_LET = "file_not_let"
    FOREIGN_HOST = "file_foreign_host"
    """It is kept outside Slack, where the bot's token is not sent."""
    KIND = "file_kind"
    """It may hold a list of customers, but not in a form that the bot reads."""
    SLACK_AWAY = "file_slack_away"
    MESSAGE_GONE = "file_message_gone"
    LOOKED_UP_TOO_OFTEN = "file_looked_up_too_often"
    CHANGED = "file_changed"
    OTHER_ROWS = "file_other_rows"
    """What Smile ID takes, or a setting, has changed, and with it which rows can be sent."""
    ALTERED = "file_altered"
    """Its row says that it was confirmed, and the audit trail does not; or its sealed preview does not open."""
    REJECTED = "file_rejected"
    """By the second person whom it needed."""
    NOT_APPROVED = "file_not_approved"
    """Nobody approved it in time."""
    FAULT = "file_fault"
    """A fault of our own, at each of several tries."""
    NOT_SHOWN = "file_not_shown"
    """Its preview could not be posted, so that nobody could answer it."""
    LINKS_OFF = "file_links_off"
    """Its customers were to take the photos by link, and a setting was taken away since."""
    NOT_AT_HAND = "file_not_at_hand"
    TOO_LARGE = "file_too_large"

    NO_TABLE = "file_no_table"
    SEVERAL_TABLES = "file_several_tables"
    TABLE_TOO_LARGE = "file_table_too_large"
    TOO_MANY_ROWS = "file_too_many_rows"
    TOO_MANY_COLUMNS = "file_too_many_columns"
    ROW_TOO_LONG = "file_row_too_long"
    NO_ROWS = "file_no_rows"
    NO_KNOWN_COLUMNS = "file_no_known_columns"
    NO_COLUMNS_SHOWN = "file_no_columns_shown"
    """Of a workbook with hidden sheets."""
    COLUMN_TWICE = "file_column_twice"
    COLUMNS_MISSING = "file_columns_missing"
    COLUMNS_HIDDEN = "file_columns_hidden"
    """Columns that must be there are not shown, and some are hidden."""
    NOT_UTF8 = "file_not_utf8"
    CSV_QUOTES = "file_csv_quotes"
    JSON_SYNTAX = "file_json_syntax"
    JSON_SHAPE = "file_json_shape"
    JSON_DEPTH = "file_json_depth"
    JSON_KEY_TWICE = "file_json_key_twice"
    WORKBOOK_PROTECTED = "file_workbook_protected"
    WORKBOOK_DAMAGED = "file_workbook_damaged"
    WORKBOOK_PADDED = "file_workbook_padded"
    """Far more rows, cells or texts than applicants."""
    SEVERAL_SHEETS = "file_several_sheets"

    ZIP_DAMAGED = "file_zip_damaged"
    ZIP_TOO_LARGE = "file_zip_too_large"
    ZIP_IN_PARTS = "file_zip_in_parts"
    ZIP_TOO_MANY_ENTRIES = "file_zip_too_many_entries"
    ZIP64 = "file_zip64"
    ZIP_ENCRYPTED = "file_zip_encrypted"
    ZIP_LINKS = "file_zip_links"
    ZIP_COMPRESSION = "file_zip_compression"
    ZIP_NAME_TWICE = "file_zip_name_twice"
    ZIP_CONTROL_CHARACTERS = "file_zip_control_characters"
    ZIP_PATH_LEADS_OUT = "file_zip_path_leads_out"
    ZIP_RATIO = "file_zip_ratio"
    ZIP_UNPACKS_TOO_LARGE = "file_zip_unpacks_too_large"
    ZIP_OVERLAPS = "file_zip_overlaps"


class PhotoUnusable(_Coded[PhotoCode | FileCode]):
    """A photo cannot be sent to Smile ID."""


class FileUnusable(_Coded[FileCode]):
    """A table or zip cannot be read."""


class CaptureError(KycError):
    """What came from a customer's page cannot be done, or not now. Never carries a token or personal data."""


class LinkGone(CaptureError):
    """No open link has this token: it is unknown, used, expired or ended. Outside, all of these are one answer."""


class NewerDevice(CaptureError):
    """The link was opened on another device since, which alone counts now."""


class NotAgreed(CaptureError):
    """The customer has not agreed to what the page says today: it says something else than it did, or nobody asked."""


class FlawedPhoto(NamedTuple):
    """A photo that the customer can take again while the page is open."""

    photo: str
    """`selfie` or `liveness`."""
    number: int | None
    """Of a liveness image, from 1; None for the selfie, and where it is said of all of them."""
    flaw: str
    """A `Flaw` of the photo's quality, or `unusable`."""


class PhotosFlawed(CaptureError):
    """These photos would cost a check and lead nowhere."""

    def __init__(self, flaws: Iterable[FlawedPhoto]) -> None:
        super().__init__("flawed photos")
        self.flaws = tuple(flaws)


class PhotosUnderWay(CaptureError):
    """Photos of the same link are on their way to Smile ID."""


class NotNow(CaptureError):
    """Smile ID is away, or too many customers hand in photos at once. Nothing is lost: the link still works."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("not now")
        self.retry_after = retry_after
        """Seconds after which the page may try again."""


class UploadFault(StrEnum):
    """Why an upload cannot be read. Our own page never makes one: a program or a broken connection does."""

    NOT_OURS = "not_ours"
    """It begins as nothing that the page sends."""
    TRUNCATED = "truncated"
    """It ends before the last photo does."""
    TRAILING = "trailing"
    """Something follows the last photo."""
    EMPTY_PHOTO = "empty_photo"
    PHOTO_TOO_LARGE = "photo_too_large"
    TOO_LARGE = "too_large"


class UploadMalformed(KycError):
    """What was handed in on a capture link is not eight liveness images and a selfie."""

    def __init__(self, code: UploadFault) -> None:
        super().__init__(code.value)
        self.code = code


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


class SmileIDRefusal(StrEnum):
    """Why Smile ID refuses a request, as far as its error codes say. `bot.slack.blocks.refusals` has the sentences."""

    DOWN = "smile_id_down"
    CREDENTIALS = "smile_id_credentials"
    FIELD_MISSING = "smile_id_field_missing"
    NO_MEANING = "smile_id_no_meaning"
    PACKAGE = "smile_id_package"
    VALUE_FORM = "smile_id_value_form"
    USER_DISABLED = "smile_id_user_disabled"
    USER_DELETED = "smile_id_user_deleted"
    USER_ENROLLED = "smile_id_user_enrolled"
    USER_NOT_ENROLLED = "smile_id_user_not_enrolled"
    USER_TO_REENROL = "smile_id_user_to_reenrol"
    JOB_TYPE = "smile_id_job_type"
    JOB_KNOWN = "smile_id_job_known"
    NO_PHOTO_OF_USER = "smile_id_no_photo_of_user"
    NO_PRODUCTION = "smile_id_no_production"
    UNEXPLAINED = "smile_id_unexplained"


class SmileIDError(KycError):
    """Something went wrong with Smile ID. Never carries personal data, URLs or secrets in its text."""


class SmileIDNotSent(SmileIDError):
    """The request never left this machine (no connection): repeating it is harmless."""


class SmileIDUncertain(SmileIDError):
    """The request was sent and its answer lost: ask Smile ID's record, never just send again."""


class SmileIDUnavailable(SmileIDError):
    """Smile ID answered that it cannot now (5xx, 429, a system error code): try again later."""

    def __init__(self, reason: str, *, code: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.retry_after = retry_after
        """Seconds to wait, if the answer said so."""


class SmileIDRefused(SmileIDError):
    """Smile ID answered no. `code` is its four digits if it gave any, `why` what that says."""

    def __init__(self, *, code: str | None, status: int, fault: Fault, why: SmileIDRefusal) -> None:
        super().__init__(f"refused with code {code or 'none'} (HTTP {status})")
        self.code = code
        self.status = status
        self.fault = fault
        self.why = why

    @property
    def alert(self) -> str:
        """One kind of fault for the admins, however many checks it strikes."""
        return f"smile_id:{self.code or self.status}"


class SmileIDUploadExpired(SmileIDError):
    """The pre-signed upload URL is no longer valid. Never leaves `bot.smile_id`, which announces the job again."""


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


REFUSES_US = frozenset({"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"})
"""Slack's codes for a token that is worth nothing; with `missing_scope` it is worth something."""


class SlackRefused(SlackError):
    """Slack says no; `code` is its word (`channel_not_found`, `not_in_channel`, `invalid_auth` …)."""

    def __init__(self, code: str) -> None:
        super().__init__(f"Slack refused: {code}")
        self.code = code

    @property
    def refuses_us(self) -> bool:
        """Nothing is wrong with what was asked: our token is, and an operator must act."""
        return self.code in REFUSES_US or self.code == "missing_scope"
