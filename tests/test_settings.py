"""Settings: read once, all faults told at once, and no secret ever shown."""

import re
from collections.abc import Mapping
from datetime import time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from bot.domain.database_address import DatabaseAddress
from bot.errors import DatabaseFault, SettingsFault
from bot.runtime import starts
from bot.settings import DatabaseSettings, Environment, LogFormat, ReportSettings, ReviewNotify, Settings
from bot.slack.blocks.text import foreign

SECRETS = {
    "SLACK_BOT_TOKEN": "xoxb-very-secret-1",
    "SLACK_APP_TOKEN": "xapp-very-secret-2",
    "SLACK_SIGNING_SECRET": "very-secret-3",
    "SMILE_ID_API_KEY": "very-secret-4",
    "KYC_ENCRYPTION_KEYS": "dmVyeS1zZWNyZXQtNXZlcnktc2VjcmV0LTV2ZXJ5ISE=",
}
PASSWORD = "very-secret-6"
ENOUGH = {
    **{name: SECRETS[name] for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SMILE_ID_API_KEY")},
    "SMILE_ID_PARTNER_ID": "0421",
    "KYC_ENCRYPTION_KEYS": SECRETS["KYC_ENCRYPTION_KEYS"],
    "KYC_REQUESTERS": "U0AMINA0001",
}


def load(**more: str) -> Settings:
    return Settings.load(ENOUGH | more)


def faults(environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(SettingsFault) as found:
        Settings.load(environ)
    return str(found.value).splitlines()


def fault(**more: str) -> str:
    (line,) = faults(ENOUGH | more)
    return line


# What is enough, and what is not


def test_a_host_that_was_copied_from_an_alert_in_slack_is_that_host() -> None:
    copied = foreign("bucket.s3.example, *.files.example")
    assert "\u2060" in copied
    assert load(KYC_UPLOAD_HOSTS=copied).upload_hosts == ("bucket.s3.example", "*.files.example")


def test_the_required_ones_are_enough() -> None:
    settings = load()
    assert settings.socket_mode
    assert settings.smile_id_partner_id == "0421"
    assert settings.smile_id_environment is Environment.SANDBOX
    assert settings.smile_id_url == "https://testapi.smileidentity.com/v1"
    assert settings.callback_url("t" * 64) == ""
    assert settings.reviewers == ()
    assert settings.review_notify is ReviewNotify.ATTENTION
    assert settings.log_format is LogFormat.JSON


def test_nothing_set_is_told_line_by_line() -> None:
    told = faults({})
    required = ("SLACK_BOT_TOKEN", "SMILE_ID_PARTNER_ID", "SMILE_ID_API_KEY", "KYC_ENCRYPTION_KEYS", "KYC_REQUESTERS")
    lines = [f"{name}: is required" for name in required]
    without_examples = [line.partition("; for example ")[0] for line in told]
    assert sorted(without_examples) == sorted([*lines, "SLACK_SIGNING_SECRET: is required without SLACK_APP_TOKEN"])
    assert "KYC_REQUESTERS: is required; for example KYC_REQUESTERS=S0ANALYSTS1,U0AMINA0001" in told


@pytest.mark.parametrize("field", Settings.model_fields.values(), ids=lambda field: str(field.alias))
def test_every_setting_has_an_example_that_fits(field: FieldInfo) -> None:
    (example,) = field.examples or [""]
    assert example
    if "Secret" not in str(field.annotation) or "PROXY" in str(field.alias):
        load(**{str(field.alias): example})


WRONG = {
    "SLACK_API_URL": "https://slack.com/",
    "SMILE_ID_ENVIRONMENT": "live",
    "SMILE_ID_API_URL": "smile",
    "HTTPS_PROXY": "socks5://proxy",
    "KYC_TIMEZONE": "Lagos",
    "KYC_REVIEW_DUE": "0",
    "KYC_PUBLIC_URL": "http://kyc.example.com",
    "KYC_COMPANY_NAME": "Example\nBank",
    "KYC_PRIVACY_URL": "www.example.com/privacy",
    "KYC_LINK_HOURS": "73",
    "KYC_PORT": "seventy",
    "KYC_ADMIN_PORT": "65536",
    "KYC_REQUESTERS": "amina",
    "KYC_CHANNELS": "#kyc",
    "KYC_REVIEW_CHANNEL": "#kyc",
    "KYC_REVIEW_NOTIFY": "never",
    "KYC_REVIEW_IDLE": "soon",
    "KYC_WORKING_DAYS": "weekdays",
    "KYC_WORKING_HOURS": "9 to 5",
    "KYC_SUMMARY_TIME": "morning",
    "KYC_CALLBACK_MAX_BYTES": "lots",
    "KYC_SLACK_POSTS_PER_SECOND": "some",
    "KYC_BATCH_ROWS": "0",
    "KYC_BACKUP_EVERY": "1s",
    "KYC_LOG_FORMAT": "xml",
    "KYC_LIVENESS": "yes",
    "KYC_UPLOAD_HOSTS": "https://bucket.example",
    "KYC_RETENTION_PHOTOS": "a month",
}
"""A value of a wrong form for each form that there is."""


@pytest.mark.parametrize("name", WRONG)
def test_a_fault_names_the_setting_its_form_and_an_example(name: str) -> None:
    line = fault(**{name: WRONG[name]})
    text, _, example = line.partition(f"; for example {name}=")
    assert re.fullmatch(
        rf"{name}: ('.+' is neither a user|'.+' is not a channel id|is not an IANA|must be |must end ).*", text
    )
    load(**{name: example})


@pytest.mark.parametrize("name", [*SECRETS, "SMILE_ID_PARTNER_ID"])
@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (" ", "", "has a blank at its beginning or its end: take it away"),
        ("", "\t", "has a blank at its beginning or its end: take it away"),
        ('"', '"', "has a quote at its beginning or its end, which is not part of it: take it away"),
        ("", "’", "has a quote at its beginning or its end, which is not part of it: take it away"),
        ("\u200b", "", "has a sign in it that none has: copy it again"),
    ],
    ids=["blank", "tab", "quotes", "curly", "unseen"],
)
def test_what_was_copied_along_with_a_secret_is_told(name: str, before: str, after: str, words: str) -> None:
    value = SECRETS.get(name, "0077")
    line = fault(**{name: f"{before}{value}{after}"})
    assert line.startswith(f"{name}: {words}")
    assert value not in line


