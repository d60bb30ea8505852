"""What the process gives away to others of its machine."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import GIVE_UP_SECONDS

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(sys.platform != "linux", reason="read from /proc, and dumpable is Linux' own word"),
]

ASKED = """
import ctypes, os, resource
from pathlib import Path
import click
from bot.__main__ import main

@main.command()
def asked() -> None:
    Path("written").write_text("x")
    is_dumpable, cores = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)
    print(is_dumpable, *cores, oct(os.stat("written").st_mode))

main(["asked"])
"""


def test_every_command_makes_private_files_and_leaves_no_picture_of_its_memory(tmp_path: Path) -> None:
    """By a command of the test's own: what stands before it stands before each."""
    told = subprocess.run(
        ["sh", "-c", 'umask 0; ulimit -S -c "$(ulimit -H -c)"; exec "$0" -c "$1"', sys.executable, ASKED],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=GIVE_UP_SECONDS,
    )
    assert told.stdout.split() == ["0", "0", "0", "0o100600"]
