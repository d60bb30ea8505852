"""Views that were opened with a role that is lost since: one click in any, and nothing of the customer is left in them.

Every button and every submit of each view, so that a new one is walked too.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.demo import ANALYST, CHANNEL
from bot.sandbox.slack import Modal
from bot.slack.blocks import ids
from tests.journeys.access.walkers import CANARIES, FIRST, NUMBER, REFERENCE, a_check
from tests.journeys.intake.test_preflight import blurred
from tests.journeys.review import test_review as cards
from tests.journeys.world import ADMIN, REVIEWER, Journey, MovedClock, journey, patient_slack

pytestmark = pytest.mark.anyio

JSON = dict[str, Any]
Opening = Callable[[Journey, str], Awaitable[None]]
REVIEWERS, REQUESTERS = "S0KYCREV001", "S0KYCREQ001"
PRESSED = {"button", "overflow", "static_select"}
"""What tells the bot at once."""
SHOWN = (*CANARIES, "'image'")
"""What no view may show any longer: the customer, in words or in pictures."""


@asynccontextmanager
async def waiting_for_review(folder: Path) -> AsyncIterator[tuple[Journey, str]]:
    """A check that waits for a reviewer, in a team whose roles are user groups."""
    slack = patient_slack(clock := MovedClock())
    slack.add_usergroup(REVIEWERS, [REVIEWER])
    slack.add_usergroup(REQUESTERS, [ANALYST, REVIEWER])
    roles: dict[str, Any] = {"KYC_REVIEWERS": REVIEWERS, "KYC_REQUESTERS": REQUESTERS, "KYC_ADMINS": ADMIN}
    async with journey(folder, slack=slack, clock=clock, **roles) as world:
        world.smile_id.stories_by_id_number[NUMBER] = "unknown_code"
        ref = await a_check(world)
        await world.settle()
        world.slack.channels[CHANNEL].members.add(REVIEWER)
        yield world, ref


async def details(world: Journey, user: str) -> None:
    assert (await world.slack.person(user).click(world.root(), ids.DETAILS)).ok
    await world.answered()


async def photos(world: Journey, user: str) -> None:
    await details(world, user)
    assert (await (await world.slack.person(user).modal()).click(ids.PHOTOS_SHOW)).ok
    await world.answered()


def form(
    opened: Callable[[Journey, str], Awaitable[None]], action_id: str
) -> Callable[[Journey, str], Awaitable[None]]:
    async def open_form(world: Journey, user: str) -> None:
        await opened(world, user)
        assert (await (await world.slack.person(user).modal()).click(action_id)).ok
        await world.answered()

    return open_form


async def card_form(world: Journey, user: str) -> None:
    await cards.press(world, user, f"{ids.REVIEW_DECIDE}:approved")
    await world.answered()


async def coming_next(world: Journey, user: str) -> None:
    person = world.slack.person(user)
    assert (await person.open_home()).ok
    await world.work()
    assert (await person.click_home(ids.HOME_NEXT)).ok
    await world.answered()


async def found(world: Journey, user: str) -> None:
    assert (await world.slack.person(user).command("find")).ok
    modal = await world.slack.person(user).modal()
    await modal.fill(ids.FIND_NUMBER, NUMBER)
    await modal.submit()
    await world.answered()


OPENED: Mapping[str, Opening] = {
    "details": details,
    "photos": photos,
    "form on the details": form(details, f"{ids.REVIEW_DECIDE}:rejected"),
    "form on the photos": form(photos, f"{ids.REVIEW_DECIDE}:approved"),
    "form of a card": card_form,
    "next": coming_next,
    "found": found,
}


def elements(view: JSON) -> Iterator[JSON]:
    """Everything in the view that tells the bot when it is pressed, as Slack would send it."""
    for block in view["blocks"]:
        told_at_once = ("accessory", "element") if block.get("dispatch_action") else ("accessory",)
        held = [*block.get("elements", ()), *(block[key] for key in told_at_once if key in block)]
        for element in held:
            if element["type"] in PRESSED and "url" not in element:
                option = next(iter(element.get("options", ())), None)
                chosen = {"selected_option": option} if option else {"value": element.get("value", "")}
                named = {"action_id": element["action_id"], "block_id": block["block_id"], "type": element["type"]}
                yield {**named, **chosen}


async def filled(form: Modal) -> None:
    for block in form.blocks:
        if block["type"] == "input" and not block.get("optional"):
            options = block["element"].get("options")
            await form.enter(block["block_id"], options[0]["value"] if options else "because")


def left_of(modals: list[Modal]) -> list[str]:
    shown = [repr(modal.blocks) for modal in modals]
    return [word for word in SHOWN for text in shown if word in text]


async def loses_every_role(world: Journey) -> None:
    world.slack.usergroups[REVIEWERS].clear()
    world.slack.usergroups[REQUESTERS].discard(REVIEWER)
    for group in (REVIEWERS, REQUESTERS):
        await world.bot.access.changed(group)


async def asks_for_checks_alone(world: Journey) -> None:
    world.slack.usergroups[REVIEWERS].clear()
    await world.bot.access.changed(REVIEWERS)


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(loses_every_role, id="every role", marks=pytest.mark.endurance),
        pytest.param(asks_for_checks_alone, id="reviewer"),
    ],
)
@pytest.mark.parametrize("opened", OPENED)
async def test_one_click_in_what_stood_open_takes_the_customer_off_the_screen(
    tmp_path: Path, opened: str, lost: Callable[[Journey], Awaitable[None]]
) -> None:
    async with waiting_for_review(tmp_path) as (world, _ref):
        person = world.slack.person(REVIEWER)
        await OPENED[opened](world, REVIEWER)
        as_it_was = (await person.modal()).view
        assert left_of(person.open_modals), "nothing was shown before: the walk would prove nothing"
        pressed = [*elements(as_it_was)]
        submits = as_it_was.get("submit") is not None
        assert pressed or submits
        for number in range(len(pressed) + submits):
            if number:
                world.slack.usergroups[REVIEWERS].add(REVIEWER)
                world.slack.usergroups[REQUESTERS].add(REVIEWER)
                for group in (REVIEWERS, REQUESTERS):
                    await world.bot.access.changed(group)
                for modal in reversed(person.open_modals):
                    await modal.close()
                await OPENED[opened](world, REVIEWER)
            await lost(world)
            top = await person.modal()
            if number < len(pressed):
                await person.press([*elements(top.view)][number], view=top.view)
            else:
                await filled(top)
                await top.submit()
            await world.answered()
            await world.work()
            assert left_of(person.open_modals) == [], [*pressed, "submit"][number]


# Forms of whoever asked, in which the customer stands as they were typed


async def held(world: Journey) -> None:
    await world.ask(first_name=FIRST, id_number=NUMBER, customer_reference=REFERENCE, selfie=blurred())
    await world.work()


async def rejected(world: Journey) -> None:
    world.smile_id.stories_by_id_number[NUMBER] = "id_not_found"
    await world.ask(first_name=FIRST, id_number=NUMBER, customer_reference=REFERENCE)
    await world.settle()


def of_check(action_id: str) -> Callable[[Journey], Awaitable[None]]:
    async def press(world: Journey) -> None:
        assert (await world.analyst.click(world.root(), action_id)).ok
        await whole(world)

    return press


async def whole(world: Journey) -> None:
    form = await world.analyst.modal()
    await world.slack.wait_for(lambda: NUMBER in repr(form.blocks))


FORMS: Mapping[str, tuple[Callable[[Journey], Awaitable[None]], Callable[[Journey], Awaitable[None]]]] = {
    "edit": (held, of_check(ids.EDIT)),
    "run again": (rejected, of_check(ids.RUN_AGAIN)),
}


@pytest.mark.parametrize("kind", FORMS)
async def test_a_form_that_stood_open_is_taken_away_with_the_role_of_who_asks(tmp_path: Path, kind: str) -> None:
    before, opened = FORMS[kind]
    slack = patient_slack(clock := MovedClock())
    slack.add_usergroup(REQUESTERS, [ANALYST])
    async with journey(tmp_path, slack=slack, clock=clock, KYC_REQUESTERS=REQUESTERS, KYC_ADMINS=ADMIN) as world:
        await before(world)
        number, total = 0, 1
        while number < total:
            await opened(world)
            form = await world.analyst.modal()
            pressed = [*elements(form.view)]
            total = len(pressed) + 1
            slack.usergroups[REQUESTERS].clear()
            await world.bot.access.changed(REQUESTERS)
            if number < len(pressed):
                await world.analyst.press(pressed[number], view=form.view)
            else:
                await form.choose("consent", [ids.CONSENTED])
                await form.submit()
            await world.answered()
            await world.work()
            assert left_of(world.analyst.open_modals) == [], [*pressed, "submit"][number]
            for modal in reversed(world.analyst.open_modals):
                await modal.close()
            slack.usergroups[REQUESTERS].add(ANALYST)
            await world.bot.access.changed(REQUESTERS)
            number += 1
        assert total > 1
