"""This machine's side: ports, folders, whose files they are, and what in the environment is no setting."""

import asyncio
import difflib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bot import settings_file
from bot.errors import CannotListen
from bot.runtime.doctor.findings import DoctorTimeouts, Finding, fail, listed, note, ok
from bot.runtime.server import listen
from bot.settings import Settings, is_loopback
from storage.engine import owners
from storage.engine.owners import Owner

_OURS = re.compile("(?:KYC|SMILE_ID|SLACK)_[A-Z0-9_]+")
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
_LOOPBACK = "127.0.0.1"
_BESIDE_THE_DATABASE = ("", "-wal", "-shm", ".lock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where the settings came from."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment, and what the file of `--settings` adds to it."""
    file: Path | None = None


@dataclass(frozen=True, slots=True)
class _Port:
    setting: str
    host: str
    number: int
    path: str
    answer: bytes
    """How the bot's answer begins at that path."""


async def probe(
    settings: Settings, around: Surroundings, http: httpx.AsyncClient, limits: DoctorTimeouts
) -> list[Finding]:
    folders = await asyncio.to_thread(
        lambda: [*_settings_files(around), *_backup_folder(settings), *_head_file(settings), *_owners(settings)]
    )
    return [*unknown_names(around.values), *await _ports(settings, http, limits), *folders]


def unknown_names(values: Mapping[str, str]) -> Iterator[Finding]:
    """Names like ours that nothing reads: usually a slip of the pen, and the setting that was meant is unset."""
    names = [str(each.alias) for each in Settings.model_fields.values()]
    known = {*names, *(f"{name}_FILE" for name in names), settings_file.VARIABLE}
    for name in sorted(name for name in values if _OURS.fullmatch(name) and name not in known):
        near = difflib.get_close_matches(name.removesuffix("_FILE"), names, n=1, cutoff=0.75)
        meant = f"Did you mean {near[0]}?" if near else "docs/settings.md has all of them."
        yield note("settings", f"{name} is no setting, so nothing reads it. {meant}")


async def _ports(settings: Settings, http: httpx.AsyncClient, limits: DoctorTimeouts) -> list[Finding]:
    """The admin port, and the public one where no public address leads the check there anyway."""
    same = settings.port == settings.admin_port != 0
    if same and (settings.host in _EVERYWHERE or is_loopback(settings.host)):
        text = f"KYC_PORT and KYC_ADMIN_PORT are both {settings.port}. Name two different ones."
        return [fail("ports", text)]
    wanted = [_Port("KYC_ADMIN_PORT", _LOOPBACK, settings.admin_port, "/readyz", b'{"ready":')]
    if settings.public_url is None:
        wanted.insert(0, _Port("KYC_PORT", settings.host, settings.port, "/healthz", b"alive"))
    found = [await _port(each, http, limits) for each in wanted if each.number]
    bad = [each for each in found if not each.ok]
    return bad or ([ok("ports", listed([each.text for each in found]))] if found else [])


async def _port(port: _Port, http: httpx.AsyncClient, limits: DoctorTimeouts) -> Finding:
    at = _address(port.host, port.number)
    try:
        listen(port.host, port.number).close()
    except CannotListen as fault:
        if await _is_the_bot(port, http, limits):
            return ok("ports", f"{at} has the running bot")
        text = f"{fault}, and no kyc-bot answers there. Stop what has it, or set {port.setting} to another port."
        return fail("ports", text)
    return ok("ports", f"{at} is free")


def _address(host: str, number: int) -> str:
    return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"


async def _is_the_bot(port: _Port, http: httpx.AsyncClient, limits: DoctorTimeouts) -> bool:
    at = _address(_LOOPBACK if port.host in _EVERYWHERE else port.host, port.number)
    try:
        async with asyncio.timeout(limits.call):
            answer = await http.get(f"http://{at}{port.path}")
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
        return False
    # A bot that is starting says so with another status.
    return answer.content.startswith(port.answer)


def _settings_files(around: Surroundings) -> Iterator[Finding]:
    """Secrets that other users of the machine may read."""
    named = {name: Path(value) for name, value in around.values.items() if name.endswith("_FILE") and value}
    secret = [path for name, path in named.items() if name.removesuffix("_FILE") in _secrets()]
    open_to_others = [path for path in filter(None, (around.file, *secret)) if _others_read(path)]
    if open_to_others:
        files = " ".join(str(path) for path in open_to_others)
        yield note("settings file", f"other users of this machine may read it. Type chmod o= {files}")


def _secrets() -> set[str]:
    return {str(each.alias) for each in Settings.model_fields.values() if "SecretStr" in str(each.annotation)}


def _others_read(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IRWXO)
    except OSError:
        return False


def _backup_folder(settings: Settings) -> Iterator[Finding]:
    folder, subject = settings.backup_dir, "backup folder (KYC_BACKUP_DIR)"
    if folder is None:
        return
    who = _service_user(settings)
    if folder.is_dir():
        if _may(folder, who, os.W_OK | os.X_OK):
            yield ok(subject, f"{folder} can be written to")
        else:
            yield fail(subject, f"{folder} cannot be written to by {_called(who)}. {_remedy(folder, who)}")
    elif folder.exists():
        yield fail(subject, f"{folder} is not a folder. Name one.")
    elif folder.parent.is_dir() and _may(folder.parent, who, os.W_OK | os.X_OK):
        yield ok(subject, f"{folder} does not exist yet; the first backup makes it")
    else:
        yield fail(subject, f"{folder} does not exist, and {_called(who)} cannot make it. {_remedy(folder, who)}")


def _head_file(settings: Settings) -> Iterator[Finding]:
    file, subject, who = settings.audit_head_file, "head of the trail (KYC_AUDIT_HEAD_FILE)", _service_user(settings)
    if file is None:
        return
    place, rights = (file, os.R_OK | os.W_OK) if file.exists() else (file.parent, os.W_OK | os.X_OK)
    if not place.exists():
        yield fail(subject, f"{place} does not exist. {_remedy(place, who)}")
    elif not _may(place, who, rights):
        yield fail(subject, f"{place} cannot be written to by {_called(who)}. {_remedy(place, who)}")
    elif isinstance(settings.database, Path) and file.parent.resolve() == settings.database.resolve().parent:
        yield note(
            subject, f"{file} lies beside the database: whoever changes one can change both. Name another place."
        )
    else:
        yield ok(subject, f"{file} can be written to")


def _owners(settings: Settings) -> Iterator[Finding]:
    """Whether the bot's user can open what the bot has to open; asked as root, that is the database's owner."""
    who, beside = _service_user(settings), []
    if isinstance(settings.database, Path):
        database = settings.database.resolve()
        # Of the database itself its own line tells, except to root, who opens everything.
        ends = _BESIDE_THE_DATABASE if who else _BESIDE_THE_DATABASE[1:]
        beside = [database.with_name(f"{database.name}{end}") for end in ends]
    read_only = filter(None, (settings.result_codes, settings.id_types, settings.customer_messages, settings.ca_file))
    needs = [*((path, os.R_OK | os.W_OK) for path in beside), *((path, os.R_OK) for path in read_only)]
    for path, rights in needs:
        if path.exists() and not _may(path, who, rights):
            what = "read and write" if rights & os.W_OK else "read"
            yield fail("files", f"{_called(who)} cannot {what} {path}. {_remedy(path, who)}")


def _service_user(settings: Settings) -> Owner | None:
    """The user that the bot runs as, where root asks; None for whoever asks otherwise, and where root runs the bot.

    A server does not tell it, so root is answered for itself there.
    """
    database = settings.database
    wanted = owners.wanted(database.resolve()) if os.geteuid() == 0 and isinstance(database, Path) else None
    return None if wanted is None or wanted.uid == 0 else wanted


def _may(path: Path, who: Owner | None, rights: int) -> bool:
    if who is None:
        return os.access(path, rights)
    status = path.stat()
    shift = 6 if status.st_uid == who.uid else 3 if status.st_gid == who.gid else 0
    return (status.st_mode >> shift) & rights == rights


def _called(who: Owner | None) -> str:
    return f"the bot's user {who}" if who else "this user"


def _remedy(path: Path, who: Owner | None) -> str:
    user = who or Owner(os.geteuid(), os.getegid())
    mend = f"chown {user}: {path}" if path.exists() else f"install -d -o {user} -m 700 {path}"
    if who:
        return f"As root, type {mend}"
    return f"If this is the bot's user, type as root {mend}; if not, run this as the bot's user."
