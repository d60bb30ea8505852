"""The index in front of Bolt's listeners, beside Bolt's own list: both must name the same listeners, in their order."""

import itertools
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncBoltRequest
from slack_bolt.kwargs_injection.async_utils import build_async_required_kwargs

import handlers
from bot.domain.review.review import Decision
from bot.slack.blocks import ids
from handlers.events import LISTENERS as EVENTS
from handlers.listener_index import ARGUMENTS, MOST_KEYS, IndexedApp, key_of
from tests.journeys.world import journey

pytestmark = pytest.mark.anyio
OTHERS = "of_another_app"


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[IndexedApp]:
    async with journey(tmp_path) as world:
        found = handlers.bolt(world.bot)
        assert isinstance(found, IndexedApp)
        yield found


async def by_list(app: IndexedApp, body: Mapping[str, Any]) -> list[str] | None:
    """What Bolt's matchers say; None where they stumble."""
    try:
        request, answer = AsyncBoltRequest(body=dict(body), mode="socket_mode"), BoltResponse(status=200)
        matched = [one for one in app._async_listeners if await one.async_matches(req=request, resp=answer)]
    except (TypeError, LookupError, AttributeError):
        return None
    return [one.ack_function.__qualname__ for one in matched]


async def by_index(app: IndexedApp, body: Mapping[str, Any]) -> list[str] | None:
    found = await app._app_for(body)
    return (
        await by_list(app, body) if found is app else [one.ack_function.__qualname__ for one in found._async_listeners]
    )


def every_id() -> Iterator[str]:
    """All that blocks and handlers share, with what may stand behind each."""
    for value in vars(ids).values():
        if isinstance(value, str) and value.startswith("kyc_"):
            yield from (value, f"{value}:older", *(f"{value}:{decision}" for decision in Decision))
    yield from ("kyc_batch_", "kyc_batch_send", OTHERS, "")


def bodies_of(name: str) -> Iterator[dict[str, Any]]:
    yield {"command": name}
    yield {"type": "block_actions", "actions": [{"action_id": name}]}
    yield from (
        {"type": kind, "view": {"type": "modal", "callback_id": name}} for kind in ("view_submission", "view_closed")
    )
    yield from ({"type": kind, "callback_id": name} for kind in ("shortcut", "message_action", "interactive_message"))
    yield {"type": "block_suggestion", "action_id": name}


async def test_index_and_list_name_the_same_listeners_for_every_id_of_ours(app: IndexedApp) -> None:
    bodies = [body for name in every_id() for body in bodies_of(name)]
    bodies += [
        {"type": "event_callback", "event": {"type": name}} for name in (*EVENTS, "message", "app_mention", OTHERS)
    ]
    bodies += [{"command": ids.COMMAND}, {"command": "/old"}, {"type": "app_rate_limited"}]
    seen = set[str]()
    for body in bodies:
        wanted = await by_list(app, body)
        assert await by_index(app, body) == wanted, body
        assert await by_index(app, body) == wanted, f"{body}, once it is learned"
        seen.update((wanted or [])[:1])
    # By the first that matches, which is the one that runs.
    assert seen == {one.ack_function.__qualname__ for one in app._async_listeners}


_FORM: dict[str, Any] = {"type": "modal", "callback_id": ids.FORM}
_PIECES: Mapping[str, tuple[Any, ...]] = {
    "type": ("block_actions", "view_submission", "event_callback", "shortcut", "block_suggestion", None, 7),
    "command": (ids.COMMAND, "", None),
    "callback_id": (ids.SHORTCUT_CHECK, "", None, ["kyc"]),
    "action_id": (OTHERS, None),
    "actions": ([{"action_id": ids.DETAILS}], [{}], [], None, [{"action_id": None}], {"0": 1}),
    "view": (_FORM, {"callback_id": ids.FORM}, {"type": "modal"}, {}, None, _FORM | {"callback_id": None}, "view"),
    "event": ({"type": "message"}, {}, None, {"type": None}, []),
}


async def test_no_body_however_odd_is_answered_by_another_listener_for_the_index(app: IndexedApp) -> None:
    """One app for all of them: what one body has taught it must hold for every other with the same key."""
    rng = random.Random(16)
    for _ in range(600):
        body = {name: rng.choice(values) for name, values in _PIECES.items() if rng.random() < 0.5}
        assert await by_index(app, body) == await by_list(app, body), body


async def test_listeners_match_by_kind_and_id_alone(app: IndexedApp) -> None:
    """With another matcher, a request would be answered as an earlier one with the same id was."""
    assert [len(one.matchers) for one in app._async_listeners] == [1] * len(app._async_listeners)


async def test_listeners_get_by_the_index_what_bolt_would_give_them(app: IndexedApp) -> None:
    names = {name for one in app._async_listeners for name in vars(one)["arg_names"]}
    assert names <= ARGUMENTS.keys()
    bodies: list[dict[str, Any]] = [{"command": ids.COMMAND}, {"type": "event_callback", "event": {"type": "message"}}]
    bodies += [body for body in bodies_of(ids.DETAILS) if body.get("type") != "interactive_message"]  # Bolt stumbles
    for name, body in itertools.product(names, bodies):
        request = AsyncBoltRequest(body=body, mode="socket_mode", context={"bot": "the bot"})
        by_bolt = build_async_required_kwargs(
            logger=app.logger, required_arg_names=[name], request=request, response=BoltResponse(status=200)
        )
        assert ARGUMENTS[name](request) == by_bolt[name], (name, body)


async def test_no_request_gives_the_client_that_all_share_another_token(app: IndexedApp) -> None:
    before = app.client.token
    answer = await app.async_dispatch(
        AsyncBoltRequest(
            body={
                "type": "event_callback",
                "event": {"type": "function_executed", "bot_access_token": "xwfp-of-one-run", "function": {}},
            },
            mode="socket_mode",
        )
    )
    assert answer.status == 200
    assert app.client.token == before


async def test_ids_of_others_do_not_fill_the_memory(app: IndexedApp) -> None:
    app._apps |= {("block_actions", f"{number}"): app for number in range(MOST_KEYS)}
    body = {"type": "block_actions", "actions": [{"action_id": ids.DETAILS}]}
    await app._app_for({"command": "/another"})
    await app._app_for(body)
    assert len(app._apps) == MOST_KEYS
    assert key_of(body) in app._apps
