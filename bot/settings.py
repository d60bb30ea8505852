"""Every setting of the bot, read once from the environment; every fault is reported at once.

A secret may come from a file instead: `SMILE_ID_API_KEY_FILE=/run/secrets/key`.
Nothing else reads the environment.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from bot.domain import database_address
from bot.domain.database_address import DatabaseAddress
from bot.domain.hosts import HostKind, is_entry
from bot.domain.privacy.clocks import LONGEST_DAYS, Period, Periods, Retention
from bot.domain.results.assurance import LivenessRule, RecordRule
from bot.domain.results.codes import ResultStory
from bot.domain.review.review import SECOND_PERSON_STORIES, WorkingHours
from bot.domain.spending import DailyLimits
from bot.errors import DatabaseFault, SettingsFault

SMILE_ID_URLS = {
    "sandbox": "https://testapi.smileidentity.com/v1",
    "production": "https://api.smileidentity.com/v1",
}
"""Bases by environment, from the official SDKs (smile-id-core 3.0.1, read 2026-11)."""

SLACK_DOMAINS = ("slack.com", "slack-gov.com")
"""Commercial Slack, and GovSlack for authorities of the United States: other hosts, the same API."""


class Environment(StrEnum):
    SANDBOX = "sandbox"
    PRODUCTION = "production"


class ReviewNotify(StrEnum):
    ATTENTION = "attention"
    """What needs eyes."""
    REJECTED = "rejected"
    """These too."""
    ALL = "all"


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


_LOWER_CASE = ("https_proxy", "no_proxy")
"""Names that other programs read in lower case too; ours wins where both are set."""

QUOTES = "'\"`‘’“”"
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONGEST_SECONDS = 3650 * 86400
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
_SIZE = re.compile(r"(\d+)\s*(|[KkMm]i?[Bb]?)")


def _duration(text: str) -> timedelta:
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise ValueError("must be seconds, or carry a unit: 90s, 15m, 2h")
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds > _LONGEST_SECONDS:
        raise ValueError("must be at most 3650 days")
    return timedelta(seconds=seconds)


def _size(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError("must be bytes, or carry a unit: 512KiB, 4MiB")
    return int(found[1]) * {"": 1, "k": 1024, "m": 1024**2}[found[2][:1].lower()]


_LONGEST_PAGE = 300
_LONGEST_NAME = 80
_PASTED = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))


def _list(text: str) -> tuple[str, ...]:
    # Hosts and ids are copied from Slack, where signs that nobody sees keep a host from being a link.
    return tuple(filter(None, map(str.strip, text.translate(_PASTED).split(","))))


def _days(text: str) -> frozenset[int]:
    """`mon-fri`, `sun-thu`, `mon,wed,fri`: 0 is Monday."""
    found: set[int] = set()
    for part in text.casefold().replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if first not in _WEEK or (last or first) not in _WEEK:
            raise ValueError("must be days named mon to sun, as mon-fri or mon,wed,fri")
        begin, end = _WEEK.index(first), _WEEK.index(last or first)
        found |= {day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)}
    return frozenset(found)


def _hours(text: str) -> tuple[time, time]:
    """`08:00-18:00`; `00:00-00:00` is the whole day."""
    try:
        begin, end = (time.fromisoformat(part.strip()) for part in text.split("-"))
    except ValueError:
        raise ValueError("must be two times of day") from None
    if begin.tzinfo is not None or end.tzinfo is not None:
        raise ValueError("must be without a zone; KYC_TIMEZONE says where")
    if end <= begin and end != time(0):
        raise ValueError("must end after it begins, on the same day")
    return begin, end


def _proxy(text: str) -> str | None:
    """`http://host:port`, with user name and password if need be; the value itself is never in a fault."""
    text = text.strip()
    if not text:
        return None
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            "must be the address of a proxy, as http://proxy.example.com:3128 or http://user:password@proxy.example."
            "com:3128; special characters of a password are percent-encoded, as %40 for @"
        )
    if parts.scheme not in ("http", "https"):
        raise ValueError("must be an HTTP proxy, as http://proxy.example.com:3128; a SOCKS proxy is not supported")
    return url


def _web_page(text: str) -> str | None:
    """An https address for people, which may carry a query; plain http on the loopback alone."""
    text = text.strip()
    if not text:
        return None
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    is_whole = bool(host) and parts.scheme in ("http", "https") and not parts.username
    if (
        not is_whole
        or len(text) > _LONGEST_PAGE
        or not (text.isascii() and text.isprintable())
        or set(text) & set(" <>|")
    ):
        raise ValueError("must be the https address of a page")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must be https (plain http is for loopback hosts alone)")
    return text


_NO_FILE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*|.*\b(?:host|dbname|password)\s*=.*", re.DOTALL)


def _database(text: str) -> Path | DatabaseAddress:
    """A file, or a server's address; the value itself, which may hold a password by mistake, is never in a fault."""
    if database_address.is_address(text):
        return database_address.parse(text)
    if _NO_FILE.fullmatch(text.strip()):
        raise ValueError("must be the path of a file, or the address of a PostgreSQL server: postgresql://…")
    return Path(text)


