"""What one person sees of one place, as fragments of HTML by the id of the element that they fill."""

from collections.abc import Iterator, Mapping
from typing import Any

from markupsafe import Markup

from bot.sandbox.page import drawing, sight
from bot.sandbox.page.canvas import Typed
from bot.sandbox.page.manifest import Manifest
from bot.sandbox.page.posts import SHOWN, Posts, Visit, held_value
from bot.sandbox.page.rendering import fingerprint, render
from bot.sandbox.page.screens import Screens
from bot.sandbox.page.sight import HOME
from bot.sandbox.slack.modal import Modal
from bot.sandbox.slack.server import SlackSandbox
from bot.sandbox.slack.world import Channel, Message, User

_NOTICE_LENGTH = 110


class Panes:
    """Draws what a person sees. Reads the workspace and changes nothing but the marks of what was read."""

    def __init__(
        self,
        slack: SlackSandbox,
        screens: Screens,
        manifest: Manifest,
        *,
        roles: Mapping[str, str],
        title: str,
        public_url: str,
    ) -> None:
        self._slack = slack
        self._screens = screens
        self._manifest = manifest
        self._roles = roles
        self._title = title
        self._posts = Posts(slack, manifest.message_shortcuts, public_url=public_url)

    def visit(self, user: User, place: str, *, thread_ts: str | None = None, shown: int = SHOWN) -> Visit:
        handle = sight.handle(self._slack, user)
        return Visit(user=user, handle=handle, place=place, thread_ts=thread_ts, shown=shown)

    def draw(self, visit: Visit, *, is_looked_at: bool = True) -> dict[str, Markup]:
        """Every pane by its name. `is_looked_at`: what is shown counts as read.

        Raises NotSeen.
        """
        if visit.place == HOME:
            panes = {"header": self._home_header(visit), "messages": self._home(visit), "composer": Markup()}
        else:
            channel = sight.find_channel(self._slack, visit.user, visit.place)
            panes = {
                "header": self._header(visit, channel),
                "messages": self._messages(visit, channel),
                "composer": self._composer(visit, channel, thread_ts=None),
            }
            if is_looked_at:
                self._mark_read(visit, channel)
        panes["thread"] = self._thread(visit)
        panes["modal"] = self._modal(visit)
        panes["sidebar"] = self._sidebar(visit)
        panes["notices"] = self._notices(visit)
        return panes

    # Around the messages

    def _sidebar(self, visit: Visit) -> Markup:
        slack, screen = self._slack, self._screens.of(visit.user.id)

        def entry(channel: Channel) -> dict[str, Any]:
            waiting = sight.unread(slack, channel, screen.read.get(channel.id, ""), visit.user)
            return {
                "id": channel.id,
                "name": channel.name,
                "is_private": channel.is_private,
                "url": visit.url(place=channel.id),
                "unread": len(waiting),
                "is_here": channel.id == visit.place,
            }

        return render(
            "sidebar.html",
            visit=visit,
            title=self._title,
            channels=[entry(channel) for channel in sight.channels_of(slack, visit.user)],
            direct=entry(slack.world.direct_channel(visit.user.id)),
            home={"url": visit.url(place=HOME), "is_here": visit.place == HOME},
            me=self._face(visit.user),
            people=[self._person(visit, user) for user in sight.people(slack)],
        )

    def _person(self, visit: Visit, user: User) -> dict[str, Any]:
        """One of those whom one can be."""
        posts = sight.direct_posts(self._slack, user)
        screen = self._screens.of(user.id)
        other = self.visit(user, self._place_for(user, visit.place))
        return {
            **self._face(user),
            "id": user.id,
            "url": other.url(),
            "is_me": user.id == visit.user.id,
            "unread": 0 if user.id == visit.user.id else sum(not screen.has_read(post) for post in posts),
        }

    def _face(self, user: User) -> dict[str, Any]:
        guest = "guest" if user.is_guest or user.is_single_channel_guest else ""
        author = self._posts.author(user.id)
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

    def _header(self, visit: Visit, channel: Channel) -> Markup:
        names = sorted(self._slack.world.names.get(member, member) for member in channel.members)
        return render("header.html", channel=channel, names=names, visit=visit, is_home=False)

    def _home_header(self, visit: Visit) -> Markup:
        return render("header.html", channel=None, names=[], visit=visit, is_home=True)

    def _composer(self, visit: Visit, channel: Channel, *, thread_ts: str | None) -> Markup:
        where = "kyc-bot" if channel.is_im else f"#{channel.name}"
        return render(
            "composer.html",
            channel=channel,
            thread_ts=thread_ts,
            label=f"Reply in the thread in {where}" if thread_ts else f"Message {where}",
            commands=() if thread_ts else self._manifest.commands,
            shortcuts=() if thread_ts else self._manifest.global_shortcuts,
            key=f"{visit.user.id}-{channel.id}-{thread_ts or ''}",
        )

    def _notices(self, visit: Visit) -> Markup:
        """What the bot wrote directly to others, and they have not seen yet."""
        found = []
        dismissed = self._screens.of(visit.user.id).dismissed
        for user in sight.people(self._slack):
            screen = self._screens.of(user.id)
            posts = [post for post in sight.direct_posts(self._slack, user) if not screen.has_read(post)]
            is_news = bool(posts) and posts[-1].ts > dismissed.get(user.id, "")
            if user.id != visit.user.id and is_news:
                words = self._slack.plain(posts[-1])
                found.append(
                    {
                        "name": user.name,
                        "words": _cut(words.replace("\n", " · "), _NOTICE_LENGTH),
                        "count": len(posts),
                        "url": self.visit(user, sight.direct_channel_id(user)).url(),
                        "id": user.id,
                        "ts": posts[-1].ts,
                    }
                )
        return render("notices.html", notices=found)

    # Messages

    def _messages(self, visit: Visit, channel: Channel) -> Markup:
        posts = [post for post in self._visible(channel) if post.thread_ts is None or post.broadcast]
        posts += [post for post in self._private(visit, channel) if post.thread_ts is None]
        posts.sort(key=lambda post: post.ts)
        is_cut = len(posts) > visit.shown
        return render(
            "messages.html",
            days=self._posts.by_day(visit, posts[-visit.shown :], in_thread=False),
            earlier=f"{visit.url()}?shown={visit.shown + SHOWN}" if is_cut else "",
            channel=channel,
            key=f"{visit.user.id}-{channel.id}",
        )

    def _thread(self, visit: Visit) -> Markup:
        if visit.thread_ts is None or visit.place == HOME:
            return Markup()
        channel = sight.find_channel(self._slack, visit.user, visit.place)
        root = channel.root(visit.thread_ts)
        if root is None:
            return Markup()
        posts = [*channel.replies(root.ts), *(p for p in self._private(visit, channel) if p.thread_ts == root.ts)]
        posts.sort(key=lambda post: post.ts)
        return render(
            "thread.html",
            visit=visit,
            channel=channel,
            root=self._posts.message(visit, root, in_thread=True),
            days=self._posts.by_day(visit, posts, in_thread=True),
            count=len(posts),
            composer=self._composer(visit, channel, thread_ts=root.ts),
            key=f"{visit.user.id}-{channel.id}-{root.ts}",
        )

    def _visible(self, channel: Channel) -> Iterator[Message]:
        """What stands, and the stones of what was deleted."""
        return (post for post in channel.posts if not post.deleted or post.tombstone)

    def _private(self, visit: Visit, channel: Channel) -> list[Message]:
        """What this person alone sees there."""
        own = [*self._slack.ephemerals(visit.user.id), *self._screens.of(visit.user.id).complaints]
        return [post for post in own if post.channel == channel.id]

    def _mark_read(self, visit: Visit, channel: Channel) -> None:
        posts = self._slack.messages(channel.id)
        if posts:
            self._screens.of(visit.user.id).mark_read(channel.id, posts[-1].ts)

    def mark_all_read(self) -> None:
        for user in sight.people(self._slack):
            for channel in self._slack.channels.values():
                if posts := self._slack.messages(channel.id):
                    self._screens.of(user.id).mark_read(channel.id, posts[-1].ts)

    # Home and modals

    def _home(self, visit: Visit) -> Markup:
        home = self._slack.person(visit.user.id).home
        canvas = self._posts.canvas(visit, prefix="h-")
        drawn = None if home is None else drawing.home(canvas, home)
        return render(
            "home.html",
            drawn=None if drawn is None else Markup(drawn),  # noqa: S704  # the renderer escapes what it is given
            version=fingerprint(drawn or ""),
            key=visit.user.id,
        )

    def _modal(self, visit: Visit) -> Markup:
        stack = self._slack.person(visit.user.id).open_modals
        if not stack:
            return Markup()
        top, screen = stack[-1], self._screens.of(visit.user.id)
        canvas = self._posts.canvas(visit, prefix="v-")
        canvas.held = _held(top)
        canvas.errors = screen.errors.get(top.id, {})
        canvas.conversations = lambda element: top.conversations(dict(element))
        drawn = drawing.modal(canvas, top.view, problem=screen.problems.get(top.id, ""), is_on_another=len(stack) > 1)
        return render("modal.html", modal=top, drawn=Markup(drawn))  # noqa: S704  # as above


def _cut(words: str, length: int) -> str:
    return words if len(words) <= length else f"{words[: length - 1]}…"


def versions(panes: Mapping[str, str]) -> dict[str, str]:
    """A short mark of what each pane says."""
    return {name: fingerprint(str(drawn)) for name, drawn in panes.items()}


def _held(modal: Modal) -> dict[tuple[str, str], Typed]:
    """What the form holds, as drawings want it."""
    held: dict[tuple[str, str], Typed] = {}
    for block_id, elements in modal.view["state"]["values"].items():
        for action_id, value in elements.items():
            held[block_id, action_id] = held_value(value)
    return held
