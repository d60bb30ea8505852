"""Smile ID's endpoints: a request in, its checks, an answer out."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from aiohttp import web

from . import info_json, prep_upload
from .playing import Player
from .records import SandboxJob
from .refusals import RefusedError, require_signature, require_text
from .register import Register
from .signature import Signer
from .upload_url import S3Error, UrlSigner, check_put_headers

Endpoint: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


class Script(Protocol):
    """What a test or a person decides while the server runs."""

    story: str
    stories_by_id_number: dict[str, str]
    products: dict[str, object] | None
    services: dict[str, object]

    @property
    def origin(self) -> str:
        """Scheme, host and port of this server."""

    def take_order(self) -> str | None:
        """The story that the package at hand follows whatever its ID number, if one was ordered."""


class Api:
    """The endpoints that the bot uses, and the links they hand out."""

    def __init__(
        self, script: Script, *, signer: Signer, register: Register, player: Player, clock: Callable[[], datetime]
    ) -> None:
        self._script = script
        self._signer = signer
        self._register = register
        self._player = player
        self._clock = clock
        self._links = UrlSigner()
        self._jobs_by_path: dict[str, SandboxJob] = {}

    async def upload(self, request: web.Request) -> web.Response:
        """`POST /v1/upload`: a job and the URL for its zip."""
        wanted = prep_upload.parse(json_object(await request.read()), self._signer)
        job = self._register.prepare(wanted, story=self._script.story)
        reference = self._register.new_reference(job)
        path = f"/videos/{self._signer.partner_id}/{reference}/attachments.zip"
        self._jobs_by_path[path] = job
        return web.json_response(
            {
                "upload_url": self._links.upload_url(self._script.origin, path, self._clock()),
                "ref_id": reference,
                "smile_job_id": job.smile_job_id,
                "camera_config": "null",
                "code": "2202",
            }
        )

    async def put(self, request: web.Request) -> web.Response:
        """`PUT` of the zip: storage takes any bytes, what is wrong with them becomes the job's result."""
        data = await request.read()
        self._links.check("PUT", request.path, request.query, self._clock())
        check_put_headers(request.headers)
        job = self._jobs_by_path[request.path]
        story = self._register.take_zip(
            job,
            data,
            ordered=self._script.take_order,
            default=self._script.story,
            by_id_number=self._script.stories_by_id_number,
        )
        if story is not None:
            await self._player.play(job, story)
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return web.Response(headers={"ETag": f'"{etag}"', "x-amz-server-side-encryption": "AES256"})

    async def job_status(self, request: web.Request) -> web.Response:
        """`POST /v1/job_status`: a signed answer.

        How Smile ID answers for a job it does not know is not documented. Here it is HTTP 400 with code 2204
        and, like every error, without a signature.
        """
        body = json_object(await request.read())
        require_text(body, "partner_id", "user_id", "job_id")
        for name in ("image_links", "history"):
            # The Python SDK sends null for an option that was left out.
            if not isinstance(body.get(name), bool | None):
                raise RefusedError("2204", name)
        require_signature(body, self._signer, partner_field="partner_id")
        job = self._register.jobs.get(body["job_id"])
        if job is None or job.user_id != body["user_id"]:
            raise RefusedError("2204", "no such job for this user_id")
        answer = self._register.status(job, history=bool(body.get("history")))
        if body.get("image_links"):
            answer["image_links"] = self._image_links(job)
        return web.json_response(answer)

    async def services(self, _request: web.Request) -> web.Response:
        """`GET /v1/services`: for everyone, unsigned."""
        return web.json_response(self._script.services)

    async def products_config(self, request: web.Request) -> web.Response:
        """`POST /v1/products_config`: what the partner may use, if the script says so."""
        require_signature(json_object(await request.read()), self._signer, partner_field="partner_id")
        if self._script.products is None:
            return web.json_response({"error": "Not Found"}, status=404)
        return web.json_response(self._script.products)

    async def selfie(self, request: web.Request) -> web.Response:
        """The picture behind `image_links.selfie_image`."""
        self._links.check("GET", request.path, request.query, self._clock())
        job = self._jobs_by_path[request.path]
        picture = info_json.selfie(job.info or {}, job.entries)
        return web.Response(body=picture, content_type="image/jpeg")

    def _image_links(self, job: SandboxJob) -> dict[str, str]:
        if not job.usable:
            return {"error": "No selfie for this job"}
        path = f"/images/{job.smile_job_id}/selfie.jpg"
        self._jobs_by_path[path] = job
        return {"selfie_image": self._links.image_url(self._script.origin, path, self._clock())}


async def answered(endpoint: Endpoint, request: web.Request) -> web.Response:
    """The endpoint's answer, refusals included.

    These are `{"error", "code"}` with HTTP 400, as in every SDK fixture, and S3's XML for signed links.
    """
    try:
        return await endpoint(request)
    except RefusedError as refused:
        return web.json_response({"error": refused.text, "code": refused.code}, status=400)
    except S3Error as refused:
        return web.Response(status=refused.status, text=refused.xml, content_type="application/xml")


def json_object(raw: bytes) -> dict[str, Any]:
    """The object in a body, whatever its Content-Type: PHP's SDK sends none. Raises `RefusedError` 2203."""
    try:
        body = json.loads(raw)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RefusedError("2203") from error
    if not isinstance(body, dict):
        raise RefusedError("2203")
    return body
