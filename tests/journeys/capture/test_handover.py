"""What a customer has taken reaches Smile ID once, by the code that sends photos from Slack, or they hear why not."""

import asyncio
import io
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.capture.handover import UPLOADS_AT_ONCE
from bot.domain.capture.links import LinkEnding, LinkStep
from bot.domain.check.check import CUSTOMER
from bot.errors import (
    FlawedPhoto,
    LinkGone,
    NewerDevice,
    NotAgreed,
    NotNow,
    PhotosFlawed,
    PhotosUnderWay,
    UploadMalformed,
)
from bot.sandbox.demo import ANALYST
from bot.sandbox.smile_id import Fault
from bot.smile_id.signature import stamp
from bot.submission import lifecycle
from storage import attempts, audit, capture_links, checks, spending
from storage.engine.database import Transaction
from tests.journeys.capture.customer import Customer, agreed, asked, sample
from tests.journeys.intake.test_preflight import NUMBER, OTHER_NUMBER
from tests.journeys.intake.test_selfie_seen import SITE
from tests.journeys.review.test_review import text
from tests.journeys.submission.test_submission_faults import finish, uploads
from tests.journeys.world import REVIEW_CHANNEL, REVIEWER, SELFIE, Journey, StoppedClock, journey

pytestmark = pytest.mark.anyio

LAPTOP = "invented-device-of-a-laptop"


