"""From a filled form to a stored request: checked once more, written once, then acknowledged."""

import asyncio
import random
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never
from zoneinfo import ZoneInfo

import structlog

from bot.access import FRESH_FOR, Access, Role, Verdict
from bot.blocks import ids
from bot.blocks.held import MORE, seen
from bot.blocks.private import MOVED_ON, NO_DETAILS, NOT_SURE, SHARED, cannot_post, no_right
from bot.domain.checks import Check, PhotoKind, PhotoRef, Request
from bot.domain.id_types import IDType, IDTypes
from bot.domain.references import reference
from bot.domain.request import FileInfo, Form, parse
from bot.errors import IllegalMove, SlackError, SlackRefused
from bot.review import transitions
from bot.settings import Environment, Settings
from bot.slack.file_info import file_info
from bot.slack.web import SlackWeb
from storage import checks, holds, slack_requests
from storage.database import Database, Transaction

log = structlog.get_logger(__name__)

FILE_LOOK_UP_SECONDS = 1.0
"""All files are asked about side by side within this; what is unknown then is left to the pre-flight."""
PLACE_FRESH_FOR = timedelta(minutes=1)
"""A channel may have been archived, left or shared since the form was opened."""
LATEST = timedelta(days=7)
"""A later time to run a check again would outlive its photos and its purpose."""
_UNREADABLE = frozenset({"file_not_found", "file_deleted", "not_visible"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
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
class Faults:
    """Field to words; nothing was stored."""

    by_field: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """This person was checked before: words of ours in mrkdwn, fit for the asker. Nothing was stored."""

    words: str


class Intake:
    """Accepts requests for checks."""

    def __init__(
        self,
        *,
        database: Database,
        slack: SlackWeb,
        access: Access,
        id_types: IDTypes,
        settings: Settings,
        now: Callable[[], datetime],
        dice: random.Random,
        look_up_seconds: float = FILE_LOOK_UP_SECONDS,
    ) -> None:
        self._look_up_seconds = look_up_seconds
        self._database = database
        self._slack = slack
        self._access = access
        self._id_types = id_types
        self._settings = settings
        self._zone = ZoneInfo(settings.timezone)
        self._now = now
        self._dice = dice

    async def may_ask(self, user: str, *, in_form: bool = False) -> str | None:
        """None if this person may start checks, else words for that person alone; a form shows no mentions."""
        match await self._access.has(user, Role.REQUESTER):
            case Verdict.YES:
                return None
            case Verdict.UNKNOWN:
                return NOT_SURE
            case Verdict.NO:
                return no_right([] if in_form else self._access.people(Role.ADMIN))
            case never:
                assert_never(never)

    async def place_fault(self, channel: str, user: str, *, fresh_for: timedelta = FRESH_FOR) -> str | None:
        """None if a check may be asked in this channel and its result be posted there, as far as can be known."""
        if not self._access.is_allowed(channel):
            return "Checks are not asked in this channel."
        known = await self._access.channel(channel, user, fresh_for=fresh_for)
        if known is None:
            return None
        if known.shared:
            return SHARED
        return None if known.can_post else cannot_post(known.name)

    async def is_first(self, request_id: str) -> bool:
        """False if a request of Slack with this id was taken before, by this process or an earlier one."""
        return await self._database.write(slack_requests.take, request_id, now=self._now())

    async def accept(self, filled: Filled) -> Accepted | Faults | Seen:
        """Check everything that can be known now and store the request in one transaction.

        A second submit of the same form changes nothing and gives the first one's reference.
        """
        now = self._now()
        known = await self._database.read(checks.find_by_view, filled.view_id)
        if known is not None:
            return Accepted(ref=known, is_new=False)
        if filled.channel is None:
            return Faults(by_field={ids.CHANNEL: "Choose the channel for the results."})
        # Each of them waits for Slack for up to a second, and the answer must leave within three.
        no_right, no_place, form = await asyncio.gather(
            self.may_ask(filled.requester, in_form=True),
            self.place_fault(filled.channel, filled.requester, fresh_for=PLACE_FRESH_FOR),
            self._with_known_files(filled.form),
        )
        if no_right:
            return Faults(by_field={ids.CHANNEL: no_right})
        parsed = parse(
            form,
            self._id_types,
            today=now.astimezone(self._zone).date(),
            liveness_required=self._settings.liveness_required,
        )
        faults = dict(parsed.faults)
        if no_place:
            faults[ids.CHANNEL] = no_place
        if filled.not_before is not None and filled.not_before > now + LATEST:
            faults[ids.NOT_BEFORE] = f"At most {LATEST.days} days from now."
        if faults or parsed.id_type is None:
            return Faults(by_field=faults)
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
        if not filled.again and (words := await self._seen(request, parsed.id_type, but=filled.rerun, now=now)):
            return Seen(words=words)
        if filled.rerun is not None:
            return await self._run_again(filled, filled.rerun, request, now)
        return await self._store(request, now)

    async def _seen(self, request: Request, entry: IDType, *, but: str | None, now: datetime) -> str | None:
        """Who was checked before, as far as the asker may know."""
        number = request.id_info.get("id_number", "")
        if self._settings.smile_id_environment is Environment.SANDBOX and entry.is_test_number(number):
            return None
        since = now - self._settings.seen_before

        def look(tx: Transaction) -> tuple[list[Check], bool]:
            of_number = checks.prints_of(tx, request.country, number, "")
            by_number = holds.earlier(tx, of_number, since=since, but=but)
            of_reference = checks.prints_of(tx, request.country, "", request.customer_reference)
            refs = dict.fromkeys([*by_number, *holds.earlier(tx, of_reference, since=since, but=but)])
            return [checks.get(tx, ref) for ref in refs], bool(by_number)

        if not self._settings.seen_before:
            return None
        found, is_number = await self._database.read(look)
        if not found:
            return None
        sees_all = await self._access.has(request.requester, Role.REVIEWER, Role.ADMIN) is Verdict.YES
        shown = [c for c in found if sees_all or request.requester == c.requester or request.channel == c.channel]
        named = shown[:MORE]
        links = await asyncio.gather(*(self._slack.link(channel=check.channel, ts=check.message_ts) for check in named))
        pairs = [*zip(named, links, strict=True), *((check, None) for check in shown[MORE:])]
        what = "ID number" if is_number else "customer reference"
        return seen(pairs, hidden=len(found) - len(shown), what=what)

    async def _run_again(self, filled: Filled, ref: str, request: Request, now: datetime) -> Accepted | Faults:
        check = await self._database.read(checks.find, ref)
        its_own = check is not None and check.requester == filled.requester
        if not its_own and await self._access.has(filled.requester, Role.REVIEWER, Role.ADMIN) is not Verdict.YES:
            return Faults(by_field={ids.CHANNEL: NO_DETAILS})

        def commit(tx: Transaction) -> bool:
            is_new = checks.run_again(tx, ref, request, form_id=filled.view_id, now=now, not_before=filled.not_before)
            transitions.leave_earlier_rounds(tx, ref, now=now)
            return is_new

        try:
            is_new = await self._database.write(commit)
        except IllegalMove:
            return Faults(by_field={ids.CHANNEL: MOVED_ON.format(ref=ref)})
        log.info("check.run_again", ref=ref, new=is_new)
        return Accepted(ref=ref, is_new=is_new)

    async def _store(self, request: Request, now: datetime) -> Accepted:
        for _try in range(20):
            ref = reference(self._dice.getrandbits(40))
            try:
                stored, is_new = await self._database.write(checks.accept, request, ref=ref, now=now)
            except sqlite3.IntegrityError:
                # The reference is taken, or a second submit of the same form won the race: look again.
                continue
            log.info("check.requested", ref=stored, new=is_new)
            return Accepted(ref=stored, is_new=is_new)
        raise RuntimeError("no free reference found")

    async def _with_known_files(self, form: Form) -> Form:
        """Lay what files.info says over what the form said; what Slack does not say in time stays as it is."""
        files = [*form.selfie, *form.liveness]
        found = await asyncio.gather(*(self._look_up(file) for file in files))
        count = len(form.selfie)
        return replace(form, selfie=found[:count], liveness=found[count:])

    async def _look_up(self, file: FileInfo) -> FileInfo:
        if file.inside is not None:
            return file
        try:
            found = await asyncio.wait_for(self._slack.file(file.id), self._look_up_seconds)
        except SlackRefused as no:
            return replace(file, readable=False) if no.code in _UNREADABLE else file
        except (SlackError, TimeoutError):
            return file
        return file_info(found, before=file)


def _photos(selfie: Sequence[FileInfo], liveness: Sequence[FileInfo]) -> tuple[PhotoRef, ...]:
    return (
        *(PhotoRef(kind=PhotoKind.SELFIE, position=n, file_id=f.id, inside=f.inside) for n, f in enumerate(selfie)),
        *(PhotoRef(kind=PhotoKind.LIVENESS, position=n, file_id=f.id, inside=f.inside) for n, f in enumerate(liveness)),
    )
