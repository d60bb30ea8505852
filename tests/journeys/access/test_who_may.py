"""Whom a role counts for: active full members of the bot's own workspace, looked at when they act or are to be told."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.access.permissions import Permission
from bot.access.rights import Role
from bot.domain.outbox import AdminAlert
from bot.outbox import alerts
from bot.runtime.doctor import probe
from bot.sandbox.demo import ANALYST, CHANNEL, settings_for
from bot.sandbox.slack import Fault, SlackSandbox
from bot.sandbox.smile_id import SmileIDSandbox
from tests.journeys.access.test_outsiders import (
    POLITE,
    STEPS,
    begin,
    private_words,
    shown_by,
    state_of,
    told_since,
)
from tests.journeys.world import ADMIN, PATIENT, REVIEWER, Journey, MovedClock, bot_between, journey

pytestmark = pytest.mark.anyio

GROUP = "S0TEAM00001"
TEAM = "C0TEAM00001"
NO_ACCESS = "You don't have access yet. Ask @musa to add you."
NOT_SURE = "Slack did not confirm your access in time. Try again in a moment."


WITH_ANOTHER_ROLE = (*POLITE, "You can't start checks yet.", "Only reviewers and admins")
"""What somebody hears who has a role, but not the one that this needs."""


async def answer(world: Journey, user: str = ANALYST) -> str:
    """What `/kyc` says; nothing when it opens the form."""
    reply = await world.slack.person(user).command("")
    assert reply.ok, reply
    if not reply.text:
        await (await world.slack.person(user).modal()).close()
    return reply.text.replace(f"<@{ADMIN}>", "@musa")


# Full members alone

OUTSIDE: list[dict[str, Any]] = [
    {"deleted": True},
    {"guest": True},
    {"single_channel_guest": True},
    {"bot": True},
    {"workflow_bot": True},
    {"invited": True},
    {"stranger": True},
    {"team_id": "T0OTHER0001"},
    {"team_id": "T0SISTER001", "enterprise_id": "E0ACME00001", "enterprise_teams": ["T0SISTER001"]},
    {"team_id": "T0SISTER001", "enterprise_id": "E0OTHER0001", "enterprise_teams": ["T0ACME00001"]},
]


@pytest.mark.parametrize("named_by", ["U0OUTSIDE01", GROUP, TEAM, "*"])
async def test_no_outsider_has_a_role_whatever_names_them(tmp_path: Path, named_by: str) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=named_by) as world:
        world.slack.world.enterprise_id = "E0ACME00001"
        world.slack.add_usergroup(GROUP, ["U0OUTSIDE01"])
        world.slack.add_channel(TEAM, "team", private=True, members=["U0OUTSIDE01"])
        for kind in OUTSIDE:
            world.slack.add_user("U0OUTSIDE01", "outside", **kind)
            world.clock.move(minutes=11)
            await world.bot.access.refresh()
            assert await world.bot.access.has("U0OUTSIDE01", Role.REQUESTER) is Permission.NO, kind
        world.slack.add_user("U0OUTSIDE01", "inside")
        world.clock.move(minutes=11)
        assert await answer(world, "U0OUTSIDE01") == ""


async def test_a_member_of_our_workspace_may_have_their_home_elsewhere_in_the_organization(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="U0GRID00001") as world:
        world.slack.world.enterprise_id = "E0ACME00001"
        teams = ["T0SISTER001", "T0ACME00001"]
        world.slack.add_user(
            "U0GRID00001", "grid", team_id="T0SISTER001", enterprise_id="E0ACME00001", enterprise_teams=teams
        )
        await world.bot.access.refresh()
        assert await answer(world, "U0GRID00001") == ""


SHARED: list[dict[str, Any]] = [
    {"is_ext_shared": True},
    {"is_org_shared": True},
    {"is_pending_ext_shared": True},
    {"pending_shared": ("T0OTHER0001",)},
]


@pytest.mark.parametrize("flags", SHARED)
async def test_a_private_channel_that_is_shared_or_about_to_be_gives_no_role(
    tmp_path: Path, flags: dict[str, Any]
) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=TEAM) as world:
        team = world.slack.add_channel(TEAM, "team", private=True, members=[ANALYST])
        await world.bot.access.refresh()
        assert await answer(world) == ""
        for name, value in flags.items():
            setattr(team, name, value)
        assert (await world.slack.emit({"type": "channel_shared", "channel": TEAM})).ok
        assert await answer(world) == NO_ACCESS


# Memory, and what makes it old


async def test_a_warm_decision_asks_slack_nothing_and_ten_minutes_later_once(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=GROUP) as world:
        world.slack.add_usergroup(GROUP, [ANALYST])
        await world.bot.access.refresh()
        assert await answer(world) == ""
        await world.answered()
        for minutes, asked in ((0, []), (9, []), (2, ["users.info"])):
            world.clock.move(minutes=minutes)
            before = len(world.slack.calls)
            assert await world.bot.access.has(ANALYST, *Role) is Permission.YES
            assert [call.method for call in world.slack.calls[before:]] == asked


async def test_however_much_is_asked_at_once_slack_is_asked_once(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="*") as world:
        before = len(world.slack.calls)
        assert (await world.analyst.open_home()).ok
        await world.work()
        asked = [call.arguments for call in world.slack.calls[before:] if call.method == "users.info"]
        assert asked == [{"user": ANALYST}]


async def test_on_a_cold_memory_no_answer_about_a_person_is_no(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=replace(PATIENT, look_up_seconds=1)) as world:
        world.clock.move(minutes=11)
        world.slack.fault = lambda method, _n: Fault.hang_before(4) if method == "users.info" else None
        assert await answer(world) == NOT_SURE
        world.slack.fault = None
        assert await answer(world) == ""


EVENTS: list[dict[str, Any]] = [
    {"type": "user_change", "user": {"id": ANALYST, "team_id": "T0ACME00001"}},
    {"type": "channel_shared", "channel": TEAM, "connected_team_id": "T0OTHER0001"},
    {"type": "channel_unshared", "channel": TEAM, "previously_connected_team_id": "T0OTHER0001"},
]


@pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["type"])
async def test_an_event_makes_memory_old_without_a_write_and_without_a_call(
    tmp_path: Path, event: dict[str, Any], *, socket_mode: bool
) -> None:
    async with journey(tmp_path, socket_mode=socket_mode, KYC_REQUESTERS=TEAM) as world:
        world.slack.add_channel(TEAM, "team", private=True, members=[ANALYST])
        await world.bot.access.refresh()
        assert await answer(world) == ""
        await world.answered()
        before, called = everything(world), len(world.slack.calls)
        for _again in range(3):
            assert (await world.slack.emit(event)).ok
            # Of somebody and something that nobody ever asked about.
            other = {"user": {"id": "U0UNKNOWN01"}} if "user" in event else {"channel": "C0UNKNOWN01"}
            assert (await world.slack.emit({**event, **other})).ok
        await world.answered()
        assert everything(world) == before
        assert len(world.slack.calls) == called
        assert await world.bot.access.has(ANALYST, Role.REQUESTER) is Permission.YES
        asked = {call.method for call in world.slack.calls[called:]}
        assert asked == ({"users.info"} if "user" in event else {"conversations.info", "conversations.members"})


def everything(world: Journey) -> list[str]:
    with closing(sqlite3.connect(f"file:{world.bot.settings.database_file}?mode=ro", uri=True)) as db:
        return list(db.iterdump())


async def test_somebody_deactivated_loses_the_role_with_the_event(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        assert await answer(world) == ""
        world.slack.users[ANALYST].is_deleted = True
        assert (await world.slack.emit({"type": "user_change", "user": {"id": ANALYST}})).ok
        assert await answer(world) == NO_ACCESS


async def test_an_answer_overtaken_by_a_change_is_not_believed(tmp_path: Path) -> None:
    """The look-up began before the person was deactivated, and ends after the event that says so."""
    async with journey(tmp_path) as world:
        world.clock.move(minutes=11)
        world.slack.fail_next("users.info", Fault.hang_after(0.3))
        first = world.bot.access._people.fetch(ANALYST)
        await world.slack.wait_for(lambda: world.slack.calls[-1].method == "users.info")
        world.slack.users[ANALYST].is_deleted = True
        assert (await world.slack.emit({"type": "user_change", "user": {"id": ANALYST}})).ok
        await first
        assert await world.bot.access.has(ANALYST, *Role) is Permission.NO


async def test_only_who_is_still_a_member_is_named_as_whom_to_ask(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_ADMINS=f"{ADMIN},{REVIEWER}", KYC_REVIEWERS=ADMIN) as world:
        world.slack.add_user("U0NOBODY001", "nobody")
        assert world.bot.access.people(Role.ADMIN) == [ADMIN, REVIEWER]
        world.slack.users[ADMIN].is_guest = True
        await world.bot.access.refresh()
        assert f"<@{REVIEWER}>" in (await world.slack.person("U0NOBODY001").command("")).text
        assert world.bot.access.mentions(Role.REVIEWER) == ""


# Our workspace


async def test_nobody_has_a_role_before_slack_has_said_which_workspace_is_ours(tmp_path: Path) -> None:
    clock = MovedClock()
    slack = SlackSandbox(clock=clock)
    slack.fault = lambda method, _n: Fault.status(500) if method == "auth.test" else None
    async with journey(tmp_path, slack=slack, clock=clock) as world:
        assert await answer(world) == NOT_SURE
        slack.fault = None
        assert await answer(world) == ""


async def test_a_foreign_request_is_known_after_a_restart_although_slack_says_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as (slack, start):
        async with start() as world:
            assert await answer(world) == ""
        slack.fault = lambda method, _n: Fault.status(500) if method == "auth.test" else None
        async with start() as world:
            slack.disguise = lambda payload: {**payload, "team_id": "T0OTHER0001"}
            assert (await world.analyst.command("")).text.startswith("Only members of this workspace")
            slack.disguise = None
            assert await answer(world) == NOT_SURE
            metrics = (await world.bot.figures()).decode()
            assert 'kyc_foreign_requests_total{named="team"} 1.0' in metrics


async def test_the_token_of_another_workspace_is_a_fault_and_nobody_has_a_role(tmp_path: Path) -> None:
    async with house(tmp_path) as (slack, start):
        async with start() as world:
            await world.ask()
        slack.world.team_id = "T0OTHER0001"
        async with start() as world:
            told = world.bot.health.degraded["workspace"]
            assert told == "SLACK_BOT_TOKEN is of workspace T0OTHER0001, the database belongs to T0ACME00001"
            assert (await answer(world)).startswith("I am set up with the token of another workspace")
            await world.work()
            assert slack.messages(CHANNEL) == [], "what is due waits: there it would go astray"
            found = await probe(world.bot.settings)
            lines = [finding.line() for finding in found if "slack token" in finding.subject]
            assert lines[0].startswith("FAIL  slack token: SLACK_BOT_TOKEN is of workspace T0OTHER0001")
        slack.world.team_id = "T0ACME00001"
        async with start() as world:
            assert "workspace" not in world.bot.health.degraded
            await world.settle()
            assert "Approved" in world.slack.plain(world.root())


async def test_an_app_recreated_in_the_same_workspace_is_ours(tmp_path: Path) -> None:
    async with house(tmp_path) as (slack, start):
        async with start() as world:
            assert await answer(world) == ""
        slack.world.bot_id, slack.world.app_id = "B0KYCBOT002", "A0KYCAPP002"
        slack.disguise = lambda payload: {**payload, "api_app_id": "A0KYCAPP002"}
        async with start() as world:
            assert await answer(world) == ""
            slack.disguise = None
            assert (await world.analyst.command("")).text.startswith("Only members of this workspace")


async def test_a_workspace_that_moves_into_an_organization_stays_ours(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.slack.world.enterprise_id = world.slack.users[ANALYST].enterprise_id = "E0ACME00001"
        assert (await world.analyst.command("")).text.startswith("Only members of this workspace")
        await world.bot.access.refresh()
        assert await answer(world) == ""


async def test_an_app_installed_for_a_whole_organization_gives_nobody_a_role(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.slack.world.is_enterprise_install = True
        await world.bot.access.refresh()
        assert "whole organization" in world.bot.health.degraded["workspace"]
        assert (await answer(world)).startswith("I am set up with the token of another workspace")


# Having asked

OWN = (
    "handlers.check_form.chosen",
    "handlers.check_form.submitted",
    "handlers.check_form.open_again",
    "handlers.checks.run_again",
    "handlers.checks.cancel",
    "handlers.checks.let_pass",
    "handlers.review_requests.pressed",
    "handlers.customer.pressed",
    "handlers.checks.sent_anyway",
    "handlers.review_requests.requested",
    "handlers.corrections.ask_for_photos",
    "handlers.corrections.photos_replaced",
    "handlers.corrections.ask_for_new_photos",
    "handlers.corrections.new_photos_submitted",
    "handlers.search.submitted",
    "handlers.messages.open_form",
    "handlers.messages.send",
    "handlers.messages.mentioned",
    "handlers.messages.direct",
    "handlers.messages.shortcut",
    "handlers.batches.template",
)


async def test_having_asked_is_no_right_once_the_requesters_role_is_lost(tmp_path: Path) -> None:
    """A manager since: they may start nothing, and see of single checks what `test_viewers` says."""
    async with journey(tmp_path, KYC_REQUESTERS=GROUP, KYC_MANAGERS=ANALYST) as world:
        world.slack.add_usergroup(GROUP, [ANALYST])
        await world.bot.access.refresh()
        walk = await begin(world)
        world.slack.usergroups[GROUP] = {ADMIN}
        await world.bot.access.changed(GROUP)
        before = state_of(world)
        for word in ("", "rerun {ref}", "cancel {ref}", "review {ref}"):
            reply = await walk.command(word.format(ref=walk.ref))
            assert any(polite in reply.text for polite in WITH_ANOTHER_ROLE), (word, reply.text)
            assert state_of(world) == before, word
        for listener in OWN:
            for step in STEPS[listener]:
                heard = private_words(world)
                answered = await step(walk)
                await world.answered()
                await world.work()
                told = [*told_since(world, heard), *shown_by(answered)]
                after = state_of(world)
                if listener == "handlers.check_form.chosen":
                    # The form that stood open gives way to words.
                    before["views"] = after["views"]
                assert after == before, listener
                assert listener == "handlers.check_form.chosen" or any(told), listener
                assert all(any(polite in text for polite in WITH_ANOTHER_ROLE) for text in told if text), (
                    listener,
                    told,
                )
        assert "My checks" not in await home(world)


async def home(world: Journey) -> str:
    assert (await world.analyst.open_home()).ok
    await world.work()
    return world.slack.plain(world.analyst.home or {})


async def test_the_thread_of_a_check_goes_on_when_its_requester_lost_the_role(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=GROUP) as world:
        await asked_in_a_group(world)
        await leave(world)
        await world.settle()
        assert "Approved" in world.thread()[-1]


async def asked_in_a_group(world: Journey, channel: str = CHANNEL) -> str:
    world.slack.add_usergroup(GROUP, [ANALYST])
    await world.bot.access.refresh()
    modal = await world.fill(await world.form(channel=channel))
    assert (await modal.submit()).closed
    return await world.newest()


async def leave(world: Journey) -> None:
    world.slack.usergroups[GROUP] = {ADMIN}
    await world.bot.access.changed(GROUP)


async def become_a_guest(world: Journey) -> None:
    world.slack.users[ANALYST].is_guest = True
    assert (await world.slack.emit({"type": "user_change", "user": {"id": ANALYST}})).ok


@pytest.mark.parametrize("change", [leave, become_a_guest])
@pytest.mark.parametrize("place", ["thread gone", "direct"])
async def test_a_result_is_not_sent_directly_to_who_lost_access_and_the_admins_hear_of_it(
    tmp_path: Path, place: str, change: Callable[[Journey], Awaitable[None]]
) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=GROUP) as world:
        ref = await asked_in_a_group(world, CHANNEL if place == "thread gone" else f"D{ANALYST[1:]}")
        for post in await world.bot.outbox.claim(1):
            await world.bot.outbox.work(post)
        if place == "thread gone":
            world.slack.delete_message(CHANNEL, world.root().ts)
        before = world.direct(ANALYST)
        await change(world)
        await world.settle()
        assert world.direct(ANALYST) == before
        (alert,) = [text for text in world.direct(ADMIN) if "no longer has access" in text]
        assert ref in alert
        with closing(sqlite3.connect(f"file:{world.bot.settings.database_file}?mode=ro", uri=True)) as db:
            (state,) = db.execute("SELECT state FROM posts WHERE kind = 'result'").fetchone()
        assert state == "failed", "receipts list shows it, and receipts release sends it once they have access again"


async def test_the_right_to_be_notified_is_retried_while_slack_does_not_answer(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=GROUP) as world:
        await asked_in_a_group(world, f"D{ANALYST[1:]}")
        world.clock.move(minutes=11)
        world.slack.fault = lambda method, _n: Fault.status(500) if method == "users.info" else None
        await world.work()
        assert world.direct(ANALYST) == []
        world.slack.fault = None
        world.clock.move(minutes=2)
        await world.settle()
        assert "Approved" in world.direct(ANALYST)[-1]


async def test_an_admin_who_left_is_notified_of_no_fault(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_ADMINS=f"{ADMIN},{REVIEWER}") as world:
        await world.bot.database.write(
            alerts.alert, "a fault", AdminAlert.FAULT, recipients=[ADMIN, REVIEWER], now=world.clock()
        )
        world.slack.users[ADMIN].is_guest = True
        assert (await world.slack.emit({"type": "user_change", "user": {"id": ADMIN}})).ok
        await world.work()
        assert world.direct(ADMIN) == []
        assert len(world.direct(REVIEWER)) == 1


@asynccontextmanager
async def house(folder: Path) -> AsyncIterator[tuple[SlackSandbox, Callable[[], AbstractAsyncContextManager[Journey]]]]:
    """Stand-ins that outlive the bot: `start()` is the same bot, again with the same database."""
    clock = MovedClock()
    slack = SlackSandbox(clock=clock)
    smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", callback_delay_seconds=0.0, clock=clock)
    await slack.start()
    await smile_id.start()
    try:
        environment = settings_for(slack, smile_id, database=folder / "kyc.db", socket_mode=False)
        yield slack, lambda: bot_between(slack, smile_id, environment, clock=clock)
    finally:
        await smile_id.stop()
        await slack.stop()
