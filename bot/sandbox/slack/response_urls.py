"""response_url: an answer to one act of one person, without a token, five times within half an hour."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from bot.sandbox.slack.chat import POST_TEXT_MAX, Content, read_content
from bot.sandbox.slack.errors import ApiError
from bot.sandbox.slack.web_api import ApiCall
from bot.sandbox.slack.world import BOT_USER_ID, JSON, TEAM_ID, Message, World

MAX_USES = 5
LIFETIME = timedelta(minutes=30)


@dataclass(slots=True, kw_only=True, eq=False)
class ResponseUrl:
    channel_id: str
    user_id: str
    issued_at: datetime
    origin: Message | None
    """The message acted on, which `replace_original` and `delete_original` mean."""
    uses: int = 0


class ResponseUrls:
    def __init__(self, world: World) -> None:
        self._world = world
        self._issued: dict[str, ResponseUrl] = {}

    def issue(self, kind: str, *, channel_id: str, user_id: str, origin: Message | None = None) -> str:
        """`kind` is a word of the address: commands, actions or app."""
        secret = secrets.token_urlsafe(18)
        self._issued[secret] = ResponseUrl(
            channel_id=channel_id, user_id=user_id, issued_at=self._world.clock(), origin=origin
        )
        return f"{self._world.base_url}/hooks/{kind}/{TEAM_ID}/{len(self._issued)}/{secret}"

    async def answer(self, request: web.Request, call: ApiCall) -> web.Response:
        url = self._issued.get(request.match_info["secret"])
        try:
            call.arguments = await request.json()
            if url is None or self._world.clock() - url.issued_at > LIFETIME:
                call.response = {"ok": False, "error": "expired_url"}
                return web.json_response(call.response, status=404)
            if url.uses >= MAX_USES:
                call.response = {"ok": False, "error": "used_url"}
                return web.json_response(call.response, status=404)
            url.uses += 1
            self.say(url, call.arguments)
        except ApiError as error:
            call.response = error.as_json()
            return web.json_response(call.response, status=400)
        except ValueError:
            call.response = {"ok": False, "error": "invalid_payload"}
            return web.json_response(call.response, status=400)
        call.response = {"ok": True}
        return web.Response(text="ok")

    def say(self, url: ResponseUrl, fields: JSON) -> Message | None:
        """Do what a message sent to a response_url, or given as a command's ack, asks for."""
        if fields.get("delete_original"):
            if url.origin is not None:
                self._world.delete(url.origin)
            return None
        content = read_content(self._world, fields, text_max=POST_TEXT_MAX)
        if fields.get("replace_original") and url.origin is not None:
            self._world.rewrite(url.origin, text=content.text, blocks=content.blocks)
            return url.origin
        return self._new_message(url, fields, content)

    def _new_message(self, url: ResponseUrl, fields: JSON, content: Content) -> Message:
        thread_ts = fields.get("thread_ts")
        if fields.get("response_type") == "in_channel":
            return self._world.post(
                url.channel_id,
                user=BOT_USER_ID,
                text=content.text,
                blocks=content.blocks,
                thread_ts=thread_ts,
            )
        return self._world.whisper(
            url.channel_id, url.user_id, text=content.text, blocks=content.blocks, thread_ts=thread_ts
        )
