"""docs/install.md, word for word: its commands on a scratch machine, as the users that it names, up to a checked one.

Not as there: the addresses of Slack and Smile ID are those of the stand-ins, and no systemd runs, so `systemctl` starts
what the unit says (`tests/deploy/service.py`).
"""

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.sandbox.demo import free_port
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox
from tests.deploy.machine import OPERATOR, Machine, scratch_machine
from tests.deploy.service import UNIT, Service
from tests.journeys.site import Site
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.installation]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/install.md").read_text(encoding="utf-8")
BEFORE = "before"
"""The version that the way back leads to."""


def commands(marker: str) -> list[str]:
    """The lines of all blocks of the page that are marked so, in their order."""
    blocks = re.findall(rf"^ *<!-- {re.escape(marker)} -->\n\n((?: {{4,}}\S.*\n)+)", PAGE, re.MULTILINE)
    return [line.strip() for block in blocks for line in block.splitlines()]


def whose() -> Iterator[tuple[str, str, str]]:
    """Path, owner and mode, as the page's table says."""
    yield from re.findall(r"^\| `(/\S+)` \| (\S+) \| (\d{4}) \|", PAGE, re.MULTILINE)


def publish(machine: Machine) -> Path:
    """This clone as it lies here, as a repository of the operator's that can be cloned; with a version before."""
    source = machine.root / "source"
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    machine.run(f"chown -R {OPERATOR}:{OPERATOR} {source}", user="root")
    commit(machine, source, f"git init -q && git add -A && {COMMIT} && git tag {BEFORE}")
    return source


COMMIT = "git -c user.name=Nobody -c user.email=nobody@example.com commit -q -m Publish"


def commit(machine: Machine, source: Path, line: str) -> None:
    machine.run(f"(cd {source} && {line})")


@asynccontextmanager
async def stand_ins() -> AsyncIterator[tuple[SlackSandbox, SmileIDSandbox]]:
    slack = SlackSandbox()
    smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", callback_delay_seconds=0.1)
    await slack.start()
    await smile_id.start()
    try:
        yield slack, smile_id
    finally:
        await smile_id.stop()
        await slack.stop()


def addresses(slack: SlackSandbox, smile_id: SmileIDSandbox) -> str:
    """What a settings file holds that was made before `setup`, and what a stranger's would not."""
    ports = f"KYC_PORT={free_port()}\nKYC_ADMIN_PORT={free_port()}\n"
    return f"SLACK_API_URL={slack.api_url}\nSMILE_ID_API_URL={smile_id.base_url}\n{ports}"


def answers(slack: SlackSandbox, smile_id: SmileIDSandbox, *, database: str) -> list[str]:
    """To the questions of `setup`, in their order; an empty one takes what is proposed."""
    tokens = [slack.bot_token, slack.app_token]
    account = ["sandbox", smile_id.partner_id, smile_id.api_key]
    people = ["@amina", "@remi", "", "", "@musa"]
    channels = ["#kyc-requests", "#kyc-review", "-"]
    return [*tokens, *account, *people, *channels, "-", database, "y"]


async def ask_and_be_answered(slack: SlackSandbox, smile_id: SmileIDSandbox, machine: Machine, *, count: int) -> None:
    """A person asks for a check, and reads that it is approved."""
    await slack.wait_for(lambda: slack.socket_count == 1, GIVE_UP_SECONDS)
    world = Site(slack, smile_id, machine.root, {})
    await world.ask()
    said = "Approved — face and ID number verified"
    await slack.wait_for(lambda: sum(said in reply for reply in world.replies()) == count, GIVE_UP_SECONDS)


async def test_as_yourself_the_page_leads_to_a_green_check_and_an_approved_one() -> None:
    lines, began = commands("as yourself"), time.monotonic()
    assert [line.split()[0] for line in lines[:3]] == ["git", "cd", "make"]
    assert not any("sudo" in line for line in lines)
    with scratch_machine() as machine:
        source = publish(machine)
        async with stand_ins() as (slack, smile_id):
            for line in lines[:-1]:
                typed: Sequence[str] = ()
                if line.endswith(" setup"):
                    machine.run(f"umask 077; printf %s '{addresses(slack, smile_id)}' >kyc.env")
                    typed = answers(slack, smile_id, database="")
                said = await asyncio.to_thread(machine.run, line.replace(ADDRESS, str(source)), typed=typed)
                if line.endswith(" check"):
                    assert_green(said)
            print(f"\nas yourself, to a green check: {time.monotonic() - began:.0f} s")
            serve = machine.start(f"exec {lines[-1]}")
            try:
                await ask_and_be_answered(slack, smile_id, machine, count=1)
                print(f"as yourself, to the first approved check: {time.monotonic() - began:.0f} s")
            finally:
                serve.terminate()
                assert await asyncio.to_thread(serve.wait, GIVE_UP_SECONDS) == 0
        home = f"/home/{OPERATOR}/kyc-bot"
        assert {machine.user_of(f"{home}/{name}") for name in ("kyc.env", "kyc.db", "production")} == {OPERATOR}
        assert machine.mode_of(f"{home}/kyc.env") == machine.mode_of(f"{home}/kyc.db") == "0600"
        # Nor does a later `git add` take along secrets or people.
        assert machine.run("git status --porcelain") == ""


