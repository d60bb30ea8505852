"""The Web API methods that the bot uses, each once, with Slack's many ways to fail mapped to four.

A caller learns what it must know to act: the call surely never left, its fate is unknown, Slack asks to wait, or
Slack says no. Nothing is retried here; the outbox and the schedule decide that.
"""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import IO, Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.domain.check.request import FileInfo
from bot.errors import SlackError, SlackNotSent, SlackRateLimited, SlackRefused, SlackUncertain
from bot.slack.error_codes import FILE_GONE, THREAD_GONE
from bot.slack.file_info import file_info

Blocks = list[dict[str, Any]]
Answer = Mapping[str, Any]

_SLACKS_OWN_FAULTS = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
)
"""Errors by which Slack says that it failed in the middle: the call may or may not have acted."""

METADATA = "kyc_post"
SEARCH_PAGES = 20
"""Of 200 messages; further back nothing is looked for."""
LOOK_UP_SECONDS = 1.0
"""How long somebody's answer waits for what Slack may know; then it is given without. A listener has three seconds."""
VISIBLE_WITHIN = timedelta(seconds=10)
"""How late Slack may still show a message whose answer was lost; whoever looks for it earlier posts it twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMessage:
    """A message of ours, found again by its metadata."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage:
    """Some messages of a conversation; `cursor` asks for the next ones."""

    messages: Sequence[Answer] = field(default=(), repr=False)
    cursor: str | None = None


