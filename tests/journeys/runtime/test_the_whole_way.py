"""A check from Slack to its result in the thread, by three processes' worth of real sockets.

The bot runs as `kyc-bot serve`, exactly as an operator starts it.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.runtime.clock import utc_now
from bot.sandbox.demo import ANALYST, CHANNEL, settings_for, start_bot, stop_bot
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox
from tests.journeys.world import PHOTOS, REVIEW_CHANNEL, patient_slack

pytestmark = [pytest.mark.anyio, pytest.mark.processes]


class Parties:
    """Both stand-ins, and the log of the bot's process."""

    def __init__(self, slack: SlackSandbox, smile_id: SmileIDSandbox, log: Path) -> None:
        self.slack = slack
        self.smile_id = smile_id
        self._log = log

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    async def ask(self, id_number: str = "00000000000") -> None:
        """Type /kyc, fill in everything a BVN check can take, send."""
        amina = self.slack.person(ANALYST)
        assert (await amina.command("")).ok
        modal = await amina.modal()
        await modal.choose("country", "NG")
        await modal.choose("id_type", "BVN")
        await modal.fill("id_number", id_number)
        await modal.click("kyc_form_more")
        await modal.fill("first_name", "Ada-Clearly-Invented")
        await modal.fill("customer_reference", "CUST-77120")
        await modal.attach("selfie", await amina.upload(PHOTOS / "selfie.jpg", "selfie.jpg"))
        liveness = [await amina.upload(PHOTOS / f"liveness_{n}.jpg", f"liveness_{n}.jpg") for n in range(8)]
        await modal.attach("liveness", *liveness)
        await modal.choose("consent", ["consented"])
        submission = await modal.submit()
        assert submission.closed, submission

    def replies(self) -> list[str]:
        return [self.slack.plain(m) for m in self.slack.messages(CHANNEL) if m.thread_ts not in (None, m.ts)]

    def roots(self) -> list[str]:
        return [self.slack.plain(m) for m in self.slack.messages(CHANNEL) if m.thread_ts in (None, m.ts)]


@asynccontextmanager
async def parties(
    *, socket_mode: bool = True, public: bool = True, story: str = "approved", **settings: str
) -> AsyncIterator[Parties]:
    slack = patient_slack(utc_now, posts_per_second=20)
    smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", story=story)
    await slack.start()
    await smile_id.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "bot.log"
            environment = settings_for(
                slack,
                smile_id,
                database=Path(folder) / "kyc.db",
                socket_mode=socket_mode,
                public=public,
                **{"KYC_SLACK_POSTS_PER_SECOND": "10", **settings},
            )
            with log.open("wb") as stream:
                process = await start_bot(environment, log=stream.fileno())
                try:
                    if socket_mode:
                        await slack.wait_for(lambda: slack.socket_count == 1)
                    yield Parties(slack, smile_id, log)
                finally:
                    assert await stop_bot(process) == 0
    finally:
        await smile_id.stop()
        await slack.stop()


@pytest.mark.parametrize(
    ("socket_mode", "public"),
    [
        pytest.param(False, True, id="http"),
        pytest.param(True, True, id="socket-mode"),
        pytest.param(True, False, id="no-public-address"),
    ],
)
async def test_a_check_goes_from_the_form_to_its_result_in_the_thread(*, socket_mode: bool, public: bool) -> None:
    async with parties(socket_mode=socket_mode, public=public) as world:
        await world.ask()
        await world.slack.wait_for(lambda: any("Approved" in text for text in world.replies()))
        await world.slack.wait_for(lambda: "Approved" in world.roots()[0])

        (root,) = world.roots()
        assert "Approved — face and ID number verified" in root
        (result,) = world.replies()
        assert result.startswith("@amina Approved — face and ID number verified")
        assert "confirmed with Smile ID" in result
        assert "✓ Face match with ID photo: matched" in result
        (job,) = world.smile_id.jobs.values()
        assert job.upload_count == 1
        assert bool(job.callback_url) is public
        assert job.info is not None
        assert job.info["id_info"]["first_name"] == "Ada-Clearly-Invented"
        assert len(job.entries) == 10
        calls = [request.call for request in world.smile_id.requests]
        assert calls.count("upload") == calls.count("put") == 1
        assert "job_status" in calls


async def test_a_human_review_is_told_as_not_final_and_its_end_as_the_result() -> None:
    async with parties(story="provisional_rejected") as world:
        await world.ask()
        await world.slack.wait_for(lambda: any("Rejected" in text for text in world.replies()))
        not_final, result = world.replies()
        assert not_final.startswith("Not final: inconclusive, in human review at Smile ID")
        assert "@amina" not in not_final
        assert result.startswith("@amina Rejected — the selfie does not match the authority's photo")
        assert "by a person at Smile ID" in result


async def test_without_a_public_address_a_provisional_machine_result_is_shown_as_not_final() -> None:
    async with parties(public=False, story="provisional") as world:
        await world.ask()
        await world.slack.wait_for(lambda: any("Not final" in text for text in world.replies()))
        asked = [r.body for r in world.smile_id.requests if r.call == "job_status" and r.body]
        assert asked
        assert all(body["image_links"] is True and body["history"] is True for body in asked)
        assert not any("Approved" in text for text in world.replies())


async def test_nothing_personal_reaches_the_log_the_review_channel_or_any_metadata() -> None:
    async with parties(story="spoof") as world:
        await world.ask(id_number="12345678900")
        await world.slack.wait_for(lambda: any("Rejected" in text for text in world.replies()))
        # The tail of a number of 11 digits is three of them.
        secrets = [
            "1234567890",
            "Ada-Clearly-Invented",
            "CUST-77120",
            "sandbox-api-key",
            "xoxb-sandbox",
            "xapp-sandbox",
        ]
        (job,) = world.smile_id.jobs.values()
        secrets.append(job.callback_url.rsplit("/", 1)[1])
        metadata = [str(m.metadata) for channel in (CHANNEL, REVIEW_CHANNEL) for m in world.slack.messages(channel)]
        views = [str(call.arguments.get("view", "")) for call in world.slack.calls]
        private = [str(call.arguments) for call in world.slack.calls if call.method.startswith("chat.")]
        for secret in secrets:
            for place in (world.log(), *metadata, *private):
                assert secret not in place
            assert secret not in "".join(views)
        assert '"event": "check.sent"' in world.log()
