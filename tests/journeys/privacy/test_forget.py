"""`/kyc forget`: who may, what admins read before and after, and that a second click erases nothing twice."""

import asyncio
from pathlib import Path

import pytest

from bot.errors import Refusal
from bot.sandbox.demo import ANALYST
from bot.slack.blocks.refusals import SENTENCES
from storage import audit, checks, erasures
from tests.journeys.privacy.test_retention import ended
from tests.journeys.review.test_review import decide
from tests.journeys.smile import call_back, pass_time, waiting
from tests.journeys.world import ADMIN, REVIEWER, Journey, journey

pytestmark = pytest.mark.anyio


async def say(world: Journey, user: str, typed: str) -> str:
    reply = await world.slack.person(user).command(typed)
    assert reply.ok, reply
    return reply.text


async def test_an_admin_erases_a_customer_once(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref, admin = await ended(world), world.slack.person(ADMIN)
        await say(world, ADMIN, f"forget {ref.lower()}")
        form = await admin.modal()
        text = str(form.view)
        assert "Goes for good" in text
        assert "KYC_RETENTION_RECORD, 5y" in text
        check = await world.bot.database.read(checks.get, ref)
        number = check.id_info["id_number"]
        assert number not in text
        # Pressed twice: a slow answer makes people do so.
        first, second = await asyncio.gather(admin.submit(form.view), admin.submit(form.view))
        assert "was erased on" in str(first.body)
        assert second.ok
        check = await world.bot.database.read(checks.get, ref)
        assert check.personal_erased_at is not None
        lines = await world.bot.database.read(audit.lines_of, ref)
        assert [(line.actor, line.act) for line in lines if "eras" in line.act] == [
            (ADMIN, "erasure.asked"),
            (ADMIN, "photos.erased"),
            (ADMIN, "personal.erased"),
        ]
        await say(world, ADMIN, f"forget {ref}")
        again = await admin.modal()
        assert "was erased on" in str(again.view)
        assert again.view.get("submit") is None


async def test_a_customer_whose_approval_smile_ids_record_never_shows_is_erased_after_a_week(tmp_path: Path) -> None:
    async with waiting(tmp_path, KYC_REVIEWERS=f"{REVIEWER},U0ZOE000001") as (world, ref):
        admin = world.slack.person(ADMIN)
        await call_back(world, "0810")
        await pass_time(world, 300, 3600)
        assert (await world.check(ref)).reason == "unconfirmed"
        await say(world, ADMIN, f"forget {ref}")
        assert "waits for a decision" in str((await admin.modal()).view)
        await decide(world, REVIEWER, "rejected", "different_person")
        assert (await world.check(ref)).decision == "rejected"
        await world.settle()
        await say(world, ADMIN, f"forget {ref}")
        form = await admin.modal()
        assert "Smile ID's own record does not show the result yet." in str(form.view)
        assert "at the latest 7 days after the result came" in str(form.view)
        await admin.submit(form.view)
        await pass_time(world, *([86_400] * 6))
        await world.bot.erasures.tick()
        assert (await world.check(ref)).personal_erased_at is None
        await pass_time(world, 86_400)
        await world.bot.erasures.tick()
        check = await world.check(ref)
        assert (check.personal_erased_at is not None, check.decision) == (True, "rejected")


async def test_nobody_else_has_anybody_erased(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await ended(world)
        for user in (ANALYST, REVIEWER):
            assert "Only admins can erase a customer." in await say(world, user, f"forget {ref}")
        for typed in ("", "everything", f"{ref} please"):
            assert await say(world, ADMIN, f"forget {typed}") == SENTENCES[Refusal.FORGET_NOT_UNDERSTOOD]
        assert "K-ZZZZZZ" in await say(world, ADMIN, "forget K-ZZZZZZ")
        # Whoever is no admin any more when they confirm erases nothing either.
        await say(world, ADMIN, f"forget {ref}")
        form = await world.slack.person(ADMIN).modal()
        await world.slack.person(REVIEWER).submit(form.view)
        assert await world.bot.database.read(erasures.of_check, ref) == []
        assert (await world.bot.database.read(checks.get, ref)).id_info
