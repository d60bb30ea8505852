"""The demo: both stand-ins and the real bot as three parties over real sockets, and an analyst who asks for a check.

The stand-ins run here; the bot is a process of its own, started as an operator would start it.
"""

import asyncio
import contextlib
import os
import platform
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path

from bot.sandbox.slack import Message, SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox
from storage.engine.sealing import Sealer

CHANNEL = "C0KYCREQ001"
REVIEWERS = "C0KYCREV001"
ANALYST = "U0AMINA0001"
KYC_BOT = (sys.executable, "-m", "bot")
"""The bot of this very installation."""
GIVE_UP_SECONDS = 120.0
_ENDINGS = ("Approved", "Rejected", "No result", "Needs a person")


class DemoFailed(Exception):
    """The demo did not come to a result in time."""


async def run(
    *, once: bool, story: str = "approved", say: Callable[[str], None] = print, log: int | None = None
) -> None:
    """Play one check and print the thread as it grows; with `once` end after the result.

    Raises DemoFailed when no final result was posted within two minutes.
    """
    # However slow the machine is: what Slack gives three seconds for has until the demo gives up.
    slack = SlackSandbox(trigger_seconds=GIVE_UP_SECONDS, answer_seconds=GIVE_UP_SECONDS)
    smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", story=story, callback_delay_seconds=1.0)
    await slack.start()
    await smile_id.start()
    try:
        with tempfile.TemporaryDirectory(prefix="kyc-bot-demo-") as folder:
            environment = settings_for(slack, smile_id, database=Path(folder) / "demo.db")
            say(f"Slack stand-in     {slack.api_url}")
            say(f"Smile ID stand-in  {smile_id.base_url}")
            say(f"kyc-bot            {environment['KYC_PUBLIC_URL']}")
            process = await start_bot(environment, log=log)
            try:
                async with asyncio.timeout(GIVE_UP_SECONDS):
                    await _play(slack, say)
                if not once:
                    await _stay(slack, say)
            except TimeoutError as late:
                raise DemoFailed(f"no final result within {GIVE_UP_SECONDS:g} s") from late
            finally:
                await stop_bot(process)
    finally:
        await smile_id.stop()
        await slack.stop()


def settings_for(
    slack: SlackSandbox,
    smile_id: SmileIDSandbox,
    *,
    database: Path,
    socket_mode: bool = True,
    public: bool = True,
    **more: str,
) -> dict[str, str]:
    """The environment of a bot between the two stand-ins, with nothing of this process's own settings."""
    port = free_port()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("KYC_", "SLACK_", "SMILE_"))
    }
    environment |= {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_API_URL": slack.api_url,
        "SMILE_ID_PARTNER_ID": smile_id.partner_id,
        "SMILE_ID_API_KEY": smile_id.api_key,
        "SMILE_ID_API_URL": smile_id.base_url,
        "KYC_PORT": str(port),
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
    """`kyc-bot serve` as a process; returns once it listens."""
    process = await asyncio.create_subprocess_exec(
        *command,
        "serve",
        env=dict(environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=log if log is not None else asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), GIVE_UP_SECONDS)
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


async def _play(slack: SlackSandbox, say: Callable[[str], None]) -> None:
    photos = resources.files("bot.sandbox") / "data" / "photos"
    await slack.wait_for(lambda: slack.socket_count == 1)
    amina = slack.person(ANALYST)
    say("\n@amina types /kyc and fills in the form: Nigeria, BVN, Ada Obi, a selfie, 8 liveness images")
    reply = await amina.command("")
    if not reply.ok:
        raise DemoFailed("the command was not answered")
    modal = await amina.modal()
    await modal.choose("country", "NG")
    await modal.choose("id_type", "BVN")
    await modal.fill("id_number", "00000000000")
    await modal.fill("first_name", "Ada")
    await modal.fill("last_name", "Obi")
    await modal.attach("selfie", await amina.upload((photos / "selfie.jpg").read_bytes(), "selfie.jpg"))
    liveness = [await amina.upload((photos / f"liveness_{n}.jpg").read_bytes(), f"liveness_{n}.jpg") for n in range(8)]
    await modal.attach("liveness", *liveness)
    await modal.choose("consent", ["consented"])
    submission = await modal.submit()
    if submission.errors or submission.timed_out:
        raise DemoFailed(f"the form was refused: {submission.errors}")
    say("@amina sends it\n")
    seen: dict[str, str] = {}
    ending = ""
    while not ending:
        await slack.wait_for(lambda: bool(_news(slack, seen)), timeout_seconds=GIVE_UP_SECONDS)
        for message, text in _news(slack, seen):
            first = message.ts not in seen
            seen[message.ts] = text
            indent = "" if message.thread_ts in (None, message.ts) else "    "
            in_review = message.channel == REVIEWERS
            mark = ("#kyc-review  " if in_review else "#kyc-requests") if first else "  (updated)  "
            for line in text.splitlines():
                say(f"{mark} {indent}{line}")
                mark = " " * len(mark)
            if indent and not in_review:
                ending = next((name for name in _ENDINGS if name in text), ending)
    reference = next(word for text in seen.values() for word in text.replace("·", " ").split() if word.startswith("K-"))
    say(f"\nRESULT {reference} {ending}")


def _news(slack: SlackSandbox, seen: Mapping[str, str]) -> list[tuple[Message, str]]:
    """What was said or changed since, where the check was asked for and among the reviewers."""
    found = [(message, slack.plain(message)) for place in (REVIEWERS, CHANNEL) for message in slack.messages(place)]
    return [(message, text) for message, text in found if seen.get(message.ts) != text]


async def _stay(slack: SlackSandbox, say: Callable[[str], None]) -> None:
    base = slack.api_url.removesuffix("/api/")
    say("\nEverything stays up until Ctrl-C. To ask for more from another shell:")
    say(f"""  curl -s {base}/sandbox/command -d '{{"user": "amina", "text": "list", "channel": "{CHANNEL}"}}'""")
    say(f"  curl -s '{base}/sandbox/messages?channel={CHANNEL}'")
    await asyncio.Event().wait()


def free_port() -> int:
    """A port that nothing listens on, and that stays ours until this process ends, through every restart of the bot.

    A port that is only looked up and let go may be drawn by another test worker before the bot binds it, and again
    while the bot restarts. So a socket stays bound to it. The bot's own bind is let in by SO_REUSEADDR, which both
    sockets then have; any other reservation is refused, since at the moment of its bind it has no such option.
    """
    reservation = socket.socket()
    reservation.bind(("127.0.0.1", 0))
    port = int(reservation.getsockname()[1])
    if platform.system() == "Linux":
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Left open on purpose, without an object that would close it.
        reservation.detach()
    else:
        # A bound socket would keep the bot out too: here the port is free but not reserved.
        reservation.close()
    return port
