"""Who may ask for a check, and where: decided from memory, refused politely, and looked at again at the submit."""

import asyncio
from pathlib import Path

import pytest

from bot.domain.check.check import SearchFilter
from bot.sandbox.demo import CHANNEL
from bot.sandbox.slack import BOT_USER_ID, Fault, Modal, Person, Reply
from storage import search
from tests.conftest import Took
from tests.journeys.world import ADMIN, IN_EARNEST, REVIEW_CHANNEL, REVIEWER, Journey, hanging, journey

pytestmark = pytest.mark.anyio

ANALYST = "U0AMINA0001"
NO_RIGHT = "You can't start checks yet. Ask @musa to add you to the requesters."
NO_ACCESS = "You don't have access yet. Ask @musa to add you."
NO_ACCESS_IN_FORM = "You don't have access yet. Ask an admin of kyc-bot to add you."
NOT_SURE = "Slack did not confirm your access in time. Try again in a moment."
SHARED = "You can't start checks in a channel shared with another company. Use a channel of your own workspace."


async def may_ask(person: Person, **more: str) -> bool:
    """Whether `/kyc` opens the form for this person; if not, the words must be private and polite."""
    reply = await person.command("", **more)
    assert reply.ok, reply
    if reply.text:
        assert said(reply) in (NO_RIGHT, NO_ACCESS)
        assert person.user_id in (reply.message.ephemeral_to or "") if reply.message else False
        return False
    await (await person.modal()).close()
    return True


def said(reply: Reply) -> str:
    return reply.text.replace(f"<@{ADMIN}>", "@musa")


async def nothing_stored(world: Journey) -> bool:
    return (await world.bot.database.read(search.page, SearchFilter(), size=1)).checks == []


def calls(world: Journey, method: str) -> int:
    return len([call for call in world.slack.calls if call.method == method])


def looked_at(world: Journey, user: str) -> int:
    """How often Slack was asked about this person."""
    return len([c for c in world.slack.calls if c.method == "users.info" and c.arguments.get("user") == user])


# Who


async def test_a_person_named_in_the_settings_may_ask_and_nobody_else(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=ANALYST) as world:
        assert await may_ask(world.analyst)
        asked = calls(world, "users.info")
        assert await may_ask(world.analyst)
        assert not await may_ask(world.slack.person(REVIEWER))
        assert calls(world, "users.info") == asked


