"""What the requester is asked before a check is paid for: photos that look unusable, a selfie that was checked before.

The answers come in through `bot.intake.preflight_answers`; `bot.domain.check.photo_quality` judges how the photos look.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from bot.domain.check.check import Check, HoldReason, PhotoKind
from bot.domain.check.photo_quality import Flaw, same_pictures
from bot.domain.id_types.id_types import IDTypes
from bot.settings import Environment, Settings
from bot.submission import lifecycle
from bot.submission.photos import LoadedPhoto
from storage import checks, preflight_holds
from storage.engine.database import Database, Transaction


class Preflight:
    """Holds a check while there is something to ask its requester."""

    def __init__(
        self, *, database: Database, id_types: IDTypes, settings: Settings, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._id_types = id_types
        self._settings = settings
        self._now = now

    async def hold(self, check: Check, photos: Sequence[LoadedPhoto]) -> bool:
        """Whether the check is held now, and its requester asked. What was answered once is not asked again."""
        selfie = next(it.photo for it in photos if it.ref.kind is PhotoKind.SELFIE)
        flaws = _flaws(photos)

        def commit(tx: Transaction, now: datetime) -> bool:
            # Read in the transaction that holds the check: two checks with one selfie cannot miss each other.
            passed = preflight_holds.passed(tx, check.ref)
            if flaws and HoldReason.PHOTOS.value not in passed:
                lifecycle.hold(tx, check.ref, HoldReason.PHOTOS, {"flaws": flaws}, now=now)
                return True
            about = (
                None if HoldReason.SELFIE_SEEN.value in passed else self._seen(tx, check, selfie.sha256, passed, now)
            )
            if about is not None:
                lifecycle.hold(tx, check.ref, HoldReason.SELFIE_SEEN, about, now=now)
            return about is not None

        return await self._database.write(commit, self._now())

    def _seen(
        self, tx: Transaction, check: Check, sha256: str, passed: Collection[str], now: datetime
    ) -> dict[str, object] | None:
        """In which other checks this selfie was used lately; None where nobody needs to be asked about it."""
        if not self._settings.asks_about_selfies or self._stands_for_nobody(check):
            return None
        found = preflight_holds.same_selfie(tx, check.ref, sha256, since=now - self._settings.seen_before)
        if checks.AGAIN in passed:
            # Asked and answered with the form, as far as the number is the same.
            found = [(ref, same) for ref, same in found if not same]
        if not found:
            return None
        return {
            "seen": [ref for ref, _same in found[:10]],
            "others": len(found),
            "other_number": any(not same for _ref, same in found),
        }

    def _stands_for_nobody(self, check: Check) -> bool:
        """One of Smile ID's test numbers, in its sandbox: any selfie may be sent with it, and often is."""
        entry = self._id_types.find(check.country, check.id_type)
        return (
            self._settings.smile_id_environment is Environment.SANDBOX
            and entry is not None
            and entry.is_test_number(check.id_info.get("id_number", ""))
        )


def _flaws(photos: Sequence[LoadedPhoto]) -> list[list[str | int]]:
    """Kind and position of the photo, and what is wrong with it."""
    flaws: list[list[str | int]] = [
        [it.ref.kind.value, it.ref.position, flaw.value] for it in photos for flaw in it.photo.quality.flaws
    ]
    if same_pictures([it.photo.quality.picture for it in photos]):
        flaws.append([PhotoKind.SELFIE.value, 0, Flaw.SAME_PICTURE.value])
    return flaws
