"""`kyc-bot check`: an operator reads one line for each thing, and what to do where it fails.

Slack and Smile ID are played on the loopback; the public address is the listener itself, or a proxy before it.
"""

import asyncio
import base64
import os
import shutil
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlite_utils
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bot.runtime.doctor import DoctorTimeouts, Finding, about_keys, probe
from bot.sandbox.demo import ANALYST, CHANNEL, free_port, settings_for, start_bot, stop_bot
from bot.sandbox.listening import listen
from bot.sandbox.slack import Fault as SlackFault
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import Fault as SmileFault
from bot.sandbox.smile_id import SmileIDSandbox
from bot.settings import Settings
from bot.slack.manifest import SCOPES
from storage import meta
from storage.engine import inspect
from storage.engine.database import Database
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests.conftest import Took
from tests.patience import GIVE_UP_SECONDS
from tests.sandbox.slack_setup import REVIEW, serving

PATIENT = DoctorTimeouts(call=GIVE_UP_SECONDS, connect=GIVE_UP_SECONDS, part=GIVE_UP_SECONDS, probe=GIVE_UP_SECONDS)
"""A check that waits for a busy machine."""

pytestmark = pytest.mark.anyio

BVN_ALONE: dict[str, object] = {"idSelection": {"biometric_kyc": {"NG": ["BVN"], "XX": ["UNHEARD_OF"]}}}
SECRETS = (
    "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET", "SMILE_ID_API_KEY", "KYC_ENCRYPTION_KEYS",
    "KYC_DATABASE_PASSWORD",
)  # fmt: skip
READING = {
    "auth.test", "apps.connections.open", "conversations.info", "conversations.members", "users.info",
    "usergroups.users.list",
}  # fmt: skip


IS_ROOT = os.geteuid() == 0
LIKE_ANYBODY = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
"""What runs below it obeys the modes of files, although it is root's."""


class House:
    """Both stand-ins, and the folder where the database would be."""

    def __init__(self, slack: SlackSandbox, smile_id: SmileIDSandbox, folder: Path) -> None:
        self.slack = slack
        self.smile_id = smile_id
        self.database = folder / "kyc.db"

    def environment(self, *, socket_mode: bool = True, public: bool = True, **more: str) -> dict[str, str]:
        more = {"KYC_CHANNELS": CHANNEL, **more}
        return settings_for(
            self.slack, self.smile_id, database=self.database, socket_mode=socket_mode, public=public, **more
        )

    async def check(
        self, environment: dict[str, str] | None = None, *, limits: DoctorTimeouts = PATIENT, **more: str
    ) -> list[str]:
        """The lines, by the function that the command calls; no secret may stand in them, whatever is asked."""
        environment = (environment or self.environment()) | more
        found = [finding.line() for finding in await _look(Settings.load(environment), limits=limits)]
        assert_silent("\n".join(found), environment)
        return found

    async def run(
        self, environment: dict[str, str], *, below: Sequence[str] = (), more: Sequence[str] = ()
    ) -> tuple[int, list[str]]:
        """Exit code and lines of the real command, run `below` another; nothing else is said, and no secret."""
        process = await asyncio.create_subprocess_exec(
            *below, sys.executable, "-m", "bot", "check", *more, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), GIVE_UP_SECONDS)
        assert err == b""
        assert_silent(out.decode(), environment)
        assert process.returncode is not None
        return process.returncode, out.decode().splitlines()


async def _look(settings: Settings, *, limits: DoctorTimeouts, ahead: timedelta = timedelta(0)) -> list[Finding]:
    """What the command calls, on a machine whose clock is `ahead`."""
    return await probe(settings, now=lambda: datetime.now(UTC) + ahead, limits=limits)


def assert_silent(text: str, environment: dict[str, str]) -> None:
    for name in SECRETS:
        assert environment.get(name, "-") == "-" or environment[name] not in text, f"{name} is told"


def about(lines: list[str], subject: str) -> str:
    """The one line that begins with this subject."""
    (line,) = [line for line in lines if line[6:].startswith(subject)]
    return line


def failures(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("FAIL")]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_house(tmp_path) as made:
        yield made


@asynccontextmanager
async def a_house(folder: Path, scopes: tuple[str, ...] | None = SCOPES) -> AsyncIterator[House]:
    slack = SlackSandbox(scopes=scopes)
    smile_id = SmileIDSandbox(partner_id="0421", api_key="key-of-the-sandbox")
    smile_id.products = BVN_ALONE
    await slack.start()
    await smile_id.start()
    try:
        yield House(slack, smile_id, folder)
    finally:
        await smile_id.stop()
        await slack.stop()


# The whole command