async def test_without_a_right_there_is_a_polite_word_for_that_person_alone_and_no_form(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        remi = world.slack.person(REVIEWER)
        reply = await remi.command("")
        assert said(reply) == NO_RIGHT
        assert world.slack.ephemerals(REVIEWER)
        assert calls(world, "views.open") == 0
        assert world.slack.messages(CHANNEL) == []


async def test_the_global_shortcut_without_a_right_answers_by_direct_message(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        assert (await world.slack.person(REVIEWER).shortcut("kyc_check")).ok
        await world.answered()
        await world.work()
        await world.slack.wait_for(lambda: bool(world.slack.direct_messages(REVIEWER)))
        assert world.direct(REVIEWER) == [NO_RIGHT]
        assert calls(world, "views.open") == 0


async def test_members_of_a_user_group_may_ask(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="S0ANALYSTS1") as world:
        world.slack.add_usergroup("S0ANALYSTS1", [ANALYST])
        await world.bot.access.refresh()
        asked = calls(world, "usergroups.users.list")
        assert await may_ask(world.analyst)
        assert not await may_ask(world.slack.person(REVIEWER))
        assert calls(world, "usergroups.users.list") == asked


async def test_members_of_a_private_channel_may_ask(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=REVIEW_CHANNEL) as world:
        assert await may_ask(world.slack.person(REVIEWER))
        assert not await may_ask(world.analyst)


async def test_a_public_channel_gives_nobody_the_right(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=CHANNEL) as world:
        assert not await may_ask(world.analyst)


async def test_a_private_channel_shared_with_another_company_gives_nobody_the_right(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=REVIEW_CHANNEL) as world:
        world.slack.channels[REVIEW_CHANNEL].is_ext_shared = True
        await world.bot.access.refresh()
        assert not await may_ask(world.slack.person(REVIEWER))


async def test_a_star_means_full_members_and_no_guests_bots_strangers_or_former_colleagues(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="*") as world:
        outside = [
            world.slack.add_user("U0GUEST0001", "guest", guest=True),
            world.slack.add_user("U0BOTBOT001", "other-bot", bot=True),
            world.slack.add_user("U0STRANGER1", "stranger", stranger=True),
            world.slack.add_user("U0FORMER001", "former", deleted=True),
        ]
        assert await may_ask(world.analyst)
        assert await may_ask(world.slack.person(REVIEWER))
        for user in outside:
            assert not await may_ask(world.slack.person(user.id)), user.name


async def test_somebody_whom_slack_does_not_know_reads_no_and_not_try_again(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="*") as world:
        world.slack.add_user("U0HIDDEN001", "hidden")
        world.slack.fail_next("users.info", Fault.error("user_not_visible"))
        assert not await may_ask(world.slack.person("U0HIDDEN001"))


async def test_a_star_is_asked_about_once_and_remembered_for_ten_minutes(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="*") as world:
        for _ in range(3):
            assert await may_ask(world.analyst)
        assert looked_at(world, ANALYST) == 1
        world.slack.users[ANALYST].is_deleted = True
        world.clock.move(minutes=10)
        assert not await may_ask(world.analyst)


async def test_a_right_lost_while_the_form_was_open_is_noticed_at_the_submit(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="S0ANALYSTS1") as world:
        world.slack.add_usergroup("S0ANALYSTS1", [ANALYST])
        await world.bot.access.refresh()
        modal = await world.fill(await world.form())
        world.slack.usergroups["S0ANALYSTS1"].clear()
        await world.slack.emit({"type": "subteam_members_changed", "subteam_id": "S0ANALYSTS1"})
        await modal.submit()
        assert NO_ACCESS_IN_FORM in modal.text()
        assert "00000000000" not in repr(modal.view), "what they typed goes from the screen too"
        assert await nothing_stored(world)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "subteam_members_changed", "subteam_id": "S0ANALYSTS1"},
        {"type": "subteam_updated", "subteam": {"id": "S0ANALYSTS1"}},
    ],
)
async def test_a_changed_user_group_takes_effect_at_once(tmp_path: Path, event: dict[str, object]) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="S0ANALYSTS1") as world:
        world.slack.add_usergroup("S0ANALYSTS1", [ANALYST])
        await world.bot.access.refresh()
        world.slack.usergroups["S0ANALYSTS1"] = {REVIEWER}
        assert await may_ask(world.analyst)
        assert (await world.slack.emit(event)).ok
        assert not await may_ask(world.analyst)
        assert await may_ask(world.slack.person(REVIEWER))


async def test_a_change_of_a_group_that_no_setting_names_asks_slack_nothing(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="S0ANALYSTS1") as world:
        world.slack.add_usergroup("S0OTHER0001", [ANALYST])
        asked = calls(world, "usergroups.users.list")
        await world.slack.emit({"type": "subteam_members_changed", "subteam_id": "S0OTHER0001"})
        await asyncio.sleep(0.05)
        assert calls(world, "usergroups.users.list") == asked


async def test_leaving_the_private_channel_loses_the_right(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS=REVIEW_CHANNEL) as world:
        world.slack.channels[REVIEW_CHANNEL].members.discard(REVIEWER)
        await world.slack.emit({"type": "member_left_channel", "channel": REVIEW_CHANNEL, "user": REVIEWER})
        assert not await may_ask(world.slack.person(REVIEWER))


