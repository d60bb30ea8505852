"""The nine photos that a customer has taken: where the loader gets them, and what is wrong with them."""

from collections.abc import Sequence
from typing import Any

from bot.domain.capture.upload import FRAMES, CapturedPhotos
from bot.domain.check.check import PhotoKind, PhotoRef
from bot.domain.check.photo_quality import Flaw, same_pictures
from bot.errors import FlawedPhoto, PhotoUnusable
from bot.submission.photo_memory import Share
from bot.submission.photos import FetchedPhoto, LoadedPhoto

TAKEN = (
    PhotoRef(kind=PhotoKind.SELFIE, position=0, file_id=""),
    *(PhotoRef(kind=PhotoKind.LIVENESS, position=position, file_id="") for position in range(FRAMES)),
)
"""They are files nowhere."""
STANDS_STILL_BITS = 2
"""Of 256, by which two pictures of a camera that shows one and the same thing differ. A customer who hardly moves makes
pictures 5 to 13 bits apart, of which attached ones would be taken for copies."""

_UNUSABLE = "unusable"


class TakenPhotos:
    """Implements `bot.submission.photos.PhotoOrigin`: gives them once, and lets go of them."""

    def __init__(self, photos: CapturedPhotos) -> None:
        self._photos: CapturedPhotos | None = photos

    async def fetch(self, refs: Sequence[PhotoRef], share: Share) -> list[FetchedPhoto]:
        photos, self._photos = self._photos, None
        if photos is None:
            raise RuntimeError("photos are given once")
        each = [photos.selfie if ref.kind is PhotoKind.SELFIE else photos.liveness[ref.position] for ref in refs]
        await share.take(sum(map(len, each)))
        return [FetchedPhoto(data=data) for data in each]


def flawed(photos: Sequence[LoadedPhoto]) -> list[FlawedPhoto]:
    """What would keep Smile ID from using them, as far as it can be seen."""
    flaws = [
        FlawedPhoto(it.ref.kind, None if it.ref.kind is PhotoKind.SELFIE else it.ref.position + 1, flaw)
        for it in photos
        for flaw in it.photo.quality.flaws
    ]
    if same_pictures([it.photo.quality.picture for it in photos], alike_bits=STANDS_STILL_BITS):
        flaws.append(FlawedPhoto(PhotoKind.LIVENESS, None, Flaw.SAME_PICTURE))
    return flaws


def unusable(fault: PhotoUnusable) -> FlawedPhoto:
    """The same of a photo that does not decode."""
    number: Any = fault.facts.get("liveness_image")
    return FlawedPhoto(PhotoKind.SELFIE if number is None else PhotoKind.LIVENESS, number, _UNUSABLE)