def test_blanks_and_quotes_around_other_values_are_told_where_they_do_not_fit() -> None:
    assert "(it has blanks or quotes at its ends)" in fault(SMILE_ID_ENVIRONMENT="'production'")
    assert "(it has blanks or quotes at its ends)" in fault(KYC_PORT='"3000"')
    assert load(KYC_PORT=" 3000 ").port == 3000


@pytest.mark.parametrize("kind", [DatabaseSettings, ReportSettings])
def test_a_command_asks_for_its_own_part_and_reads_it_as_the_bot_does(kind: type[DatabaseSettings]) -> None:
    given = {"KYC_ENCRYPTION_KEYS": SECRETS["KYC_ENCRYPTION_KEYS"], "KYC_DATABASE": "/srv/kyc.db"}
    # What others are for does not matter here, be it ever so wrong.
    part = kind.load(given | {"KYC_PORT": "seventy", "SLACK_API_URL": "http://far.example/", "SLACK_BOT_TOKEN": ""})
    whole = Settings.load(ENOUGH | given)
    assert part.model_dump() == {name: getattr(whole, name) for name in kind.model_fields}
    assert part.sealing_keys == whole.sealing_keys
    with pytest.raises(SettingsFault) as found:
        kind.load({"KYC_DATABASE": ""})
    told = [line.partition("; for example ")[0] for line in str(found.value).splitlines()]
    assert told == ["KYC_DATABASE: must name a file", "KYC_ENCRYPTION_KEYS: is required"]


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    told = faults(
        {
            "SLACK_BOT_TOKEN_FILE": str(tmp_path / "absent"),
            "SMILE_ID_PARTNER_ID": "0421",
            "SMILE_ID_ENVIRONMENT": "staging",
            "KYC_PORT": "seventy",
            "KYC_TIMEZONE": "Lagos",
            "KYC_REQUESTERS": "amina",
            "KYC_POLL_AFTER": "soon",
            "KYC_CALLBACK_MAX_BYTES": "lots",
            "KYC_SLACK_POSTS_PER_SECOND": "0",
        }
    )
    named = {line.partition(":")[0] for line in told}
    assert named == {
        "SLACK_BOT_TOKEN_FILE",
        "SLACK_BOT_TOKEN",
        "SMILE_ID_API_KEY",
        "SMILE_ID_ENVIRONMENT",
        "KYC_ENCRYPTION_KEYS",
        "KYC_PORT",
        "KYC_TIMEZONE",
        "KYC_REQUESTERS",
        "KYC_POLL_AFTER",
        "KYC_CALLBACK_MAX_BYTES",
        "KYC_SLACK_POSTS_PER_SECOND",
        "SLACK_SIGNING_SECRET",
    }


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SLACK_BOT_TOKEN", "", "must not be empty"),
        ("SMILE_ID_API_KEY", "", "must not be empty"),
        ("KYC_ENCRYPTION_KEYS", "", "must not be empty"),
        ("KYC_DATABASE", "", "must name a file"),
        ("KYC_POLL_AFTER", "999999999999d", "at most 3650 days"),
        ("KYC_SUMMARY_TIME", "08:00Z", "without zone"),
        ("KYC_SLACK_POSTS_PER_SECOND", "inf", "less than or equal to 1000"),
        ("KYC_PUBLIC_URL", "https://[::1", "is not an address"),
        ("KYC_PUBLIC_URL", "https://kyc.example.com:99999", "is not an address"),
    ],
)
def test_a_value_that_would_only_fail_later_is_refused_now(name: str, value: str, words: str) -> None:
    told = fault(**{name: value})
    assert told.startswith(f"{name}: ")
    assert words in told


