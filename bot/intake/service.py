"""From a filled form to a stored request: validated, written once, then acknowledged."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from bot.access.causes import Causes
from bot.access.permissions import FRESH_FOR, Permission
from bot.access.process import Process
from bot.access.rights import Right
from bot.capture import link_actions
from bot.domain.check.check import EARLIER_NAMED, Check, PhotosBy, Request
from bot.domain.check.field_faults import FieldFault
from bot.domain.check.references import reference
from bot.domain.check.request import FileInfo, Form, parse, photos_of
from bot.domain.id_types.id_types import IDType
from bot.errors import EditedMeanwhile, IllegalMove, RecordAltered, Refusal, Refused
from bot.outbox.links import Links
from bot.outbox.look_ups import LookUp, LookUps
from bot.slack.client import SlackClient
from bot.submission import lifecycle
from bot.submission.budget import Budget
from bot.submission.preflight import is_test_number
from storage import checks, preflight_holds, slack_requests
from storage.engine.database import Transaction

log = structlog.get_logger(__name__)

PLACE_FRESH_FOR = timedelta(minutes=1)
"""A channel may have been archived, left or shared since the form was opened."""
LATEST = timedelta(days=7)
"""A later time to run a check again would outlive its photos and its purpose."""
CHOSEN_AGAIN_WITHIN = timedelta(days=30)
"""The form opens with the country and ID type that a person asked for last, unless that is longer ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedTypes:
    """The countries and ID types with which a person works."""

    pairs: Sequence[tuple[str, str]] = ()
    """The last one first."""
    chosen: tuple[str, str] | None = None
    """With which the form opens."""

    def of_country(self, country: str | None) -> str | None:
        """The ID type with which the form opens in this country."""
        return self.chosen[1] if self.chosen is not None and self.chosen[0] == country else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedForm:
    requester: str
    team: str
    channel: str | None
    thread_ts: str | None
    view_id: str
    rerun: str | None = None
    """The check that is run again with this; None: a new one."""
    of_round: int | None = None
    """Run again only if the check is in this round still; None: whatever it is in."""
    edits: str | None = None
    """The check that is edited with this, before it is sent; None: a new one, or one that is run again."""
    seen_edits: int = 0
    """How often it had been edited when the form was opened."""
    not_before: datetime | None = None
    again: bool = False
    """The requester knows that this person was checked before."""
    form: Form = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Stored. `is_new` is False when this very form had been submitted before."""

    ref: str
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldErrors:
    """What must be corrected first; nothing was stored."""

    by_field: Mapping[str, FieldFault]
    refused: Sequence[Refused] = ()
    """What is wrong with the place or the time, rather than with a field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBefore:
    """This person was checked before, in a check that the requester may see. Nothing was stored.

    Of any other nothing is said: whoever submits numbers would learn of each whether it was ever checked.
    """

    earlier: Sequence[tuple[Check, str | None]]
    """With links to as many as are named."""
    by_number: bool
    """Found by the ID number; otherwise by the customer's reference."""


