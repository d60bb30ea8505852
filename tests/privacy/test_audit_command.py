"""`kyc-bot audit verify` says in words what is wrong with the trail, and exits accordingly."""

import asyncio
import re
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.__main__ import main
from storage import audit
from storage.engine.database import Database
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests import fresh_file
from tests.engines import beside
from tests.storage.engine.test_macs import NOON, fill, unguarded_trail
from tests.storage.engine.test_thief import run_lax

KEY = Sealer.new_key()


def run(path: Path, *arguments: str) -> Result:
    env = {"KYC_ENCRYPTION_KEYS": KEY, "KYC_DATABASE": str(path)}
    return CliRunner().invoke(main, ["audit", *arguments], env=env)


def begun(path: Path) -> None:
    async def work() -> None:
        database = await Database.open(fresh_file.lay(path), sealer=Sealer.from_text([KEY]), migrate=migrate)
        await database.write(fill, "K-1")
        await database.write(audit.record, at=NOON, actor="U1", act="summary.opened")
        await database.close()
        # The key is proven by the second start.
        database = await Database.open(path, sealer=Sealer.from_text([KEY]), migrate=migrate)
        await database.close()

    asyncio.run(work())


@pytest.mark.slow
def test_a_whole_trail_a_changed_one_and_a_head_of_another(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    begun(path)
    whole = run(path, "verify")
    assert whole.exit_code == 0, whole.output
    assert re.fullmatch(r"whole: \d+ lines, and 1 record of checks that fit\n", whole.stdout)
    head = run(path, "head")
    seq, _, _hash = head.stdout.partition(":")
    assert run(path, "verify", "--head", head.stdout.strip()).exit_code == 0
    other = run(path, "verify", "--head", f"{seq}:{'0' * 64}")
    assert (other.exit_code, other.stdout) == (1, "")
    assert f"line {seq}: not the one of the given head" in other.stderr
    with closing(beside(path)) as db, unguarded_trail(db):
        db.execute("UPDATE audit SET detail = 'approved' WHERE seq = 2")
        db.execute("DELETE FROM audit WHERE seq = ?", [seq])
    cut = run(path, "verify")
    assert cut.exit_code == 1
    assert "line 2: changed, moved or put in after it was chained" in cut.stderr
    assert f"after line {int(seq) - 1}: a line is missing, the trail was cut off" in cut.stderr
    assert "docs/operations.md" in cut.stderr


@pytest.mark.slow
def test_a_value_of_another_type_is_told_as_a_changed_line(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    begun(path)
    last = int(run(path, "head").stdout.partition(":")[0])
    for column in ("detail", "chain"):
        with closing(beside(path)) as db, unguarded_trail(db):
            run_lax(path, "audit", [f"UPDATE audit SET {column} = x'00FF' WHERE seq = {last}"])  # noqa: S608 - names from the code
        verified = run(path, "verify")
        assert verified.exit_code == 1, verified.output
        assert f"line {last}: changed, moved or put in after it was chained" in verified.stderr
        assert run(path, "head", "--json").exit_code == 0


def test_what_is_no_head_is_a_mistake_of_usage(tmp_path: Path) -> None:
    for text in ("", "12", "12:abc", f"x:{'0' * 64}", f"1:{'g' * 64}"):
        ran = run(tmp_path / "kyc.db", "verify", "--head", text)
        assert ran.exit_code == 2, text
        assert "64 hex digits" in ran.stderr
