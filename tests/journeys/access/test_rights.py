"""The table of rights, tried: each right, by somebody of each role, for their own check and for another's."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.access.rights import Right, Role, roles_with
from bot.errors import Refusal, Refused
from bot.sandbox.demo import ANALYST
from storage.engine.database import Transaction
from tests.journeys.access.walkers import MANAGER, NUMBER, STAFF, VIEWER, a_check
from tests.journeys.intake.test_batches import csv_of, drop, person, photos
from tests.journeys.intake.test_file_approvals import only_file
from tests.journeys.world import ADMIN, REVIEWER, Journey, journey

pytestmark = pytest.mark.anyio

PEOPLE = {
    Role.REQUESTER: ANALYST,
    Role.REVIEWER: REVIEWER,
    Role.MANAGER: MANAGER,
    Role.VIEWER: VIEWER,
    Role.ADMIN: ADMIN,
}
"""Each has one role and no other."""
COLLEAGUE = "U0TOLU00001"
"""Another reviewer, who has claimed the check."""
NO_RIGHT = {
    Refusal.NO_ACCESS,
    Refusal.NO_RIGHT,
    Refusal.UNKNOWN_REF,
    Refusal.NO_DETAILS,
    Refusal.EDIT_NOT_YOURS,
    Refusal.QUESTION_NOT_YOURS,
    Refusal.LINK_NOT_YOURS,
    Refusal.NOT_A_REVIEWER,
    Refusal.FOUR_EYES,
    Refusal.OWN_PHOTOS,
    Refusal.CLAIM_NOT_YOURS,
    Refusal.APPROVAL_NOT_YOURS,
    Refusal.APPROVAL_OWN,
    Refusal.SUMMARY_NOT_A_MANAGER,
    Refusal.EXPORT_NOT_A_MANAGER,
    Refusal.HOLD_NOT_A_MANAGER,
    Refusal.FORGET_NOT_AN_ADMIN,
    Refusal.NO_NOTICES,
}
"""What somebody hears who lacks a right. Any other refusal is about the check, and came after that."""


async def approve(world: Journey, user: str) -> None:
    """The one file that somebody sent."""
    await world.bot.batches.approve(user, await only_file(world))


_Act = Callable[[Journey, str, str], Awaitable[Any]]
ACTS: Mapping[Right, _Act] = {
    Right.START: lambda world, user, _ref: world.bot.intake.require_requester(user),
    Right.SEE_WHOLE: lambda world, user, ref: world.bot.customer_messages.for_check(user, ref),
    Right.EDIT: lambda world, user, ref: world.bot.intake.to_edit(user, ref),
    Right.ANSWER: lambda world, user, ref: world.bot.preflight.may_pass(user, ref),
    Right.LINK: lambda world, user, ref: world.bot.link_actions.withdraw(user, ref),
    Right.REVIEW: lambda world, user, ref: world.bot.review.to_note(user, ref),
    Right.SEE_PHOTOS: lambda world, user, ref: world.bot.check_photos.photo_access.open(user, ref),
    Right.DECIDE: lambda world, user, ref: world.bot.review.claim(user, ref),
    Right.RELEASE: lambda world, user, ref: world.bot.review.may_hand_on(user, ref),
    Right.APPROVE_FILE: lambda world, user, _ref: approve(world, user),
    Right.FIGURES: lambda world, user, _ref: world.bot.summary.answer(user, ""),
    Right.EXPORT: lambda world, user, _ref: world.bot.exports.ask(user, "csv"),
    Right.FORGET: lambda world, user, ref: world.bot.erasures.may_forget(user, ref),
    Right.HOLD: lambda world, user, ref: world.bot.holds.hold(user, ref),
    Right.CHOOSE_NOTICES: lambda world, user, _ref: world.bot.subscriptions.offered(user),
    Right.SEE_RECORD: lambda world, user, ref: world.bot.details.status(user, ref),
}
NOT_TRIED = {Right.ENTER, Right.BE_REMINDED, Right.BE_ALERTED}
"""The walks of outsiders and of viewers see to the first; nobody clicks for the others."""


async def is_let(world: Journey, right: Right, user: str, ref: str) -> bool:
    try:
        await ACTS[right](world, user, ref)
    except Refused as no:
        return no.code not in NO_RIGHT
    return True


def may(right: Right, role: Role, *, own: bool) -> bool:
    if right is Right.EDIT and role is Role.ADMIN:
        return False  # whoever edits becomes its requester, which this one cannot
    if right is Right.SEE_RECORD and own:
        return role in (*roles_with(right), *roles_with(Right.SEE_WHOLE, own=True))
    return role in roles_with(right, own=own)


async def test_the_table_says_what_each_role_is_let_do(tmp_path: Path) -> None:
    assert {*ACTS, *NOT_TRIED} == set(Right)
    reviewers = f"{REVIEWER},{COLLEAGUE}"
    async with journey(tmp_path, **{**STAFF, "KYC_REVIEWERS": reviewers}) as world:
        world.slack.add_user(COLLEAGUE, "tolu")
        world.smile_id.stories_by_id_number[NUMBER] = "unknown_code"
        ref = await a_check(world)
        await drop(world, {"people.csv": csv_of([person(0)]), **photos(1)})
        await world.settle()
        await world.bot.review.claim(COLLEAGUE, ref)
        wrong = []
        for own in (False, True):
            for role, user in PEOPLE.items():
                await world.bot.database.write(asked_by, user if own else "U0GONE00001")
                wrong += [
                    f"{role} {right} own={own}"
                    for right in ACTS
                    if await is_let(world, right, user, ref) != may(right, role, own=own)
                ]
        assert wrong == []


def asked_by(tx: Transaction, person: str) -> None:
    tx.run("UPDATE verifications SET requester = :person", person=person)
    tx.run("UPDATE batches SET requester = :person", person=person)
