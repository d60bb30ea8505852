"""The log tells how each check came out, what Slack has, and how long each of them took: one event each."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from bot.domain.check.states import State
from bot.sandbox.slack import Fault as SlackFault
from bot.sandbox.smile_id import Fault
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests.journeys.intake.test_rerun import run_again, sent_again
from tests.journeys.world import MovedClock, journey
from tests.test_readme import OPERATIONS, bare, rows

pytestmark = pytest.mark.anyio


def logged(log_lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log_lines.getvalue().splitlines()]


def of(log_lines: io.StringIO, event: str, ref: str) -> list[dict[str, Any]]:
    return [line for line in logged(log_lines) if line["event"] == event and line["ref"] == ref]


async def test_a_check_tells_its_result_its_posts_and_its_delivery_once_each(
    tmp_path: Path, log_lines: io.StringIO
) -> None:
    clock = MovedClock()
    async with journey(tmp_path, clock=clock) as world:
        ref = await world.ask()
        clock.move(seconds=20)
        await world.settle()
        (sent,) = of(log_lines, "check.sent", ref)
        assert sent["seconds"] >= 20
        (result,) = of(log_lines, "check.result", ref)
        assert (result["state"], result["code"]) == ("approved", "0810")
        assert result["job_id"] == world.job().job_id
        assert 0 <= result["seconds"] < sent["seconds"] + 60
        (delivered,) = of(log_lines, "check.delivered", ref)
        assert delivered["state"] == "approved"
        assert delivered["seconds"] >= 20
        posted = of(log_lines, "post.posted", ref)
        assert {line["kind"] for line in posted} >= {"request", "progress", "result"}
        assert all(line["seconds"] >= 0 for line in posted)
        # No name, number or text of a message: ids, states, codes and durations.
        assert all(
            set(line) <= {"timestamp", "level", "event", "ref", "job_id", "post", "kind", "state", "code", "seconds"}
            for line in [result, delivered, *posted]
        )


async def test_a_check_that_fails_is_delivered_too(tmp_path: Path, log_lines: io.StringIO) -> None:
    async with journey(tmp_path, SMILE_ID_API_KEY="that-of-another-partner") as world:
        ref = await world.ask()
        await world.settle()
        (failed,) = of(log_lines, "check.failed", ref)
        assert failed["error"] == "refused"
        assert failed["seconds"] >= 0
        assert of(log_lines, "check.result", ref) == []
        (delivered,) = of(log_lines, "check.delivered", ref)
        assert delivered["state"] == "failed"


async def test_a_check_that_is_run_again_and_fails_counts_from_its_own_asking(
    tmp_path: Path, log_lines: io.StringIO
) -> None:
    clock = MovedClock()
    async with journey(tmp_path, clock=clock) as world:
        no = Fault.status(400, {"error": "Error - invented", "code": "2213"})
        world.smile_id.fail_next("upload", no)
        ref = await world.ask()
        await world.settle()
        clock.move(days=1)
        world.smile_id.fail_next("upload", no)
        await sent_again(world, await run_again(world))
        await world.settle()
        first, second = (failed["seconds"] for failed in of(log_lines, "check.failed", ref))
        assert first < 3600
        assert second < 3600


async def test_a_failure_that_came_too_late_for_its_check_is_not_logged(tmp_path: Path, log_lines: io.StringIO) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        late = await world.check(ref)
        await world.settle()
        await world.bot.submission.retries.fail(late, "unsettled")
        assert (await world.check(ref)).state is State.APPROVED
        assert of(log_lines, "check.failed", ref) == []


async def test_what_slack_did_not_take_is_not_delivered_and_counts_the_wait(
    tmp_path: Path, log_lines: io.StringIO
) -> None:
    clock = MovedClock()
    async with journey(tmp_path, clock=clock) as world:
        ref = await world.ask()
        world.slack.fault = lambda method, _number: SlackFault.status(503) if method == "chat.postMessage" else None
        await world.settle()
        assert of(log_lines, "check.result", ref) != []
        assert of(log_lines, "check.delivered", ref) == []
        world.slack.fault = None
        clock.move(minutes=10)
        await world.settle()
        (delivered,) = of(log_lines, "check.delivered", ref)
        assert delivered["seconds"] >= 600


async def test_what_was_rolled_back_is_not_logged(tmp_path: Path, log_lines: io.StringIO) -> None:
    database = await Database.open(tmp_path / "kyc.db", sealer=Sealer.from_text([Sealer.new_key()]), migrate=migrate)

    def tell(tx: Transaction, *, fails: bool) -> None:
        tx.tell("check.result", ref="fails" if fails else "holds")
        if fails:
            raise ValueError("not this one")

    with pytest.raises(ValueError, match="not this one"):
        await database.write(tell, fails=True)
    await database.write(tell, fails=False)
    await database.close()
    assert [line["ref"] for line in logged(log_lines) if line["event"] == "check.result"] == ["holds"]


def test_every_event_of_the_table_is_logged_somewhere() -> None:
    root = Path(__file__).parents[3]
    code = "".join(
        path.read_text(encoding="utf-8") for room in ("bot", "storage") for path in (root / room).rglob("*.py")
    )
    events = [bare(row[0]) for row in rows(OPERATIONS, "event")]
    assert len(events) == 7
    assert [event for event in events if f'"{event}"' not in code] == []