async def test_admins_stay_known_while_slack_does_not_tell_of_a_change_among_them(tmp_path: Path) -> None:
    """Otherwise a fault at that moment would have nobody to be told to."""
    async with journey(tmp_path, KYC_ADMINS=REVIEW_CHANNEL) as world:
        known = world.slack.channels[REVIEW_CHANNEL].members - {BOT_USER_ID}
        world.slack.fault = lambda _method, _number: Fault.status(500)
        await world.slack.emit({"type": "member_joined_channel", "channel": REVIEW_CHANNEL, "user": ANALYST})
        reply = await world.slack.person(REVIEWER).command("")
        assert reply.text.split("Ask ")[1].split(" to add")[0].strip("<@>") in known


async def test_a_group_that_is_gone_gives_nobody_the_right_although_its_members_were_known(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="S0ANALYSTS1") as world:
        world.slack.add_usergroup("S0ANALYSTS1", [ANALYST])
        await world.bot.access.refresh()
        assert await may_ask(world.analyst)
        del world.slack.usergroups["S0ANALYSTS1"]
        await world.bot.access.refresh()
        assert not await may_ask(world.analyst)


async def test_known_members_keep_their_right_for_some_hours_while_slack_is_down(
    tmp_path: Path,
) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="S0ANALYSTS1") as world:
        world.slack.add_usergroup("S0ANALYSTS1", [ANALYST])
        await world.bot.access.refresh()
        down = [Fault.status(503)] * 2
        world.slack.fail_next("usergroups.users.list", *down)
        world.clock.move(hours=5)
        await world.bot.access.refresh()
        assert await may_ask(world.analyst)
        world.clock.move(hours=2)
        assert (await world.analyst.command("")).text == NOT_SURE


@pytest.mark.parametrize("requesters", ["*", "S0AAAAAAAA1,S0BBBBBBBB1,S0CCCCCCCC1,S0DDDDDDDD1", "C0AAAAAAAA1,*"])
async def test_with_a_cold_cache_and_slack_hanging_the_answer_is_try_again_in_time(
    tmp_path: Path, requesters: str, took: Took
) -> None:
    async with journey(tmp_path, timeouts=IN_EARNEST, KYC_REQUESTERS=requesters) as world:
        await world.slack.emit({"type": "member_left_channel", "channel": "C0AAAAAAAA1"})
        world.clock.move(hours=7)
        with hanging(world.slack):
            reply = await world.analyst.command("")
            assert (reply.ok, reply.text) == (True, NOT_SURE)
        took(reply.seconds, less_than=2)
        for group in ("S0AAAAAAAA1", "S0BBBBBBBB1", "S0CCCCCCCC1", "S0DDDDDDDD1"):
            world.slack.add_usergroup(group, [ANALYST])
        assert (await world.analyst.command("")).text == ""


async def test_one_group_that_hangs_does_not_keep_out_who_is_known_by_another(tmp_path: Path, took: Took) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="S0COLD00001,S0KNOWN0001") as world:
        world.slack.add_usergroup("S0KNOWN0001", [ANALYST])
        world.slack.fail_next("usergroups.users.list", Fault.status(500))
        await world.bot.access.refresh()
        with hanging(world.slack, "usergroups.users.list"):
            # Patient as the bot is here, it would wait for the group for minutes: who is known by another is not asked.
            reply = await world.analyst.command("")
            assert reply.text == ""
        took(reply.seconds, less_than=0.5)


# Where


async def sent(world: Journey, modal: Modal) -> dict[str, str]:
    submission = await (await world.fill(modal)).submit()
    assert bool(submission.errors) is await nothing_stored(world)
    return submission.errors


async def test_with_channels_named_checks_are_asked_there_alone(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_CHANNELS="C0ALLOWED01") as world:
        world.slack.add_channel("C0ALLOWED01", "kyc-only", members=[ANALYST])
        reply = await world.analyst.command("")
        assert reply.text == "You can't start checks here. Use <#C0ALLOWED01>."
        assert await sent(world, await world.form(channel="C0ALLOWED01")) == {}


