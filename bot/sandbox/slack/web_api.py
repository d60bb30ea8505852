"""The Web API's front: token, scopes, pace and dispatch. What a method does stands in its family's module."""

import inspect
import json
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files

from aiohttp import web

from bot.sandbox.slack import chat, conversations, directory, file_deletion, file_info, uploads, view_methods
from bot.sandbox.slack.arguments import Arguments, decoded, read
from bot.sandbox.slack.errors import ApiError
from bot.sandbox.slack.faults import Fault, Faults, answer_through, rate_limited
from bot.sandbox.slack.workspace import Method, Workspace
from bot.sandbox.slack.world import JSON

METHOD_TABLE: JSON = json.loads((files("bot.sandbox.slack") / "data" / "web-api-methods.json").read_text("utf-8"))[
    "methods"
]

DEFAULT_SCOPES = (
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:write",
    "usergroups:read",
    "users:read",
)
_PACE_LENIENCY = 0.9
"""Slack lets short bursts pass; a bot that keeps the pace is not refused for a little jitter."""


@dataclass(slots=True, kw_only=True)
class ApiCall:
    """One request that reached the stand-in. `response` is empty until it was answered."""

    method: str
    arguments: JSON
    at: datetime
    response: JSON = field(default_factory=dict)
    fault: Fault | None = None
    status: int | None = None
    """HTTP status answered; None while it is under way, or where no answer left us."""
    seconds: float | None = None
    """From its arrival to its end; None while it is under way."""


class Pace:
    """How many posts a channel takes in a while."""

    def __init__(self, per_second: float | None, clock: Callable[[], datetime]) -> None:
        self.per_second = per_second
        self._clock = clock
        self._recent: dict[str, deque[float]] = {}

    def seconds_to_wait(self, channel_id: str) -> int:
        """0 when the post may pass, and is counted; else the Retry-After."""
        if self.per_second is None:
            return 0
        now = self._clock().timestamp()
        window_seconds = max(1.0, 1 / self.per_second) * _PACE_LENIENCY
        recent = self._recent.setdefault(channel_id, deque())
        while recent and now - recent[0] >= window_seconds:
            recent.popleft()
        if len(recent) >= max(1, int(self.per_second)):
            return max(1, math.ceil(window_seconds - (now - recent[0])))
        recent.append(now)
        return 0


class WebApi:
    def __init__(
        self,
        workspace: Workspace,
        faults: Faults,
        *,
        bot_token: str,
        app_token: str,
        pace: Pace,
        connections_open: Callable[[], JSON],
    ) -> None:
        self.calls: list[ApiCall] = []
        self._workspace = workspace
        self._faults = faults
        self._tokens = {bot_token: "bot", app_token: "app"}
        self.people: dict[str, tuple[str, list[str]]] = {}
        """Tokens of people: whose, and with which scopes."""
        self._pace = pace
        self._methods: dict[str, Method] = {
            "auth.test": self._auth_test,
            "apps.connections.open": lambda _workspace, _arguments: connections_open(),
            **chat.METHODS,
            **conversations.METHODS,
            **directory.METHODS,
            **file_info.METHODS,
            **file_deletion.METHODS,
            **uploads.METHODS,
            **view_methods.METHODS,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        try:
            fields, token = await read(request)
        except (ApiError, ValueError):
            return web.json_response({"ok": False, "error": "invalid_json"})
        return await self.record(request, method, lambda call: self._answer(call, token), fields)

    async def record(
        self,
        request: web.Request,
        method: str,
        act: Callable[[ApiCall], Awaitable[web.Response]],
        arguments: JSON | None = None,
    ) -> web.StreamResponse:
        """Note the request, let a fault spoil it if one is due, and wake the waiting."""
        fault = self._faults.next_for(method)
        call = ApiCall(method=method, arguments=arguments or {}, at=self._workspace.world.clock(), fault=fault)
        self.calls.append(call)
        self._workspace.world.changes.tell()
        began = time.monotonic()
        try:
            answer = await answer_through(fault, request, lambda: act(call))
            is_gone = request.transport is None or request.transport.is_closing()
            call.status = None if is_gone else answer.status
            return answer
        finally:
            call.seconds = time.monotonic() - began
            self._workspace.world.changes.tell()

    async def _answer(self, call: ApiCall, token: str | None) -> web.Response:
        person = self.people.get(token or "")
        headers = {"x-oauth-scopes": ",".join(person[1] if person else self._workspace.scopes)}
        try:
            call.arguments = decoded(call.arguments)
            if person is not None:
                call.response = self._as_person(call, *person)
                return web.json_response(call.response, headers=headers)
            self._authorize(call.method, token)
            arguments = Arguments(call.arguments)
            if call.method == "chat.postMessage" and (wait := self._wait(arguments)):
                call.response = {"ok": False, "error": "ratelimited"}
                return rate_limited(wait)
            answer = self._methods[call.method](self._workspace, arguments)
            call.response = await answer if inspect.isawaitable(answer) else answer
        except ApiError as error:
            call.response = error.as_json()
        return web.json_response(call.response, headers=headers)

    def _authorize(self, method: str, token: str | None) -> None:
        if method not in self._methods:
            raise ApiError("unknown_method", req_method=method)
        if not token:
            raise ApiError("not_authed")
        kind = self._tokens.get(token)
        if kind is None:
            raise ApiError("invalid_auth")
        if (kind == "app") is not (method == "apps.connections.open"):
            raise ApiError("not_allowed_token_type")
        if kind == "bot":
            self._workspace.need_any_scope(METHOD_TABLE[method]["bot_scopes_any_of"])

    def _as_person(self, call: ApiCall, user: str, scopes: list[str]) -> JSON:
        """What an app may do with the token of somebody who installed it; here that is to delete files."""
        if self._workspace.world.users[user].is_deleted:
            raise ApiError("account_inactive")
        if call.method == "auth.test":
            somebody = self._workspace.world.users[user]
            them = {"user_id": user, "user": somebody.name, "team_id": somebody.team_id}
            shown = self._workspace.identity() | them
            return {name: value for name, value in shown.items() if name != "bot_id"}
        if call.method != "files.delete":
            raise ApiError("not_allowed_token_type")
        if "files:write" not in scopes:
            raise ApiError("missing_scope", needed="files:write", provided=",".join(scopes))
        return file_deletion.files_delete(self._workspace, Arguments(call.arguments), by=user)

    def _wait(self, arguments: Arguments) -> int:
        channel = arguments.text("channel")
        return self._pace.seconds_to_wait(channel) if channel else 0

    def _auth_test(self, workspace: Workspace, _arguments: Arguments) -> JSON:
        return workspace.identity()


def scopes_or_default(scopes: Iterable[str] | None) -> list[str]:
    return sorted(DEFAULT_SCOPES if scopes is None else scopes)
