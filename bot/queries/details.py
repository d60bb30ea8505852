"""What a person may look at: where a check stands, their own list, the Details, whose every opening is recorded."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from bot.access.permissions import Access, Permission, Role
from bot.domain.check.check import Check, PhotoKind, PhotoRef
from bot.domain.check.references import parse_reference
from bot.domain.check.request import FileInfo, check_file
from bot.domain.check.states import FINAL, State
from bot.domain.id_types.id_types import IDTypes
from bot.domain.outbox import Message
from bot.domain.results.attempt import Receipt
from bot.domain.results.record_match import RecordMatch
from bot.domain.review.review import Decision, Note, ReviewDecision, runs_again
from bot.errors import IllegalMove, Refusal, Refused, SmileIDError
from bot.slack.blocks import private, review
from bot.slack.blocks.form import AttachedPhoto
from bot.slack.blocks.refusals import plain_sentence
from bot.slack.client import SlackClient
from bot.smile_id.interface import Authority, ResultMessage, SmileID
from bot.submission import lifecycle
from storage import attempts, audit, checks, receipts, reviews
from storage.engine.database import Database, Transaction

log = structlog.get_logger(__name__)

_GONE = "it is no longer in Slack, or I may not read it. Attach it again."
_NAMES = ("first_name", "middle_name", "last_name")
_AUTHORITY = {
    "full_name": "Name at the authority",
    "dob": "Date of birth at the authority",
    "gender": "Gender",
    "address": "Address",
    "phone": "Phone",
    "expiration_date": "ID expires",
}


class CheckDetails:
    """Answers to people, by right."""

    def __init__(
        self,
        *,
        database: Database,
        slack: SlackClient,
        smile_id: SmileID,
        access: Access,
        id_types: IDTypes,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._slack = slack
        self._smile_id = smile_id
        self._access = access
        self._id_types = id_types
        self._now = now

    async def status(self, user: str, typed: str) -> Message:
        """Where one check stands. Raises Refused."""
        if not typed.strip():
            return private.answer(private.NO_REF)
        check = await self._seen_by(user, parse_reference(typed) or typed)
        link = await self._slack.link(channel=check.channel, ts=check.message_ts)
        return private.status(check, self._id_types.find(check.country, check.id_type), link=link)

    async def to_run_again(self, user: str, ref: str) -> Check:
        """A check that this person may run again now. Raises Refused."""
        check = await self._seen_by(user, ref)
        if runs_again(check.state, check.decision):
            return check
        if check.state is State.APPROVED:
            raise Refused(Refusal.RERUN_APPROVED, ref=check.ref)
        if check.decision is Decision.APPROVED:
            raise Refused(Refusal.RERUN_DECIDED, ref=check.ref)
        if check.state is State.IN_REVIEW:
            raise Refused(Refusal.RERUN_IN_REVIEW, ref=check.ref)
        raise Refused(Refusal.RERUN_UNDER_WAY, ref=check.ref)

    async def photos_of(self, check: Check) -> list[AttachedPhoto]:
        """The photos of the last time, as they can stand in the form, with the reason where one is gone."""
        found = await self._database.read(checks.photos, check.ref)
        return list(await asyncio.gather(*(self._attached(photo) for photo in found)))

    async def cancel(self, user: str, ref: str) -> None:
        """Withdraw a check that was not sent. Raises Refused."""
        check = await self._seen_by(user, ref)
        try:
            await self._database.write(lifecycle.cancel, check.ref, by=user, now=self._now())
        except IllegalMove:
            now = await self._database.read(checks.get, check.ref)
            why = Refusal.CANCEL_ENDED if now.state in FINAL else Refusal.CANCEL_TOO_LATE
            raise Refused(why, ref=check.ref) from None
        log.info("check.cancelled", ref=check.ref)

    async def _seen_by(self, user: str, ref: str) -> Check:
        """The same refusal for a check that does not exist and one that may not be seen."""
        check = await self._database.read(checks.find, ref)
        match await self._may_see(user, check):
            case Permission.UNKNOWN:
                raise Refused(Refusal.NOT_SURE)
            case Permission.NO if check is not None and check.requester == user:
                # They know of it: what they lack since is the role.
                raise self._access.no_access()
            case Permission.NO:
                check = None
            case Permission.YES:
                pass
        if check is None:
            raise Refused(Refusal.UNKNOWN_REF, ref=ref)
        return check

    async def _attached(self, photo: PhotoRef) -> AttachedPhoto:
        name = "Selfie" if photo.kind is PhotoKind.SELFIE else f"Liveness image {photo.position + 1}"
        name += " of the last time"
        fault = None
        if photo.inside is None:
            # What Slack does not say in time, sending will tell.
            found = await self._slack.look_up_file(FileInfo(id=photo.file_id))
            seen = check_file(found)
            fault = _GONE if not found.readable else plain_sentence(seen) if seen else None
        return AttachedPhoto(file_id=photo.file_id, inside=photo.inside, name=name, kind=photo.kind, fault=fault)

    async def details(self, user: str, ref: str) -> dict[str, Any]:
        """The Details modal without photo links, the look recorded. Raises Refused."""
        check = await self._database.read(checks.find, ref)
        may = await self._may_see(user, check)
        if may is Permission.UNKNOWN:
            raise Refused(Refusal.NOT_SURE)
        if check is not None and may is Permission.NO and check.requester == user:
            raise self._access.no_access()
        if check is None or may is Permission.NO:
            raise Refused(Refusal.NO_DETAILS)

        def commit(tx: Transaction, now: datetime) -> None:
            audit.record(tx, at=now, actor=user, act="details.opened", ref=ref)

        await self._database.write(commit, self._now())
        return await self._details(user, check, links=None)

    async def details_with_links(self, user: str, ref: str) -> dict[str, Any]:
        """The same modal once more, with links fetched from Smile ID now; for one who was let in a moment ago."""
        check = await self._database.read(checks.get, ref)
        attempt = await self._database.read(attempts.latest, ref)
        links: Mapping[str, str] = {}
        if attempt is not None and attempt.sent_at is not None:
            try:
                record = await self._smile_id.ask(attempt)
                links = {name: url for name, url in record.image_links.items() if _is_link(url)}
            except SmileIDError as fault:
                log.info("details.no_links", ref=ref, error=str(fault))
        return await self._details(user, check, links=links)

    async def _details(self, user: str, check: Check, *, links: Mapping[str, str] | None) -> dict[str, Any]:
        kept = await self._database.read(receipts.of_check, check.ref)
        attempt = await self._database.read(attempts.latest, check.ref)
        of_this_round = attempt.job_id if attempt is not None and attempt.round == check.round else None
        written: list[ReviewDecision | Note] = [*await self._database.read(reviews.decisions, check.ref)]
        # What reviewers write among themselves is not for who asked.
        if await self._access.has(user, Role.REVIEWER, Role.ADMIN) is Permission.YES:
            written += await self._database.read(reviews.notes, check.ref)
        entry = self._id_types.find(check.country, check.id_type)
        read = [(receipt, self._smile_id.read_message(receipt.body)) for receipt in kept]
        told = [
            self._told(receipt, message, check.liveness_images if receipt.job_id == of_this_round else None)
            for receipt, message in read
        ]
        compared = _compared(check, [message.authority for receipt, message in read if receipt.job_id == of_this_round])
        return private.details(
            check, entry, told, photo_links=links, compared=compared, reviewers=review.decisions_and_notes(written)
        )

    def _told(self, receipt: Receipt, message: ResultMessage, liveness_images: int | None) -> private.MessageDetails:
        return private.MessageDetails(
            at=receipt.received_at,
            source=receipt.source,
            reading=message.reading,
            authority=_shown(message.authority),
            liveness_images=liveness_images,
            suspects=[f"{suspect.user_id} ({', '.join(suspect.reasons)})" for suspect in message.suspects],
        )

    async def _may_see(self, user: str, check: Check | None) -> Permission:
        """Asked also where there is no such check, so that not even the time it takes tells of its existence."""
        return await self._access.may_see(user, check.requester if check is not None else "")


def _compared(check: Check, authorities: Sequence[Authority]) -> list[private.ComparedField]:
    """Name, date of birth and phone number, as far as either side tells them."""
    entered, record = check.id_info, check.record
    persons = [held.person for held in authorities]
    names: list[str | None] = [
        p.full_name or " ".join(filter(None, (p.first_name, p.middle_name, p.last_name))) for p in persons
    ]
    phones: list[str | None] = [phone for person in persons for phone in person.phones]
    rows: list[tuple[str, str, list[str | None], RecordMatch]] = [
        ("Name", " ".join(filter(None, map(entered.get, _NAMES))), names, record.name),
        ("Date of birth", entered.get("dob", ""), [person.dob for person in persons], record.dob),
        ("Phone number", entered.get("phone_number", ""), phones, record.phone),
    ]
    return [
        private.ComparedField(name=name, entered=typed, recorded=list(dict.fromkeys(filter(None, held))), word=word)
        for name, typed, held, word in rows
        if typed or (name == "Name" and any(held))
    ]


def _shown(authority: Authority) -> dict[str, str]:
    found = {label: getattr(authority, name) for name, label in _AUTHORITY.items()}
    return {label: str(value) for label, value in found.items() if value}


def _is_link(url: str) -> bool:
    """A link that can stand in mrkdwn as it is."""
    return url.startswith(("https://", "http://")) and not set(url) & set("<>| \n") and len(url) < 2000
