"""*Erase this person* in the demo: the admin does it, and the desk shows what became of everything."""

import asyncio
import json

import httpx
import pytest

from bot.privacy import signing
from bot.sandbox.desk import stored
from bot.sandbox.desk.erasing import BUSY, GONE, Report
from bot.sandbox.desk.traces import Part
from bot.sandbox.page.serving import serve_page
from tests.patience import GIVE_UP_SECONDS
from tests.sandbox.desk.test_played import Played, played

pytestmark = [pytest.mark.anyio, pytest.mark.processes]


def part(report: Report, title: str) -> Part:
    (found,) = [one for one in report.parts if one.title == title]
    return found


def everything_shown(it: Played) -> str:
    """All that stands in Slack now: messages of every channel, and every Home tab."""
    slack = it.demo.slack
    posts = [it.plain(post) for channel in slack.channels.values() for post in channel.posts if not post.deleted]
    homes = [str(slack.person(user).home) for user in list(slack.users)]
    return "\n".join([*posts, *homes])


async def test_a_person_is_erased_and_everything_is_shown_for_what_it_is() -> None:
    async with played() as it:
        (check,) = stored.finished(it.demo.database)
        ending = "ending 101"
        assert ending in everything_shown(it)
        async with (
            serve_page(it.demo.slack, desk=it.desk) as address,
            httpx.AsyncClient(base_url=address, timeout=GIVE_UP_SECONDS, trust_env=False) as page,
        ):

            async def press() -> str:
                told = await page.post("/desk/erase", json={"ref": check.ref}, headers={"X-Workspace": "1"})
                says: str = told.json()["says"]
                return says

            assert f"Erase this person: {check.ref}" in (await page.get("/desk/erased")).text
            # Pressed twice: it is done once.
            says = await asyncio.gather(press(), press())
            assert sorted(says) == sorted([BUSY, f"{check.ref} is erased. What became of it stands behind the scenes."])
            assert await press() == GONE
            shown = (await page.get("/desk/erased")).text
            assert f"Erase this person: {check.ref}" not in shown
            certificate = (await page.get(f"/desk/erased/{check.ref}")).content
        report = it.desk.eraser.reports[check.ref]
        for one in report.parts:
            assert one.title in shown

        assert part(report, "Thread").verdict == "2 of 2 messages say “Erased on …”"
        (now, was) = (words for _tab, words in part(report, "Home").lines)
        assert "the customer's data is erased" in now
        assert ending in was
        assert part(report, "Home").verdict == "1 of 1 tab drawn anew"
        assert ending not in everything_shown(it)
        rows = "\n".join(" ".join(line) for line in part(report, "Rows in the database").lines)
        assert "(verifications) empty now: what was entered, the print of the ID number" in rows
        assert "(photos) 9 rows are gone" in rows
        assert "(trail_people) 1 row is gone" in rows
        # The photos of a form are nobody's to delete but their sender's.
        assert part(report, "Messages and files in Slack").verdict == "9 photos or files stay"
        assert "only amina can delete that" in str(part(report, "Messages and files in Slack").lines)
        chain = part(report, "Chain of the audit trail")
        assert chain.verdict == "whole, and nothing before was changed"
        assert f"personal.erased · {check.ref}" in chain.literal
        # Signed by the very bot, as whoever holds its public key finds.
        key = (await it.demo.run("proof", "key")).said.split()[-1]
        document = signing.verify(certificate, key)
        assert [one["ref"] for one in document["checks"]] == [check.ref]
        assert part(report, "Certificate").verdict.startswith("genuine: signed with the key")
        assert json.loads(part(report, "Certificate").literal)["document"] == document
        # What the report repeats is nothing of the person.
        job = next(iter(it.demo.smile_id.jobs.values()))
        assert job.info is not None
        for word in (job.info["id_info"]["id_number"], job.info["id_info"]["last_name"]):
            assert word not in f"{shown}{certificate!r}"


async def test_a_bot_that_does_not_answer_is_said_so_and_the_next_try_succeeds() -> None:
    async with played() as it:
        (check,) = stored.finished(it.demo.database)
        await it.desk.breaker.start("slack-away")
        says = await it.desk.eraser.erase(check.ref)
        assert says.startswith(("kyc-bot did not answer", f"{check.ref} could not be erased"))
        assert (it.desk.eraser.ref, it.desk.eraser.reports) == ("", {})
        assert len(stored.finished(it.demo.database)) == 1
        it.desk.breaker.mend()
        await it.is_back()
        assert (await it.desk.eraser.erase(check.ref)).startswith(f"{check.ref} is erased")


async def test_an_erasure_whose_report_is_broken_off_is_reported_when_asked_again() -> None:
    async with played() as it:
        (check,) = stored.finished(it.demo.database)
        erasing = asyncio.create_task(it.desk.eraser.erase(check.ref))
        await it.demo.slack.wait_for(lambda: check.ref in it.desk.eraser.begun, GIVE_UP_SECONDS)
        erasing.cancel()
        await asyncio.gather(erasing, return_exceptions=True)
        assert (it.desk.eraser.ref, it.desk.eraser.reports) == ("", {})
        # The bot dies as well, and goes on with what it had to erase.
        await it.demo.bot.kill()
        await it.is_back()
        assert (await it.desk.eraser.erase(check.ref)).startswith(f"{check.ref} is erased")
        report = it.desk.eraser.reports[check.ref]
        assert part(report, "Thread").verdict == "2 of 2 messages say “Erased on …”"
        assert part(report, "Chain of the audit trail").verdict == "whole, and nothing before was changed"
        assert it.desk.eraser.begun == {}


async def test_a_form_that_a_visitor_has_open_as_the_admin_is_never_confirmed() -> None:
    async with played() as it:
        (check,) = stored.finished(it.demo.database)
        musa = it.demo.slack.person(it.demo.admin)
        held = await it.demo.slack.person(it.demo.admin).command(f"hold {check.ref}")
        assert held.ok
        await musa.command("")
        says = await it.desk.eraser.erase(check.ref)
        assert "is not erased yet" in says
        assert it.desk.eraser.reports == {}
        assert len(it.demo.smile_id.jobs) == 1
