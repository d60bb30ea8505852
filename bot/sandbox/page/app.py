"""The workspace in a browser: routes. What is seen is `panes`' part, what is done `acts`'."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from markupsafe import Markup, escape
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from bot.sandbox.page import sight
from bot.sandbox.page.acts import Acts, Answer, SamplePhotos, photos_of_this_clone
from bot.sandbox.page.guard import HOSTS, Guard
from bot.sandbox.page.manifest import Manifest, read_manifest
from bot.sandbox.page.panes import Panes, versions
from bot.sandbox.page.posts import SHOWN, Visit
from bot.sandbox.page.rendering import STATIC, render
from bot.sandbox.page.requests import ACTS, LOOKING, Act
from bot.sandbox.page.screens import Screens
from bot.sandbox.page.sight import NotSeen
from bot.sandbox.slack.errors import ClientRefuses
from bot.sandbox.slack.server import SlackSandbox
from bot.sandbox.slack.world import User

DEBOUNCE_SECONDS = 0.08
"""So long is waited for more news before browsers are told."""
HEARTBEAT_SECONDS = 15.0
_SAFE_TYPES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
"""Files that a browser may show; every other is only downloaded."""


class Desk(Protocol):
    """What stands beside the workspace: stories, faults, what goes on underneath, files to drop."""

    def pane(self, person: User) -> Markup:
        """The side panel as this person sees it. The page patches it like its own panes, at every change of the
        workspace; what must survive a patch stands in elements with a `data-key`.

        A `<button data-post="/desk/…" data-body='{"story": "…"}'>` posts that JSON; a `<form data-post="…">` posts its
        fields as JSON. An answer `{"says": "…"}` is shown in words.
        """

    def routes(self) -> Sequence[BaseRoute]:
        """Mounted below `/desk`. POSTs come only from the page itself."""


def page_app(
    slack: SlackSandbox,
    *,
    desk: Desk | None = None,
    manifest: Manifest | None = None,
    roles: Mapping[str, str] | None = None,
    samples: SamplePhotos = photos_of_this_clone,
    title: str = "Acme Compliance",
    preparing: Callable[[], str] = str,
    public_url: str = "",
    closing: asyncio.Event | None = None,
) -> Starlette:
    """The page of this workspace, for a server on the loopback and on the stand-in's own event loop.

    `roles`: what each person is there, in a word or two, by user id. `samples` makes the photos of *use the sample
    photos*, the selfie first. `public_url` is where the bot serves its page for customers: links to it can be followed
    from a message. `closing` ends the streams of events, so that a server can stop.
    """
    page = _Page(
        slack,
        desk=desk,
        manifest=manifest or read_manifest(),
        roles=roles or {},
        samples=samples,
        title=title,
        preparing=preparing,
        public_url=public_url,
        closing=closing or asyncio.Event(),
    )
    routes: list[BaseRoute] = [
        Route("/", page.begin),
        Route("/events", page.events),
        Mount("/static", StaticFiles(directory=STATIC)),
        *([_desk(desk, preparing)] if desk is not None else []),
        Route("/as/{person}/files/{file}", page.file),
        Route("/as/{person}/suggest", page.suggest),
        Route("/as/{person}/{place}/panes", page.panes),
        Route("/as/{person}/{place}", page.whole),
        *(Route(f"/as/{{person}}/{name}", page.acting(act), methods=["POST"]) for name, act in ACTS.items()),
    ]
    middleware = [
        Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS),
        Middleware(Guard),
        Middleware(GZipMiddleware, minimum_size=2_000, compresslevel=5),
    ]
    return Starlette(routes=routes, middleware=middleware, exception_handlers={NotSeen: _not_seen})


def _desk(desk: Desk, preparing: Callable[[], str]) -> Mount:
    return Mount("/desk", routes=list(desk.routes()), middleware=[Middleware(_NotYet, preparing=preparing)])


class _NotYet:
    """Lets nobody move or break what is still being prepared."""

    def __init__(self, app: ASGIApp, *, preparing: Callable[[], str]) -> None:
        self._app = app
        self._preparing = preparing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        words = self._preparing() if scope["type"] == "http" and scope["method"] == "POST" else ""
        inner = _not_yet(words) if words else self._app
        await inner(scope, receive, send)


def _not_yet(preparing: str) -> Response:
    return JSONResponse(Answer(ok=False, says=f"{preparing.rstrip('.')}. Try again in a moment.").as_json())


async def _not_seen(request: Request, reason: Exception) -> Response:
    if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(render("gone.html", reason=str(reason)), status_code=404)
    return JSONResponse({"ok": False, "says": str(reason)}, status_code=404)


class _Page:
    def __init__(
        self,
        slack: SlackSandbox,
        *,
        desk: Desk | None,
        manifest: Manifest,
        roles: Mapping[str, str],
        samples: SamplePhotos,
        title: str,
        preparing: Callable[[], str],
        public_url: str,
        closing: asyncio.Event,
    ) -> None:
        self._slack = slack
        self._desk = desk
        self._manifest = manifest
        self._samples = samples
        self._title = title
        self._preparing = preparing
        self._closing = closing
        self._is_prepared = not preparing()
        self._screens = Screens()
        self._panes = Panes(slack, self._screens, manifest, roles=roles, title=title, public_url=public_url)

    def _user(self, request: Request) -> User:
        return sight.find_person(self._slack, request.path_params["person"])

    def _visit(self, request: Request) -> Visit:
        wanted = request.query_params.get("shown", "")
        return self._panes.visit(
            self._user(request),
            request.path_params["place"],
            thread_ts=request.query_params.get("thread") or None,
            shown=int(wanted) if re.fullmatch("[1-9][0-9]{0,4}", wanted) else SHOWN,
        )

    async def begin(self, _request: Request) -> Response:
        """The first person in the first channel that they see."""
        user = next(iter(sight.people(self._slack)), None)
        if user is None:
            raise HTTPException(404, "nobody is in this workspace")
        channels = sight.channels_of(self._slack, user)
        return RedirectResponse(self._panes.visit(user, channels[0].id if channels else sight.HOME).url(), 303)

    def _draw(self, request: Request) -> tuple[Visit, dict[str, Markup]]:
        visit = self._visit(request)
        self._begin_when_prepared()
        panes = self._panes.draw(visit, is_looked_at=request.query_params.get("seen", "1") == "1")
        if self._desk is not None:
            panes["desk"] = self._desk.pane(visit.user)
        panes["preparing"] = escape(self._preparing())
        if panes["preparing"]:
            # The forms that are filled in now are not this visitor's, and what people get now is news to nobody.
            panes["modal"] = panes["notices"] = Markup()
        return visit, panes

    def _begin_when_prepared(self) -> None:
        """What was said while the workspace was prepared is news to nobody."""
        is_prepared = not self._preparing()
        if is_prepared and not self._is_prepared:
            self._panes.mark_all_read()
        self._is_prepared = is_prepared

    async def whole(self, request: Request) -> Response:
        visit, panes = self._draw(request)
        return HTMLResponse(
            render(
                "page.html",
                visit=visit,
                panes=panes,
                versions=json.dumps(versions(panes)),
                title=self._title,
                has_desk=self._desk is not None,
                name=self._place_name(visit),
            )
        )

    def _place_name(self, visit: Visit) -> str:
        channel = self._slack.channels.get(visit.place)
        if channel is None or channel.is_im:
            return "Home" if channel is None else "kyc-bot"
        return f"#{channel.name}"

    async def panes(self, request: Request) -> Response:
        """All panes but those whose version the browser has already, as its header X-Have lists them."""
        visit, panes = self._draw(request)
        have = json.loads(request.headers.get("x-have", "{}"))
        now = versions(panes)
        changed = {name: drawn for name, drawn in panes.items() if have.get(name) != now[name]}
        return JSONResponse({"panes": changed, "versions": now, "name": self._place_name(visit)})

    async def events(self, _request: Request) -> Response:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._news(), media_type="text/event-stream", headers=headers)

    async def _news(self) -> AsyncIterator[str]:
        """`changed` at once, since the browser may have missed something while it was away, and at each change."""
        changes = self._slack.world.changes
        count = changes.count
        yield "retry: 1000\nevent: changed\ndata: 0\n\n"
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            while not self._closing.is_set():
                news = asyncio.ensure_future(changes.after(count))
                await asyncio.wait({news, closing}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if not news.done():
                    news.cancel()
                    yield ": still here\n\n"
                    continue
                await asyncio.sleep(DEBOUNCE_SECONDS)
                count = changes.count
                yield f"event: changed\ndata: {count}\n\n"
        finally:
            closing.cancel()

    async def file(self, request: Request) -> Response:
        file = sight.find_file(self._slack, self._user(request), request.path_params["file"])
        is_shown = file.mimetype in _SAFE_TYPES
        headers = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "private, max-age=3600"}
        if not is_shown:
            headers["Content-Disposition"] = "attachment"
        kind = file.mimetype if is_shown else "application/octet-stream"
        pieces = (bytes(piece) async for piece in file.chunks())
        return StreamingResponse(pieces, media_type=kind, headers=headers)

    async def suggest(self, request: Request) -> Response:
        given = request.query_params
        try:
            found = await self._acts(request).suggest(given["view"], given["block"], given["typed"])
        except ClientRefuses:
            found = []
        return JSONResponse({"options": found})

    def _acts(self, request: Request) -> Acts:
        return Acts(self._slack, self._screens, self._manifest, self._user(request), samples=self._samples)

    def acting(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            if act not in LOOKING and (preparing := self._preparing()):
                return _not_yet(preparing)
            try:
                answer = await act(self._acts(request), request)
            except ClientRefuses as refusal:
                answer = Answer(ok=False, says=refusal.why)
            except (KeyError, TypeError, ValueError) as fault:
                return JSONResponse({"ok": False, "says": f"not understood: {fault!r}"}, status_code=400)
            return JSONResponse(answer.as_json())

        return endpoint
