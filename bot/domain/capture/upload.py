"""The body with which the customer's page hands in the photos of one capture.

`KYC1`, then nine times a length of four bytes, big-endian, and that many bytes of a JPEG: the eight liveness images in
the order in which they were taken, the selfie last. One flat body needs no parser that keeps parts on disk. Whether the
bytes are pictures is for `bot.domain.check.photos` to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.errors import UploadFault, UploadMalformed

MAGIC = b"KYC1"
FRAMES = 8
"""Liveness images of one capture."""
MAX_PHOTO_BYTES = 3 * 1024 * 1024
"""The page's own photos have about 40 KB; a camera that gives more than it was asked for still fits."""
MAX_BODY_BYTES = 12 * 1024 * 1024
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedPhotos:
    """What the customer's camera took, as it was handed in: JPEGs by name alone until they are decoded."""

    liveness: tuple[bytes, ...] = field(repr=False)
    """Eight, in the order in which they were taken."""
    selfie: bytes = field(repr=False)


def pack(photos: CapturedPhotos) -> bytes:
    """The body as the page makes it. Raises UploadMalformed where `unpack` would."""
    body = bytearray(MAGIC)
    for photo in (*photos.liveness, photos.selfie):
        body += len(photo).to_bytes(_LENGTH_BYTES, "big") + photo
    unpack(bytes(body))
    return bytes(body)


def unpack(body: bytes) -> CapturedPhotos:
    """Raises UploadMalformed for everything that `pack` does not make."""
    if len(body) > MAX_BODY_BYTES:
        raise UploadMalformed(UploadFault.TOO_LARGE)
    if not body.startswith(MAGIC):
        raise UploadMalformed(UploadFault.NOT_OURS)
    *liveness, selfie = _photos(body)
    return CapturedPhotos(liveness=tuple(liveness), selfie=selfie)


def _photos(body: bytes) -> Sequence[bytes]:
    found, at = [], len(MAGIC)
    for _ in range(FRAMES + 1):
        begins = at + _LENGTH_BYTES
        length = int.from_bytes(body[at:begins], "big")
        at = begins + length
        if length > MAX_PHOTO_BYTES:
            raise UploadMalformed(UploadFault.PHOTO_TOO_LARGE)
        if at > len(body):
            raise UploadMalformed(UploadFault.TRUNCATED)
        if length == 0:
            raise UploadMalformed(UploadFault.EMPTY_PHOTO)
        found.append(body[begins:at])
    if at != len(body):
        raise UploadMalformed(UploadFault.TRAILING)
    return found
