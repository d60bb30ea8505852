"""Viewers and managers: where every check stands, why, since when and by whom, and nothing of anybody's data."""

from pathlib import Path

import pytest

from bot.sandbox.demo import ANALYST
from bot.slack.blocks import ids
from tests.journeys.access.walkers import CANARIES, MANAGER, STAFF, VIEWER, a_check
from tests.journeys.world import REVIEWER, Journey, journey

pytestmark = pytest.mark.anyio


async def break_every_seal(world: Journey) -> None:
    """Whoever opens one from now on fails. The bot itself does it, so that no record counts as altered."""
    await world.bot.database.write(lambda tx: tx.run("UPDATE verifications SET applicant_sealed = x'00'"))


@pytest.mark.parametrize("who", [VIEWER, MANAGER], ids=["viewer", "manager"])
async def test_support_learns_in_one_click_what_became_of_a_check(tmp_path: Path, who: str) -> None:
    async with journey(tmp_path, story="id_not_found", **STAFF) as world:
        ref = await a_check(world)
        await world.settle()
        await break_every_seal(world)

        person = world.slack.person(who)
        answer = (await person.command(f"status {ref}")).message
        assert answer is not None
        said = world.slack.plain(answer)
        assert said.startswith("Rejected — the authority does not know this ID number")
        assert ref in said
        assert "Next: Check the number with the customer" in said
        assert "Nigeria · BVN" in said
        assert said.endswith("[Details]")

        await person.click(answer, ids.DETAILS)
        modal = await person.modal()
        shown = world.slack.plain(modal.view)
        assert "Rejected — the authority does not know" in shown
        assert f"<@{ANALYST}>" in shown or "@amina" in shown
        assert "Open the thread" in shown
        assert not [word for word in CANARIES if word in f"{said}{modal.view}"]


@pytest.mark.parametrize("who", [VIEWER, MANAGER], ids=["viewer", "manager"])
async def test_lists_and_search_show_every_check_and_no_customer(tmp_path: Path, who: str) -> None:
    async with journey(tmp_path, story="id_not_found", **STAFF) as world:
        ref = await a_check(world)
        await world.settle()
        await break_every_seal(world)
        person = world.slack.person(who)
        for words in ("list", "list all", "list rejected", "list all rejected"):
            answer = await person.command(words)
            assert ref in answer.text, words
            assert "All of mine" not in str(answer.blocks)
            assert not [word for word in CANARIES if word in f"{answer.text}{answer.blocks}"], words
        assert ref not in (await person.command("list approved")).text

        await person.command("find")
        form = await person.modal()
        asked = {block["block_id"] for block in form.view["blocks"] if block["type"] == "input"}
        assert asked == {ids.FIND_REF, ids.FIND_REQUESTER, ids.FIND_FIRST, ids.FIND_LAST, ids.FIND_OUTCOME}
        await form.enter(ids.FIND_OUTCOME, "rejected")
        await form.submit()
        assert ref in form.text()
        await form.click(ids.FOUND_DETAILS, value=ref)
        record = await person.modal()
        assert "Open the thread" in record.text()
        assert not [word for word in CANARIES if word in f"{form.view}{record.view}"]


async def test_a_form_left_open_finds_no_customer_for_who_may_see_none(tmp_path: Path) -> None:
    """It was opened by a reviewer, who is a viewer by the time they send it."""
    group = "S0REVIEWERS"
    async with journey(tmp_path, **{**STAFF, "KYC_REVIEWERS": group}) as world:
        world.slack.add_usergroup(group, [VIEWER])
        await a_check(world)
        vera = world.slack.person(VIEWER)
        await vera.command("find")
        form = await vera.modal()
        await form.fill(ids.FIND_NUMBER, CANARIES[2])
        world.slack.usergroups[group] = {REVIEWER}
        await world.bot.access.changed(group)
        refused = await form.submit()
        assert refused.errors == {
            ids.FIND_REF: "Only reviewers and admins find checks by ID number, customer reference or job id. "
            "Fill in the reference, the dates, the outcome or who asked."
        }


async def test_who_asks_for_checks_and_views_others_finds_their_own_customers_alone(tmp_path: Path) -> None:
    async with journey(tmp_path, **{**STAFF, "KYC_REQUESTERS": f"{ANALYST},{VIEWER}"}) as world:
        theirs = await a_check(world)
        vera = world.slack.person(VIEWER)
        form = await world.fill(await world.form(vera), person=vera, id_number=CANARIES[2])
        await form.choose(ids.AGAIN, [ids.CHECK_AGAIN]) if ids.AGAIN in str(form.view) else None
        assert (await form.submit()).closed
        mine = await world.newest()
        for field, value, found in ((ids.FIND_NUMBER, CANARIES[2], mine), (ids.FIND_REQUESTER, ANALYST, theirs)):
            await vera.command("find")
            form = await vera.modal()
            assert "find only checks that you asked for" in form.text()
            await form.enter(field, value)
            await form.submit()
            assert [ref for ref in (theirs, mine) if ref in form.text()] == [found], field
            if field == ids.FIND_NUMBER:
                assert theirs not in str(form.view["private_metadata"]), "that others checked this number is not told"
            await form.close(all_views=True)
        everybodys = repr((await vera.command("list all")).blocks)
        assert theirs in everybodys
        assert mine in everybodys
        assert everybodys.count("ending 417") == 1
