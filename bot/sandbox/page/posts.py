"""Messages as one person sees them: their author, moment, blocks, files and replies."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from markupsafe import Markup

from bot.sandbox.page import drawing, sight
from bot.sandbox.page.canvas import JSON, Canvas, Typed
from bot.sandbox.page.drawing import Author
from bot.sandbox.page.manifest import Shortcut
from bot.sandbox.page.marks import Reader
from bot.sandbox.page.rendering import fingerprint, render
from bot.sandbox.page.sight import NotSeen
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.slack.image_rules import file_named
from bot.sandbox.slack.inputs import VALUE_KEYS, python_value
from bot.sandbox.slack.server import SlackSandbox
from bot.sandbox.slack.world import BOT_USER_ID, TEAM_DOMAIN, Message, User

SHOWN = 40
"""How many messages of a channel are shown at first, and more for each *earlier*."""
SLACKBOT = "USLACKBOT"
_PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_SNIPPET_MAX_BYTES = 64 * 1024
_COLOURS = 9
"""Of avatars; the first is the bot's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Who looks, and at what."""

    user: User
    handle: str
    """What stands for the person in addresses."""
    place: str
    """A channel's id, or HOME."""
    thread_ts: str | None = None
    shown: int = SHOWN

    def url(self, *, place: str | None = None, thread_ts: str | None = None) -> str:
        """Of another place of the same person."""
        thread = f"?thread={thread_ts}" if thread_ts else ""
        return f"/as/{self.handle}/{place or self.place}{thread}"

    def file_url(self, file_id: str) -> str:
        return f"/as/{self.handle}/files/{file_id}"


