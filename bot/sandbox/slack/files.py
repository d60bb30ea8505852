"""Files as Slack keeps them: their bytes, who holds them, and the file object that payloads carry."""

import asyncio
import io
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image, UnidentifiedImageError

from bot.sandbox.slack import kinds

MAX_BYTES = 1024**3
"""The largest file that Slack takes."""
IN_MEMORY_MAX_BYTES = 16 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024


@dataclass(slots=True, kw_only=True, eq=False)
class SlackFile:
    id: str
    name: str
    content: bytes = field(repr=False)
    mimetype: str
    user: str
    user_team: str
    created: int
    on_disk: Path | None = None
    """Where the bytes lie when they are too many to hold; `content` is then empty, and if set, goes before."""
    title: str = ""
    """The name, unless the uploader gave another."""
    alt_text: str = ""
    shared_in: set[str] = field(default_factory=set)
    was_submitted: bool = False
    """Handed to the bot in a modal; from then on the bot may read it."""
    is_deleted: bool = False
    is_stub: bool = False
    """Slack Connect: payloads show only `check_file_info`, files.info tells the rest."""
    external_type: str = ""
    """`gdrive`, say: kept there, and a link in Slack. Slack gives a size of 0 then, and no way to download it."""
    refusal: str = ""
    """What files.info says in place of the file: `file_not_found` or `access_denied`, as another company may decide.
    Its download is the login page then."""
    ready_at: datetime | None = None
    """Until then Slack works on the file: kind and shares are still empty."""

    @property
    def size(self) -> int:
        if self.content or self.on_disk is None:
            return len(self.content)
        return self.on_disk.stat().st_size

    @property
    def extension(self) -> str:
        return kinds.extension(self.name)

    @property
    def filetype(self) -> str:
        return kinds.filetype(self.name)

    async def chunks(self) -> AsyncIterator[memoryview | bytes]:
        """The bytes piece by piece; a file on disk is opened anew for each, so that none is left open."""
        if self.content or self.on_disk is None:
            whole = memoryview(self.content)
            for start in range(0, len(whole), _CHUNK_BYTES):
                yield whole[start : start + _CHUNK_BYTES]
            return
        for start in range(0, self.size, _CHUNK_BYTES):
            yield await asyncio.to_thread(_piece, self.on_disk, start)

    def as_json(self, base_url: str) -> dict[str, Any]:
        """The whole file object, with addresses on this stand-in."""
        folder = f"{base_url}/files-pri/{self.user_team}-{self.id}"
        name = quote(self.name, safe="")
        is_snippet = kinds.is_snippet(self.name)
        shown: dict[str, Any] = {
            "id": self.id,
            "created": self.created,
            "timestamp": self.created,
            "name": self.name,
            "title": self.title or self.name,
            "mimetype": self.mimetype,
            "filetype": self.filetype,
            "pretty_type": kinds.pretty(self.name),
            "user": self.user,
            "user_team": self.user_team,
            "editable": is_snippet,
            "size": self.size,
            "mode": "snippet" if is_snippet else "hosted",
            "is_external": False,
            "external_type": "",
            "is_public": any(channel.startswith("C") for channel in self.shared_in),
            "public_url_shared": False,
            "display_as_bot": False,
            "username": "",
            "url_private": f"{folder}/{name}",
            "url_private_download": f"{folder}/download/{name}",
            "media_display_type": "unknown",
            "permalink": f"{base_url}/files/{self.user}/{self.id}/{name}",
            "file_access": "visible",
        }
        if self.external_type:
            elsewhere = f"https://{self.external_type}.example/{self.id}"
            shown |= {"mode": "external", "is_external": True, "external_type": self.external_type, "size": 0}
            shown |= {"url_private": elsewhere, "external_url": elsewhere}
            del shown["url_private_download"]
        if self.alt_text:
            shown["alt_txt"] = self.alt_text
        if dimensions := self._dimensions():
            shown["original_w"], shown["original_h"] = dimensions
        return shown

    def as_stub(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "created": 0,
            "timestamp": 0,
            "user": "",
            "mode": "file_access",
            "file_access": "check_file_info",
        }

    def in_payload(self, base_url: str) -> dict[str, Any]:
        return self.as_stub() if self.is_stub else self.as_json(base_url)

    def in_message(self, base_url: str) -> dict[str, Any]:
        """As `in_payload`, but of a deleted file a message keeps only the place."""
        return {"id": self.id, "mode": "tombstone"} if self.is_deleted else self.in_payload(base_url)

    def _dimensions(self) -> tuple[int, int] | None:
        if not self.mimetype.startswith("image/"):
            return None
        source = io.BytesIO(self.content) if self.content or self.on_disk is None else self.on_disk
        try:
            with warnings.catch_warnings(), _opened(source) as image:
                return image.size
        except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingUpload:
    """A file of the bot's from its announcement to its completion."""

    file: SlackFile
    length_bytes: int
    """As announced; the bytes that come must be as many."""


def _opened(source: io.BytesIO | Path) -> Image.Image:
    """Only the head is read, so a picture of very many pixels is no danger here."""
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    return Image.open(source)


def _piece(path: Path, start: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(_CHUNK_BYTES)
