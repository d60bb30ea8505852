"""Everything that an impostor of Smile ID was thought of to send to a true callback address, in one list.

Each claims an approval for a check that waits. After each nothing has changed, and in the end the true result counts.
"""

import asyncio
import gzip
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.smile_id.signature import sign
from storage.engine.database import Transaction
from tests.journeys.results.test_trust import nothing_happened
from tests.journeys.smile import fates, message, put_on_record, signed, waiting, written
from tests.journeys.world import Journey, journey
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Attack:
    """A body, and how the bot answers it."""

    body: bytes
    status: int
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)


def approval(world: Journey, **more: Any) -> dict[str, Any]:
    return message(world.job(), "0810", "Verified", IsFinalResult="true", **more)


def dumped(body: Any) -> bytes:
    return json.dumps(body).encode()


def at(world: Journey, moved: timedelta) -> bytes:
    return dumped(signed(world, approval(world), written(world.clock() + moved)))


def forged(world: Journey) -> dict[str, Any]:
    return {**approval(world), "timestamp": written(world.clock()), "signature": "A" * 44}


def caught(world: Journey) -> dict[str, Any]:
    """The time and signature of a message that Smile ID sent about something else."""
    true = signed(world, message(world.job(), "1012"))
    return {**approval(world), "timestamp": true["timestamp"], "signature": true["signature"]}


def of_partner(world: Journey, partner_id: str) -> dict[str, Any]:
    """With our own key, as if one served two partners."""
    now = written(world.clock())
    return {
        **approval(world),
        "timestamp": now,
        "signature": sign(partner_id=partner_id, api_key=world.smile_id.api_key, timestamp=now),
    }


def twice(world: Journey, key: str, first: Any) -> bytes:
    """The key a second time, at the end: readers differ in which of both they take."""
    whole = dumped({key: first, **signed(world, approval(world))})
    return whole[:-1] + b", " + dumped({key: first})[1:]


ATTACKS: Mapping[str, Callable[[Journey], Attack]] = {
    "without a signature": lambda w: Attack(dumped(approval(w)), 401),
    "with a forged signature": lambda w: Attack(dumped(forged(w)), 401),
    "signed with another key": lambda w: Attack(dumped({**forged(w), "signature": "c2lnbmVk" * 5 + "c2k="}), 401),
    "with an empty signature": lambda w: Attack(dumped({**forged(w), "signature": ""}), 401),
    "with a signature that is no text": lambda w: Attack(dumped({**forged(w), "signature": [True]}), 401),
    "with a time that is no time": lambda w: Attack(dumped({**forged(w), "timestamp": "now"}), 401),
    "stale": lambda w: Attack(at(w, -timedelta(minutes=16)), 401),
    "of the future": lambda w: Attack(at(w, timedelta(minutes=6)), 401),
    "about another job": lambda w: Attack(
        dumped(signed(w, {**approval(w), "PartnerParams": {**w.job().partner_params, "job_id": "another"}})), 409
    ),
    "of another partner's job": lambda w: Attack(
        dumped(signed(w, {**approval(w), "PartnerParams": {"job_id": "1", "user_id": "1", "job_type": 1}})), 409
    ),
    "with the job named twice": lambda w: Attack(
        twice(w, "PartnerParams", {**w.job().partner_params, "job_id": "another"}), 400
    ),
    "with the result named twice": lambda w: Attack(twice(w, "ResultCode", "0810"), 400),
    "with the signature named twice": lambda w: Attack(twice(w, "signature", "A" * 44), 400),
    "signed for another partner": lambda w: Attack(dumped(of_partner(w, "0422")), 401),
    "huge": lambda w: Attack(dumped(signed(w, approval(w))) + b" " * (4 * 1024 * 1024), 413),
    "deep": lambda w: Attack(b"[" * 50_000 + b"]" * 50_000, 400),
    "cut off": lambda w: Attack(dumped(signed(w, approval(w)))[:-20], 400),
    "compressed": lambda w: Attack(
        gzip.compress(dumped(signed(w, approval(w)))), 400, JSON | {"Content-Encoding": "gzip"}
    ),
    "in another encoding": lambda w: Attack(json.dumps(approval(w)).encode("utf-16"), 401),
    "as a form": lambda w: Attack(b"ResultCode=0810", 400, {"Content-Type": "application/x-www-form-urlencoded"}),
    "a list of approvals": lambda w: Attack(dumped([signed(w, approval(w))]), 400),
    "a bare word": lambda w: Attack(b'"approved"', 400),
    "empty": lambda w: Attack(b"", 400),
    "with zeros": lambda w: Attack(b"\x00" * 64, 400),
    "under a signature that was caught": lambda w: Attack(dumped(caught(w)), 200),
}