def _networks(text: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part) for part in _list(text))
    except ValueError:
        raise ValueError("must be addresses or networks, as 127.0.0.1,10.0.0.0/24") from None


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _read_by(read: Callable[[str], object]) -> BeforeValidator:
    return BeforeValidator(lambda value: read(value) if isinstance(value, str) else value)


def _require(fits: Callable[[Any], object], wrong: str) -> AfterValidator:
    """What is set, or each part of a list, must fit; `wrong` may name the first that does not, as `{!r}`."""

    def check(value: Any) -> Any:
        for part in value if isinstance(value, tuple) else (value,):
            if part is not None and not fits(part):
                raise ValueError(wrong.format(part))
        return value

    return AfterValidator(check)


_EMPTY_IS_UNSET = _read_by(lambda text: text if text.strip() else None)
_IS_PERSON_OR_GROUP = _require(
    re.compile(r"\*|[UWSCG][A-Z0-9]+").fullmatch,
    "{!r} is neither a user (U…), a user group (S…), a private channel (C…) nor *",
)
_IS_CHANNEL = _require(re.compile("[CGD][A-Z0-9]+").fullmatch, "{!r} is not a channel id (C…)")


def _copied_whole(value: Any) -> Any:
    """Blanks and quotes come along unseen when a secret is copied, and it is then refused like any wrong one."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value or ""
    if text != text.strip():
        raise ValueError("has a blank at its beginning or its end: take it away")
    if text and (text[0] in QUOTES or text[-1] in QUOTES):
        raise ValueError("has a quote at its beginning or its end, which is not part of it: take it away")
    if not (text.isascii() and text.isprintable()):
        raise ValueError("has a sign in it that none has: copy it again")
    return value


def _one_line(password: SecretStr | None) -> SecretStr | None:
    """Any sign may be part of a password; one that nobody sees at its end came along by mistake."""
    text = password.get_secret_value() if password else ""
    if text != text.strip() or not all(letter.isprintable() for letter in text):
        raise ValueError("has a blank at its beginning or its end, or a sign that nobody sees: take it away")
    return password


def _of_a_person(token: SecretStr | None) -> SecretStr | None:
    """Another kind of token would be refused only when the first photo is to be deleted, a month later."""
    if token is not None and not token.get_secret_value().startswith("xoxp-"):
        raise ValueError("must be a user token, which begins with xoxp-")
    return token


Duration = Annotated[timedelta, _read_by(_duration)]
Size = Annotated[int, _read_by(_size)]
Days = Annotated[frozenset[int], _read_by(_days)]
Hours = Annotated[tuple[time, time], _read_by(_hours)]
SecondPersonFor = Annotated[
    tuple[ResultStory, ...],
    NoDecode,
    _read_by(_list),
    _require(
        lambda story: story in SECOND_PERSON_STORIES, f"must be some of {', '.join(SECOND_PERSON_STORIES)}, or nothing"
    ),
]
TimeOfDay = Annotated[time, _require(lambda at: at.tzinfo is None, "must be without zone; KYC_TIMEZONE says where")]
TimeZone = Annotated[str, _require(_is_zone, "is not an IANA time zone")]
People = Annotated[tuple[str, ...], NoDecode, _read_by(_list), _IS_PERSON_OR_GROUP]
Channels = Annotated[tuple[str, ...], NoDecode, _read_by(_list), _IS_CHANNEL]
OptionalChannel = Annotated[str | None, _EMPTY_IS_UNSET, _IS_CHANNEL]
Secret = Annotated[SecretStr, Field(min_length=1), AfterValidator(_copied_whole)]
OptionalSecret = Annotated[SecretStr | None, _EMPTY_IS_UNSET, AfterValidator(_copied_whole)]
OptionalPassword = Annotated[SecretStr | None, _EMPTY_IS_UNSET, AfterValidator(_one_line)]
OptionalUserToken = Annotated[OptionalSecret, AfterValidator(_of_a_person)]
PartnerId = Annotated[str, Field(min_length=1), AfterValidator(_copied_whole)]
SlackBase = Annotated[str, _require(lambda url: url.endswith("/api/"), "must end in /api/")]
OptionalBase = Annotated[str | None, _EMPTY_IS_UNSET, AfterValidator(lambda url: url.rstrip("/") if url else None)]
OptionalName = Annotated[
    str | None,
    _EMPTY_IS_UNSET,
    _require(
        lambda name: name == name.strip() and name.isprintable() and len(name) <= _LONGEST_NAME,
        f"must be one line of at most {_LONGEST_NAME} characters",
    ),
]
OptionalWebPage = Annotated[str | None, _read_by(_web_page)]
OptionalLimits = Annotated[DailyLimits | None, _read_by(lambda text: DailyLimits.parse(text) if text.strip() else None)]
RetentionPeriods = Annotated[Periods, _read_by(Periods.parse)]
DatabasePlace = Annotated[
    Path | InstanceOf[DatabaseAddress], _read_by(_database), _require(lambda place: place.name, "must name a file")
]
OptionalPath = Annotated[Path | None, _EMPTY_IS_UNSET]
OptionalProxy = Annotated[SecretStr | None, _read_by(_proxy)]
"""Secret, since it may hold a user name and a password."""
Hosts = Annotated[tuple[str, ...], NoDecode, _read_by(_list)]
Networks = Annotated[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...], NoDecode, _read_by(_networks)]
AllowedHosts = Annotated[
    tuple[str, ...],
    NoDecode,
    _read_by(_list),
    _require(is_entry, "must be hosts without https://, as files.slack.com or *.amazonaws.com, perhaps with :port"),
]


def _setting(name: str, default: Any = ..., *, example: str, **more: Any) -> Any:
    """`example` is told with every fault, and stands in .env.example."""
    return Field(default, alias=name, examples=[example], **more)


class _FromEnvironment(BaseSettings):
    """How all settings are read, and what is said of one that does not fit."""

    # One of these classes is read by a process: pydantic builds the validators of that one alone, when it is read.
    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", case_sensitive=True, populate_by_name=False, defer_build=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """Read these settings and no other; raises SettingsFault with a line per fault and no value of a secret."""
        environ = {name.upper(): environ[name] for name in _LOWER_CASE if name in environ} | dict(environ)
        values, faults = _texts(environ, [str(field.alias) for field in cls.model_fields.values()])
        settings = None
        try:
            settings = cls(**values)
        except ValidationError as invalid:
            faults += [_fault(error, values) for error in invalid.errors(include_input=False, include_url=False)]
        given = {name: value for name, value in values.items() if value.strip()}
        faults += _address_faults(given)
        if "backup_dir" in cls.model_fields:
            faults += _backup_faults(given)
        if "slack_app_token" in cls.model_fields and not given.keys() & {"SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"}:
            faults.append(("SLACK_SIGNING_SECRET", "is required without SLACK_APP_TOKEN"))
        if faults or settings is None:
            raise cls._misfit(faults)
        return settings

    @classmethod
    def _misfit(cls, faults: Iterable[tuple[str, str]]) -> SettingsFault:
        """A line for each, with the setting's example."""
        examples = {str(field.alias): (field.examples or [""])[0] for field in cls.model_fields.values()}
        lines = [(name, _line(name, text, examples.get(name))) for name, text in faults]
        return SettingsFault("\n".join(line for _name, line in lines), lines=dict(lines))