class Posts:
    """Draws messages, and knows what everything that is drawn for a person needs: names, zone, where links lead."""

    def __init__(self, slack: SlackSandbox, shortcuts: Sequence[Shortcut], *, public_url: str) -> None:
        """`shortcuts` stand in the menu of each message; `public_url` is the bot's, without a slash at its end."""
        self._slack = slack
        self._shortcuts = shortcuts
        # Never empty, so that without an address nothing is found.
        self._customer_link = re.compile(rf"{re.escape(public_url or 'none:')}/c#[A-Za-z0-9_-]{{43}}(?![A-Za-z0-9_-])")

    def by_day(self, visit: Visit, posts: Iterable[Message], *, in_thread: bool) -> list[dict[str, Any]]:
        """Under the days of this person's time zone."""
        zone = ZoneInfo(visit.user.timezone)
        today = self._slack.world.clock().astimezone(zone).date()
        days: list[dict[str, Any]] = []
        for post in posts:
            day = _moment(post).astimezone(zone).date()
            if not days or days[-1]["date"] != day:
                near = {today: "Today", today - timedelta(days=1): "Yesterday"}
                days.append({"date": day, "name": near.get(day, f"{day:%A, %B} {day.day}"), "messages": []})
            days[-1]["messages"].append(self.message(visit, post, in_thread=in_thread))
        return days

    def message(self, visit: Visit, post: Message, *, in_thread: bool) -> Markup:
        channel = self._slack.channels[post.channel]
        canvas = self.canvas(visit, prefix=f"{'t' if in_thread else 'm'}{post.ts}-")
        canvas.held = _chosen(post, visit.user)
        at = _moment(post).astimezone(canvas.reader.zone)
        if post.tombstone:
            inside = '<div class="row stone">This message was deleted.</div>'
        else:
            inside = drawing.message(
                canvas,
                words=post.text,
                listed=post.blocks,
                at=f"{at:%-I:%M %p}",
                note=_note(post, in_thread=in_thread),
                below=self._files(visit, post.files),
                author=self.author(post.user),
            )
        replies = [] if in_thread or post.thread_ts else channel.replies(post.ts)
        link = self._customer_link.search(post.text) if post.user == BOT_USER_ID else None
        return render(
            "message.html",
            post=post,
            at=f"{at:%A %-d %B, %-I:%M %p}",
            author=self.author(post.user).name,
            drawn=Markup(inside),  # noqa: S704  # the renderer escapes what it is given
            version=fingerprint(inside, len(replies), replies[-1].ts if replies else ""),
            replies=len(replies),
            repliers=[self.author(user) for user in dict.fromkeys(reply.user for reply in replies)][:5],
            last_reply=f"{_moment(replies[-1]).astimezone(canvas.reader.zone):%-I:%M %p}" if replies else "",
            thread_url=visit.url(thread_ts=post.thread_ts or post.ts),
            customer_link=link[0] if link is not None else "",
            in_thread=in_thread,
            is_own=post.user == visit.user.id,
            shortcuts=self._shortcuts if post.ephemeral_to is None else (),
            is_private=post.ephemeral_to is not None,
        )

    def author(self, user_id: str) -> Author:
        if user_id == BOT_USER_ID:
            return drawing.BOT
        if user_id == SLACKBOT:
            return Author(name="Slackbot", letters="S")
        name = self._slack.world.names.get(user_id, user_id)
        order = list(self._slack.users)
        colour = order.index(user_id) % (_COLOURS - 1) + 1 if user_id in order else 0
        return Author(name=name, letters=name[:1].upper(), colour=colour)

    def _files(self, visit: Visit, files: Sequence[SlackFile]) -> str:
        """Several pictures stand side by side."""
        pictures = [self._file(visit, file) for file in files if file.mimetype in _PICTURES and not file.is_deleted]
        others = [self._file(visit, file) for file in files if file.mimetype not in _PICTURES or file.is_deleted]
        side = f'<div class="gallery">{"".join(pictures)}</div>' if len(pictures) > 1 else "".join(pictures)
        return side + "".join(others)

    def _file(self, visit: Visit, file: SlackFile) -> str:
        if file.is_deleted:
            return '<div class="attached"><span class="hint">This file was deleted.</span></div>'
        link = visit.file_url(file.id)
        is_picture = file.mimetype in _PICTURES
        content = None
        if not is_picture and file.filetype in ("csv", "text", "json") and file.size <= _SNIPPET_MAX_BYTES:
            content = file.content.decode("utf-8-sig", errors="replace")
        return drawing.file(
            file.name,
            size_bytes=file.size,
            source=link if is_picture else None,
            alt=file.alt_text or file.name,
            content=content,
            link=link,
        )

    def canvas(self, visit: Visit, *, prefix: str) -> Canvas:
        world = self._slack.world
        reader = Reader(
            people={user.id: user.name for user in self._slack.users.values()},
            channels={channel.id: channel.name for channel in self._slack.channels.values() if not channel.is_im},
            now=world.clock().astimezone(UTC),
            zone=ZoneInfo(visit.user.timezone),
            href=lambda url: self._leads_to(visit, url),
            is_strict=False,
        )
        return Canvas(reader=reader, is_live=True, prefix=prefix, source=lambda name: self._picture(visit, name))

    def _leads_to(self, visit: Visit, url: str) -> str | None:
        """A permalink leads to its place on this page, that of a file to the file, everything else out of it."""
        try:
            parts = urlsplit(url)
        except ValueError:
            # Anybody may write `http://[`.
            return None
        words = parts.path.strip("/").split("/")
        if url.startswith(f"{self._slack.world.files_url}/files/") and len(words) == 4:
            return visit.file_url(words[2])
        if parts.hostname == f"{TEAM_DOMAIN}.slack.com" and len(words) == 3 and words[0] == "archives":
            ts = f"{words[2][1:-6]}.{words[2][-6:]}"
            channel = self._slack.channels.get(words[1])
            post = channel.root(ts) if channel is not None else None
            root_ts = post.thread_ts if post is not None else None
            return visit.url(place=words[1], thread_ts=root_ts or ts) + f"#{'t' if root_ts else 'm'}{ts}"
        return url if parts.scheme in ("http", "https", "mailto") else None

    def _picture(self, visit: Visit, name: str) -> str | None:
        """Only files of the workspace that this person may see: nothing is fetched from another host."""
        given = {"id": name} if name in self._slack.files else {"url": name}
        file = file_named(self._slack.world, given)
        try:
            return visit.file_url(sight.find_file(self._slack, visit.user, file.id).id) if file is not None else None
        except NotSeen:
            return None


def _moment(post: Message) -> datetime:
    return datetime.fromtimestamp(float(post.ts), UTC)


def _note(post: Message, *, in_thread: bool) -> str:
    if post.ephemeral_to is not None:
        return "Only visible to you"
    return "replied to a thread" if post.broadcast and not in_thread else ""


def _chosen(post: Message, user: User) -> dict[tuple[str, str], Typed]:
    return {place: held_value(value) for place, value in post.choices.get(user.id, {}).items()}


def held_value(value: JSON) -> Typed:
    """What an element holds, as the state of a view or message has it, in the form that drawings take."""
    inner = value[VALUE_KEYS[value["type"]]]
    if value["type"] == "file_input":
        return [f"{file['id']} {file.get('name', '')}" for file in inner]
    if value["type"] == "external_select":
        return str(inner["text"]["text"]) if inner else ""
    found = python_value(dict(value))
    if isinstance(found, list):
        return [str(one) for one in found]
    return "" if found is None else str(found)


def complaint(slack: SlackSandbox, user: User, channel_id: str, words: str, *, thread_ts: str | None) -> Message:
    """Slackbot's words to one person, which no method finds."""
    return Message(
        channel=channel_id,
        ts=slack.world.next_ts(),
        user=SLACKBOT,
        text=words,
        thread_ts=thread_ts,
        ephemeral_to=user.id,
    )
