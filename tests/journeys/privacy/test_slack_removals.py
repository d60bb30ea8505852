"""What the bot forgets goes in Slack, too: our messages and files, people's photos, or who put them there is asked."""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

import pytest

from bot.domain.privacy.clocks import Clock
from bot.domain.privacy.slack_removals import Removal, RemovalState, SlackRemoval
from bot.outbox import refresh
from bot.privacy.slack_asks import ask
from bot.runtime.health import Degraded
from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Fault, SlackFile
from storage import retention, slack_removals
from storage.engine.database import Transaction
from tests.journeys.intake.test_batches import batch_message, bots_files, csv_of, drop, person, send
from tests.journeys.intake.test_batches import photos as customers
from tests.journeys.intake.test_file_approvals import only_file
from tests.journeys.world import ADMIN, REVIEW_CHANNEL, SELFIE, Journey, MovedClock, journey, patient_slack

pytestmark = pytest.mark.anyio

EVERYTHING = tuple(Clock)
OF_THE_CUSTOMER = "BVN"


def erase(tx: Transaction, ref: str, what: Collection[Clock], now: datetime) -> int:
    """As a purge does it, and an erasure: in one transaction."""
    asked = ask(tx, ref, what=what, at=now)
    for clock, function in (
        (Clock.PHOTOS, retention.erase_photos),
        (Clock.PERSONAL, retention.erase_personal),
        (Clock.RECORD, retention.erase_record),
    ):
        if clock in what:
            function(tx, ref, at=now)
    return asked


async def forget(world: Journey, ref: str, *what: Clock) -> None:
    await world.bot.database.write(erase, ref, what or EVERYTHING, world.clock())
    await world.work()


async def pending(world: Journey, ref: str) -> list[SlackRemoval]:
    return await world.bot.database.read(slack_removals.pending, ref)


def photos(world: Journey) -> list[SlackFile]:
    return [file for file in world.slack.files.values() if file.user == ANALYST]


def deleted(world: Journey) -> list[str]:
    return [file.id for file in photos(world) if file.is_deleted]


def everything_said(world: Journey) -> list[str]:
    """All messages of the bot that stand anywhere, as read; of blocks, everything that is in them."""
    found = []
    for channel in (CHANNEL, REVIEW_CHANNEL):
        found += [f"{message.text} {message.blocks}" for message in world.slack.messages(channel)]
    for user in (ANALYST, ADMIN):
        found += [f"{message.text} {message.blocks}" for message in world.slack.direct_messages(user)]
    return found


async def test_messages_are_rewritten_and_whoever_put_a_photo_there_is_asked_once(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REVIEW_NOTIFY="all") as world:
        ref = await world.ask(liveness=8, customer_reference="CUST-invented")
        await world.settle()
        assert any(OF_THE_CUSTOMER in said for said in everything_said(world))
        before = len(world.slack.messages(CHANNEL))
        await forget(world, ref)
        world.clock.move(minutes=6)
        await world.work()
        said = everything_said(world)
        assert [one for one in said if OF_THE_CUSTOMER in one] == []
        assert len(world.slack.messages(CHANNEL)) == before
        assert all(ref in world.slack.plain(message) for message in world.slack.messages(CHANNEL))
        assert all("Erased on" in world.slack.plain(message) for message in world.slack.messages(CHANNEL))
        # No button leads anywhere any more.
        assert not any('"actions"' in one or "'actions'" in one for one in said if "Erased on" in one)
        # Nobody lets the bot delete other people's files: one message for all nine.
        (asked,) = [text for text in world.direct(ANALYST) if "Still in Slack: 9 files of yours" in text]
        assert ref in asked
        (message,) = [m for m in world.slack.direct_messages(ANALYST) if "Still in Slack" in m.text]
        links = [photo.as_json(world.slack.api_url.removesuffix("/api/"))["permalink"] for photo in photos(world)]
        for link in links:
            # A link without the name that the file had.
            assert link.rpartition("/")[0] in str(message.blocks)
        assert "selfie.jpg" not in str(message.blocks)
        left = await pending(world, ref)
        assert {(one.what, one.state, one.why) for one in left} == {(Removal.FILE, RemovalState.LEFT, "no_user_token")}
        figures = (await world.bot.figures()).decode()
        assert 'kyc_slack_removals{state="left",what="file"} 9.0' in figures
        # The author deletes them, and nobody is asked a second time.
        for photo in photos(world):
            photo.is_deleted = True
        world.clock.move(days=1)
        await world.work()
        assert await pending(world, ref) == []
        assert len([text for text in world.direct(ANALYST) if "Still in Slack" in text]) == 1
        acts = await world.bot.database.read(
            lambda tx: tx.column("SELECT act FROM audit WHERE ref = :ref AND act LIKE 'slack.%'", ref=ref)
        )
        assert acts == ["slack.left"] * 9 + ["slack.erased"]


