"""File downloads as Slack guards them: without the right there is no error, but a login page in HTML."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.sandbox.slack.streamed import Streamed
from bot.sandbox.slack.web_api import ApiCall
from bot.sandbox.slack.workspace import Workspace

_LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head><body>Sign in</body></html>"

Recorder = Callable[[web.Request, str, Callable[[ApiCall], Awaitable[web.Response]]], Awaitable[web.StreamResponse]]


class Downloads:
    def __init__(self, workspace: Workspace, *, bot_token: str, record: Recorder) -> None:
        self._workspace = workspace
        self._authorization = f"Bearer {bot_token}"
        self._record = record

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/files-pri/{team_and_file}/download/{name}", self.download)
        app.router.add_get("/files-pri/{team_and_file}/{name}", self.download)
        app.router.add_get("/login", self.login)

    async def download(self, request: web.Request) -> web.StreamResponse:
        return await self._record(request, "files.download", lambda call: self._answer(request, call))

    async def login(self, _request: web.Request) -> web.Response:
        return web.Response(text=_LOGIN_PAGE, content_type="text/html")

    async def _answer(self, request: web.Request, call: ApiCall) -> web.Response:
        file_id = request.match_info["team_and_file"].partition("-")[2]
        call.arguments = {"file": file_id}
        file = self._workspace.world.files.get(file_id)
        may = (
            request.headers.get("Authorization") == self._authorization
            and "files:read" in self._workspace.scopes
            and file is not None
            and self._workspace.world.bot_may_read(file)
            and not file.refusal
        )
        if file is None or not may:
            call.response = {"status": 302}
            return web.Response(status=302, headers={"Location": f"/login?redir={request.path}"})
        if file.is_deleted:
            call.response = {"status": 404}
            return web.Response(status=404, text=_LOGIN_PAGE, content_type="text/html")
        call.response = {"status": 200}
        return Streamed(file.chunks, size_bytes=file.size, content_type=file.mimetype)
