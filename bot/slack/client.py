"""The Web API methods that the bot uses, with Slack's many failures mapped to four errors.

The call never left, its outcome is unknown, Slack asks to wait, or Slack refuses. Nothing is retried here.
"""

import asyncio
import json
import math
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from datetime import datetime, timedelta
from typing import IO, Any, ParamSpec

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.domain.check.field_faults import FieldCode
from bot.domain.check.request import FileInfo
from bot.domain.hosts import HostKind
from bot.errors import SlackError, SlackNotSent, SlackRateLimited, SlackRefused, SlackUncertain
from bot.network import NotConnected, why_unreachable
from bot.network.hosts import HostGate
from bot.slack.error_codes import FILE_GONE, RATE_LIMITED, SLACK_FAILED, THREAD_GONE
from bot.slack.file_objects import file_info

Blocks = list[dict[str, Any]]
Answer = Mapping[str, Any]
P = ParamSpec("P")

METADATA = "kyc_post"
ANSWER_BYTES = 64 * 1024
"""How much is read of the answer to a file or to a response_url; Slack's have less than 100."""
SEARCH_PAGES = 20
"""How many pages of 200 messages a search reads."""
MEMBER_PAGES = 100
"""How many pages of 200 people a channel's members are read from."""
LISTED_A_PAGE = 1000
LISTED_PAGES = 15
"""Below Slack's twenty calls a minute for lists, so that one list of the whole workspace is not told to wait."""
LOOK_UP_SECONDS = 1.0
"""How long an answer waits for details that it can do without, since a listener has three seconds."""
VISIBLE_WITHIN = timedelta(seconds=10)
"""How late a message whose answer was lost may still appear; searching earlier would post it twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMessage:
    channel: str
    ts: str
    file_id: str | None = None
    """Of the file that was searched for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage:
    """Some messages of a conversation; `cursor` asks for the next ones."""

    messages: Sequence[Answer] = field(default=(), repr=False)
    cursor: str | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class SlackClient:
    """Slack's Web API for one workspace."""

    token: InitVar[str]
    base_url: InitVar[str]
    session: aiohttp.ClientSession
    """With the time-out of every call."""
    proxy_for: Callable[[str], str | None] = lambda _url: None
    """The proxy that a connection to an address takes."""
    files: HostGate | None = None
    """Where files may be sent to; None: wherever Slack says."""
    responses: HostGate | None = None
    """Where answers to what people do may be sent to; None: wherever Slack says."""
    on_call: Callable[[str, str], None] = lambda _method, _result: None
    """Gets each call's method and result, for the metrics."""
    look_up_seconds: float = LOOK_UP_SECONDS
    on_date: Callable[[str | None], None] = lambda _date: None
    """Gets the date of each answer."""
    to_slack_time: Callable[[datetime], datetime] = lambda ours: ours
    """Converts a moment of our clock to Slack's."""
    client: AsyncWebClient = field(init=False)
    _bot_user_id: str | None = field(init=False, default=None)

    def __post_init__(self, token: str, base_url: str) -> None:
        self.client = AsyncWebClient(token=token, base_url=base_url, session=self.session, retry_handlers=[])
        # Set afterwards: without one, slack_sdk would take a proxy from the environment by its own rule.
        self.client.proxy = self.proxy_for(base_url)

    async def whoami(self) -> Answer:
        """auth.test, with `scopes` from the header."""
        return await self._call(self.client.auth_test)

    async def bot_user_id(self) -> str:
        if self._bot_user_id is None:
            self._bot_user_id = str((await self.whoami()).get("user_id") or "")
        return self._bot_user_id

    async def app_id_of(self, bot: str) -> str | None:
        """The app that a bot belongs to, which `auth.test` omits for a bot's token."""
        answer = await self._call(self.client.bots_info, bot=bot)
        return str((answer.get("bot") or {}).get("app_id") or "") or None

    async def open_socket(self, app_token: str) -> str:
        """apps.connections.open: an address for one connection of Socket Mode."""
        return str((await self._call(self.client.apps_connections_open, app_token=app_token)).get("url") or "")

    async def touch(self, url: str) -> None:
        """Asks a host for nothing, without any token: whatever it answers, it can be reached."""
        try:
            async with self.session.head(url, allow_redirects=False, proxy=self.proxy_for(url)):
                pass
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
            raise _network_failure("touch", fault) from fault

    async def post(
        self, *, channel: str, text: str, blocks: Blocks, post_id: str, thread_ts: str | None = None
    ) -> FoundMessage:
        """Posts a message whose metadata hold the post's id. To a user id it is a direct message."""
        answer = await self._call(
            self.client.chat_postMessage,
            channel=channel,
            text=text,
            blocks=blocks,
            thread_ts=thread_ts,
            metadata={"event_type": METADATA, "event_payload": {"post": post_id}},
            unfurl_links=False,
            unfurl_media=False,
        )
        return FoundMessage(channel=answer["channel"], ts=answer["ts"])

    async def post_ephemeral(
        self, *, channel: str, user: str, text: str, blocks: Blocks, thread_ts: str | None = None
    ) -> None:
        """Posts to one person in a conversation; gone when they reload Slack."""
        await self._call(
            self.client.chat_postEphemeral, channel=channel, user=user, text=text, blocks=blocks, thread_ts=thread_ts
        )

    async def message(self, *, channel: str, ts: str, thread_ts: str | None) -> Answer | None:
        """One message as it is now; None when it is gone."""
        if thread_ts is None:
            answer = await self._call(
                self.client.conversations_history, channel=channel, latest=ts, oldest=ts, inclusive=True, limit=1
            )
        else:
            # Slack gives the thread's first message too, whatever the bounds.
            answer = await self._replies(channel=channel, ts=thread_ts, latest=ts, oldest=ts, inclusive=True, limit=10)
        found = next((message for message in answer.get("messages", ()) if message.get("ts") == ts), None)
        return None if found is None or found.get("subtype") == "tombstone" else found

    async def thread(
        self, *, channel: str, ts: str, limit: int, cursor: str | None = None, oldest: str | None = None
    ) -> MessagePage:
        """A page of a thread, oldest first. Its first message is there whatever `oldest` says."""
        return _page(await self._replies(channel=channel, ts=ts, limit=limit, cursor=cursor, oldest=oldest))

    async def thread_exists(self, *, channel: str, ts: str) -> bool:
        return await self.message(channel=channel, ts=ts, thread_ts=ts) is not None

    async def _replies(self, **bounds: Any) -> dict[str, Any]:
        """conversations.replies; no messages once the thread is gone."""
        try:
            return await self._call(self.client.conversations_replies, **bounds)
        except SlackRefused as no:
            if no.code in THREAD_GONE:
                return {}
            raise

    async def update(self, *, channel: str, ts: str, text: str, blocks: Blocks) -> None:
        """chat.update; metadata stays as it is."""
        await self._call(self.client.chat_update, channel=channel, ts=ts, text=text, blocks=blocks)

    async def delete(self, *, channel: str, ts: str) -> None:
        """Deletes a message of ours."""
        await self._call(self.client.chat_delete, channel=channel, ts=ts)

    async def delete_file(self, file_id: str) -> None:
        """Deletes a file that the token may delete, everywhere it was shared."""
        await self._call(self.client.files_delete, file=file_id)

    async def find_post(
        self, *, channel: str, post_id: str, thread_ts: str | None, since: datetime
    ) -> FoundMessage | None:
        """Searches a thread or, without one, the conversation for a message of ours by its metadata."""

        def matches(message: Answer) -> bool:
            metadata = message.get("metadata") or {}
            payload = metadata.get("event_payload") or {}
            return metadata.get("event_type") == METADATA and payload.get("post") == post_id

        message = await self._find(channel, thread_ts, since, matches)
        return FoundMessage(channel=channel, ts=message["ts"]) if message is not None else None

    async def find_file(
        self, *, channel: str, thread_ts: str | None, name: str, since: datetime
    ) -> FoundMessage | None:
        """Searches a thread or, without one, the conversation for a file of ours by its name."""

        def named(message: Answer) -> Answer | None:
            return next((file for file in message.get("files") or () if file.get("name") == name), None)

        message = await self._find(channel, thread_ts, since, lambda message: named(message) is not None)
        if message is None:
            return None
        return FoundMessage(channel=channel, ts=message["ts"], file_id=(named(message) or {}).get("id"))

    async def _find(
        self, channel: str, thread_ts: str | None, since: datetime, matches: Callable[[Answer], bool]
    ) -> Answer | None:
        """The bot's own message that matches: others can write such metadata, or share such a file."""
        bot_user_id, oldest, cursor = await self.bot_user_id(), self._slack_ts(since), None
        for _page in range(SEARCH_PAGES):
            page = await self._page(thread_ts, channel=channel, oldest=oldest, cursor=cursor)
            for message in page.messages:
                if message.get("user", bot_user_id) == bot_user_id and matches(message):
                    return message
            if not (cursor := page.cursor):
                return None
        return None

    async def _page(self, thread_ts: str | None, **bounds: Any) -> MessagePage:
        """A page of a thread or, without one, of the conversation itself, with metadata."""
        bounds |= {"limit": 200, "include_all_metadata": True}
        if thread_ts is None:
            return _page(await self._call(self.client.conversations_history, **bounds))
        return _page(await self._call(self.client.conversations_replies, ts=thread_ts, **bounds))

    def _slack_ts(self, ours: datetime) -> str:
        """A timestamp by Slack's clock: if ours is fast, our own message would seem older than `since`."""
        return f"{self.to_slack_time(ours).timestamp():.6f}"

    async def direct_channel(self, user: str) -> str:
        answer = await self._call(self.client.conversations_open, users=user)
        return str(answer["channel"]["id"])

    async def permalink(self, *, channel: str, ts: str) -> str:
        answer = await self._call(self.client.chat_getPermalink, channel=channel, message_ts=ts)
        return str(answer["permalink"])

    async def respond(
        self,
        response_url: str,
        *,
        text: str = "",
        blocks: Sequence[dict[str, Any]] = (),
        replace: bool = False,
        delete: bool = False,
    ) -> None:
        """Answers the person who acted, where they acted; can replace or delete the message acted on."""
        body: dict[str, Any] = {"delete_original": True}
        if not delete:
            body = {"response_type": "ephemeral", "replace_original": replace, "text": text, "blocks": list(blocks)}
        method = "response_url"
        if self.responses is not None and not self.responses.admits(response_url):
            self.on_call(method, "failed")
            raise SlackNotSent(f"{method}: not a public host, or one that {HostKind.RESPONSES} does not name")
        try:
            async with self.session.post(
                response_url, json=body, allow_redirects=False, proxy=self.proxy_for(response_url)
            ) as response:
                answer = await _begin_of(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
            self.on_call(method, "failed")
            raise _network_failure(method, fault) from fault
        code, status = _error_in(answer), response.status
        if status != 200 or code:
            failure = _failure(method, status, code or f"http_{status}", response.headers.get("Retry-After"))
            self.on_call(method, "refused" if isinstance(failure, SlackRefused) else "failed")
            raise failure
        self.on_call(method, "ok")

    async def open_view(self, *, trigger_id: str, view: Mapping[str, Any]) -> Answer:
        answer = await self._call(self.client.views_open, trigger_id=trigger_id, view=dict(view))
        return dict(answer["view"])

    async def push_view(self, *, trigger_id: str, view: Mapping[str, Any]) -> Answer:
        """Opens a modal on top of the one clicked in."""
        answer = await self._call(self.client.views_push, trigger_id=trigger_id, view=dict(view))
        return dict(answer["view"])

    async def publish_view(self, *, user: str, view: Mapping[str, Any]) -> None:
        await self._call(self.client.views_publish, user_id=user, view=dict(view))

    async def update_view(self, *, view_id: str, view: Mapping[str, Any], hash_: str | None = None) -> None:
        await self._call(self.client.views_update, view_id=view_id, view=dict(view), hash=hash_)

    async def upload(
        self,
        *,
        channel: str,
        thread_ts: str | None,
        name: str,
        data: bytes | IO[bytes],
        comment: str,
        alt_text: str = "",
    ) -> str:
        """Shares a file with a comment, and gives its id. Slack's answer names no message; `find_file` finds it.

        `alt_text` describes a picture. Pass a large file open, so that it is read while it is sent.
        """
        length = len(data) if isinstance(data, bytes) else data.seek(0, os.SEEK_END)
        if not isinstance(data, bytes):
            data.seek(0)
        answer = await self._call(
            self.client.files_getUploadURLExternal, filename=name, length=length, alt_txt=alt_text or None
        )
        upload_url = str(answer["upload_url"])
        if self.files is not None and not self.files.admits(upload_url):
            raise SlackNotSent("files.upload: Slack names a host that is not one of its own for files")
        try:
            async with self.session.post(
                upload_url,
                data=data,
                # A file that is sealed on the disk cannot tell its size by the one that it has there.
                headers={"Content-Length": str(length)},
                allow_redirects=False,
                timeout=self._upload_timeout(length),
                proxy=self.proxy_for(upload_url),
            ) as response:
                await _begin_of(response)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
            # Nothing is shared before the upload is completed: a repeat is harmless.
            raise SlackNotSent(f"files.upload: no answer ({type(fault).__name__})") from fault
        if response.status != 200:
            raise SlackNotSent(f"files.upload: HTTP {response.status}")
        await self._call(
            self.client.files_completeUploadExternal,
            files=[{"id": answer["file_id"], "title": name}],
            channel_id=channel,
            thread_ts=thread_ts,
            initial_comment=comment,
        )
        return str(answer["file_id"])

    def _upload_timeout(self, length: int) -> aiohttp.ClientTimeout:
        """The usual time-out, and a second more for each 100 kB."""
        usual = self.session.timeout
        total = usual.total and usual.total + length / 100_000
        return aiohttp.ClientTimeout(total=total, connect=usual.connect, sock_read=usual.sock_read)

    async def file(self, file_id: str) -> Answer:
        """A file as Slack has it now, with its download addresses."""
        answer = await self._call(self.client.files_info, file=file_id)
        return dict(answer["file"])

    async def look_up_file(self, known: FileInfo) -> FileInfo:
        """Refreshes what is `known` of a file; unchanged where Slack does not answer in time."""
        try:
            found = await asyncio.wait_for(self.file(known.id), self.look_up_seconds)
        except SlackRefused as no:
            if no.code not in FILE_GONE:
                return known
            is_deleted = no.code == "file_deleted"
            return replace(known, barred=FieldCode.FILE_DELETED if is_deleted else FieldCode.FILE_NOT_LET)
        except (SlackError, TimeoutError):
            return known
        return file_info(found, before=known)

    async def describe(self, files: Iterable[FileInfo]) -> list[FileInfo]:
        """Asks, side by side, about those of which a message holds nothing but the id (Slack Connect)."""

        async def described(file: FileInfo) -> FileInfo:
            return file if file.kind or file.name or file.barred else await self.look_up_file(file)

        return list(await asyncio.gather(*map(described, files)))

    async def channel(self, channel: str) -> Answer:
        answer = await self._call(self.client.conversations_info, channel=channel)
        return dict(answer["channel"])

    async def user(self, user: str) -> Answer:
        answer = await self._call(self.client.users_info, user=user)
        return dict(answer["user"])

    async def members(self, channel: str) -> frozenset[str]:
        pages = self._pages(self.client.conversations_members, most=MEMBER_PAGES, channel=channel, limit=200)
        return frozenset([member async for page in pages for member in page.get("members", ())])

    async def group_members(self, group: str) -> frozenset[str]:
        answer = await self._call(self.client.usergroups_users_list, usergroup=group)
        return frozenset(answer.get("users", ()))

    async def channels(self) -> list[Answer]:
        """Public channels, and private ones that the bot is in, without archived ones; at most LISTED_PAGES pages."""
        pages = self._pages(
            self.client.conversations_list,
            types="public_channel,private_channel",
            exclude_archived=True,
            limit=LISTED_A_PAGE,
        )
        return [channel async for page in pages for channel in page.get("channels", ())]

    async def users(self) -> list[Answer]:
        """Everybody, deactivated people and bots too; at most LISTED_PAGES pages."""
        pages = self._pages(self.client.users_list, limit=LISTED_A_PAGE)
        return [user async for page in pages for user in page.get("members", ())]

    async def groups(self) -> list[Answer]:
        """User groups that are switched on."""
        return list((await self._call(self.client.usergroups_list, include_count=True)).get("usergroups", ()))

    async def _pages(
        self, call: Callable[..., Awaitable[AsyncSlackResponse]], *, most: int = LISTED_PAGES, **options: Any
    ) -> AsyncIterator[Answer]:
        """Answer after answer of a method that lists; what lies beyond the last page is left out."""
        cursor = None
        for _page in range(most):
            answer = await self._call(call, cursor=cursor, **options)
            yield answer
            if not (cursor := _next(answer)):
                return

    async def _call(
        self, call: Callable[P, Awaitable[AsyncSlackResponse]], *args: P.args, **kwargs: P.kwargs
    ) -> dict[str, Any]:
        """Make one call of slack_sdk, named after its Web API method, and turn failures into our errors."""
        method = getattr(call, "__name__", "").replace("_", ".")
        try:
            response = await call(*args, **kwargs)
            self.on_date(response.headers.get("Date"))
            answer = dict(response.data) if isinstance(response.data, dict) else {}
            if not answer.get("ok"):
                raise SlackUncertain(f"{method}: an answer without ok")
            if scopes := response.headers.get("x-oauth-scopes"):
                answer["scopes"] = scopes
        except SlackError:
            self.on_call(method, "failed")
            raise
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError, ValueError) as fault:
            failure = _as_our_error(method, fault)
            self.on_call(method, failure.code if isinstance(failure, SlackRefused) else "failed")
            raise failure from fault
        self.on_call(method, "ok")
        return answer