@dataclass(slots=True, kw_only=True, eq=False)
class Intake(Process):
    slack: SlackClient
    links: Links
    causes: Causes
    look_ups: LookUps

    async def require_requester(self, user: str) -> None:
        """Raises Refused unless this person may start checks."""
        permission = await self.access.may(user, Right.START)
        if permission is Permission.NO and await self.access.may(user, Right.ENTER) is Permission.NO:
            # Without any role they hear the same here as everywhere.
            raise self.access.no_access()
        permission.require(Refused(Refusal.NO_RIGHT, admin=self.access.an_admin()))

    async def require_asking(self, user: str, channel: str | None) -> None:
        """Raises Refused unless this person may ask here, without asking Slack about the channel."""
        await self.require_requester(user)
        await self.causes.require_smile_id()
        if channel is not None and not self.access.is_allowed(channel):
            raise Refused(Refusal.USE_OTHER_CHANNELS, channels=sorted(self.settings.channels))

    async def used_types(self, user: str) -> UsedTypes:
        """What this person asked for lately: it stands first in the form."""
        used = await self.database.read(checks.used_types, user)
        pairs = [pair for pair in used if self.id_types.find_offered(*pair) is not None]
        is_recent = bool(pairs) and self.now() - used[pairs[0]] <= CHOSEN_AGAIN_WITHIN
        return UsedTypes(pairs=pairs, chosen=pairs[0] if is_recent else None)

    def only_channel(self) -> str | None:
        """The one channel in which checks may be asked for, if the settings name one alone: nobody need choose it."""
        channels = set(self.settings.channels)
        return channels.pop() if len(channels) == 1 else None

    async def place_fault(self, channel: str, user: str, *, fresh_for: timedelta = FRESH_FOR) -> Refused | None:
        """Why no check can be requested in this channel, or no result posted there; None as far as is known."""
        if not self.access.is_allowed(channel):
            return Refused(Refusal.NOT_IN_THIS_CHANNEL)
        known = await self.access.channel(channel, user, fresh_for=fresh_for)
        if known is None:
            return None
        if known.shared:
            return Refused(Refusal.SHARED_CHANNEL)
        return None if known.can_post else Refused(Refusal.CANNOT_POST, channel=known.name)

    async def is_first(self, request_id: str) -> bool:
        """False if a request of Slack with this id was taken before, by this process or an earlier one."""
        return await self.database.write(slack_requests.take, request_id, now=self.now())

    async def accept(self, filled: SubmittedForm) -> Accepted | FieldErrors | CheckedBefore:
        """Validates a form and stores its request in one transaction. Raises Refused.

        A second submit of the same form changes nothing and gives the first one's reference.
        """
        now = self.now()
        known = await self.database.read(checks.find_by_view, filled.view_id)
        if known is not None:
            return Accepted(ref=known, is_new=False)
        if filled.channel is None:
            raise Refused(Refusal.NO_CHANNEL)
        await self.causes.require_smile_id()
        # Each of them waits for Slack for up to a second, and the answer must leave within three.
        _may, no_place, form = await asyncio.gather(
            self.require_requester(filled.requester),
            self.place_fault(filled.channel, filled.requester, fresh_for=PLACE_FRESH_FOR),
            self._with_known_files(filled.form),
        )
        parsed = parse(form, self.id_types, today=self.today(), liveness_required=self.settings.liveness_required)
        refused = [no_place] if no_place else []
        if form.photos_by is PhotosBy.LINK and not self.settings.offers_links:
            refused.append(Refused(Refusal.LINKS_OFF))
        if filled.not_before is not None and filled.not_before > now + LATEST:
            refused.append(Refused(Refusal.RERUN_TOO_FAR_AHEAD, days=LATEST.days))
        if parsed.faults or refused or parsed.id_type is None:
            return FieldErrors(by_field=parsed.faults, refused=refused)
        request = Request(
            requester=filled.requester,
            team=filled.team,
            channel=filled.channel,
            thread_ts=filled.thread_ts,
            view_id=filled.view_id,
            country=form.country,
            id_type=form.id_type,
            id_info=parsed.id_info,
            customer_reference=parsed.customer_reference,
            photos=photos_of(form.selfie, form.liveness),
            consent_at=now,
            again=filled.again,
            photos_by=form.photos_by,
        )
        earlier = await self._earlier_checks(request, parsed.id_type, but=filled.rerun or filled.edits, now=now)
        if earlier:
            return earlier
        if filled.edits is not None:
            return await self._edit(filled, filled.edits, request, now)
        if filled.rerun is not None:
            return await self._rerun(filled, filled.rerun, request, now)
        ref, is_new = await self.database.write(self._store, request, now, Budget.of(self))
        log.info("check.requested", ref=ref, new=is_new)
        return Accepted(ref=ref, is_new=is_new)

    def _store(self, tx: Transaction, request: Request, now: datetime, budget: Budget) -> tuple[str, bool]:
        ref, is_new = lifecycle.accept(tx, request, ref=free_reference(tx, self.rng), now=now, budget=budget)
        if is_new:
            self._make_link(tx, ref, request, now)
        return ref, is_new

    def _make_link(self, tx: Transaction, ref: str, request: Request, now: datetime) -> None:
        """With the round that it is for: nothing waits for a customer who could not come."""
        if request.photos_by is PhotosBy.LINK:
            hours = self.settings.link_hours
            link_actions.make(tx, ref, by=request.requester, hours=hours, rng=self.rng, now=now)

    async def _earlier_checks(
        self, request: Request, entry: IDType, *, but: str | None, now: datetime
    ) -> CheckedBefore | None:
        """Those of the same person that the requester may see; None if there are none or they know already."""
        number, window = request.id_info.get("id_number", ""), self.settings.seen_before
        if request.again or not window or is_test_number(entry, number, self.settings):
            return None
        sees_all = await self._may_see_all(request.requester)
        if sees_all:
            await self.look_ups.require(request.requester, LookUp.SEEN_BEFORE)

        def find(tx: Transaction) -> tuple[list[Check], bool]:
            by_number, by_reference = (
                preflight_holds.earlier(
                    tx, prints, since=now - window, but=but, requester=None if sees_all else request.requester
                )
                for prints in (
                    checks.prints_of(tx, request.country, number, ""),
                    checks.prints_of(tx, request.country, "", request.customer_reference),
                )
            )
            return [checks.get(tx, ref) for ref in dict.fromkeys([*by_number, *by_reference])], bool(by_number)

        found, is_by_number = await self.database.read(find)
        if not found:
            return None
        named, others = found[:EARLIER_NAMED], found[EARLIER_NAMED:]
        self.looked(request.requester, "earlier.shown", detail=str(len(found)))
        self.listed(request.requester, named, where="earlier")
        links = await self.links.threads(named)
        return CheckedBefore(
            earlier=[*zip(named, links, strict=True), *((check, None) for check in others)],
            by_number=is_by_number,
        )

    async def _rerun(self, filled: SubmittedForm, ref: str, request: Request, now: datetime) -> Accepted:
        await self.require_to_run_again(filled.requester, await self.database.read(checks.find, ref))
        budget = Budget.of(self)

        def run_again(tx: Transaction) -> bool:
            is_new = lifecycle.run_again(
                tx,
                ref,
                request,
                form_id=filled.view_id,
                now=now,
                budget=budget,
                not_before=filled.not_before,
                of_round=filled.of_round,
            )
            if is_new:
                self._make_link(tx, ref, request, now)
            return is_new

        try:
            is_new = await self.database.write(run_again)
        except IllegalMove:
            raise Refused(Refusal.RERUN_MOVED_ON, ref=ref) from None
        log.info("check.run_again", ref=ref, new=is_new)
        return Accepted(ref=ref, is_new=is_new)

    async def _edit(self, filled: SubmittedForm, ref: str, request: Request, now: datetime) -> Accepted:
        await self._editable(filled.requester, ref)
        try:
            is_new = await self.database.write(
                lifecycle.edit,
                ref,
                request,
                form_id=filled.view_id,
                seen=filled.seen_edits,
                now=now,
                budget=Budget.of(self),
                not_before=filled.not_before,
            )
        except EditedMeanwhile:
            raise Refused(Refusal.EDITED_MEANWHILE, ref=ref) from None
        except IllegalMove:
            # Sending began while the form was open.
            raise Refused(Refusal.EDIT_TOO_LATE, ref=ref) from None
        log.info("check.edited", ref=ref, new=is_new)
        return Accepted(ref=ref, is_new=is_new)

    async def to_edit(self, user: str, ref: str) -> Check:
        """A check that this person may edit; the form for that is a look at it. Raises Refused."""
        check = await self._editable(user, ref)
        await self.look_ups.require_for(user, check)
        return check

    async def _editable(self, user: str, ref: str) -> Check:
        """For its requester, or an admin, who becomes one. Raises Refused."""
        check = await self.database.read(checks.find, ref)
        is_own = check is not None and check.requester == user
        if not is_own:
            (await self.access.may(user, Right.EDIT)).require(Refused(Refusal.EDIT_NOT_YOURS, ref=ref))
        await self.require_requester(user)
        if check is None:
            raise Refused(Refusal.EDIT_NOT_YOURS, ref=ref)
        if check.is_altered:
            raise RecordAltered(ref)
        return check

    async def require_to_run_again(self, user: str, check: Check | None) -> None:
        """Raises Refused unless this person may see the check; whoever runs it again becomes one of its requesters."""
        is_own = check is not None and check.requester == user
        if not is_own and not await self._may_see_all(user):
            raise Refused(Refusal.NO_DETAILS, admin=self.access.an_admin())
        if check is not None and check.is_altered:
            raise RecordAltered(check.ref)

    async def _may_see_all(self, user: str) -> bool:
        return await self.access.may(user, Right.SEE_WHOLE) is Permission.YES

    async def _with_known_files(self, form: Form) -> Form:
        """The form with what Slack says of its files now; what it does not say in time is left to the preflight."""
        files = [*form.selfie, *form.liveness]
        found = await asyncio.gather(*(self._look_up(file) for file in files))
        count = len(form.selfie)
        return replace(form, selfie=found[:count], liveness=found[count:])

    async def _look_up(self, file: FileInfo) -> FileInfo:
        return file if file.inside is not None else await self.slack.look_up_file(file)


def free_reference(tx: Transaction, rng: random.Random) -> str:
    """A reference that no check has. The one writer keeps it free until the end of the transaction."""
    while True:
        ref = reference(rng.getrandbits(40))
        if checks.find(tx, ref) is None:
            return ref