@pytest.mark.processes
async def test_all_is_green_before_the_first_start_and_nothing_is_left_behind(house: House) -> None:
    """Exit 0; Slack and Smile ID were only asked, and no file was made."""
    for channel in (CHANNEL, REVIEW):
        house.slack.channels[channel].is_private = True
    code, lines = await house.run(house.environment(KYC_SUMMARY_CHANNEL=REVIEW))
    assert code == 0
    assert {line[:6] for line in lines if "consent screen" not in line} == {"ok    "}, lines
    assert [line[6:].partition(":")[0] for line in lines] == [
        "settings",
        "links for customers",
        "way out",
        "hosts for photos (KYC_UPLOAD_HOSTS)",
        "hosts for answers (KYC_RESPONSE_HOSTS)",
        "hosts for files (KYC_SLACK_FILE_HOSTS)",
        "slack token",
        "slack scopes",
        "slack app token",
        f"channel {CHANNEL} (KYC_CHANNELS)",
        f"channel {REVIEW} (KYC_REVIEW_CHANNEL, KYC_SUMMARY_CHANNEL)",
        "requesters (KYC_REQUESTERS)",
        "reviewers (KYC_REVIEWERS)",
        "admins (KYC_ADMINS)",
        "smile id credentials",
        "id types",
        "consent screen",
        "callback",
        "clock against Slack",
        "clock against Smile ID",
        "database",
        "retention",
    ]
    assert list(house.database.parent.iterdir()) == []
    assert {call.method for call in house.slack.calls if call.method} <= READING
    assert house.smile_id.jobs == {}


@pytest.mark.processes
async def test_a_missing_scope_ends_with_exit_1_and_says_how_to_get_it(tmp_path: Path) -> None:
    async with a_house(tmp_path, tuple(scope for scope in SCOPES if scope != "files:read")) as house:
        code, lines = await house.run(house.environment())
    assert code == 1
    assert [line.partition(" (")[0] for line in failures(lines)] == [
        "FAIL  slack scopes: files:read is missing. Reinstall the app from the manifest"
    ]


@pytest.mark.processes
async def test_settings_that_do_not_fit_end_with_exit_2(house: House) -> None:
    code, lines = await house.run(house.environment(KYC_REQUESTERS="amina"))
    assert code == 2
    assert lines
    assert all(line.startswith("FAIL  settings: KYC_REQUESTERS") for line in lines)


@pytest.mark.processes
async def test_it_runs_beside_the_bot_and_disturbs_nothing(house: House) -> None:
    environment = house.environment()
    process = await start_bot(environment)
    try:
        await house.slack.wait_for(lambda: house.slack.socket_count == 1)
        lines = await house.check(environment)
        assert failures(lines) == []
        assert about(lines, "callback").startswith("ok    callback: the running bot answers at http://127.0.0.1:")
        assert about(lines, "database").endswith("kyc.db: whole, the key opens it")
        assert house.slack.socket_count == 1
    finally:
        assert await stop_bot(process) == 0


