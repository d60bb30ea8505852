"""The bot as a process of its own, started as an operator would start it, with both stand-ins for the outside world."""

import asyncio
import contextlib
import os
import platform
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bot.domain.database_address import DatabaseAddress
from bot.sandbox.demo.leash import on_a_leash
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox
from storage.engine.sealing import Sealer

CHANNEL = "C0KYCREQ001"
ANALYST = "U0AMINA0001"
KYC_BOT = (sys.executable, "-m", "bot")
"""The bot of this very installation."""
GIVE_UP_SECONDS = 120.0


class DemoFailed(Exception):
    """The demo did not come as far as it should; says in words what was missing."""


def settings_for(
    slack: SlackSandbox,
    smile_id: SmileIDSandbox,
    *,
    database: Path | DatabaseAddress,
    socket_mode: bool = True,
    public: bool = True,
    **more: str,
) -> dict[str, str]:
    """The environment of a bot between the two stand-ins, with nothing of this process's own settings."""
    port = more.get("KYC_PORT") or str(free_port())
    # By a proxy, too, the bot would not come back to this machine, and it would tell somebody else what it says.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KYC_", "SLACK_", "SMILE_")) and not name.lower().endswith("_proxy")
    }
    environment |= {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_API_URL": slack.api_url,
        "SMILE_ID_PARTNER_ID": smile_id.partner_id,
        "SMILE_ID_API_KEY": smile_id.api_key,
        "SMILE_ID_API_URL": smile_id.base_url,
        "KYC_PORT": port,
        "KYC_ADMIN_PORT": "0",
        "KYC_DATABASE": str(database),
        "KYC_ENCRYPTION_KEYS": Sealer.new_key(),
        "KYC_REQUESTERS": ANALYST,
        "KYC_REVIEWERS": "U0REMI00001",
        "KYC_ADMINS": "U0MUSA00001",
        "KYC_REVIEW_CHANNEL": "C0KYCREV001",
        # The stand-ins' people all bring the same invented faces.
        "KYC_SEEN_BEFORE": "0",
        "PYTHONUNBUFFERED": "1",
    }
    if socket_mode:
        environment["SLACK_APP_TOKEN"] = slack.app_token
    else:
        environment["SLACK_SIGNING_SECRET"] = slack.signing_secret
        slack.events_url = f"http://127.0.0.1:{port}/slack/events"
    if public:
        environment["KYC_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
    return environment | more


async def start_bot(
    environment: Mapping[str, str], *, log: int | None = None, command: Sequence[str] = KYC_BOT
) -> asyncio.subprocess.Process:
    """`kyc-bot serve` as a process, which ends with this one; returns once it listens, or raises and leaves none."""
    process = await asyncio.create_subprocess_exec(
        *on_a_leash([*command, "serve"]),
        env=dict(environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=log if log is not None else asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), GIVE_UP_SECONDS)
    except BaseException:  # told to end while it waits, it would leave a bot that nobody knows of
        await stop_bot(process)
        raise
    if b"listens" not in line:
        await process.wait()
        raise DemoFailed("the bot did not start")
    return process


async def stop_bot(process: asyncio.subprocess.Process, *, patience_seconds: float = 12) -> int:
    """SIGTERM, as a supervisor would; kills what does not stop within its promise, or within the patience given."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        return await asyncio.wait_for(process.wait(), patience_seconds)
    except TimeoutError:
        process.kill()
        return await process.wait()


def free_port() -> int:
    """A port that nothing listens on, and that stays ours until this process ends, through every restart of the bot.

    A port that is only looked up and let go may be drawn by another test worker before the bot binds it, and again
    while the bot restarts. So a socket stays bound to it. The bot's own bind is let in by SO_REUSEADDR, which both
    sockets then have; any other reservation is refused, since at the moment of its bind it has no such option.
    """
    reservation, port = _reserved()
    # Left open on purpose, without an object that would close it.
    reservation.detach()
    return port


@contextmanager
def reserved_port() -> Iterator[int]:
    """The same until the block ends: for a process that needs hundreds, one after the other."""
    reservation, port = _reserved()
    with reservation:
        yield port


def _reserved() -> tuple[socket.socket, int]:
    reservation = socket.socket()
    reservation.bind(("127.0.0.1", 0))
    port = int(reservation.getsockname()[1])
    if platform.system() == "Linux":
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    else:
        # A bound socket would keep the bot out too: here the port is free but not reserved.
        reservation.close()
    return reservation, port
