"""Where the bot brings the bytes of its own files."""

from aiohttp import web

from bot.sandbox.slack.downloads import Recorder
from bot.sandbox.slack.web_api import ApiCall
from bot.sandbox.slack.workspace import Workspace


class UploadDesk:
    """Takes the bytes at an upload address, with no token but the address itself. A repeat replaces them."""

    def __init__(self, workspace: Workspace, record: Recorder) -> None:
        self._workspace = workspace
        self._record = record

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/upload/v1/{ticket}", self.take)

    async def take(self, request: web.Request) -> web.StreamResponse:
        return await self._record(request, "files.upload", lambda call: self._answer(request, call))

    async def _answer(self, request: web.Request, call: ApiCall) -> web.Response:
        pending = self._workspace.uploads.get(request.match_info["ticket"])
        if pending is None:
            call.response = {"status": 404}
            return web.Response(status=404, text="unknown or completed upload")
        call.arguments = {"file": pending.file.id}
        content = await _sent_bytes(request, pending.length_bytes)
        if len(content) != pending.length_bytes:
            # What Slack says here is not documented; that the announced length must be right is.
            call.response = {"status": 400}
            return web.Response(status=400, text="not the announced length")
        pending.file.content = content
        call.response = {"status": 200}
        return web.Response(text=f"OK - {len(content)}")


async def _sent_bytes(request: web.Request, announced: int) -> bytes:
    """The body, or the one file of a multipart form; not more than one byte over what was announced."""
    if request.content_type == "multipart/form-data":
        for field in (await request.post()).values():
            if isinstance(field, web.FileField):
                return field.file.read(announced + 1)
        return b""
    body = bytearray()
    async for piece in request.content.iter_chunked(64 * 1024):
        body += piece[: announced + 1 - len(body)]
    return bytes(body)
