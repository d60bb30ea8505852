"""A few JSON endpoints to play a person from the shell: thin wrappers over Person and Modal."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from aiohttp import web

from bot.sandbox.slack.errors import ClientRefuses
from bot.sandbox.slack.inputs import stateful
from bot.sandbox.slack.person import HOME_CHANNEL, Person
from bot.sandbox.slack.reading import plain
from bot.sandbox.slack.world import JSON, Channel, Message, User

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Workspace(Protocol):
    """What is played here: `SlackSandbox`, which adds these routes to itself."""

    @property
    def users(self) -> Mapping[str, User]: ...
    @property
    def channels(self) -> Mapping[str, Channel]: ...
    def person(self, user_id: str) -> Person: ...
    def messages(self, channel_id: str) -> list[Message]: ...
    def ephemerals(self, user_id: str) -> list[Message]: ...


def add_routes(app: web.Application, sandbox: Workspace) -> None:
    desk = _Desk(sandbox)
    app.router.add_post("/sandbox/command", _telling(desk.command))
    app.router.add_post("/sandbox/say", _telling(desk.say))
    app.router.add_post("/sandbox/message_shortcut", _telling(desk.message_shortcut))
    app.router.add_post("/sandbox/fill", _telling(desk.fill))
    app.router.add_post("/sandbox/submit", _telling(desk.submit))
    app.router.add_post("/sandbox/click", _telling(desk.click))
    app.router.add_get("/sandbox/messages", _telling(desk.messages))


def _telling(handler: Handler) -> Handler:
    """What the client refuses, or a field that is missing, becomes an answer in words."""

    async def wrapped(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except KeyError as error:
            return web.json_response({"ok": False, "error": f"unknown or missing: {error}"}, status=400)
        except (ClientRefuses, TimeoutError, ValueError, OSError) as error:
            return web.json_response({"ok": False, "error": str(error)}, status=400)

    return wrapped


class _Desk:
    def __init__(self, sandbox: Workspace) -> None:
        self._sandbox = sandbox

    def _person(self, wanted: str) -> Person:
        """By user id or by name."""
        by_name = {user.name: user.id for user in self._sandbox.users.values()}
        return self._sandbox.person(by_name.get(wanted, wanted))

    async def command(self, request: web.Request) -> web.Response:
        body = await request.json()
        person = self._person(body["user"])
        channel_id = body.get("channel", HOME_CHANNEL)
        reply = await person.command(body.get("text", ""), channel_id=channel_id)
        shown = plain(reply.message) if reply.message else ""
        return web.json_response({"ok": reply.ok, "error": reply.error, "text": shown})

    async def say(self, request: web.Request) -> web.Response:
        """`{"user": …, "channel": …, "text": …, "files": [paths], "thread_ts": …}`; the channel `direct` is the
        person's conversation with the bot.
        """
        body = await request.json()
        person = self._person(body["user"])
        channel_id = body.get("channel", HOME_CHANNEL)
        if channel_id == "direct":
            channel_id = person.direct_channel_id
        paths = [Path(path) for path in body.get("files", ())]
        files = [await person.upload(path, path.name) for path in paths]
        message = await person.say(channel_id, body.get("text", ""), files=files, thread_ts=body.get("thread_ts"))
        shared = [file.id for file in files]
        return web.json_response({"ok": True, "channel": channel_id, "ts": message.ts, "files": shared})

    async def message_shortcut(self, request: web.Request) -> web.Response:
        """`{"user": …, "callback_id": …, "ts": …}`, and `channel` where needed."""
        body = await request.json()
        channel_id = body.get("channel", HOME_CHANNEL)
        reply = await self._person(body["user"]).message_shortcut(body["callback_id"], channel_id, body["ts"])
        return web.json_response({"ok": reply.ok, "error": reply.error})

    async def fill(self, request: web.Request) -> web.Response:
        """`{"user": …, "values": {block_id: value}}`; files are given as a list of paths."""
        body = await request.json()
        person = self._person(body["user"])
        modal = await person.modal()
        for block_id, value in body["values"].items():
            kinds = {element["type"] for block, element in stateful(modal.blocks) if block["block_id"] == block_id}
            if "file_input" in kinds:
                paths = [Path(path) for path in ([value] if isinstance(value, str) else value)]
                await modal.enter(block_id, [await person.upload(path, path.name) for path in paths])
            else:
                await modal.enter(block_id, value)
        return web.json_response({"ok": True, "text": modal.text(), "fields": list(modal.values)})

    async def submit(self, request: web.Request) -> web.Response:
        body = await request.json()
        modal = await self._person(body["user"]).modal()
        submission = await modal.submit()
        return web.json_response({"ok": not (submission.errors or submission.problem), **asdict(submission)})

    async def click(self, request: web.Request) -> web.Response:
        """`{"user": …, "ts": …, "action_id": …}`, and `channel`, `value` where needed; ephemeral messages too."""
        body = await request.json()
        person = self._person(body["user"])
        channel = self._sandbox.channels[body.get("channel", HOME_CHANNEL)]
        whispered = (post for post in self._sandbox.ephemerals(person.user_id) if post.ts == body["ts"])
        message = channel.find(body["ts"]) or next(whispered, None)
        if message is None:
            return web.json_response({"ok": False, "error": "message_not_found"}, status=400)
        reply = await person.click(message, body["action_id"], value=body.get("value"))
        return web.json_response({"ok": reply.ok, "error": reply.error})

    async def messages(self, request: web.Request) -> web.Response:
        """What stands in `?channel=`, and with `?user=` what this person alone was shown there, both in order."""
        channel_id = request.query.get("channel", HOME_CHANNEL)
        answer: JSON = {"ok": True, "messages": [_shown(post) for post in self._sandbox.messages(channel_id)]}
        if wanted := request.query.get("user"):
            seen = self._sandbox.ephemerals(self._person(wanted).user_id)
            answer["ephemerals"] = [_shown(post) for post in seen if post.channel == channel_id]
        return web.json_response(answer)


def _shown(message: Message) -> JSON:
    shown: JSON = {
        "ts": message.ts,
        "thread_ts": message.thread_ts,
        "user": message.user,
        "text": message.text,
        "plain": plain(message),
        "blocks": message.blocks,
    }
    return shown | ({"files": [file.name for file in message.files]} if message.files else {})
