"""*Run again* and *Cancel*: one more attempt at the same check, or none at all; never two, never the wrong one."""

import asyncio
import io
from datetime import timedelta
from pathlib import Path

import pytest

import storage.attempts
from bot.domain.check.states import State
from bot.errors import EditedMeanwhile
from bot.sandbox.demo import ANALYST, CHANNEL, settings_for
from bot.sandbox.slack import Fault as SlackFault
from bot.sandbox.slack import Modal
from bot.sandbox.smile_id import Fault, SmileIDSandbox
from bot.slack.blocks import ids
from bot.submission import checkpoints
from storage import checks
from storage.engine.database import Transaction
from tests.journeys.smile import ALL_VERIFIED, EARLY, call_back, message, pass_time, put_on_record, waiting
from tests.journeys.world import (
    ADMIN,
    PHOTOS,
    REVIEW_CHANNEL,
    REVIEWER,
    SELFIE,
    Journey,
    MovedClock,
    bot_between,
    journey,
    patient_slack,
)

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])


async def rejected(world: Journey) -> str:
    """A check that ended with a number that the authority does not know."""
    ref = await world.ask()
    await world.settle()
    assert (await world.check(ref)).state is State.REJECTED
    return ref


async def run_again(world: Journey) -> Modal:
    reply = await world.analyst.click(world.root(), ids.RUN_AGAIN)
    assert reply.ok
    modal = await world.analyst.modal()
    await world.slack.wait_for(lambda: "One moment" not in modal.text())
    return modal


async def sent_again(world: Journey, modal: Modal) -> None:
    await modal.choose("consent", ["consented"])
    submission = await modal.submit()
    assert submission.closed, submission


async def given_up_in_doubt(world: Journey) -> str:
    """Smile ID has the zip, the answer was lost, and for an hour its record could not be asked."""
    world.smile_id.fail_next("put", Fault.reset_after())
    world.smile_id.fault = lambda call, _number: Fault.status(503) if call == "job_status" else None
    ref = await world.ask()
    for _step in range(200):
        await world.work()
        if (await world.check(ref)).state is State.FAILED:
            break
        world.clock.move(seconds=60)
    assert (await world.check(ref)).failure == "unsettled"
    world.smile_id.fault = None
    return ref


def opened_forms(tx: Transaction) -> list[tuple[str, str, str]]:
    found = tx.rows("SELECT act, actor, ref FROM audit WHERE act LIKE '%.opened' ORDER BY seq")
    return [(row["act"], row["actor"], row["ref"]) for row in found]


def attempts(tx: Transaction) -> list[tuple[str, str, int]]:
    return [(row["job_id"], row["user_id"], row["round"]) for row in tx.rows("SELECT * FROM attempts ORDER BY number")]


