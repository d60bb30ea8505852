"""Canaries, and every place where one may come out again.

A canary is a text that stands nowhere else. Each comes in by one door; `Surfaces` reads all that the bot writes and all
that leaves it, by place, and says which canaries it finds there, in whatever spelling.
"""

import base64
import hashlib
import io
import json
import stat
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from bot.sandbox.slack.web_api import ApiCall
from tests.journeys.world import REVIEW_CHANNEL, SELFIE, Journey

_NOT_SHOWN = frozenset({"private_metadata", "metadata", "value", "block_id", "action_id", "callback_id", "external_id"})
"""What goes through the client of whoever clicks, and is on nobody's screen."""
_DELETED = " (deleted)"


class Surfaces:
    """What was found where: place, and the names of the canaries that stand there."""

    def __init__(self, canaries: Mapping[str, str | bytes]) -> None:
        self._spellings = {name: tuple(_spellings(text)) for name, text in canaries.items()}
        self.found: dict[str, set[str]] = defaultdict(set)
        self.seen: set[str] = set()
        """Places of which anything at all was read: one that was never looked at has proven nothing."""

    def add(self, name: str, canary: str) -> None:
        """One that was not known before; what was read so far is not searched for it."""
        self._spellings[name] = tuple(_spellings(canary))

    def read(self, place: str, content: object) -> None:
        data = content if isinstance(content, bytes) else str(content).encode()
        if not data:
            return
        self.seen.add(place)
        folded = data.lower()
        names = {
            name
            for name, spellings in self._spellings.items()
            if any(spelling in data or spelling.lower() in folded for spelling in spellings)
        }
        self.found[place] |= names

    def read_json(self, place: str, content: Any, *, hidden: str = "metadata") -> None:
        """Values that nobody sees are `hidden`, all others belong to `place`."""
        for is_shown, text in _texts(content):
            self.read(place if is_shown else hidden, text)

    def read_files(self, folder: Path) -> None:
        """The names and bytes of everything that lies in a folder: database, backups, whatever else there is."""
        for path in (one for one in folder.rglob("*") if one.is_file()):
            name = path.relative_to(folder).as_posix()
            place = "database" if name.startswith("kyc.db") else "backup" if ".backup" in name else "temporary file"
            self.read(place, path.read_bytes())
            self.read("file name on disk", name)

    def read_open_files(self) -> None:
        """Temporary files while they are open, also those that have no name any more."""
        for path in Path("/proc/self/fd").iterdir():
            try:
                target = str(path.readlink())
                if stat.S_ISREG(path.stat().st_mode) and (target.endswith(_DELETED) or _is_temporary(target)):
                    self.read("temporary file", path.read_bytes())
            except OSError:
                # Closed since it was listed.
                continue

    def read_slack(self, world: Journey) -> None:
        """All calls to Slack so far, and all answers to its requests."""
        for call in world.slack.calls:
            place = _place_of(call)
            fields = dict(call.arguments)
            if place == "notification" or "text" in fields:
                self.read(_notified(place), fields.pop("text", ""))
            self.read_json(place, fields)
        for channel in world.slack.channels.values():
            for _message, file in world.slack.bot_files(channel.id):
                place = "file in a direct message" if channel.id.startswith("D") else "file in a channel"
                for content in _unpacked(file.content):
                    self.read(place, content)
                self.read("name of a file", f"{file.name} {file.title} {file.alt_text}")
        for sent in world.slack.sent:
            if sent.delivery is not None and sent.delivery.body:
                self.read_json("window", sent.delivery.body)

    def read_smile_id(self, world: Journey) -> None:
        for request in world.smile_id.requests:
            self.read("Smile ID: request", json.dumps(request.body, ensure_ascii=False))
        for job in world.smile_id.jobs.values():
            self.read("address", job.callback_url)
            self.read("Smile ID: info.json", json.dumps(job.info, ensure_ascii=False))
            for name, data in job.entries.items():
                self.read("Smile ID: names in the zip", name)
                if name != "info.json":
                    self.read("Smile ID: photo", data)


def photo(hidden: str) -> bytes:
    """A selfie whose EXIF, comment and trailing bytes hold a text; its picture is that of the sample."""
    image = Image.open(io.BytesIO(SELFIE))
    exif = Image.Exif()
    exif[0x010E] = exif[0x8298] = hidden
    out = io.BytesIO()
    image.save(out, "JPEG", quality="keep", exif=exif, comment=hidden.encode())
    return out.getvalue() + hidden.encode()


def picture_of(jpeg: bytes) -> bytes:
    """Some of its compressed pixels."""
    middle = len(jpeg) // 2
    return jpeg[middle : middle + 48]


def _is_temporary(path: str) -> bool:
    """Where the system keeps them, but not in a folder of the test's own, where its database lies."""
    return Path(path).is_relative_to(tempfile.gettempdir()) and "/pytest-" not in path


def _spellings(canary: str | bytes) -> Iterator[bytes]:
    plain = canary if isinstance(canary, bytes) else canary.encode()
    yield plain
    for start in range(3):
        # Base64 of a longer text that it stands in: three ways to begin, without the letters at the borders.
        yield base64.b64encode(bytes(start) + plain)[4:-4]
        yield base64.urlsafe_b64encode(bytes(start) + plain)[4:-4]
    yield plain.hex().encode()
    digest = hashlib.sha256(plain)
    # A digest without a key is a canary too: there are few enough ID numbers to try them all.
    yield from (digest.digest(), digest.hexdigest().encode())
    if isinstance(canary, str):
        yield from (canary.encode("utf-16-le"), quote(canary).encode(), json.dumps(canary)[1:-1].encode())


def _unpacked(content: bytes) -> Iterator[bytes]:
    """A file as it is, and what is packed in it: a workbook is a zip."""
    yield content
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from (archive.read(name) for name in archive.namelist())


def _place_of(call: ApiCall) -> str:
    fields = call.arguments
    channel = str(fields.get("channel") or fields.get("channel_id") or "")
    match call.method:
        case "chat.postMessage" | "chat.update":
            return _kind_of(channel)
        case "chat.postEphemeral" | "response_url":
            return "private answer"
        case "views.open" | "views.push" | "views.update":
            return "window"
        case "views.publish":
            return "Home"
        case "files.completeUploadExternal":
            return f"comment of a file in {_kind_of(channel)}"
        case "files.getUploadURLExternal":
            return "name of a file"
        case "files.upload":
            return "uploaded bytes"
        case _:
            return "question to Slack"


def _kind_of(channel: str) -> str:
    if channel[:1] in "UWD":
        return "direct message"
    return "reviewers' channel" if channel == REVIEW_CHANNEL else "channel"


def _notified(place: str) -> str:
    return f"notification of a {place}" if place != "question to Slack" else place


def _texts(content: Any, *, is_shown: bool = True) -> Iterable[tuple[bool, str]]:
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from _texts(value, is_shown=is_shown and key not in _NOT_SHOWN)
    elif isinstance(content, list):
        for value in content:
            yield from _texts(value, is_shown=is_shown)
    elif isinstance(content, str) and content[:1] in "{[":
        try:
            inside = json.loads(content)
        except ValueError:
            yield is_shown, content
        else:
            yield from _texts(inside, is_shown=is_shown)
    elif content is not None:
        yield is_shown, str(content)