def test_a_poor_address_is_told_beside_other_faults() -> None:
    told = faults(ENOUGH | {"KYC_PORT": "x", "KYC_PUBLIC_URL": "ftp://kyc.example.com", "SLACK_API_URL": "nowhere"})
    assert {line.partition(":")[0] for line in told} == {"KYC_PORT", "KYC_PUBLIC_URL", "SLACK_API_URL"}


def test_without_an_app_token_the_signing_secret_is_needed() -> None:
    without = {name: value for name, value in ENOUGH.items() if name != "SLACK_APP_TOKEN"}
    (line,) = faults(without)
    assert line.startswith(
        "SLACK_SIGNING_SECRET: is required without SLACK_APP_TOKEN; for example SLACK_SIGNING_SECRET="
    )
    assert not Settings.load(without | {"SLACK_SIGNING_SECRET": "very-secret-3"}).socket_mode


def test_an_empty_optional_one_is_as_good_as_unset() -> None:
    """Compose files and unit files like to set every name, to nothing."""
    optional = ("SMILE_ID_API_URL", "KYC_PUBLIC_URL", "KYC_REVIEW_CHANNEL", "KYC_RESULT_CODES", "KYC_ID_TYPES")
    settings = load(**dict.fromkeys(optional, ""), SLACK_SIGNING_SECRET=" ", KYC_REVIEWERS="", KYC_CHANNELS=" , ")
    assert settings.smile_id_url == "https://testapi.smileidentity.com/v1"
    assert settings.public_url is None
    assert settings.review_channel is None
    assert settings.result_codes is None
    assert settings.slack_signing_secret is None
    assert settings.reviewers == ()
    assert settings.channels == ()


def test_nobody_may_ask_is_refused() -> None:
    assert fault(KYC_REQUESTERS="").startswith("KYC_REQUESTERS: ")


def test_leading_zeros_of_the_partner_id_stay() -> None:
    assert load(SMILE_ID_PARTNER_ID="007").smile_id_partner_id == "007"


def test_what_belongs_to_others_is_ignored() -> None:
    load(PATH="/bin", SLACK_TEAM="ours", KYC_UNHEARD_OF="x")


# Secrets


def test_a_setting_may_come_from_a_file(tmp_path: Path) -> None:
    kept = tmp_path / "key"
    kept.write_text("very-secret-4\n", encoding="utf-8")
    without = {name: value for name, value in ENOUGH.items() if name != "SMILE_ID_API_KEY"}
    settings = Settings.load(without | {"SMILE_ID_API_KEY_FILE": str(kept)})
    assert settings.smile_id_api_key.get_secret_value() == "very-secret-4"


