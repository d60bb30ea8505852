"""Smile ID behind its interface, over the v1 API: a job is announced, then its zip goes to the URL that comes back.

Result messages are parsed strictly and put into our own terms.
"""

import asyncio
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.domain.id_types.services import PartnerIDTypes, Services
from bot.domain.results.attempt import Attempt
from bot.domain.results.codes import ResultCodes
from bot.errors import Fault, SmileIDAnswerInvalid, SmileIDRefused, SmileIDUploadExpired
from bot.smile_id import wire
from bot.smile_id.client import V1Client
from bot.smile_id.interface import (
    Accepted,
    Arrival,
    Checkpoint,
    Delivery,
    JobRequest,
    Record,
    ResultMessage,
    UnreadResult,
)
from bot.smile_id.signature import read_stamp

_TIMESTAMP, _SIGNATURE = "Response-Timestamp", "Response-Signature"
"""Headers; the body of a callback may hold both as well."""
_SMALL_BYTES = 512 * 1024
"""Of one photo alone, whose zip is made in half a millisecond: handing it to a thread costs more."""
DEEPEST = 64
"""Levels of JSON that are read; Smile ID's own messages have five or six."""


@dataclass(slots=True, kw_only=True, eq=False)
class SmileIDV1:
    """Implements `bot.smile_id.interface.SmileID`."""

    client: V1Client
    codes: ResultCodes

    async def submit(self, request: JobRequest, checkpoint: Mapping[str, object] | None) -> Checkpoint | Accepted:
        if checkpoint is None:
            return await self._announce(request)
        prepared = wire.parse_prepared(checkpoint)
        if not request.liveness and len(request.selfie.data) <= _SMALL_BYTES:
            package = self.client.package(request, prepared)
        else:
            # in a thread: nine photos are copied and summed up, while other checks wait for their answers
            package = await asyncio.to_thread(self.client.package, request, prepared)
        try:
            await self.client.send(prepared.upload_url, package)
        except SmileIDUploadExpired:
            # The URL died before the zip was taken, so the same job is asked for a new one.
            return await self._announce(request)
        return Accepted(smile_job_id=prepared.smile_job_id)

    async def _announce(self, request: JobRequest) -> Checkpoint:
        """Get the URL for the zip. The caller has made sure that Smile ID has no zip of this job."""
        try:
            prepared = await self.client.prepare(request)
        except SmileIDRefused as no:
            if no.fault is not Fault.JOB_ID:
                raise
            # 2215: an earlier upload request of ours arrived, though its answer was lost or its URL has died. With
            # `retry` a job that still waits for its zip is opened again (smileidentity/android:BiometricKycViewModel,
            # 2026-11). Refused once more, somebody has sent the zip: the caller asks for the record.
            prepared = await self.client.prepare(request, retry=True)
        return Checkpoint(smile_job_id=prepared.smile_job_id, state=prepared.answer)

    async def was_received(self, attempt: Attempt) -> Arrival:
        status = await self.client.job_status(user_id=attempt.user_id, job_id=attempt.job_id)
        return Arrival.MISSING if status is None or status.no_zip else Arrival.RECEIVED

    async def ask(self, attempt: Attempt) -> Record:
        status = await self.client.job_status(user_id=attempt.user_id, job_id=attempt.job_id)
        if status is None or not status.job_complete:
            return Record(image_links=status.image_links if status else {})
        # the last result first, and the history behind it holds every message, newest first
        bodies = [status.result, *status.history] if status.result else status.history
        # The last result stands in the history as well, word for word: it is read once.
        texts = [(json.dumps(body), body) for body in bodies if not _is_too_deep(body)]
        read = {text: self._find_message(body) for text, body in dict(texts).items()}
        found = [message for text, _body in texts if (message := read[text])]
        return Record(messages=found, image_links=status.image_links)

    def read_callback(
        self, raw: bytes, headers: Mapping[str, str], *, is_known: Callable[[str], bool] | None = None
    ) -> Delivery:
        body = json_object(raw)
        if body is None:
            return Delivery(body=None)
        pairs = (
            (headers.get(_TIMESTAMP), headers.get(_SIGNATURE)),
            (body.get("timestamp"), body.get("signature")),
        )
        signed_at = [
            at
            for timestamp, signature in pairs
            if self.client.is_signed(timestamp, signature) and (at := read_stamp(str(timestamp))) is not None
        ]
        if not signed_at:
            return Delivery(body=body)
        digest = wire.canonical_hash(body)
        if is_known is not None and is_known(digest):
            return Delivery(body=body, signed_at=signed_at, known=digest)
        try:
            head = wire.read_head(body)
        except SmileIDAnswerInvalid:
            return Delivery(body=body, signed_at=signed_at)
        message = UnreadResult(
            code=head.code, job_id=head.job_id, smile_job_id=head.smile_job_id, body=body, digest=digest
        )
        return Delivery(body=body, signed_at=signed_at, message=message)

    def signature_of(self, headers: Mapping[str, str]) -> str:
        return json.dumps([headers.get(_TIMESTAMP), headers.get(_SIGNATURE)])

    def read_message(self, kept: str) -> ResultMessage:
        body = json.loads(kept)
        if _is_too_deep(body):
            raise SmileIDAnswerInvalid("result message with too many levels")
        return self._message(body)

    def _find_message(self, body: Mapping[str, object]) -> ResultMessage | None:
        try:
            return self._message(body)
        except SmileIDAnswerInvalid:
            return None

    def _message(self, body: Mapping[str, object]) -> ResultMessage:
        """Its meaning is read from the table of result codes. Raises SmileIDAnswerInvalid."""
        found = wire.parse_message(body)
        return ResultMessage(
            reading=self.codes.read(
                code=found.code,
                text=found.text,
                actions=found.actions,
                said_final=found.is_final,
                confidence=found.confidence,
            ),
            job_id=found.job_id,
            smile_job_id=found.smile_job_id,
            authority=found.authority,
            suspects=found.suspects,
            body=body,
            digest=wire.canonical_hash(body),
        )

    async def offered_id_types(self) -> Services | None:
        return await self.client.services()

    async def enabled_id_types(self) -> PartnerIDTypes | None:
        return await self.client.products()

    async def accepts_credentials(self) -> bool:
        # Asking about a job that nobody has is read-only, and a wrong key is refused there; but how Smile ID answers
        # for an unknown job is not documented, so only a signed answer is a proof.
        nobody = f"kyc-bot-check-{secrets.token_hex(8)}"
        return await self.client.job_status(user_id=nobody, job_id=nobody) is not None


def json_object(body: bytes) -> dict[str, object] | None:
    """A JSON object that means the same to every parser: no name twice, no NaN, no depth that breaks one."""
    try:
        found = json.loads(body, object_pairs_hook=_each_name_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and not _is_too_deep(found) else None


def _each_name_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name comes twice")
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _is_too_deep(value: object) -> bool:
    # level by level: a recursion would itself be what a deep body breaks
    level = [value]
    for _ in range(DEEPEST):
        deeper = list[object]()
        for item in level:
            if isinstance(item, dict):
                deeper += item.values()
            elif isinstance(item, list):
                deeper += item
        if not deeper:
            return False
        level = deeper
    return True
