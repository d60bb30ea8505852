"""Becomes a command that ends with the process that started it: `python leash.py PID COMMAND…`.

A demo that is killed cannot end its bot; Linux does, by a signal that outlasts the change into the command. Elsewhere
the command simply runs.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h; prctl(2), read 2026-11."""


def on_a_leash(command: Sequence[str]) -> tuple[str, ...]:
    """The command as a child of this process, to be started by the thread that stays until the end."""
    return (sys.executable, "-I", "-S", __file__, str(os.getpid()), *command)


def main() -> None:
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        # Who died before the leash was on sends no signal.
        if os.getppid() != int(parent):
            sys.exit(128 + signal.SIGTERM)
    os.execvp(command[0], command)  # noqa: S606 - the very command that was handed in


if __name__ == "__main__":
    main()