def test_every_setting_may_come_from_a_file(tmp_path: Path) -> None:
    environ = {}
    for name, value in ENOUGH.items():
        (tmp_path / name).write_text(value, encoding="utf-8")
        environ[f"{name}_FILE"] = str(tmp_path / name)
    assert Settings.load(environ) == load()


def test_what_is_set_itself_wins_over_its_file(tmp_path: Path) -> None:
    settings = load(SMILE_ID_API_KEY_FILE=str(tmp_path / "absent"))
    assert settings.smile_id_api_key.get_secret_value() == "very-secret-4"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_told_by_name(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    without = {name: value for name, value in ENOUGH.items() if name != "SMILE_ID_API_KEY"}
    told = faults(without | {"SMILE_ID_API_KEY_FILE": str(tmp_path / "key")})
    assert told[0].startswith("SMILE_ID_API_KEY_FILE: cannot be read")


def test_secrets_show_in_no_repr() -> None:
    settings = Settings.load(ENOUGH | SECRETS)
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert not [secret for secret in SECRETS.values() if secret in shown]


def test_secrets_show_in_no_fault() -> None:
    broken = (
        ENOUGH | SECRETS | {"KYC_PORT": "seventy", "KYC_REQUESTERS": "", "SMILE_ID_API_URL": "http://far.example/v1"}
    )
    told = faults(broken)
    assert told
    assert not [secret for secret in SECRETS.values() for line in told if secret in line]


def test_a_fault_carries_nothing_that_holds_the_values() -> None:
    """A traceback prints causes too, and pydantic's own error quotes all that was handed in."""
    with pytest.raises(SettingsFault) as found:
        Settings.load(SECRETS)
    assert found.value.__cause__ is None
    assert found.value.__context__ is None


def test_settings_do_not_change_under_way() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().port = 1


# Where the database is


SERVER = "postgresql://kyc@db1.example.com,db2.example.com/kyc?sslrootcert=/etc/kyc-bot/postgresql-ca.pem"


def test_a_database_is_a_file_or_an_address() -> None:
    assert load(KYC_DATABASE="/srv/kyc.db").database == Path("/srv/kyc.db")
    assert load(KYC_DATABASE="/srv/kyc.db").database_file == Path("/srv/kyc.db")
    address = load(KYC_DATABASE=f" {SERVER} ", KYC_DATABASE_PASSWORD=PASSWORD, PGPASSFILE="/etc/pgpass").database
    assert isinstance(address, DatabaseAddress)
    assert str(address) == SERVER
    assert (address.conninfo["password"], address.conninfo["passfile"]) == (PASSWORD, "/etc/pgpass")


def test_the_password_of_the_database_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
    address = load(KYC_DATABASE=SERVER, KYC_DATABASE_PASSWORD_FILE=str(tmp_path / "password")).database
    assert isinstance(address, DatabaseAddress)
    assert address.conninfo["password"] == PASSWORD


@pytest.mark.parametrize("password", ["ä", "'quoted'", "with blanks within", "€%@:/"])
def test_any_sign_may_be_part_of_the_databases_password(password: str) -> None:
    assert load(KYC_DATABASE=SERVER, KYC_DATABASE_PASSWORD=password).database != load(KYC_DATABASE=SERVER).database


@pytest.mark.parametrize("password", ["x ", "\tx", "x\u200b", "x\ny"])
def test_an_unseen_sign_of_the_databases_password_is_told(password: str) -> None:
    told = fault(KYC_DATABASE=SERVER, KYC_DATABASE_PASSWORD=password)
    assert told.startswith("KYC_DATABASE_PASSWORD: has a blank at its beginning or its end, or a sign that nobody sees")


@pytest.mark.parametrize(
    "text",
    [
        f"mysql://kyc:{PASSWORD}@localhost/kyc",
        f"sqlite:///{PASSWORD}",
        f"host=localhost dbname=kyc password={PASSWORD}",
    ],
)
def test_what_is_neither_a_file_nor_an_address_is_told_and_not_repeated(text: str) -> None:
    told = fault(KYC_DATABASE=text)
    assert told.startswith("KYC_DATABASE: must be the path of a file, or the address of a PostgreSQL server")
    assert PASSWORD not in told


def test_no_part_of_an_address_is_told_where_it_does_not_fit() -> None:
    told = fault(KYC_DATABASE=f"postgresql://kyc:{PASSWORD}@localhost/kyc")
    assert told.startswith("KYC_DATABASE: must not hold a password")
    assert PASSWORD not in told


def test_what_is_for_a_file_alone_says_so_for_a_server() -> None:
    with pytest.raises(DatabaseFault, match="KYC_DATABASE is a PostgreSQL server, and this is for an SQLite file"):
        _ = load(KYC_DATABASE=SERVER).database_file


def test_nobody_believes_that_a_server_is_copied_into_the_folder_of_backups() -> None:
    told = fault(KYC_DATABASE=SERVER, KYC_BACKUP_DIR="/var/backups/kyc-bot")
    assert told.startswith("KYC_BACKUP_DIR: is for copies of an SQLite file: unset it")
    assert load(KYC_DATABASE=SERVER, KYC_BACKUP_DIR="").backup_dir is None


def test_the_databases_password_shows_nowhere() -> None:
    settings = load(KYC_DATABASE=SERVER, KYC_DATABASE_PASSWORD=PASSWORD)
    shown = (repr(settings), str(settings), settings.model_dump_json(), repr(settings.database), str(settings.database))
    assert [text for text in shown if PASSWORD in text] == []
    assert starts.used(settings)["KYC_DATABASE"] == SERVER
    assert starts.used(settings)["KYC_DATABASE_PASSWORD"] == starts.SECRET


# How long what is known of customers is kept


def test_nothing_set_is_the_usual_time_on_three_clocks() -> None:
    settings = load()
    kept = settings.retention
    assert (str(kept.photos), str(kept.personal), str(kept.record)) == ("30d", "30d", "5y,KE=7y")
    assert not settings.retention_is_set


@pytest.mark.parametrize(
    ("given", "personal"),
    [
        ({"KYC_RETENTION_DAYS": "14"}, "14d"),
        ({"KYC_RETENTION_DAYS": "999999999"}, "36500d"),
        ({"KYC_RETENTION_DAYS": "14", "KYC_RETENTION_PERSONAL": "2y"}, "2y"),
        ({"KYC_RETENTION_DAYS": "14", "KYC_RETENTION_PHOTOS": "1d"}, "14d"),
        ({"KYC_RETENTION_RECORD": "7y"}, "30d"),
    ],
)
def test_the_older_name_counts_where_the_new_one_is_unset(given: Mapping[str, str], personal: str) -> None:
    settings = load(**given)
    assert str(settings.retention.personal) == personal
    assert settings.retention_is_set
    assert ("KYC_RETENTION_DAYS is an older name" in (settings.retention_note or "")) == ("KYC_RETENTION_DAYS" in given)


@pytest.mark.parametrize("name", ["PHOTOS", "PERSONAL", "RECORD"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must be days or years, as 30d or 5y"),
        ("30", "must be days or years, as 30d or 5y"),
        ("0d", "must be at least 1d and at most 100y"),
        ("101y", "must be at least 1d and at most 100y"),
        ("KE=7y", "must be days or years, as 30d or 5y"),
        ("5y,7y", "must begin with the period of all countries and then name some"),
        ("5y,Kenya=7y", "must begin with the period of all countries and then name some"),
        ("5y,KE=7y,KE=8y", "names KE twice"),
        ("5y,KE=", "must be days or years, as 30d or 5y"),
    ],
)
def test_a_time_that_means_nothing_is_refused_in_words(name: str, text: str, words: str) -> None:
    assert fault(**{f"KYC_RETENTION_{name}": text}).startswith(f"KYC_RETENTION_{name}: {words}")


# Durations, sizes, lists, times


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("90", timedelta(seconds=90)),
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
        ("0.5s", timedelta(milliseconds=500)),
        (" 5 m ", timedelta(minutes=5)),
    ],
)
def test_a_duration_is_seconds_or_carries_a_unit(text: str, meant: timedelta) -> None:
    assert load(KYC_CONFIRM_WAIT=text).confirm_wait == meant


