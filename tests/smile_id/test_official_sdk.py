"""Our requests beside those of the official Python SDK (smile-id-core 3.0.1), for the same input, field by field.

Both talk to the same loopback server. Each difference is listed with its reason, and the list must be exact:
a new difference fails the test, and so does a listed one that went away.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bot.smile_id.interface import JobPhoto
from bot.smile_id.signature import sign
from tests.smile_id.loopback import API_KEY, PARTNER_ID, client_of, request_of

PHOTOS = Path(__file__).parents[2] / "bot" / "sandbox" / "data" / "photos"
SELFIE = PHOTOS / "selfie.jpg"
LIVENESS = [PHOTOS / f"liveness_{index}.jpg" for index in range(8)]

CALLBACK = "https://kyc.example/smile-id/callback/token"
ID_INFO = {
    "country": "NG",
    "id_type": "NIN_V2",
    "id_number": "00000000000",
    "first_name": "Ada",
    "last_name": "Obi",
    "dob": "1990-01-02",
    "phone_number": "0800000000",
}

STAMPS = {
    "timestamp": "milliseconds and Z, the form that every source accepts; the SDK sends microseconds and +00:00",
    "signature": "covers the timestamp",
}
UPLOAD_DIFFERENCES = {
    **STAMPS,
    "source_sdk": "the documentation's name for clients that are no SDK of Smile ID's",
    "source_sdk_version": "our own",
}
INFO_DIFFERENCES = {
    "misc_information.timestamp": STAMPS["timestamp"],
    "misc_information.signature": STAMPS["signature"],
    "server_information": "the whole answer, as in all other SDKs; the Python one sends the URL alone",
    "consent_information": "as the mobile SDKs send it; those for servers know no consent",
}


@dataclass
class Recorded:
    """What one client sent."""

    posts: dict[str, dict[str, Any]] = field(default_factory=dict)
    types: dict[str, str | None] = field(default_factory=dict)
    put: bytes = b""

    @property
    def entries(self) -> list[tuple[str, bytes]]:
        with zipfile.ZipFile(io.BytesIO(self.put)) as archive:
            return [(entry.filename, archive.read(entry)) for entry in archive.infolist()]

    @property
    def info(self) -> dict[str, Any]:
        parsed = json.loads(dict(self.entries)["info.json"])
        assert isinstance(parsed, dict)
        return parsed


class Server(ThreadingHTTPServer):
    """Takes the role of Smile ID and S3, and agrees to everything."""

    recorded: Recorded

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Records, and answers as documented."""

    server: Server

    def do_POST(self) -> None:
        call = self.path.rsplit("/", 1)[1]
        self.server.recorded.posts[call] = json.loads(self._body(call))
        timestamp = "2026-11-22T12:00:09.412Z"
        answers: dict[str, dict[str, object]] = {
            "upload": {
                "upload_url": f"{self.server.origin}/videos/attachments.zip?Signature=x",
                "ref_id": "0421-0000000583-x",
                "smile_job_id": "0000000583",
                "camera_config": None,
                "code": "2202",
            },
            "job_status": {
                "timestamp": timestamp,
                "signature": sign(partner_id=PARTNER_ID, api_key=API_KEY, timestamp=timestamp),
                "code": "2302",
                "job_complete": True,
                "job_success": True,
                "result": {},
            },
        }
        self._answer(json.dumps(answers[call]).encode())

    def do_PUT(self) -> None:
        self.server.recorded.put = self._body("put")
        self._answer(b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's own name
        """Quiet."""

    def _body(self, call: str) -> bytes:
        self.server.recorded.types[call] = self.headers["content-type"]
        return self.rfile.read(int(self.headers["content-length"]))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def by_sdk(server: Server, photos: list[Path], *, as_base64: bool) -> Recorded:
    from smile_id_core import Utilities, WebApi

    server.recorded = Recorded()
    partner_params = {
        "job_id": "job-7c1",
        "user_id": "user-9a2",
        "job_type": 1,
        "customer_reference": "C-17",
    }
    images: list[dict[str, object]] = []
    for index, path in enumerate(photos):
        if as_base64:
            text = base64.b64encode(path.read_bytes()).decode()
            images.append({"image_type_id": 6 if index else 2, "image": text})
        else:
            images.append({"image_type_id": 4 if index else 0, "file_name": str(path)})
    options = {"return_job_status": False, "return_history": True, "return_images": True}
    with warnings.catch_warnings():
        # its zip repeats one entry name for each base64 image
        warnings.filterwarnings("ignore", "Duplicate name", UserWarning)
        WebApi(PARTNER_ID, CALLBACK, API_KEY, f"{server.origin}/v1").submit_job(
            partner_params, images, {**ID_INFO, "entered": "true"}, options
        )
    Utilities(PARTNER_ID, API_KEY, f"{server.origin}/v1").get_job_status(partner_params, options)
    return server.recorded


def by_us(server: Server, photos: list[Path], *, as_base64: bool) -> Recorded:
    server.recorded = Recorded()
    selfie, *liveness = (JobPhoto(data=path.read_bytes(), is_inline=as_base64) for path in photos)
    request = request_of(
        callback_url=CALLBACK,
        id_info=ID_INFO,
        labels={"customer_reference": "C-17"},
        selfie=selfie,
        liveness=liveness,
    )

    async def submit() -> None:
        async with client_of(server.origin) as smile:
            prepared = await smile.prepare(request)
            await smile.send(prepared.upload_url, smile.package(request, prepared))
            await smile.job_status(user_id=request.user_id, job_id=request.job_id)

    asyncio.run(submit())
    return server.recorded


MISSING = object()


def differences(ours: object, theirs: object, path: str = "") -> set[str]:
    """Paths at which two JSON values differ; where one side has no object, the object's own path."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        names = ours.keys() | theirs.keys()
        return set().union(
            *(
                differences(ours.get(name, MISSING), theirs.get(name, MISSING), f"{path}.{name}".lstrip("."))
                for name in names
            )
        )
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return set().union(
            *(differences(a, b, f"{path}[{index}]") for index, (a, b) in enumerate(zip(ours, theirs, strict=True)))
        )
    # 1, True and "1" are three things on the wire
    return set() if type(ours) is type(theirs) and ours == theirs else {path}


@pytest.mark.slow
@pytest.mark.parametrize("photos", [[SELFIE], [SELFIE, *LIVENESS]], ids=["selfie", "selfie and liveness"])
@pytest.mark.parametrize("as_base64", [False, True], ids=["files", "base64"])
def test_we_send_what_the_official_sdk_sends(server: Server, photos: list[Path], as_base64: bool) -> None:
    theirs = by_sdk(server, photos, as_base64=as_base64)
    ours = by_us(server, photos, as_base64=as_base64)

    assert differences(ours.posts["upload"], theirs.posts["upload"]) == UPLOAD_DIFFERENCES.keys()
    assert differences(ours.info, theirs.info) == INFO_DIFFERENCES.keys()
    assert differences(ours.posts["job_status"], theirs.posts["job_status"]) == STAMPS.keys()
    assert ours.types == theirs.types
    assert ours.info["server_information"]["upload_url"] == theirs.info["server_information"]

    files = [entry for entry in theirs.entries if entry[0] != "info.json"]
    if as_base64:
        # the SDK adds scraps of the text as entries; the photos themselves are in info.json, on both sides
        assert {name for name, _ in files} == {"base64imgString"}
        files = []
    assert [entry for entry in ours.entries if entry[0] != "info.json"] == files


def test_the_comparison_sees_types_missing_fields_and_list_items() -> None:
    ours = {"a": 1, "b": {"c": [1, {"d": "x"}]}, "e": None}
    theirs = {"a": "1", "b": {"c": [1, {"d": "y"}]}, "f": None}
    assert differences(ours, theirs) == {"a", "b.c[1].d", "e", "f"}
    assert differences([1], [1, 2], "x") == {"x"}
    assert differences({"a": True}, {"a": 1}) == {"a"}
