"""Which ID types the form offers: what Smile ID tells, kept for when it is away, and never more than can be trusted."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.demo import settings_for
from bot.sandbox.slack import ClientRefuses, Modal
from bot.sandbox.smile_id import Fault
from storage import meta
from tests.journeys.world import Journey, bot_between, journey

pytestmark = pytest.mark.anyio

USUAL = ["country", "id_type", "user_id", "job_id", "id_number"]
RWANDA = {
    "name": "Rwanda",
    "id_types": {
        "NATIONAL_ID": {
            "label": "Indangamuntu",
            "required_fields": [*USUAL, "village_name"],
            "test_data": "1199000000000000",
            "id_number_regex": "^1[0-9]{15}$/i",
        },
        "PASSPORT": {"label": "Passport", "required_fields": USUAL},
    },
}
CATASTROPHE = r"^([0-9]+)+$"
BVN_ALONE: dict[str, object] = {"idSelection": {"biometric_kyc": {"NG": ["BVN"]}}}


def listing(**countries: Any) -> dict[str, object]:
    return {"hosted_web": {"biometric_kyc": countries}}


def nigeria(**of_bvn: Any) -> dict[str, Any]:
    bvn = {"label": "BVN", "required_fields": USUAL, "test_data": "00000000000", **of_bvn}
    return {"name": "Nigeria", "id_types": {"BVN": bvn}}


def required(modal: Modal) -> list[str]:
    return [block["block_id"] for block in modal.blocks if block["type"] == "input" and not block["optional"]]


def block(modal: Modal, name: str) -> dict[str, Any]:
    return next(block for block in modal.blocks if block.get("block_id") == name)


def offers(world: Journey) -> list[str]:
    return [f"{entry.country} {entry.id_type}" for entry in world.bot.id_types.offered()]


@asynccontextmanager
async def restarted(world: Journey, folder: Path, **settings: str) -> AsyncIterator[Journey]:
    """The next process with the same database, between the same stand-ins."""
    key = world.bot.settings.encryption_keys.get_secret_value()
    environment = settings_for(
        world.slack,
        world.smile_id,
        database=folder / "kyc.db",
        socket_mode=False,
        public=True,
        **{"KYC_ENCRYPTION_KEYS": key, **settings},
    )
    async with bot_between(world.slack, world.smile_id, environment, clock=world.clock) as again:
        yield again


async def test_a_new_type_of_smile_ids_list_is_asked_for_in_the_form_and_sent_with_all_that_it_needs(
    tmp_path: Path,
) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.services = listing(RW=RWANDA)
        assert await world.bot.refresh()
        modal = await world.form()
        await modal.choose("country", "RW")
        await modal.choose("id_type", "NATIONAL_ID")
        assert required(modal) == ["country", "id_type", "id_number", "village_name", "selfie", "consent"]
        assert block(modal, "village_name")["label"]["text"] == "Village name"
        assert block(modal, "village_name")["element"]["type"] == "plain_text_input"
        assert block(modal, "id_number")["hint"]["text"] == "For example 1199000000000000"

        await world.ask(country="RW", id_type="NATIONAL_ID", id_number="1199 0000 0000 0000", village_name="Invented")
        await world.settle()
        info = world.job().info
        assert info is not None
        assert info["id_info"] == {
            "country": "RW",
            "id_type": "NATIONAL_ID",
            "id_number": "1199000000000000",
            "village_name": "Invented",
            "entered": "true",
        }
        assert "Rwanda · Indangamuntu ending 0000" in world.slack.plain(world.root())


async def test_a_list_that_agrees_with_the_table_leaves_the_form_as_it_was(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        before = [(entry.country, entry.id_type, entry.fields, entry.example) for entry in world.bot.id_types.offered()]
        assert await world.bot.refresh()
        after = [(entry.country, entry.id_type, entry.fields, entry.example) for entry in world.bot.id_types.offered()]
        assert after == before


async def test_a_type_that_is_not_enabled_for_this_partner_disappears_new_ones_too(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.services = listing(RW=RWANDA)
        world.smile_id.products = {"idSelection": {"biometric_kyc": {"NG": ["BVN"], "RW": ["PASSPORT"]}}}
        assert await world.bot.refresh()
        assert offers(world) == ["NG BVN", "RW PASSPORT"]

        world.smile_id.products = BVN_ALONE
        modal = await world.form()
        await modal.choose("country", "RW")
        assert await world.bot.refresh()
        with pytest.raises(ClientRefuses, match="not offered among NG"):
            await (await world.form()).choose("country", "RW")


async def test_a_bot_that_starts_while_smile_id_is_away_offers_what_was_known_before(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.services = listing(RW=RWANDA, NG=nigeria(required_fields=[*USUAL, "last_name"]))
        world.smile_id.products = {"idSelection": {"biometric_kyc": {"NG": ["BVN"], "RW": ["NATIONAL_ID"]}}}
        assert await world.bot.refresh()
        known = list(world.bot.id_types.offered())
        await world.smile_id.stop()
        async with restarted(world, tmp_path) as again:
            assert list(again.bot.id_types.offered()) == known
            modal = await again.form()
            await modal.choose("country", "NG")
            assert "last_name" in required(modal)

            assert not await again.bot.refresh()
            assert list(again.bot.id_types.offered()) == known
        await world.smile_id.start()


async def test_one_list_without_an_answer_does_not_hold_up_the_other(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.services = listing(RW=RWANDA)
        world.smile_id.products = BVN_ALONE
        world.smile_id.fail_next("services", Fault.status(503))
        assert not await world.bot.refresh()
        assert offers(world) == ["NG BVN"]

        world.smile_id.products = {"idSelection": {"biometric_kyc": {"RW": ["PASSPORT"]}}}
        world.smile_id.fail_next("products_config", Fault.status(503))
        assert not await world.bot.refresh()
        assert offers(world) == ["NG BVN"]
        assert world.bot.id_types.find("RW", "PASSPORT") is not None


async def test_an_environment_without_the_lists_is_an_answer_and_offers_the_table(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        table = offers(world)
        world.smile_id.services = listing(RW=RWANDA)
        world.smile_id.products = {"idSelection": {"biometric_kyc": {"RW": ["PASSPORT"]}}}
        assert await world.bot.refresh()
        world.smile_id.fail_next("services", Fault.status(404))
        world.smile_id.products = None
        assert await world.bot.refresh()
        assert offers(world) == table
        async with restarted(world, tmp_path) as again:
            assert offers(again) == table


GARBAGE = (
    "",
    "<html>captive portal</html>",
    "[]",
    "null",
    "{",
    '{"hosted_web": null, "idSelection": null}',
    '{"hosted_web": {"biometric_kyc": "all"}, "idSelection": "all"}',
    '{"hosted_web": {"biometric_kyc": {"NG": {"id_types": {"BVN": "yes"}}}}}',
    "[" * 100_000,
    '{"hosted_web": "' + "x" * 2**20 + '"}',
)


async def test_garbage_changes_nothing_now_or_after_a_restart(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.services = listing(RW=RWANDA)
        world.smile_id.products = {"idSelection": {"biometric_kyc": {"NG": ["BVN"], "RW": ["PASSPORT"]}}}
        assert await world.bot.refresh()
        known = list(world.bot.id_types.offered())
        for answer in GARBAGE:
            for call in ("services", "products_config"):
                world.smile_id.fail_next(call, Fault.status(200, answer))
            assert not await world.bot.refresh(), answer[:20]
            assert list(world.bot.id_types.offered()) == known, answer[:20]
        async with restarted(world, tmp_path) as again:
            assert list(again.bot.id_types.offered()) == known


async def test_a_pattern_made_to_keep_the_bot_busy_does_not_hang_the_form(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        new = {"NEW_CARD": {"required_fields": USUAL, "id_number_regex": CATASTROPHE}}
        world.smile_id.services = listing(NG=nigeria(id_number_regex=CATASTROPHE), RW={"id_types": new})
        assert await world.bot.refresh()
        awkward = "1" * 60 + "!"

        modal = await world.fill(await world.form(), id_number=awkward)
        begun = time.process_time()
        submission = await modal.submit()
        assert time.process_time() - begun < 2
        assert submission.errors["id_number"].startswith("A BVN has 11 digits")

        begun = time.process_time()
        await world.ask(country="RW", id_type="NEW_CARD", id_number=awkward)
        assert time.process_time() - begun < 2


async def test_a_damaged_note_is_passed_over_and_replaced(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        table = offers(world)
        for damage in ("", "{", "[]", "7", "null", '{"at": 1}', '{"at": 1, "whose": 1, "answer": []}', "[" * 100_000):
            for name in ("smile_id_services", "smile_id_products"):
                await world.bot.database.write(meta.keep, name, damage)
            async with restarted(world, tmp_path) as again:
                assert offers(again) == table
        world.smile_id.products = BVN_ALONE
        assert await world.bot.refresh()
        async with restarted(world, tmp_path) as again:
            assert offers(again) == ["NG BVN"]
        for name in ("smile_id_services", "smile_id_products"):
            note = await world.bot.database.read(meta.kept, name)
            assert note is not None
            for spoilt in ("{}", '{"idSelection": 1, "hosted_web": 1}', "[]", '"NG BVN"'):
                damaged = json.dumps({**json.loads(note), "answer": json.loads(spoilt)})
                await world.bot.database.write(meta.keep, name, damaged)
                async with restarted(world, tmp_path) as again:
                    assert offers(again) == (["NG BVN"] if name == "smile_id_services" else table)


async def test_what_one_partner_may_use_is_not_offered_to_another(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        table = offers(world)
        world.smile_id.products = BVN_ALONE
        assert await world.bot.refresh()
        async with restarted(world, tmp_path, SMILE_ID_PARTNER_ID="0422") as again:
            assert offers(again) == table


async def test_an_operators_own_table_is_their_word_and_only_what_the_partner_may_use_narrows_it(
    tmp_path: Path,
) -> None:
    own = tmp_path / "types.csv"
    own.write_text(
        "country,country_name,id_type,label,required_fields,optional_fields,id_number_regex,test_id_number,"
        "supports_biometric_kyc,returns_photo,source,notes\n"
        "NG,Nigeria,BVN,BVN,id_number,,^[0-9]{11}$,00000000000,yes,yes,,\n"
        "NG,Nigeria,NIN_V2,NIN,id_number,,^[0-9]{11}$,00000000000,yes,yes,,\n",
        encoding="utf-8",
    )
    async with journey(tmp_path) as world:
        world.smile_id.services = listing(RW=RWANDA, NG=nigeria(required_fields=[*USUAL, "last_name"]))
        world.smile_id.products = {"idSelection": {"biometric_kyc": {"NG": ["BVN"], "RW": ["PASSPORT"]}}}
        assert await world.bot.refresh()
        asked = len([call for call in world.smile_id.requests if call.call == "services"])
        async with restarted(world, tmp_path, KYC_ID_TYPES=str(own)) as again:
            assert offers(again) == ["NG BVN"]
            assert await again.bot.refresh()
            assert offers(again) == ["NG BVN"]
            (bvn,) = again.bot.id_types.offered()
            assert bvn.required == ("id_number",)
        assert len([call for call in world.smile_id.requests if call.call == "services"]) == asked
