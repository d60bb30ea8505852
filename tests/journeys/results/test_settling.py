"""A callback is stored, answered and then settled: what may come between two of these steps."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from bot.sandbox.demo import settings_for
from bot.smile_id.interface import ResultMessage, SmileID
from bot.smile_id.v1 import SmileIDV1
from tests import engines
from tests.journeys.smile import Message, fates, message, pass_time, put_on_record, rows, signed, waiting, written
from tests.journeys.world import Journey, bot_between

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]


async def deliver(world: Journey, body: Message, headers: Mapping[str, str] | None = None) -> int:
    """As Smile ID sends it; the answer's status. Nothing is settled yet."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(world.job().callback_url, content=json.dumps(body), headers=dict(headers or {}))
    return answer.status_code


def approvals(world: Journey) -> int:
    return sum("Approved — " in reply for reply in world.thread())


async def test_a_callback_that_was_answered_before_the_bot_ended_is_settled_by_the_next_one(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "0810")
        assert await deliver(world, signed(world, message(world.job(), "0810"))) == 200
        assert await fates(world) == [("0810", "kept")]
        assert (await world.check(ref)).state == "processing"
        await world.bot.database.close()

        environment = settings_for(world.slack, world.smile_id, database=engines.lay(tmp_path / "kyc.db"))
        same = {"KYC_ENCRYPTION_KEYS": world.bot.settings.encryption_keys.get_secret_value()}
        async with bot_between(world.slack, world.smile_id, {**environment, **same}, clock=world.clock) as later:
            await later.work()
            assert (await later.check(ref)).state == "approved"
            assert approvals(later) == 1
            assert await fates(later) == [("0810", "counted")]


async def test_smile_ids_record_may_come_between_the_answer_and_the_settling(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "0810")
        world.clock.move(minutes=10)
        (due,) = await world.bot.poller.claim(8)
        assert await deliver(world, signed(world, message(world.job(), "0810"))) == 200
        waiting_ones = await world.bot.settler.claim(8)
        await world.bot.poller.work(due)
        assert (await world.check(ref)).state == "approved"
        assert await fates(world) == [("0810", "counted")]

        # Settled by whoever came first; the one that was claimed before finds nothing to do.
        for one in waiting_ones:
            await world.bot.settler.work(one)
        assert await world.bot.settler.claim(8) == []
        await world.work()
        assert approvals(world) == 1
        assert await rows(world, "receipts") == 1


async def test_a_repeat_before_the_first_is_settled_is_answered_and_adds_nothing(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "0810")
        body = signed(world, message(world.job(), "0810"))
        later = signed(world, message(world.job(), "0810"), written(world.clock() + timedelta(seconds=1)))
        assert [await deliver(world, one) for one in (body, body, later, later)] == [200] * 4
        assert await fates(world) == [("0810", "kept")]
        assert 'kyc_callbacks_total{fate="repeat"} 3.0' in (await world.bot.figures()).decode()
        await world.work()
        assert [await deliver(world, one) for one in (body, later)] == [200] * 2
        await pass_time(world, 10)
        assert (await world.check(ref)).state == "approved"
        assert approvals(world) == 1
        assert await rows(world, "receipts") == 1


async def test_a_remembered_repeat_is_trusted_no_further_than_its_own_signature(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, _ref):
        body, stamp = message(world.job(), "0812"), written(world.clock())
        proof = {"Response-Timestamp": stamp, "Response-Signature": world.smile_id.sign(stamp)}
        assert await deliver(world, body, proof) == 200
        assert await deliver(world, body, proof) == 200
        # The same words without the signature, with another one, and with a time that nobody has signed.
        assert await deliver(world, body) == 401
        assert await deliver(world, body, {**proof, "Response-Signature": "no"}) == 401
        assert await deliver(world, body, {**proof, "Response-Timestamp": written(world.clock())}) == 401
        # Another message under the remembered address is read like any other.
        assert await deliver(world, {**body, "PartnerParams": {"job_id": "another"}}, proof) == 409
        assert await deliver(world, body, proof) == 200
        world.clock.move(minutes=16)
        assert await deliver(world, body, proof) == 401


@dataclass(slots=True, kw_only=True, eq=False)
class Stumbling(SmileIDV1):
    """Fails at what it kept of one job."""

    at: str = ""

    def read_message(self, kept: str) -> ResultMessage:
        if self.at in kept:
            raise RuntimeError("invented")
        return SmileIDV1.read_message(self, kept)


def stumbling(smile_id: SmileID, at: str) -> Stumbling:
    assert isinstance(smile_id, SmileIDV1)
    return Stumbling(client=smile_id.client, codes=smile_id.codes, at=at)


async def test_a_callback_that_cannot_be_settled_holds_up_no_other_and_is_tried_again(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        first = world.job()
        assert await deliver(world, signed(world, message(first, "0812"))) == 200
        world.smile_id.stories_by_id_number["12345678909"] = "never"
        await world.ask(id_number="12345678909")
        await world.bot.outbox.claim(0)
        for due in await world.bot.submission.claim(8):
            await world.bot.submission.work(due)
        await world.smile_id.wait_for(lambda: world.job() is not first and world.job().processed)
        world.clock.move(seconds=1)
        assert await deliver(world, signed(world, message(world.job(), "0812"))) == 200

        settler = world.bot.settler
        clumsy = replace(
            settler, settlement=replace(settler.settlement, smile_id=stumbling(world.bot.smile_id, first.job_id))
        )
        bad, good = await clumsy.claim(8)
        with pytest.raises(RuntimeError, match="invented"):
            await clumsy.work(bad)
        await clumsy.work(good)
        assert await fates(world) == [("0812", "kept"), ("0812", "counted")]
        assert await clumsy.claim(8) == []
        world.clock.move(minutes=1)
        assert await clumsy.claim(8) == [bad]
        # Whoever can read it settles it.
        await settler.work(bad)
        assert (await world.check(ref)).reason == "smile_id"
