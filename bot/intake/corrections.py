"""What people correct of a check that they asked for, without asking for it anew: its photos."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.access.process import Process
from bot.domain.check.check import Check, PhotoRef
from bot.domain.check.other_photos import with_kept
from bot.domain.check.request import FileInfo, Form
from bot.errors import Refusal, Refused
from bot.intake.service import Accepted, CheckedBefore, FieldErrors, Intake, SubmittedForm
from storage import checks
from storage.engine.database import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedPhotos:
    """Other photos for a check that has ended, and the customer's agreement to its next round."""

    requester: str
    team: str
    view_id: str
    ref: str
    round: int
    """Which the form was opened for: of a later one, its person has seen nothing."""
    selfie: Sequence[FileInfo]
    liveness: Sequence[FileInfo]


@dataclass(slots=True, kw_only=True, eq=False)
class Corrections(Process):
    intake: Intake

    async def send_photos(self, sent: SubmittedPhotos) -> Accepted | FieldErrors | CheckedBefore:
        """Runs a check again with other photos, and with everything else that it holds. Raises Refused.

        A second submit of the same form changes nothing.
        """
        check, photos = await self.database.read(_with_photos, sent.ref)
        await self.intake.require_to_run_again(sent.requester, check)
        if check is None:
            raise Refused(Refusal.NO_DETAILS, admin=self.access.an_admin())
        selfie, liveness = with_kept(check, photos, selfie=sent.selfie, liveness=sent.liveness)
        return await self.intake.accept(
            SubmittedForm(
                requester=sent.requester,
                team=sent.team,
                channel=check.channel,
                thread_ts=check.thread_ts,
                view_id=sent.view_id,
                rerun=check.ref,
                of_round=sent.round,
                # Whoever sends other photos for a check knows that its customer was checked before.
                again=True,
                form=Form(
                    country=check.country,
                    id_type=check.id_type,
                    texts=check.id_info,
                    customer_reference=check.customer_reference,
                    selfie=selfie,
                    liveness=liveness,
                    consent=True,
                ),
            )
        )


def _with_photos(tx: Transaction, ref: str) -> tuple[Check | None, list[PhotoRef]]:
    return checks.find(tx, ref), checks.photos(tx, ref)
