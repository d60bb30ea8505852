"""Asks the requester before a check is paid for: about photos that look unusable, or a selfie that was checked before.

The answers arrive in `bot.intake.preflight_answers`; `bot.domain.check.photo_quality` judges the photos.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.domain.check.check import Check, HoldReason, PhotoKind
from bot.domain.check.photo_quality import Flaw, same_pictures
from bot.domain.id_types.id_types import IDTypes
from bot.settings import Environment, Settings
from bot.submission import lifecycle
from bot.submission.photos import LoadedPhoto
from storage import checks, preflight_holds
from storage.engine.database import Database, Transaction


@dataclass(slots=True, kw_only=True, eq=False)
class Preflight:
    """Holds a check while there is a question to its requester."""

    database: Database
    id_types: IDTypes
    settings: Settings
    now: Callable[[], datetime]

    async def hold(self, check: Check, photos: Sequence[LoadedPhoto]) -> bool:
        """Hold the check and ask its requester, if need be. No question is repeated once it was answered."""
        selfie = next(it.photo for it in photos if it.ref.kind is PhotoKind.SELFIE)
        flaws = _flaws(photos)

        def commit(tx: Transaction, now: datetime) -> bool:
            # Read in the transaction that holds the check: two checks with the same selfie cannot miss each other.
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

        return await self.database.write(commit, self.now())

    def _seen(
        self, tx: Transaction, check: Check, sha256: str, passed: Collection[str], now: datetime
    ) -> dict[str, object] | None:
        """The other checks in which this selfie was used lately; None if there is no need to ask about it."""
        if not self.settings.asks_about_selfies or self._has_test_number(check):
            return None
        found = preflight_holds.same_selfie(tx, check.ref, sha256, since=now - self.settings.seen_before)
        if checks.AGAIN in passed:
            # The form has already asked about checks of the same ID number.
            found = [(ref, same) for ref, same in found if not same]
        if not found:
            return None
        return {
            "seen": [ref for ref, _same in found[:10]],
            "others": len(found),
            "other_number": any(not same for _ref, same in found),
        }

    def _has_test_number(self, check: Check) -> bool:
        """Whether it has one of Smile ID's test numbers, in its sandbox: the same selfie is often used with those."""
        entry = self.id_types.find(check.country, check.id_type)
        return (
            self.settings.smile_id_environment is Environment.SANDBOX
            and entry is not None
            and entry.is_test_number(check.id_info.get("id_number", ""))
        )


def _flaws(photos: Sequence[LoadedPhoto]) -> list[list[str | int]]:
    """For each flaw: kind and position of the photo, and the flaw."""
    flaws: list[list[str | int]] = [
        [it.ref.kind.value, it.ref.position, flaw.value] for it in photos for flaw in it.photo.quality.flaws
    ]
    if same_pictures([it.photo.quality.picture for it in photos]):
        flaws.append([PhotoKind.SELFIE.value, 0, Flaw.SAME_PICTURE.value])
    return flaws
