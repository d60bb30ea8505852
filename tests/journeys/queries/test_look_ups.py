"""Nobody looks up more than their share: counted before each look, by every door, and past a restart."""

from pathlib import Path
from typing import Any

import pytest

from bot.errors import Refusal, Refused
from bot.sandbox.demo import CHANNEL
from bot.sandbox.slack import Person
from bot.slack.blocks import ids
from tests.journeys.queries.test_search import search
from tests.journeys.world import ADMIN, REVIEWER, Journey, journey

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

SITE: dict[str, Any] = {
    "KYC_REQUESTERS": "*",
    "KYC_REVIEWERS": REVIEWER,
    "KYC_ADMINS": ADMIN,
    "KYC_FINDS_PER_HOUR": "2",
    "KYC_LOOKS_PER_HOUR": "2",
    "KYC_SEEN_BEFORE_PER_HOUR": "2",
    "KYC_SEEN_BEFORE": "30d",
}
NUMBER = "11111111111"
TOO_OFTEN = "You have looked up as many checks as one person may in an hour. Go on in"


def alerts(world: Journey) -> list[str]:
    direct = world.slack.person(ADMIN).direct_channel_id
    return [said for m in world.slack.messages(direct) if "looked up" in (said := world.slack.plain(m))]


async def listed(world: Journey, person: Person) -> str:
    answer = (await person.command("list all")).message
    assert answer is not None
    return world.slack.plain(answer)


async def refusals(world: Journey) -> list[tuple[str, str]]:
    def read(tx: Any) -> list[tuple[str, str]]:
        return [(r["actor"], r["detail"]) for r in tx.rows("SELECT * FROM audit WHERE act = 'look_ups.refused'")]

    return await world.bot.database.read(read)


async def test_beyond_the_limit_nothing_is_found_and_the_admins_hear_who_it_was_once(tmp_path: Path) -> None:
    async with journey(tmp_path, **SITE) as world:
        ref = await world.ask(id_number=NUMBER)
        remi = world.slack.person(REVIEWER)
        modal = await search(remi, **{ids.FIND_NUMBER: NUMBER})
        assert ref in modal.text()
        await modal.close(all_views=True)
        # Another door to the same: a list of everybody's checks.
        assert ref in await listed(world, remi)
        for _time in range(2):
            assert (await remi.command("find")).ok
            modal = await remi.modal()
            await modal.fill(ids.FIND_NUMBER, NUMBER)
            await modal.submit()
            assert ref not in modal.text()
            await modal.close(all_views=True)
            said = await listed(world, remi)
            assert TOO_OFTEN in said
            assert ref not in said
        await world.work()
        (alert,) = alerts(world)
        assert "Somebody has looked up more than 2 checks within the hour (searches and lists)." in alert
        assert "@remi" in alert
        assert NUMBER not in alert
        assert await refusals(world) == [(REVIEWER, "find")]
        # Their own share: nobody else's is touched by it, and the next hour has a new one.
        assert ref in await listed(world, world.slack.person(ADMIN))
        world.clock.move(hours=1)
        assert ref in await listed(world, remi)


async def test_others_checks_are_opened_so_often_and_own_ones_as_often_as_one_likes(tmp_path: Path) -> None:
    async with journey(tmp_path, **SITE) as world:
        ref = await world.ask(id_number=NUMBER)
        await world.bot.details.details(REVIEWER, ref)
        assert ref in (await world.bot.details.status(REVIEWER, ref)).text
        for look in (world.bot.details.details, world.bot.details.status):
            with pytest.raises(Refused) as no:
                await look(REVIEWER, ref)
            assert no.value.code is Refusal.LOOKED_UP_TOO_OFTEN
        for _time in range(4):
            assert ref in (await world.bot.details.status(world.analyst.user_id, ref)).text
        assert await refusals(world) == [(REVIEWER, "check")]


async def test_whoever_sees_all_checks_learns_of_so_many_customers_whether_they_were_checked(tmp_path: Path) -> None:
    async with journey(tmp_path, **SITE) as world:
        ref = await world.ask(id_number=NUMBER)
        await world.settle()
        world.slack.channels[CHANNEL].members.add(REVIEWER)
        remi = world.slack.person(REVIEWER)
        shown = []
        for _time in range(3):
            form = await world.fill(await world.form(remi), person=remi, id_number=NUMBER)
            await form.submit()
            shown.append(form.text())
            await form.close(all_views=True)
        assert [ref in one for one in shown] == [True, True, False]
        assert await refusals(world) == [(REVIEWER, "seen_before")]
        # Who sees their own alone is compared with these alone, as often as they ask.
        for _time in range(3):
            form = await world.fill(await world.form(), id_number=NUMBER)
            await form.submit()
            assert ref in form.text()
            await form.close(all_views=True)