class SlackClient:
    """Slack's Web API for one workspace."""

    def __init__(
        self,
        *,
        token: str,
        base_url: str,
        session: aiohttp.ClientSession,
        on_call: Callable[[str, str], None] = lambda _method, _result: None,
        look_up_seconds: float = LOOK_UP_SECONDS,
        on_date: Callable[[str | None], None] = lambda _date: None,
        to_slack_time: Callable[[datetime], datetime] = lambda ours: ours,
    ) -> None:
        """`session` carries the time-out; `look_up_seconds` bounds what an answer can do without.

        `on_call` hears of each call's method and result, for the metrics; `on_date` hears the date on each answer;
        `to_slack_time` turns a moment by our clock into one by Slack's.
        """
        self.client = AsyncWebClient(token=token, base_url=base_url, session=session, retry_handlers=[])
        self._session = session
        self._bot_user_id: str | None = None
        self._on_call = on_call
        self._look_up_seconds = look_up_seconds
        self._on_date = on_date
        self._to_slack_time = to_slack_time

    async def whoami(self) -> Answer:
        """auth.test; the answer has `scopes` added, from the header."""
        return await self._call("auth.test", self.client.auth_test())

    async def bot_user_id(self) -> str:
        """The bot's own user id; asked for once."""
        if self._bot_user_id is None:
            self._bot_user_id = str((await self.whoami()).get("user_id") or "")
        return self._bot_user_id

    async def app_id_of(self, bot: str) -> str | None:
        """bots.info: the app that a bot belongs to; `auth.test` does not tell it for a bot's token."""
        answer = await self._call("bots.info", self.client.bots_info(bot=bot))
        return str((answer.get("bot") or {}).get("app_id") or "") or None

    async def try_app_token(self, app_token: str) -> None:
        """apps.connections.open: whether Slack takes the token for Socket Mode.

        The address in the answer is left alone: Slack would send some of a running bot's events to a second connection.
        """
        await self._call("apps.connections.open", self.client.apps_connections_open(app_token=app_token))

    async def post(
        self, *, channel: str, text: str, blocks: Blocks, post_id: str, thread_ts: str | None = None
    ) -> FoundMessage:
        """chat.postMessage, marked with the post's id. To a user id it becomes a direct message."""
        answer = await self._call(
            "chat.postMessage",
            self.client.chat_postMessage(
                channel=channel,
                text=text,
                blocks=blocks,
                thread_ts=thread_ts,
                metadata={"event_type": METADATA, "event_payload": {"post": post_id}},
                unfurl_links=False,
                unfurl_media=False,
            ),
        )
        return FoundMessage(channel=answer["channel"], ts=answer["ts"])

    async def post_ephemeral(
        self, *, channel: str, user: str, text: str, blocks: Blocks, thread_ts: str | None = None
    ) -> None:
        """chat.postEphemeral: seen by one person alone, where they are; gone when they reload."""
        await self._call(
            "chat.postEphemeral",
            self.client.chat_postEphemeral(channel=channel, user=user, text=text, blocks=blocks, thread_ts=thread_ts),
        )

    async def message(self, *, channel: str, ts: str, thread_ts: str | None) -> Answer | None:
        """One message as it reads now; None when it is gone."""
        if thread_ts is None:
            call = self.client.conversations_history(channel=channel, latest=ts, oldest=ts, inclusive=True, limit=1)
            answer = await self._call("conversations.history", call)
        else:
            # Slack gives the thread's first message too, whatever the bounds.
            call = self.client.conversations_replies(
                channel=channel, ts=thread_ts, latest=ts, oldest=ts, inclusive=True, limit=10
            )
            try:
                answer = await self._call("conversations.replies", call)
            except SlackRefused as no:
                if no.code in THREAD_GONE:
                    return None
                raise
        found = next((message for message in answer.get("messages", ()) if message.get("ts") == ts), None)
        return None if found is None or found.get("subtype") == "tombstone" else found

    async def thread(
        self, *, channel: str, ts: str, limit: int, cursor: str | None = None, oldest: str | None = None
    ) -> MessagePage:
        """The first message of a thread and its replies, oldest first, as far as one page holds.

        The first message is there whatever `oldest` says.
        """
        call = self.client.conversations_replies(channel=channel, ts=ts, limit=limit, cursor=cursor, oldest=oldest)
        try:
            answer = await self._call("conversations.replies", call)
        except SlackRefused as no:
            if no.code in THREAD_GONE:
                return MessagePage()
            raise
        return _page(answer)

    async def update(self, *, channel: str, ts: str, text: str, blocks: Blocks) -> None:
        """chat.update; metadata stays as it is."""
        await self._call("chat.update", self.client.chat_update(channel=channel, ts=ts, text=text, blocks=blocks))

    async def find_post(
        self, *, channel: str, post_id: str, thread_ts: str | None, since: datetime
    ) -> FoundMessage | None:
        """Look for a message of ours by its metadata, in a thread or, without one, in the conversation itself."""

        def is_it(message: Answer) -> bool:
            metadata = message.get("metadata") or {}
            payload = metadata.get("event_payload") or {}
            return metadata.get("event_type") == METADATA and payload.get("post") == post_id

        return await self._find(channel, thread_ts, since, is_it)

    async def find_file(
        self, *, channel: str, thread_ts: str | None, name: str, since: datetime
    ) -> FoundMessage | None:
        """Look for a file of ours by its name: in a thread or, without one, in the conversation itself."""

        def is_it(message: Answer) -> bool:
            return any(file.get("name") == name for file in message.get("files") or ())

        return await self._find(channel, thread_ts, since, is_it)

    async def _find(
        self, channel: str, thread_ts: str | None, since: datetime, is_it: Callable[[Answer], bool]
    ) -> FoundMessage | None:
        """The bot's own message for which `is_it` holds: anybody can write such metadata, or share such a file."""
        bot_user_id, oldest, cursor = await self.bot_user_id(), self._moment(since), None
        for _page in range(SEARCH_PAGES):
            page = await self._page(channel, thread_ts, oldest=oldest, cursor=cursor)
            for message in page.messages:
                if message.get("user", bot_user_id) == bot_user_id and is_it(message):
                    return FoundMessage(channel=channel, ts=message["ts"])
            if not (cursor := page.cursor):
                return None
        return None

    async def _page(self, channel: str, thread_ts: str | None, *, oldest: str, cursor: str | None) -> MessagePage:
        """Of a thread or, without one, of the conversation itself; with metadata."""
        if thread_ts is not None:
            replies = self.client.conversations_replies(
                channel=channel, ts=thread_ts, oldest=oldest, limit=200, cursor=cursor, include_all_metadata=True
            )
            return _page(await self._call("conversations.replies", replies))
        history = self.client.conversations_history(
            channel=channel, oldest=oldest, limit=200, cursor=cursor, include_all_metadata=True
        )
        return _page(await self._call("conversations.history", history))

    def _moment(self, ours: datetime) -> str:
        """As Slack writes moments, by its own clock: by one that is fast, our message would be older than we look."""
        return f"{self._to_slack_time(ours).timestamp():.6f}"

    async def thread_exists(self, *, channel: str, ts: str) -> bool:
        """Whether the first message of a thread is still there."""
        try:
            answer = await self._call(
                "conversations.replies", self.client.conversations_replies(channel=channel, ts=ts, limit=1)
            )
        except SlackRefused as no:
            if no.code in THREAD_GONE:
                return False
            raise
        first = next(iter(answer.get("messages", ())), None)
        return first is not None and first.get("ts") == ts and first.get("subtype") != "tombstone"

    async def direct_channel(self, user: str) -> str:
        """The id of the direct conversation with a person."""
        answer = await self._call("conversations.open", self.client.conversations_open(users=user))
        return str(answer["channel"]["id"])

    async def permalink(self, *, channel: str, ts: str) -> str:
        answer = await self._call("chat.getPermalink", self.client.chat_getPermalink(channel=channel, message_ts=ts))
        return str(answer["permalink"])

    async def link(self, *, channel: str, ts: str | None, seconds: float | None = None) -> str | None:
        """Where a message stands; None when it was never posted, or Slack does not say in time. Nobody waits for it."""
        if ts is None:
            return None
        try:
            return await asyncio.wait_for(self.permalink(channel=channel, ts=ts), seconds or self._look_up_seconds)
        except (SlackError, TimeoutError):
            return None

    async def respond(
        self,
        response_url: str,
        *,
        text: str = "",
        blocks: Sequence[dict[str, Any]] = (),
        replace: bool = False,
        delete: bool = False,
    ) -> None:
        """Answer to the one person who acted, where they acted; `replace` or `delete` the message acted on."""
        body: dict[str, Any] = {"delete_original": True}
        if not delete:
            body = {"response_type": "ephemeral", "replace_original": replace, "text": text, "blocks": list(blocks)}
        try:
            async with self._session.post(response_url, json=body, allow_redirects=False) as response:
                said = await response.read()
        except aiohttp.ClientConnectorError as fault:
            self._on_call("response_url", "failed")
            raise SlackNotSent("response_url: no connection") from fault
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
            self._on_call("response_url", "failed")
            raise SlackUncertain(f"response_url: no answer ({type(fault).__name__})") from fault
        if response.status == 429:
            self._on_call("response_url", "failed")
            raise SlackRateLimited(_seconds(response.headers.get("Retry-After")))
        code = _error_in(said)
        if response.status >= 500 or code in _SLACKS_OWN_FAULTS:
            self._on_call("response_url", "failed")
            raise SlackUncertain(f"response_url: HTTP {response.status}")
        if response.status != 200 or code:
            self._on_call("response_url", "refused")
            raise SlackRefused(f"response_url: HTTP {response.status}")
        self._on_call("response_url", "ok")

    async def open_view(self, *, trigger_id: str, view: Mapping[str, Any]) -> Answer:
        answer = await self._call("views.open", self.client.views_open(trigger_id=trigger_id, view=dict(view)))
        return dict(answer["view"])

    async def push_view(self, *, trigger_id: str, view: Mapping[str, Any]) -> Answer:
        """On top of the modal that was clicked in."""
        answer = await self._call("views.push", self.client.views_push(trigger_id=trigger_id, view=dict(view)))
        return dict(answer["view"])

    async def publish_view(self, *, user: str, view: Mapping[str, Any]) -> None:
        """Show a person's Home tab."""
        await self._call("views.publish", self.client.views_publish(user_id=user, view=dict(view)))

    async def update_view(self, *, view_id: str, view: Mapping[str, Any], hash_: str | None = None) -> None:
        await self._call("views.update", self.client.views_update(view_id=view_id, view=dict(view), hash=hash_))

    async def upload(
        self,
        *,
        channel: str,
        thread_ts: str | None,
        name: str,
        data: bytes | IO[bytes],
        comment: str,
        alt_text: str = "",
    ) -> None:
        """A file of ours, shared with a comment. Slack's answer names no message; `find_file` does.

        `alt_text` says what a picture shows. A large file is given as one that is open: it is read while it is sent.
        """
        length = len(data) if isinstance(data, bytes) else data.seek(0, os.SEEK_END)
        if not isinstance(data, bytes):
            data.seek(0)
        answer = await self._call(
            "files.getUploadURLExternal",
            self.client.files_getUploadURLExternal(filename=name, length=length, alt_txt=alt_text or None),
        )
        try:
            async with self._session.post(
                answer["upload_url"], data=data, allow_redirects=False, timeout=self._upload_timeout(length)
            ) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
            # The bytes alone share nothing: beginning anew is harmless.
            raise SlackNotSent(f"files.upload: no answer ({type(fault).__name__})") from fault
        if response.status != 200:
            raise SlackNotSent(f"files.upload: HTTP {response.status}")
        await self._call(
            "files.completeUploadExternal",
            self.client.files_completeUploadExternal(
                files=[{"id": answer["file_id"], "title": name}],
                channel_id=channel,
                thread_ts=thread_ts,
                initial_comment=comment,
            ),
        )

    def _upload_timeout(self, length: int) -> aiohttp.ClientTimeout:
        """As long as any other call may take, and a second more for each 100 kB."""
        usual = self._session.timeout
        total = usual.total and usual.total + length / 100_000
        return aiohttp.ClientTimeout(total=total, connect=usual.connect, sock_read=usual.sock_read)

    async def file(self, file_id: str) -> Answer:
        """files.info: what Slack knows of a file now, with the addresses to fetch it from."""
        answer = await self._call("files.info", self.client.files_info(file=file_id))
        return dict(answer["file"])

    async def look_up_file(self, known: FileInfo) -> FileInfo:
        """What is `known` of a file, brought up to date; as it was where Slack does not say in time."""
        try:
            found = await asyncio.wait_for(self.file(known.id), self._look_up_seconds)
        except SlackRefused as no:
            return replace(known, readable=False) if no.code in FILE_GONE else known
        except (SlackError, TimeoutError):
            return known
        return file_info(found, before=known)

    async def channel(self, channel: str) -> Answer:
        answer = await self._call("conversations.info", self.client.conversations_info(channel=channel))
        return dict(answer["channel"])

    async def user(self, user: str) -> Answer:
        answer = await self._call("users.info", self.client.users_info(user=user))
        return dict(answer["user"])

    async def members(self, channel: str) -> frozenset[str]:
        """Everybody in a channel."""
        found: set[str] = set()
        cursor = None
        for _page in range(100):
            answer = await self._call(
                "conversations.members",
                self.client.conversations_members(channel=channel, limit=200, cursor=cursor),
            )
            found.update(answer.get("members", ()))
            if not (cursor := _next(answer)):
                break
        return frozenset(found)

    async def group_members(self, group: str) -> frozenset[str]:
        """Everybody in a user group."""
        answer = await self._call("usergroups.users.list", self.client.usergroups_users_list(usergroup=group))
        return frozenset(answer.get("users", ()))

    async def _call(self, method: str, call: Awaitable[AsyncSlackResponse]) -> dict[str, Any]:
        try:
            response = await call
            self._on_date(response.headers.get("Date"))
            answer = dict(response.data) if isinstance(response.data, dict) else {}
            if not answer.get("ok"):
                raise SlackUncertain(f"{method}: an answer without ok")
            if scopes := response.headers.get("x-oauth-scopes"):
                answer["scopes"] = scopes
        except SlackError:
            self._on_call(method, "failed")
            raise
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
            ours = _ours(method, fault)
            self._on_call(method, ours.code if isinstance(ours, SlackRefused) else "failed")
            raise ours from fault
        self._on_call(method, "ok")
        return answer


