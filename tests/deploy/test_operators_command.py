"""`deploy/kyc-bot` on a scratch machine, with a command in the bot's place that shows what reaches it."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.deploy.machine import OPERATOR, Machine, scratch_machine
from tests.deploy.test_installation import ROOT
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.installation, pytest.mark.slow]

SECRET = "xoxb-of-nobody"
COMMAND = "/usr/local/sbin/kyc-bot"
SHOWS = """#!/bin/sh
[ "$1" = --settings ] || { echo "$(id -un): $*"; exit; }
echo "$(id -un)|$(cat "$2")|$(cat "$2")|$(umask) $(ulimit -c)|$PWD"
shift 2
echo "$*"
env | sort
case "$1" in
  wait) exec sleep 600 ;;
  end) exit "$2" ;;
esac
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with scratch_machine() as made:
        made.run(
            "useradd --system --user-group --home-dir /var/lib/kyc-bot --shell /usr/sbin/nologin kyc-bot", user="root"
        )
        made.run("install -d -m 0755 /opt/kyc-bot/bin && install -d -m 0700 /etc/kyc-bot", user="root")
        made.run("install -d -o kyc-bot -m 0700 /var/lib/kyc-bot", user="root")
        made.write_as_root("/etc/kyc-bot/env", f"SLACK_BOT_TOKEN={SECRET}\n")
        made.write_as_root("/opt/kyc-bot/bin/kyc-bot", SHOWS)
        made.write_as_root(COMMAND, (ROOT / "deploy/kyc-bot").read_text(encoding="utf-8"))
        made.run(f"chmod 0755 /opt/kyc-bot/bin/kyc-bot {COMMAND}", user="root")
        yield made


@contextmanager
def started(machine: Machine, line: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    command = machine.command(f"exec {COMMAND} {line}", user="root", environment=environment)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def copies_in_run(machine: Machine) -> str:
    return machine.run("find /run -maxdepth 1 -name 'kyc-bot.*' -size +0", user="root")


def test_the_command_runs_as_the_services_user_with_its_settings_and_gives_its_exit_code(machine: Machine) -> None:
    with started(machine, "end 7", HTTPS_PROXY="http://of-root.example:3128", KYC_PORT="1") as command:
        said, _ = command.communicate(timeout=GIVE_UP_SECONDS)
    user, settings, again, umask, folder = said.splitlines()[0].split("|")
    assert (command.returncode, user, umask, said.splitlines()[1]) == (7, "kyc-bot", "0077 0", "end 7")
    # It can be read more than once, and a database named without a folder is the service's.
    assert (settings, again, folder) == (*(f"SLACK_BOT_TOKEN={SECRET}",) * 2, "/var/lib/kyc-bot")
    # As for the service: nothing of root's environment, whose proxy or port would win over the file's.
    names = {line.partition("=")[0] for line in said.splitlines()[2:]}
    assert names <= {"HOME", "LOGNAME", "MPLCONFIGDIR", "OLDPWD", "PATH", "PWD", "SHELL", "SHLVL", "TERM", "USER", "_"}
    assert "HOME=/var/lib/kyc-bot" in said


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_ends_the_command_itself_and_no_copy_of_the_secrets_stays(machine: Machine, kill: int) -> None:
    with started(machine, "wait") as command:
        assert command.stdout is not None
        assert SECRET in command.stdout.readline()
        # Not even while it runs has the copy a name.
        assert copies_in_run(machine) == ""
        command.send_signal(kill)
        # Its end of the pipe is closed: nothing that the command has started runs on.
        command.communicate(timeout=GIVE_UP_SECONDS)
    assert command.returncode == -kill
    assert copies_in_run(machine) == ""


def test_who_is_not_root_is_told_what_to_type_except_for_what_needs_no_settings(machine: Machine) -> None:
    refused = subprocess.run(
        machine.command(f"exec {COMMAND} check --json"), capture_output=True, text=True, check=False
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "Only root may read /etc/kyc-bot/env. Type: sudo kyc-bot check --json\n"
    for line in ("manifest --url https://kyc.example.com", "--version", "--help"):
        assert machine.run(f"{COMMAND} {line}") == f"{OPERATOR}: {line}\n"
