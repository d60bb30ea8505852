"""Slack's requests over HTTP, from the socket to the acknowledgement, beside a handler that checks signatures alone."""

import io
import itertools
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop
from slack_sdk.signature import SignatureVerifier
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.runtime import log_config
from bot.runtime.server import listen, serve_asgi
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack.delivery import encode, signature
from bot.sandbox.slack.payloads import slash_command, view_submission
from bot.settings import LogFormat
from handlers import search
from tests.benchmarks.callers import Callers, callers, posted
from tests.benchmarks.figures import Figure, Goal
from tests.benchmarks.rounds import costs
from tests.journeys.world import REVIEWER, Journey, journey

AT_ONCE = 8
REQUESTS = 120
"""In each round: many short ones, so that a moment in which others use the machine spoils few."""
ROUNDS = 15
LISTED = 12
"""Checks of the person who lists theirs: a full page, and more."""

Payload = Callable[[Journey, str], tuple[str, Mapping[str, Any]]]
"""Given the id of a request: its kind, and what it holds."""
_ids = itertools.count()


def figures() -> list[Figure]:
    log_config.configure(LogFormat.JSON, io.StringIO())
    return uvloop.run(_figures())


async def _figures() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        async with (
            journey(Path(folder), KYC_FINDS_PER_HOUR="1000000") as world,
            callers() as people,
            _bare(world.slack.signing_secret) as bare,
        ):
            for _ in range(LISTED):
                await world.ask()
            await world.settle()
            for person, which in ((ANALYST, ""), (REVIEWER, "all")):
                listed = await search.listing(world.bot, person, which)
                assert listed.text.startswith("Checks: "), "a refusal would cost less"
            return [await _figure(world, people, bare, *work) for work in _WORKS]


async def _figure(world: Journey, people: Callers, bare: int, work: str, payload: Payload, bound: float) -> Figure:
    """By the processor's time: Slack sends few requests at once, and what counts is what is left for all else."""
    # Made and signed before: that is Slack's work, and counted on both sides it would hide half of the difference.
    own_turns, bare_turns = (
        iter([[_signed(world, *payload(world, f"{next(_ids)}")) for _ in range(REQUESTS)] for _ in range(ROUNDS + 1)])
        for _side in range(2)
    )

    async def to(port: int, turns: Iterator[Sequence[bytes]]) -> None:
        answers = await people.call(port, next(turns), at_once=AT_ONCE)
        assert answers.statuses == {200}, answers.statuses

    own, peer = await costs(lambda: to(world.bot.settings.port, own_turns), lambda: to(bare, bare_turns), rounds=ROUNDS)
    return Figure(
        work=work,
        beside="signature check alone",
        rounds=[theirs.processor / ours.processor for ours, theirs in zip(own, peer, strict=True)],
        unit="×",
        goal=Goal.AT_LEAST,
        bound=bound,
        by_processor=True,
    )


def _signed(world: Journey, kind: str, payload: Mapping[str, Any]) -> bytes:
    body, content_type = encode(kind, dict(payload))
    headers = {"Content-Type": content_type, **signature(world.slack.signing_secret, body, datetime.now(UTC))}
    return posted("/slack/events", body, headers)


def _command(text: str, person: str = ANALYST) -> Payload:
    def payload(world: Journey, request: str) -> tuple[str, Mapping[str, Any]]:
        there = world.slack.world.channels[CHANNEL]
        place = {"trigger_id": request, "response_url": f"{world.slack.api_url}never"}
        return "slash_commands", slash_command(
            world.slack.person(person).user, there, command="/kyc", text=text, **place
        )

    return payload


def _late_view(world: Journey, request: str) -> tuple[str, Mapping[str, Any]]:
    """A form that no listener knows, so that the last of all answers."""
    view = {"id": f"V{request}", "type": "modal", "callback_id": "of_another_version", "blocks": [], "state": {}}
    return "interactive", view_submission(world.analyst.user, view, trigger_id=request, response_urls=[])


_WORKS: tuple[tuple[str, Payload, float], ...] = (
    ("`/kyc help`", _command("help"), 0.33),
    ("a form for the last listener", _late_view, 0.33),
    ("`/kyc list`, ten own checks", _command("list"), 0.12),
    ("`/kyc list all`, a look that is counted and recorded", _command("list all", REVIEWER), 0.12),
)


@asynccontextmanager
async def _bare(secret: str) -> AsyncIterator[int]:
    """The port of a server that reads a request, checks its signature and answers."""
    verifier = SignatureVerifier(secret)

    async def slack(request: Request) -> Response:
        is_signed = verifier.is_valid_request(await request.body(), dict(request.headers))
        return JSONResponse({"text": "ok"}, status_code=200 if is_signed else 401)

    sock = listen("127.0.0.1", 0)
    async with serve_asgi(Starlette(routes=[Route("/slack/events", slack, methods=["POST"])]), sock):
        yield sock.getsockname()[1]
