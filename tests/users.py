"""Commands of the bot as users of the machine who are not the one that runs the tests; only root can play them."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as several users")

ROOT = Path(__file__).parents[1]

_AS_A_USER = """
import os, sys
uid, gid, *groups = map(int, sys.argv[1].split(","))
os.setgroups(groups)
os.setgid(gid)
os.setuid(uid)
sys.path[:0] = sys.argv[2].split(os.pathsep)
sys.argv[:] = ["kyc-bot", *sys.argv[3:]]
from bot.__main__ import main
main()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user by number, who needs no entry in the machine's list of users."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    @property
    def command(self) -> Sequence[str]:
        """What is started as this user's `kyc-bot`."""
        ids = ",".join(map(str, (self.uid, self.gid, *self.groups)))
        code = os.pathsep.join((str(ROOT), sysconfig.get_path("purelib")))
        return [everybodys_python(), "-c", _AS_A_USER, ids, code]

    def owns(self, path: Path) -> bool:
        status = path.lstat()
        return (status.st_uid, status.st_gid) == (self.uid, self.gid)


SUPERUSER = User(uid=0, gid=0)
BOT = User(uid=61_001, gid=61_001)
"""Whom the service runs as."""
OTHER = User(uid=61_002, gid=61_002, groups=(BOT.gid,))
"""Somebody in the bot's group."""


@cache
def everybodys_python() -> str:
    """A Python of this version that every user may run; root's own often lies where no other user can look.

    Skips the test where the machine has none, or where the clone and its libraries cannot be read by others.
    """
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for folder in (f"{sys.base_prefix}/bin", "/usr/bin", "/usr/local/bin"):
        if (python := Path(folder) / name).exists() and _runs_for_everybody(str(python)):
            return str(python)
    pytest.skip(f"there is no {name} here, or no clone, that other users may read")


def _runs_for_everybody(python: str) -> bool:
    code = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {sysconfig.get_path('purelib')!r}]; import bot.runtime.factory"
    try:
        tried = subprocess.run(
            [python, "-c", code],
            cwd="/",
            user=BOT.uid,
            group=BOT.gid,
            extra_groups=[],
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return tried.returncode == 0
