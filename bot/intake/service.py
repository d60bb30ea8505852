"""From a filled form to a stored request: checked once more, written once, then acknowledged."""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from bot.access.permissions import FRESH_FOR, Access, Permission, Role
from bot.domain.check.check import Check, PhotoKind, PhotoRef, Request
from bot.domain.check.field_faults import FieldFault
from bot.domain.check.references import reference
from bot.domain.check.request import FileInfo, Form, parse
from bot.domain.id_types.id_types import IDType, IDTypes
from bot.domain.reporting.searches import EARLIER_NAMED
from bot.errors import IllegalMove, Refusal, Refused
from bot.settings import Environment, Settings
from bot.slack.client import SlackClient
from bot.submission import lifecycle
from storage import checks, preflight_holds, slack_requests
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)

PLACE_FRESH_FOR = timedelta(minutes=1)
"""A channel may have been archived, left or shared since the form was opened."""
LATEST = timedelta(days=7)
"""A later time to run a check again would outlive its photos and its purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedForm:
    """A submitted form, as the handler read it."""

    requester: str
    team: str
    channel: str | None
    thread_ts: str | None
    view_id: str
    rerun: str | None = None
    """The check that is run again with this; None: a new one."""
    not_before: datetime | None = None
    again: bool = False
    """The asker knows that this person was checked before."""
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
    """What concerns where and when, beside the fields of Smile ID's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedBefore:
    """This person was checked before, as far as the asker may know. Nothing was stored."""

    earlier: Sequence[tuple[Check, str | None]]
    """Those that the asker may see, with links to as many as are named."""
    hidden: int
    """How many more there are."""
    by_number: bool
    """Found by the ID number; otherwise by the customer's reference."""