async def test_as_a_service_the_page_leads_to_a_green_check_an_upgrade_and_back() -> None:
    began = time.monotonic()
    with scratch_machine() as machine:
        source, service = publish(machine), Service(machine)
        async with stand_ins() as (slack, smile_id):

            async def follow(marker: str) -> None:
                lines = commands(marker)
                assert lines
                for line in lines:
                    said = await asyncio.to_thread(carry_out, line)
                    if line == "sudo kyc-bot check":
                        assert_green(said)
                        print(f"\n{marker}, to a green check: {time.monotonic() - began:.0f} s")

            def carry_out(line: str) -> str:
                typed: Sequence[str] = ()
                if line.startswith("sudo systemctl "):
                    service.obey(line.split()[2:])
                    return ""
                if line == "sudo kyc-bot setup":
                    machine.write_as_root("/etc/kyc-bot/env", addresses(slack, smile_id))
                    typed = answers(slack, smile_id, database="")
                line = line.replace(ADDRESS, str(source)).replace("THE-VERSION-BEFORE", BEFORE)
                return machine.run(line, typed=typed)

            try:
                await follow("as a service")
                await ask_and_be_answered(slack, smile_id, machine, count=1)
                print(f"as a service, to the first approved check: {time.monotonic() - began:.0f} s")
                assert_owned_as_the_page_says(machine)
                assert_the_bot_can_change_only_its_data(machine)
                assert_systemd_takes_the_unit(machine)
                commit(machine, source, f"echo >>CHANGELOG.md && git add -A && {COMMIT}")
                await follow("upgrade")
                await ask_and_be_answered(slack, smile_id, machine, count=2)
                await follow("way back")
                await slack.wait_for(lambda: slack.socket_count == 1, GIVE_UP_SECONDS)
                assert_owned_as_the_page_says(machine)
            finally:
                service.stop()
        assert machine.run("find /run -maxdepth 1 -name 'kyc-bot.*'", user="root") == ""


ADDRESS = "ADDRESS-OF-THIS-REPOSITORY"


def assert_green(said: str) -> None:
    assert "FAIL" not in said, said
    assert said.count("\nok ") > 5, said


def assert_owned_as_the_page_says(machine: Machine) -> None:
    found = list(whose())
    assert len(found) == 5
    assert [(path, machine.user_of(path), machine.mode_of(path)) for path, _owner, _mode in found] == found
    state = "/var/lib/kyc-bot"
    names = machine.run(f"find {state} -printf '%u %m %f\\n'", user="root").splitlines()
    assert {line.split()[0] for line in names} == {"kyc-bot"}
    assert {line.split()[1] for line in names if "kyc.db" in line} == {"600"}
    assert machine.run("find /opt/kyc-bot ! -user root -o -perm /022 ! -type l", user="root") == ""


def assert_the_bot_can_change_only_its_data(machine: Machine) -> None:
    for path in ("/opt/kyc-bot", "/etc/kyc-bot", "/etc/kyc-bot/env"):
        machine.run(f"! sudo -u kyc-bot test -w {path}")
    machine.run("! sudo -u kyc-bot test -r /etc/kyc-bot/env")
    machine.run("sudo -u kyc-bot test -w /var/lib/kyc-bot && sudo -u kyc-bot test -w /var/backups/kyc-bot")


def assert_systemd_takes_the_unit(machine: Machine) -> None:
    """Where systemd is installed, which `.ci/run` sees to."""
    if shutil.which("systemd-analyze"):
        assert machine.run(f"systemd-analyze verify {UNIT}", user="root") == ""
        machine.run(f"systemd-analyze security --offline=true --threshold=30 {UNIT}", user="root")


def test_every_command_of_the_page_is_carried_out_or_is_the_containers() -> None:
    blocks = re.findall(r"^(?: {4,}|\t)(?!\S*<!--)(\S.*)$", PAGE, re.MULTILINE)
    typed = [
        line.strip() for line in blocks if re.match(r"(sudo|git|cd|make|production|docker|kyc-bot)\b", line.strip())
    ]
    carried_out = [
        line for marker in ("as yourself", "as a service", "upgrade", "way back") for line in commands(marker)
    ]
    assert [line for line in typed if not line.startswith("docker ")] == carried_out