async def test_the_shortcuts_form_refuses_a_channel_that_is_not_named(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_CHANNELS="C0ALLOWED01,C0ALLOWED02") as world:
        await world.analyst.shortcut("kyc_check")
        modal = await world.analyst.modal()
        await modal.choose("channel", CHANNEL)
        assert "You can't start checks in this channel." in modal.text()
        assert await sent(world, modal) == {"channel": "You can't start checks in this channel."}


@pytest.mark.parametrize("private", [False, True])
async def test_a_channel_without_the_bot_is_reported_in_the_open_form_and_refused(
    tmp_path: Path, *, private: bool
) -> None:
    async with journey(tmp_path) as world:
        world.slack.add_channel("C0CLOSED001", "closed", members=[ANALYST], bot_is_member=False, private=private)
        modal = await world.form(channel="C0CLOSED001")
        await modal.changed()
        # Of a private channel without the bot Slack does not tell even the name.
        words = f"I can't post in {'this conversation' if private else '#closed'}, so the result would be lost."
        assert words in modal.text()
        assert (await sent(world, modal))["country"].startswith(words)
        world.slack.channels["C0CLOSED001"].members.add(BOT_USER_ID)
        await world.slack.emit({"type": "member_joined_channel", "channel": "C0CLOSED001", "user": BOT_USER_ID})
        assert (await modal.submit()).closed


async def test_an_archived_channel_is_refused(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.form()
        world.slack.channels[CHANNEL].is_archived = True
        world.clock.move(minutes=2)
        assert (await sent(world, modal))["country"].startswith("I can't post in #kyc-requests")


async def test_a_channel_shared_with_another_company_is_refused_whatever_the_settings_say(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_CHANNELS=CHANNEL) as world:
        world.slack.channels[CHANNEL].is_ext_shared = True
        modal = await world.form()
        await modal.changed()
        assert SHARED in modal.text()
        assert await sent(world, modal) == {"country": SHARED}


async def test_a_channel_shared_while_the_form_was_open_is_refused_too(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.form()
        await world.slack.wait_for(lambda: calls(world, "conversations.info") == 1)
        world.slack.channels[CHANNEL].is_ext_shared = True
        world.clock.move(minutes=2)
        assert await sent(world, modal) == {"country": SHARED}


async def test_a_channel_that_slack_did_not_describe_in_time_is_checked_before_any_post(
    tmp_path: Path,
) -> None:
    async with journey(tmp_path) as world:
        world.slack.channels[CHANNEL].is_ext_shared = True
        world.slack.fail_next("conversations.info", *[Fault.status(500)] * 4)
        assert await sent(world, await world.form()) == {}
        world.slack.fault = None
        while calls(world, "conversations.info") < 4:
            await world.bot.access.channel(CHANNEL, ANALYST)
        await world.settle()
        assert world.slack.messages(CHANNEL) == []
        assert any("Approved" in text for text in world.direct(ANALYST))


async def test_in_the_conversation_with_the_bot_checks_may_be_asked(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        own = f"D{ANALYST[1:]}"
        modal = await world.form(channel=own)
        assert await sent(world, modal) == {}
        await world.settle()
        request, result = (world.slack.plain(m) for m in world.slack.direct_messages(ANALYST))
        assert "Approved — face" in request
        assert result.startswith("@amina Approved — face and ID number verified")
        assert world.slack.direct_messages(ANALYST)[1].thread_ts == world.slack.direct_messages(ANALYST)[0].ts


async def test_with_channels_named_the_conversation_with_the_bot_is_none_of_them(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_CHANNELS=CHANNEL) as world:
        reply = await world.analyst.command("", channel_id=f"D{ANALYST[1:]}")
        assert reply.text == f"You can't start checks here. Use <#{CHANNEL}>."


async def test_in_other_peoples_conversations_nothing_is_asked(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.slack.add_channel("D0OTHERS001", "directmessage", members=[ANALYST, REVIEWER], bot_is_member=False)
        modal = await world.form(channel="D0OTHERS001")
        await modal.changed()
        assert "I can't post in this conversation" in modal.text()
        assert (await sent(world, modal))["country"].startswith("I can't post in this conversation")