class Intake:
    """Accepts requests for checks."""

    def __init__(
        self,
        *,
        database: Database,
        slack: SlackClient,
        access: Access,
        id_types: IDTypes,
        settings: Settings,
        now: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._database = database
        self._slack = slack
        self._access = access
        self._id_types = id_types
        self._settings = settings
        self._zone = ZoneInfo(settings.timezone)
        self._now = now
        self._rng = rng

    async def require_requester(self, user: str) -> None:
        """Raises Refused unless this person may start checks."""
        permission = await self._access.has(user, Role.REQUESTER)
        permission.require(Refused(Refusal.NO_RIGHT, operator=self._access.an_admin()))

    async def require_asking(self, user: str, channel: str | None) -> None:
        """Raises Refused unless this person may ask here, as far as memory knows."""
        await self.require_requester(user)
        if channel is not None and not self._access.is_allowed(channel):
            raise Refused(Refusal.USE_OTHER_CHANNELS, channels=sorted(self._access.channels_allowed))

    async def place_fault(self, channel: str, user: str, *, fresh_for: timedelta = FRESH_FOR) -> Refused | None:
        """Why no check can be asked in this channel, or its result not be posted there, as far as can be known."""
        if not self._access.is_allowed(channel):
            return Refused(Refusal.NOT_IN_THIS_CHANNEL)
        known = await self._access.channel(channel, user, fresh_for=fresh_for)
        if known is None:
            return None
        if known.shared:
            return Refused(Refusal.SHARED_CHANNEL)
        return None if known.can_post else Refused(Refusal.CANNOT_POST, channel=known.name)

    async def is_first(self, request_id: str) -> bool:
        """False if a request of Slack with this id was taken before, by this process or an earlier one."""
        return await self._database.write(slack_requests.take, request_id, now=self._now())

    async def accept(self, filled: SubmittedForm) -> Accepted | FieldErrors | CheckedBefore:
        """Check everything that can be known now and store the request in one transaction. Raises Refused.

        A second submit of the same form changes nothing and gives the first one's reference.
        """
        now = self._now()
        known = await self._database.read(checks.find_by_view, filled.view_id)
        if known is not None:
            return Accepted(ref=known, is_new=False)
        if filled.channel is None:
            raise Refused(Refusal.NO_CHANNEL)
        # Each of them waits for Slack for up to a second, and the answer must leave within three.
        _may, no_place, form = await asyncio.gather(
            self.require_requester(filled.requester),
            self.place_fault(filled.channel, filled.requester, fresh_for=PLACE_FRESH_FOR),
            self._with_known_files(filled.form),
        )
        parsed = parse(
            form,
            self._id_types,
            today=now.astimezone(self._zone).date(),
            liveness_required=self._settings.liveness_required,
        )
        refused = [no_place] if no_place else []
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
            photos=_photos(form.selfie, form.liveness),
            consent_at=now,
            again=filled.again,
        )
        if not filled.again and (seen := await self._seen(request, parsed.id_type, but=filled.rerun, now=now)):
            return seen
        if filled.rerun is not None:
            return await self._run_again(filled, filled.rerun, request, now)
        return await self._store(request, now)

    async def _seen(self, request: Request, entry: IDType, *, but: str | None, now: datetime) -> CheckedBefore | None:
        """Who was checked before, as far as the asker may know."""
        number = request.id_info.get("id_number", "")
        if self._settings.smile_id_environment is Environment.SANDBOX and entry.is_test_number(number):
            return None
        since = now - self._settings.seen_before

        def look(tx: Transaction) -> tuple[list[Check], bool]:
            of_number = checks.prints_of(tx, request.country, number, "")
            by_number = preflight_holds.earlier(tx, of_number, since=since, but=but)
            of_reference = checks.prints_of(tx, request.country, "", request.customer_reference)
            refs = dict.fromkeys([*by_number, *preflight_holds.earlier(tx, of_reference, since=since, but=but)])
            return [checks.get(tx, ref) for ref in refs], bool(by_number)

        if not self._settings.seen_before:
            return None
        found, is_number = await self._database.read(look)
        if not found:
            return None
        sees_all = await self._access.has(request.requester, Role.REVIEWER, Role.ADMIN) is Permission.YES
        shown = [c for c in found if sees_all or request.requester == c.requester or request.channel == c.channel]
        named = shown[:EARLIER_NAMED]
        links = await asyncio.gather(*(self._slack.link(channel=check.channel, ts=check.message_ts) for check in named))
        pairs = [*zip(named, links, strict=True), *((check, None) for check in shown[EARLIER_NAMED:])]
        return CheckedBefore(earlier=pairs, hidden=len(found) - len(shown), by_number=is_number)

    async def _run_again(self, filled: SubmittedForm, ref: str, request: Request, now: datetime) -> Accepted:
        check = await self._database.read(checks.find, ref)
        its_own = check is not None and check.requester == filled.requester
        if not its_own and await self._access.has(filled.requester, Role.REVIEWER, Role.ADMIN) is not Permission.YES:
            raise Refused(Refusal.NO_DETAILS)

        try:
            is_new = await self._database.write(
                lifecycle.run_again, ref, request, form_id=filled.view_id, now=now, not_before=filled.not_before
            )
        except IllegalMove:
            raise Refused(Refusal.RERUN_MOVED_ON, ref=ref) from None
        log.info("check.run_again", ref=ref, new=is_new)
        return Accepted(ref=ref, is_new=is_new)

    async def _store(self, request: Request, now: datetime) -> Accepted:
        for _try in range(20):
            ref = reference(self._rng.getrandbits(40))
            try:
                stored, is_new = await self._database.write(lifecycle.accept, request, ref=ref, now=now)
            except sqlite3.IntegrityError:
                # The reference is taken, or a second submit of the same form won the race: look again.
                continue
            log.info("check.requested", ref=stored, new=is_new)
            return Accepted(ref=stored, is_new=is_new)
        raise RuntimeError("no free reference found")

    async def _with_known_files(self, form: Form) -> Form:
        """Lay what Slack says of the files now over what the form said, asked side by side.

        What is not known in time is left to the pre-flight.
        """
        files = [*form.selfie, *form.liveness]
        found = await asyncio.gather(*(self._look_up(file) for file in files))
        count = len(form.selfie)
        return replace(form, selfie=found[:count], liveness=found[count:])

    async def _look_up(self, file: FileInfo) -> FileInfo:
        return file if file.inside is not None else await self._slack.look_up_file(file)


def _photos(selfie: Sequence[FileInfo], liveness: Sequence[FileInfo]) -> tuple[PhotoRef, ...]:
    return (
        *(PhotoRef(kind=PhotoKind.SELFIE, position=n, file_id=f.id, inside=f.inside) for n, f in enumerate(selfie)),
        *(PhotoRef(kind=PhotoKind.LIVENESS, position=n, file_id=f.id, inside=f.inside) for n, f in enumerate(liveness)),
    )
