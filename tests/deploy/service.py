"""As much of systemd as the unit needs to be started by: its user, folders, credentials and command."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.deploy.machine import Machine
from tests.patience import GIVE_UP_SECONDS

UNIT = "/etc/systemd/system/kyc-bot.service"


class Service:
    """`systemctl start` and `stop` of the installed unit, on a scratch machine where no systemd runs."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.process: subprocess.Popen[str] | None = None

    def obey(self, words: Sequence[str]) -> None:
        """What stands behind `sudo systemctl`."""
        match words:
            case ["daemon-reload"]:
                assert self.machine.path(UNIT).is_file()
            case ["enable", "--now", "kyc-bot"] | ["start", "kyc-bot"]:
                self.start()
            case ["stop", "kyc-bot"]:
                self.stop()
            case _:
                raise AssertionError(f"systemctl {' '.join(words)} is nothing that this stand-in knows")

    def start(self) -> None:
        """Until the bot says that it listens."""
        assert self.process is None
        unit = self._unit()
        user, group = unit["User"][0], unit["Group"][0]
        for kind, parent in (("State", "/var/lib"), ("Cache", "/var/cache")):
            mode, name = unit[f"{kind}DirectoryMode"][0], unit[f"{kind}Directory"][0]
            self.machine.run(f"install -d -o {user} -g {group} -m {mode} {parent}/{name}", user="root")
        environment = dict(each.split("=", 1) for each in unit["Environment"])
        environment["CREDENTIALS_DIRECTORY"] = self._credentials(unit["LoadCredential"], user)
        prepared = f"ulimit -c {unit['LimitCORE'][0]}; umask {unit['UMask'][0]}; cd {unit['WorkingDirectory'][0]}"
        line = f"{prepared} && exec {unit['ExecStart'][0]}"
        self.process = subprocess.Popen(
            self.machine.command(line, user=user, environment=environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        assert "listens" in self.process.stdout.readline()

    def stop(self) -> None:
        """SIGTERM; a repeat is harmless."""
        if self.process is not None:
            self.process.terminate()
            self.process.communicate(timeout=GIVE_UP_SECONDS)
            assert self.process.returncode == 0
            self.process = None

    def _unit(self) -> dict[str, list[str]]:
        settings: dict[str, list[str]] = {}
        for line in self.machine.path(UNIT).read_text(encoding="utf-8").splitlines():
            name, is_setting, value = line.partition("=")
            if is_setting and not line.startswith("#"):
                settings.setdefault(name, []).append(value)
        return settings

    def _credentials(self, wanted: Sequence[str], user: str) -> str:
        """A folder for this user alone, with a copy that it can only read."""
        folder = Path("/var/lib/credentials-of-kyc-bot")
        self.machine.run(f"install -d -o {user} -m 0700 {folder}", user="root")
        for each in wanted:
            name, _, source = each.partition(":")
            self.machine.run(f"install -o {user} -m 0400 {source} {folder}/{name}", user="root")
        return str(folder)