async def send(world: Journey, attack: Attack) -> int:
    async with httpx.AsyncClient(timeout=GIVE_UP_SECONDS, trust_env=False) as client:
        answer = await client.post(world.job().callback_url, content=attack.body, headers=dict(attack.headers))
    assert not answer.content, "an impostor learns nothing more than the status"
    return answer.status_code


async def test_in_a_burst_each_callback_is_answered_for_itself(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        for _check in range(3):
            await world.ask()
        await world.work()
        await world.smile_id.wait_for(lambda: all(job.processed for job in world.smile_id.jobs.values()))
        one, two, three = world.smile_id.jobs.values()
        nobodys = one.callback_url[:-4] + ("0000" if one.callback_url[-4:] != "0000" else "1111")
        letters = [
            (one.callback_url, signed(world, message(one, "0810"))),
            (one.callback_url, signed(world, message(two, "0810"))),
            (nobodys, signed(world, message(one, "0811"))),
            (two.callback_url, signed(world, message(two, "0811"))),
            (one.callback_url, signed(world, message(one, "0810"))),
            (two.callback_url, signed(world, {**message(two, "0811"), "ResultCode": None})),
            (
                three.callback_url,
                {**message(three, "0810"), "timestamp": written(world.clock()), "signature": "A" * 44},
            ),
            (three.callback_url, signed(world, message(three, "1012"))),
        ]
        held, go_on = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def hold(_tx: Transaction) -> None:
            loop.call_soon_threadsafe(held.set)
            go_on.wait(GIVE_UP_SECONDS)

        # While the writer is held up they gather, and are stored by one commit.
        holding = asyncio.create_task(world.bot.database.write(hold))
        await held.wait()
        async with httpx.AsyncClient(timeout=GIVE_UP_SECONDS, trust_env=False) as client:
            sent = [asyncio.create_task(client.post(url, content=dumped(body), headers=JSON)) for url, body in letters]
            await asyncio.sleep(0.2)
            go_on.set()
            answers = [answer.status_code for answer in await asyncio.gather(*sent)]
        await holding
        assert answers == [200, 409, 404, 200, 200, 200, 401, 200]
        found = await fates(world)
        assert Counter(found) == {
            ("0810", "kept"): 1,
            ("0811", "kept"): 1,
            ("1012", "kept"): 1,
            ("another_job", "refused"): 1,
            ("not_a_result", "refused"): 1,
            ("not_trusted, unsigned", "refused"): 1,
        }


async def test_no_impostor_moves_a_check_and_the_true_result_counts_afterwards(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        for name, make in ATTACKS.items():
            attack = make(world)
            assert await send(world, attack) == attack.status, name
            if attack.status != 200:
                await nothing_happened(world, ref)
            check = await world.check(ref)
            assert (check.state, check.decision) == ("processing", None), name
            assert "Approved" not in world.slack.plain(world.root()), name
        put_on_record(world, "0811")
        true = signed(world, message(world.job(), "0811"))
        for _again in range(3):
            assert await send(world, Attack(dumped(true), 200)) == 200
        await world.settle()
        assert (await world.check(ref)).state != "approved"
        assert "Approved" not in world.slack.plain(world.root())
