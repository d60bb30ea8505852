"""What the requester is asked before a check is paid for: photos that look unusable, a selfie that was checked before.

The answers come to `bot.holding`; how the photos look is told by `bot.domain.photo_quality`.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from bot.domain.checks import Check, Held, PhotoKind
from bot.domain.id_types import IDTypes
from bot.domain.photo_quality import Flaw, same_pictures
from bot.settings import Environment, Settings
from bot.submission import lifecycle
from bot.submission.photos import LoadedPhoto
from storage import checks, holds
from storage.database import Database, Transaction


class Preflight:
    """Holds a check where there is something to ask."""

    def __init__(
        self, *, database: Database, id_types: IDTypes, settings: Settings, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._id_types = id_types
        self._settings = settings
        self._now = now

    async def hold(self, check: Check, photos: Sequence[LoadedPhoto]) -> bool:
        """Whether the check is held now, and its requester asked; what was answered is not asked again."""
        selfie = next(it.photo for it in photos if it.ref.kind is PhotoKind.SELFIE)
        flaws = _flaws(photos)
        since = self._now() - self._settings.seen_before
        asks_about_selfie = self._settings.asks_about_selfies and not self._stands_for_nobody(check)

        def commit(tx: Transaction, now: datetime) -> bool:
            passed = holds.passed(tx, check.ref)
            if flaws and Held.PHOTOS.value not in passed:
                lifecycle.hold(tx, check.ref, Held.PHOTOS, {"flaws": flaws}, now=now)
                return True
            if Held.SELFIE_SEEN.value in passed or not asks_about_selfie:
                return False
            found = holds.same_selfie(tx, check.ref, selfie.sha256, since=since)
            if checks.AGAIN in passed:
                # Asked and answered with the form, as far as the number is the same.
                found = [(ref, same) for ref, same in found if not same]
            if not found:
                return False
            note = {
                "seen": [ref for ref, _same in found[:10]],
                "others": len(found),
                "other_number": any(not same for _ref, same in found),
            }
            lifecycle.hold(tx, check.ref, Held.SELFIE_SEEN, note, now=now)
            return True

        return await self._database.write(commit, self._now())

    def _stands_for_nobody(self, check: Check) -> bool:
        """One of Smile ID's test numbers, in its sandbox: any selfie may go with it, as often as one likes."""
        entry = self._id_types.find(check.country, check.id_type)
        return (
            self._settings.smile_id_environment is Environment.SANDBOX
            and entry is not None
            and entry.is_test_number(check.id_info.get("id_number", ""))
        )


def _flaws(photos: Sequence[LoadedPhoto]) -> list[list[str | int]]:
    """Kind and position of the photo, and what is wrong with it."""
    flaws: list[list[str | int]] = [
        [it.ref.kind.value, it.ref.position, flaw.value] for it in photos for flaw in it.photo.look.flaws
    ]
    if same_pictures([it.photo.look.picture for it in photos]):
        flaws.append([PhotoKind.SELFIE.value, 0, Flaw.SAME_PICTURE.value])
    return flaws