async def _begin_of(response: aiohttp.ClientResponse) -> bytes:
    """An answer of a host that was named to us: a word, and however much follows does not come into the memory."""
    found = bytearray()
    async for piece in response.content.iter_chunked(ANSWER_BYTES):
        found += piece
        if len(found) >= ANSWER_BYTES:
            break
    return bytes(found)


def _page(answer: Answer) -> MessagePage:
    return MessagePage(messages=list(answer.get("messages", ())), cursor=_next(answer))


def _next(answer: Answer) -> str | None:
    return (answer.get("response_metadata") or {}).get("next_cursor") or None


def _as_our_error(method: str, fault: Exception) -> SlackError:
    """A failure of the SDK or the network as one of ours; the text never holds what was sent."""
    response = getattr(fault, "response", None)
    if not isinstance(fault, SlackApiError) or not isinstance(response, AsyncSlackResponse):
        return _network_failure(method, fault)
    data = response.data if isinstance(response.data, dict) else {}
    code = str(data.get("error") or "")
    return _failure(method, response.status_code, code, response.headers.get("Retry-After"))


_CODE = re.compile("[a-z][a-z0-9_]{1,79}")
"""How every code in Slack's documentation is spelled."""
_NOT_CONNECTED = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    NotConnected,
)


def _network_failure(method: str, fault: Exception) -> SlackError:
    # A proxy that refuses to connect us, or does not answer, has handed nothing on.
    if isinstance(fault, _NOT_CONNECTED):
        why = why_unreachable(fault)
        return SlackNotSent(f"{method}: no connection{f' ({why})' if why else ''}")
    return SlackUncertain(f"{method}: no answer ({type(fault).__name__})")


def _failure(method: str, status: int, code: str, retry_after: str | None) -> SlackError:
    """What Slack's failed answer means to us. Without a code it may come from a proxy: it proves nothing.

    What has no shape of a code is no word of Slack's, and may quote what was sent: it goes into no log and no alert.
    """
    if status == 429:
        return SlackRateLimited(retry_after_seconds(retry_after))
    if status >= 500 or not _CODE.fullmatch(code) or code in SLACK_FAILED:
        return SlackUncertain(f"{method}: HTTP {status}")
    if code in RATE_LIMITED:
        return SlackRateLimited(retry_after_seconds(retry_after))
    return SlackRefused(code)


def _error_in(body: bytes) -> str:
    """The error in the answer of a response_url; a plain `ok` has none."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    failed = isinstance(answer, dict) and answer.get("ok") is False
    return str(answer.get("error") or "unknown") if failed else ""


def retry_after_seconds(header: str | None) -> float:
    """Slack's Retry-After, kept between a second and an hour; half a minute where it is no number."""
    try:
        seconds = float(header or "")
    except ValueError:
        return 30.0
    return 30.0 if math.isnan(seconds) else min(max(seconds, 1.0), 3600.0)