def picture(shade: int, size: tuple[int, int] = (480, 640)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(out, "JPEG")
    return out.getvalue()


async def link_of(world: Journey, customer: Customer) -> Any:
    return await world.bot.database.read(capture_links.latest, customer.ref)


async def nothing_is_kept(world: Journey, customer: Customer) -> None:
    """The check waits for its photos as if none had ever come."""
    check = await world.check(customer.ref)
    assert (check.state, check.photos_checked_at, check.liveness_images) == ("awaiting_photos", None, 0)
    assert await world.bot.database.read(checks.photos, customer.ref) == []
    assert (await link_of(world, customer)).step is LinkStep.AGREED


async def test_photos_of_a_customer_reach_smile_id_as_those_from_slack_do(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        customer = await agreed(world)
        agreed_at = (await link_of(world, customer)).agreed_at
        world.clock.move(minutes=3)
        assert await customer.hand_in() is LinkStep.TAKEN
        check = await world.check(customer.ref)
        assert check.state == "processing"
        assert (check.consent_by, check.consent_at, check.liveness_images) == (CUSTOMER, agreed_at, 8)
        info = world.job().info
        assert info is not None
        assert info["consent_information"]["consented"]["consent_granted_date"] == stamp(agreed_at)
        assert sorted(kind["image_type_id"] for kind in info["images"]) == [0, *[4] * 8]
        # As they came: these have nothing in them that would have to be cut out.
        sent = {name: data for name, data in world.job().entries.items() if name != "info.json"}
        assert sent["selfie.jpg"] == SELFIE
        assert [sent[f"liveness_{n}.jpg"] for n in range(8)] == list(sample().liveness)
        kept = await world.bot.database.read(lambda tx: tx.rows("SELECT * FROM photos WHERE ref = :r", r=check.ref))
        assert sorted(row["size"] for row in kept) == sorted(map(len, (*sample().liveness, SELFIE)))
        assert {row["file_id"] for row in kept} == {""}
        link = await link_of(world, customer)
        assert (link.ending, link.tries) == (LinkEnding.USED, 1)
        acts = [line.act for line in await world.bot.database.read(audit.lines_of, check.ref)]
        assert [act for act in acts if act.startswith(("link.", "job."))] == [
            *("link.made", "link.opened", "link.taken", "job.made", "job.sent", "link.ended")
        ]
        await finish(world, check.ref)
        assert (await world.check(check.ref)).state == "approved"
        assert not [call for call in world.slack.calls if call.method.startswith("files.")]


async def test_a_page_that_repeats_what_has_arrived_hears_the_same_and_nobody_else_does(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        customer = await agreed(world)
        await customer.hand_in()
        assert await customer.hand_in(before=never_read) is LinkStep.TAKEN
        with pytest.raises(LinkGone):
            await customer.on(LAPTOP).hand_in(before=never_read)
        await finish(world, customer.ref)
        assert await customer.hand_in(before=never_read) is LinkStep.TAKEN
        assert world.job().upload_count == len(uploads(world)) == 1


async def never_read() -> None:
    raise AssertionError("no body is read of a request that is turned away")


async def test_who_may_not_hand_in_photos_is_turned_away_before_their_body_is_read(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        customer = await asked(world)
        with pytest.raises(NewerDevice):
            await customer.hand_in(before=never_read)
        await customer.open()
        with pytest.raises(NotAgreed):
            await customer.hand_in(before=never_read)
        await customer.agree()
        with pytest.raises(NewerDevice):
            await customer.on(LAPTOP).hand_in(before=never_read)
        with pytest.raises(LinkGone):
            await replace(customer, token="another" + customer.token[7:]).hand_in(before=never_read)
        world.clock.move(hours=24)
        with pytest.raises(LinkGone):
            await customer.hand_in(before=never_read)
        assert (await link_of(world, customer)).tries == 0
        assert world.smile_id.requests == []


async def test_flaws_are_told_to_the_customer_and_nothing_is_kept_but_the_try(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        customer = await agreed(world)
        good = sample()

        def with_frame(number: int, data: bytes) -> tuple[bytes, ...]:
            return (*good.liveness[: number - 1], data, *good.liveness[number:])

        for photos, flaws in (
            (replace(good, selfie=picture(8)), [("selfie", None, "dark")]),
            (replace(good, liveness=with_frame(3, picture(250))), [("liveness", 3, "bright")]),
            (replace(good, liveness=with_frame(8, b"no picture")), [("liveness", 8, "unusable")]),
            (replace(good, selfie=good.selfie[:2000]), [("selfie", None, "unusable")]),
            (replace(good, liveness=(good.liveness[0],) * 8), [("liveness", None, "same_picture")]),
        ):
            with pytest.raises(PhotosFlawed) as told:
                await customer.hand_in(photos)
            assert told.value.flaws == tuple(FlawedPhoto(*flaw) for flaw in flaws)
            await nothing_is_kept(world, customer)
        assert (await link_of(world, customer)).tries == 5
        assert await world.bot.database.read(attempts.of_check, customer.ref) == []
        assert world.smile_id.requests == []
        assert await customer.hand_in() is LinkStep.TAKEN


async def test_a_body_that_is_not_nine_photos_is_refused_as_such(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        customer = await agreed(world)

        async def read() -> bytes:
            return b"KYC1 and nothing else"

        with pytest.raises(UploadMalformed):
            await world.bot.handover.take(customer.token, customer.device, read)
        await nothing_is_kept(world, customer)
        assert await customer.hand_in() is LinkStep.TAKEN


async def test_what_breaks_while_a_body_is_read_gives_its_place_back(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        customer = await agreed(world)

        async def breaks() -> None:
            raise ConnectionError("the phone has gone into a lift")

        for _again in range(UPLOADS_AT_ONCE + 1):
            with pytest.raises(ConnectionError):
                await customer.hand_in(before=breaks)
        assert await customer.hand_in() is LinkStep.TAKEN


async def test_one_upload_at_a_time_for_a_link_and_so_many_for_all(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        over, waiting = asyncio.Event(), []
        for number in range(UPLOADS_AT_ONCE):
            customer = await agreed(world, number=number, token=f"{number:043}")
            waiting.append(asyncio.create_task(customer.hand_in(before=over.wait)))
        await asyncio.sleep(0.1)
        with pytest.raises(PhotosUnderWay):
            await customer.hand_in(before=never_read)
        late = await agreed(world, number=UPLOADS_AT_ONCE, token=f"{UPLOADS_AT_ONCE:043}")
        with pytest.raises(NotNow):
            await late.hand_in(before=never_read)
        over.set()
        assert set(await asyncio.gather(*waiting)) == {LinkStep.TAKEN}
        assert await late.hand_in() is LinkStep.TAKEN
        assert [job.upload_count for job in world.smile_id.jobs.values()] == [1] * (UPLOADS_AT_ONCE + 1)


async def test_of_few_connections_uploads_take_less_than_half(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_CONNECTIONS="16") as world:
        over, waiting = asyncio.Event(), []
        for number in range(7):
            customer = await agreed(world, number=number, token=f"{number:043}")
            waiting.append(asyncio.create_task(customer.hand_in(before=over.wait)))
        await asyncio.sleep(0.1)
        with pytest.raises(NotNow):
            await (await agreed(world, number=8)).hand_in(before=never_read)
        over.set()
        await asyncio.gather(*waiting)


# What happens to the link while photos are on their way


async def test_photos_of_a_check_that_is_withdrawn_meanwhile_go_nowhere(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        customer = await agreed(world)

        async def withdraw() -> None:
            await world.bot.database.write(lifecycle.cancel, customer.ref, by=ANALYST, now=world.clock())

        with pytest.raises(LinkGone):
            await customer.hand_in(before=withdraw)
        with pytest.raises(LinkGone):
            await customer.hand_in(before=never_read)
        assert world.smile_id.requests == []
        assert (await world.check(customer.ref)).state == "cancelled"
        assert await world.bot.database.read(checks.photos, customer.ref) == []


async def test_photos_that_come_after_the_links_time_go_nowhere(tmp_path: Path) -> None:
    async with journey(tmp_path, clock=StoppedClock()) as world:
        customer = await agreed(world, hours=1)

        async def wait() -> None:
            world.clock.move(hours=1)

        with pytest.raises(LinkGone):
            await customer.hand_in(before=wait)
        assert world.smile_id.requests == []


async def test_a_second_device_that_opens_the_link_meanwhile_wins(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        customer = await agreed(world)
        other = customer.on(LAPTOP)
        with pytest.raises(NewerDevice):
            await customer.hand_in(before=other.open)
        assert world.smile_id.requests == []
        with pytest.raises(NotAgreed):
            await other.hand_in(before=never_read)
        await other.agree()
        assert await other.hand_in() is LinkStep.TAKEN


async def test_a_check_whose_photos_are_being_sent_is_neither_cancelled_nor_opened_elsewhere(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        customer = await agreed(world)
        heard: list[BaseException] = []

        async def meddle() -> None:
            for act in (
                world.bot.database.write(lifecycle.cancel, customer.ref, by=ANALYST, now=world.clock()),
                customer.on(LAPTOP).hand_in(before=never_read),
                customer.hand_in(before=never_read),
            ):
                (fault,) = await asyncio.gather(act, return_exceptions=True)
                assert isinstance(fault, BaseException)
                heard.append(fault)
            # No worker takes it either, whatever the clock says.
            assert await world.bot.submission.claim(32) == []
            world.clock.move(hours=1)
            assert await world.bot.submission.claim(32) == []

        world.smile_id.fail_next("put", Fault.call(before=meddle))
        assert await customer.hand_in() is LinkStep.TAKEN
        assert [type(fault).__name__ for fault in heard] == ["IllegalMove", "LinkGone", "PhotosUnderWay"]
        assert world.job().upload_count == 1


async def test_photos_of_an_altered_record_go_nowhere(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.has_thief = True
        customer = await agreed(world)

        async def steal() -> None:
            with closing(sqlite3.connect(tmp_path / "kyc.db", isolation_level=None)) as db:
                db.execute("UPDATE verifications SET country = 'KE' WHERE ref = ?", [customer.ref])

        with pytest.raises(LinkGone):
            await customer.hand_in(before=steal)
        with pytest.raises(LinkGone):
            await customer.hand_in(before=never_read)
        assert world.smile_id.requests == []


async def test_a_selfie_of_another_customers_check_goes_on_and_calls_reviewers(tmp_path: Path) -> None:
    """Nobody can be asked while the photos are in memory: a reviewer has the last word."""
    async with journey(tmp_path, **SITE) as world:
        world.slack.channels[REVIEW_CHANNEL].members.add(REVIEWER)
        first = await agreed(world, id_number=NUMBER)
        await first.hand_in()
        second = await agreed(world, number=2, token=f"{2:043}", id_number=OTHER_NUMBER)
        assert await second.hand_in() is LinkStep.TAKEN
        await world.work()
        assert "Possible fraud: this selfie was already used with a different ID number" in text(world)
        assert f"The selfie was used with another ID number in {first.ref}." in text(world)


async def test_a_check_counts_once_for_its_day_however_often_its_photos_are_taken(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_DAILY_CHECKS="5") as world:
        customer = await agreed(world)
        world.smile_id.fail_next("upload", *(Fault.status(503) for _ in range(3)))
        for _try in range(3):
            with pytest.raises(NotNow):
                await customer.hand_in()
        await customer.hand_in()

        def used(tx: Transaction) -> tuple[int, int]:
            return spending.used(tx, world.clock().date(), ANALYST)

        assert await world.bot.database.read(used) == (1, 1)
