"""The panel beside the workspace and its addresses below `/desk`: the page's `Desk`."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bot.sandbox.desk import dropping, stored, stories, traffic
from bot.sandbox.desk.breakages import BREAKAGES, Part
from bot.sandbox.desk.breaking import Breaker
from bot.sandbox.desk.demo import Demo
from bot.sandbox.desk.erasing import Eraser
from bot.sandbox.page.rendering import render
from bot.sandbox.slack import SlackSandbox, User
from bot.sandbox.smile_id import STORIES, SmileIDSandbox

LOG_LINES = 80
HEALTH_SECONDS = 2.0
LONGEST_HEALTH = 20_000
"""Characters of one answer of the admin port."""
GIVE_UP_SECONDS = 180.0
"""How long a reset, or a night, may take."""
_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "csv": "text/csv",
    "zip": "application/zip",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class DeskPanel:
    """Everything that one can do to the demo beside using it."""

    def __init__(self, slack: SlackSandbox, smile_id: SmileIDSandbox, demo: Demo) -> None:
        self._slack = slack
        self._smile_id = smile_id
        self._demo = demo
        self.breaker = Breaker(slack, smile_id, demo.bot, changed=slack.world.changes.tell)
        self.eraser = Eraser(
            slack,
            demo,
            mask=lambda words: traffic.masker_for(slack, smile_id).text(words),
            changed=slack.world.changes.tell,
        )
        self._views: dict[str, Callable[[], Awaitable[Markup]]] = {
            "requests": self._requests,
            "rows": self._rows,
            "audit": self._audit,
            "log": self._log,
            "health": self._health,
        }

    def pane(self, person: User) -> Markup:
        """The same for everybody: it stands outside the workspace."""
        del person
        return render(
            "desk.html",
            bot_state=str(self._demo.bot.state),
            running=list(self.breaker.running.values()),
            ordered=stories.ordered(self._smile_id),
            stories=STORIES,
            by_number=stories.BY_NUMBER_TITLE,
            parts={part: {k: b for k, b in BREAKAGES.items() if b.part is part} for part in Part},
            shelves=dropping.SHELVES,
        )

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/story", self._telling(self._order), methods=["POST"]),
            Route("/speak", self._telling(self._let_people_speak), methods=["POST"]),
            Route("/break", self._telling(self._break), methods=["POST"]),
            Route("/mend", self._telling(self._mend), methods=["POST"]),
            Route("/erase", self._telling(self._erase), methods=["POST"]),
            Route("/erased", self._erased),
            Route("/erased/{ref}", self._certificate),
            Route("/tonight", self._telling(self._tonight), methods=["POST"]),
            Route("/reset", self._telling(self._reset), methods=["POST"]),
            Route("/underneath/{view}", self._underneath),
            Route("/files/{name}", self._file),
            Route("/thumbnails/{name}", self._thumbnail),
        ]

    # What one can do

    def _telling(self, act: Callable[[dict[str, Any]], Awaitable[str]]) -> Callable[[Request], Awaitable[Response]]:
        """Answers with what the act says; what does not fit is told in words."""

        async def endpoint(request: Request) -> Response:
            try:
                says = await asyncio.wait_for(act(await request.json()), GIVE_UP_SECONDS)
            except (KeyError, TypeError, ValueError) as fault:
                return JSONResponse({"ok": False, "says": f"not understood: {fault!r}"}, status_code=400)
            except TimeoutError:
                return JSONResponse({"ok": False, "says": "This takes too long; look at the bot's log."})
            return JSONResponse({"ok": True, "says": says})

        return endpoint

    async def _order(self, given: dict[str, Any]) -> str:
        says = stories.order(self._smile_id, str(given["story"]), str(given["until"]))
        self._slack.world.changes.tell()
        return says

    async def _let_people_speak(self, _given: dict[str, Any]) -> str:
        self._smile_id.let_people_speak(for_good=False)
        return "Smile ID's people have looked at everything that waited for them."

    async def _break(self, given: dict[str, Any]) -> str:
        return await self.breaker.start(str(given["breakage"]))

    async def _mend(self, given: dict[str, Any]) -> str:
        self.breaker.mend(given.get("breakage"))
        return "Mended."

    async def _erase(self, given: dict[str, Any]) -> str:
        return await self.eraser.erase(str(given["ref"]))

    async def _tonight(self, _given: dict[str, Any]) -> str:
        return await self._demo.tonight()

    async def _reset(self, _given: dict[str, Any]) -> str:
        self.breaker.mend()
        self._smile_id.next_story = self._smile_id.every_story = None
        return await self._demo.reset()

    # Erasing a person

    async def _erased(self, _request: Request) -> Response:
        """Whom one may have erased, what is being done, and what became of whoever was."""
        eraser, choices, sorry = self.eraser, [], ""
        try:
            choices = await eraser.choices()
        except sqlite3.Error as fault:
            sorry = f"The database cannot be read just now: {fault}."
        shown = render(
            "desk_erasing.html",
            ref=eraser.ref,
            steps=list(eraser.steps),
            reports=list(reversed(eraser.reports.values())),
            begun=[ref for ref in eraser.begun if ref != eraser.ref],
            choices=choices,
            sorry=sorry,
            admin=self._slack.world.names.get(self._demo.admin, self._demo.admin),
        )
        return HTMLResponse(shown)

    async def _certificate(self, request: Request) -> Response:
        report = self.eraser.reports.get(request.path_params["ref"])
        if report is None or not report.certificate:
            raise HTTPException(404)
        headers = {"Content-Disposition": f'attachment; filename="{report.ref}.certificate.json"'}
        return Response(report.certificate, media_type="application/json", headers=headers)

    # Underneath

    async def _underneath(self, request: Request) -> Response:
        view = self._views.get(request.path_params["view"])
        if view is None:
            raise HTTPException(404)
        return HTMLResponse(await view())

    async def _requests(self) -> Markup:
        masker = traffic.masker_for(self._slack, self._smile_id)
        found = [
            {
                "key": f"{one.at.timestamp()}-{one.direction.name}",
                "at": f"{one.at:%H:%M:%S}",
                "direction": one.direction,
                "method": one.method,
                "outcome": one.outcome,
                "failed": one.failed,
                "asked": masker.shown(one.asked),
                "answered": masker.shown(one.answered),
            }
            for one in traffic.last_exchanges(self._slack, self._smile_id)
        ]
        return render("desk_requests.html", exchanges=found)

    async def _rows(self) -> Markup:
        try:
            found = await asyncio.to_thread(stored.last_check, self._demo.database)
        except sqlite3.Error as fault:
            return _sorry(f"The database cannot be read just now: {fault}.")
        return _sorry("There is no check yet.") if found is None else render("desk_rows.html", stored=found)

    async def _audit(self) -> Markup:
        try:
            lines = await asyncio.to_thread(stored.last_click, self._demo.database)
        except sqlite3.Error as fault:
            return _sorry(f"The database cannot be read just now: {fault}.")
        return render("desk_lines.html", lines=lines)

    async def _log(self) -> Markup:
        masker = traffic.masker_for(self._slack, self._smile_id)
        return render("desk_lines.html", lines=[masker.text(line) for line in list(self._demo.bot.log)[-LOG_LINES:]])

    async def _health(self) -> Markup:
        answers = {}
        async with httpx.AsyncClient(base_url=self._demo.admin_url, timeout=HEALTH_SECONDS, trust_env=False) as http:
            for path in ("/readyz", "/metrics"):
                try:
                    response = await http.get(path)
                    answers[f"{path} · {response.status_code}"] = _readable(response.text)[:LONGEST_HEALTH]
                except httpx.HTTPError as fault:
                    answers[f"{path} · no answer"] = type(fault).__name__
        return render("desk_health.html", answers=answers)

    # Files to drop

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in dropping.names():
            raise HTTPException(404)
        body = await asyncio.to_thread(dropping.content, name)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(body, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)

    async def _thumbnail(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in {tile.picture for tiles in dropping.SHELVES.values() for tile in tiles}:
            raise HTTPException(404)
        body = await asyncio.to_thread(dropping.thumbnail, name)
        return Response(body, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


def _readable(text: str) -> str:
    """Metrics without the comments that explain them, and without the time at which each began."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return "\n".join(line for line in lines if "_created{" not in line and "_created " not in line)


def _sorry(words: str) -> Markup:
    return render("desk_lines.html", lines=[words])
