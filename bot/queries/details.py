"""What a person may see of a check: its status, and the Details, whose every opening is audited."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from bot.access.permissions import Permission, Sight
from bot.access.process import Process
from bot.access.rights import Right
from bot.domain.check.check import Check, PhotoKind, PhotoRef, require_unerased
from bot.domain.check.references import parse_reference
from bot.domain.check.request import FileInfo, check_file
from bot.domain.check.states import FINAL, State
from bot.domain.id_types.id_types import IDType
from bot.domain.outbox import Message
from bot.domain.results.record_match import RecordMatch
from bot.domain.review.review import Decision, Note, Review, ReviewDecision, is_unanswered
from bot.errors import IllegalMove, RecordAltered, Refusal, Refused, SmileIDError
from bot.outbox.links import Links
from bot.outbox.look_ups import LookUps
from bot.slack.blocks import photos, private, reasons, record, review, review_actions
from bot.slack.blocks.form import AttachedPhoto
from bot.slack.blocks.kit import Block
from bot.slack.blocks.refusals import plain_sentence
from bot.slack.blocks.thread import more_buttons
from bot.slack.client import SlackClient
from bot.smile_id.interface import Authority, SmileID
from bot.submission import lifecycle
from storage import attempts, audit, checks, receipts, review_requests, reviews
from storage.engine.database import Transaction

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    check: Check
    review: Review | None
    decisions: Sequence[ReviewDecision]


@dataclass(slots=True, kw_only=True, eq=False)
class CheckDetails(Process):
    slack: SlackClient
    links: Links
    smile_id: SmileID
    look_ups: LookUps

    async def status(self, user: str, typed: str) -> Message:
        """The status of one check. Raises Refused."""
        if not typed.strip():
            return private.answer(private.NO_REF)
        ref = parse_reference(typed) or typed
        refusal = Refused(Refusal.UNKNOWN_REF, ref=ref, admin=self.access.an_admin())
        sight = await self._sight(user, ref, refusal, counts=True)
        found = await self.database.read(_read, ref, sealed=sight is Sight.WHOLE)
        self.looked(user, "status.shown", ref=ref, detail=sight.value)
        link = await self.links.thread(found.check)
        return record.status(found.check, self._entry(found.check), found.review, link=link, whole=sight is Sight.WHOLE)

    async def to_run_again(self, user: str, ref: str) -> Check:
        """A check that this person may run again now; the form for that is a look at it. Raises Refused."""
        check = await self._get_visible(user, ref, counts=True)
        if check.is_altered:
            raise RecordAltered(check.ref)
        require_unerased(check)
        if check.may_run_again:
            return check
        if check.state is State.APPROVED:
            why = Refusal.RERUN_APPROVED
        elif check.decision is Decision.APPROVED:
            why = Refusal.RERUN_DECIDED
        elif check.state is State.IN_REVIEW:
            why = Refusal.RERUN_IN_REVIEW
        else:
            why = Refusal.RERUN_UNDER_WAY
        raise Refused(why, ref=check.ref)

    async def to_fill_in(self, user: str, check: Check, *, act: str) -> list[AttachedPhoto]:
        """The photos of the last round as the form offers them, with the reason where one is gone.

        Audited before the form shows anybody what the check holds: the whole number, where *Details* show its end.
        """
        await self.database.write(audit.record, at=self.now(), actor=user, act=act, ref=check.ref)
        found = await self.database.read(checks.photos, check.ref)
        of = "" if check.state is State.REQUESTED else " of the last time"
        # Photos that the customer took behind a link are nowhere any more.
        return list(await asyncio.gather(*(self._attach(photo, of) for photo in found if photo.file_id)))

    async def cancel(self, user: str, ref: str) -> None:
        """Cancels a check that was not sent. Raises Refused."""
        check = await self._get_visible(user, ref)
        if check.is_altered:
            raise RecordAltered(check.ref)
        try:
            await self.database.write(lifecycle.cancel, check.ref, by=user, now=self.now())
        except IllegalMove:
            now = await self.database.read(checks.get, check.ref)
            why = Refusal.CANCEL_ENDED if now.state in FINAL else Refusal.CANCEL_TOO_LATE
            raise Refused(why, ref=check.ref) from None
        log.info("check.cancelled", ref=check.ref)

    async def _get_visible(self, user: str, ref: str, refusal: Refused | None = None, *, counts: bool = False) -> Check:
        """A check that this person may see. Raises the same refusal for one that does not exist, and takes as long.

        `counts`: it is a look of theirs, which is limited unless the check is theirs.
        """
        refusal = refusal or Refused(Refusal.UNKNOWN_REF, ref=ref, admin=self.access.an_admin())
        check = await self.database.read(checks.find, ref)
        if counts:
            await self.look_ups.require_for(user, check)
        await self.access.require_to_see(user, check.requester if check else "", refusal)
        if check is None:
            raise refusal
        return check

    async def _attach(self, photo: PhotoRef, of: str) -> AttachedPhoto:
        name = "Selfie" if photo.kind is PhotoKind.SELFIE else f"Liveness image {photo.position + 1}"
        fault = None
        if photo.inside is None:
            # What Slack does not say in time, the preflight finds.
            found = await self.slack.look_up_file(FileInfo(id=photo.file_id))
            unusable = check_file(found)
            fault = _GONE if found.barred else plain_sentence(unusable) if unusable else None
        return AttachedPhoto(
            file_id=photo.file_id, inside=photo.inside, name=f"{name}{of}", kind=photo.kind, fault=fault
        )

    async def details(self, user: str, ref: str) -> dict[str, Any]:
        """The Details modal without photo links, or the record; audits that it was opened. Raises Refused.

        The record, for who may know of the check and not of the customer, has no `private_metadata`.
        """
        refusal = self._no_details()
        if await self._sight(user, ref, refusal, counts=True) is Sight.RECORD:
            return await self._record(user, ref)
        check = await self._get_visible(user, ref, refusal)
        await self.database.write(audit.record, at=self.now(), actor=user, act="details.opened", ref=ref)
        return await self._details(user, check, links=None)

    async def _record(self, user: str, ref: str) -> dict[str, Any]:
        await self.database.write(audit.record, at=self.now(), actor=user, act="record.opened", ref=ref)
        found = await self.database.read(_read, ref, sealed=False)
        link = await self.links.thread(found.check)
        return record.view(found.check, self._entry(found.check), found.review, found.decisions, link=link)

    async def _sight(self, user: str, ref: str, refusal: Refused, *, counts: bool = False) -> Sight:
        """How much of a check this person sees. Raises the same refusal for one that is not there.

        `counts`: it is a look of theirs, which is limited unless the check is theirs.
        """
        # Nothing is opened from its seal before that is known.
        check = await self.database.read(checks.find, ref, sealed=False)
        if counts:
            await self.look_ups.require_for(user, check)
        sight = await self.access.sight(user, check.requester if check else "")
        if sight is Sight.NOTHING and check is not None and user == check.requester:
            # A former requester: that they lack the role says nothing that they did not know.
            raise self.access.no_access()
        if sight is Sight.NOTHING or check is None:
            raise refusal
        return sight

    def _no_details(self) -> Refused:
        return Refused(Refusal.NO_DETAILS, admin=self.access.an_admin())

    def _entry(self, check: Check) -> IDType | None:
        return self.id_types.find(check.country, check.id_type)

    async def details_with_links(self, user: str, ref: str) -> dict[str, Any]:
        """The same modal with links fetched from Smile ID now. Raises Refused.

        Whom `details` let in a moment ago may have lost the role since, or the modal may have stood open for hours.
        """
        if await self._sight(user, ref, self._no_details()) is Sight.RECORD:
            return await self._record(user, ref)
        # A page that becomes the Details, the photos say, shows them to somebody who may never have opened them.
        await self.database.write(audit.record_first, at=self.now(), actor=user, act="details.opened", ref=ref)
        check = await self.database.read(checks.get, ref)
        attempt = await self.database.read(attempts.latest, ref) if not check.is_altered else None
        links: Mapping[str, str] = {}
        # What is erased here is not fetched from Smile ID either.
        if attempt is not None and attempt.sent_at is not None and check.erased_at is None:
            try:
                record = await self.smile_id.ask(attempt)
                links = {name: url for name, url in record.image_links.items() if _is_link(url)}
            except SmileIDError as fault:
                log.info("details.no_links", ref=ref, error=str(fault))
        return await self._details(user, check, links=links)

    async def _details(self, user: str, check: Check, *, links: Mapping[str, str] | None) -> dict[str, Any]:
        # An altered check may hold what no attempt can be made of.
        made = await self.database.read(attempts.of_check, check.ref) if not check.is_altered else []
        job_of_round = made[-1].job_id if made and made[-1].round == check.round else None
        written: list[ReviewDecision | Note] = [*await self.database.read(reviews.decisions, check.ref)]
        reader = await self._reader(user)
        # What reviewers write among themselves is not for requesters.
        if reader.is_reviewer:
            written += await self.database.read(reviews.notes, check.ref)
        asked = await self.database.read(review_requests.of_check, check.ref)
        # A comment is for reviewers, and for who wrote it.
        asked = [one for one in asked if reader.is_reviewer or one.person == user]
        read = [
            (receipt, self.smile_id.read_message(receipt.body))
            for receipt in await self.database.read(receipts.of_check, check.ref)
        ]
        authorities = [message.authority for receipt, message in read if receipt.job_id == job_of_round]
        messages = [
            private.MessageDetails(
                at=receipt.received_at,
                source=receipt.source,
                reading=message.reading,
                authority=_labelled(message.authority),
                liveness_images=check.liveness_images if receipt.job_id == job_of_round else None,
                suspects=[f"{suspect.user_id} ({', '.join(suspect.reasons)})" for suspect in message.suspects],
            )
            for receipt, message in read
        ]
        return private.details(
            check,
            self.id_types.find(check.country, check.id_type),
            messages,
            photo_links=links,
            compared=_compared(check, authorities),
            reviewers=[*reasons.in_details(asked), *review.decisions_and_notes(written)],
            jobs=[private.JobIds(job_id=one.job_id, smile_job_id=one.smile_job_id) for one in made],
            row=await self._row(check, reader),
        )

    async def _reader(self, user: str) -> review_actions.Reader:
        reviewer, admin = await asyncio.gather(
            self.access.may(user, Right.REVIEW), self.access.may(user, Right.DECIDE, own=True)
        )
        yes = Permission.YES
        return review_actions.Reader(user=user, is_reviewer=reviewer is yes, is_admin=admin is yes)

    async def _row(self, check: Check, reader: review_actions.Reader) -> list[Block]:
        """What this person may press here; each click is checked again."""
        opened = await self.database.read(reviews.find, check.ref)
        unanswered = is_unanswered(check.state, check.sent_at, self.now())
        row = review_actions.in_details(check, opened, reader, unanswered=unanswered)
        if reader.is_reviewer and reader.user not in check.requesters:
            row.append(photos.show_button(check.ref))
        return row + more_buttons(check)


def _read(tx: Transaction, ref: str, *, sealed: bool) -> _Read:
    return _Read(
        check=_existing(checks.find(tx, ref, sealed=sealed)),
        review=reviews.find(tx, ref, sealed=sealed),
        decisions=reviews.decisions(tx, ref, sealed=sealed),
    )


def _existing(check: Check | None) -> Check:
    if check is None:
        # Removed by the purge at this very moment; whoever asks again hears that there is none.
        raise LookupError("no such check")
    return check


def _compared(check: Check, authorities: Sequence[Authority]) -> list[private.ComparedField]:
    """Name, date of birth and phone number, as far as either side holds them."""
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


def _labelled(authority: Authority) -> dict[str, str]:
    found = {label: getattr(authority, name) for name, label in _AUTHORITY.items()}
    return {label: str(value) for label, value in found.items() if value}


def _is_link(url: str) -> bool:
    """A link that mrkdwn renders as it is."""
    return url.startswith(("https://", "http://")) and not set(url) & set("<>| \n") and len(url) < 2000