class SlackSettings(_FromEnvironment):
    """How Slack is reached."""

    slack_bot_token: Secret = _setting("SLACK_BOT_TOKEN", example="xoxb-…")
    """xoxb token."""
    slack_app_token: OptionalSecret = _setting("SLACK_APP_TOKEN", None, example="xapp-…")
    """xapp token: with it, Socket Mode is used."""
    slack_signing_secret: OptionalSecret = _setting("SLACK_SIGNING_SECRET", None, example="32 letters and digits")
    """Needed without an app token."""
    slack_user_token: OptionalUserToken = _setting("KYC_SLACK_USER_TOKEN", None, example="xoxp-…")
    """xoxp token of an admin of the workspace, with `files:write`: deletes photos in Slack when their time is over."""
    slack_api_url: SlackBase = _setting("SLACK_API_URL", "https://slack.com/api/", example="https://slack.com/api/")
    """Base of the Web API; ends in `/api/`."""

    @property
    def socket_mode(self) -> bool:
        return self.slack_app_token is not None

    @property
    def download_hosts(self) -> frozenset[str]:
        """Where files are fetched from and sent to, and the bot's token may be shown: `host` or `host:port`."""
        return frozenset({f"files.{self.slack_domain}", urlsplit(self.slack_api_url).netloc})

    @property
    def slack_domain(self) -> str:
        """Of which Slack the other hosts are: GovSlack's if `SLACK_API_URL` is."""
        host = urlsplit(self.slack_api_url).hostname or ""
        return next((domain for domain in SLACK_DOMAINS if f".{host}".endswith(f".{domain}")), SLACK_DOMAINS[0])


