"""`python watchdog.py FOLDER`: when its standard input ends, kills whatever works in the folder, and removes it.

The pipe ends with the process that holds the other side, however that one ends: no server outlives its tests. Whoever
ends all processes of a clone at once, this one too, ends the servers with it.
"""

import ctypes
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

_IPC_RMID = 0
"""From linux/ipc.h; shmctl(2), read 2026-11."""


def processes_in(folder: Path) -> set[int]:
    """Those whose working directory is the folder or below it: a server's, all its children's, any tool's."""
    found = set[int]()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):  # it has ended, or is somebody else's
                where = Path(str(Path(entry.path, "cwd").readlink()).removesuffix(" (deleted)"))
                if where.is_relative_to(folder):
                    found.add(int(entry.name))
    return found


def signal_all(folder: Path, number: signal.Signals) -> None:
    for pid in processes_in(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def kill_all(folder: Path) -> None:
    """All at one moment, as a machine dies: stopped first, none of them sees another's end and acts on it."""
    stopped = set[int]()
    while (running := processes_in(folder) - stopped) != set():
        for pid in running:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        stopped |= running
    while processes_in(folder):
        signal_all(folder, signal.SIGKILL)


def clear(folder: Path) -> None:
    """End everything, and leave nothing."""
    kill_all(folder)
    for file in folder.glob("*/postmaster.pid"):
        _remove_shared_memory(file)
    shutil.rmtree(folder, ignore_errors=True)


def _remove_shared_memory(file: Path) -> None:
    """Of a killed server: the kernel keeps the segment by which its next start would see that it is alone."""
    with suppress(OSError, IndexError, ValueError):
        _key, segment = file.read_text(encoding="utf-8").splitlines()[6].split()
        ctypes.CDLL(None).shmctl(int(segment), _IPC_RMID, None)


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: sys.exit())
    try:
        sys.stdin.buffer.read()
    finally:
        clear(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
