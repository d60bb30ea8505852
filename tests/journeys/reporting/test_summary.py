"""The managers' summary as they read it: in the channel, with picture and file, on request, shared, for machines."""

import asyncio
import csv
import io
import json
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from PIL import Image

from bot.domain.reporting.figure_tables import record
from bot.domain.reporting.summary_command import parse
from bot.reporting import report_reader
from bot.runtime.bot import Timeouts
from bot.sandbox.demo import ANALYST, settings_for
from bot.sandbox.slack import Fault, Message
from bot.sandbox.slack.files import SlackFile
from bot.sandbox.smile_id import SmileIDSandbox
from bot.slack.blocks import ids
from storage.engine.database import Transaction
from tests.journeys.review.test_review import decide, press, stands
from tests.journeys.world import (
    ADMIN,
    PATIENT,
    REVIEW_CHANNEL,
    REVIEWER,
    Journey,
    MovedClock,
    bot_between,
    journey,
    patient_slack,
)
from tests.patience import GIVE_UP_SECONDS

pytestmark = pytest.mark.anyio

READERS = 2
"""Of the database, at the same time."""
LAGOS = ZoneInfo("Africa/Lagos")
MANAGER = "U0MEERA0001"
MANAGERS = "C0KYCMGR001"
TUESDAY = datetime(2026, 11, 24, 10, tzinfo=LAGOS)
STORIES = {
    **{f"0000000000{n}": "approved" for n in range(6)},
    "11111111111": "rejected",
    "22222222222": "authority_down",
    "33333333333": "provisional",
}
"""A day of nine checks by ID number, and how Smile ID's stand-in plays each."""
OPENING = "KYC, Tuesday 24 November"
NINE = "6 approved · 1 rejected · 1 no result · 1 still open."


@asynccontextmanager
async def office(folder: Path, *, timeouts: Timeouts = PATIENT) -> AsyncIterator[Journey]:
    """A team with a manager and the managers' channel, on a Tuesday at ten."""
    clock = MovedClock()
    slack = patient_slack(clock)
    slack.add_user(MANAGER, "meera")
    slack.add_channel(MANAGERS, "kyc-managers", private=True, members=[MANAGER])
    go_to(clock, TUESDAY)
    async with journey(
        folder,
        slack=slack,
        clock=clock,
        timeouts=timeouts,
        KYC_SUMMARY_CHANNEL=MANAGERS,
        KYC_MANAGERS=MANAGER,
        KYC_ADMINS=ADMIN,
    ) as world:
        world.smile_id.stories_by_id_number.update(STORIES)
        await world.bot.summary.tick()
        yield world


def go_to(clock: MovedClock, moment: datetime) -> None:
    clock.offset = moment - datetime.now(UTC)


async def a_day_of_checks(world: Journey) -> list[str]:
    refs = [await world.ask(id_number=number) for number in STORIES]
    await world.settle()
    return refs


async def a_day_with_a_check(world: Journey) -> None:
    """Enough to be summed up with a picture and a file, where nothing is counted."""
    await world.ask()
    await world.settle()


async def morning(world: Journey, day: int = 25, hour: int = 8) -> None:
    """The hour comes; what is to be said is said."""
    go_to(world.clock, TUESDAY.replace(day=day, hour=hour))
    await world.bot.summary.tick()
    await world.work()


def roots(world: Journey, channel: str = MANAGERS) -> list[Message]:
    return [m for m in world.slack.messages(channel) if m.thread_ts in (None, m.ts)]


def files(world: Journey, channel: str = MANAGERS) -> list[tuple[Message, SlackFile]]:
    return world.slack.bot_files(channel)


def lines(file: SlackFile) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"), newline="")))


# By the clock


