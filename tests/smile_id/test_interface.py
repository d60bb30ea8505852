"""The interface to Smile ID holds a second transport: one call, no record beyond a word, signatures in headers alone.

That is how Smile ID's V3 API differs from v1. What is played here is the transport; the bot around it is real.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from bot.domain.id_types.services import PartnerIDTypes, Services
from bot.domain.results.attempt import Attempt, Step
from bot.domain.results.codes import Outcome, ResultMeaning, ResultStory
from bot.errors import SmileIDAnswerInvalid, SmileIDUncertain
from bot.smile_id.interface import (
    Accepted,
    Arrival,
    Authority,
    Checkpoint,
    Delivery,
    JobRequest,
    Record,
    ResultMessage,
    SmileID,
    UnreadResult,
)
from bot.smile_id.signature import matches, read_stamp, sign, stamp
from bot.smile_id.v1 import json_object
from bot.submission.retries import MAX_TRIES
from storage import attempts
from tests.journeys.world import Journey, journey

pytestmark = pytest.mark.anyio

WHOSE = {"partner_id": "421", "api_key": "test-api-key-0000"}
MEANINGS = {
    "clear": (Outcome.APPROVED, ResultStory.CONFIRMED),
    "block": (Outcome.REJECTED, ResultStory.FACES_DIFFER),
    "processing": (Outcome.IN_PROGRESS, ResultStory.NOT_FINAL),
}


@dataclass
class OneCall:
    """Smile ID's end and the transport to it, in one."""

    fault: Callable[[], None] = lambda: None
    """Raised after the job was taken: its answer is lost."""
    jobs: list[JobRequest] = field(default_factory=list)
    status: str = "processing"

    async def submit(self, request: JobRequest, checkpoint: Mapping[str, object] | None) -> Checkpoint | Accepted:
        assert checkpoint is None, "nothing ever gave one"
        self.jobs.append(request)
        self.fault()
        return Accepted(smile_job_id=self.smile_job_id)

    @property
    def smile_job_id(self) -> str:
        return f"job_{len(self.jobs):026}"

    async def was_received(self, attempt: Attempt) -> Arrival:
        return Arrival.UNKNOWN

    async def ask(self, attempt: Attempt) -> Record:
        return Record() if self.status == "processing" else Record(messages=[self._message({"status": self.status})])

    def signature_of(self, headers: Mapping[str, str]) -> str:
        return f"{headers.get('response-timestamp')} {headers.get('response-signature')}"

    def read_callback(
        self, raw: bytes, headers: Mapping[str, str], *, is_known: Callable[[str], bool] | None = None
    ) -> Delivery:
        body, signed = json_object(raw), headers.get("response-timestamp", "")
        at = read_stamp(signed)
        fits = matches(**WHOSE, timestamp=signed, signature=headers.get("response-signature", ""))
        signed_at = [at] if fits and at is not None else []
        message = _unread(self._message(body)) if body and signed_at else None
        return Delivery(body=body, signed_at=signed_at, message=message)

    def read_message(self, kept: str) -> ResultMessage:
        return self._message(json.loads(kept))

    def _message(self, body: Mapping[str, object]) -> ResultMessage:
        status, ours = str(body.get("status")), body.get("partner_params")
        if status not in MEANINGS:
            raise SmileIDAnswerInvalid("a status that is not known")
        outcome, why = MEANINGS[status]
        return ResultMessage(
            reading=ResultMeaning(code=status, text=str(body.get("message", "")), outcome=outcome, why=why),
            job_id=str(ours["reference"]) if isinstance(ours, dict) else None,
            smile_job_id=None,
            authority=Authority(),
            suspects=(),
            body=body,
            digest=status,
        )

    async def offered_id_types(self) -> Services | None:
        return None

    async def enabled_id_types(self) -> PartnerIDTypes | None:
        return None

    async def accepts_credentials(self) -> bool:
        return True