class SmileIDSettings(_FromEnvironment):
    """How Smile ID is reached."""

    smile_id_partner_id: PartnerId = _setting("SMILE_ID_PARTNER_ID", example="0421")
    """As issued; leading zeros matter."""
    smile_id_api_key: Secret = _setting("SMILE_ID_API_KEY", example="…")
    smile_id_environment: Environment = _setting("SMILE_ID_ENVIRONMENT", Environment.SANDBOX, example="sandbox")
    smile_id_api_url: OptionalBase = _setting("SMILE_ID_API_URL", None, example="https://testapi.smileidentity.com/v1")
    """Base with `/v1`; by environment when unset."""

    @property
    def smile_id_url(self) -> str:
        return self.smile_id_api_url or SMILE_ID_URLS[self.smile_id_environment.value]


class NetworkSettings(_FromEnvironment):
    """How connections leave this machine, to whomever: `bot.network` makes them."""

    https_proxy: OptionalProxy = _setting("HTTPS_PROXY", None, example="http://proxy.example.com:3128")
    """For every connection, also as `https_proxy`; unset: all go directly."""
    no_proxy: Hosts = _setting("NO_PROXY", (), example="localhost,.example.com")
    """Hosts, domains and networks that are reached without the proxy, also as `no_proxy`."""
    ca_file: OptionalPath = _setting("KYC_CA_FILE", None, example="/etc/ssl/certs/company.pem")
    """Certificates of private authorities (PEM), trusted beside those of the machine."""
    upload_hosts: AllowedHosts = _setting("KYC_UPLOAD_HOSTS", (), example="*.s3.us-west-2.amazonaws.com")
    """The only hosts that photos are sent to, where Smile ID says so; unset: every public https host."""
    response_hosts: AllowedHosts = _setting("KYC_RESPONSE_HOSTS", (), example="hooks.slack.com")
    """The only hosts that answers to commands and clicks are sent to, where Slack says so; unset: every public one."""
    slack_file_hosts: AllowedHosts = _setting("KYC_SLACK_FILE_HOSTS", (), example="files.slack.com")
    """The only hosts that files come from and go to; unset: Slack's API and its host for files."""

    def listed_hosts(self, kind: HostKind) -> tuple[str, ...]:
        """What the setting of this name lists."""
        match kind:
            case HostKind.UPLOADS:
                return self.upload_hosts
            case HostKind.RESPONSES:
                return self.response_hosts
            case HostKind.FILES:
                return self.slack_file_hosts


