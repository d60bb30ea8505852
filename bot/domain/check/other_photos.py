"""Which photos of a check must be others before it is sent, or sent again; the rest of it stays as it is."""

from collections.abc import Sequence

from bot.domain.check.check import Check, HoldReason, PhotoKind, PhotoRef
from bot.domain.check.request import FileInfo
from bot.domain.outbox import decode_fault
from bot.domain.results.codes import ResultStory
from bot.domain.review.review import Decision

_MENDED_BY_PHOTOS = frozenset({ResultStory.NO_FACE, ResultStory.PHOTO_UNUSABLE, ResultStory.FACES_DIFFER})
"""Not a spoof: whoever holds up a picture is not asked for another one."""


def may_help(check: Check) -> bool:
    """Whether a check that has ended may be sent again with other photos alone."""
    if not check.may_run_again:
        return False
    if check.decision is not None:
        return check.decision is Decision.NEW_PHOTOS
    return check.failure == "photo" or check.verdict_why in _MENDED_BY_PHOTOS


def to_replace(check: Check) -> frozenset[PhotoKind]:
    """The kinds of which no photo is sent again: what was wrong lies in them. The others are kept, unless replaced."""
    if check.held is HoldReason.PHOTOS:
        return frozenset(PhotoKind(kind) for kind, _position, _flaw in check.held_note.get("flaws", ()))
    if check.decision is Decision.NEW_PHOTOS:
        # A reviewer wants to see the customer once more: liveness images of another sitting would prove nothing.
        return frozenset(PhotoKind)
    _code, facts = decode_fault(check.failure_words or "") or ("", {})
    return frozenset({PhotoKind.LIVENESS if "liveness_image" in facts else PhotoKind.SELFIE})


def with_kept(
    check: Check, photos: Sequence[PhotoRef], *, selfie: Sequence[FileInfo], liveness: Sequence[FileInfo]
) -> tuple[Sequence[FileInfo], Sequence[FileInfo]]:
    """Selfie and liveness images as they are sent: new ones, else those that the check has and may keep."""
    replaced = to_replace(check)

    def of_kind(kind: PhotoKind, new: Sequence[FileInfo]) -> Sequence[FileInfo]:
        if new or kind in replaced:
            return new
        # Those that the customer took are nowhere any more.
        kept = (photo for photo in photos if photo.kind is kind and photo.file_id)
        return [FileInfo(id=photo.file_id, inside=photo.inside) for photo in kept]

    return of_kind(PhotoKind.SELFIE, selfie), of_kind(PhotoKind.LIVENESS, liveness)


def keeps_liveness(check: Check) -> bool:
    """Whether it has liveness images that are sent unless new ones are attached."""
    return check.liveness_images > 0 and PhotoKind.LIVENESS not in to_replace(check)