def _page(answer: Answer) -> MessagePage:
    return MessagePage(messages=list(answer.get("messages", ())), cursor=_next(answer))


def _next(answer: Answer) -> str | None:
    return (answer.get("response_metadata") or {}).get("next_cursor") or None


def _ours(method: str, fault: Exception) -> SlackError:
    """Slack's or the network's failure as one of ours; the text never holds what was sent."""
    if isinstance(fault, aiohttp.ClientConnectorError):
        return SlackNotSent(f"{method}: no connection")
    response = getattr(fault, "response", None)
    if not isinstance(fault, SlackApiError) or not isinstance(response, AsyncSlackResponse):
        return SlackUncertain(f"{method}: no answer ({type(fault).__name__})")
    if response.status_code == 429:
        return SlackRateLimited(_seconds(response.headers.get("Retry-After")))
    data = response.data if isinstance(response.data, dict) else {}
    code = str(data.get("error") or "")
    if response.status_code >= 500 or not code or code in _SLACKS_OWN_FAULTS:
        return SlackUncertain(f"{method}: HTTP {response.status_code}")
    if code in {"ratelimited", "rate_limited"}:
        return SlackRateLimited(_seconds(response.headers.get("Retry-After")))
    return SlackRefused(code)


def _error_in(said: bytes) -> str:
    """The error that the answer of a response_url names; a plain `ok` names none."""
    try:
        answer = json.loads(said)
    except ValueError:
        return ""
    failed = isinstance(answer, dict) and answer.get("ok") is False
    return str(answer.get("error") or "unknown") if failed else ""


def _seconds(header: str | None) -> float:
    try:
        return min(max(float(header or 30), 1.0), 3600.0)
    except ValueError:
        return 30.0