class DatabaseSettings(_FromEnvironment):
    """Where the checks are kept, and what opens them: all that is needed to copy them or put them back."""

    database_place: DatabasePlace = _setting("KYC_DATABASE", Path("kyc.db"), example="/var/lib/kyc-bot/kyc.db")
    """An SQLite file, or a PostgreSQL server's address without a password; `database` has that."""
    database_password: OptionalPassword = _setting("KYC_DATABASE_PASSWORD", None, example="…")
    """Of the server's user."""
    database_password_file: OptionalPath = _setting("PGPASSFILE", None, example="/etc/kyc-bot/pgpass")
    """Where libpq finds it by host, port, database and user."""
    encryption_keys: Secret = _setting("KYC_ENCRYPTION_KEYS", example="what `kyc-bot check --new-key` prints")
    """One or more 32-byte keys in URL-safe base64, newest first."""

    @property
    def database(self) -> Path | DatabaseAddress:
        """Where it is, with all that opens the way to it."""
        place = self.database_place
        return self.with_password(place) if isinstance(place, DatabaseAddress) else place

    def place_of(self, text: str) -> Path | DatabaseAddress:
        """Another database, which opens to the same password. Raises SettingsFault, and repeats nothing of the text."""
        try:
            place = _database(text)
        except ValueError as fault:
            raise SettingsFault(f"the address of the database {fault}") from None
        return self.with_password(place) if isinstance(place, DatabaseAddress) else place

    def with_password(self, address: DatabaseAddress) -> DatabaseAddress:
        """The same for an address that was given otherwise."""
        file, password = self.database_password_file, self.database_password
        return replace(
            address,
            password=password.get_secret_value() if password else None,
            password_file=str(file) if file else None,
        )

    @property
    def database_file(self) -> Path:
        """For what there is for SQLite alone. Raises DatabaseFault, which says what to do instead."""
        if isinstance(self.database_place, DatabaseAddress):
            raise DatabaseFault(
                "KYC_DATABASE is a PostgreSQL server, and this is for an SQLite file. Back the server up with "
                "pg_basebackup and an archive of its WAL; once it was taken back to an earlier state, run "
                "kyc-bot mark-restored. See *A site that stays up* in docs/operations.md"
            )
        return self.database_place

    @property
    def sealing_keys(self) -> list[str]:
        """For sealing with the first and opening with any."""
        return self.encryption_keys.get_secret_value().replace(",", " ").split()


class RetentionSettings(DatabaseSettings):
    """How long what is known of customers is kept."""

    retention_photos: RetentionPeriods = _setting("KYC_RETENTION_PHOTOS", Periods.parse("30d"), example="30d")
    """Which photos were sent, and the photos in Slack; counted from the end of a check, as the other two."""
    retention_personal: RetentionPeriods = _setting("KYC_RETENTION_PERSONAL", Periods.parse("30d"), example="30d")
    """What was entered, and what the authority's record says of the customer."""
    retention_record: RetentionPeriods = _setting("KYC_RETENTION_RECORD", Periods.parse("5y,KE=7y"), example="5y,KE=7y")
    """That there was a check, what came of it, and who decided; never shorter than the other two."""
    retention_days: int | None = _setting("KYC_RETENTION_DAYS", None, ge=1, example="30")
    """The older name of `KYC_RETENTION_PERSONAL`, in days; counts where that is not set."""

    @property
    def retention(self) -> Retention:
        """The three clocks that count."""
        personal = self.retention_personal
        if self.retention_days is not None and "retention_personal" not in self.model_fields_set:
            personal = Periods(usual=Period(count=min(self.retention_days, LONGEST_DAYS), unit="d"))
        return Retention(photos=self.retention_photos, personal=personal, record=self.retention_record)

    @property
    def retention_note(self) -> str | None:
        """What an operator should know of the names that they have set."""
        if self.retention_days is None:
            return None
        if "retention_personal" in self.model_fields_set:
            return "KYC_RETENTION_DAYS is an older name and is not used."
        counts = f"counts as KYC_RETENTION_PERSONAL={self.retention.personal}"
        return f"KYC_RETENTION_DAYS is an older name and {counts}. Set that instead."

    @property
    def retention_is_set(self) -> bool:
        """Whether somebody has set a clock."""
        names = {"retention_photos", "retention_personal", "retention_record"}
        return bool(names & self.model_fields_set) or self.retention_days is not None


class BackupSettings(DatabaseSettings):
    """Which copies of the database the bot makes, and for how long it keeps them."""

    backup_dir: OptionalPath = _setting("KYC_BACKUP_DIR", None, example="/var/backups/kyc-bot")
    """A folder for this bot's scheduled backups alone; unset: none are taken."""
    backup_every: Duration = _setting("KYC_BACKUP_EVERY", timedelta(hours=24), ge=timedelta(minutes=1), example="24h")
    backup_keep: int = _setting("KYC_BACKUP_KEEP", 7, ge=1, example="7")


class ErasureSettings(BackupSettings, RetentionSettings):
    """What stays after an erasure until when, and where copies may lie."""


