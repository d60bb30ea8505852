"""`kyc-bot setup`: an operator answers, each answer is tried against the stand-ins, then a file is written."""

import asyncio
import os
import pty
import signal
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot import settings_file
from bot.sandbox.demo import ANALYST, CHANNEL, free_port
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox
from bot.slack.manifest import SCOPES
from storage.engine.sealing import Sealer
from tests.patience import GIVE_UP_SECONDS
from tests.sandbox.slack_setup import REMI, REVIEW
from tests.users import OTHER

pytestmark = [pytest.mark.anyio, pytest.mark.installation]

BOT, APP, PARTNER, KEY = "xoxb-sandbox", "xapp-sandbox", "0421", "key-of-the-sandbox"
SECRET = "very-secret-6"
PYTHON = (sys.executable, "-m", "bot")
ANALYSTS = "S0ANALYSTS1"
ABSENT = "C0ELSEWHERE1"
READING = {
    "auth.test", "apps.connections.open", "bots.info", "conversations.list", "usergroups.list", "users.list",
}  # fmt: skip
ANSWERS = {
    "bot token": BOT,
    "app token": APP,
    "environment": "",
    "partner": PARTNER,
    "key": KEY,
    "requesters": "KYC analysts",
    "reviewers": f"1, {REMI}",
    "managers": "",
    "viewers": "-",
    "admins": "@amina",
    "channels": "#kyc-requests, elsewhere",
    "review channel": REVIEW,
    "summary channel": "-",
    "address": "",
    "database": "",
}
"""What is asked, in order."""


def answers(**other: str) -> list[str]:
    """Every question's line; of a longer answer each line, as somebody types again what was not taken."""
    wanted = {name.replace("_", " "): value for name, value in other.items()}
    assert wanted.keys() <= ANSWERS.keys()
    return "\n".join((ANSWERS | wanted).values()).split("\n")


