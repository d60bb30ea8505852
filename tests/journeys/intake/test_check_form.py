"""The form in an analyst's hands: it opens, follows what is chosen, and says beside each field what is wrong."""

import asyncio
import copy
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.check.check import SearchFilter
from bot.sandbox.demo import CHANNEL
from bot.sandbox.slack import ClientRefuses, Fault, Modal, Submission
from bot.slack.blocks import ids
from storage import checks, search
from storage.engine.database import Transaction
from tests.conftest import Took
from tests.journeys.world import IN_EARNEST, PHOTOS, SELFIE, Journey, hanging, journey

pytestmark = pytest.mark.anyio

NEEDED_FOR_BVN = ["country", "id_type", "id_number", "selfie", "liveness", "consent"]
OPTIONAL_FOR_BVN = ["customer_reference", "first_name", "middle_name", "last_name", "dob", "phone_number"]


def fields(modal: Modal) -> list[str]:
    return [block["block_id"] for block in modal.blocks if block["type"] == "input"]


def required(modal: Modal) -> list[str]:
    return [block["block_id"] for block in modal.blocks if block["type"] == "input" and not block["optional"]]


def offered(modal: Modal, block_id: str) -> list[str]:
    (block,) = (block for block in modal.blocks if block["block_id"] == block_id)
    return [option["value"] for option in block["element"]["options"]]


async def count(world: Journey) -> int:
    return len((await world.bot.database.read(search.page, SearchFilter(), size=100)).checks)


async def stored_posts(world: Journey) -> int:
    def rows(tx: Transaction) -> int:
        return len(tx.rows("SELECT id FROM posts"))

    return await world.bot.database.read(rows)


async def refused(world: Journey, modal: Modal) -> dict[str, str]:
    """Send a form that must be refused; nothing may come of it."""
    submission = await modal.submit(client_checks=False)
    assert not submission.closed, submission
    assert not submission.problem, submission
    assert await count(world) == 0
    assert await stored_posts(world) == 0
    assert modal.is_open
    return submission.errors


