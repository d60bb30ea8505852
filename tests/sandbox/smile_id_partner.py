"""A partner of Smile ID, written from its documentation alone, to put the stand-in to the test.

It signs, zips and receives by itself: nothing here comes from the stand-in or from the bot.
"""

import base64
import contextlib
import hashlib
import hmac
import io
import json
import ssl
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web

from bot.sandbox.listening import listen
from bot.sandbox.smile_id import SmileIDSandbox

PARTNER_ID = "0421"
API_KEY = "test-api-key-0000"
PHOTOS = Path(__file__).parents[2] / "bot" / "sandbox" / "data" / "photos"
NOW = "2026-11-22T12:00:00.000Z"
JPEG = b"\xff\xd8\xff\xe0 a picture, as far as anyone looks"


def sign(timestamp: str, partner_id: str = PARTNER_ID, api_key: str = API_KEY) -> str:
    """The documented signature, step by step."""
    mac = hmac.new(api_key.encode(), digestmod=hashlib.sha256)
    for part in (timestamp, partner_id, "sid_request"):
        mac.update(part.encode())
    return base64.b64encode(mac.digest()).decode()


def signed(partner_field: str = "partner_id", timestamp: str = NOW) -> dict[str, Any]:
    return {partner_field: PARTNER_ID, "timestamp": timestamp, "signature": sign(timestamp)}


def prep_body(job_id: str = "job-1", *, user_id: str = "user-1", callback_url: str = "") -> dict[str, Any]:
    return {
        **signed("smile_client_id"),
        "file_name": "selfie.zip",
        "source_sdk": "rest_api",
        "source_sdk_version": "1.0.0",
        "callback_url": callback_url,
        "partner_params": {"job_id": job_id, "user_id": user_id, "job_type": 1},
    }


def info(id_number: str = "00000000000") -> dict[str, Any]:
    """info.json for a selfie and eight liveness images, all as files."""
    files = ["selfie.jpg", *(f"liveness_{n}.jpg" for n in range(8))]
    kinds = [0, *[4] * 8]
    return {
        "package_information": {"apiVersion": {"buildNumber": 0, "majorVersion": 2, "minorVersion": 0}},
        "id_info": {"country": "NG", "id_type": "NIN_V2", "id_number": id_number, "entered": "true"},
        "images": [
            {"image_type_id": kind, "image": "", "file_name": name} for kind, name in zip(kinds, files, strict=True)
        ],
    }


def files_of(document: dict[str, Any]) -> dict[str, bytes]:
    """The zip's entries for such an info.json."""
    named = [image["file_name"] for image in document["images"] if image.get("file_name")]
    return {"info.json": json.dumps(document).encode(), **dict.fromkeys(named, JPEG)}


def zipped(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, step: timedelta) -> None:
        self.now += step


@dataclass
class Stage:
    """A stand-in, a partner who talks to it, and the partner's callback listener."""

    sandbox: SmileIDSandbox
    http: httpx.AsyncClient
    clock: Clock
    callback_url: str = ""
    received: list[dict[str, Any]] = field(default_factory=list)
    replies: list[int] = field(default_factory=list)
    """Statuses for the next callbacks; 200 when used up."""

    async def receive(self, request: web.Request) -> web.Response:
        self.received.append(await request.json())
        return web.Response(status=self.replies.pop(0) if self.replies else 200)

    @property
    def codes(self) -> list[str]:
        """The ResultCodes received, in order of arrival."""
        return [message["ResultCode"] for message in self.received]

    async def prepare(self, body: dict[str, Any] | None = None) -> httpx.Response:
        return await self.http.post(
            f"{self.sandbox.base_url}/upload", json=body or prep_body(callback_url=self.callback_url)
        )

    async def put(self, url: str, data: bytes | None = None) -> httpx.Response:
        content = zipped(files_of(info())) if data is None else data
        return await self.http.put(url, content=content, headers={"Content-Type": "application/zip"})

    async def submit(
        self, document: dict[str, Any] | None = None, *, data: bytes | None = None, **partner_params: Any
    ) -> None:
        """Both calls of one job, `job-1` unless told otherwise, which must both succeed."""
        body = prep_body(callback_url=self.callback_url)
        body["partner_params"] |= partner_params
        prepared = await self.prepare(body)
        assert prepared.status_code == 200, prepared.text
        content = zipped(files_of(document or info())) if data is None else data
        put = await self.put(prepared.json()["upload_url"], content)
        assert put.status_code == 200, put.text

    async def status(self, job_id: str = "job-1", **changes: Any) -> httpx.Response:
        body = {**signed(), "job_id": job_id, "user_id": "user-1", "image_links": True, "history": True}
        return await self.http.post(f"{self.sandbox.base_url}/job_status", json={**body, **changes})

    async def result(self, job_id: str = "job-1") -> Any:
        """What job_status says of the job now."""
        return (await self.status(job_id)).json()

    async def processed(self, job_id: str = "job-1") -> None:
        await self.sandbox.wait_for(lambda: self.sandbox.jobs[job_id].processed)

    async def all_delivered(self, job_id: str = "job-1") -> None:
        """Wait until every message meant for the callback URL has arrived once."""
        await self.processed(job_id)
        planned = len(self.sandbox.jobs[job_id].messages)
        await self.sandbox.wait_for(lambda: sum(c.status == 200 for c in self.sandbox.callbacks) >= planned)


@contextlib.asynccontextmanager
async def set_up(**settings: Any) -> AsyncIterator[Stage]:
    """A quick stand-in on a free port, with everything around it."""
    clock = Clock()
    quick = {"callback_delay_seconds": 0.01, "review_delay_seconds": 0.01, "callback_retry_seconds": (0.01,) * 3}
    sandbox = SmileIDSandbox(**{"partner_id": PARTNER_ID, "api_key": API_KEY, "clock": clock, **quick, **settings})
    # Plain http throughout: an empty context spares loading certificates for every test.
    no_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx.AsyncClient(verify=no_tls, trust_env=False) as http:
        stage = Stage(sandbox=sandbox, http=http, clock=clock)
        app = web.Application()
        app.router.add_post("/callback/secret-token", stage.receive)
        listener = await listen(app)
        stage.callback_url = f"http://127.0.0.1:{listener.port}/callback/secret-token"
        await sandbox.start()
        try:
            yield stage
        finally:
            await sandbox.stop()
            await listener.close()
