"""Whether Smile ID's results can reach us: a request of our own to the public address must come out here."""

import asyncio
import errno
import secrets
import socket
import ssl
from urllib.parse import urlsplit

import httpx
from starlette.datastructures import URL
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from bot.errors import CannotListen
from bot.runtime.doctor.findings import DoctorTimeouts, Finding, fail, note, ok
from bot.runtime.server import listen, serve_asgi
from bot.settings import Settings, is_loopback


async def probe(settings: Settings, http: httpx.AsyncClient, limits: DoctorTimeouts) -> list[Finding]:
    subject, url, at = "callback", settings.public_url, f"{settings.host}:{settings.port}"
    if url is None:
        text = (
            "KYC_PUBLIC_URL is not set: results are asked for every so often instead of being sent, and "
            "Smile ID may call back the default address set in its portal"
        )
        return [note(subject, text)]
    if settings.port == 0:
        return [note(subject, "cannot be tried, since KYC_PORT is 0 and any port may be taken at the start")]
    try:
        sock = listen(settings.host, settings.port)
    except CannotListen as fault:
        if not (isinstance(fault.__cause__, OSError) and fault.__cause__.errno == errno.EADDRINUSE):
            return [fail(subject, f"{fault}. See KYC_HOST and KYC_PORT.")]
        trouble = await _bot_answers(http, url, at, limits)
        words = "the running bot answers at"
    else:
        trouble = await _door_answers(http, url, at, sock, limits)
        words = "a request comes through to this machine from"
    if trouble:
        return [fail(subject, trouble)]
    reach = " (this machine alone can reach it)" if is_loopback(urlsplit(url).hostname or "") else ""
    return [ok(subject, f"{words} {url}{reach}")]


async def _bot_answers(http: httpx.AsyncClient, url: str, at: str, limits: DoctorTimeouts) -> str | None:
    answer = await _ask(http, "GET", f"{url}/healthz", limits)
    if isinstance(answer, str):
        return answer
    if answer == (200, b"alive"):
        return None
    return (
        f"{at} is in use, and {url}/healthz does not answer as the bot does (HTTP {answer[0]}). Point the reverse "
        f"proxy at {at}; if the bot is not running, another program has its port: see KYC_PORT."
    )


async def _door_answers(
    http: httpx.AsyncClient, url: str, at: str, sock: socket.socket, limits: DoctorTimeouts
) -> str | None:
    # A path and an answer that nobody else can know.
    token, word = secrets.token_hex(32), secrets.token_hex(16)
    strayed = False

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal strayed
        is_ours = scope["path"].removesuffix("/") == f"/smile-id/callback/{token}"
        strayed = strayed or (not is_ours and token in str(URL(scope=scope)))
        await (PlainTextResponse(word) if is_ours else Response(status_code=404))(scope, receive, send)

    async with serve_asgi(door, sock):
        # Just as Smile ID calls: a proxy may let some paths and methods pass and not others.
        answer = await _ask(http, "POST", f"{url}/smile-id/callback/{token}", limits)
    if isinstance(answer, str):
        return answer
    if answer == (200, word.encode()):
        return None
    if strayed:
        return (
            f"a request comes through, but with another path. The reverse proxy must hand on /smile-id/callback/… "
            f"to {at} as such, without the path of KYC_PUBLIC_URL."
        )
    return (
        f"something else answers at {url} (HTTP {answer[0]}). Point the reverse proxy at {at}, for POST to "
        "/smile-id/callback/ too."
    )


async def _ask(http: httpx.AsyncClient, method: str, url: str, limits: DoctorTimeouts) -> tuple[int, bytes] | str:
    """Status and the first bytes of the body; a text says why there are none, and what to do."""
    elsewhere = "If this machine cannot reach its own public address, try from another one."
    host = urlsplit(url).netloc
    try:
        async with (
            asyncio.timeout(limits.call),
            http.stream(method, url, headers={"Accept-Encoding": "identity"}) as answer,
        ):
            if answer.is_redirect:
                return (
                    f"{host} sends the request elsewhere (HTTP {answer.status_code}). Put the final address "
                    "in KYC_PUBLIC_URL."
                )
            body = b""
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > 1024:
                    break
            return answer.status_code, body
    except (httpx.TimeoutException, TimeoutError):
        return f"no answer from {host} within {limits.call:g} s. See firewall and reverse proxy. {elsewhere}"
    except httpx.InvalidURL:
        return "KYC_PUBLIC_URL is not an address that can be called."
    except httpx.HTTPError as fault:
        if certificate := _certificate_fault(fault):
            return (
                f"the certificate of {host} is not accepted ({certificate}), and Smile ID would not accept it either."
            )
        return f"no connection to {host}. See DNS, firewall and reverse proxy. {elsewhere}"


def _certificate_fault(fault: BaseException | None) -> str | None:
    while fault is not None:
        if isinstance(fault, ssl.SSLCertVerificationError):
            return fault.verify_message
        if isinstance(fault, ssl.SSLError):
            return fault.reason or "TLS failed"
        fault = fault.__cause__ or fault.__context__
    return None
