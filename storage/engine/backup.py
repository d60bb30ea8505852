"""Backups: taken from a running bot, verified by opening them, and put back without losing what is newer.

A copy is one self-contained file, sealed like the original: it is worth nothing without the keys, and everything
with them.
"""

import os
import re
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path

from bot.errors import DatabaseFault
from storage.engine import erasure_lists, moved, owners, restored
from storage.engine.connection import explain, is_damage, read_any_text, sql_of, sync_folder, unusable_as_fault
from storage.engine.database import moment_or_none
from storage.engine.inspect import examine, examine_backup
from storage.engine.lock import DatabaseLock
from storage.engine.sealing import Sealer

SUFFIX = ".backup"
_ASIDE = ".before-restore-"
_TIME = "%Y%m%dT%H%M%SZ"

_LAST_ACT = """
    SELECT MAX(at) FROM (
        SELECT MAX(at) AS at FROM audit WHERE (ref IS NOT NULL OR actor <> 'kyc-bot') AND typeof(at) = 'text'
        UNION ALL SELECT MAX(done_at) FROM posts WHERE typeof(done_at) = 'text'
        UNION ALL SELECT MAX(received_at) FROM receipts WHERE typeof(received_at) = 'text'
    ) AS acts
"""
"""What people did, what was said to them, what Smile ID said: none of it may be lost unasked.

Somebody may have put bytes there, past the schema: they come after every text, are no time, and would hide the others.

Not what the bot tells the trail of itself at each start: a new machine is started once before a backup is put back.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a verified database file holds."""

    checks: int
    newest: datetime | None
    """When the last act was recorded."""
    altered: int = 0
    """Checks whose record is not as the bot wrote it."""
    is_older: bool = False
    """Some record, nobody can say which, was put back to an older state, or taken away."""


class Step(StrEnum):
    """How far a backup is; each is told with how much of it is done, of how much."""

    COPY = "copied"
    """Pages of the file."""
    VERIFY = "verified"
    """Checks whose record was compared."""
    SEARCH = "searched"
    """Parts of the search for damage: its pages and indexes, then its references."""


OnProgress = Callable[[Step, int, int], None]
_PAGES_AT_ONCE = 2_000
"""Between two words about the copy: eight megabytes."""


def _untold(_step: Step, _done: int, _total: int) -> None:
    """Nobody waits before a terminal."""


def verify(path: Path, sealer: Sealer, *, on_progress: OnProgress = _untold) -> Contents:
    """Open a database file without writing to it and go through all of it.

    Raises DatabaseFault if it is damaged or not ours, DatabaseNewer, WrongKey.
    """
    try:
        seen = examine_backup(
            path, sealer, on_progress=partial(on_progress, Step.VERIFY), on_search=partial(on_progress, Step.SEARCH)
        )
        with unusable_as_fault(), closing(_open(path, "ro")) as connection:
            (checks,) = connection.execute("SELECT COUNT(*) FROM verifications").fetchone()
            (newest,) = connection.execute(_LAST_ACT).fetchone()
    except DatabaseFault as fault:
        raise type(fault)(f"{path}: {fault}") from fault
    last = moment_or_none(newest)
    return Contents(checks=checks, newest=last, altered=seen.altered, is_older=seen.older)


def take(database: Path, target: Path, sealer: Sealer, *, on_progress: OnProgress = _untold) -> Contents:
    """Copy a database, in use or not, into one new file, and verify the copy by opening it.

    However large it is, it takes the same memory; `on_progress` hears how far it is.
    What root copies belongs to the owner of the folder that it lies in. Raises DatabaseFault if the target exists or
    the copy does not stand the look; then no file is left.
    """
    if not database.is_file():
        raise DatabaseFault(f"the database {database} does not exist")
    _require_serving(database)
    with unusable_as_fault(), closing(_open(database, "rw")) as source:
        _copy(source, target, on_progress)
    try:
        return verify(target, sealer, on_progress=on_progress)
    except BaseException:  # Ctrl-C too: a copy that nobody has verified is no backup
        target.unlink(missing_ok=True)
        raise


def _copy(source: sqlite3.Connection, target: Path, on_progress: OnProgress) -> None:
    """An online, consistent copy into one new private file, in place only when complete. Raises DatabaseFault."""
    for path in (target, target.with_name(f"{target.name}-wal")):  # SQLite would replay a stray log into it
        if path.exists():
            raise DatabaseFault(f"{path} exists already: name a file that does not")
    try:
        with _copied(source, target, ending="-", give=owners.give_to_folders_owner, on_progress=on_progress) as copied:
            copied.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        # Whoever may read the database is who this is: another folder helps, another user does not.
        remedy = "; name a folder that this user may write to" if isinstance(error, PermissionError) else ""
        raise DatabaseFault(f"the copy {target} cannot be written: {error.strerror}{remedy}") from error


