"""The lock that keeps a second bot from the same database file, on this machine."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import Self

from bot.errors import DatabaseFault, DatabaseInUse
from storage.engine import owners


class DatabaseLock:
    """An exclusive lock on `<database>.lock`, held from `acquire` to `release` or the process's death.

    The file stays when the lock goes: removing it would let two processes lock two files of one name.
    """

    def __init__(self, database: Path) -> None:
        real = self._database = database.resolve()
        self.path = real.with_name(f"{real.name}.lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock at once, or raise DatabaseInUse naming the process that has it."""
        try:
            descriptor = self._open()
        except OSError as error:
            why = owners.explained(error, self.path)
            raise DatabaseFault(f"the database's lock {self.path} cannot be opened: {why}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            self._descriptor = descriptor
        except BlockingIOError as error:
            raise DatabaseInUse(
                f"the database is in use by {_holder(descriptor)}, which holds {self.path}; stop it first"
            ) from error
        except OSError as error:
            raise DatabaseFault(f"the database's lock {self.path} cannot be taken: {error.strerror}") from error
        finally:
            if self._descriptor != descriptor:
                os.close(descriptor)

    def _open(self) -> int:
        """The lock's file, made where it is missing; it belongs to the database's owner. Raises DatabaseFault."""
        owner = owners.wanted(self._database)
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            return self._open_existing(owner)
        try:
            owners.give(descriptor, self.path, owner)
        except DatabaseFault:
            os.close(descriptor)
            self.path.unlink(missing_ok=True)
            raise
        return descriptor

    def _open_existing(self, owner: owners.Owner | None) -> int:
        descriptor = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            self._require_plain(os.fstat(descriptor))
            owners.give_back(descriptor, self.path, owner)
        except DatabaseFault:
            os.close(descriptor)
            raise
        return descriptor

    def _require_plain(self, status: os.stat_result) -> None:
        """Neither a link nor a file with a second name: root might be led to a file of its own, and would empty it."""
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise DatabaseFault(f"the database's lock {self.path} is not a plain file: look what it is and remove it")

    def release(self) -> None:
        """Let the lock go; a repeat is harmless."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()


def _holder(descriptor: int) -> str:
    pid = os.pread(descriptor, 20, 0).decode("ascii", errors="replace").strip()
    return f"process {pid}" if pid.isdigit() else "another process"
