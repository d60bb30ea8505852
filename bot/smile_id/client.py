"""Calls Smile ID's v1 API, each time once: retrying is up to the caller.

`bot.errors` says what each error means. Whether a request was sent is decided here, from what httpx's own transport
raises; give it a client of that transport, with redirects off.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from bot.domain.hosts import HostKind, read_url
from bot.domain.id_types.services import PartnerIDTypes, Services
from bot.errors import (
    SmileIDAnswerInvalid,
    SmileIDError,
    SmileIDNotSent,
    SmileIDRefusal,
    SmileIDRefused,
    SmileIDUnavailable,
    SmileIDUncertain,
    SmileIDUntrusted,
    SmileIDUploadExpired,
)
from bot.network import why_unreachable
from bot.network.hosts import HostGate
from bot.smile_id import wire
from bot.smile_id.interface import JobRequest
from bot.smile_id.package import FILE_NAME, build, partner_params
from bot.smile_id.refusals import NOT_FOR_US, REFUSALS, UNEXPLAINED
from bot.smile_id.signature import matches, sign, stamp
from bot.smile_id.wire import JobStatus, Prepared

CALL_SECONDS = 120.0
"""Longest that one call may take: a read time-out never ends an answer that drips (Java SDK's limit, 2026-11)."""
MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_LIST_BYTES = 1024 * 1024
"""Of `services` and `products_config`; the fullest that is known has 57 KB."""
SOURCE_SDK_VERSION = "1.0.0"
"""Version of this dialect of `rest_api`, which Smile ID's support sees; not the bot's."""

_ACCEPTED = "2202"
_LATER = frozenset({408, 425, 429})
_LONGEST_WAIT_SECONDS = 86_400.0
_PIECE_BYTES = 256 * 1024
_S3_CODE = re.compile(rb"<Code>([A-Za-z]{1,64})</Code>")
_S3_EXPIRED = frozenset({"ExpiredToken", "RequestExpired"})
_S3_LATER = frozenset({"RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable"})
_RESULTS: Mapping[type[SmileIDError], str] = {
    SmileIDNotSent: "not_sent",
    SmileIDUncertain: "uncertain",
    SmileIDUnavailable: "unavailable",
    SmileIDRefused: "refused",
    SmileIDUploadExpired: "expired",
    SmileIDAnswerInvalid: "invalid",
    SmileIDUntrusted: "untrusted",
}


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes | None
    """None: too long, or in an encoding that we did not ask for."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> dict[str, object] | None:
        """The body if it is a JSON object. Errors stay inside: a decoder's exception carries the whole text."""
        try:
            parsed = json.loads(self.body or b"")
        except (ValueError, RecursionError):
            return None
        return parsed if isinstance(parsed, dict) else None


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class V1Client:
    """Calls v1 for one partner, in one environment. Safe to share between tasks."""

    http: httpx.AsyncClient
    """Its time-outs count, and must fit photos."""
    base_url: str
    """Ends in `/v1`; plain http is allowed on the loopback only."""
    partner_id: str
    api_key: str
    now: Callable[[], datetime]
    call_seconds: float = CALL_SECONDS
    uploads: HostGate | None = None
    """Which hosts photos may be sent to, where Smile ID names them; None: every public one."""
    on_call: Callable[[str, str], None] = lambda _call, _result: None
    on_date: Callable[[str | None], None] = lambda _date: None
    """Gets the date of each answer."""
    _posts: dict[str, httpx.Request] = field(init=False, default_factory=dict)
    """By path: what was built for the first one."""

    def __post_init__(self) -> None:
        if not self.partner_id or not self.api_key:
            raise ValueError("Smile ID needs a partner id and an API key")
        if not _may_connect_to(self.base_url, loopback=True):
            raise ValueError("Smile ID's base URL must be https, or http on the loopback")
        if self.http.follow_redirects:
            raise ValueError("a client that follows redirects would carry a signed request elsewhere")
        self.base_url = self.base_url.rstrip("/")

    @property
    def _is_local(self) -> bool:
        where = read_url(self.base_url)
        return where is not None and where.is_loopback

    async def prepare(self, request: JobRequest, *, retry: bool = False) -> Prepared:
        """Announce a job (`POST /v1/upload`); the answer says where its zip goes.

        `retry` asks for a new URL for a job id whose zip was never delivered; without it a known job id is
        refused with 2215 (Fault.JOB_ID). Raises SmileIDNotSent, SmileIDUncertain (the job may exist),
        SmileIDUnavailable or SmileIDRefused.
        """
        body: dict[str, object] = {
            "smile_client_id": self.partner_id,
            **self._signed(),
            "partner_params": partner_params(request),
            # sent always: the newer documentation requires it, and an empty one is the SDKs' way to say "none"
            "callback_url": request.callback_url,
            "source_sdk": "rest_api",
            "source_sdk_version": SOURCE_SDK_VERSION,
            "file_name": FILE_NAME,
            "model_parameters": {},
            "use_enrolled_image": False,
        }
        if retry:
            body["retry"] = True
        with self._counted("upload"):
            answer = await self._post("upload", body, lost=SmileIDUncertain)
            found = answer.json()
            if not answer.ok:
                raise self._refusal(answer, found)
            return self._prepared(answer, found)

    def _prepared(self, answer: _Answer, body: dict[str, object] | None) -> Prepared:
        """A success status: what cannot be used leaves open whether the job exists now."""
        if body is None:
            raise SmileIDUncertain("upload: answer is not a JSON object")
        code = wire.code_of(body.get("code"))
        if code is not None and code != _ACCEPTED:
            if code in REFUSALS:
                raise self._refusal(answer, body)
            raise SmileIDUncertain("upload: answer with an unknown code")
        try:
            prepared = wire.parse_prepared(body)
        except SmileIDAnswerInvalid as error:
            raise SmileIDUncertain("upload: answer without smile_job_id or upload_url") from error
        if not _may_connect_to(prepared.upload_url, loopback=self._is_local):
            raise SmileIDUncertain("upload: answer with an upload URL that is not https")
        return prepared

    def package(self, request: JobRequest, prepared: Prepared) -> bytes:
        """The zip for a prepared job, signed now. CPU only: run it in a thread if photos are many."""
        return build(request, server_information=prepared.answer, partner_id=self.partner_id, **self._signed())

    async def send(self, upload_url: str, package: bytes) -> None:
        """Deliver the zip (`PUT` to the pre-signed URL). Repeating it to the same URL overwrites.

        Raises SmileIDUploadExpired when the URL is no longer valid (prepare again, with `retry`),
        SmileIDNotSent, SmileIDUncertain, SmileIDUnavailable or SmileIDRefused.
        """
        with self._counted("put"):
            if not _may_connect_to(upload_url, loopback=self._is_local):
                raise SmileIDAnswerInvalid("put: upload URL is not https")
            if self.uploads is not None and not self.uploads.admits(upload_url):
                # The same address is tried again, after a restart too: by then the list may name its host.
                raise SmileIDNotSent(f"put: a host that {HostKind.UPLOADS} does not name")
            answer = await self._exchange(
                "put",
                # content type and length are part of what S3 signs and checks; chunked bodies it refuses
                self._request(
                    "PUT",
                    upload_url,
                    content=_pieces(package),
                    headers={"Content-Type": "application/zip", "Content-Length": str(len(package))},
                ),
                lost=SmileIDUncertain,
            )
            if answer.status == 200 and answer.body == b"":
                return
            if answer.ok:
                # S3 answers 200 and nothing else: a page with 200 is somebody's on the way
                raise SmileIDUncertain(f"put: an answer with {answer.status} that is not S3's")
            raise self._put_failed(answer)

    def _put_failed(self, answer: _Answer) -> SmileIDError:
        """S3 explains its refusal in XML, of which only the code is read."""
        found = _S3_CODE.search((answer.body or b"")[:4096])
        s3_code = found[1].decode("ascii") if found else ""
        # an expired URL is a 403, an expired session token in it a 400
        if answer.status == 403 or s3_code in _S3_EXPIRED:
            return SmileIDUploadExpired(f"put: URL no longer valid (HTTP {answer.status})")
        if s3_code in _S3_LATER:
            return SmileIDUnavailable(f"put: {s3_code} (HTTP {answer.status})", retry_after=self._wait(answer))
        return self._refusal(answer, answer.json())

    async def job_status(self, *, user_id: str, job_id: str) -> JobStatus | None:
        """Ask for a job's own record, with history and image links. Harmless to repeat.

        None for a job that Smile ID does not know (told by an error, which is never signed). Raises SmileIDNotSent,
        SmileIDUnavailable (also for a lost answer), SmileIDRefused (not authorised), SmileIDAnswerInvalid,
        SmileIDUntrusted.
        """
        request = {
            **self._signed(),
            "partner_id": self.partner_id,
            "user_id": user_id,
            "job_id": job_id,
            "image_links": True,
            "history": True,
        }
        with self._counted("job_status"):
            answer = await self._post("job_status", request, lost=SmileIDUnavailable)
            body = answer.json()
            if not answer.ok:
                return self._status_without_result(answer, body)
            if body is None:
                raise SmileIDAnswerInvalid("job_status: answer is not a JSON object")
            if not self.is_signed(body.get("timestamp"), body.get("signature")):
                raise self._unsigned(answer, body)
            return wire.parse_status(body)

    def _unsigned(self, answer: _Answer, body: dict[str, object]) -> SmileIDError:
        code = wire.code_of(body.get("code")) or ""
        denied = code in NOT_FOR_US or (code in REFUSALS and REFUSALS[code].retry)
        # errors are never signed, and one that denies us everything cannot be mistaken for a result
        if denied and "signature" not in body:
            return self._refusal(answer, body)
        return SmileIDUntrusted("job_status: answer is not signed by Smile ID")

    def _status_without_result(self, answer: _Answer, body: dict[str, object] | None) -> JobStatus | None:
        """Smile ID documents no answer for an unknown job: it is any 4xx that is not a refusal of something else."""
        error = self._refusal(answer, body)
        if body is None or not isinstance(error, SmileIDRefused) or not 400 <= answer.status < 500:
            raise error
        code = error.code or ""
        about_us = code in NOT_FOR_US or answer.status in {401, 403}
        # 2204 is a wrong data type on one page and missing authorisation on another; its text says which
        if about_us or (code == "2204" and "authori" in str(body.get("error")).lower()):
            raise error
        # of an answer that is not signed nothing but the code counts
        return wire.parse_status({"code": code}) if code == wire.NO_ZIP else None

    async def services(self) -> Services | None:
        """ID types that Smile ID offers for Biometric KYC. Public, unsigned; None where the call is unknown (404)."""
        with self._counted("services"):
            request = self._request("GET", f"{self.base_url}/services", headers={})
            answer = await self._exchange("services", request, lost=SmileIDUnavailable)
            if answer.status == 404:
                return None
            return wire.parse_services(self._list("services", answer))

    async def products(self) -> PartnerIDTypes | None:
        """ID types of this partner; None when this environment does not have the call (404)."""
        with self._counted("products"):
            request = {"partner_id": self.partner_id, **self._signed()}
            answer = await self._post("products_config", request, lost=SmileIDUnavailable)
            if answer.status == 404:
                return None
            return wire.parse_products(self._list("products", answer))

    def is_signed(self, timestamp: object, signature: object) -> bool:
        """Whether a pair as it was received is Smile ID's. Says nothing about the body, nor about its age."""
        # a number's text is what was signed; a bool or an object was never a timestamp
        if not isinstance(timestamp, (str, int)) or isinstance(timestamp, bool) or not isinstance(signature, str):
            return False
        return matches(partner_id=self.partner_id, api_key=self.api_key, timestamp=str(timestamp), signature=signature)

    def _list(self, call: str, answer: _Answer) -> dict[str, object]:
        """A list of ID types, parsed only up to `MAX_LIST_BYTES`."""
        body = answer.json() if len(answer.body or b"") <= MAX_LIST_BYTES else None
        if not answer.ok:
            raise self._refusal(answer, body)
        if body is None:
            raise SmileIDAnswerInvalid(f"{call}: answer is not a JSON object, or too long")
        return body

    def _refusal(self, answer: _Answer, body: Mapping[str, object] | None) -> SmileIDError:
        """An answer that is not a success, as an error of ours."""
        code = wire.code_of(body.get("code")) if body is not None else None
        meaning = REFUSALS.get(code or "", UNEXPLAINED)
        if answer.status >= 500 or answer.status in _LATER or meaning.retry:
            return SmileIDUnavailable(
                f"not now, with code {code or 'none'} (HTTP {answer.status})", code=code, retry_after=self._wait(answer)
            )
        return SmileIDRefused(code=code, status=answer.status, fault=meaning.fault, why=meaning.why)

    def _wait(self, answer: _Answer) -> float | None:
        """`Retry-After` in seconds, given as such or as a date; at most a day."""
        value = answer.headers.get("retry-after", "").strip()
        if re.fullmatch(r"[0-9]{1,9}", value):
            seconds = float(value)
        else:
            try:
                then = parsedate_to_datetime(value)
            except ValueError:
                return None
            seconds = (then.replace(tzinfo=then.tzinfo or UTC) - self.now()).total_seconds()
        return min(max(seconds, 0.0), _LONGEST_WAIT_SECONDS)

    def _signed(self) -> dict[str, str]:
        timestamp = stamp(self.now())
        return {
            "timestamp": timestamp,
            "signature": sign(partner_id=self.partner_id, api_key=self.api_key, timestamp=timestamp),
        }

    def _request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes | AsyncIterator[bytes] | None = None
    ) -> httpx.Request:
        return self.http.build_request(
            method,
            url,
            content=content,
            # uncompressed: a few bytes cannot swell beyond the limit while they are read
            headers={"Accept": "application/json", "Accept-Encoding": "identity", **headers},
        )

    async def _post(self, path: str, body: Mapping[str, object], *, lost: type[SmileIDError]) -> _Answer:
        # Address, headers and time-outs are the same each time, and to build them anew costs as much as all else here.
        like = self._posts.get(path) or self._posts.setdefault(path, self._first_post(path))
        content = json.dumps(body).encode("ascii")
        request = httpx.Request("POST", like.url, headers=like.headers, content=content, extensions=like.extensions)
        return await self._exchange(path, request, lost=lost)

    def _first_post(self, path: str) -> httpx.Request:
        """What all posts to this path have in common."""
        request = self._request("POST", f"{self.base_url}/{path}", headers={"Content-Type": "application/json"})
        del request.headers["Content-Length"]  # each has its own
        return request

    async def _exchange(self, call: str, request: httpx.Request, *, lost: type[SmileIDError]) -> _Answer:
        """One request, one answer. Raises `lost` when it may have been sent and no answer came."""
        try:
            async with asyncio.timeout(self.call_seconds):
                response = await self.http.send(request, stream=True, follow_redirects=False)
                self.on_date(response.headers.get("date"))
                try:
                    return _Answer(response.status_code, response.headers, await _bounded(response))
                finally:
                    await response.aclose()
        # httpx names a proxy as the fault only where that proxy refuses to connect us: nothing was handed on.
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise SmileIDNotSent(f"{call}: {why_unreachable(error) or type(error).__name__}") from error
        except (httpx.RequestError, TimeoutError) as error:
            raise lost(f"{call}: {type(error).__name__}") from error

    @contextmanager
    def _counted(self, call: str) -> Iterator[None]:
        try:
            yield
        except SmileIDError as error:
            self.on_call(call, "denied" if _denies_us(error) else _RESULTS[type(error)])
            raise
        self.on_call(call, "ok")


def _denies_us(error: SmileIDError) -> bool:
    """Whether Smile ID refuses partner id or API key themselves, whatever was asked with them.

    By its code alone: a bare 401 or 403 may be a proxy's, and people would be told that the key is wrong.
    """
    return isinstance(error, SmileIDRefused) and error.why is SmileIDRefusal.CREDENTIALS


async def _bounded(response: httpx.Response) -> bytes | None:
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        return None
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            return None
    return bytes(body)


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    # piece by piece, so that the write time-out watches progress instead of the whole zip on a slow line
    for start in range(0, len(data), _PIECE_BYTES):
        yield data[start : start + _PIECE_BYTES]


def _may_connect_to(url: str, *, loopback: bool) -> bool:
    """https to a name or a public address; with `loopback` also http or https to this machine."""
    where = read_url(url)
    if where is None:
        return False
    if where.is_loopback:
        return loopback and where.scheme in {"http", "https"}
    return where.scheme == "https" and (where.is_name or where.may_be_public)
