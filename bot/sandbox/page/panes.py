"""What one person sees of one place, as fragments of HTML by the id of the element that they fill."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from markupsafe import Markup

from bot.sandbox.page import drawing, sight
from bot.sandbox.page.canvas import JSON, Canvas, Typed
from bot.sandbox.page.drawing import Author
from bot.sandbox.page.manifest import Manifest
from bot.sandbox.page.marks import Reader
from bot.sandbox.page.rendering import render
from bot.sandbox.page.screens import Screens
from bot.sandbox.page.sight import HOME
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.slack.inputs import VALUE_KEYS, python_value
from bot.sandbox.slack.modal import Modal
from bot.sandbox.slack.server import SlackSandbox
from bot.sandbox.slack.world import BOT_USER_ID, TEAM_DOMAIN, Channel, Message, User

SHOWN = 40
"""How many messages of a channel are shown at first, and more for each *earlier*."""
SLACKBOT = "USLACKBOT"
_PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_SNIPPET_MAX_BYTES = 64 * 1024
_NOTICE_LENGTH = 110
_COLOURS = 9
"""Of avatars; the first is the bot's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
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


class Panes:
    """Draws what a person sees. Reads the workspace and changes nothing but the marks of what was read."""

    def __init__(
        self, slack: SlackSandbox, screens: Screens, manifest: Manifest, *, roles: Mapping[str, str], title: str
    ) -> None:
        self._slack = slack
        self._screens = screens
        self._manifest = manifest
        self._roles = roles
        self._title = title

    def view(self, user: User, place: str, *, thread_ts: str | None = None, shown: int = SHOWN) -> View:
        handle = sight.handle(self._slack, user)
        return View(user=user, handle=handle, place=place, thread_ts=thread_ts, shown=shown)

    def draw(self, view: View, *, is_looked_at: bool = True) -> dict[str, Markup]:
        """Every pane by its name. `is_looked_at`: what is shown counts as read.

        Raises NotSeen.
        """
        if view.place == HOME:
            panes = {"header": self._home_header(view), "messages": self._home(view), "composer": Markup()}
        else:
            channel = sight.find_channel(self._slack, view.user, view.place)
            panes = {
                "header": self._header(view, channel),
                "messages": self._messages(view, channel),
                "composer": self._composer(view, channel, thread_ts=None),
            }
            if is_looked_at:
                self._mark_read(view, channel)
        panes["thread"] = self._thread(view)
        panes["modal"] = self._modal(view)
        panes["sidebar"] = self._sidebar(view)
        panes["notices"] = self._notices(view)
        return panes

    # Around the messages

    def _sidebar(self, view: View) -> Markup:
        slack, screen = self._slack, self._screens.of(view.user.id)

        def entry(channel: Channel) -> dict[str, Any]:
            waiting = sight.unread(slack, channel, screen.read.get(channel.id, ""), view.user)
            return {
                "id": channel.id,
                "name": channel.name,
                "is_private": channel.is_private,
                "url": view.url(place=channel.id),
                "unread": len(waiting),
                "is_here": channel.id == view.place,
            }

        return render(
            "sidebar.html",
            view=view,
            title=self._title,
            channels=[entry(channel) for channel in sight.channels_of(slack, view.user)],
            direct=entry(slack.world.direct_channel(view.user.id)),
            home={"url": view.url(place=HOME), "is_here": view.place == HOME},
            me=self._face(view.user),
            people=[self._person(view, user) for user in sight.people(slack)],
        )

    def _person(self, view: View, user: User) -> dict[str, Any]:
        """One of those whom one can be."""
        posts = sight.direct_posts(self._slack, user)
        screen = self._screens.of(user.id)
        other = self.view(user, self._place_for(user, view.place))
        return {
            **self._face(user),
            "id": user.id,
            "url": other.url(),
            "is_me": user.id == view.user.id,
            "unread": 0 if user.id == view.user.id else sum(not screen.has_read(post) for post in posts),
        }

    def _face(self, user: User) -> dict[str, Any]:
        guest = "guest" if user.is_guest or user.is_single_channel_guest else ""
        author = self._author(user.id)
        role = self._roles.get(user.id, guest)
        return {"name": user.name, "role": role, "letters": author.letters, "colour": author.colour}

    def _place_for(self, user: User, place: str) -> str:
        """The same place where this person may see it, else the first channel, or their Home tab."""
        seen = [channel.id for channel in sight.channels_of(self._slack, user)]
        if place == HOME or place in seen:
            return place
        if place.startswith("D"):
            return sight.direct_channel_id(user)
        return next(iter(seen), HOME)

    def _header(self, view: View, channel: Channel) -> Markup:
        names = sorted(self._slack.world.names.get(member, member) for member in channel.members)
        return render("header.html", channel=channel, names=names, view=view, is_home=False)

    def _home_header(self, view: View) -> Markup:
        return render("header.html", channel=None, names=[], view=view, is_home=True)

    def _composer(self, view: View, channel: Channel, *, thread_ts: str | None) -> Markup:
        where = "kyc-bot" if channel.is_im else f"#{channel.name}"
        return render(
            "composer.html",
            channel=channel,
            thread_ts=thread_ts,
            label=f"Reply in the thread in {where}" if thread_ts else f"Message {where}",
            commands=() if thread_ts else self._manifest.commands,
            shortcuts=() if thread_ts else self._manifest.global_shortcuts,
            key=f"{view.user.id}-{channel.id}-{thread_ts or ''}",
        )

    def _notices(self, view: View) -> Markup:
        """What the bot wrote directly to others, and they have not seen yet."""
        found = []
        dismissed = self._screens.of(view.user.id).dismissed
        for user in sight.people(self._slack):
            screen = self._screens.of(user.id)
            posts = [post for post in sight.direct_posts(self._slack, user) if not screen.has_read(post)]
            is_news = bool(posts) and posts[-1].ts > dismissed.get(user.id, "")
            if user.id != view.user.id and is_news:
                words = self._slack.plain(posts[-1])
                found.append(
                    {
                        "name": user.name,
                        "words": _cut(words.replace("\n", " · "), _NOTICE_LENGTH),
                        "count": len(posts),
                        "url": self.view(user, sight.direct_channel_id(user)).url(),
                        "id": user.id,
                        "ts": posts[-1].ts,
                    }
                )
        return render("notices.html", notices=found)

    # Messages

    def _messages(self, view: View, channel: Channel) -> Markup:
        posts = [post for post in self._visible(channel) if post.thread_ts is None or post.broadcast]
        posts += [post for post in self._private(view, channel) if post.thread_ts is None]
        posts.sort(key=lambda post: post.ts)
        is_cut = len(posts) > view.shown
        return render(
            "messages.html",
            days=self._by_day(view, posts[-view.shown :], in_thread=False),
            earlier=f"{view.url()}?shown={view.shown + SHOWN}" if is_cut else "",
            channel=channel,
            key=f"{view.user.id}-{channel.id}",
        )

    def _thread(self, view: View) -> Markup:
        if view.thread_ts is None or view.place == HOME:
            return Markup()
        channel = sight.find_channel(self._slack, view.user, view.place)
        root = channel.root(view.thread_ts)
        if root is None:
            return Markup()
        posts = [*channel.replies(root.ts), *(p for p in self._private(view, channel) if p.thread_ts == root.ts)]
        posts.sort(key=lambda post: post.ts)
        return render(
            "thread.html",
            view=view,
            channel=channel,
            root=self._message(view, root, in_thread=True),
            days=self._by_day(view, posts, in_thread=True),
            count=len(posts),
            composer=self._composer(view, channel, thread_ts=root.ts),
            key=f"{view.user.id}-{channel.id}-{root.ts}",
        )

    def _visible(self, channel: Channel) -> Iterator[Message]:
        """What stands, and the stones of what was deleted."""
        return (post for post in channel.posts if not post.deleted or post.tombstone)

    def _private(self, view: View, channel: Channel) -> list[Message]:
        """What this person alone sees there."""
        own = [*self._slack.ephemerals(view.user.id), *self._screens.of(view.user.id).complaints]
        return [post for post in own if post.channel == channel.id]

    def _mark_read(self, view: View, channel: Channel) -> None:
        posts = self._slack.messages(channel.id)
        if posts:
            self._screens.of(view.user.id).mark_read(channel.id, posts[-1].ts)

    def mark_all_read(self) -> None:
        for user in sight.people(self._slack):
            for channel in self._slack.channels.values():
                if posts := self._slack.messages(channel.id):
                    self._screens.of(user.id).mark_read(channel.id, posts[-1].ts)

    def _by_day(self, view: View, posts: Iterable[Message], *, in_thread: bool) -> list[dict[str, Any]]:
        zone = ZoneInfo(view.user.timezone)
        today = self._slack.world.clock().astimezone(zone).date()
        days: list[dict[str, Any]] = []
        for post in posts:
            day = _moment(post).astimezone(zone).date()
            if not days or days[-1]["date"] != day:
                near = {today: "Today", today - timedelta(days=1): "Yesterday"}
                days.append({"date": day, "name": near.get(day, f"{day:%A, %B} {day.day}"), "messages": []})
            days[-1]["messages"].append(self._message(view, post, in_thread=in_thread))
        return days

    def _message(self, view: View, post: Message, *, in_thread: bool) -> Markup:
        channel = self._slack.channels[post.channel]
        canvas = self._canvas(view, prefix=f"{'t' if in_thread else 'm'}{post.ts}-")
        canvas.held = _chosen(post, view.user)
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
                below=self._files(view, post.files),
                author=self._author(post.user),
            )
        replies = [] if in_thread or post.thread_ts else channel.replies(post.ts)
        return render(
            "message.html",
            post=post,
            at=f"{at:%A %-d %B, %-I:%M %p}",
            author=self._author(post.user).name,
            drawn=Markup(inside),  # noqa: S704  # the renderer escapes what it is given
            version=_version(inside, len(replies), replies[-1].ts if replies else ""),
            replies=len(replies),
            repliers=[self._author(user) for user in dict.fromkeys(reply.user for reply in replies)][:5],
            last_reply=f"{_moment(replies[-1]).astimezone(canvas.reader.zone):%-I:%M %p}" if replies else "",
            thread_url=view.url(thread_ts=post.thread_ts or post.ts),
            in_thread=in_thread,
            is_own=post.user == view.user.id,
            shortcuts=self._manifest.message_shortcuts if post.ephemeral_to is None else (),
            is_private=post.ephemeral_to is not None,
        )

    def _author(self, user_id: str) -> Author:
        if user_id == BOT_USER_ID:
            return drawing.BOT
        if user_id == SLACKBOT:
            return Author(name="Slackbot", letters="S")
        name = self._slack.world.names.get(user_id, user_id)
        order = list(self._slack.users)
        colour = order.index(user_id) % (_COLOURS - 1) + 1 if user_id in order else 0
        return Author(name=name, letters=name[:1].upper(), colour=colour)

    def _files(self, view: View, files: Sequence[SlackFile]) -> str:
        """Several pictures stand side by side."""
        pictures = [self._file(view, file) for file in files if file.mimetype in _PICTURES and not file.is_deleted]
        others = [self._file(view, file) for file in files if file.mimetype not in _PICTURES or file.is_deleted]
        side = f'<div class="gallery">{"".join(pictures)}</div>' if len(pictures) > 1 else "".join(pictures)
        return side + "".join(others)

    def _file(self, view: View, file: SlackFile) -> str:
        if file.is_deleted:
            return '<div class="attached"><span class="hint">This file was deleted.</span></div>'
        link = view.file_url(file.id)
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

    # Home and modals

    def _home(self, view: View) -> Markup:
        home = self._slack.person(view.user.id).home
        canvas = self._canvas(view, prefix="h-")
        drawn = None if home is None else drawing.home(canvas, home)
        return render(
            "home.html",
            drawn=None if drawn is None else Markup(drawn),  # noqa: S704  # the renderer escapes what it is given
            version=_version(drawn or ""),
            key=view.user.id,
        )

    def _modal(self, view: View) -> Markup:
        stack = self._slack.person(view.user.id).open_modals
        if not stack:
            return Markup()
        top, screen = stack[-1], self._screens.of(view.user.id)
        canvas = self._canvas(view, prefix="v-")
        canvas.held = _held(top)
        canvas.errors = screen.errors.get(top.id, {})
        canvas.conversations = lambda element: top.conversations(dict(element))
        drawn = drawing.modal(canvas, top.view, problem=screen.problems.get(top.id, ""), is_on_another=len(stack) > 1)
        return render("modal.html", modal=top, drawn=Markup(drawn))  # noqa: S704  # as above

    def _canvas(self, view: View, *, prefix: str) -> Canvas:
        world = self._slack.world
        reader = Reader(
            people={user.id: user.name for user in self._slack.users.values()},
            channels={channel.id: channel.name for channel in self._slack.channels.values() if not channel.is_im},
            now=world.clock().astimezone(UTC),
            zone=ZoneInfo(view.user.timezone),
            href=lambda url: self._leads_to(view, url),
            is_strict=False,
        )
        return Canvas(reader=reader, is_live=True, prefix=prefix, source=lambda name: self._picture(view, name))

    def _leads_to(self, view: View, url: str) -> str | None:
        """A permalink leads to its place on this page, everything else out of it."""
        try:
            parts = urlsplit(url)
        except ValueError:
            # Anybody may write `http://[`.
            return None
        words = parts.path.strip("/").split("/")
        if parts.hostname == f"{TEAM_DOMAIN}.slack.com" and len(words) == 3 and words[0] == "archives":
            ts = f"{words[2][1:-6]}.{words[2][-6:]}"
            channel = self._slack.channels.get(words[1])
            post = channel.root(ts) if channel is not None else None
            return view.url(place=words[1], thread_ts=(post.thread_ts or ts) if post else ts) + f"#m{ts}"
        return url if parts.scheme in ("http", "https", "mailto") else None

    def _picture(self, view: View, name: str) -> str | None:
        """Only files of the workspace: nothing is fetched from another host."""
        return view.file_url(name) if name in self._slack.files else None


def _moment(post: Message) -> datetime:
    return datetime.fromtimestamp(float(post.ts), UTC)


def _note(post: Message, *, in_thread: bool) -> str:
    if post.ephemeral_to is not None:
        return "Only visible to you"
    return "replied to a thread" if post.broadcast and not in_thread else ""


def _cut(words: str, length: int) -> str:
    return words if len(words) <= length else f"{words[: length - 1]}…"


def _version(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=6).hexdigest()


def versions(panes: Mapping[str, str]) -> dict[str, str]:
    """A short mark of what each pane says."""
    return {name: _version(str(drawn)) for name, drawn in panes.items()}


def _held(modal: Modal) -> dict[tuple[str, str], Typed]:
    """What the form holds, as drawings want it."""
    held: dict[tuple[str, str], Typed] = {}
    for block_id, elements in modal.view["state"]["values"].items():
        for action_id, value in elements.items():
            held[block_id, action_id] = _shown(value)
    return held


def _chosen(post: Message, user: User) -> dict[tuple[str, str], Typed]:
    return {place: _shown(value) for place, value in post.choices.get(user.id, {}).items()}


def _shown(value: JSON) -> Typed:
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
