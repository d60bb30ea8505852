"""The settings file, written whole or not at all, and readable by nobody else."""

import os
import stat
from pathlib import Path

from bot.whole_file import whole_file

FOR_ITS_OWNER_ALONE = 0o600


def cannot_write(path: Path) -> str | None:
    """Why the file could not be written, told before anybody answers a dozen questions; None where it could."""
    not_allowed = (
        f"{path} cannot be written by this user. Run it with sudo, or name another: kyc-bot --settings FILE setup"
    )
    target = path.resolve()
    try:
        is_folder, is_file, is_there = target.is_dir(), target.is_file(), target.exists()
    except PermissionError:
        # The folder does not even say what lies in it, as /etc/kyc-bot does not to anybody but root.
        return not_allowed
    if is_folder:
        return f"{path} is a folder. Name a file: kyc-bot --settings FILE setup"
    if is_there and not is_file:
        # It is replaced at the end: a device would be gone for everybody, and a pipe has nobody to read it.
        return f"{path} is a device or a pipe. Name a file: kyc-bot --settings FILE setup"
    folder = next(each for each in target.parents if each.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return not_allowed
    return None


def write(path: Path, text: str) -> None:
    """Replaces the file at once. A new one is for its owner alone; an old one keeps owner and group, and loses others.

    Raises OSError, and then leaves what was there.
    """
    target = path.resolve()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    old = target.stat() if target.exists() else None
    with whole_file(target) as file:
        file.write(text.encode())
        if old is not None:
            if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), old.st_uid, old.st_gid)
            # The group may be the service's own: it keeps what it had to read with.
            os.fchmod(file.fileno(), FOR_ITS_OWNER_ALONE | stat.S_IMODE(old.st_mode) & stat.S_IRGRP)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