async def test_a_token_of_an_admin_deletes_what_it_sees_and_no_photo_before_its_clock(tmp_path: Path) -> None:
    clock = MovedClock()
    slack = patient_slack(clock)
    token = slack.token_of(ADMIN)
    async with journey(tmp_path, slack=slack, clock=clock, KYC_SLACK_USER_TOKEN=token) as world:
        ref = await world.ask()
        await world.settle()
        (photo,) = photos(world)
        message = world.root()
        await world.analyst.say(CHANNEL, "here it is", files=[photo])
        await forget(world, ref, Clock.PERSONAL)
        assert deleted(world) == []
        assert "The result is kept" in world.slack.plain(message)
        other = await world.ask()
        await world.settle()
        await forget(world, ref, Clock.PHOTOS)
        assert deleted(world) == [photo.id]
        assert (await pending(world, ref), await pending(world, other)) == ([], [])
        # A photo of a form is nobody's to see but its sender's and the bot's.
        await forget(world, other)
        (left,) = await pending(world, other)
        assert (left.why, left.author) == ("user_token_cannot_see", ANALYST)
        world.clock.move(minutes=6)
        await world.work()
        assert len([text for text in world.direct(ANALYST) if "Still in Slack: 1 file of yours" in text]) == 1
        assert token not in repr(world.bot.settings)
        assert token not in (await world.bot.figures()).decode()


@pytest.mark.parametrize("refusal", ["cant_delete_file", "file_deleting_disabled"])
async def test_what_even_an_admin_may_not_delete_is_left_to_its_author(tmp_path: Path, refusal: str) -> None:
    clock = MovedClock()
    slack = patient_slack(clock)
    token = slack.token_of(ADMIN, admin=refusal != "cant_delete_file")
    if refusal == "file_deleting_disabled":
        slack.forbid_deleting_files()
    async with journey(tmp_path, slack=slack, clock=clock, KYC_SLACK_USER_TOKEN=token) as world:
        ref = await world.ask()
        await world.settle()
        (photo,) = photos(world)
        await world.analyst.say(CHANNEL, "here it is", files=[photo])
        await forget(world, ref)
        assert [one.why for one in await pending(world, ref)] == [refusal]
        world.clock.move(minutes=6)
        await world.work()
        assert len([text for text in world.direct(ANALYST) if "Still in Slack: 1 file of yours" in text]) == 1


async def test_a_token_of_another_workspace_or_none_deletes_nothing_and_says_so(tmp_path: Path) -> None:
    clock = MovedClock()
    slack = patient_slack(clock)
    slack.add_user("U0OTHER0001", "other", team_id="T0OTHER0001")
    token = slack.token_of("U0OTHER0001")
    async with journey(tmp_path, slack=slack, clock=clock, KYC_SLACK_USER_TOKEN=token) as world:
        ref = await world.ask()
        await world.settle()
        (photo,) = photos(world)
        await world.analyst.say(CHANNEL, "here it is", files=[photo])
        await forget(world, ref, Clock.PHOTOS)
        (left,) = await pending(world, ref)
        assert left.why == "user_token_refused"
        assert "another workspace" in world.bot.health.degraded[Degraded.SLACK_DELETIONS]
        assert world.bot.health.refusal_of_slack is None
        assert deleted(world) == []
        # Once the token is good, what was left is tried at once, and not when its time comes again.
        slack.users["U0OTHER0001"].team_id = slack.users[ADMIN].team_id
        await world.bot.slack_removals.tick()
        assert Degraded.SLACK_DELETIONS not in world.bot.health.degraded
        await world.work()
        assert deleted(world) == [photo.id]
        assert await pending(world, ref) == []


