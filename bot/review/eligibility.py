"""Who may review: asked anew at every click, since roles change and cards stay."""

from bot.access.permissions import Access, Permission, Role
from bot.errors import Refusal, Refused


class ReviewEligibility:
    """Answers about reviewers."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def require_reviewer(self, user: str) -> None:
        """Raises Refused."""
        (await self.is_reviewer(user)).require(Refused(Refusal.NOT_A_REVIEWER))

    async def is_reviewer(self, user: str) -> Permission:
        return await self._access.has(user, Role.REVIEWER, Role.ADMIN)

    async def is_admin(self, user: str) -> bool:
        return await self._access.has(user, Role.ADMIN) is Permission.YES

    async def may_have(self, user: str, *, asked: bool) -> Permission:
        """Whether somebody may have claimed or proposed; who asked for the check, only as an admin."""
        return await (self._access.has(user, Role.ADMIN) if asked else self.is_reviewer(user))

    def others(self, but: set[str]) -> list[str]:
        """Who else could decide, or agree to a decision: another reviewer, or where there is none, an admin."""
        for role in (Role.REVIEWER, Role.ADMIN):
            if found := [one for one in self._access.people(role) if one not in but]:
                return found
        return []

    def managers(self) -> list[str]:
        """Whom the last reminder calls: where there are none, the admins, since somebody must hear it."""
        return self._access.people(Role.MANAGER) or self._access.people(Role.ADMIN)
