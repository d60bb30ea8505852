"""Who may review: checked at every click, since roles change and cards stay."""

import asyncio

from bot.access.permissions import EVERYBODY, Access, Permission
from bot.access.rights import Right, Role
from bot.errors import Refusal, Refused


async def require_reviewer(access: Access, user: str, right: Right = Right.REVIEW) -> None:
    """Raises Refused for somebody without this right of reviewers."""
    (await access.may(user, right)).require(Refused(Refusal.NOT_A_REVIEWER, admin=access.an_admin()))


async def is_reviewer(access: Access, user: str) -> Permission:
    return await access.may(user, Right.REVIEW)


async def overrides(access: Access, user: str) -> bool:
    """Whether somebody may decide what they asked for themselves."""
    return await access.may(user, Right.DECIDE, own=True) is Permission.YES


async def may_have(access: Access, user: str, *, asked: bool) -> Permission:
    """Whether somebody may have claimed or proposed; the requester of the check, only as an admin."""
    return await access.may(user, Right.DECIDE, own=asked)


def others(access: Access, but: set[str]) -> list[str]:
    """Who else could decide, or agree to a decision: other reviewers, or where there are none, the admins."""
    for role in (Role.REVIEWER, Role.ADMIN):
        if found := [one for one in access.people(role) if one not in but]:
            return found
    return []


async def candidates(access: Access, but: set[str]) -> list[str] | None:
    """Everybody but these who may review; None where a setting lets any member, so that nobody can list them."""
    if EVERYBODY in (*access.settings.reviewers, *access.settings.admins):
        return None
    known = [
        user for user in dict.fromkeys((*access.people(Role.REVIEWER), *access.people(Role.ADMIN))) if user not in but
    ]
    may = await asyncio.gather(*(is_reviewer(access, user) for user in known))
    return [user for user, permission in zip(known, may, strict=True) if permission is Permission.YES]