BROKEN = {
    "channel_not_found": RemovalState.LEFT,
    "is_inactive": RemovalState.LEFT,
    "message_not_found": RemovalState.DONE,
    "edit_window_closed": RemovalState.DONE,
    "cant_update_message": RemovalState.DONE,
    "invalid_auth": RemovalState.DUE,
    "something_new": RemovalState.DUE,
}


@pytest.mark.parametrize(("error", "ends"), BROKEN.items())
async def test_each_word_of_slack_for_a_message_has_its_end(tmp_path: Path, error: str, ends: RemovalState) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await world.ask()
        await world.work()
        await world.bot.database.write(ask, ref, what=[Clock.PERSONAL], at=world.clock())
        world.slack.fail_next("chat.update", Fault.error(error))
        (row,) = await world.bot.slack_removals.claim(9)
        await world.bot.slack_removals.work(row)
        (found,) = await world.bot.database.read(slack_removals.of_check, ref)
        assert found.state is ends
        gone = error in ("edit_window_closed", "cant_update_message")
        assert (len(world.slack.messages(CHANNEL)) == 0) is gone
        # Whatever it was, later it goes.
        world.clock.move(days=2)
        await world.work()
        assert await pending(world, ref) == []


@pytest.mark.parametrize(
    "fault", [Fault.reset_after(), Fault.rate_limited(30), Fault.status(503)], ids=["lost", "pace", "away"]
)
async def test_a_call_that_breaks_is_made_again(tmp_path: Path, fault: Fault) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await world.ask()
        await world.work()
        await world.bot.database.write(ask, ref, what=[Clock.PERSONAL], at=world.clock())
        world.slack.fail_next("chat.update", fault)
        await world.work()
        assert len(await pending(world, ref)) == 1
        assert await world.bot.slack_removals.claim(9) == []
        world.clock.move(minutes=1)
        await world.work()
        assert await pending(world, ref) == []
        assert "Erased on" in world.slack.plain(world.root())