async def test_a_world_without_answers_is_told_in_less_than_half_a_minute(house: House, took: Took) -> None:
    """Connections are taken and never answered: the slowest way to fail."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        lines = await house.check(
            limits=DoctorTimeouts(),
            SLACK_API_URL=f"{address}/api/",
            SMILE_ID_API_URL=f"{address}/v1",
            KYC_PUBLIC_URL=address,
        )
        took(time.monotonic() - began, less_than=30)
    for subject in ("slack token", "slack app token", "smile id credentials", "callback"):
        assert about(lines, subject).startswith("FAIL")
    assert "no answer from 127.0.0.1" in about(lines, "callback")
    assert about(lines, "database").startswith("ok")


async def test_an_answer_of_no_known_form_spoils_its_own_line_alone(house: House) -> None:
    house.slack.fail_next("conversations.info", SlackFault.half_answer(), SlackFault.half_answer())
    lines = await house.check()
    assert len(failures(lines)) == 2
    assert all("channel C0" in line and "no proper answer" in line for line in failures(lines))


async def test_names_from_outside_cannot_forge_a_line(house: House) -> None:
    house.slack.channels[CHANNEL].name = "kyc\nok    database: fine\x1b[2J"
    line = about(await house.check(), f"channel {CHANNEL}")
    assert "in #kyc ok database: fine [2J, which is public" in line


# Slack


async def test_a_token_that_slack_refuses_is_told_once_with_where_to_find_the_right_one(house: House) -> None:
    lines = await house.check(SLACK_BOT_TOKEN="xoxb-of-another-app")
    assert failures(lines) == [about(lines, "slack token")]
    assert "(invalid_auth). Copy the Bot User OAuth Token (xoxb-…)" in failures(lines)[0]
    assert about(lines, "channels and roles").startswith("note")


async def test_a_revoked_token_asks_for_a_new_installation(house: House) -> None:
    house.slack.fail_next("auth.test", SlackFault.error("token_revoked"))
    assert "Install the app to the workspace again" in about(await house.check(), "slack token")


async def test_a_persons_token_is_not_a_bots(house: House) -> None:
    async def me(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "user": "amina", "user_id": ANALYST, "team": "Acme"})

    app = web.Application()
    app.router.add_post("/api/{method}", me)
    async with serving(app) as address:
        line = about(await house.check(SLACK_API_URL=f"{address}/api/"), "slack token")
    assert line.startswith("FAIL  slack token: it belongs to a person")


async def test_slack_that_does_not_say_the_scopes_is_a_note(house: House) -> None:
    async def me(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "user": "kyc", "user_id": "U0", "bot_id": "B0", "team": "Acme"})

    app = web.Application()
    app.router.add_post("/api/{method}", me)
    async with serving(app) as address:
        line = about(await house.check(SLACK_API_URL=f"{address}/api/"), "slack scopes")
    assert line.startswith("note  slack scopes: Slack did not say")


async def test_an_app_token_that_slack_refuses_says_what_it_needs(house: House) -> None:
    lines = await house.check(SLACK_APP_TOKEN="xapp-of-nobody")
    assert failures(lines) == [about(lines, "slack app token")]
    assert "connections:write" in failures(lines)[0]


async def test_a_signing_secret_is_left_to_slacks_first_request(house: House) -> None:
    environment = house.environment(socket_mode=False)
    lines = await house.check(environment)
    line = about(lines, "slack signing secret")
    assert line.startswith("note")
    assert f"{environment['KYC_PUBLIC_URL']}/slack/events" in line
    assert failures(lines) == []


async def test_slack_out_of_reach_leaves_the_rest_to_be_looked_at(house: House) -> None:
    lines = await house.check(SLACK_API_URL=f"http://127.0.0.1:{free_port()}/api/")
    assert "no connection to 127.0.0.1" in about(lines, "slack token")
    assert "no connection to 127.0.0.1" in about(lines, "slack app token")
    assert about(lines, "clock against Slack").startswith("note")
    assert about(lines, "smile id credentials").startswith("ok")


async def test_slack_that_asks_to_wait_says_how_long(house: House) -> None:
    house.slack.fail_next("auth.test", SlackFault.rate_limited(7))
    assert about(await house.check(), "slack token").endswith("Run the check again in 7 s.")


# Channels


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"private": True, "bot_is_member": False}, "the bot cannot see it. If the id is right"),
        ({"bot_is_member": False}, "the bot is not in #other. Type /invite @kyc-bot there."),
        ({"archived": True}, "#other is archived. Unarchive it"),
        ({"ext_shared": True}, "#other is shared with another company"),
    ],
)
async def test_a_channel_that_cannot_be_used_is_told_with_its_setting(
    house: House, options: dict[str, bool], advice: str
) -> None:
    house.slack.add_channel("C0OTHER0001", "other", members=[ANALYST], **options)
    lines = await house.check(KYC_SUMMARY_CHANNEL="C0OTHER0001")
    (line,) = failures(lines)
    assert line.startswith("FAIL  channel C0OTHER0001 (KYC_SUMMARY_CHANNEL): ")
    assert advice in line


async def test_a_public_channel_for_reviewers_is_worth_a_note(house: House) -> None:
    line = about(await house.check(KYC_REVIEW_CHANNEL=CHANNEL), f"channel {CHANNEL}")
    assert line.startswith("note")
    assert "every member of the workspace can join it and read who was checked" in line
    assert "what reviewers are told and write" in line
    assert "Make it private in Slack, or name a private channel." in line
    house.slack.channels[CHANNEL].is_private = True
    assert about(await house.check(KYC_REVIEW_CHANNEL=CHANNEL), f"channel {CHANNEL}").startswith("ok")


async def test_what_is_unset_is_told_with_its_consequence(house: House) -> None:
    lines = await house.check(KYC_CHANNELS="", KYC_REVIEW_CHANNEL="", KYC_REVIEWERS="", KYC_ADMINS="")
    notes = [line for line in lines if line.startswith("note")]
    assert [line[6:].partition(" (")[0].partition(":")[0] for line in notes] == [
        *("channels", "review channel", "reviewers", "admins", "consent screen")
    ]
    assert failures(lines) == []


# Roles


async def test_groups_and_private_channels_are_counted_by_their_people(house: House) -> None:
    house.slack.add_usergroup("S0TEAM00001", [ANALYST, "U0REMI00001"])
    lines = await house.check(KYC_REQUESTERS=f"{ANALYST},S0TEAM00001,{REVIEW}", KYC_MANAGERS=ANALYST)
    assert about(lines, "requesters") == "ok    requesters (KYC_REQUESTERS): 3 people"
    assert about(lines, "managers") == "ok    managers (KYC_MANAGERS): 1 person"


async def test_everybody_may_ask_but_everybody_as_reviewer_is_a_note(house: House) -> None:
    lines = await house.check(KYC_REQUESTERS="*", KYC_REVIEWERS="*", KYC_VIEWERS="*")
    assert about(lines, "requesters") == "ok    requesters (KYC_REQUESTERS): every full member of the workspace"
    assert about(lines, "reviewers").startswith("note")
    assert about(lines, "viewers").endswith("* lets every full member of the workspace see where every check stands")


@pytest.mark.parametrize(
    ("entry", "advice"),
    [
        (CHANNEL, "(#kyc-requests) is a public channel: anybody can join it, so it gives nobody the role."),
        ("C0SHARED001", "is shared with another company, so it gives nobody the role"),
        ("C0UNSEEN001", "type /invite @kyc-bot there"),
        ("U0NOBODY001", "there is no such person. Copy the member id"),
        ("U0GONE00001", "is deactivated in Slack"),
        ("U0ROBOT0001", "is a bot"),
        ("U0STRANGER1", "belongs to another company"),
        ("U0ELSEWHERE", "belongs to another company or workspace"),
        ("U0GUEST0001", "is a guest, and only full members have a role"),
        ("U0INVITED01", "was invited and has not joined yet"),
        ("C0PENDING01", "is shared with another company, so it gives nobody the role"),
        ("C0ORG000001", "is shared with another workspace, so it gives nobody the role"),
        ("S0NOBODY001", "there is no such user group"),
        ("S0EMPTY0001", "has no members"),
        ("C0ALONE0001", "has no members"),
    ],
)
async def test_an_entry_that_gives_nobody_the_role_is_told_beside_those_that_do(
    house: House, entry: str, advice: str
) -> None:
    house.slack.add_user("U0GONE00001", "gone", deleted=True)
    house.slack.add_user("U0ROBOT0001", "robot", bot=True)
    house.slack.add_user("U0STRANGER1", "stranger", stranger=True)
    house.slack.add_user("U0ELSEWHERE", "elsewhere", team_id="T0OTHER0001")
    house.slack.add_user("U0GUEST0001", "guest", single_channel_guest=True)
    house.slack.add_user("U0INVITED01", "invited", invited=True)
    pending = house.slack.add_channel("C0PENDING01", "pending", private=True, members=[ANALYST])
    pending.pending_shared = ("T0OTHER0001",)
    house.slack.add_channel("C0ORG000001", "org", private=True, members=[ANALYST]).is_org_shared = True
    house.slack.add_usergroup("S0EMPTY0001", [])
    house.slack.add_channel("C0SHARED001", "shared", private=True, ext_shared=True, members=[ANALYST])
    house.slack.add_channel("C0ALONE0001", "alone", private=True)
    lines = await house.check(KYC_ADMINS=f"U0MUSA00001,{entry}")
    (line,) = failures(lines)
    assert line.startswith(f"FAIL  admins (KYC_ADMINS): {entry} ")
    assert advice in line
    assert "ok    admins (KYC_ADMINS): 1 person" in lines


@pytest.mark.parametrize(
    ("people", "says"),
    [
        ({"KYC_ADMINS": "", "KYC_MANAGERS": ""}, "note  approvers (KYC_BATCH_APPROVAL): nobody can approve files"),
        ({"KYC_ADMINS": "*", "KYC_MANAGERS": ""}, "note  approvers (KYC_BATCH_APPROVAL): nobody can approve files"),
        (
            {"KYC_ADMINS": ANALYST, "KYC_REQUESTERS": "*"},
            "note  approvers (KYC_BATCH_APPROVAL): one person can approve files of more than 200 checks, but not",
        ),
        ({"KYC_ADMINS": "U0MUSA00001", "KYC_REQUESTERS": ANALYST}, "ok    approvers (KYC_BATCH_APPROVAL): 1 person"),
        ({"KYC_ADMINS": "U0MUSA00001", "KYC_MANAGERS": ANALYST}, "ok    approvers (KYC_BATCH_APPROVAL): 2 people"),
    ],
)
async def test_a_site_in_which_nobody_could_approve_a_long_file_hears_it(
    house: House, people: dict[str, Any], says: str
) -> None:
    assert not [line for line in await house.check(**people) if "KYC_BATCH_APPROVAL" in line]
    line = about(await house.check(**people, KYC_BATCH_APPROVAL="200"), "approvers")
    assert line.startswith(says)


async def test_user_groups_without_a_paid_plan_are_explained(house: House) -> None:
    house.slack.fail_next("usergroups.users.list", SlackFault.error("plan_upgrade_required"))
    (line,) = failures(await house.check(KYC_ADMINS="S0TEAM00001"))
    assert "user groups need a paid plan" in line


async def test_a_scope_that_a_look_up_misses_points_at_the_line_of_the_scopes(tmp_path: Path) -> None:
    async with a_house(tmp_path, tuple(scope for scope in SCOPES if scope != "users:read")) as house:
        lines = await house.check()
    assert "users:read is missing" in about(lines, "slack scopes")
    assert "see the line of the scopes" in about(lines, "requesters")


# Smile ID


async def test_refused_credentials_say_what_to_look_at(house: House) -> None:
    lines = await house.check(SMILE_ID_PARTNER_ID="421")
    (line,) = failures(lines)
    assert line.startswith("FAIL  smile id credentials: Smile ID does not accept our credentials.")
    assert "leading zeros" in line
    assert "SMILE_ID_ENVIRONMENT is sandbox" in line


async def test_the_id_types_that_this_partner_may_use_are_counted(house: House) -> None:
    assert ": 1 of the " in about(await house.check(), "id types")


@pytest.mark.parametrize(
    ("products", "named"),
    [
        (None, "NG BVN"),
        ({"idSelection": {"biometric_kyc": {"NG": ["BVN", "NIN_V2"]}}}, "NG BVN"),
        (
            {
                "idSelection": {"biometric_kyc": {"NG": ["BVN", "NIN_V2"], "KE": ["NATIONAL_ID"]}},
                "consentRequired": {"NG": ["NIN_V2", "BVN_MFA"]},
            },
            "NG BVN and NG NIN_V2",
        ),
        ({"idSelection": {"biometric_kyc": {"KE": ["NATIONAL_ID"]}}, "consentRequired": {"NG": ["NIN_V2"]}}, None),
    ],
)
async def test_id_types_that_want_smile_ids_own_consent_screen_are_named(
    house: House, products: dict[str, object] | None, named: str | None
) -> None:
    house.smile_id.products = products
    lines = await house.check()
    found = [line for line in lines if "consent screen" in line]
    assert len(found) == (0 if named is None else 1)
    if named is not None:
        assert found[0].startswith(
            f"note  consent screen: Smile ID wants its own consent screen for {named}. Ask Smile ID"
        )
    assert failures(lines) == []


async def test_a_partner_without_biometric_kyc_is_sent_to_smile_id(house: House) -> None:
    house.smile_id.products = {"idSelection": {"biometric_kyc": {}}}
    (line,) = failures(await house.check())
    assert line.startswith("FAIL  id types: none of the ")


async def test_an_environment_that_tells_no_products_proves_nothing_and_that_is_a_note(house: House) -> None:
    house.smile_id.products = None
    lines = await house.check()
    assert about(lines, "smile id credentials").startswith("note  smile id credentials: not refused")
    assert about(lines, "id types").startswith("note  id types: Smile ID does not tell")
    assert failures(lines) == []


async def test_a_wrong_key_is_found_without_products_too(house: House) -> None:
    house.smile_id.products = None
    lines = await house.check(SMILE_ID_API_KEY="key-of-somebody-else")
    assert failures(lines) == [about(lines, "smile id credentials")]


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (SmileFault.status(200, {"hello": "world"}), "does not answer as Smile ID does. See SMILE_ID_API_URL"),
        (SmileFault.status(503), "no proper answer from 127.0.0.1"),
    ],
)
async def test_an_answer_that_is_not_smile_ids_is_explained(house: House, answer: SmileFault, advice: str) -> None:
    house.smile_id.fail_next("products_config", answer)
    assert advice in about(await house.check(), "smile id credentials")


async def test_an_answer_signed_by_somebody_else_is_not_believed(house: House) -> None:
    house.smile_id.products = None
    house.smile_id.fail_next("job_status", SmileFault.status(200, {"code": "2302", "job_complete": True}))
    assert "not signed with this API key" in about(await house.check(), "smile id credentials")


async def test_smile_id_out_of_reach_is_told(house: House) -> None:
    lines = await house.check(SMILE_ID_API_URL=f"http://127.0.0.1:{free_port()}/v1")
    assert failures(lines) == [about(lines, "smile id credentials")]
    assert "no connection to 127.0.0.1" in failures(lines)[0]


async def test_an_address_that_the_client_refuses_is_told(house: House) -> None:
    lines = await house.check(SMILE_ID_API_URL="https://10.0.0.1/v1")
    assert "must be https" in about(lines, "smile id credentials")


# Callback


async def test_without_a_public_address_the_portals_default_is_mentioned(house: House) -> None:
    line = about(await house.check(house.environment(public=False)), "callback")
    assert line.startswith("note")
    assert "default address set in its portal" in line


async def test_a_port_chosen_at_the_start_cannot_be_tried(house: House) -> None:
    line = about(await house.check(KYC_PORT="0"), "callback")
    assert line.startswith("note")


@asynccontextmanager
async def a_proxy(forward: Callable[[str], str]) -> AsyncIterator[str]:
    """A reverse proxy before the bot; `forward` turns a path into the address to ask."""

    async def pass_on(request: web.Request) -> web.Response:
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.request(request.method, forward(request.path))
        return web.Response(status=answer.status_code, body=answer.content)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pass_on)
    async with serving(app) as address:
        yield address


async def test_a_proxy_that_hands_on_is_ok(house: House) -> None:
    environment = house.environment()
    async with a_proxy(lambda path: f"{environment['KYC_PUBLIC_URL']}{path}") as address:
        lines = await house.check(environment, KYC_PUBLIC_URL=address)
    assert about(lines, "callback").startswith(
        f"ok    callback: a request comes through to this machine from {address}"
    )


async def test_a_proxy_that_changes_the_path_is_recognised(house: House) -> None:
    environment = house.environment()
    async with a_proxy(lambda path: f"{environment['KYC_PUBLIC_URL']}{path}") as address:
        lines = await house.check(environment, KYC_PUBLIC_URL=f"{address}/kyc")
    assert "a request comes through, but with another path" in about(lines, "callback")


async def test_an_address_of_something_else_is_recognised(house: House) -> None:
    async def welcome(_request: web.Request) -> web.Response:
        return web.Response(text="Welcome to nginx")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", welcome)
    async with serving(app) as address:
        line = about(await house.check(KYC_PUBLIC_URL=address), "callback")
    assert line.startswith(
        f"FAIL  callback: something else answers at {address} (HTTP 200). Point the reverse proxy at"
    )


async def test_an_address_that_redirects_is_recognised(house: House) -> None:
    async def away(_request: web.Request) -> web.Response:
        return web.Response(status=301, headers={"Location": "https://kyc.example.com/"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", away)
    async with serving(app) as address:
        line = about(await house.check(KYC_PUBLIC_URL=address), "callback")
    assert "sends the request elsewhere (HTTP 301). Put the final address in KYC_PUBLIC_URL." in line


async def test_an_address_where_nothing_answers_is_told(house: House) -> None:
    line = about(await house.check(KYC_PUBLIC_URL=f"http://127.0.0.1:{free_port()}"), "callback")
    assert "no connection to 127.0.0.1" in line
    assert "try from another one" in line


async def test_a_certificate_that_nobody_would_accept_is_told(house: House, tmp_path: Path) -> None:
    listener = await listen(web.Application(), tls=_own_certificate(tmp_path))
    try:
        address = f"https://127.0.0.1:{listener.port}"
        line = about(await house.check(KYC_PUBLIC_URL=address), "callback")
    finally:
        await listener.close()
    assert "is not accepted (self-signed certificate)" in line


async def test_a_port_that_another_program_holds_is_told(house: House) -> None:
    async with serving(web.Application()) as address:
        line = about(await house.check(KYC_PUBLIC_URL=address, KYC_PORT=address.rpartition(":")[2]), "callback")
    assert line.startswith("FAIL  callback: 127.0.0.1:")
    assert "is in use, and" in line
    assert "another program has its port" in line


async def test_a_host_that_is_not_this_machine_is_told(house: House) -> None:
    line = about(await house.check(KYC_HOST="192.0.2.1"), "callback")
    assert "cannot listen on 192.0.2.1" in line
    assert line.endswith("See KYC_HOST and KYC_PORT.")


# Clock


@pytest.mark.parametrize(
    ("ahead", "mark", "words"),
    [
        (timedelta(seconds=20), "ok", "s apart"),
        (timedelta(seconds=90), "note", "this machine is 9"),
        (timedelta(minutes=20), "FAIL", "this machine is 20 min fast. Turn on time synchronisation (NTP)"),
        (timedelta(hours=-5), "FAIL", "slow. Turn on time synchronisation (NTP)"),
    ],
)
async def test_a_clock_that_is_off_is_told_by_how_much(house: House, ahead: timedelta, mark: str, words: str) -> None:
    settings = Settings.load(house.environment())
    lines = [finding.line() for finding in await _look(settings, ahead=ahead, limits=PATIENT)]
    for whose in ("Slack", "Smile ID"):
        line = about(lines, f"clock against {whose}")
        assert line.startswith(mark)
        assert words in line


async def test_an_answer_without_a_date_is_a_note(house: House) -> None:
    async def dateless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(dateless, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        line = about(await house.check(SMILE_ID_API_URL=f"http://127.0.0.1:{port}/v1"), "clock against Smile ID")
    assert line == "note  clock against Smile ID: not compared, since the answer carries no date"


# Keys and tables


async def test_a_key_of_the_wrong_form_says_how_to_make_one(house: House) -> None:
    lines = await house.check(KYC_ENCRYPTION_KEYS="short")
    assert "kyc-bot check --new-key" in about(lines, "encryption keys")


async def test_an_operators_table_that_does_not_fit_is_told(house: House, tmp_path: Path) -> None:
    lines = await house.check(KYC_ID_TYPES=str(tmp_path / "absent.csv"))
    assert "absent.csv cannot be read" in about(lines, "tables")
    wrong = tmp_path / "codes.csv"
    wrong.write_text("nothing,that,fits\n1,2,3\n", encoding="utf-8")
    assert about(await house.check(KYC_RESULT_CODES=str(wrong)), "tables").startswith("FAIL")


# Database


async def a_database(path: Path, key: str) -> None:
    """As a bot leaves it that was started once and stopped."""
    database = await Database.open(path, sealer=Sealer.from_text([key]), migrate=migrate)
    await database.write(meta.check_key)
    await database.close()


async def test_a_database_at_rest_is_read_and_left_as_it_was(house: House) -> None:
    environment = house.environment()
    await a_database(house.database, environment["KYC_ENCRYPTION_KEYS"])
    before = (house.database.read_bytes(), house.database.stat().st_mtime_ns)
    lines = await house.check(environment)
    assert about(lines, "database") == f"ok    database: {house.database}: whole, the key opens it"
    assert (house.database.read_bytes(), house.database.stat().st_mtime_ns) == before
    assert list(house.database.parent.iterdir()) == [house.database]


@pytest.mark.processes
async def test_what_a_crashed_bot_left_in_the_log_counts(house: House) -> None:
    """The proof stands in the log alone: without it the key could not be tried."""
    environment = house.environment()
    crash = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from storage import meta\n"
        "from storage.engine.database import Database\n"
        "from storage.engine.migrations import migrate\n"
        "from storage.engine.sealing import Sealer\n"
        "async def main():\n"
        "    sealer = Sealer.from_text([os.environ['KYC_ENCRYPTION_KEYS']])\n"
        "    database = await Database.open(Path(sys.argv[1]), sealer=sealer, migrate=migrate)\n"
        "    await database.write(meta.check_key)\n"
        "    os._exit(0)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", crash, str(house.database), env=environment)
    assert await process.wait() == 0
    assert house.database.with_name("kyc.db-wal").stat().st_size > 0
    assert about(await house.check(environment), "database").endswith("whole, the key opens it")


async def test_a_database_sealed_with_another_key_asks_for_the_older_one(house: House) -> None:
    await a_database(house.database, Sealer.new_key())
    (line,) = failures(await house.check())
    assert line.startswith("FAIL  database: the database was sealed with a key that KYC_ENCRYPTION_KEYS does not hold")
    assert "KYC_ENCRYPTION_KEYS=new,old" in line


async def test_keys_that_are_to_go_and_keys_that_can_be_guessed_are_told(house: House) -> None:
    new, old, weak = Sealer.new_key(), Sealer.new_key(), base64.urlsafe_b64encode(bytes(32)).decode()
    line = about(await house.check(KYC_ENCRYPTION_KEYS=f"{new},{old}"), "encryption keys")
    assert line.startswith("note  encryption keys: 2 keys. ")
    assert "kyc-bot rekey --forget-old" in line
    line = about(await house.check(KYC_ENCRYPTION_KEYS=f"{new},{weak}"), "encryption keys")
    assert line.startswith("note  encryption keys: key 2 can be guessed. ")
    phrase = base64.urlsafe_b64encode(b"a phrase that somebody thought u").decode()
    (found,) = about_keys([phrase], in_production=True)
    assert found.line().startswith("note  encryption keys: key 1 is readable text")
    assert phrase not in found.line()
    assert about_keys([phrase], in_production=False) == []
    (line,) = failures(await house.check(KYC_ENCRYPTION_KEYS=weak))
    assert line.startswith("FAIL  encryption keys: encryption key 1 can be guessed (all its bytes are the same)")
    assert weak not in line


async def test_it_says_why_the_form_offers_no_links_and_notes_it_where_somebody_wants_them(house: House) -> None:
    name: dict[str, Any] = {"KYC_COMPANY_NAME": "Example Bank"}
    privacy: dict[str, Any] = {"KYC_PRIVACY_URL": "https://www.example.com/privacy"}
    line = about(await house.check(), "links for customers")
    said = "links for customers: not offered in the form: KYC_COMPANY_NAME and KYC_PRIVACY_URL are not set"
    assert line == f"ok    {said}"
    line = about(await house.check(**name), "links for customers")
    assert line.startswith("note  links for customers: not offered in the form: KYC_PRIVACY_URL is not set. See")
    private = house.environment(public=False, **name, **privacy)
    line = about(await house.check(private), "links for customers")
    assert line.startswith("note  links for customers: not offered in the form: KYC_PUBLIC_URL is not set. See")
    line = about(await house.check(**name, **privacy, KYC_LINK_HOURS="48"), "links for customers")
    assert line == "ok    links for customers: offered in the form; each works for 48 h"


async def test_a_key_of_the_wrong_form_leaves_the_database_to_be_looked_at(house: House) -> None:
    await a_database(house.database, Sealer.new_key())
    lines = await house.check(KYC_ENCRYPTION_KEYS="short")
    assert about(lines, "database").endswith("kyc.db: whole")


async def test_a_newer_database_asks_for_a_newer_bot(house: House) -> None:
    environment = house.environment()
    await a_database(house.database, environment["KYC_ENCRYPTION_KEYS"])
    _sql(house.database, "INSERT INTO _sqlite_migrations VALUES (99, 'kyc-bot', 'm0099_beyond', '2030-01-01')")
    (line,) = failures(await house.check(environment))
    assert "written by a newer kyc-bot (m0099_beyond): update the bot" in line


async def test_an_upgrade_that_was_killed_is_told_until_it_is_finished(house: House) -> None:
    environment = house.environment()
    await a_database(house.database, environment["KYC_ENCRYPTION_KEYS"])
    _sql(house.database, "INSERT INTO meta (name, value) VALUES ('upkeep', 'file')")
    line = about(await house.check(environment), "database")
    assert line.startswith("ok")
    assert line.endswith("its last upgrade is not finished: a running bot works on it, or the next start does")
    await a_database(house.database, environment["KYC_ENCRYPTION_KEYS"])
    assert about(await house.check(environment), "database").endswith("whole, the key opens it")


async def test_an_older_database_says_that_the_next_start_updates_it(house: House) -> None:
    environment = house.environment()
    house.database.touch(mode=0o600)
    line = about(await house.check(environment), "database")
    assert line.startswith("ok")
    assert "the next start brings it up to date (m0001_checks" in line
    assert house.database.stat().st_size == 0


async def test_the_database_of_another_program_is_not_taken(house: House) -> None:
    _sql(house.database, "CREATE TABLE cookies (name TEXT)")
    (line,) = failures(await house.check())
    assert "the file is the database of another program. See KYC_DATABASE" in line


async def test_a_file_that_is_no_database_is_told(house: House) -> None:
    house.database.write_text("certainly no database\n" * 100, encoding="utf-8")
    (line,) = failures(await house.check())
    assert "its file is not an SQLite database" in line


async def test_a_damaged_file_is_told(house: House) -> None:
    environment = house.environment()
    await a_database(house.database, environment["KYC_ENCRYPTION_KEYS"])
    _sql(house.database, "CREATE TABLE wide (x TEXT)", "INSERT INTO wide VALUES (hex(zeroblob(200000)))")
    whole = house.database.read_bytes()
    house.database.write_bytes(whole[:-8192] + bytes(8192))
    (line,) = failures(await house.check(environment))
    assert line.startswith("FAIL  database: ")
    assert "damaged" in line


async def test_a_folder_that_does_not_exist_is_told(house: House) -> None:
    (line,) = failures(await house.check(KYC_DATABASE=str(house.database / "kyc.db")))
    assert f"the folder {house.database} does not exist" in line


async def test_a_folder_in_the_databases_place_is_told(house: House) -> None:
    house.database.mkdir()
    (line,) = failures(await house.check())
    assert "is not a file" in line


@pytest.mark.processes
@pytest.mark.skipif(IS_ROOT and not shutil.which("setpriv"), reason="nothing is forbidden to root, without setpriv")
@pytest.mark.parametrize(("mode", "words"), [(0o500, "cannot be written to"), (0o700, "cannot be read and written")])
async def test_what_this_user_may_not_write_is_told(house: House, mode: int, words: str) -> None:
    house.database.touch(mode=0o400)
    house.database.parent.chmod(mode)
    try:
        code, lines = await house.run(house.environment(), below=LIKE_ANYBODY if IS_ROOT else ())
    finally:
        house.database.parent.chmod(0o700)
    (line,) = failures(lines)
    assert (code, words in line) == (1, True), line


async def test_a_file_that_others_may_read_is_worth_a_note(house: House) -> None:
    environment = house.environment()
    await a_database(house.database, environment["KYC_ENCRYPTION_KEYS"])
    house.database.chmod(0o640)
    line = about(await house.check(environment), "database files")
    assert line.startswith("note")
    assert line.endswith(f"chmod 600 {house.database}")


async def test_a_database_too_large_to_search_in_time_is_not_called_whole(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    await a_database(path, Sealer.new_key())
    numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT i FROM n"
    _sql(path, "CREATE TABLE many (x INTEGER NOT NULL)", f"INSERT INTO many {numbers}")
    assert inspect.examine(path, None, patience=timedelta(seconds=-1)).swept is False
    assert inspect.examine(path, None, patience=timedelta(minutes=1)).swept is True


def _sql(path: Path, *statements: str) -> None:
    db = sqlite_utils.Database(path)
    with db.atomic():
        for statement in statements:
            db.execute(statement)
    db.close()


def _own_certificate(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate that nobody but itself vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "own.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