class ReportSettings(DatabaseSettings):
    """What an export or a summary of the checks needs; neither speaks to Slack or Smile ID."""

    timezone: TimeZone = _setting("KYC_TIMEZONE", "Africa/Lagos", example="Africa/Lagos")
    review_due: Duration = _setting("KYC_REVIEW_DUE", timedelta(hours=4), gt=timedelta(0), example="4h")
    """A check that is in review for longer is told as over its time."""

    result_codes: OptionalPath = _setting("KYC_RESULT_CODES", None, example="/etc/kyc-bot/result-codes.csv")
    """An operator's copy of the table of result codes."""
    id_types: OptionalPath = _setting("KYC_ID_TYPES", None, example="/etc/kyc-bot/id-types.csv")
    """An operator's copy of the table of ID types."""
    customer_messages: OptionalPath = _setting(
        "KYC_CUSTOMER_MESSAGES", None, example="/etc/kyc-bot/customer-messages.csv"
    )
    """A site's copy of the texts that customers may be told."""

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Settings(ErasureSettings, ReportSettings, NetworkSettings, SmileIDSettings, SlackSettings):
    """The contract with whoever installs the bot; docs/settings.md says the same (a test compares them).

    A command that needs a part of them asks for that part alone: `DatabaseSettings.load(…)`.
    """

    public_url: OptionalBase = _setting("KYC_PUBLIC_URL", None, example="https://kyc.example.com")
    """https base of the listener as Smile ID reaches it; without it results come by polling."""
    company_name: OptionalName = _setting("KYC_COMPANY_NAME", None, example="Example Bank")
    """Who asks customers for their photos, on the page that a link opens."""
    privacy_url: OptionalWebPage = _setting("KYC_PRIVACY_URL", None, example="https://www.example.com/privacy")
    """The privacy notice that this page leads to."""
    link_hours: int = _setting("KYC_LINK_HOURS", 24, ge=1, le=72, example="24")
    """How long a customer can use a link."""
    host: str = _setting("KYC_HOST", "127.0.0.1", example="127.0.0.1")
    port: int = _setting("KYC_PORT", 3000, ge=0, le=65535, example="3000")
    connections: int = _setting("KYC_CONNECTIONS", 512, ge=16, le=10_000, example="512")
    """To `KYC_PORT` at once; at the limit idle ones give way to callbacks."""
    connections_per_source: int = _setting("KYC_CONNECTIONS_PER_SOURCE", 128, ge=1, le=10_000, example="128")
    trusted_proxies: Networks = _setting("KYC_TRUSTED_PROXIES", (), example="127.0.0.1,10.0.0.0/24")
    """Whose `X-Forwarded-For` says who asks; unset: nobody's."""
    admin_port: int = _setting("KYC_ADMIN_PORT", 3001, ge=0, le=65535, example="3001")
    """Loopback only: readiness and metrics."""

    requesters: People = _setting("KYC_REQUESTERS", min_length=1, example="S0ANALYSTS1,U0AMINA0001")
    """User ids, user group ids, ids of private channels, or `*`."""
    reviewers: People = _setting("KYC_REVIEWERS", (), example="S0REVIEWERS")
    managers: People = _setting("KYC_MANAGERS", (), example="S0MANAGERS1")
    viewers: People = _setting("KYC_VIEWERS", (), example="S0SUPPORT01")
    """They see where every check stands, and nothing personal."""
    admins: People = _setting("KYC_ADMINS", (), example="U0MUSA00001")
    channels: Channels = _setting("KYC_CHANNELS", (), example="C0KYCREQ001")
    """Where checks may be asked; empty: any channel the bot is in, never one shared with other companies."""
    review_channel: OptionalChannel = _setting("KYC_REVIEW_CHANNEL", None, example="C0KYCREV001")
    review_notify: ReviewNotify = _setting("KYC_REVIEW_NOTIFY", ReviewNotify.ATTENTION, example="attention")
    second_person_for: SecondPersonFor = _setting("KYC_SECOND_PERSON_FOR", (), example="suspected_spoof,inconclusive")
    """Results of Smile ID's that are not final, and that one reviewer alone cannot approve."""
    review_unclaimed: Duration = _setting("KYC_REVIEW_UNCLAIMED", timedelta(hours=2), example="2h")
    """Working time before an unclaimed card is reminded of, and again before managers are told; 0: never."""
    review_idle: Duration = _setting("KYC_REVIEW_IDLE", timedelta(hours=4), example="4h")
    """The same for a card that was claimed and where nothing was done since."""
    review_pending: Duration = _setting("KYC_REVIEW_PENDING", timedelta(hours=8), example="8h")
    """The same for a check that Smile ID itself has not ended."""
    name_differs: RecordRule = _setting("KYC_NAME_DIFFERS", RecordRule.REVIEW, example="review")
    """When the person who was entered is not the one of the authority's record: `review` or `tell`."""
    liveness: LivenessRule = _setting("KYC_LIVENESS", LivenessRule.OPTIONAL, example="optional")
    """`review`: approvals without proof of life go to the reviewers; `required`: no check without liveness images."""
    working_days: Days = _setting("KYC_WORKING_DAYS", frozenset(range(5)), example="mon-fri")
    working_hours: Hours = _setting("KYC_WORKING_HOURS", (time(8), time(18)), example="08:00-18:00")
    """In `KYC_TIMEZONE`; reminders count this time alone, and come in it alone."""
    audit_head_channel: OptionalChannel = _setting("KYC_AUDIT_HEAD_CHANNEL", None, example="C0KYCAUD001")
    """Where the number and hash of the trail's last line are posted each day."""
    audit_head_file: OptionalPath = _setting("KYC_AUDIT_HEAD_FILE", None, example="/mnt/auditors/kyc-bot-heads")
    """A file that they are appended to, best on another machine."""
    summary_channel: OptionalChannel = _setting("KYC_SUMMARY_CHANNEL", None, example="C0KYCSUM001")
    summary_time: TimeOfDay = _setting("KYC_SUMMARY_TIME", time(8, 0), example="08:00")
    callback_max_age: Duration = _setting("KYC_CALLBACK_MAX_AGE", timedelta(minutes=15), example="15m")
    confirm_wait: Duration = _setting("KYC_CONFIRM_WAIT", timedelta(minutes=2), example="2m")
    poll_after: Duration = _setting("KYC_POLL_AFTER", timedelta(minutes=5), example="5m")
    callback_max_bytes: Size = _setting("KYC_CALLBACK_MAX_BYTES", 4 * 1024 * 1024, example="4MiB")
    slack_posts_per_second: float = _setting("KYC_SLACK_POSTS_PER_SECOND", 1.0, gt=0, le=1000, example="1")
    daily_checks: OptionalLimits = _setting("KYC_DAILY_CHECKS", None, example="50,total=400")
    """How many checks each person, and all together, may start in a day of `KYC_TIMEZONE`; unset: any number."""
    batch_rows: int = _setting("KYC_BATCH_ROWS", 2000, ge=1, le=20_000, example="2000")
    """Applicants in one file."""
    batch_approval: int | None = _setting("KYC_BATCH_APPROVAL", None, ge=1, example="200")
    """More checks than these, in one file or in those of one person within 24 hours, need a second person; unset: none
    do."""
    batch_bytes: Size = _setting("KYC_BATCH_BYTES", 512 * 1024 * 1024, ge=1024, example="512MiB")
    """Of one zip, or of a table with photos inside."""
    results_with_customer_reference: bool = _setting("KYC_RESULTS_WITH_CUSTOMER_REFERENCE", False, example="false")
    """Whether results files that are posted in channels name the customer by your own reference."""
    seen_before: Duration = _setting("KYC_SEEN_BEFORE", timedelta(days=30), example="30d")
    """How far back an earlier check of the same person is asked about; 0: never."""
    finds_per_hour: int = _setting("KYC_FINDS_PER_HOUR", 100, ge=1, le=1_000_000, example="100")
    """Searches of one person, with each page of what they list."""
    looks_per_hour: int = _setting("KYC_LOOKS_PER_HOUR", 300, ge=1, le=1_000_000, example="300")
    """Others' checks that one person opens, but for those that they have claimed for review."""
    seen_before_per_hour: int = _setting("KYC_SEEN_BEFORE_PER_HOUR", 60, ge=1, le=1_000_000, example="60")
    """Forms of one person who may see all checks that are compared with everybody's."""
    log_format: LogFormat = _setting("KYC_LOG_FORMAT", LogFormat.JSON, example="json")

    @property
    def liveness_required(self) -> bool:
        return self.liveness is LivenessRule.REQUIRED

    @property
    def lacking_for_links(self) -> tuple[str, ...]:
        """The names of the settings without which customers cannot take their photos by a link."""
        needed = {
            "KYC_PUBLIC_URL": self.public_url,
            "KYC_COMPANY_NAME": self.company_name,
            "KYC_PRIVACY_URL": self.privacy_url,
        }
        return tuple(name for name, value in needed.items() if not value)

    @property
    def offers_links(self) -> bool:
        """Whether requesters can choose that the customer takes the photos."""
        return not self.lacking_for_links

    @property
    def asks_about_selfies(self) -> bool:
        """In Smile ID's sandbox everybody brings the same test photos: there only if the setting was made."""
        in_production = self.smile_id_environment is Environment.PRODUCTION
        return bool(self.seen_before) and (in_production or "seen_before" in self.model_fields_set)

    @property
    def own_urls(self) -> tuple[str, ...]:
        """The addresses that whoever installed the bot wrote down; they may lead into a private network."""
        given = {"slack_api_url": self.slack_api_url, "smile_id_api_url": self.smile_id_api_url or ""}
        urls = [url for name, url in given.items() if name in self.model_fields_set]
        return tuple(filter(None, [*urls, self.public_url]))

    @property
    def working(self) -> WorkingHours:
        """When people can be expected to look."""
        begin, end = self.working_hours
        return WorkingHours(days=self.working_days, begin=begin, end=end, zone=self.zone)

    def callback_url(self, token: str) -> str:
        """The address for one job; empty without a public one, as the SDKs do."""
        return f"{self.public_url}/smile-id/callback/{token}" if self.public_url else ""


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private(host: str) -> bool:
    """An address that is written down as not public; names are left to the resolver."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host.endswith((".local", ".internal", ".localhost"))


def _texts(environ: Mapping[str, str], names: Iterable[str]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Each setting as it stands, or in a file of its own; and of which that file cannot be read."""
    values: dict[str, str] = {}
    faults: list[tuple[str, str]] = []
    for name in names:
        path = environ.get(f"{name}_FILE")
        if name in environ:
            values[name] = environ[name]
        elif path:
            try:
                values[name] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as fault:
                faults.append((f"{name}_FILE", f"cannot be read ({type(fault).__name__})"))
    return values, faults


