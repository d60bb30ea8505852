"""`kyc-bot demo --once`: one check between both stand-ins, told as a transcript, with a line RESULT at its end."""

import asyncio
import tempfile
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path

from bot.sandbox.demo.bot_process import (
    ANALYST,
    CHANNEL,
    GIVE_UP_SECONDS,
    DemoFailed,
    settings_for,
    start_bot,
    stop_bot,
)
from bot.sandbox.slack import Message, SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox
from bot.sandbox.smile_id.stories import STORIES

REVIEWERS = "C0KYCREV001"
_ENDINGS = ("Approved", "Rejected", "No result", "Needs review")
_SOONER = {"KYC_POLL_AFTER": "5s", "KYC_CONFIRM_WAIT": "20s"}
"""Nobody wants to wait for the minutes that are usual where no callback comes, or none that is confirmed."""


async def run_once(*, story: str = "approved", say: Callable[[str], None] = print, log: int | None = None) -> None:
    """Play one check and print the thread as it grows.

    Raises DemoFailed when no final result was posted within two minutes, and at once for a story that has none.
    """
    if not STORIES[story].has_final_result:
        raise DemoFailed(
            f"in the story {story!r} no final result ever comes, so there is no end to wait for. "
            f"To watch it: kyc-bot demo --story {story}"
        )
    # However slow the machine is: what Slack gives three seconds for has until the demo gives up.
    slack = SlackSandbox(trigger_seconds=GIVE_UP_SECONDS, answer_seconds=GIVE_UP_SECONDS)
    smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", story=story, callback_delay_seconds=1.0)
    await slack.start()
    await smile_id.start()
    try:
        with tempfile.TemporaryDirectory(prefix="kyc-bot-demo-") as folder:
            environment = settings_for(slack, smile_id, database=Path(folder) / "demo.db") | _SOONER
            say(f"Slack stand-in     {slack.api_url}")
            say(f"Smile ID stand-in  {smile_id.base_url}")
            say(f"kyc-bot            {environment['KYC_PUBLIC_URL']}")
            process = await start_bot(environment, log=log)
            try:
                async with asyncio.timeout(GIVE_UP_SECONDS):
                    await _play(slack, say)
            except TimeoutError as late:
                raise DemoFailed(f"no final result within {GIVE_UP_SECONDS:g} s") from late
            finally:
                await stop_bot(process)
    finally:
        await smile_id.stop()
        await slack.stop()


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
    await modal.click("kyc_form_more")
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