async def test_the_command_opens_the_form_and_the_result_goes_to_its_channel(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        for typed in ("", "check", "  Check ", "check for Ada"):
            reply = await world.analyst.command(typed)
            assert (reply.ok, reply.text) == (True, "")
            modal = await world.analyst.modal()
            assert modal.title == "Biometric KYC check"
            assert fields(modal) == ["country"]
        await world.fill(modal)
        assert (await modal.submit()).closed
        check = await world.check(await world.newest())
        assert (check.channel, check.thread_ts, check.requester) == (CHANNEL, None, world.analyst.user_id)


async def test_the_global_shortcut_asks_for_the_channel_too(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.slack.add_channel("C0PAYROLL01", "payroll", members=[world.analyst.user_id])
        assert (await world.analyst.shortcut("kyc_check")).ok
        modal = await world.analyst.modal()
        assert fields(modal) == ["channel", "country"]
        await modal.choose("channel", "C0PAYROLL01")
        await world.fill(modal)
        assert (await modal.submit()).closed
        assert (await world.check(await world.newest())).channel == "C0PAYROLL01"


async def test_the_shortcuts_form_says_at_once_that_the_bot_is_not_in_the_chosen_channel(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.slack.add_channel("C0CLOSED001", "closed", members=[world.analyst.user_id], bot_is_member=False)
        await world.analyst.shortcut("kyc_check")
        modal = await world.analyst.modal()
        await modal.choose("channel", "C0CLOSED001")
        assert "I can't post in #closed, so the result would be lost. Type /invite @kyc there" in modal.text()
        await world.fill(modal)
        errors = await refused(world, modal)
        assert list(errors) == ["channel"]
        assert errors["channel"].startswith("I can't post in #closed")
        await modal.choose("channel", CHANNEL)
        assert "I can't post" not in modal.text()
        assert (await modal.submit()).closed


async def test_the_shortcuts_form_without_a_channel_names_that_field(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.analyst.shortcut("kyc_check")
        modal = await world.analyst.modal()
        await world.fill(modal)
        assert await refused(world, modal) == {"channel": "Choose the channel for the results."}


async def test_country_then_id_type_then_exactly_its_fields(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.form()
        await modal.choose("country", "NG")
        assert fields(modal) == ["country", "id_type"]
        await modal.choose("id_type", "BVN")
        assert fields(modal) == NEEDED_FOR_BVN
        assert required(modal) == ["country", "id_type", "id_number", "selfie", "consent"]
        await modal.choose("country", "KE")
        assert fields(modal) == ["country", "id_type"]
        await modal.choose("id_type", "PASSPORT")
        assert required(modal) == ["country", "id_type", "id_number", "selfie", "consent"]
        assert "For example A00000000" in modal.text()
        # The only type of a country needs no choosing.
        await modal.choose("country", "ZA")
        assert modal.values["id_type"] == "NATIONAL_ID"
        assert "id_number" in fields(modal)


async def test_what_was_typed_stays_when_the_id_type_changes(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.fill(await world.form(), liveness=8, first_name="Ada", customer_reference="CUST-1")
        before = modal.values
        await modal.choose("id_type", "NIN_V2")
        assert modal.values == before | {"id_type": "NIN_V2"}
        assert (await modal.submit()).closed
        check = await world.check(await world.newest())
        assert (check.id_type, check.id_info["first_name"], check.customer_reference) == ("NIN_V2", "Ada", "CUST-1")
        assert len(await world.bot.database.read(checks.photos, check.ref)) == 9


async def test_more_fields_appear_below_the_consent_and_keep_what_was_typed(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.fill(await world.form(), liveness=8)
        assert fields(modal) == NEEDED_FOR_BVN
        assert "All optional: customer reference, first name, middle name, last name" in modal.text()
        before = modal.values
        await modal.click(ids.MORE_FIELDS)
        assert fields(modal) == NEEDED_FOR_BVN + OPTIONAL_FOR_BVN
        assert modal.values == before | dict.fromkeys(OPTIONAL_FOR_BVN)
        assert "More fields" not in modal.text()
        # Once they are shown they stay, for another type too.
        await modal.fill("first_name", "Ada")
        await modal.choose("id_type", "NIN_V2")
        assert fields(modal) == NEEDED_FOR_BVN + OPTIONAL_FOR_BVN
        assert modal.values["first_name"] == "Ada"
        assert (await modal.submit()).closed


async def test_the_form_opens_with_what_its_person_asked_for_last(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="*") as world:
        await world.ask(country="GH", id_type="PASSPORT", id_number="G0000000")
        world.clock.move(days=1)
        await world.ask(country="KE", id_type="NATIONAL_ID", id_number="00000000")
        modal = await world.form()
        assert (modal.values["country"], modal.values["id_type"]) == ("KE", "NATIONAL_ID")
        assert offered(modal, "country") == ["KE", "GH", "NG", "ZA"]
        # Another choice is one click away, and begins with what was used there.
        await modal.choose("country", "GH")
        assert modal.values["id_type"] is None
        assert offered(modal, "id_type")[0] == "PASSPORT"
        assert offered(modal, "country") == ["KE", "GH", "NG", "ZA"]
        await modal.close()
        # It is this person's habit, nobody else's.
        world.slack.add_user("U0BIMPE0001", "bimpe")
        other = await world.form(world.slack.person("U0BIMPE0001"))
        assert (fields(other), offered(other, "country")) == (["country"], ["NG", "GH", "KE", "ZA"])
        # After a month it is habit no longer, though it still stands first.
        world.clock.move(days=31)
        modal = await world.form()
        assert (fields(modal), offered(modal, "country")[:2]) == (["country"], ["KE", "GH"])


async def test_a_message_that_names_a_country_opens_the_form_with_what_was_used_there(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.ask(country="GH", id_type="PASSPORT", id_number="G0000000")
        for said, country, id_type in (("", "GH", "PASSPORT"), ("a check for Ghana, please", "GH", "PASSPORT")):
            selfie = await world.analyst.upload(SELFIE, "selfie.jpg")
            message = await world.analyst.say(CHANNEL, said, files=[selfie])
            await world.analyst.message_shortcut(ids.SHORTCUT_CHECK_MESSAGE, CHANNEL, message.ts)
            modal = await world.analyst.modal()
            await modal.changed()
            assert (modal.values["country"], modal.values["id_type"]) == (country, id_type), said
            await modal.close()


async def test_where_one_channel_is_allowed_no_channel_is_asked_for(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_CHANNELS=CHANNEL) as world:
        await world.analyst.shortcut(ids.SHORTCUT_CHECK)
        modal = await world.analyst.modal()
        assert fields(modal) == ["country"]
        assert "The result is posted in #kyc-requests." in modal.text()
        await world.fill(modal)
        assert "The result is posted in #kyc-requests." in modal.text()
        assert (await modal.submit()).closed
        check = await world.check(await world.newest())
        assert (check.channel, check.thread_ts) == (CHANNEL, None)
        # Where the person acted is where the result goes: the form need not say so.
        assert "The result is posted" not in (await world.form()).text()


async def test_a_type_chosen_for_one_country_does_not_count_for_another(tmp_path: Path) -> None:
    """`PASSPORT` stands in several countries' lists; only what was chosen in this one's is meant."""
    async with journey(tmp_path) as world:
        modal = await world.form()
        await modal.choose("country", "KE")
        await modal.choose("id_type", "PASSPORT")
        await modal.choose("country", "GH")
        assert modal.values["id_type"] is None
        assert fields(modal) == ["country", "id_type"]
        # An update that never came: the list on the screen is still the other country's.
        await world.fill(modal, country="KE", id_type="PASSPORT", id_number="A00000000")
        world.slack.fail_next("views.update", Fault.error("not_found"))
        await modal.choose("country", "GH")
        assert await refused(world, modal) == {"id_type": "Choose an ID type of this country."}


TYPED = (
    ("id_number", "1234567890", "A BVN has 11 digits, for example 00000000000. You typed 10."),
    ("id_number", "2221234567X", "A BVN has 11 digits and nothing else, for example 00000000000."),
    ("id_number", "   ", "A BVN check needs this, for example 00000000000."),
    ("dob", "2090-01-01", "This date is in the future."),
    ("phone_number", "call me", "A phone number has 6 to 20 digits, for example 08012345678."),
    ("first_name", "A" * 101, "At most 100 characters. You typed 101."),
    ("first_name", ":grinning: Ada", "Write the name in letters, without emoji, as it is on the ID."),
    ("customer_reference", "R" * 101, "At most 100 characters. You typed 101."),
)
CORRECTED = {"id_number": "22212345678", "first_name": "Ada", "dob": "1990-01-02", "phone_number": "0801 234 5678"}


async def test_a_typing_fault_is_displayed_at_its_field_and_can_be_corrected(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.fill(await world.form())
        await modal.click(ids.MORE_FIELDS)
        for block_id, value, words in TYPED:
            await modal.enter(block_id, value)
            errors = await refused(world, modal)
            assert list(errors) == [block_id]
            assert words in errors[block_id]
            await modal.enter(block_id, CORRECTED.get(block_id, "Ada"))
        assert (await modal.submit()).closed
        assert await count(world) == 1


async def _no_consent(_world: Journey, modal: Modal) -> None:
    await modal.choose("consent", [])


async def _no_selfie(_world: Journey, modal: Modal) -> None:
    await modal.attach("selfie")


async def _three_liveness_images(world: Journey, modal: Modal) -> None:
    files = [await world.analyst.upload(PHOTOS / f"liveness_{n}.jpg", f"liveness_{n}.jpg") for n in range(3)]
    await modal.attach("liveness", *files)


async def _a_pdf(world: Journey, modal: Modal) -> None:
    await modal.attach("selfie", await world.analyst.upload(b"%PDF-1.7", "selfie.pdf"), client_checks=False)


async def _a_pdf_named_as_a_photo(world: Journey, modal: Modal) -> None:
    file = await world.analyst.upload(b"%PDF-1.7", "selfie.jpg", mimetype="application/pdf")
    await modal.attach("selfie", file, client_checks=False)


async def _too_large(world: Journey, modal: Modal) -> None:
    content = SELFIE + bytes(11 * 1024 * 1024 - len(SELFIE))
    await modal.attach("selfie", await world.analyst.upload(content, "selfie.jpg"), client_checks=False)


async def _empty(world: Journey, modal: Modal) -> None:
    await modal.attach("selfie", await world.analyst.upload(b"", "selfie.jpg"))


async def _the_same_file_nine_times(world: Journey, modal: Modal) -> None:
    file = await world.analyst.upload(SELFIE, "selfie.jpg")
    await modal.attach("selfie", file)
    await modal.attach("liveness", *[file] * 8)


async def _two_selfies(world: Journey, modal: Modal) -> None:
    files = [await world.analyst.upload(SELFIE, f"{n}.jpg") for n in range(2)]
    await modal.attach("selfie", *files, client_checks=False)


async def _a_deleted_file(world: Journey, modal: Modal) -> None:
    file = await world.analyst.upload(SELFIE, "selfie.jpg")
    file.is_deleted = True
    await modal.attach("selfie", file)


async def _a_file_that_slack_hides(world: Journey, _modal: Modal) -> None:
    world.slack.fail_next("files.info", Fault.error("not_visible"))


SPOILED = (
    (_no_consent, "consent", "Smile ID may only be asked with the customer's consent."),
    (_no_selfie, "selfie", "Attach one selfie, a JPEG or PNG photo."),
    (_two_selfies, "selfie", "Two photos are attached as the selfie. Keep one, and leave out the others."),
    (_three_liveness_images, "liveness", "Smile ID takes 8 liveness images or none. You attached 3."),
    (_a_pdf, "selfie", "This is a PDF. Attach a JPEG or PNG photo."),
    (_a_pdf_named_as_a_photo, "selfie", "This is a PDF. Attach a JPEG or PNG photo."),
    (_too_large, "selfie", "This file has 11.0 MB; at most 10 MB"),
    (_empty, "selfie", "This file is empty (0 bytes)."),
    (_the_same_file_nine_times, "liveness", "The same file is attached twice."),
    (_a_deleted_file, "selfie", "This file was deleted in Slack. Attach it again from your device."),
    (_a_file_that_slack_hides, "selfie", "I may not read this file. Attach it again from your device."),
)


async def test_a_fault_of_photos_or_consent_is_displayed_at_its_field_and_can_be_corrected(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.form()
        for spoil, block_id, words in SPOILED:
            await world.fill(modal)
            await modal.attach("liveness")
            await spoil(world, modal)
            errors = await refused(world, modal)
            assert list(errors) == [block_id], spoil
            assert words in errors[block_id]
        await world.fill(modal)
        await modal.attach("liveness")
        assert (await modal.submit()).closed
        assert await count(world) == 1


async def test_all_faults_are_reported_at_once_each_at_its_field(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.form()
        await modal.choose("country", "NG")
        await modal.choose("id_type", "BVN")
        await modal.fill("id_number", "1")
        assert set(await refused(world, modal)) == {"id_number", "selfie", "consent"}


async def test_an_empty_form_reports_faults_of_its_displayed_fields_only(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.form()
        assert await refused(world, modal) == {"country": "Choose the country that issued the ID."}
        await modal.choose("country", "NG")
        assert await refused(world, modal) == {"id_type": "Choose an ID type of this country."}


async def test_the_client_itself_keeps_an_incomplete_form_from_being_sent(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.form()
        await modal.choose("country", "NG")
        await modal.choose("id_type", "BVN")
        with pytest.raises(ClientRefuses, match="id_number, selfie, consent"):
            await modal.submit()


async def test_sending_the_same_form_several_times_makes_one_check(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.fill(await world.form())
        # An impatient click, and Slack's client trying again: the same view, at the same time and later.
        submissions: list[Submission] = await asyncio.gather(*(modal.submit() for _ in range(4)))
        assert all(not s.errors and not s.problem for s in submissions), submissions
        assert await count(world) == 1
        await world.settle()
        assert len(world.smile_id.jobs) == 1
        assert len([m for m in world.slack.messages(CHANNEL) if m.thread_ts is None]) == 1


async def test_a_view_submission_delivered_again_later_changes_nothing(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.fill(await world.form())
        view = copy.deepcopy(modal.view)
        assert (await modal.submit()).closed
        ref = await world.newest()
        await world.settle()
        said = len(world.slack.messages(CHANNEL))
        team = {"id": "T0ACME00001", "domain": "acme-compliance"}
        user = {"id": world.analyst.user_id, "team_id": "T0ACME00001"}
        again = await world.slack.deliver(
            "interactive", {"type": "view_submission", "team": team, "user": user, "view": view, "trigger_id": "1.2.3"}
        )
        assert (again.status, again.body) == (200, None)
        await world.settle()
        assert (await world.newest(), await count(world)) == (ref, 1)
        assert len(world.slack.messages(CHANNEL)) == said


async def test_two_forms_filled_alike_are_two_checks(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        assert await world.ask() != await world.ask()
        assert await count(world) == 2


async def test_a_hanging_file_look_up_is_given_up_and_the_form_accepted_in_time(tmp_path: Path, took: Took) -> None:
    async with journey(tmp_path, timeouts=IN_EARNEST) as world:
        modal = await world.fill(await world.form(), liveness=8)
        started = asyncio.get_running_loop().time()
        with hanging(world.slack, "files.info"):
            submission = await modal.submit()
        took(asyncio.get_running_loop().time() - started, less_than=1.8)
        assert submission.closed, submission
        # Side by side: one after the other they would take nine seconds.
        assert [call.method for call in world.slack.calls].count("files.info") == 9
        assert await count(world) == 1


async def test_a_submit_is_answered_within_three_seconds_while_every_call_to_slack_hangs(
    tmp_path: Path, took: Took
) -> None:
    async with journey(tmp_path, timeouts=IN_EARNEST, KYC_REQUESTERS="*,S0GONE00001") as world:
        modal = await world.fill(await world.form())
        world.clock.move(minutes=11)
        started = asyncio.get_running_loop().time()
        with hanging(world.slack):
            submission = await modal.submit()
        took(asyncio.get_running_loop().time() - started, less_than=3)
        assert submission.errors == {"country": "Slack did not confirm your access in time. Try again in a moment."}
        assert (await modal.submit()).closed


async def test_the_form_follows_a_choice_even_when_slack_was_away_for_a_moment(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.form()
        world.slack.fail_next("views.update", Fault.status(500))
        await modal.choose("country", "NG")
        assert fields(modal) == ["country"]
        await modal.changed()
        assert fields(modal) == ["country", "id_type"]


async def test_a_late_update_never_undoes_a_newer_choice(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.form()
        world.slack.fail_next("views.update", Fault.status(500))
        await modal.choose("country", "NG")
        await modal.choose("country", "KE")
        await world.slack.wait_for(lambda: len([c for c in world.slack.calls if c.method == "views.update"]) == 3)
        await modal.choose("id_type", "ALIEN_CARD")
        assert "id_number" in fields(modal)


async def test_a_channel_look_up_in_between_does_not_undo_a_choice(tmp_path: Path) -> None:
    """hash_conflict: what was chosen now is what counts."""
    async with journey(tmp_path) as world:
        modal = await world.form()
        world.slack.fail_next("views.update", Fault.error("hash_conflict"))
        await modal.choose("country", "NG")
        assert fields(modal) == ["country", "id_type"]


async def test_only_what_this_partner_may_use_is_offered(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.products = {"idSelection": {"biometric_kyc": {"NG": ["BVN", "NIN_V2"], "GH": ["GHANA_CARD"]}}}
        await world.bot.refresh()
        modal = await world.form()
        await modal.choose("country", "NG")
        with pytest.raises(ClientRefuses, match="not offered among BVN, NIN_V2"):
            await modal.choose("id_type", "VOTER_ID")
        with pytest.raises(ClientRefuses, match="not offered among NG, GH"):
            await modal.choose("country", "KE")


async def test_a_type_withdrawn_while_the_form_was_open_is_refused_at_its_field(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.fill(await world.form())
        world.smile_id.products = {"idSelection": {"biometric_kyc": {"NG": ["NIN_V2"]}}}
        await world.bot.refresh()
        assert await refused(world, modal) == {"id_type": "Choose an ID type of this country."}


async def test_an_operators_own_table_of_id_types_is_what_the_form_offers(tmp_path: Path) -> None:
    table = tmp_path / "types.csv"
    table.write_text(
        "country,country_name,id_type,label,required_fields,optional_fields,id_number_regex,test_id_number,"
        "supports_biometric_kyc,returns_photo,source,notes\n"
        "RW,Rwanda,NATIONAL_ID,National ID,id_number|last_name,phone_number,^[0-9]{16}$,1199000000000000,yes,yes,,\n"
        "KE,Kenya,KRA_PIN,KRA PIN,id_number|citizenship,dob,,,yes,yes,,\n"
        "KE,Kenya,BANK_ACCOUNT,Bank Account,id_number|bank_code,,,,yes,yes,,\n",
        encoding="utf-8",
    )
    async with journey(tmp_path, KYC_ID_TYPES=str(table)) as world:
        modal = await world.form()
        await modal.choose("country", "KE")
        await modal.choose("id_type", "BANK_ACCOUNT")
        assert required(modal) == ["country", "id_type", "id_number", "bank_code", "selfie", "consent"]
        await modal.choose("id_type", "KRA_PIN")
        assert required(modal) == ["country", "id_type", "id_number", "citizenship", "selfie", "consent"]
        await modal.choose("citizenship", "Alien")
        await modal.choose("country", "RW")
        assert required(modal) == ["country", "id_type", "id_number", "last_name", "selfie", "consent"]
        await modal.fill("id_number", "12")
        await modal.fill("last_name", "Clearly-Invented")
        await modal.attach("selfie", await world.analyst.upload(SELFIE, "selfie.jpg"))
        await modal.choose("consent", ["consented"])
        errors = await refused(world, modal)
        assert errors == {"id_number": "A National ID has 16 digits, for example 1199000000000000. You typed 2."}
        await modal.fill("id_number", "1199 0000 0000 0000")
        assert (await modal.submit()).closed


async def test_a_form_left_open_over_night_still_works(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        modal = await world.fill(await world.form())
        world.clock.move(hours=14)
        assert (await modal.submit()).closed
        check = await world.check(await world.newest())
        assert check.asked_at - world.clock() < timedelta(seconds=5)