@contextmanager
def _copied(
    source: sqlite3.Connection,
    beside: Path,
    *,
    ending: str,
    give: Callable[[int, Path], None],
    on_progress: OnProgress = _untold,
) -> Iterator[Path]:
    """An online, consistent copy in a new private file, which goes unless it is given another name.

    `give` hands the file, still empty and open by its descriptor, to whom it belongs.
    """
    descriptor, name = tempfile.mkstemp(dir=beside.parent, prefix=f".{beside.name}{ending}")
    copied = Path(name)
    try:
        try:
            give(descriptor, copied)
        finally:
            os.close(descriptor)
        with unusable_as_fault(), closing(sqlite3.connect(copied)) as copy:
            _copy_snapshot(source, copy, on_progress)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, readable on its own
        yield copied
    finally:
        copied.unlink(missing_ok=True)


def _copy_snapshot(source: sqlite3.Connection, copy: sqlite3.Connection, on_progress: OnProgress) -> None:
    # On a snapshot of its own: without one SQLite begins anew whenever the bot has written between two steps, for ever.
    source.execute("BEGIN")
    try:
        source.execute("SELECT 1 FROM sqlite_schema").fetchone()
        source.backup(
            copy,
            pages=_PAGES_AT_ONCE,
            progress=lambda _status, left, total: on_progress(Step.COPY, total - left, total),
        )
    finally:
        source.execute("ROLLBACK")


def restore(
    source: Path,
    database: Path,
    sealer: Sealer,
    *,
    now: datetime,
    force: bool = False,
    on_verified: Callable[[Contents], None] = lambda _contents: None,
) -> Path | None:
    """Put a verified backup in the database's place; the bot must be stopped. Gives where the old one now lies.

    A crash at any instruction leaves the old database or the new one, and either belongs to the owner of the old one.
    `on_verified` hears what it holds before anything is changed.
    Raises DatabaseFault, and changes nothing, when the backup does not stand the look, when this user cannot give the
    new one to that owner, or when the database holds newer acts and `force` is not given; DatabaseInUse.

    What the old bot said and sent after the backup is unknown to the new one. So all that it still has to say about
    the checks of the backup is looked for in Slack first, and an attempt that it has yet to make is asked about first.
    What the old one had erased is erased again by the bot's next start, before anything else (`erasure_lists`).
    """
    database = database.resolve()
    with DatabaseLock(database):
        # Else both would serve: what was moved, and what is put in its place.
        _require_serving(database)
        contents = verify(source, sealer)
        on_verified(contents)
        if source.resolve() == database:
            raise DatabaseFault(f"{source} is the database itself")
        newest = _newest(database)
        if newest is not None and (contents.newest is None or newest > contents.newest) and not force:
            raise DatabaseFault(
                f"{database} holds newer acts (until {newest:%Y-%m-%d %H:%M:%S} UTC) than this backup; "
                "use --force to put the backup in its place all the same"
            )
        try:
            for piece in database.parent.glob(f".{database.name}.restoring-*"):  # of one that was broken off
                piece.unlink(missing_ok=True)
            give = partial(owners.give, owner=owners.wanted(database))
            with (
                unusable_as_fault(),
                closing(_open(source, "ro")) as old,
                _copied(old, database, ending=".restoring-", give=give) as new,
            ):
                _mark(new, sealer, now, _erased_since(database, sealer))
                aside = _set_aside(database, now)
                new.replace(database)
            sync_folder(database.parent)
        except OSError as error:
            why = owners.explained(error, database)
            raise DatabaseFault(f"the backup cannot be put in place: {why}") from error
    return aside


def mark_restored(
    database: Path, sealer: Sealer, *, now: datetime, erased: Sequence[erasure_lists.CarriedList] = ()
) -> datetime | None:
    """What `restore` tells a file, for one that others have put in place; the bot must be stopped.

    `erased` is taken over from the database before. Gives until when the file knows what happened. Raises
    DatabaseFault if it is damaged or not ours; DatabaseInUse, WrongKey.
    """
    database = database.resolve()
    with DatabaseLock(database):
        if not examine(database, sealer, patience=timedelta(0)).exists:
            raise DatabaseFault(f"the database {database} does not exist")
        with unusable_as_fault(), closing(_open(database, "rw")) as db:
            db.execute("BEGIN IMMEDIATE")
            erasure_lists.have_wait(sql_of(db), sealer, erased)
            known = restored.mark(sql_of(db), sealer, now=now)
            db.execute("COMMIT")
        sync_folder(database.parent)
    return moment_or_none(known)


def rotate(folder: Path, database: Path, *, keep: int) -> list[Path]:
    """Delete all but the newest `keep` scheduled backups of a database, and pieces of broken-off ones.

    Other files are left alone.
    """
    for piece in folder.glob(f".{_prefix(database)}*{SUFFIX}-*"):
        piece.unlink(missing_ok=True)
    late = sorted(_scheduled(folder, database), reverse=True)[keep:]
    for path in late:
        path.unlink(missing_ok=True)
    return late


