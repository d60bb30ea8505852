"""Every state and every move of the table is reached by a journey: read from the audit, not from our belief."""

import asyncio
import itertools
from pathlib import Path

import pytest

from bot.domain.check.states import MOVES, State
from bot.errors import NotNow
from bot.sandbox.smile_id import Fault
from storage.engine.database import Transaction
from tests.journeys.capture.customer import OFFERED, agreed
from tests.journeys.smile import call_back, put_on_record, waiting
from tests.journeys.world import Journey, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

Moves = set[tuple[State, State]]

NOT_YET: Moves = {
    # The table allows to give a recorded attempt back; a doubt is settled within `submitting` instead.
    (State.SUBMITTING, State.REQUESTED),
}
"""Moves that nothing in the bot makes."""

WAYS = [
    ("0810",),
    ("0811",),
    ("0001",),
    ("0814", "1210"),
    ("0814", "1211"),
    ("0814", "0001"),
    ("0810", "0811"),
    ("0811", "0810"),
    ("0001", "0810"),
]
"""Codes that Smile ID has on record and sends, one after the other."""


async def moves(world: Journey, *, begun: State = State.REQUESTED) -> Moves:
    """What the audit says about the newest check."""

    def read(tx: Transaction) -> list[str]:
        return [row["detail"] for row in tx.rows("SELECT detail FROM audit WHERE act = 'check.moved' ORDER BY seq")]

    states = [begun, *(State(line.partition(":")[0]) for line in await world.bot.database.read(read))]
    return {(a, b) for a, b in itertools.pairwise(states) if a is not b}


async def told_when_sent(folder: Path, codes: tuple[str, ...]) -> Moves:
    async with waiting(folder) as (world, _ref):
        for code in codes:
            put_on_record(world, code)
            await call_back(world, code)
            await world.work()
        return await moves(world)


async def told_while_sending(folder: Path, code: str) -> Moves:
    """Smile ID has the zip, works, and is heard, while its answer to the zip is still on its way."""
    async with journey(folder, story="never") as world:
        await world.ask()
        heard = asyncio.Event()
        world.smile_id.fail_next("put", Fault.call(after=heard.wait))
        (row,) = await world.bot.submission.claim(8)
        sending = asyncio.create_task(world.bot.submission.work(row))
        await world.smile_id.wait_for(lambda: bool(world.smile_id.jobs) and world.job().processed)
        put_on_record(world, code)
        await call_back(world, code)
        for attempt in await world.bot.poller.claim(8):
            await world.bot.poller.work(attempt)
        assert not sending.done()
        heard.set()
        await sending
        return await moves(world)


async def refused(folder: Path, *, selfie: bytes | None = None) -> Moves:
    """Photos that nobody can use, or a request that Smile ID does not take."""
    async with journey(folder) as world:
        if selfie is None:
            world.smile_id.fail_next("upload", Fault.status(400, {"code": "2213", "error": "not allowed"}))
            await world.ask()
        else:
            await world.ask(selfie=selfie)
        await world.work()
        return await moves(world)


async def run_again(folder: Path, *, story: str | None) -> Moves:
    """Ended by Smile ID, or without a story cancelled before it was sent; and begun once more."""
    async with journey(folder, story=story or "never") as world:
        ref = await world.ask()
        if story is None:
            await world.analyst.command(f"cancel {ref}")
        await world.settle()
        await world.analyst.command(f"rerun {ref}")
        modal = await world.analyst.modal()
        await world.slack.wait_for(lambda: "One moment" not in modal.text())
        await modal.choose("consent", ["consented"])
        assert (await modal.submit()).closed
        return await moves(world)


async def by_link(folder: Path, *, story: str | None) -> Moves:
    """The customer's photos get lost once, then Smile ID ends the check; or it is withdrawn. Then by link once more."""
    async with journey(folder, story=story or "never", **OFFERED) as world:
        customer = await agreed(world)
        if story is None:
            await world.analyst.command(f"cancel {customer.ref}")
        else:
            world.smile_id.fail_next("put", Fault.status(500))
            with pytest.raises(NotNow):
                await customer.hand_in()
            await customer.hand_in()
        await world.settle()
        await world.analyst.command(f"rerun {customer.ref}")
        modal = await world.analyst.modal()
        await world.slack.wait_for(lambda: "One moment" not in modal.text())
        assert (await modal.submit()).closed
        return await moves(world, begun=State.AWAITING_PHOTOS)


async def test_every_state_and_every_move_of_the_table_is_reached(tmp_path: Path) -> None:
    def room(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        return folder

    seen: Moves = set()
    for codes in WAYS:
        seen |= await told_when_sent(room("-".join(codes)), codes)
    for code in ("0810", "0811", "0001", "0814"):
        seen |= await told_while_sending(room(f"sending-{code}"), code)
    seen |= await refused(room("refused"))
    for story in ("rejected", "selfie_unusable", None):
        seen |= await run_again(room(f"again-{story}"), story=story)
        seen |= await by_link(room(f"link-{story}"), story=story)
    seen |= await refused(room("no-photo"), selfie=b"\xff\xd8\xff\xe0 this is no photo" * 2_000)

    table = {(current, target) for current, targets in MOVES.items() for target in targets}
    assert seen == table - NOT_YET
    assert {state for move in seen for state in move} == set(State)
