"""The uploaded zip: which ones open, and what they must not hold.

A fault found here is no HTTP error: the `PUT` went to storage, which takes anything, and the fault becomes
the job's result message.
"""

import io
import json
import zipfile
import zlib
from typing import Any

_LARGEST_UNPACKED_BYTES = 256 * 1024 * 1024
_SDK_JUNK = "base64imgString"
"""smile_id_core 3.0.1 writes one entry of this name for each base64 image, so nine of them with liveness.

The real data is in info.json; production takes such zips, and so must we (image_upload.py,
generate_zip_file).
"""


class PackageError(Exception):
    """A zip that ends its job with this result code and text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of the zip by name; raises `PackageError` 0903 unless it is sound."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_names([entry.filename for entry in archive.infolist()])
            _check_packing(archive.infolist())
            return {entry.filename: archive.read(entry) for entry in archive.infolist()}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        # zipfile tells of broken offsets by ValueError, of encryption and unknown versions by RuntimeError.
        raise PackageError("0903", "Zip Corrupt") from error


def read_info(entries: dict[str, bytes]) -> dict[str, Any]:
    """The object in info.json; raises `PackageError` 2213 without one, 2203 if it is none."""
    if "info.json" not in entries:
        raise PackageError("2213", "Error - A required parameter is missing: info.json")
    try:
        info = json.loads(entries["info.json"])
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise PackageError("2203", "Error - Invalid JSON") from error
    if not isinstance(info, dict):
        raise PackageError("2203", "Error - Invalid JSON")
    return info


def _check_names(names: list[str]) -> None:
    for name in names:
        if not name or "/" in name or "\\" in name or name in (".", ".."):
            raise PackageError("0903", "Zip Corrupt")
    counted = [name for name in names if name != _SDK_JUNK]
    if len(counted) != len(set(counted)):
        raise PackageError("0903", "Zip Corrupt")


def _check_packing(entries: list[zipfile.ZipInfo]) -> None:
    if sum(entry.file_size for entry in entries) > _LARGEST_UNPACKED_BYTES:
        raise PackageError("0903", "Zip Corrupt")
    # Stored and deflated are all that any SDK writes.
    if any(entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for entry in entries):
        raise PackageError("0903", "Zip Corrupt")