@pytest.mark.parametrize("text", ["", "m", "-5m", "5 minutes", "1h30m", "5M", "1e3", "nan"])
def test_another_duration_is_refused_with_an_example(text: str) -> None:
    assert "15m" in fault(KYC_CONFIRM_WAIT=text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [("4096", 4096), ("512KiB", 512 * 1024), ("512k", 512 * 1024), ("4MiB", 4 * 1024**2), ("4 MB", 4 * 1024**2)],
)
def test_a_size_is_bytes_or_carries_a_unit(text: str, meant: int) -> None:
    assert load(KYC_CALLBACK_MAX_BYTES=text).callback_max_bytes == meant


@pytest.mark.parametrize("text", ["", "4.5MiB", "-1", "4GiB", "MiB"])
def test_another_size_is_refused_with_an_example(text: str) -> None:
    assert "4MiB" in fault(KYC_CALLBACK_MAX_BYTES=text)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8))
def test_any_text_is_a_duration_and_a_size_or_a_fault(text: str) -> None:
    environ = ENOUGH | {"KYC_CONFIRM_WAIT": text, "KYC_CALLBACK_MAX_BYTES": text}
    try:
        settings = Settings.load(environ)
    except SettingsFault as refused:
        told = {line.partition(":")[0] for line in str(refused).splitlines()}
    else:
        told = set()
        assert settings.confirm_wait >= timedelta(0)
        assert settings.callback_max_bytes >= 0
    assert told <= {"KYC_CONFIRM_WAIT", "KYC_CALLBACK_MAX_BYTES"}


