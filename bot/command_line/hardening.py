"""What every command does before anything else, so that nobody else reads what it writes or what it holds in memory."""

import os
import sys
from contextlib import suppress

_PR_SET_DUMPABLE = 4
"""From linux/prctl.h; prctl(2), read 2026-11."""


def harden() -> None:
    """New files are the owner's alone, and neither a crash nor another process of this user gets at the memory.

    The service's unit says the same; whoever starts the bot by hand has it too. A tracer that started the process, such
    as `strace`, stays. What the system does not have is left out.
    """
    os.umask(0o077)
    if sys.platform == "win32":
        return
    import resource  # absent on Windows

    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
