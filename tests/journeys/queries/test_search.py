"""Finding checks again: everybody sees what they may, page by page, and nothing that was typed travels on."""

import json
from pathlib import Path

import pytest

from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Modal, Person
from bot.slack.blocks import ids
from storage.engine.database import Transaction
from tests.journeys.world import ADMIN, REVIEWER, Journey, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

BOTH = pytest.mark.parametrize("socket_mode", [False, True], ids=["http", "socket"])
NUMBERS = ["11111111111", "22222222222", "33333333333"]


async def search(person: Person, **fields: object) -> Modal:
    assert (await person.command("find")).ok
    modal = await person.modal()
    for name, value in fields.items():
        await modal.enter(name, value)
    submission = await modal.submit()
    assert not submission.errors, submission.errors
    return modal


async def three(world: Journey) -> list[str]:
    """Three checks, the second one cancelled."""
    refs = [await world.ask(id_number=number, customer_reference=f"CUST-{n}") for n, number in enumerate(NUMBERS)]
    await world.analyst.command(f"cancel {refs[1]}")
    await world.settle()
    return refs


@BOTH
async def test_each_field_finds(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode) as world:
        refs = await three(world)
        job = world.job()
        sought: list[tuple[dict[str, object], list[str]]] = [
            ({ids.FIND_REF: refs[0].lower()}, [refs[0]]),
            ({ids.FIND_NUMBER: "222-2222 2222"}, [refs[1]]),
            ({ids.FIND_NUMBER: "'\uff12\uff12\uff1222222222"}, [refs[1]]),
            ({ids.FIND_NUMBER: NUMBERS[1], ids.FIND_COUNTRY: "KE"}, []),
            ({ids.FIND_REFERENCE: "cust-2"}, [refs[2]]),
            ({ids.FIND_JOB: job.smile_job_id}, [refs[2]]),
            ({ids.FIND_JOB: job.job_id}, [refs[2]]),
            ({ids.FIND_REQUESTER: ANALYST}, refs),
            ({ids.FIND_OUTCOME: "cancelled"}, [refs[1]]),
            ({ids.FIND_OUTCOME: (await world.check(refs[0])).state.value, ids.FIND_REFERENCE: "CUST-0"}, [refs[0]]),
            ({ids.FIND_OUTCOME: "cancelled", ids.FIND_REFERENCE: "CUST-0"}, []),
            ({ids.FIND_FIRST: "2020-01-01", ids.FIND_LAST: "2020-01-02"}, []),
            ({ids.FIND_FIRST: "2020-01-01"}, refs),
        ]
        for fields, found in sought:
            modal = await search(world.analyst, **fields)
            shown = modal.text()
            assert [ref for ref in refs if ref in shown] == found, fields
            for secret in (*NUMBERS, "CUST-0", "cust-2"):
                assert secret not in json.dumps(modal.view["private_metadata"])
            await modal.close(all_views=True)


async def test_others_checks_are_for_reviewers_and_recorded(tmp_path: Path) -> None:
    async with journey(tmp_path, KYC_REQUESTERS="*", KYC_REVIEWERS=REVIEWER, KYC_ADMINS=ADMIN) as world:
        refs = await three(world)
        remi = await search(world.slack.person(REVIEWER), **{ids.FIND_NUMBER: NUMBERS[0]})
        assert refs[0] in remi.text()
        stranger = "U0BIMPE0001"
        world.slack.add_user(stranger, "bimpe")
        for fields in ({ids.FIND_NUMBER: NUMBERS[0]}, {ids.FIND_REQUESTER: ANALYST}, {ids.FIND_REF: refs[0]}):
            modal = await search(world.slack.person(stranger), **fields)
            assert "No check that you have access to matches." in modal.text()
            await modal.close(all_views=True)
        assert "You have access to your own checks" in (await world.slack.person(stranger).command("list all")).text

        def acts(tx: Transaction) -> list[tuple[str, str]]:
            return [(r["actor"], r["detail"]) for r in tx.rows("SELECT * FROM audit WHERE act = 'checks.found'")]

        # Who found nothing has looked too; never for what.
        sought = [(REVIEWER, "number:1"), *((stranger, f"{kind}:0") for kind in ("number", "requester", "ref"))]
        assert await world.bot.database.read(acts) == sought
        everybodys = await world.slack.person(REVIEWER).command("list all")
        assert all(ref in everybodys.text for ref in refs)
        assert (await world.bot.database.read(acts))[len(sought) :] == [(REVIEWER, "list:3")]


