"""Viewers and managers: where every check stands, why, since when and by whom, and nothing of anybody's data."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.demo import ANALYST
from bot.slack.blocks import ids
from tests.journeys.world import REVIEWER, Journey, journey

pytestmark = pytest.mark.anyio

VIEWER, MANAGER = "U0VERA00001", "U0NIA000001"
STAFF: dict[str, Any] = {
    "KYC_REQUESTERS": ANALYST,
    "KYC_REVIEWERS": REVIEWER,
    "KYC_VIEWERS": VIEWER,
    "KYC_MANAGERS": MANAGER,
}
CANARIES = ("Canaryfirst", "Canarylast", "22255589417", "9417", "CUST-CANARY", "1987-03-24", "+2348055500617")


async def a_check(world: Journey) -> str:
    """One of somebody whose every datum is a canary."""
    world.slack.add_user(VIEWER, "vera")
    world.slack.add_user(MANAGER, "nia")
    await world.bot.access.refresh()
    return await world.ask(
        first_name=CANARIES[0],
        last_name=CANARIES[1],
        id_number=CANARIES[2],
        customer_reference=CANARIES[4],
        dob=CANARIES[5],
        phone_number=CANARIES[6],
    )


def break_every_seal(world: Journey) -> None:
    """Whoever opens one from now on fails."""
    with closing(sqlite3.connect(world.bot.settings.database)) as db:
        db.execute("UPDATE verifications SET applicant_sealed = x'00'")
        db.commit()


@pytest.mark.parametrize("who", [VIEWER, MANAGER], ids=["viewer", "manager"])
async def test_support_learns_in_one_click_what_became_of_a_check(tmp_path: Path, who: str) -> None:
    async with journey(tmp_path, story="id_not_found", **STAFF) as world:
        ref = await a_check(world)
        await world.settle()
        break_every_seal(world)

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