async def test_while_slack_is_away_nobody_is_asked_and_nothing_is_given_up(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        await world.settle()
        world.slack.fault = lambda method, _number: Fault.status(503) if method == "files.info" else None
        await forget(world, ref, Clock.PHOTOS)
        for _try in range(12):
            world.clock.move(minutes=6)
            await world.work()
        (waiting,) = await pending(world, ref)
        assert (waiting.state, waiting.tries >= 9) == (RemovalState.DUE, True)
        assert not any("Still in Slack" in text for text in world.direct(ANALYST))
        world.slack.fault = None
        world.clock.move(minutes=6)
        await world.work()
        assert [one.why for one in await pending(world, ref)] == ["no_user_token"]


async def test_a_bot_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await world.ask()
        await world.work()
        await world.bot.database.write(ask, ref, what=[Clock.PERSONAL], at=world.clock())
        (row,) = await world.bot.slack_removals.claim(9)
        # Killed with the row in its hands: the lease runs out.
        world.clock.move(minutes=6)
        (again,) = await world.bot.slack_removals.claim(9)
        assert again.id == row.id
        await world.bot.slack_removals.work(again)
        await world.bot.slack_removals.work(row)
        assert await pending(world, ref) == []
        assert "Erased on" in world.slack.plain(world.root())


async def test_the_message_that_asked_is_left_to_its_author(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        direct = world.analyst.direct_channel_id
        file = await world.analyst.upload(SELFIE, "selfie.jpg")
        await world.analyst.say(direct, "BVN 00000000000", files=[file])
        await world.answered()
        await world.work()
        (summary,) = world.slack.direct_messages(ANALYST)[-1:]
        buttons = [e for b in summary.blocks if b["type"] == "actions" for e in b["elements"]]
        await world.analyst.click(summary, buttons[0]["action_id"])
        await world.answered()
        await world.settle()
        ref = await world.newest()
        await forget(world, ref)
        assert {(one.what, one.why) for one in await pending(world, ref)} == {
            (Removal.WRITTEN, "still_written"),
            (Removal.FILE, "no_user_token"),
        }
        world.clock.move(minutes=6)
        await world.work()
        assert "Still in Slack: 1 file and 1 message of yours" in world.direct(ANALYST)[-1]


async def test_photos_that_were_posted_in_the_thread_go_with_the_others(tmp_path: Path) -> None:
    clock = MovedClock()
    slack = patient_slack(clock)
    token = slack.token_of(ADMIN)
    async with journey(tmp_path, slack=slack, clock=clock, KYC_SLACK_USER_TOKEN=token) as world:
        ref = await world.ask()
        await world.settle()
        root = world.root()
        shared, elsewhere, paper = [
            await world.analyst.upload(SELFIE, name) for name in ("again.jpg", "other.jpg", "paper.pdf")
        ]
        await world.analyst.say(CHANNEL, "", files=[shared, paper], thread_ts=root.ts)
        await world.analyst.say(CHANNEL, "", files=[elsewhere])
        await forget(world, ref, Clock.PHOTOS)
        world.clock.move(seconds=1)
        await world.work()
        # What is no picture may be anything, and what stands elsewhere is of another matter.
        assert deleted(world) == [shared.id]
        left = await pending(world, ref)
        assert [(one.what, one.why) for one in left] == [(Removal.FILE, "user_token_cannot_see")]


async def test_a_home_tab_shows_nothing_of_it_however_long_ago_it_was_opened(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        await world.settle()
        await world.bot.home.opened(ANALYST)
        await world.work()
        assert ref in str(world.analyst.home)
        # Nobody has looked at it for so long that it is not kept fresh any more.
        world.clock.move(days=30)
        await world.work()
        assert ref in str(world.analyst.home)
        await forget(world, ref)
        world.clock.move(minutes=1)
        await world.work()
        assert ref not in str(world.analyst.home)


async def _done_below_a_message_posted_anew(world: Journey, *, times: int, leaves_stone: bool) -> str:
    """A file whose faults stand in the thread of its first message; as an older version, which kept no ids of files."""
    faulty = {**person(1), "id_number": "no number"}
    await drop(world, {"people.csv": csv_of([person(0, "22222222220"), faulty]), **customers(2)})
    for _time in range(times):
        world.clock.move(hours=25)
        world.slack.delete_message(CHANNEL, batch_message(world).ts, tombstone=leaves_stone)
        await world.bot.database.write(refresh.batch_changed, await only_file(world), now=world.clock())
        await world.settle()
    await send(world)
    assert len(bots_files(world)) == 2

    def forget_ids(tx: Transaction) -> None:
        tx.run("UPDATE posts SET note = json_remove(note, '$.file') WHERE kind IN ('batch_faults', 'batch_results')")

    await world.bot.database.write(forget_ids)
    ref = await world.newest()
    await forget(world, ref, Clock.PERSONAL)
    for _call in range(4):
        world.clock.move(seconds=30)
        await world.work()
    return ref


@pytest.mark.parametrize("times", [1, 2])
async def test_a_file_of_an_older_version_below_a_message_that_was_deleted_since_is_found_there(
    tmp_path: Path, times: int
) -> None:
    async with journey(tmp_path) as world:
        ref = await _done_below_a_message_posted_anew(world, times=times, leaves_stone=True)
        assert [name for name, file in bots_files(world).items() if not file.is_deleted] == []
        assert [one for one in await pending(world, ref) if one.what is Removal.UPLOAD] == []


async def test_one_whose_thread_is_gone_stays_on_the_list_for_it_may_be_in_slack_all_the_same(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await _done_below_a_message_posted_anew(world, times=1, leaves_stone=False)
        (left,) = [one for one in await pending(world, ref) if one.what is Removal.UPLOAD]
        assert left.why == "thread_not_found"
        assert [name for name, file in bots_files(world).items() if not file.is_deleted and "faults" not in name] == []