def _unread(message: ResultMessage) -> UnreadResult:
    return UnreadResult(
        code=message.reading.code,
        job_id=message.job_id,
        smile_job_id=message.smile_job_id,
        body=message.body,
        digest=message.digest,
    )


def lose_the_answer() -> None:
    raise SmileIDUncertain("submit: ReadTimeout")


async def call_back(world: Journey, smile: OneCall, status: str, *, at: datetime | None = None) -> int:
    """What Smile ID sends by itself, signed in the headers alone, under a job id of its own."""
    (job,) = smile.jobs
    timestamp = stamp(at or world.clock())
    headers = {"Response-Timestamp": timestamp, "Response-Signature": sign(**WHOSE, timestamp=timestamp)}
    body = {"status": status, "job_id": smile.smile_job_id, "partner_params": {"reference": job.job_id}}
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.post(job.callback_url, json=body, headers=headers)
    await world.heard()
    return answer.status_code


async def attempt_of(world: Journey, ref: str) -> Attempt:
    attempt = await world.bot.database.read(attempts.latest, ref)
    assert attempt is not None
    return attempt


async def test_a_check_goes_its_whole_way_over_a_transport_of_one_call(tmp_path: Path) -> None:
    smile = OneCall()
    transport: SmileID = smile
    async with journey(tmp_path, transport=transport) as world:
        ref = await world.ask(liveness=8)
        await world.work()
        (job,) = smile.jobs
        assert job.labels["reference"] == ref
        assert job.id_info["id_number"] == "00000000000"
        assert len(job.liveness) == 8
        sent = await attempt_of(world, ref)
        assert (sent.step, sent.smile_job_id, sent.checkpoint) == (Step.SENT, smile.smile_job_id, None)
        smile.status = "clear"
        assert await call_back(world, smile, "clear") == 200
        await world.settle()
        assert (await world.check(ref)).state == "approved"
        assert "Approved" in world.thread()[-1]


async def test_its_unconfirmed_approval_opens_nothing_either(tmp_path: Path) -> None:
    smile = OneCall()
    async with journey(tmp_path, transport=smile) as world:
        ref = await world.ask()
        await world.work()
        assert await call_back(world, smile, "clear") == 200
        world.clock.move(minutes=5)
        await world.settle()
        check = await world.check(ref)
        assert (check.state, check.reason) == ("in_review", "unconfirmed")


async def test_an_old_signature_in_its_headers_is_refused(tmp_path: Path) -> None:
    smile = OneCall()
    async with journey(tmp_path, transport=smile) as world:
        await world.ask()
        await world.work()
        before = world.clock()
        world.clock.move(hours=1)
        assert await call_back(world, smile, "clear", at=before) == 401


async def test_a_lost_answer_that_nobody_can_ask_about_is_never_paid_for_twice(tmp_path: Path) -> None:
    smile = OneCall(fault=lose_the_answer)
    async with journey(tmp_path, transport=smile) as world:
        ref = await world.ask()
        for _try in range(MAX_TRIES * 2):
            await world.work()
            world.clock.move(minutes=5)
        check = await world.check(ref)
        assert (check.state, check.failure) == ("failed", "unsettled")
        assert len(smile.jobs) == 1
        assert "unclear whether Smile ID has this check" in world.thread()[-1]
        assert world.notices(), "a person decides whether to pay a second time"


async def test_a_callback_settles_a_doubt_that_nobody_can_be_asked_about(tmp_path: Path) -> None:
    smile = OneCall(fault=lose_the_answer)
    async with journey(tmp_path, transport=smile) as world:
        ref = await world.ask()
        await world.work()
        assert (await attempt_of(world, ref)).in_doubt_since is not None
        smile.status = "block"
        assert await call_back(world, smile, "block") == 200
        await world.settle()
        assert (await world.check(ref)).state == "rejected"
        assert len(smile.jobs) == 1