def _address_faults(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Addresses that do not fit together with SMILE_ID_ENVIRONMENT: told even while others do not fit."""
    production = values.get("SMILE_ID_ENVIRONMENT") == Environment.PRODUCTION
    return [
        (name, fault)
        for name in ("KYC_PUBLIC_URL", "SLACK_API_URL", "SMILE_ID_API_URL")
        if name in values and (fault := _url_fault(values[name], production=production))
    ]


def _backup_faults(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Whoever believes that copies are taken must hear that there are none."""
    if "KYC_BACKUP_DIR" not in values or not database_address.is_address(values.get("KYC_DATABASE", "")):
        return []
    words = (
        "is for copies of an SQLite file: unset it, and back up the PostgreSQL server of KYC_DATABASE by its own means "
        "(pg_basebackup, an archive of its WAL)"
    )
    return [("KYC_BACKUP_DIR", words)]


def _url_fault(url: str, *, production: bool) -> str | None:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return "is not an address"
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment or parts.username:
        return "must be a plain https address"
    if production and (is_loopback(host) or is_private(host)):
        return "must be a public address in production"
    if parts.scheme == "http" and not is_loopback(host):
        return "must be https (plain http is for loopback hosts alone)"
    return None


_PLAIN = {
    "missing": "is required",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "time_parsing": "must be a time of day",
}


def _fault(error: Any, values: Mapping[str, str]) -> tuple[str, str]:
    """The setting and what is wrong with it; never its value, which may be a secret."""
    name = str(error["loc"][0])
    text = _PLAIN.get(error["type"]) or str(error["msg"]).removeprefix("Value error, ")
    text = text.replace("Input should be", "must be")
    value = values.get(name, "")
    if error["type"] != "value_error" and value.strip() and value != value.strip().strip(QUOTES):
        text += " (it has blanks or quotes at its ends)"
    return name, text


def _line(name: str, text: str, example: str | None) -> str:
    return f"{name}: {text}; for example {name}={example}" if example else f"{name}: {text}"