def test_lists_are_separated_by_commas() -> None:
    settings = load(KYC_REQUESTERS=" U0AMINA0001, S0ANALYSTS1 ,,C0PRIVATE01,")
    assert settings.requesters == ("U0AMINA0001", "S0ANALYSTS1", "C0PRIVATE01")


def test_the_daily_time_is_hours_and_minutes() -> None:
    assert load(KYC_SUMMARY_TIME="17:30").summary_time == time(17, 30)
    assert fault(KYC_SUMMARY_TIME="half past five").startswith("KYC_SUMMARY_TIME: ")


@pytest.mark.parametrize("name", ["KYC_PORT", "KYC_ADMIN_PORT"])
@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_that_cannot_be_is_refused(name: str, port: str) -> None:
    assert fault(**{name: port}).startswith(f"{name}: ")


@pytest.mark.parametrize("zone", ["Lagos", "", "../../etc/passwd", "UTC+1"])
def test_an_unknown_time_zone_is_refused_with_an_example(zone: str) -> None:
    assert "Africa/Lagos" in fault(KYC_TIMEZONE=zone)


# Roles and channels


@pytest.mark.parametrize("entry", ["U0AMINA0001", "W0AMINA0001", "S0ANALYSTS1", "C0PRIVATE01", "G0PRIVATE01", "*"])
@pytest.mark.parametrize("role", ["REQUESTERS", "REVIEWERS", "MANAGERS", "VIEWERS", "ADMINS"])
def test_a_role_takes_people_groups_private_channels_and_everybody(role: str, entry: str) -> None:
    assert getattr(load(**{f"KYC_{role}": entry}), role.lower()) == (entry,)


@pytest.mark.parametrize("entry", ["amina", "@amina", "u0amina0001", "B0BOT000001", "D0DIRECT001", "U", "**", "<@U01>"])
def test_a_role_refuses_what_is_no_id(entry: str) -> None:
    line = fault(KYC_REVIEWERS=f"U0REMI00001,{entry}")
    assert line.startswith("KYC_REVIEWERS: ")
    assert entry in line


@pytest.mark.parametrize(
    "name", ["KYC_CHANNELS", "KYC_REVIEW_CHANNEL", "KYC_SUMMARY_CHANNEL", "KYC_AUDIT_HEAD_CHANNEL"]
)
def test_a_channel_is_given_by_its_id(name: str) -> None:
    load(**{name: "C0KYCREQ001"})
    assert "#kyc-requests" in fault(**{name: "#kyc-requests"})


# Addresses


