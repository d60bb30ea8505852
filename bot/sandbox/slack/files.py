"""Files as Slack keeps them: their bytes, who holds them, and the file object that payloads carry."""

import io
import mimetypes
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from PIL import Image, UnidentifiedImageError

_SPELLINGS = {"jpeg": "jpg", "tiff": "tif", "htm": "html"}
_MIMETYPES = {"heic": "image/heic", "heif": "image/heif", "webp": "image/webp", "jpg": "image/jpeg"}


@dataclass(slots=True, kw_only=True, eq=False)
class SlackFile:
    id: str
    name: str
    content: bytes = field(repr=False)
    mimetype: str
    user: str
    user_team: str
    created: int
    shared_in: set[str] = field(default_factory=set)
    was_submitted: bool = False
    """Handed to the bot in a modal; from then on the bot may read it."""
    is_deleted: bool = False
    is_stub: bool = False
    """Slack Connect: payloads show only `check_file_info`, files.info tells the rest."""

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def extension(self) -> str:
        return PurePath(self.name).suffix.lower().lstrip(".")

    @property
    def filetype(self) -> str:
        return _SPELLINGS.get(self.extension, self.extension)

    def as_json(self, base_url: str) -> dict[str, Any]:
        """The whole file object, with addresses on this stand-in."""
        folder = f"{base_url}/files-pri/{self.user_team}-{self.id}"
        shown: dict[str, Any] = {
            "id": self.id,
            "created": self.created,
            "timestamp": self.created,
            "name": self.name,
            "title": self.name,
            "mimetype": self.mimetype,
            "filetype": self.filetype,
            "pretty_type": self.filetype.upper(),
            "user": self.user,
            "user_team": self.user_team,
            "editable": False,
            "size": self.size,
            "mode": "hosted",
            "is_external": False,
            "external_type": "",
            "is_public": any(channel.startswith("C") for channel in self.shared_in),
            "public_url_shared": False,
            "display_as_bot": False,
            "username": "",
            "url_private": f"{folder}/{self.name}",
            "url_private_download": f"{folder}/download/{self.name}",
            "media_display_type": "unknown",
            "permalink": f"{base_url}/files/{self.user}/{self.id}/{self.name}",
            "file_access": "visible",
        }
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

    def _dimensions(self) -> tuple[int, int] | None:
        try:
            with Image.open(io.BytesIO(self.content)) as image:
                return image.size
        except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError):
            return None


def guess_mimetype(name: str) -> str:
    extension = PurePath(name).suffix.lower().lstrip(".")
    return _MIMETYPES.get(extension) or mimetypes.guess_type(name)[0] or "application/octet-stream"
