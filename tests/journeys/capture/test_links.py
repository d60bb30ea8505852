"""What a customer does with a link before any photo is taken, and how its time runs out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.capture.assets import NOTICE
from bot.domain.capture.links import CaptureLink, Decline, LinkEnding, LinkStep
from bot.domain.check.check import CUSTOMER, PhotosBy, Request
from bot.errors import LinkGone, NewerDevice, NotAgreed
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.submission import lifecycle
from bot.submission.budget import Budget
from storage import capture_links
from storage.engine.database import Transaction
from tests.journeys.world import Journey, journey

pytestmark = pytest.mark.anyio

TOKEN, UNKNOWN = "t" * 43, "u" * 43
PHONE, TABLET = "phone-canary-0123456789", "tablet-canary-9876543210"
REF = "KYC-LINK01"
HOUR = timedelta(hours=1)


def ask(tx: Transaction, request: Request, *, budget: Budget) -> None:
    now = request.consent_at
    lifecycle.accept(tx, request, ref=REF, now=now, budget=budget)
    capture_links.add(tx, REF, TOKEN, by=ANALYST, expires_at=now + 24 * HOUR, remind_at=None, now=now)


@asynccontextmanager
async def linked(folder: Path) -> AsyncIterator[Journey]:
    """A check whose customer has a link, and has not opened it yet."""
    async with journey(folder) as world:
        request = Request(
            requester=ANALYST,
            team="T0SANDBOX01",
            channel=CHANNEL,
            thread_ts=None,
            view_id="V-link",
            country="NG",
            id_type="BVN",
            id_info={"id_number": "12345678901"},
            customer_reference="",
            photos=(),
            consent_at=world.clock(),
            photos_by=PhotosBy.LINK,
        )
        await world.bot.database.write(ask, request, budget=Budget.of(world.bot.preflight))
        yield world


async def link_of(world: Journey) -> CaptureLink:
    return (await world.bot.database.read(capture_links.of_check, REF))[-1]


async def acts(world: Journey) -> list[tuple[str, str]]:
    """Actor and act of each line about the check, oldest first."""

    def read(tx: Transaction) -> list[tuple[str, str]]:
        return [(row["actor"], row["act"]) for row in tx.rows("SELECT actor, act FROM audit WHERE ref = :ref", ref=REF)]

    return await world.bot.database.read(read)


async def test_a_customer_opens_a_link_as_often_as_they_like_and_agrees(tmp_path: Path) -> None:
    async with linked(tmp_path) as world:
        links = world.bot.capture_links
        for _twice in range(2):
            shown = await links.open(TOKEN, PHONE)
            assert (shown.country, shown.id_type) == ("Nigeria", "Bank Verification Number")
            assert (shown.number, shown.step) == ("•••• 901", LinkStep.OPENED)
            assert shown.expires_at - world.clock() > 23 * HOUR
        for _twice in range(2):
            assert await links.agree(TOKEN, PHONE, notice=NOTICE, language="sw") is LinkStep.AGREED
        assert (await links.open(TOKEN, PHONE)).step is LinkStep.AGREED
        assert [act for actor, act in await acts(world) if actor == CUSTOMER] == ["link.opened", "consent.given"]
        assert (await world.check(REF)).state == "awaiting_photos"
        assert (await link_of(world)).language == "sw"


async def test_the_newest_device_wins_and_is_asked_again(tmp_path: Path) -> None:
    async with linked(tmp_path) as world:
        links = world.bot.capture_links
        await links.open(TOKEN, PHONE)
        await links.agree(TOKEN, PHONE, notice=NOTICE, language="en")
        assert (await links.open(TOKEN, TABLET)).step is LinkStep.OPENED
        for refused in (
            links.agree(TOKEN, PHONE, notice=NOTICE, language="en"),
            links.decline(TOKEN, PHONE, reason=Decline.NO),
        ):
            with pytest.raises(NewerDevice):
                await refused
        assert (await links.open(TOKEN, PHONE)).step is LinkStep.OPENED


@pytest.mark.parametrize(("notice", "language"), [("2020-01", "en"), ("", "en"), (NOTICE, "xx")])
async def test_nobody_agrees_to_what_the_page_does_not_say_today(tmp_path: Path, notice: str, language: str) -> None:
    async with linked(tmp_path) as world:
        await world.bot.capture_links.open(TOKEN, PHONE)
        with pytest.raises(NotAgreed):
            await world.bot.capture_links.agree(TOKEN, PHONE, notice=notice, language=language)
        with pytest.raises(LinkGone):
            await world.bot.capture_links.agree(UNKNOWN, PHONE, notice=notice, language=language)
        assert (await link_of(world)).agreed_at is None


@pytest.mark.parametrize("reason", Decline)
@pytest.mark.parametrize("has_agreed", [False, True], ids=["at once", "after agreeing"])
async def test_who_declines_cancels_the_check(tmp_path: Path, reason: Decline, *, has_agreed: bool) -> None:
    async with linked(tmp_path) as world:
        links = world.bot.capture_links
        await links.open(TOKEN, PHONE)
        if has_agreed:
            await links.agree(TOKEN, PHONE, notice=NOTICE, language="en")
        for _twice in range(2):
            await links.decline(TOKEN, PHONE, reason=reason)
        for gone in (links.open(TOKEN, PHONE), links.decline(TOKEN, TABLET, reason=reason)):
            with pytest.raises(LinkGone):
                await gone
        assert (await world.check(REF)).state == "cancelled"
        assert (await link_of(world)).ending is reason.ending
        assert (CUSTOMER, "link.ended") in await acts(world)
        await world.work()


async def test_a_link_is_over_at_its_time_and_cancels_its_check_once(tmp_path: Path) -> None:
    async with linked(tmp_path) as world:
        links = world.bot.capture_links
        await links.open(TOKEN, PHONE)
        world.clock.move(hours=23)
        await links.tick()
        assert (await world.check(REF)).state == "awaiting_photos"
        world.clock.move(hours=2)
        # Before anybody has noticed that it is over, too.
        with pytest.raises(LinkGone):
            await links.open(TOKEN, PHONE)
        for _twice in range(2):
            await links.tick()
        assert (await world.check(REF)).state == "cancelled"
        assert (await link_of(world)).ending is LinkEnding.EXPIRED
        assert [act for _actor, act in await acts(world)].count("link.ended") == 1


async def test_photos_that_are_on_their_way_keep_a_link_from_running_out_or_being_taken_back(tmp_path: Path) -> None:
    def take(tx: Transaction, now: Any) -> None:
        link = capture_links.by_token(tx, TOKEN)
        assert link is not None
        capture_links.taken(tx, link, now=now)

    async with linked(tmp_path) as world:
        links = world.bot.capture_links
        await links.open(TOKEN, PHONE)
        await links.agree(TOKEN, PHONE, notice=NOTICE, language="en")
        await world.bot.database.write(take, world.clock())
        world.clock.move(hours=30)
        assert (await links.open(TOKEN, PHONE)).step is LinkStep.TAKEN
        assert await links.agree(TOKEN, PHONE, notice=NOTICE, language="en") is LinkStep.TAKEN
        with pytest.raises(LinkGone):
            await links.open(TOKEN, TABLET)
        with pytest.raises(LinkGone):
            await links.agree(TOKEN, TABLET, notice=NOTICE, language="en")


async def test_whoever_has_no_link_of_ours_never_keeps_the_writer_busy(tmp_path: Path) -> None:
    async with linked(tmp_path) as world:
        links = world.bot.capture_links
        before = (await world.bot.figures()).decode()
        for _ in range(20):
            for refused in (
                links.open(UNKNOWN, PHONE),
                links.agree(UNKNOWN, PHONE, notice=NOTICE, language="en"),
                links.decline(UNKNOWN, PHONE, reason=Decline.NO),
            ):
                with pytest.raises(LinkGone):
                    await refused
        after = (await world.bot.figures()).decode()
        commits = [line for text in (before, after) for line in text.splitlines() if "commit_group_size_sum" in line]
        assert commits[0] == commits[1]
