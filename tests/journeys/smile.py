"""Smile ID's side of a journey, played by hand: messages about a job, put on record or sent as anybody could."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from bot.sandbox.smile_id import Fault, SandboxJob
from storage.engine.database import Transaction
from tests.journeys.world import Journey, journey

Message = dict[str, Any]

ALL_VERIFIED = {
    "Liveness_Check": "Passed",
    "Register_Selfie": "Approved",
    "Return_Personal_Info": "Returned",
    "Selfie_To_ID_Authority_Compare": "Completed",
    "Verify_ID_Number": "Verified",
}

EARLY = 11.0
"""Seconds after sending by which the bot has asked once although callbacks are on."""


def message(
    job: SandboxJob, code: str, text: str = "", *, actions: Mapping[str, str] | None = None, **more: Any
) -> Message:
    """A result message about this job, as Smile ID writes it, without time and signature."""
    return {
        "JSONVersion": "1.0.0",
        "SmileJobID": job.smile_job_id,
        "PartnerParams": dict(job.partner_params),
        "ResultType": "SAIA",
        "ResultCode": code,
        "ResultText": text,
        "Actions": dict(ALL_VERIFIED if actions is None else actions),
        **more,
    }


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def signed(world: Journey, body: Message, timestamp: str | int | None = None) -> Message:
    """The body with a timestamp (now, unless given) and the signature that belongs to it."""
    timestamp = written(world.clock()) if timestamp is None else timestamp
    return {**body, "timestamp": timestamp, "signature": world.smile_id.sign(str(timestamp))}


@asynccontextmanager
async def waiting(folder: Path, *, story: str = "never", **more: Any) -> AsyncIterator[tuple[Journey, str]]:
    """A world with one check whose zip is at Smile ID, and its reference."""
    async with journey(folder, story=story, **more) as world:
        ref = await world.ask()
        await world.work()
        await world.smile_id.wait_for(lambda: world.job().processed)
        yield world, ref


async def post(
    world: Journey, content: Any, *, url: str | None = None, headers: Mapping[str, str] | None = None
) -> int:
    """Send raw content to a callback URL, the newest job's unless given; the status of the answer, once settled."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(url or world.job().callback_url, content=content, headers=dict(headers or {}))
    await world.heard()
    return answer.status_code


async def call_back(world: Journey, code: str, text: str = "", **more: Any) -> None:
    """Smile ID delivers a message about the newest job, properly signed, and it is settled."""
    job = world.job()
    assert await world.smile_id.send_callback(job.job_id, message(job, code, text, **more)) == 200
    await world.heard()


def put_on_record(world: Journey, code: str, text: str = "", **more: Any) -> None:
    """Smile ID's own record of the newest job holds this message from now on, as its newest."""
    world.job().record.append(message(world.job(), code, text, **more))


def askings(world: Journey) -> int:
    """How often Smile ID was asked for its record."""
    return sum(request.call == "job_status" for request in world.smile_id.requests)


async def pass_time(world: Journey, *seconds: float) -> None:
    """Let these waits go by, with the bot at work after each."""
    for wait in seconds:
        world.clock.move(seconds=wait)
        await world.work()


def silence(world: Journey, fault: Fault | None) -> None:
    """Let each asking of job_status fail in this way; None: answer again."""
    world.smile_id.fault = (lambda call, _number: fault if call == "job_status" else None) if fault else None


async def rows(world: Journey, table: str) -> int:
    def count(tx: Transaction) -> int:
        row = tx.row(f"SELECT COUNT(*) AS n FROM {table}")  # noqa: S608 - a table's name out of a test
        assert row is not None
        return int(row["n"])

    return await world.bot.database.read(count)


async def fates(world: Journey) -> list[tuple[str, str]]:
    """Code and fate of everything that was kept, oldest first."""

    def read(tx: Transaction) -> list[tuple[str, str]]:
        found = tx.rows("SELECT code, fate FROM receipts ORDER BY received_at, id")
        return [(row["code"], row["fate"]) for row in found]

    return await world.bot.database.read(read)
