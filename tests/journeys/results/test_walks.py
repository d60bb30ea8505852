"""Random walks over the real parts: whatever comes, in whatever order, no wrong verdict is ever shown."""

import asyncio
import json
import random
import sqlite3
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot.domain.check.states import FINAL, STICKY_REASONS, State
from bot.sandbox.demo import settings_for
from bot.sandbox.smile_id import SmileIDSandbox
from tests.journeys.smile import ALL_VERIFIED, Message, message, post, signed, written
from tests.journeys.world import Journey, MovedClock, bot_between, patient_slack

pytestmark = pytest.mark.endurance

T = TypeVar("T")

UNVERIFIED = "0810 without the ID"
CODES = [
    *("0810", "1210", "0811", "1211", "0001", "0907", "1013", "1015"),
    *("0812", "0814", "0899", "1012", "5211", UNVERIFIED),
]
APPROVALS = frozenset({"0810", "1210"})
ENDINGS = ("Approved —", "Rejected —", "No result —")
WAITS = [0.0, 3.0, 30.0, 130.0, 400.0, 4_000.0]


class Walk(RuleBasedStateMachine):
    """One check, a real bot on a real database, and a Smile ID that says anything at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.bots = AsyncExitStack()
        self.clock = MovedClock()
        self.rng = random.Random(7)
        """One for all starts: the same again would give the same ids again."""
        self.approved_on_record = False
        self.last: Message | None = None
        self.ref = ""

    def run(self, steps: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(steps)

    @initialize()
    def begin(self) -> None:
        self.run(self._begin())

    async def _begin(self) -> None:
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.slack = patient_slack(self.clock)
        self.smile_id = SmileIDSandbox(
            partner_id="0421", api_key="sandbox-api-key", story="never", callback_delay_seconds=0.0, clock=self.clock
        )
        for party in (self.slack, self.smile_id):
            await party.start()
            self.stack.push_async_callback(party.stop)
        self.database = Path(folder) / "kyc.db"
        self.environment = settings_for(
            self.slack,
            self.smile_id,
            database=self.database,
            socket_mode=False,
            KYC_SLACK_POSTS_PER_SECOND="1000",
        )
        await self._start()
        self.ref = await self.world.ask()
        await self.world.work()
        await self.smile_id.wait_for(lambda: self.world.job().processed)

    async def _start(self) -> None:
        between = bot_between(self.slack, self.smile_id, self.environment, clock=self.clock, rng=self.rng)
        self.world: Journey = await self.bots.enter_async_context(between)

    def said(self, code: str) -> Message:
        if code == UNVERIFIED:
            return message(self.world.job(), "0810", actions={**ALL_VERIFIED, "Verify_ID_Number": "Not Verified"})
        return message(self.world.job(), code)

    @rule(code=st.sampled_from(CODES), works=st.booleans())
    def smile_id_calls_back(self, code: str, works: bool) -> None:
        self.last = self.said(code)
        self.run(self._deliver(self.last, 200, works=works))

    @precondition(lambda self: self.last is not None)
    @rule(works=st.booleans())
    def the_last_message_comes_again_signed_anew(self, works: bool) -> None:
        assert self.last is not None
        self.run(self._deliver(self.last, 200, works=works))

    async def _deliver(self, body: Message, answer: int, *, works: bool) -> None:
        assert await post(self.world, json.dumps(signed(self.world, body))) == answer
        if works:
            await self.world.work()

    @rule(code=st.sampled_from(sorted(APPROVALS)), stale=st.booleans())
    def somebody_else_claims_an_approval(self, code: str, stale: bool) -> None:
        self.run(self._forge(code, stale=stale))

    async def _forge(self, code: str, *, stale: bool) -> None:
        body = signed(self.world, self.said(code))
        if stale:
            body = signed(self.world, self.said(code), written(self.clock().replace(year=2020)))
        else:
            body["signature"] = "bm8="
        assert await post(self.world, json.dumps(body)) == 401
        await self.world.work()

    @rule(code=st.sampled_from(CODES))
    def smile_id_puts_on_record(self, code: str) -> None:
        self.world.job().record.append(self.said(code))
        self.approved_on_record |= code in APPROVALS

    @rule(seconds=st.sampled_from(WAITS))
    def time_goes_by(self, seconds: float) -> None:
        self.clock.move(seconds=seconds)
        self.run(self.world.work())

    @rule()
    def the_bot_is_started_again(self) -> None:
        self.run(self._restart())

    async def _restart(self) -> None:
        await self.bots.aclose()
        self.bots = AsyncExitStack()
        await self._start()
        await self.world.work()

    @invariant()
    def nothing_is_shown_that_smile_ids_record_does_not_hold(self) -> None:
        if not self.ref:
            return
        told = self.world.thread()
        shown = [*told, self.slack.plain(self.world.root())]
        if not self.approved_on_record:
            assert not any("Approved —" in text or "— Approved" in text for text in shown), shown
        endings = [text for text in told if any(f" {word}" in text for word in ENDINGS)]
        assert len(endings) <= 1, told

    @invariant()
    def the_row_agrees_with_itself(self) -> None:
        if not self.ref:
            return
        check = self.run(self.world.check(self.ref))
        assert (check.reason is not None) is (check.state is State.IN_REVIEW)
        assert (check.ended_at is not None) is (check.state in FINAL)
        if check.state in FINAL:
            assert check.verdict_outcome is not None
            assert check.verdict_outcome.value == check.state.value
        if check.state is State.APPROVED:
            assert self.approved_on_record

    @invariant()
    def a_disputed_check_never_reads_as_final(self) -> None:
        if not self.ref or self.run(self.world.check(self.ref)).reason not in STICKY_REASONS:
            return
        self.run(self.world.work())
        root = self.slack.plain(self.world.root())
        assert not root.startswith(tuple(word.removesuffix(" —") for word in ENDINGS)), root
        # That other accounts have this face is told beside the result, and says so itself.
        about_the_result = [text for text in self.world.thread() if "reports other accounts" not in text]
        assert "Needs review" in about_the_result[-1]

    def teardown(self) -> None:
        try:
            self.run(self._close())
        finally:
            self.runner.close()

    async def _close(self) -> None:
        await self.bots.aclose()
        try:
            if self.ref:
                with closing(sqlite3.connect(self.database)) as db:
                    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        finally:
            await self.stack.aclose()


TestAnyWalk = Walk.TestCase
TestAnyWalk.settings = settings(
    max_examples=15,
    stateful_step_count=12,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