class Desk:
    """Both stand-ins, and the machine where the bot is set up."""

    def __init__(self, slack: SlackSandbox, smile_id: SmileIDSandbox, folder: Path) -> None:
        self.slack = slack
        self.smile_id = smile_id
        self.file = folder / "etc" / "env"
        self.environment = {
            "PATH": os.environ["PATH"],
            "SLACK_API_URL": slack.api_url,
            "SMILE_ID_API_URL": smile_id.base_url,
        }

    async def setup(
        self, lines: Iterable[str], *, command_line: Sequence[str] = PYTHON, **more: str
    ) -> tuple[int, str]:
        """Exit code and all that was said; no secret may stand in it."""
        process = await self.start(command_line, **more)
        said, _ = await asyncio.wait_for(
            process.communicate("".join(f"{line}\n" for line in lines).encode()), GIVE_UP_SECONDS
        )
        text = said.decode()
        made = self.values.get("KYC_ENCRYPTION_KEYS", "none yet") if process.returncode == 0 else "none yet"
        assert [secret for secret in (BOT, APP, KEY, made) if secret in text] == []
        assert process.returncode is not None
        return process.returncode, text

    async def start(self, command_line: Sequence[str] = PYTHON, **more: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *command_line, "--settings", str(self.file), "setup", env=self.environment | more,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip

    @property
    def values(self) -> dict[str, str]:
        return settings_file.read(self.file) if self.file.exists() else {}

    @property
    def left_behind(self) -> list[str]:
        """Names in the folder of the file."""
        return sorted(each.name for each in self.file.parent.iterdir()) if self.file.parent.exists() else []


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(tmp_path) as made:
        yield made


@asynccontextmanager
async def a_desk(folder: Path, scopes: tuple[str, ...] = SCOPES, app_token: str = APP) -> AsyncIterator[Desk]:
    slack = SlackSandbox(scopes=scopes, app_token=app_token)
    smile_id = SmileIDSandbox(partner_id=PARTNER, api_key=KEY)
    smile_id.products = {"idSelection": {"biometric_kyc": {"NG": ["BVN"]}}}
    slack.add_usergroup(ANALYSTS, [ANALYST], name="KYC Analysts")
    slack.add_channel(ABSENT, "elsewhere", members=[ANALYST], bot_is_member=False)
    slack.add_channel("C0PARTNERS1", "partners", members=[ANALYST], ext_shared=True)
    await slack.start()
    await smile_id.start()
    try:
        yield Desk(slack, smile_id, folder)
    finally:
        await smile_id.stop()
        await slack.stop()


async def test_every_answer_is_tried_and_the_file_then_passes_the_check(desk: Desk, tmp_path: Path) -> None:
    status, said = await desk.setup(answers())
    assert status == 0, said
    values = desk.values
    Sealer.from_text([values.pop("KYC_ENCRYPTION_KEYS")])
    assert values == {
        "SLACK_API_URL": desk.environment["SLACK_API_URL"],
        "SMILE_ID_API_URL": desk.environment["SMILE_ID_API_URL"],
        "SLACK_BOT_TOKEN": BOT,
        "SLACK_APP_TOKEN": APP,
        "SMILE_ID_ENVIRONMENT": "sandbox",
        "SMILE_ID_PARTNER_ID": PARTNER,
        "SMILE_ID_API_KEY": KEY,
        "KYC_REQUESTERS": ANALYSTS,
        "KYC_REVIEWERS": f"{ANALYSTS},{REMI}",
        "KYC_ADMINS": ANALYST,
        "KYC_CHANNELS": f"{CHANNEL},{ABSENT}",
        "KYC_REVIEW_CHANNEL": REVIEW,
        "KYC_DATABASE": str(tmp_path / "etc" / "kyc.db"),
    }
    assert stat.S_IMODE(desk.file.stat().st_mode) == 0o600
    assert desk.left_behind == ["env"]
    assert {call.method for call in desk.slack.calls} <= READING
    assert desk.smile_id.jobs == {}
    desk.slack.channels[ABSENT].members.add("U0KYCBOT001")
    check = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "--settings", str(desk.file), "check", env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    found, _ = await asyncio.wait_for(check.communicate(), GIVE_UP_SECONDS)
    assert [line for line in found.decode().splitlines() if line.startswith("FAIL")] == []
    assert check.returncode == 0


async def test_what_is_left_to_do_is_printed(tmp_path: Path) -> None:
    async with a_desk(tmp_path, tuple(scope for scope in SCOPES if scope != "files:write")) as desk:
        status, said = await desk.setup(answers(address="https://kyc.example.com/"))
    assert status == 0
    left = said.partition("What is left to do:\n")[2]
    assert "Keep a copy of KYC_ENCRYPTION_KEYS" in left
    assert "files:write is missing. Reinstall the app from the manifest" in left
    assert "Type /invite @kyc-bot in #elsewhere." in left
    assert "Let the https proxy of https://kyc.example.com hand /smile-id/callback/ on to 127.0.0.1:3000" in left
    assert f"kyc-bot --settings {desk.file} check" in left
    assert "docs/install.md has the unit" in left
    assert [line.strip()[:2] for line in left.splitlines()] == [f"{n}." for n in range(1, len(left.splitlines()) + 1)]


NOT_TAKEN = [
    ("bot token", APP, "It begins with xoxb-; what you typed is an app-level token"),
    ("bot token", "xoxp-1", "what you typed is a user token"),
    ("bot token", "0123456789abcdef0123456789abcdef", "what you typed is a signing secret or a client secret"),
    ("bot token", "xoxb-of another", "It has a blank or an unseen sign within"),
    ("bot token", "xoxb-of-another", "slack token: Slack does not take it (invalid_auth). Copy the Bot User"),
    ("app token", BOT, "It begins with xapp-; what you typed is a bot token"),
    ("app token", "xapp-of-another", "slack app token: Slack does not take it (invalid_auth)"),
    ("environment", "live", "Type sandbox or production."),
    ("key", f"wrong-key\n{PARTNER}", "FAIL  smile id credentials:"),
    ("requesters", "KYC Analyst", "There is no KYC Analyst to choose. Did you mean kyc analysts"),
    ("requesters", "9", "There is no number 9 in the list."),
    ("requesters", "", "It is needed: without one nobody can use the bot."),
    ("requesters", "*, 1", "* means all of them: choose it alone."),
    ("reviewers", "*", "* cannot be chosen here."),
    ("channels", "-", "- cannot be chosen here: without a choice it is every channel that the bot is in."),
    ("channels", "partners", "There is no partners to choose."),
    ("review channel", "1, 2", "Only one can be chosen here."),
    ("address", "http://kyc.example.com", "KYC_PUBLIC_URL: must be https"),
    ("address", "kyc.example.com", "It begins with https://"),
    ("database", "/", "/ is a folder. Name a file in it, for example /kyc.db."),
    ("database", "\x1b[Dkyc.db", "It has an unseen sign within"),
]
"""What is asked, what does not fit as an answer, and what is said of it."""


async def test_an_answer_that_does_not_fit_is_told_and_asked_for_again(desk: Desk) -> None:
    lines: list[str] = []
    for asked, right in ANSWERS.items():
        lines += [*(typed for name, typed, _words in NOT_TAKEN if name == asked), right]
    status, said = await desk.setup(lines)
    assert status == 0, said
    assert [words for _asked, _typed, words in NOT_TAKEN if words not in said] == []
    assert desk.values["KYC_REQUESTERS"] == ANALYSTS


async def test_copied_with_name_quotes_and_blanks_a_token_is_taken_without_them(desk: Desk) -> None:
    status, _said = await desk.setup(answers(bot_token=f' SLACK_BOT_TOKEN="{BOT}" ', key=f"'{KEY}'"))
    assert status == 0
    assert (desk.values["SLACK_BOT_TOKEN"], desk.values["SMILE_ID_API_KEY"]) == (BOT, KEY)


async def test_a_secret_that_cannot_be_tried_now_may_be_kept_untried(desk: Desk) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/api/"
    lines = answers(
        bot_token=f"{BOT}\n!", app_token=f"{APP}\n!", requesters=ANALYSTS, reviewers="", admins="", channels=""
    )
    status, said = await desk.setup(lines, SLACK_API_URL=nowhere)
    assert status == 0, said
    assert said.count("no connection to 127.0.0.1") == 2
    assert desk.values["SLACK_BOT_TOKEN"] == BOT


async def test_the_commands_to_type_next_are_called_as_this_one_was(desk: Desk) -> None:
    """An installation in a folder of one's own is on nobody's PATH."""
    command = Path(sys.executable).with_name("kyc-bot")
    _status, said = await desk.setup(answers(), command_line=(str(command),), PATH="/nowhere")
    assert f"Check it all: {command} --settings {desk.file} check" in said
    assert f"{command} --settings {desk.file} serve" in said


async def test_without_an_app_token_slack_comes_by_http(desk: Desk) -> None:
    status, said = await desk.setup(
        answers(app_token="-\nsigning-secret-of-nobody", address="\nhttps://kyc.example.com")
    )
    assert status == 0, said
    assert desk.values["SLACK_SIGNING_SECRET"] == "signing-secret-of-nobody"
    assert "SLACK_APP_TOKEN" not in desk.values
    assert "kyc-bot manifest --url https://kyc.example.com" in said


async def test_tokens_of_two_apps_are_told(tmp_path: Path) -> None:
    other = "xapp-1-A0SOMEOTHER-123-abc"
    async with a_desk(tmp_path, app_token=other) as desk:
        _status, said = await desk.setup([BOT, other])
    assert "FAIL  slack app token: it is of the app A0SOMEOTHER, and the bot token of" in said


# A database on a server


async def test_an_address_is_taken_without_a_password_and_what_it_needs_is_told(desk: Desk) -> None:
    address = "postgresql://kyc@localhost/kyc"
    typed = f"postgresql://kyc:{SECRET}@localhost/kyc\n{address}\nn"
    status, said = await desk.setup(answers(database=typed), KYC_BACKUP_DIR="/var/backups/kyc-bot")
    assert status == 0, said
    assert SECRET not in said
    assert "  KYC_DATABASE: must not hold a password: take it out" in said
    assert "  It is taken out: KYC_BACKUP_DIR: is for copies of an SQLite file" in said
    assert (desk.values["KYC_DATABASE"], "KYC_BACKUP_DIR" in desk.values) == (address, False)
    Sealer.from_text([desk.values["KYC_ENCRYPTION_KEYS"]])
    assert "Have psycopg installed: make install LOCK=requirements-postgresql.lock" in said
    assert "Add KYC_DATABASE_PASSWORD to " in said


async def test_a_second_instance_takes_the_key_of_the_first(desk: Desk) -> None:
    key = Sealer.new_key()
    typed = f"postgresql://kyc@localhost/kyc\ny\nnone\n{key}"
    status, said = await desk.setup(answers(database=typed), PGPASSFILE="/etc/kyc-bot/pgpass")
    assert status == 0, said
    assert (desk.values["KYC_ENCRYPTION_KEYS"], desk.values["PGPASSFILE"]) == (key, "/etc/kyc-bot/pgpass")
    assert "Keep a copy of KYC_ENCRYPTION_KEYS" not in said
    assert "Add KYC_DATABASE_PASSWORD" not in said


# A file that is there already


async def test_a_second_run_keeps_what_is_there_and_changes_nothing_unasked(desk: Desk) -> None:
    await desk.setup(answers())
    desk.file.write_text("# mine\n" + desk.file.read_text() + "KYC_BATCH_ROWS=10\n")
    before = desk.file.read_text()
    status, said = await desk.setup([""] * len(ANSWERS))
    assert status == 0, said
    assert "stays as it is: nothing has changed" in said
    assert "[KYC Analysts @kyc-analysts]" in said
    assert desk.file.read_text() == before


async def test_one_answer_changes_one_line_once_it_is_confirmed(desk: Desk) -> None:
    await desk.setup(answers())
    desk.file.write_text("# mine\n" + desk.file.read_text() + "KYC_BATCH_ROWS=10\n")
    desk.file.chmod(0o640)
    before = desk.file.read_text()
    lines = [value if name == "channels" else "" for name, value in (ANSWERS | {"channels": "*"}).items()]
    status, said = await desk.setup([*lines, ""])
    assert (status, desk.file.read_text()) == (1, before)
    assert "Nothing was written." in said
    status, said = await desk.setup([*lines, "y"])
    assert status == 0
    assert "Change KYC_CHANNELS in" in said
    assert desk.file.read_text() == before.replace(f"KYC_CHANNELS={CHANNEL},{ABSENT}\n", "")
    assert stat.S_IMODE(desk.file.stat().st_mode) == 0o640
    assert desk.left_behind == ["env"]


async def test_a_file_that_does_not_fit_is_told_before_anything_is_asked(desk: Desk) -> None:
    desk.file.parent.mkdir()
    desk.file.write_text("KYC_PORT=seventy\n")
    status, said = await desk.setup([])
    assert status == 2
    assert "KYC_PORT: " in said
    desk.file.write_text("KYC_PORT\n")
    status, said = await desk.setup([])
    assert status == 2
    assert "line 1: not of the form NAME=value" in said
    assert desk.slack.calls == []


async def test_a_value_that_does_not_fit_is_asked_for_anew(desk: Desk) -> None:
    desk.file.parent.mkdir()
    desk.file.write_text("KYC_REQUESTERS=amina\nSMILE_ID_ENVIRONMENT=live\n")
    status, said = await desk.setup([*answers(), "y"])
    assert status == 0, said
    assert "To be answered anew: KYC_REQUESTERS: 'amina' is neither a user" in said
    assert (desk.values["KYC_REQUESTERS"], desk.values["SMILE_ID_ENVIRONMENT"]) == (ANALYSTS, "sandbox")


async def test_a_database_that_is_there_asks_for_its_own_key(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "old.db").write_bytes(b"")
    key = Sealer.new_key()
    status, said = await desk.setup([*answers(database=str(tmp_path / "old.db")), "no-key", key])
    assert status == 0, said
    assert "its key is needed to read it" in said
    assert "encryption key 1 is not 32 bytes" in said
    assert desk.values["KYC_ENCRYPTION_KEYS"] == key


# Ends


@pytest.mark.parametrize("answered", [0, len(ANSWERS) - 1])
async def test_input_that_ends_early_leaves_nothing(desk: Desk, answered: int) -> None:
    status, said = await desk.setup(answers()[:answered])
    assert status == 1
    assert said.endswith("Stopped. Nothing was written.\n")
    assert desk.left_behind == []


async def test_without_any_input_nothing_is_asked(desk: Desk) -> None:
    command = ("sh", "-c", 'exec "$@" <&-', "sh", *PYTHON)
    status, said = await desk.setup([], command_line=command)
    assert status == 1
    assert said.endswith("Stopped. Nothing was written.\n")


async def test_ctrl_c_leaves_nothing_and_shows_no_traceback(desk: Desk) -> None:
    process = await desk.start()
    assert process.stdin
    process.stdin.write(f"{BOT}\n".encode())
    await process.stdin.drain()
    await desk.slack.wait_for(lambda: bool(desk.slack.calls))
    process.send_signal(signal.SIGINT)
    said, _ = await asyncio.wait_for(process.communicate(), GIVE_UP_SECONDS)
    assert process.returncode == 128 + signal.SIGINT
    assert b"Traceback" not in said
    assert b"Stopped. Nothing was written.\n" in said
    assert desk.left_behind == []


async def test_at_a_terminal_secrets_are_not_shown(desk: Desk) -> None:
    ours, theirs = pty.openpty()
    # With a terminal of its own, as at a desk: getpass reads that, and not its input.
    process = await asyncio.create_subprocess_exec(
        "setsid", "--ctty", sys.executable, "-m", "bot", "--settings", str(desk.file), "setup",
        env=desk.environment | {"TERM": "dumb"}, stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    # Ends the terminal with the command, whatever it still asks.
    watch = asyncio.get_running_loop().call_later(GIVE_UP_SECONDS, process.kill)
    said = await asyncio.to_thread(_type, ours, answers(bot_token=f"\udcff\n{BOT}"))
    watch.cancel()
    assert await asyncio.wait_for(process.wait(), GIVE_UP_SECONDS) == 0, said
    for secret in (BOT, APP, KEY):
        assert secret not in said
    assert "That is no text in this terminal's encoding. Type it again." in said
    assert f"Partner ID, with its leading zeros: {PARTNER}" in said
    assert desk.values["SLACK_BOT_TOKEN"] == BOT


def _type(terminal: int, lines: list[str]) -> str:
    """Answers each prompt once it stands there, as a person does; all that the terminal showed."""
    said, answered = b"", 0
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            break
        if not part:
            break
        said += part
        if answered < len(lines) and said.rstrip(b" ").endswith(b":") and said.endswith(b": "):
            os.write(terminal, f"{lines[answered]}\n".encode(errors="surrogateescape"))
            answered += 1
    os.close(terminal)
    return said.decode()


@pytest.fixture
def everybodys_folder() -> Iterator[Path]:
    """One that every user may look into, as pytest's are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize(
    "mode", [pytest.param(0o555, id="may be looked into"), pytest.param(0, id="may not even be looked into")]
)
async def test_a_place_that_cannot_be_written_is_told_at_once(mode: int, everybodys_folder: Path) -> None:
    # Root may write everywhere, and so it is somebody else who tries.
    command_line = OTHER.command if os.geteuid() == 0 else PYTHON
    async with a_desk(everybodys_folder) as desk:
        desk.file.parent.mkdir(mode)
        status, said = await desk.setup([], command_line=command_line, HOME="/")
        desk.file.parent.chmod(0o700)
    assert status == 1
    assert "cannot be written by this user" in said
    assert "Bot token" not in said
