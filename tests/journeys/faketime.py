"""A machine whose wall clock the test sets while the bot's process runs: libfaketime moves the wall clock alone.

Monotonic time, by which the process sleeps, goes on evenly, as it does when an operator or NTP sets a real clock.
Debian's package is `libfaketime`; where it is missing, its tests say so and are left out.
"""

import os
from pathlib import Path

_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib")


def library() -> Path | None:
    """The build of it for programs with threads, wherever the distribution puts it."""
    found = [path for folder in _FOLDERS for path in Path(folder).glob("**/faketime/libfaketimeMT.so.1")]
    return found[0] if found else None


def why_not() -> str | None:
    return None if library() else "libfaketime is not installed: no process is run under a clock that is set"


def required() -> bool:
    """`.ci/run` has installed it: that it is not found is a failure then, and no excuse."""
    return "NEEDS_FAKETIME" in os.environ


class WallClock:
    """What the process takes for the time of day: real time plus an offset."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "faketime"
        self.set(0)

    def set(self, seconds: float) -> None:
        """From now on the process's wall clock is this far from the real one."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+g}\n", encoding="ascii")
        # The process reads the file at each look at the clock: it must never find half of it.
        new.replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to live by this clock."""
        return {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Debian's build else lets every timed wait for Python's lock end at once: threads would spin.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            # Backups and logs are files, whose times belong to the real machine.
            "NO_FAKE_STAT": "1",
        }
