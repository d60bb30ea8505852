"""The words of `/kyc`, and the Details: by right, in private, recorded, and as good after a restart."""

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.demo import ANALYST, CHANNEL, settings_for
from bot.sandbox.slack import Fault, Message, Modal, Person, pings, plain
from bot.sandbox.smile_id import Fault as SmileFault
from bot.sandbox.smile_id import SmileIDSandbox
from bot.slack.blocks import ids
from storage.engine.database import Transaction
from tests import engines
from tests.conftest import Took
from tests.journeys.world import (
    ADMIN,
    IN_EARNEST,
    PATIENT,
    REVIEW_CHANNEL,
    REVIEWER,
    Journey,
    MovedClock,
    bot_between,
    hanging,
    journey,
    patient_slack,
)
from tests.patience import GIVE_UP_SECONDS

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

STRANGER = "U0OTHER0001"
COLLEAGUES: dict[str, Any] = {"KYC_REQUESTERS": f"{ANALYST},{STRANGER}"}
"""Who may ask for checks sees nothing of those that others asked for."""
NO_DETAILS = "You don't have access to this check. Ask @musa if you need it."
PERSONAL = {"id_number": "22212345678", "first_name": "Ada-Clearly-Invented", "customer_reference": "CUST-77120"}

NONE = "You have not asked for a check yet. /kyc opens the form.\n[Show]"


def other(world: Journey) -> Person:
    """A colleague; what they may do is said by the settings of the test."""
    world.slack.add_user(STRANGER, "ben")
    return world.slack.person(STRANGER)


async def typed(person: Person, text: str) -> str:
    """What `/kyc …` answers, as read; it must be private and leave nothing in the channel."""
    reply = await person.command(text)
    assert reply.ok, reply
    assert reply.message is not None, text
    assert reply.message.ephemeral_to == person.user_id
    return plain(reply.message)


async def audit(world: Journey, act: str) -> list[tuple[str, str]]:
    def rows(tx: Transaction) -> list[tuple[str, str]]:
        return [(r["actor"], r["ref"]) for r in tx.rows("SELECT actor, ref FROM audit WHERE act = :act", act=act)]

    return await world.bot.database.read(rows)


async def finished(world: Journey) -> str:
    """A check that came to its result; what it holds is personal."""
    world.smile_id.stories_by_id_number[PERSONAL["id_number"]] = "approved"
    ref = await world.ask(**PERSONAL)
    await world.work()
    await world.smile_id.wait_for(lambda: bool(world.smile_id.callbacks))
    await world.work()
    assert (await world.check(ref)).state == "approved"
    return ref


# Status and list


