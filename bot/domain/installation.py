"""Who belongs to the workspace that the bot is installed in: requests by the ids they name, people by their profile.

Slack's ids are unique across all of Slack. `auth.test` names the workspace and its organization, `bots.info` the app.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """The one workspace that this bot works for."""

    team: str
    enterprise: str | None
    """The organization (Enterprise Grid) that the workspace belongs to; None where it belongs to none."""
    bot: str
    """The bot id of the token. Another one means that the app was reinstalled, perhaps from another app."""
    app: str | None = None
    """None until Slack has named it: requests are then recognised by workspace and signature alone."""


def installation_of(answer: Mapping[str, Any]) -> Installation:
    """Read an answer of `auth.test`, which does not name the app of a bot's token."""
    return Installation(
        team=str(answer.get("team_id") or ""),
        enterprise=str(answer["enterprise_id"]) if answer.get("enterprise_id") else None,
        bot=str(answer.get("bot_id") or ""),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOrigin:
    """The ids that a request names. An id that is not named says nothing."""

    teams: frozenset[str] = frozenset()
    enterprises: frozenset[str] = frozenset()
    apps: frozenset[str] = frozenset()


class ForeignPart(StrEnum):
    """Which of a request's ids is not ours: the label of a metric."""

    TEAM = "team"
    ENTERPRISE = "enterprise"
    APP = "app"


def foreign_part(origin: RequestOrigin, ours: Installation) -> ForeignPart | None:
    """What makes a request foreign; None for one of ours.

    An organization where we know of none is foreign too: `auth.test` names it for every workspace that has one.
    """
    if origin.teams - {ours.team}:
        return ForeignPart.TEAM
    if origin.enterprises - {ours.enterprise}:
        return ForeignPart.ENTERPRISE
    if ours.app is not None and origin.apps - {ours.app}:
        return ForeignPart.APP
    return None


def origin_of(body: Mapping[str, Any]) -> RequestOrigin:
    """The ids in any payload of Slack's: command, interaction or event.

    A person of an organization may have their home in another of its workspaces, so `user.team_id` counts only where
    the payload names no workspace to act in (org-wide installations leave `team` empty). Of an event the outer ids say
    where it happened, and `authorizations` for which installation it was sent.
    """
    team, view = _mapping(body, "team"), _mapping(body, "view")
    authorizations = [one for one in body.get("authorizations") or () if isinstance(one, Mapping)]
    acted_in = _named(team.get("id"), body.get("team_id")) or _named(_mapping(body, "user").get("team_id"))
    return RequestOrigin(
        teams=acted_in | _named(view.get("app_installed_team_id"), *(one.get("team_id") for one in authorizations)),
        enterprises=_named(
            body.get("enterprise_id"),
            team.get("enterprise_id"),
            _mapping(body, "enterprise").get("id"),
            *(one.get("enterprise_id") for one in authorizations),
        ),
        apps=_named(body.get("api_app_id"), view.get("app_id")),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceMember:
    """What decides whether somebody is a full member, from `users.info`."""

    active: bool
    """Neither deactivated, invited, a guest, a bot nor from another company."""
    team: str
    enterprise: str | None
    enterprise_teams: frozenset[str]


NOBODY = WorkspaceMember(active=False, team="", enterprise=None, enterprise_teams=frozenset())
"""Somebody whom Slack does not know, or does not show."""

_OUTSIDE = (
    "deleted", "is_bot", "is_workflow_bot", "is_restricted", "is_ultra_restricted", "is_stranger", "is_invited_user",
)  # fmt: skip


def person_of(user: Mapping[str, Any]) -> WorkspaceMember:
    """Read the `user` of a `users.info` answer."""
    grid = _mapping(user, "enterprise_user")
    return WorkspaceMember(
        active=not any(map(user.get, _OUTSIDE)),
        team=str(user.get("team_id") or ""),
        enterprise=str(grid["enterprise_id"]) if grid.get("enterprise_id") else None,
        enterprise_teams=_named(*(grid.get("teams") or ())),
    )


def is_full_member(person: WorkspaceMember, ours: Installation) -> bool:
    """Whether somebody is an active full member of our workspace; in an organization, of ours among others."""
    if not person.active:
        return False
    if person.team == ours.team:
        return True
    same_enterprise = ours.enterprise is not None and person.enterprise == ours.enterprise
    return same_enterprise and ours.team in person.enterprise_teams


_SHARED_OUTSIDE = ("is_ext_shared", "is_pending_ext_shared", "pending_shared", "pending_connected_team_ids")
_SHARED = ("is_shared", "is_org_shared", *_SHARED_OUTSIDE)


def gives_roles(channel: Mapping[str, Any]) -> bool:
    """Whether the members of a channel may have a role by it, from `conversations.info`.

    Anybody can walk into a public channel, and into a shared one the other side brings whom it likes: before its
    invitation is accepted as well, since Slack does not say when it is.
    """
    return bool(channel.get("is_private")) and not any(map(channel.get, _SHARED))


def is_shared_outside(channel: Mapping[str, Any]) -> bool:
    """Whether another company reads along, or was invited to; another workspace of our own organization may."""
    return any(map(channel.get, _SHARED_OUTSIDE))


def _mapping(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}


def _named(*ids: object) -> frozenset[str]:
    return frozenset(str(one) for one in ids if one)