async def test_a_day_of_checks_is_summed_up_next_morning(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        refs = await a_day_of_checks(world)
        await morning(world)
        (root,) = roots(world)
        said = world.slack.plain(root)
        # To the minute it depends on how busy the machine is.
        assert re.match(
            rf"{OPENING}\n1 review over 4 h needs you\n"
            rf"Oldest: {refs[8]} \(http\S+\) \([a-z ]*card \(http\S+\)\), "
            r"(21 h 5\d min|22 h), in human review at Smile ID\n",
            said,
        )
        assert "Waiting for review: 1 · Still open: 1 check" in said
        oldest = await world.check(refs[8])
        assert f"/archives/{oldest.channel}/p{str(oldest.message_ts).replace('.', '')}|{refs[8]}>" in str(root.blocks)
        for part in (NINE, "9 checks", "Approval rate 86\u00a0%", "No result: 1", "Median "):
            assert part in said
        assert "Posted late" not in said
        # The rest is below the file; by name, and nobody is called.
        more = str(files(world)[1][0].text)
        assert "Nigeria · BVN: 9 asked, 6 approved, 1 rejected, 1 no result, 1 still open" in more
        assert "register unavailable 1 ×" in more
        assert "*Rejected because*: the selfie does not match the authority's photo (1)" in more
        assert "*No result because*: the authority's register is unavailable (1)" in more
        assert "amina: 9 asked" in more
        assert "<@" not in json.dumps(root.blocks) + more


async def test_the_picture_and_the_table_are_in_its_thread_with_the_same_figures(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        refs = await a_day_of_checks(world)
        await morning(world)
        (root,) = roots(world)
        (picture_message, picture), (table_message, table) = files(world)
        assert picture_message.thread_ts == table_message.thread_ts == root.ts
        assert picture.name == "kyc-day-2026-11-24.png"
        assert table.name == "kyc-day-2026-11-24.csv"
        with Image.open(io.BytesIO(picture.content)) as image:
            assert (image.format, image.size) == ("PNG", (1080, 1080))
        assert (
            "9 checks: 6 approved, 1 rejected, 1 no result, 1 still open. Approval rate 86\u00a0%." in picture.alt_text
        )
        assert "Nigeria · BVN 9" in picture.alt_text
        by_section: dict[str, list[dict[str, str]]] = {}
        for line in lines(table):
            by_section.setdefault(line["section"], []).append(line)
        (period,) = by_section["period"]
        counts = [period[name] for name in ("asked", "approved", "rejected", "no_result", "open")]
        assert (period["name"], counts) == ("2026-11-24", ["9", "6", "1", "1", "1"])
        assert period["approval_rate"] == "0.8571"
        assert [line["name"] for line in by_section["requester"]] == [ANALYST]
        assert [(line["name"], line["over_time"]) for line in by_section["in review"]] == [(refs[8], "yes")]


async def test_it_appears_once_despite_restarts_and_lost_answers(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        await a_day_with_a_check(world)
        for method in ("chat.postMessage", "files.completeUploadExternal"):
            world.slack.fail_next(method, Fault.reset_after())
        await morning(world)
        for _restart in range(2):
            async with restarted(world, tmp_path) as again:
                await again.bot.summary.tick()
                for _round in range(4):
                    again.clock.move(seconds=10)
                    await again.work()
        assert [OPENING in world.slack.plain(m) for m in roots(world)] == [True]
        assert sorted(file.name for _m, file in files(world)) == ["kyc-day-2026-11-24.csv", "kyc-day-2026-11-24.png"]


@asynccontextmanager
async def restarted(world: Journey, folder: Path) -> AsyncIterator[Journey]:
    """The next process with the same database, between the same stand-ins."""
    smile_id: SmileIDSandbox = world.smile_id
    environment = settings_for(
        world.slack,
        smile_id,
        database=folder / "kyc.db",
        socket_mode=False,
        KYC_ENCRYPTION_KEYS=world.bot.settings.encryption_keys.get_secret_value(),
        KYC_SUMMARY_CHANNEL=MANAGERS,
        KYC_MANAGERS=MANAGER,
        KYC_SLACK_POSTS_PER_SECOND="1000",
    )
    async with bot_between(world.slack, smile_id, environment, clock=world.clock) as again:
        yield again


async def test_a_quiet_day_is_one_plain_line_without_picture_or_file(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        await morning(world)
        (root,) = roots(world)
        said = world.slack.plain(root)
        assert said.startswith(f"{OPENING}\nNothing needs you · no check is open\nYesterday nobody asked for a check.")
        assert "thread" not in said
        assert files(world) == []


async def test_a_late_summary_says_so_and_old_ones_are_one_line(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        await a_day_of_checks(world)
        await morning(world, day=28, hour=15)
        said = [world.slack.plain(m) for m in roots(world)]
        assert "9 checks in 1 earlier day: Tuesday 24 November." in said[0]
        assert "/kyc summary 2026-11-24" in said[0]
        for text, day in zip(said[1:], ("Wednesday 25", "Thursday 26", "Friday 27"), strict=True):
            assert f"KYC, {day} November" in text
            assert "Posted late: due" in text


async def test_a_week_is_compared_with_the_week_before(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        await a_day_of_checks(world)
        await morning(world, day=30)
        week = next(text for text in map(world.slack.plain, roots(world)) if "week of" in text)
        assert "KYC, week of 23 to 29 November\n" in week
        assert NINE in week
        assert "the week before" not in week
        go_to(world.clock, datetime(2026, 12, 7, 8, tzinfo=LAGOS))
        await world.bot.summary.tick()
        await world.work()
        week = [text for text in map(world.slack.plain, roots(world)) if "week of" in text][-1]
        assert "KYC, week of 30 November to 6 December\n" in week
        assert "Nobody asked for a check." in week
        await world.ask(id_number="00000000000")
        await world.settle()
        go_to(world.clock, datetime(2026, 12, 14, 8, tzinfo=LAGOS))
        await world.bot.summary.tick()
        await world.work()
        week = [text for text in map(world.slack.plain, roots(world)) if "week of" in text][-1]
        assert "1 check\n+1, more than the week before (0)" in week


async def test_what_waits_for_review_is_one_number_in_summary_home_and_lists(tmp_path: Path) -> None:
    """An ended check may wait too: a manager must not read that nothing needs them while reviewers have it."""
    async with office(tmp_path) as world:
        world.smile_id.stories_by_id_number["44444444444"] = "spoof_strict"
        spoof = await world.ask(id_number="44444444444")
        await world.settle()
        assert (await world.check(spoof)).state == "rejected"
        await morning(world)
        (root,) = roots(world)
        said = world.slack.plain(root)
        assert f"1 review over 4 h needs you\nOldest: {spoof} " in said
        assert ", rejected, to be reviewed\nWaiting for review: 1 · Still open: 0 checks" in said
        assert root.text.startswith(f"1 review over 4 h needs you. Open {spoof}, ")
        assert len(root.text.partition(", to be reviewed.")[0]) < 150
        meera = world.slack.person(MANAGER)
        assert (await meera.open_home()).ok
        await world.work()
        assert meera.home is not None
        assert "Waiting for review: 1" in world.slack.plain(meera.home)
        assert "Over 4 h (1)" in str(meera.home)
        for person, typed in ((MANAGER, "list all review"), (REVIEWER, "list review"), (REVIEWER, "list all review")):
            listed = (await world.slack.person(person).command(typed)).message
            assert listed is not None
            assert spoof in world.slack.plain(listed)


@pytest.mark.parametrize("closed", ["left", "shared"])
async def test_a_channel_unfit_for_figures_alerts_the_admins_once(tmp_path: Path, closed: str) -> None:
    async with office(tmp_path) as world:
        await a_day_with_a_check(world)
        if closed == "left":
            world.slack.channels[MANAGERS].members.clear()
        else:
            world.slack.channels[MANAGERS].is_ext_shared = True
        await morning(world)
        assert roots(world) == []
        assert len([text for text in world.direct(ADMIN) if "could not be delivered" in text]) == 1


@pytest.mark.parametrize("after", ["message", "picture"])
async def test_what_is_not_posted_yet_stays_out_of_a_channel_that_was_shared_meanwhile(
    tmp_path: Path, after: str
) -> None:
    """The file names who asked for how many checks, and its picture stands for all who read the message."""
    async with office(tmp_path) as world:
        await a_day_with_a_check(world)
        upload = "files.getUploadURLExternal"
        world.slack.fail_next(upload, *[Fault.status(503)] * (1 if after == "message" else 0))
        await morning(world)
        before = [file.name for _message, file in files(world)]
        world.slack.channels[MANAGERS].is_ext_shared = True
        world.bot.access.channel_changed(MANAGERS)
        for _try in range(4):
            world.clock.move(seconds=90)
            await world.work()
        (root,) = roots(world)
        assert [file.name for _message, file in files(world)] == before
        assert not any(block["type"] == "image" for block in root.blocks)
        left = await world.bot.database.read(lambda tx: tx.column("SELECT id FROM posts WHERE state = 'due'"))
        assert left == []


async def test_a_reviewers_decision_is_final_until_the_review_is_reopened(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        world.slack.channels[REVIEW_CHANNEL].members.add(REVIEWER)
        await a_day_of_checks(world)
        world.clock.move(hours=1)
        await press(world, REVIEWER, ids.REVIEW_CLAIM)
        assert stands(await decide(world, REVIEWER, "rejected", "tampered"))
        answer = (await world.slack.person(MANAGER).command("summary today")).message
        assert answer is not None
        said = world.slack.plain(answer)
        assert "6 approved · 2 rejected · 1 no result." in said
        assert "a reviewer: a photo or document looks tampered with (1)" in said
        assert "our reviewers: median 1 h" in said.lower()
        assert "Nothing needs you · no check is open" in said
        await press(world, REVIEWER, ids.REVIEW_REOPEN)
        again = await world.slack.person(MANAGER).command("summary today")
        assert NINE in again.text


async def test_a_check_that_is_run_again_counts_once_more_and_as_no_first_pass(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        ref = await world.ask(id_number="11111111111")
        for number in range(4):
            await world.ask(id_number=f"0000000000{number}")
        await world.settle()
        go_to(world.clock, TUESDAY.replace(day=25))
        world.smile_id.stories_by_id_number["11111111111"] = "approved"
        assert (await world.analyst.command(f"rerun {ref}")).ok
        modal = await world.analyst.modal()
        await world.slack.wait_for(lambda: "One moment" not in modal.text())
        await modal.choose("consent", ["consented"])
        assert (await modal.submit()).closed
        await world.settle()

        async def figures(typed: str) -> dict[str, Any]:
            asked = parse(typed, today=world.clock().astimezone(LAGOS).date(), entries=world.bot.id_types.known())
            report = await world.bot.database.read(
                report_reader.read, asked, settings=world.bot.settings, as_of=world.clock()
            )
            found: dict[str, Any] = record(report)["figures"]
            return found

        tuesday, wednesday = await figures("yesterday"), await figures("today")
        assert (tuesday["asked"], tuesday["approved"], tuesday["rejected"]) == (5, 4, 1)
        assert (wednesday["asked"], wednesday["approved"], wednesday["rejected"]) == (1, 1, 0)
        assert wednesday["first_pass_rate"] == {"part": 0, "whole": 1, "value": None}
        both = await figures("2026-11-24..2026-11-25")
        # Five persons were decided, four of them approved at once.
        assert both["first_pass_rate"] == {"part": 4, "whole": 5, "value": 0.8}
        assert both["approval_rate"]["whole"] == 6


# On request


async def test_figures_are_for_managers_and_admins_alone(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        await a_day_of_checks(world)
        for user in (MANAGER, ADMIN):
            reply = await world.slack.person(user).command("summary")
            assert f"{OPENING} so far. 9 checks. Approval rate 86\u00a0%." in reply.text
        refused = await world.analyst.command("summary")
        assert "The figures are for managers and admins." in refused.text
        assert "9 checks" not in refused.text


CHOSEN = {
    "summary today NG BVN": "Tuesday 24 November so far, Nigeria · BVN only. 1 check.",
    "summary today nigeria": "so far, Nigeria only. 1 check.",
    "summary today KE": "so far, Kenya only. Nobody has asked for a check yet.",
    "summary yesterday": "Monday 23 November. Yesterday nobody asked for a check.",
    "summary week": "week of 23 to 29 November so far. 1 check.",
    "summary last week": "week of 16 to 22 November. Nobody asked",
    "summary month BVN": "November 2026 so far, BVN only. 1 check.",
    "summary 2026-11-01..2026-11-24": "1 to 24 November so far. 1 check.",
    "summary 2026-11-24..2026-11-01": "The span ends before it begins.",
    "summary 2026-02-31": "“2026-02-31” is not a day.",
    "summary 2025-01-01..2026-11-01": "A summary covers 366 days at most.",
    "summary 2027-01-01": "That day is in the future.",
    "summary yesterdy": "`/kyc summary` does not take “yesterdy”.",
    "summary today NG LIBRARY_CARD": "`/kyc summary` does not take “LIBRARY CARD”.",
}
"""What a manager types, and what is said on a Tuesday with one check."""


async def test_a_manager_chooses_days_country_and_id_type(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        await world.ask()
        for typed, said in CHOSEN.items():
            reply = await world.slack.person(MANAGER).command(typed)
            assert said.replace("*", "") in reply.text.replace("_", " ").replace("*", ""), typed


async def test_figures_that_take_long_follow_in_a_moment(tmp_path: Path) -> None:
    async with office(tmp_path, timeouts=replace(PATIENT, sum_up_seconds=1)) as world:
        await world.ask()
        await world.work()
        free = threading.Event()

        def busy(_tx: Transaction) -> None:
            assert free.wait(GIVE_UP_SECONDS)

        # Every reader is taken, as by a long sum.
        readers = [asyncio.create_task(world.bot.database.read(busy)) for _ in range(READERS)]
        reply = await world.slack.person(MANAGER).command("summary")
        assert "The figures appear here in a moment" in reply.text
        free.set()
        await asyncio.gather(*readers)
        await world.slack.wait_for(lambda: f"{OPENING} so far. 1 check." in world.slack.ephemerals(MANAGER)[-1].text)


async def test_a_button_that_is_pressed_twice_shares_it_once(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        await a_day_of_checks(world)
        meera = world.slack.person(MANAGER)
        answer = (await meera.command("summary today", channel_id=MANAGERS)).message
        assert answer is not None
        first = await asyncio.gather(*(meera.click(answer, ids.SHARE_SUMMARY, stale=True) for _ in range(2)))
        assert all(reply.ok for reply in first)
        await world.slack.wait_for(
            lambda: (
                any("was shared already" in m.text for m in world.slack.ephemerals(MANAGER))
                and any("Shared in" in world.slack.plain(m) for m in world.slack.ephemerals(MANAGER))
            )
        )
        await world.work()
        (root,) = roots(world)
        assert f"{OPENING} so far\n" in world.slack.plain(root)
        assert "Shared by @meera" in world.slack.plain(root)
        assert [m.thread_ts for m, _file in files(world)] == [root.ts, root.ts]

        def acts(tx: Transaction) -> list[tuple[str, str]]:
            rows = tx.rows("SELECT actor, detail FROM audit WHERE act = 'summary.shared'")
            return [(row["actor"], row["detail"]) for row in rows]

        assert await world.bot.database.read(acts) == [(MANAGER, f"day 2026-11-24 2026-11-24 {MANAGERS}")]


async def test_it_is_not_shared_where_the_bot_cannot_post_nor_with_another_company(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        world.slack.add_channel("C0ELSEWHERE", "elsewhere", members=[MANAGER], bot_is_member=False)
        world.slack.add_channel("C0PARTNERS1", "partners", members=[MANAGER], ext_shared=True)
        meera = world.slack.person(MANAGER)
        for channel, why in (("C0ELSEWHERE", "I can't post in this"), ("C0PARTNERS1", "shared with another company")):
            answer = (await meera.command("summary today", channel_id=channel)).message
            assert answer is not None
            await meera.click(answer, ids.SHARE_SUMMARY)
            await world.slack.wait_for(lambda why=why: why in world.slack.ephemerals(MANAGER)[-1].text)  # type: ignore[misc]
            await world.work()
            assert roots(world, channel) == []


# For machines


@pytest.mark.processes
async def test_the_json_command_reads_the_same_figures_while_the_bot_runs(tmp_path: Path) -> None:
    async with office(tmp_path) as world:
        # A process of its own has the real clock: to it these checks were asked today.
        world.clock.offset = timedelta(0)
        refs = await a_day_of_checks(world)
        day = (await world.check(refs[0])).asked_at.astimezone(LAGOS).date().isoformat()
        found = json.loads(await kyc_bot(world, "summary", "--day", day, "--json"))
        assert found["period"] == {"kind": "day", "first": day, "last": day}
        figures = found["figures"]
        names = ("asked", "approved", "rejected", "no_result", "open")
        assert [figures[name] for name in names] == [9, 6, 1, 1, 1]
        assert figures["approval_rate"] == {"part": 6, "whole": 7, "value": pytest.approx(6 / 7)}
        assert figures["rejected_because"] == {"faces_differ": 1}
        assert figures["no_result_because"] == {"authority_down": 1}
        assert [waiting["ref"] for waiting in found["open_now"]["in_review"]] == [refs[8]]
        in_words = await kyc_bot(world, "summary", "--day", day)
        assert NINE in in_words


async def kyc_bot(world: Journey, *arguments: str) -> str:
    settings = world.bot.settings
    environment = {
        "SLACK_BOT_TOKEN": "xoxb-sandbox",
        "SLACK_SIGNING_SECRET": "sandbox-secret",
        "SMILE_ID_PARTNER_ID": "0421",
        "SMILE_ID_API_KEY": "sandbox-api-key",
        "KYC_REQUESTERS": "*",
        "KYC_DATABASE": str(settings.database_file),
        "KYC_ENCRYPTION_KEYS": settings.encryption_keys.get_secret_value(),
    }
    ran: Any = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "bot", *arguments],
        env=environment,
        capture_output=True,
        timeout=GIVE_UP_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return str(ran.stdout.decode())