async def test_status_gives_the_requester_the_state_and_a_link_to_the_thread(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await finished(world)
        for words in (
            f"status {ref}",
            f"status {ref.lower()}",
            f"  STATUS   {ref.removeprefix('K-')} ",
            f"status\t{ref}",
        ):
            said = await typed(world.analyst, words)
            assert said.startswith(f"Approved — face and ID number verified · {ref} (https://")
            assert "Next: Compare the name in Details before you onboard." in said
            assert "Nigeria · BVN ending 678 · Smile ID, " in said
            assert "asked by @amina" in said
            assert "[Details]" in said
        assert PERSONAL["first_name"] not in said


@pytest.mark.parametrize("who", [REVIEWER, ADMIN])
async def test_status_of_somebody_elses_check_is_for_reviewers_and_admins(tmp_path: Path, who: str) -> None:
    async with journey(tmp_path) as world:
        ref = await finished(world)
        assert "Approved" in await typed(world.slack.person(who), f"status {ref}")


async def test_others_hear_of_a_check_in_the_same_words_as_of_one_that_does_not_exist(tmp_path: Path) -> None:
    async with journey(tmp_path, **COLLEAGUES) as world:
        ref = await finished(world)
        ben = other(world)
        of_this = await typed(ben, f"status {ref}")
        of_none = await typed(ben, "status K-222222")
        assert of_this.replace(ref, "…") == of_none.replace("K-222222", "…")
        assert of_this.startswith(f"No check {ref} that you have access to.")


async def test_while_rights_are_unknown_existing_and_missing_checks_sound_the_same(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REVIEWERS="S0COLD00001") as world:
        ref = await finished(world)
        ben = other(world)
        world.clock.move(hours=7)
        world.slack.fault = lambda method, _number: Fault.status(500) if method.startswith("usergroups") else None
        assert await typed(ben, f"status {ref}") == await typed(ben, "status K-222222")
        assert "Try again in a moment" in await typed(ben, f"status {ref}")
        assert "Approved" in await typed(world.analyst, f"status {ref}")


async def test_status_without_a_reference_says_how_to_name_one(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        assert "for example /kyc status K-7F3K2Q" in (await typed(world.analyst, "status")).replace("`", "")


async def test_status_still_answers_when_slack_gives_no_link(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=IN_EARNEST) as world:
        ref = await finished(world)
        for fault in (Fault.error("message_not_found"), Fault.status(500), Fault.hang_before(GIVE_UP_SECONDS)):
            world.slack.fail_next("chat.getPermalink", fault)
            said = await typed(world.analyst, f"status {ref}")
            assert "Approved" in said
            assert "open the thread" not in said


async def test_list_shows_a_persons_own_newest_checks_and_nothing_personal(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="*") as world:
        assert await typed(world.analyst, "list") == NONE
        refs = []
        for _ in range(3):
            refs.append(await world.ask(**PERSONAL))
            world.clock.move(seconds=1)
        said = await typed(world.analyst, "list")
        lines = said.splitlines()
        assert lines[0] == "Checks: All of mine, newest first"
        assert [line for line in lines if line.startswith("Received · ")] == [f"Received · {ref}" for ref in refs[::-1]]
        assert not any(value in said for value in PERSONAL.values())
        assert await typed(other(world), "list") == NONE


# Words that are no words of ours


async def test_help_names_what_is_understood(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        said = await typed(world.analyst, "help")
        for word in ("/kyc check", "/kyc status", "/kyc list", "/kyc help"):
            assert word in said


ANYTHING = (
    "aprove K-7F3K2Q",
    "?",
    "22212345678",
    "status; DROP TABLE verifications",
    "\u202etxet sdrawkcab",
    "{ref} {0} %s %(x)s",
    "null",
    "\x00",
    "статус",
    "check" * 700,
    "x" * 9000,
    "status " + "y" * 9000,
)
INJECTIONS = (
    "<!channel>",
    "<!here|x>",
    "<@U0MUSA00001>",
    "<https://evil.example|Approved>",
    "https://evil.example/login",
    "*Approved*",
    "`code`",
    "@here",
    "&lt;!channel&gt;",
)


async def test_anything_else_gets_help_or_a_polite_no_and_never_an_error(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        for text in ANYTHING:
            said = await typed(world.analyst, text)
            assert "I don't know" in said or "No check" in said
            assert len(said) < 2000
        assert await typed(world.analyst, "list") == NONE


async def test_typed_words_come_back_as_words_and_ping_or_link_nothing(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        for evil in INJECTIONS:
            for text in (evil, f"status {evil}"):
                reply = await world.analyst.command(text)
                assert reply.message is not None
                assert pings(reply.message) <= {f"<@{ADMIN}>"}, text
                assert "*Approved*" not in reply.message.text


async def test_a_command_of_an_older_installation_gets_help(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        reply = await world.analyst.command("anything", command="/kyc-old")
        assert reply.ok
        assert "I don't know" in reply.text


# Details


async def details(world: Journey, person: Person, message: Message | None = None) -> Modal:
    reply = await person.click(message or world.root(), "kyc_details_open")
    assert reply.ok, reply
    return await person.modal()


async def with_links(modal: Modal) -> str:
    await modal._stage.world.changes.until(lambda: "Fetching links" not in modal.text(), 5)
    return modal.text()


@pytest.mark.parametrize("who", ["U0AMINA0001", REVIEWER, ADMIN])
async def test_details_open_by_right_with_everything_held_and_are_recorded(tmp_path: Path, who: str) -> None:
    async with journey(tmp_path) as world:
        ref = await finished(world)
        world.slack.channels[CHANNEL].members.add(who)
        modal = await details(world, world.slack.person(who))
        text = modal.text()
        assert modal.title == f"Check {ref}"
        assert "ID number ending 678" in text
        assert PERSONAL["id_number"] not in str(modal.view)
        assert "First name: Ada-Clearly-Invented" in text
        assert "Customer reference: CUST-77120" in text
        assert "consent confirmed by @amina" in text
        assert "0810" in text
        assert await audit(world, "details.opened") == [(who, ref)]


async def test_details_are_refused_to_others_in_private_and_nothing_is_shown(tmp_path: Path) -> None:
    async with journey(tmp_path, **COLLEAGUES) as world:
        await finished(world)
        said_in_public = len(world.slack.messages(CHANNEL))
        ben = other(world)
        assert (await ben.click(world.root(), "kyc_details_open")).ok
        await world.slack.wait_for(lambda: bool(world.slack.ephemerals(STRANGER)))
        assert [plain(m) for m in world.slack.ephemerals(STRANGER)] == [NO_DETAILS]
        assert len(world.slack.messages(CHANNEL)) == said_in_public
        assert await audit(world, "details.opened") == []
        assert not any(call.method == "views.open" and "Check K-" in str(call.arguments) for call in world.slack.calls)


async def test_a_refusal_finds_its_person_also_where_the_channel_cannot_be_answered(tmp_path: Path) -> None:
    async with journey(tmp_path, **COLLEAGUES) as world:
        await finished(world)
        ben = other(world)
        world.slack.fail_next("response_url", Fault.status(404))
        await ben.click(world.root(), "kyc_details_open")
        await world.answered()
        await world.work()
        await world.slack.wait_for(lambda: bool(world.slack.direct_messages(STRANGER)))
        assert world.direct(STRANGER) == [NO_DETAILS]


async def test_a_reviewer_is_not_refused_while_slack_does_not_say_who_reviews(tmp_path: Path, took: Took) -> None:
    async with journey(tmp_path, timeouts=IN_EARNEST, KYC_REVIEWERS="S0COLD00001") as world:
        await finished(world)
        world.slack.channels[CHANNEL].members.add(REVIEWER)
        world.clock.move(hours=7)
        with hanging(world.slack, "usergroups.users.list"):
            reply = await world.slack.person(REVIEWER).click(world.root(), "kyc_details_open")
            await world.slack.wait_for(lambda: bool(world.slack.ephemerals(REVIEWER)))
        took(reply.seconds, less_than=2)
        assert "Try again in a moment" in plain(world.slack.ephemerals(REVIEWER)[0])


async def test_photos_are_links_fetched_when_the_details_are_opened_and_never_images(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await finished(world)
        asked = len([r for r in world.smile_id.requests if r.call == "job_status"])
        modal = await details(world, world.analyst)
        text = await with_links(modal)
        assert "Photos at Smile ID, for a short time:" in text
        assert "selfie image" in text
        assert any("/images/" in link for link in pings(modal.view))
        assert not any(block["type"] == "image" for block in modal.blocks)
        assert len([r for r in world.smile_id.requests if r.call == "job_status"]) == asked + 1
        # Addresses that let anybody in are kept nowhere.
        assert "/images/" not in str([world.slack.plain(m) for m in world.slack.messages(CHANNEL)])
        assert await audit(world, "details.opened") == [(world.analyst.user_id, ref)]


async def test_details_open_at_once_while_smile_id_is_down_and_say_there_are_no_links(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await finished(world)
        world.smile_id.fail_next("job_status", SmileFault.status(503))
        text = await with_links(await details(world, world.analyst))
        assert "No links to the photos from Smile ID now." in text
        assert "First name: Ada-Clearly-Invented" in text


async def test_details_too_late_for_their_trigger_say_so_and_open_at_the_next_click(tmp_path: Path) -> None:
    async with journey(tmp_path, timeouts=replace(PATIENT, listener=IN_EARNEST.listener)) as world:
        await finished(world)
        for fault in (Fault.error("expired_trigger_id"), Fault.status(500), Fault.hang_before(GIVE_UP_SECONDS)):
            before = len(world.slack.ephemerals(world.analyst.user_id))
            world.slack.fail_next("views.open", fault)
            reply = await world.analyst.click(world.root(), "kyc_details_open")
            assert reply.ok
            await world.slack.wait_for(
                lambda before=before: len(world.slack.ephemerals(world.analyst.user_id)) > before  # type: ignore[misc]
            )
            said = plain(world.slack.ephemerals(world.analyst.user_id)[-1])
            assert said == "Details timed out. Try again."
        assert (await details(world, world.analyst)).title.startswith("Check K-")


async def test_closing_the_details_before_their_links_come_does_no_harm(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await finished(world)
        modal = await details(world, world.analyst)
        await modal.close()
        await world.bot.background.close()
        assert not modal.is_open


async def test_the_answer_to_status_has_details_too(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await finished(world)
        reply = await world.analyst.command(f"status {ref}")
        assert reply.message is not None
        modal = await details(world, world.analyst, reply.message)
        assert modal.title == f"Check {ref}"


async def test_after_a_restart_an_old_messages_button_works_and_old_words_do_too(tmp_path: Path) -> None:
    clock = MovedClock()
    slack = patient_slack(clock)
    smile_id = SmileIDSandbox(partner_id="0421", api_key="sandbox-api-key", callback_delay_seconds=0, clock=clock)
    await slack.start()
    await smile_id.start()
    try:
        environment = settings_for(
            slack,
            smile_id,
            database=engines.lay(tmp_path / "kyc.db"),
            socket_mode=False,
            KYC_SLACK_POSTS_PER_SECOND="1000",
        )
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            ref = await finished(world)
        async with bot_between(slack, smile_id, environment, clock=clock) as world:
            modal = await details(world, slack.person(REVIEWER))
            assert modal.title == f"Check {ref}"
            assert "First name: Ada-Clearly-Invented" in await with_links(modal)
            assert "Approved" in await typed(world.analyst, f"status {ref}")
            assert ref in await typed(world.analyst, "list")
            assert world.notices() == []
            assert slack.messages(REVIEW_CHANNEL) == []
    finally:
        await smile_id.stop()
        await slack.stop()


# What nobody here knows


async def test_a_button_of_another_version_says_so(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await finished(world)
        button = {
            "type": "button",
            "action_id": "kyc_of_the_future",
            "block_id": "b",
            "text": {"type": "plain_text", "text": "Claim"},
            "value": "x",
        }
        world.root().blocks.append({"type": "actions", "block_id": "b", "elements": [button]})
        assert (await world.analyst.click(world.root(), "kyc_of_the_future")).ok
        await world.slack.wait_for(lambda: bool(world.slack.ephemerals(world.analyst.user_id)))
        said = plain(world.slack.ephemerals(world.analyst.user_id)[-1])
        assert "This button is out of date" in said


async def test_a_form_of_another_version_says_that_nothing_was_stored(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.fill(await world.form())
        modal._view.definition["callback_id"] = "kyc_form_of_the_future"
        submission = await modal.submit()
        assert submission.updated is not None
        assert "nothing was stored or sent" in modal.text()
        assert await typed(world.analyst, "list") == NONE


async def test_a_shortcut_of_another_version_says_so_by_direct_message(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        assert (await world.analyst.shortcut("kyc_of_the_future")).ok
        await world.answered()
        await world.work()
        await world.slack.wait_for(lambda: bool(world.slack.direct_messages(world.analyst.user_id)))
        assert "out of date" in world.direct(world.analyst.user_id)[0]


# When something of ours fails


async def test_a_command_that_fails_in_the_bot_gives_a_code_that_is_in_the_log(
    tmp_path: Path, log_lines: io.StringIO
) -> None:
    async with journey(tmp_path) as world:
        ref = await finished(world)
        await world.bot.database.close()
        reply = await world.analyst.command(f"status {ref}")
        assert reply.ok
        assert reply.text.startswith("Something went wrong on our side; nothing was sent to Smile ID")
        _assert_code_is_logged(reply.text, log_lines)


async def test_a_form_that_fails_in_the_bot_keeps_what_was_typed_and_gives_a_code(
    tmp_path: Path, log_lines: io.StringIO
) -> None:
    async with journey(tmp_path) as world:
        modal = await world.fill(await world.form(), id_number=PERSONAL["id_number"])
        await modal.click(ids.MORE_FIELDS)
        for name in ("first_name", "customer_reference"):
            await modal.fill(name, PERSONAL[name])
        before = modal.values
        await world.bot.database.close()
        submission = await modal.submit()
        (words,) = submission.errors.values()
        assert words.startswith("Something went wrong on our side; nothing was sent to Smile ID")
        assert modal.values == before
        _assert_code_is_logged(words, log_lines)


async def test_a_button_that_fails_in_the_bot_tells_its_person_with_a_code(
    tmp_path: Path, log_lines: io.StringIO
) -> None:
    async with journey(tmp_path) as world:
        await finished(world)
        await world.bot.database.close()
        assert (await world.analyst.click(world.root(), "kyc_details_open")).ok
        await world.slack.wait_for(lambda: bool(world.slack.ephemerals(world.analyst.user_id)))
        words = plain(world.slack.ephemerals(world.analyst.user_id)[-1])
        assert words.startswith("Something went wrong on our side; your click changed nothing.")
        _assert_code_is_logged(words, log_lines)


def _assert_code_is_logged(words: str, log_lines: io.StringIO) -> None:
    log = log_lines.getvalue()
    (code,) = re.findall(r"Reference (E-[0-9A-F]{4})\.", words)
    (line,) = [line for line in log.splitlines() if code in line]
    assert "listener.failed" in line
    assert "DatabaseFault" in line
    for value in PERSONAL.values():
        assert value not in log
