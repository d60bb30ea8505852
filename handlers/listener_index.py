"""Bolt's app with an index in front of its listeners: which of them can answer is known before it asks each in turn.

Bolt asks some sixty matchers one after the other, and what comes last in the list waits for all of them.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.listener.async_listener import AsyncListener
from slack_bolt.middleware.authorization.async_authorization import AsyncAuthorization
from slack_bolt.request.payload_utils import to_action, to_command, to_event, to_shortcut, to_view

MOST_KEYS = 1024
"""There are a few hundred of our own; the oldest are forgotten first."""

Key = tuple[str | None, ...]
"""All that the matchers of `AsyncApp.command`, `action`, `view`, `event` … read of a request; None: it lacks it."""
_OF_BODY = ("type", "command", "callback_id", "action_id")


class IndexedApp(AsyncApp):
    """The index is what Bolt's own matchers said of an earlier request with the same key, so it cannot differ from
    them, and they are not asked again.

    A listener with another matcher beside, which may read anything, has no place here. Middleware, listeners and error
    handlers must be there before the first request.

    The app is of one workspace, and its client has the token of that: Bolt's authorization, made for many, is left out.
    What another workspace sends is turned away by a middleware of ours.
    """

    def __init__(self, **settings: Any) -> None:
        # A token of one request would be given to the client, which all requests share.
        super().__init__(**settings, attaching_function_token_enabled=False)
        self._async_middleware_list = [
            one for one in self._async_middleware_list if not isinstance(one, AsyncAuthorization)
        ]
        self._apps: dict[Key, AsyncApp] = {}

    def _init_context(self, req: AsyncBoltRequest) -> None:
        """Bolt makes a client for each request, lest somebody gives it another token; here nobody does."""
        req.context.update(
            logger=self.logger, token=self._token, client=self.client, listener_runner=self.listener_runner
        )

    async def async_dispatch(self, req: AsyncBoltRequest) -> BoltResponse:
        return await AsyncApp.async_dispatch(await self._app_for(req.body), req)

    async def _app_for(self, body: Mapping[str, Any]) -> AsyncApp:
        try:
            key = key_of(body)
            return self._apps.get(key) or await self._learn(key, body)
        except (ValueError, TypeError, LookupError, AttributeError):
            # Nothing that Slack sends. Bolt asks its whole list, and answers as it does without an index.
            return self

    async def _learn(self, key: Key, body: Mapping[str, Any]) -> AsyncApp:
        """This app with those listeners alone that match, in their order; all else is shared."""
        # Of a request of its own: matchers leave a client in its context, where Bolt is yet to put one with our token.
        asked, answer = AsyncBoltRequest(body=dict(body), mode="socket_mode"), BoltResponse(status=200)
        matching: list[AsyncListener] = [
            _Known(one) for one in self._async_listeners if await one.async_matches(req=asked, resp=answer)
        ]
        app = copy.copy(self)
        app._async_listeners = matching  # noqa: SLF001 - Bolt has no other way to give it fewer
        if len(self._apps) >= MOST_KEYS:
            del self._apps[next(iter(self._apps))]
        self._apps[key] = app
        return app


class _Known(AsyncListener):
    """A listener that has matched a request with the same key: it matches, and gets the arguments that it names.

    Bolt works out all thirty that one may name, for each request.
    """

    def __init__(self, listener: AsyncListener) -> None:
        self.__dict__.update(vars(listener))
        self._arguments = {name: ARGUMENTS[name] for name in vars(listener)["arg_names"]}

    async def async_matches(self, *, req: AsyncBoltRequest, resp: BoltResponse) -> bool:
        return True

    async def run_ack_function(self, *, request: AsyncBoltRequest, response: BoltResponse) -> BoltResponse | None:
        return await self.ack_function(**{name: read(request) for name, read in self._arguments.items()})


ARGUMENTS: Mapping[str, Callable[[AsyncBoltRequest], Any]] = {
    "ack": lambda request: request.context.ack,
    "context": lambda request: request.context,
    "bot": lambda request: request.context["bot"],
    "body": lambda request: request.body,
    "command": lambda request: to_command(request.body),
    "action": lambda request: to_action(request.body),
    "shortcut": lambda request: to_shortcut(request.body),
    "view": lambda request: to_view(request.body),
    "event": lambda request: to_event(request.body),
}
"""What our listeners ask for, by Bolt's names; `bot` is put there by our middleware."""


def key_of(body: Mapping[str, Any]) -> Key:
    """The same for all requests that the same listeners match.

    Raises ValueError, TypeError, LookupError or AttributeError for what has another shape than Slack's requests.
    """
    view, event = body.get("view", {}), body.get("event", {})
    action = {"action_id": body["actions"][0]["action_id"]} if "actions" in body else {}
    places = ((body, _OF_BODY), (view, ("type", "callback_id")), (event, ("type",)), (action, ("action_id",)))
    return tuple(_id(place, name) for place, names in places for name in names)


def _id(place: Mapping[str, Any], name: str) -> str | None:
    # None is for what is not there: a matcher may tell that from an id that is null.
    if name not in place:
        return None
    found = place[name]
    if isinstance(found, str):
        return found
    raise ValueError(f"{name} is no text")