URLS = ("SLACK_API_URL", "SMILE_ID_API_URL", "KYC_PUBLIC_URL")
PATHS = {"SLACK_API_URL": "/api/", "SMILE_ID_API_URL": "/v1", "KYC_PUBLIC_URL": ""}


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize("base", ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"])
def test_in_the_sandbox_loopback_may_be_spoken_to_in_plain(name: str, base: str) -> None:
    load(**{name: base + PATHS[name]})


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize("environment", ["sandbox", "production"])
@pytest.mark.parametrize("base", ["http://kyc.example.com", "http://192.0.2.1", "ftp://kyc.example.com", "//kyc"])
def test_plain_http_to_other_hosts_is_refused(name: str, base: str, environment: str) -> None:
    assert fault(**{name: base + PATHS[name], "SMILE_ID_ENVIRONMENT": environment}).startswith(f"{name}: ")


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize(
    "base",
    [
        "http://127.0.0.1:8080",
        "https://127.0.0.1",
        "https://localhost",
        "https://[::1]",
        "https://10.0.0.8",
        "https://192.168.1.2",
        "https://169.254.169.254",
        "https://smile.internal",
        "https://kyc.local",
    ],
)
def test_production_speaks_to_public_addresses_only(name: str, base: str) -> None:
    line = fault(**{name: base + PATHS[name], "SMILE_ID_ENVIRONMENT": "production"})
    assert line.startswith(f"{name}: must be a public address in production; for example {name}=https://")


@pytest.mark.parametrize("name", URLS)
@pytest.mark.parametrize("base", ["https://user:very-secret-9@kyc.example.com", "https://kyc.example.com?x=1"])
def test_an_address_with_more_than_an_address_in_it_is_refused(name: str, base: str) -> None:
    line = fault(**{name: base + PATHS[name]})
    assert line.startswith(f"{name}: ")
    assert "very-secret-9" not in line


def test_production_has_its_own_address_of_smile_id() -> None:
    assert load(SMILE_ID_ENVIRONMENT="production").smile_id_url == "https://api.smileidentity.com/v1"


def test_the_base_of_slacks_web_api_ends_as_slacks_does() -> None:
    assert fault(SLACK_API_URL="https://slack.com/").startswith("SLACK_API_URL: must end in /api/; ")


def test_links_need_an_address_a_name_and_a_privacy_notice() -> None:
    whole = {
        "KYC_PUBLIC_URL": "https://kyc.example.com",
        "KYC_COMPANY_NAME": "Example Bank",
        "KYC_PRIVACY_URL": "https://www.example.com/privacy?for=customers",
    }
    assert load(**whole).offers_links
    for name in whole:
        settings = load(**whole | {name: " "})
        assert (settings.offers_links, settings.lacking_for_links) == (False, (name,))
    assert load().link_hours == 24


@pytest.mark.parametrize(
    "page", ["http://www.example.com/", "https://", "https://a b.example", "https://x.example/" + "x" * 300]
)
def test_a_privacy_notice_is_a_page_that_customers_can_open(page: str) -> None:
    assert fault(KYC_PRIVACY_URL=page).startswith("KYC_PRIVACY_URL: must be")


def test_callbacks_go_under_the_public_base() -> None:
    settings = load(KYC_PUBLIC_URL="https://kyc.example.com/")
    assert settings.callback_url("abc") == "https://kyc.example.com/smile-id/callback/abc"


def test_photos_come_from_slacks_hosts_alone() -> None:
    assert load().download_hosts == {"slack.com", "files.slack.com"}


@pytest.mark.parametrize("base", ["https://slack-gov.com/api/", "https://acme.slack-gov.com/api/"])
def test_govslack_keeps_files_at_hosts_of_its_own(base: str) -> None:
    """The bot's token and what it exports are shown to no host of the commercial Slack."""
    hosts = load(SLACK_API_URL=base).download_hosts
    assert "files.slack-gov.com" in hosts
    assert not [host for host in hosts if f".{host}".endswith(".slack.com")]


@pytest.mark.parametrize("base", ["https://notslack-gov.com/api/", "https://slack-gov.com.example/api/"])
def test_a_name_that_only_looks_like_govslack_is_not(base: str) -> None:
    assert "files.slack.com" in load(SLACK_API_URL=base).download_hosts
