"""`kyc-bot check` tries the token that deletes people's photos, and says what Slack still has of erased checks."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.domain.installation import Installation
from bot.domain.privacy.slack_removals import Removal, RemovalPlace
from bot.sandbox.slack import Fault
from storage import meta, slack_removals
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests.journeys.runtime.test_doctor import House, a_house, about, failures
from tests.journeys.world import ADMIN

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
TOKEN = "slack user token"


def left_behind(tx: Transaction) -> None:
    places = [(Removal.FILE, RemovalPlace(file=f"F{number}"), None) for number in range(3)]
    slack_removals.add(tx, "K-1", places, at=NOW)
    for one in slack_removals.pending(tx, "K-1")[:2]:
        slack_removals.leave(tx, one.id, at=NOW, why="cant_delete_file", author=None)


async def known_to(house: House, team: str) -> None:
    """A database of this workspace, with three files to be deleted, of which Slack has refused two."""
    sealer = Sealer.from_text([house.environment()["KYC_ENCRYPTION_KEYS"]])
    database = await Database.open(house.database, sealer=sealer, migrate=migrate)
    await database.write(meta.begin)
    await database.write(meta.keep_installation, Installation(team=team, enterprise=None, bot="B0", app=None))
    await database.write(left_behind)
    await database.close()


async def test_without_a_token_nothing_is_asked_and_what_is_left_is_counted(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        lines = await house.check()
        assert not [line for line in lines if TOKEN in line or "erasing in Slack" in line]
        await known_to(house, "T0ACME00001")
        line = about(await house.check(), "erasing in Slack")
        assert line.startswith("note  erasing in Slack: 2 messages and files of erased checks still stand there")


@pytest.mark.parametrize(
    ("case", "said"),
    [
        pytest.param("admin", "ok    {}: as @musa", id="an admin's"),
        pytest.param("revoked", "FAIL  {}: Slack does not take it (token_revoked)", id="one that was revoked"),
        pytest.param("elsewhere", "FAIL  {}: it is of another workspace", id="of another workspace"),
        pytest.param("scope", "FAIL  {}: files:write is missing", id="without the scope"),
    ],
)
async def test_a_token_is_tried_and_never_told(tmp_path: Path, case: str, said: str) -> None:
    async with a_house(tmp_path) as house:
        await known_to(house, "T0ACME00001")
        if ADMIN not in house.slack.users:
            house.slack.add_user(ADMIN, "musa")
        token = house.slack.token_of(ADMIN, scopes=["files:read"] if case == "scope" else ["files:write"])
        if case == "revoked":
            token = "xoxp-of-nobody"
            house.slack.fault = lambda method, _n: Fault.error("token_revoked") if method == "auth.test" else None
        if case == "elsewhere":
            house.slack.users[ADMIN].team_id = "T0OTHER0001"
        lines = await house.check(KYC_SLACK_USER_TOKEN=token)
        line = about(lines, TOKEN)
        assert line.startswith(said.format("slack user token (KYC_SLACK_USER_TOKEN)"))
        assert (line in failures(lines)) is (case != "admin")
        assert token not in "\n".join(lines)