@BOTH
async def test_a_rejected_check_runs_again_with_the_number_corrected(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        # Smile ID's sandbox knows no number but its own.
        ref = await world.ask(id_number="22222222222")
        await world.settle()
        assert (await world.check(ref)).state is State.FAILED
        root = world.root()
        modal = await run_again(world)
        assert modal.values["id_number"] == "22222222222"
        # The form shows the whole number: who opened it is recorded.
        assert await world.bot.database.read(opened_forms) == [("rerun.opened", ANALYST, ref)]
        await modal.fill("id_number", "00000000000")
        await sent_again(world, modal)
        await world.settle()

        check = await world.check(ref)
        assert (check.state, check.round, check.id_info["id_number"]) == (State.APPROVED, 2, "00000000000")
        texts = world.thread()
        assert world.root() is root
        assert len([text for text in texts if "No result" in text]) == 1
        assert "Approved — face and ID number verified" in texts[-1]
        first, second = await world.bot.database.read(attempts)
        assert first[0] != second[0]
        assert first[1] == second[1]
        assert (first[2], second[2]) == (1, 2)
        assert [job.upload_count for job in world.smile_id.jobs.values()] == [1, 1]


@BOTH
async def test_by_command_it_is_the_same_form(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode, story="rejected") as world:
        ref = await rejected(world)
        assert (await world.analyst.command(f"rerun {ref.lower()}")).ok
        modal = await world.analyst.modal()
        await world.slack.wait_for(lambda: "One moment" not in modal.text())
        assert modal.title == "Run again"
        await sent_again(world, modal)
        await world.settle()
        assert len(world.smile_id.jobs) == 2


async def test_a_late_answer_about_the_round_before_moves_nothing_of_the_new_one(tmp_path: Path) -> None:
    """Another instance sent it: what is under way here keeps no worker of that one from its check."""
    async with journey(tmp_path, story="rejected") as world:
        ref = await rejected(world)
        before, database = await world.check(ref), world.bot.database
        answered = await database.read(storage.attempts.latest, ref)
        assert answered is not None
        await sent_again(world, await run_again(world))
        check, now = await world.check(ref), world.clock()
        made = await database.write(checkpoints.record, check, replaces=None, settings=world.bot.settings, now=now)
        reconciler = world.bot.submission.reconciler
        await reconciler.received(before, answered, "answer")
        check = await world.check(ref)
        assert (check.round, check.state, check.sent_at) == (2, State.SUBMITTING, None)
        # Nor is the new round put off or ended for what becomes of the old one.
        with pytest.raises(EditedMeanwhile):
            await reconciler.retries.reschedule(before, "invented", gives_up_as="fault")
        with pytest.raises(EditedMeanwhile):
            await reconciler.retries.fail(before, "fault")
        assert await world.check(ref) == check
        assert await database.read(storage.attempts.latest, ref) == made


async def test_the_form_fills_although_slack_was_away_for_a_moment(tmp_path: Path) -> None:
    async with journey(tmp_path, story="rejected") as world:
        await rejected(world)
        world.slack.fail_next("views.update", SlackFault.status(500))
        modal = await run_again(world)
        assert modal.values["id_number"] == "00000000000"


async def test_two_people_run_it_again_once(tmp_path: Path) -> None:
    async with journey(tmp_path, story="rejected", KYC_REQUESTERS="*", KYC_ADMINS=ADMIN) as world:
        ref = await rejected(world)
        first = await run_again(world)
        musa = world.slack.person(ADMIN)
        await musa.click(world.root(), ids.RUN_AGAIN)
        second = await musa.modal()
        await world.slack.wait_for(lambda: "One moment" not in second.text())
        await sent_again(world, first)
        await second.choose("consent", ["consented"])
        refused = await second.submit()
        assert "has changed meanwhile" in str(refused.errors)
        await world.settle()
        assert (await world.check(ref)).round == 2
        assert len(world.smile_id.jobs) == 2


async def test_an_impatient_click_runs_it_again_once(tmp_path: Path) -> None:
    async with journey(tmp_path, story="rejected") as world:
        ref = await rejected(world)
        modal = await run_again(world)
        await modal.choose("consent", ["consented"])
        submissions = await asyncio.gather(*(modal.submit() for _ in range(4)))
        assert all(not s.errors and not s.problem for s in submissions), submissions
        await world.settle()
        assert (await world.check(ref)).round == 2
        assert len(world.smile_id.jobs) == 2


async def test_a_restart_before_it_is_sent_again_sends_it_once(tmp_path: Path) -> None:
    clock = MovedClock()
    slack = patient_slack(clock)
    smile_id = SmileIDSandbox(
        partner_id="0421", api_key="sandbox-api-key", story="rejected", callback_delay_seconds=0, clock=clock
    )
    await slack.start()
    await smile_id.start()
    try:
        environment = settings_for(
            slack, smile_id, database=tmp_path / "kyc.db", socket_mode=False, KYC_SLACK_POSTS_PER_SECOND="1000"
        )
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            ref = await rejected(world)
            smile_id.story = "approved"
            await sent_again(world, await run_again(world))
            assert len(smile_id.jobs) == 1
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            await world.settle()
            check = await world.check(ref)
            assert (check.state, check.round) == (State.APPROVED, 2)
            assert [job.upload_count for job in smile_id.jobs.values()] == [1, 1]
            assert len([text for text in world.thread() if "Approved — face and ID number verified" in text]) == 1
    finally:
        await smile_id.stop()
        await slack.stop()


async def test_what_it_took_counts_from_the_new_sending(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        await world.analyst.command(f"cancel {ref}")
        world.clock.move(days=3)
        await world.work()
        await sent_again(world, await run_again(world))
        await world.settle()
        assert "Approved" in world.thread()[-1]
        assert "took" in world.thread()[-1]
        assert "days" not in world.thread()[-1]


@pytest.mark.parametrize("leave_out", [False, True], ids=["the old one still chosen", "the old one left out"])
async def test_a_new_selfie_takes_the_place_of_the_old_one(tmp_path: Path, *, leave_out: bool) -> None:
    async with journey(tmp_path, story="rejected") as world:
        await rejected(world)
        modal = await run_again(world)
        if leave_out:
            field = next(b["block_id"] for b in modal.blocks if b["block_id"].startswith(ids.PHOTO))
            await modal.choose(field, ids.LEAVE_OUT)
        assert "It replaces the selfie above." in modal.text()
        other = (PHOTOS / "liveness_0.jpg").read_bytes()
        await modal.attach("selfie", await world.analyst.upload(other, "other.jpg"))
        await sent_again(world, modal)
        await world.settle()
        first, second = (next(iter(job.entries.values())) for job in world.smile_id.jobs.values())
        assert first != second


async def test_eight_new_liveness_images_take_the_place_of_the_old_ones(tmp_path: Path) -> None:
    frames = [(PHOTOS / f"liveness_{n}.jpg").read_bytes() for n in range(8)]
    async with journey(tmp_path, story="rejected") as world:
        modal = await world.fill(await world.form())
        await modal.attach("liveness", *[await world.analyst.upload(one, f"{n}.jpg") for n, one in enumerate(frames)])
        assert (await modal.submit()).closed
        await world.settle()
        modal = await run_again(world)
        newer = [await world.analyst.upload(one, f"new {n}.jpg") for n, one in enumerate(reversed(frames))]
        await modal.attach("liveness", *newer)
        await sent_again(world, modal)
        photos = await world.bot.database.read(checks.photos, await world.newest())
        assert [one.file_id for one in photos][1:] == [file.id for file in newer]


async def test_photos_that_slack_no_longer_has_are_named(tmp_path: Path) -> None:
    async with journey(tmp_path, story="rejected") as world:
        await rejected(world)
        for file in world.slack.files.values():
            file.is_deleted = True
        modal = await run_again(world)
        assert "Selfie of the last time: " in modal.text()
        await modal.choose("consent", ["consented"])
        refused = await modal.submit(client_checks=False)
        assert "selfie" in (refused.errors or {})


async def test_what_comes_late_of_the_old_job_changes_nothing(tmp_path: Path) -> None:
    async with journey(tmp_path, story="rejected", KYC_REVIEW_CHANNEL=REVIEW_CHANNEL) as world:
        ref = await rejected(world)
        old = world.job()
        world.smile_id.story = "never"
        await sent_again(world, await run_again(world))
        # Before the new attempt is even recorded.
        assert await world.smile_id.send_callback(old.job_id, message(old, "0811", "again")) == 200
        await world.work()
        assert await world.smile_id.send_callback(old.job_id, message(old, "0814")) == 200
        await world.work()
        assert (await world.check(ref)).state is State.PROCESSING
        assert len([text for text in world.thread() if "Rejected" in text]) == 1
        # Another final result of the old job is new to everybody: people hear, and the check stays where it is.
        assert await world.smile_id.send_callback(old.job_id, message(old, "0810")) == 200
        await world.work()
        assert (await world.check(ref)).state is State.PROCESSING
        assert "reports a result of an earlier attempt" in world.thread()[-1]
        assert "earlier attempt" in world.notices()[-1]
        assert "Approved —" not in " ".join(world.thread())


async def test_an_approval_is_new_although_its_code_meant_none_before(tmp_path: Path) -> None:
    unverified = {**ALL_VERIFIED, "Verify_ID_Number": "Not Verified"}
    async with waiting(tmp_path) as (world, ref):
        await call_back(world, "0810", actions=unverified)
        await world.work()
        assert "ID number not verified" in world.thread()[-1]
        put_on_record(world, "0811")
        await call_back(world, "0811")
        await world.work()
        assert (await world.check(ref)).state is State.REJECTED
        old = world.job()
        await sent_again(world, await run_again(world))
        assert await world.smile_id.send_callback(old.job_id, message(old, "0810")) == 200
        await world.work()
        assert "reports a result of an earlier attempt" in world.thread()[-1]


async def test_an_unconfirmed_result_is_polled_once_more_when_the_check_runs_again(tmp_path: Path) -> None:
    async with waiting(tmp_path, KYC_REVIEW_CHANNEL=REVIEW_CHANNEL) as (world, ref):
        await call_back(world, "0811")
        await pass_time(world, 0, 2, 5, 15, 60, 40)
        assert "(not yet confirmed)" in world.thread()[-1]
        # What Smile ID holds on record is something else, and it never calls back again.
        put_on_record(world, "0810")
        await sent_again(world, await run_again(world))
        await world.work()
        assert (await world.check(ref)).state is State.PROCESSING
        assert len([text for text in world.thread() if "reports a result of an earlier attempt" in text]) == 1
        assert "earlier attempt" in world.notices()[-1]
        old = next(iter(world.smile_id.jobs))
        await pass_time(world, EARLY)
        before = sum(r.call == "job_status" for r in world.smile_id.requests)
        world.smile_id.jobs[old].record.append(message(world.smile_id.jobs[old], "0811"))
        await pass_time(world, 60, 120)
        assert len([text for text in world.thread() if "reports a result of an earlier attempt" in text]) == 1
        assert sum(r.call == "job_status" for r in world.smile_id.requests) == before


async def test_a_job_given_up_in_doubt_keeps_its_promised_poll_when_the_check_runs_again(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never", public=False, KYC_REVIEW_CHANNEL=REVIEW_CHANNEL) as world:
        ref = await given_up_in_doubt(world)
        old = world.job()
        await sent_again(world, await run_again(world))
        await world.work()
        old.record.append(message(old, "0810"))
        world.clock.move(hours=1, minutes=1)
        await world.work()
        assert (await world.check(ref)).state is State.PROCESSING
        assert len([text for text in world.thread() if "reports a result of an earlier attempt" in text]) == 1


async def test_a_failure_of_the_second_round_is_posted_too(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask(selfie=SELFIE[:2000])
        await world.settle()
        assert (await world.check(ref)).state is State.FAILED
        modal = await run_again(world)
        await sent_again(world, modal)
        await world.settle()
        assert len([text for text in world.thread() if "a photo could not be sent" in text]) == 2
        assert not world.smile_id.jobs


@pytest.mark.parametrize(("story", "words"), [("approved", "it is approved"), ("never", "still under way")])
async def test_what_is_approved_or_under_way_is_not_run_again(tmp_path: Path, story: str, words: str) -> None:
    async with journey(tmp_path, story=story) as world:
        ref = await world.ask()
        await world.work()
        if story == "approved":
            await world.settle()
        reply = await world.analyst.command(f"rerun {ref}")
        assert words in reply.text
        assert ids.RUN_AGAIN not in str(world.root().blocks)


async def test_a_strangers_check_is_as_good_as_none(tmp_path: Path) -> None:
    async with journey(
        tmp_path, story="rejected", KYC_REQUESTERS="*", KYC_REVIEWERS=REVIEWER, KYC_ADMINS=ADMIN
    ) as world:
        ref = await rejected(world)
        world.slack.add_user("U0BIMPE0001", "bimpe")
        other = world.slack.person("U0BIMPE0001")
        for word in ("rerun", "cancel"):
            of_this, of_none = [(await other.command(f"{word} {named}")).text for named in (ref, "K-AAAAAA")]
            assert of_this.startswith(f"No check {ref}")
            assert of_this.replace(ref, "…") == of_none.replace("K-AAAAAA", "…")
        await other.click(world.root(), ids.RUN_AGAIN)
        await world.slack.wait_for(lambda: bool(world.slack.ephemerals("U0BIMPE0001")))
        assert "No check" in world.slack.ephemerals("U0BIMPE0001")[-1].text
        check = await world.check(ref)
        assert (check.state, check.round) == (State.REJECTED, 1)


async def test_when_the_register_was_away_a_later_time_can_be_chosen(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await world.ask()
        await world.work()
        await world.smile_id.wait_for(lambda: world.job().processed)
        put_on_record(world, "1015")
        await call_back(world, "1015")
        await world.work()
        assert (await world.check(ref)).state is State.FAILED
        modal = await run_again(world)
        later = world.clock() + timedelta(hours=3)
        await modal.choose(ids.NOT_BEFORE, later)
        await sent_again(world, modal)
        await world.work()
        assert "Will be sent" in world.slack.plain(world.root())
        assert len(world.smile_id.jobs) == 1
        world.clock.move(hours=3, minutes=1)
        await world.work()
        assert len(world.smile_id.jobs) == 2


async def test_what_waits_for_its_chosen_time_can_be_cancelled(tmp_path: Path) -> None:
    async with waiting(tmp_path) as (world, ref):
        put_on_record(world, "1015")
        await call_back(world, "1015")
        await world.work()
        modal = await run_again(world)
        await modal.choose(ids.NOT_BEFORE, world.clock() + timedelta(days=8))
        await modal.choose("consent", ["consented"])
        assert (await modal.submit()).errors == {ids.NOT_BEFORE: "At most 7 days from now."}
        await modal.choose(ids.NOT_BEFORE, world.clock() + timedelta(days=2))
        assert (await modal.submit()).closed
        await world.work()
        await world.analyst.click(world.root(), ids.CANCEL)
        world.clock.move(days=3)
        await world.settle()
        assert (await world.check(ref)).state is State.CANCELLED
        assert len(world.smile_id.jobs) == 1


# Cancel


@BOTH
async def test_what_was_not_sent_can_be_cancelled(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        ref = await world.ask()
        for post in await world.bot.outbox.claim(8):
            await world.bot.outbox.work(post)
        assert (await world.analyst.click(world.root(), ids.CANCEL)).ok
        await world.slack.wait_for(lambda: bool(world.slack.ephemerals(ANALYST)))
        await world.settle()
        assert (await world.check(ref)).state is State.CANCELLED
        assert "Cancelled by @amina before it was sent" in world.thread()[-1]
        assert "Nothing was charged" in world.thread()[-1]
        assert "Cancelled" in world.slack.plain(world.root())
        assert not world.smile_id.jobs


async def test_what_was_sent_can_not(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        ref = await world.ask()
        await world.work()
        assert "can no longer be cancelled" in (await world.analyst.command(f"cancel {ref}")).text
        assert (await world.check(ref)).state is State.PROCESSING


async def test_a_cancelled_check_runs_again(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        assert "Nothing was charged" in (await world.analyst.command(f"cancel {ref}")).text
        await world.work()
        await sent_again(world, await run_again(world))
        await world.settle()
        assert (await world.check(ref)).state is State.APPROVED
        assert len(world.smile_id.jobs) == 1


async def test_cancel_and_send_at_the_same_moment_do_one_of_them(tmp_path: Path) -> None:
    for attempt in range(6):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        async with journey(folder) as world:
            ref = await world.ask()

            async def cancel(world: Journey = world, ref: str = ref, wait: float = attempt * 0.004) -> None:
                await asyncio.sleep(wait)
                await world.analyst.command(f"cancel {ref}")

            await asyncio.gather(world.work(), cancel())
            await world.settle()
            state = (await world.check(ref)).state
            assert (state is State.CANCELLED) is (not world.smile_id.jobs)
            assert state in {State.CANCELLED, State.APPROVED}


async def test_a_check_in_its_backoff_can_be_cancelled_before_it_was_recorded_alone(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.fail_next("upload", Fault.status(500))
        ref = await world.ask()
        for due in await world.bot.submission.claim(8):
            await world.bot.submission.work(due)
        # The attempt is recorded: nobody knows for sure what Smile ID has, so it goes on.
        assert "can no longer be cancelled" in (await world.analyst.command(f"cancel {ref}")).text


async def test_nothing_typed_behind_a_word_is_logged(tmp_path: Path, log_lines: io.StringIO) -> None:
    async with journey(tmp_path) as world:
        for word in ("rerun", "cancel", "find", "list"):
            await world.analyst.command(f"{word} 22212345678")
        assert "22212345678" not in log_lines.getvalue()
        assert all("22212345678" not in m.text for m in world.slack.messages(CHANNEL))
