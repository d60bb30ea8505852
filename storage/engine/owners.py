"""Who owns the files of a database, so that the bot can still open them after root has worked on them.

Root opens everything; the bot's own user opens only its own files, which are private. So whatever is made beside a
database goes to the database's owner, or nothing is made at all.
"""

import os
import pwd
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bot.errors import DatabaseFault


@dataclass(frozen=True, slots=True)
class Owner:
    """A user and a group, as numbers: the user may have no name here."""

    uid: int
    gid: int

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """None for a path that is not there, or that this user may not look at."""
        try:
            status = path.stat()
        except OSError:
            return None
        return cls(status.st_uid, status.st_gid)

    def __str__(self) -> str:
        return _name(self.uid)


def wanted(database: Path) -> Owner | None:
    """Who has to own what is made beside this database: its owner, or its folder's before root first makes it.

    None: whoever makes it, which is right for a first start by the bot's own user in a folder of another's.
    """
    return Owner.of(database) or (Owner.of(database.parent) if _is_root() else None)


def give(descriptor: int, path: Path, owner: Owner | None) -> None:
    """Give a file or folder that this process has just made, and still holds open, to its owner.

    By its descriptor: `path`, which is for words alone, might lead elsewhere by now, and root would give that away.
    Raises DatabaseFault if the file cannot be theirs; the caller then removes it.
    """
    # Asked, not assumed: some file systems give every file to one owner, whoever makes it. And root opens everything.
    if owner is None or owner.uid in (0, os.fstat(descriptor).st_uid):
        return
    if not _is_root():
        raise DatabaseFault(
            f"{path} would belong to {_name(os.geteuid())}, and the bot's own user {owner} could not open it: "
            f"run this as {owner} or as root"
        )
    try:
        os.fchown(descriptor, owner.uid, owner.gid)
    except OSError as error:
        raise DatabaseFault(f"{path} cannot be given to {owner}: {error.strerror}") from error


def give_back(descriptor: int, path: Path, owner: Owner | None) -> None:
    """Give a plain file to its owner that an earlier command left to root; nothing happens to any other user's."""
    if _is_root() and os.fstat(descriptor).st_uid == 0:
        give(descriptor, path, owner)


def give_to_folders_owner(descriptor: int, path: Path) -> None:
    """Give a copy that root makes to the owner of the folder that it lies in, where the file system lets root do so.

    It then is the bot's in the bot's own folder of backups, and root's elsewhere, out of the bot's reach. A copy that
    stays root's is as good, so nothing is raised.
    """
    if _is_root():
        with suppress(DatabaseFault):
            give(descriptor, path, Owner.of(path.parent))


def make_folder(path: Path, owner: Owner | None) -> None:
    """Make a private folder for an owner, unless it is there. Raises OSError, and DatabaseFault as `give` does."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        give(descriptor, path, owner)
    finally:
        os.close(descriptor)


def explained(error: OSError, path: Path) -> str:
    """What the system says, and where rights are missing also whose the file or its folder is."""
    said = error.strerror or type(error).__name__
    return f"{said}{whose(path)}" if isinstance(error, PermissionError) else said


def whose(path: Path) -> str:
    """` (it belongs to root, …)` with what to do; nothing for a file or folder that is this user's own."""
    me = _name(os.geteuid())
    for each in (path, path.parent):
        owner = Owner.of(each)
        if owner is None:
            continue
        if owner.uid == os.geteuid():
            return ""
        remedy = f"as root, type chown {me}: {each}" if owner.uid == 0 else f"run this as {owner}"
        return f" ({each} belongs to {owner}, and this is {me}: {remedy})"
    return ""


def _is_root() -> bool:
    return os.geteuid() == 0


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