async def test_only_who_may_see_everybodys_checks_is_offered_them(tmp_path: Path) -> None:
    """And a list that was open when they lost that stays as it is."""
    group = "S0REVIEWERS"
    async with journey(tmp_path, KYC_REVIEWERS=group, KYC_ADMINS=ADMIN) as world:
        world.slack.add_usergroup(group, [ANALYST])
        await world.bot.access.refresh()
        ref = await world.ask()
        wide = (await world.analyst.command("list")).message
        assert wide is not None
        assert "Everybody's: rejected" in str(wide.blocks)
        world.slack.usergroups[group] = {REVIEWER}
        await world.bot.access.changed(group)
        await world.analyst.click(wide, ids.LIST_FILTER, value="all")
        await world.slack.wait_for(lambda: "your own checks" in world.slack.ephemerals(ANALYST)[-1].text)
        assert ref in wide.text
        own = (await world.analyst.command("list")).message
        assert own is not None
        assert "Everybody's" not in str(own.blocks)


async def test_what_was_found_has_pages_too(tmp_path: Path) -> None:
    async with journey(tmp_path, story="never") as world:
        refs = [await world.ask(id_number=f"{n:011d}") for n in range(12)]
        modal = await search(world.analyst, **{ids.FIND_REQUESTER: ANALYST})
        assert [ref for ref in refs if ref in modal.text()] == refs[2:]
        await modal.click(f"{ids.FIND_PAGE}:older")
        await world.slack.wait_for(lambda: refs[0] in modal.text())
        assert [ref for ref in refs if ref in modal.text()] == refs[:2]
        await modal.click(f"{ids.FIND_PAGE}:newer")
        await world.slack.wait_for(lambda: refs[11] in modal.text())
        assert [ref for ref in refs if ref in modal.text()] == refs[2:]


async def test_an_empty_form_is_not_searched(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        await world.analyst.command("find")
        modal = await world.analyst.modal()
        assert (await modal.submit()).errors == {ids.FIND_REF: "Fill in at least one field."}


async def test_what_is_typed_behind_the_word_is_not_used_and_not_echoed(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        reply = await world.analyst.command("find 22212345678")
        assert "was not used" in reply.text
        assert "22212345678" not in reply.text
        assert (await world.analyst.modal()).title == "Find checks"


async def test_details_open_on_top_of_what_was_found(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        ref = await world.ask()
        modal = await search(world.analyst, **{ids.FIND_REF: ref})
        await modal.click(ids.FOUND_DETAILS, value=ref)
        assert (await world.analyst.modal()).title == f"Check {ref}"


@BOTH
async def test_pages_are_turned_while_new_checks_arrive(tmp_path: Path, *, socket_mode: bool) -> None:
    async with journey(tmp_path, socket_mode=socket_mode, story="never") as world:
        refs = [await world.ask(id_number=f"{n:011d}") for n in range(12)]
        await world.work()
        reply = await world.analyst.command("list")
        assert reply.message is not None
        shown = reply.message
        assert [ref for ref in refs if ref in shown.text] == refs[2:]
        await world.ask(id_number="99999999999")
        await world.analyst.click(shown, f"{ids.LIST_PAGE}:older")
        await world.slack.wait_for(lambda: refs[0] in world.slack.ephemerals(ANALYST)[-1].text)
        older = world.slack.ephemerals(ANALYST)[-1]
        assert [ref for ref in refs if ref in older.text] == refs[:2]
        await world.analyst.click(older, f"{ids.LIST_PAGE}:newer")
        await world.slack.wait_for(lambda: refs[11] in world.slack.ephemerals(ANALYST)[-1].text)
        assert [ref for ref in refs if ref in world.slack.ephemerals(ANALYST)[-1].text] == refs[2:]


async def test_a_list_is_filtered_by_word_and_by_menu(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        refs = await three(world)
        states = {ref: (await world.check(ref)).state.value for ref in refs}
        failed = await world.analyst.command("list failed")
        assert [ref for ref in refs if ref in failed.text] == [ref for ref in refs if states[ref] == "failed"] != []
        assert failed.message is not None
        await world.analyst.click(failed.message, ids.LIST_FILTER, value="cancelled")
        await world.slack.wait_for(lambda: refs[1] in world.slack.ephemerals(ANALYST)[-1].text)
        assert [ref for ref in refs if ref in world.slack.ephemerals(ANALYST)[-1].text] == [refs[1]]
        assert "I don't know the filter" in (await world.analyst.command("list sideways")).text
        assert all(number not in m.text for number in NUMBERS for m in world.slack.messages(CHANNEL))