def scheduled_name(database: Path, now: datetime) -> str:
    """A name that sorts by time."""
    return f"{_prefix(database)}{now.astimezone(UTC).strftime(_TIME)}{SUFFIX}"


def newest_scheduled(folder: Path, database: Path, *, now: datetime) -> datetime | None:
    """When the last scheduled backup was taken; one from a clock that was ahead does not count."""
    return max((at for at in _scheduled(folder, database).values() if at <= now), default=None)


def scheduled_holding(folder: Path, database: Path, refs: Collection[str]) -> list[tuple[datetime, Path]]:
    """Scheduled backups that still know the customer of one of these checks, the oldest first, and when each began."""
    found = sorted((at, path) for path, at in _scheduled(folder, database).items())
    return [(at, path) for at, path in found if erasure_lists.holds_any(path, refs)]


def set_aside_holding(database: Path, refs: Collection[str]) -> list[Path]:
    """The same of databases that a restore has set aside."""
    return [path for path in _set_aside_by(database) if erasure_lists.holds_any(path, refs)]


def remove_set_aside(database: Path, names: Collection[str]) -> None:
    """Delete databases that a restore has set aside, with their logs."""
    for path in _set_aside_by(database):
        if path.name in names:
            for ending in ("-wal", "-shm", ""):
                path.with_name(path.name + ending).unlink(missing_ok=True)
    sync_folder(database.resolve().parent)


def _set_aside_by(database: Path) -> list[Path]:
    database = database.resolve()
    found = database.parent.glob(f"{database.name}{_ASIDE}*Z")
    return sorted(found)


def _prefix(database: Path) -> str:
    return re.sub(r"[^\w.-]", "_", database.stem) + "-"


def _scheduled(folder: Path, database: Path) -> dict[Path, datetime]:
    found = {}
    for path in folder.glob(f"{_prefix(database)}*{SUFFIX}"):
        with suppress(ValueError):  # an operator's own file
            written = path.name.removeprefix(_prefix(database)).removesuffix(SUFFIX)
            found[path] = datetime.strptime(written, _TIME).replace(tzinfo=UTC)
    return found


def _require_serving(database: Path) -> None:
    """Raises DatabaseMoved. Of a file that is missing or damaged nobody can tell."""
    if database.exists():
        with suppress(sqlite3.Error), closing(_open(database, "rw")) as connection:
            moved.require_serving(connection)


def _open(path: Path, mode: str) -> sqlite3.Connection:
    # To read a database with a log beside it, SQLite must be allowed to write that log's index; the last connection
    # to be closed takes both away.
    mode = "mode=rw" if mode == "rw" or path.with_name(f"{path.name}-wal").exists() else "immutable=1"
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True, timeout=5, isolation_level=None)
    read_any_text(connection)
    return connection


def _newest(database: Path) -> datetime | None:
    """The last act of a database that may be damaged; damaged counts as holding nothing newer."""
    if not database.exists():
        return None
    try:
        with closing(_open(database, "rw")) as connection:
            (at,) = connection.execute(_LAST_ACT).fetchone()
    except sqlite3.Error:
        return None
    return moment_or_none(at)


def _erased_since(database: Path, sealer: Sealer) -> list[erasure_lists.CarriedList]:
    """The erasures of a database that may be missing or damaged: as far as it can be read."""
    if not database.exists():
        return []
    try:
        with closing(_open(database, "rw")) as connection:
            return erasure_lists.of_file(connection, sealer)
    except sqlite3.Error:
        return []


def _mark(database: Path, sealer: Sealer, now: datetime, erased: Sequence[erasure_lists.CarriedList]) -> None:
    """Write into a restored database until when it knows what happened, what is in doubt, and what is to be erased."""
    with closing(sqlite3.connect(database)) as db, db:
        erasure_lists.have_wait(sql_of(db), sealer, erased)
        restored.mark(sql_of(db), sealer, now=now)
    with database.open("rb") as file:
        os.fsync(file.fileno())


def _set_aside(database: Path, now: datetime) -> Path | None:
    """Give the old database a second name, and leave it without a log that the new one would be mixed with.

    Its own name stays until the new one takes it, so that there is a database at every instruction.
    """
    aside = database.with_name(f"{database.name}{_ASIDE}{now.astimezone(UTC).strftime(_TIME)}")
    if aside.exists():
        raise DatabaseFault(f"{aside} exists already: try again in a second")
    if database.exists():
        _fold_log(database)
        aside.hardlink_to(database)
    for ending in ("-wal", "-shm"):
        log = database.with_name(database.name + ending)
        if log.exists():  # of a file too damaged to take its log in
            log.replace(aside.with_name(aside.name + ending))
    sync_folder(database.parent)
    return aside if aside.exists() else None


def _fold_log(database: Path) -> None:
    """Take the log into the file; a damaged file keeps it beside."""
    try:
        with closing(_open(database, "rw")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        if not is_damage(error):
            raise DatabaseFault(f"the old database cannot be set aside: {explain(error)}") from error
