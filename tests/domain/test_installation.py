"""Which requests, people and channels belong to the workspace that the bot is installed in."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.installation import (
    ForeignPart,
    Installation,
    RequestOrigin,
    foreign_part,
    gives_roles,
    is_full_member,
    is_shared_outside,
    origin_of,
    person_of,
)

SAMPLES = Path(__file__).parents[1] / "data" / "slack" / "samples"
ALONE = Installation(team="T0ACME00001", enterprise=None, bot="B0KYCBOT001", app="A0KYCAPP001")
GRID = Installation(team="T0ACME00001", enterprise="E0ACME00001", bot="B0KYCBOT001", app="A0KYCAPP001")
FLAGS = (
    "deleted",
    "is_bot",
    "is_workflow_bot",
    "is_restricted",
    "is_ultra_restricted",
    "is_stranger",
    "is_invited_user",
)


def user(**more: Any) -> dict[str, Any]:
    return {"id": "U0AMINA0001", "team_id": "T0ACME00001", **more}


def grid_user(*teams: str, enterprise: str = "E0ACME00001") -> dict[str, Any]:
    return user(team_id="T0SISTER001", enterprise_user={"enterprise_id": enterprise, "teams": list(teams)})


def test_an_active_person_of_our_workspace_is_a_full_member() -> None:
    assert is_full_member(person_of(user()), ALONE)


@pytest.mark.parametrize("flag", FLAGS)
def test_anyone_with_less_is_no_full_member(flag: str) -> None:
    assert not is_full_member(person_of(user(**{flag: True})), ALONE)
    assert not is_full_member(person_of(grid_user("T0ACME00001") | {flag: True}), GRID)


@pytest.mark.parametrize("shown", [{}, {"id": "U0AMINA0001"}, user(team_id="T0OTHER0001"), user(team_id=None)])
def test_a_person_of_another_workspace_or_of_none_is_none(shown: dict[str, Any]) -> None:
    assert not is_full_member(person_of(shown), ALONE)
    assert not is_full_member(person_of(shown), GRID)


def test_in_our_organization_the_persons_own_workspaces_count() -> None:
    assert is_full_member(person_of(grid_user("T0SISTER001", "T0ACME00001")), GRID)
    assert not is_full_member(person_of(grid_user("T0SISTER001")), GRID)
    assert not is_full_member(person_of(grid_user("T0ACME00001", enterprise="E0OTHER0001")), GRID)
    assert not is_full_member(person_of(grid_user("T0ACME00001")), ALONE)


SHARED: list[dict[str, Any]] = [
    {"is_shared": True},
    {"is_ext_shared": True},
    {"is_org_shared": True},
    {"is_pending_ext_shared": True},
    {"pending_shared": ["T0OTHER0001"]},
    {"pending_connected_team_ids": ["T0OTHER0001"]},
]


@pytest.mark.parametrize("flags", SHARED)
def test_a_shared_or_pending_channel_gives_no_role(flags: dict[str, Any]) -> None:
    assert gives_roles({"is_private": True})
    assert not gives_roles({"is_private": True, **flags})
    assert not gives_roles({"is_private": False})


def test_a_channel_shared_within_our_organization_is_not_shared_outside() -> None:
    assert not is_shared_outside({"is_shared": True, "is_org_shared": True})
    for flags in SHARED[1:2] + SHARED[3:]:
        assert is_shared_outside(flags)


@pytest.mark.parametrize(
    "path",
    [
        path
        for pattern in ("event_*.json", "block_*.json", "shortcut_*.json", "view_*file*.json", "slash_command.json")
        for path in sorted(SAMPLES.glob(pattern))
        if "response" not in path.name
    ],
    ids=lambda path: path.stem,
)
def test_slacks_own_samples_are_ours_and_foreign_to_another_workspace(path: Path) -> None:
    sample = json.loads(path.read_text(encoding="utf-8"))
    body = sample.get("parsed", sample)
    assert foreign_part(origin_of(body), GRID) is None
    elsewhere = Installation(team="T0OTHER0001", enterprise="E0ACME00001", bot="B0OTHER0001")
    names_no_team = path.name == "event_url_verification.json"
    assert (foreign_part(origin_of(body), elsewhere) is ForeignPart.TEAM) is not names_no_team


def command(**more: Any) -> dict[str, Any]:
    return {"command": "/kyc", "team_id": "T0ACME00001", "api_app_id": "A0KYCAPP001", **more}


def click(**more: Any) -> dict[str, Any]:
    return {"type": "block_actions", "team": {"id": "T0ACME00001"}, "user": {"id": "U1"}, **more}


def event(**more: Any) -> dict[str, Any]:
    return {"type": "event_callback", "team_id": "T0ACME00001", "authorizations": [{"team_id": "T0ACME00001"}], **more}


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (command(team_id="T0OTHER0001"), ForeignPart.TEAM),
        (command(enterprise_id="E0OTHER0001"), ForeignPart.ENTERPRISE),
        (command(api_app_id="A0OTHER0001"), ForeignPart.APP),
        (click(team={"id": "T0OTHER0001"}), ForeignPart.TEAM),
        (click(team=None, user={"id": "U1", "team_id": "T0OTHER0001"}), ForeignPart.TEAM),
        (click(team={"id": "T0ACME00001", "enterprise_id": "E0OTHER0001"}), ForeignPart.ENTERPRISE),
        (click(enterprise={"id": "E0OTHER0001"}), ForeignPart.ENTERPRISE),
        (click(view={"app_installed_team_id": "T0OTHER0001"}), ForeignPart.TEAM),
        (click(view={"app_id": "A0OTHER0001"}), ForeignPart.APP),
        (click(api_app_id="A0OTHER0001"), ForeignPart.APP),
        (event(team_id="T0OTHER0001"), ForeignPart.TEAM),
        (event(authorizations=[{"team_id": "T0OTHER0001"}]), ForeignPart.TEAM),
        (event(authorizations=[{"team_id": "T0ACME00001", "enterprise_id": "E0OTHER0001"}]), ForeignPart.ENTERPRISE),
        (event(api_app_id="A0OTHER0001"), ForeignPart.APP),
        (command(), None),
        (click(user={"id": "U1", "team_id": "T0SISTER001"}), None),
        (event(), None),
        ({}, None),
        (click(team="T0ACME00001", view="odd", user=None), None),
    ],
)
def test_each_id_that_a_payload_names_is_checked(body: dict[str, Any], part: ForeignPart | None) -> None:
    assert foreign_part(origin_of(body), ALONE) is part


def test_an_app_that_slack_has_not_named_yet_is_not_compared() -> None:
    unknown = Installation(team="T0ACME00001", enterprise=None, bot="B0KYCBOT001")
    assert foreign_part(origin_of(command(api_app_id="A0OTHER0001")), unknown) is None


IDS = st.frozensets(st.sampled_from(["T0ACME00001", "E0ACME00001", "A0KYCAPP001", "X0OTHER0001"]), max_size=3)


@given(IDS, IDS, IDS)
def test_only_a_request_without_any_other_id_is_ours(
    teams: frozenset[str], enterprises: frozenset[str], apps: frozenset[str]
) -> None:
    ours = foreign_part(RequestOrigin(teams=teams, enterprises=enterprises, apps=apps), GRID) is None
    assert ours is (teams <= {GRID.team} and enterprises <= {GRID.enterprise} and apps <= {GRID.app})
