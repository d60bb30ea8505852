"""The proof of a check: anybody with the public key can verify it, and nobody can change it."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bot.__main__ import main
from bot.domain.check.check import CUSTOMER
from bot.privacy import proof, signing
from storage import capture_links, checks, retention, subject_rows
from storage.engine.database import Database, Transaction, to_text
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests import fresh_file
from tests.journeys.world import journey
from tests.storage.engine.test_macs import NOON, fill, opened
from tests.storage.test_capture_links import TOKEN, agree, ask

KEY = Sealer.new_key()
SEALER = Sealer.from_text([KEY])
PUBLIC = signing.public_key(SEALER)
REF = "K-777777"


def run(*arguments: str, path: Path | None = None) -> Result:
    env = {"KYC_ENCRYPTION_KEYS": KEY, "KYC_DATABASE": str(path)} if path else {}
    return CliRunner().invoke(main, ["proof", *arguments], env=env)


def database_with(path: Path, *work: Any) -> None:
    async def go() -> None:
        database = await Database.open(fresh_file.lay(path), sealer=SEALER, migrate=migrate)
        for call in work:
            await database.write(call)
        await database.close()
        await (await Database.open(path, sealer=SEALER, migrate=migrate)).close()

    asyncio.run(go())


def test_a_proof_is_verified_with_the_key_alone_and_by_no_other(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    database_with(path, lambda tx: fill(tx, REF))
    made = run("k-777777", "--output", str(tmp_path), path=path)
    assert made.exit_code == 0, made.output
    file = tmp_path / f"{REF}.proof.json"
    assert file.stat().st_mode & 0o077 == 0
    told = run("verify", str(file), "--public-key", PUBLIC)
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith(f"genuine: signed with the key {signing.key_id(PUBLIC)}\n  check {REF}, NG BVN")
    assert "  a person's decision: rejected (other)" in told.stdout
    document = json.loads(run("verify", str(file), "--public-key", PUBLIC, "--json").stdout)
    assert document == signing.verify(file.read_bytes(), PUBLIC)
    assert document["asked"]["customer_reference"] == "invented"
    assert "00000000000" not in file.read_text(encoding="utf-8")

    other = signing.public_key(Sealer.from_text([Sealer.new_key()]))
    assert run("verify", str(file), "--public-key", other).exit_code == 1
    assert run("verify", str(file), "--public-key", "short").exit_code == 2
    forged = file.read_text(encoding="utf-8").replace('"rejected"', '"approved"')
    file.write_text(forged, encoding="utf-8")
    refused = run("verify", str(file), "--public-key", PUBLIC)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "not genuine: it was altered" in refused.stderr


def test_what_cannot_be_proven_is_told(tmp_path: Path) -> None:
    path = tmp_path / "kyc.db"
    database_with(path, lambda tx: fill(tx, REF))
    for ref, code, words in (("K-888888", 1, "no check is called"), ("nonsense!", 2, "no reference of a check")):
        ran = run(ref, "--output", str(tmp_path), path=path)
        assert ran.exit_code == code, ran.output
        assert words in ran.stderr
    assert run(REF, "--output", str(tmp_path / "nowhere"), path=path).exit_code == 2
    assert run(REF, path=path).exit_code == 2
    assert list(tmp_path.glob("*.json")) == []


@pytest.mark.anyio
async def test_it_claims_no_consent_before_the_customer_has_agreed_and_says_who_gave_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "kyc.db") as database:
        first = await database.write(ask)
        document = await database.read(proof.document, "K-1", at=NOON)
        assert document is not None
        assert document["consent"] == {"at": None, "by": None, "notice": None}
        assert "no consent: the customer has not agreed" in proof.summary(document)
        (row,) = (await database.read(subject_rows.of_check, "K-1"))["verifications"]
        assert "consent_at" not in row
        told = await database.read(lambda tx: tuple(tx.one("SELECT consent_at, consent_notice FROM record_checks")))
        assert told == (None, None)

        def take(tx: Transaction) -> None:
            agreed = agree(tx, first)
            assert agreed.agreed_at is not None
            capture_links.taken(tx, first, now=NOON)
            checks.photos_taken(tx, "K-1", agreed_at=agreed.agreed_at, notice="2026-11", now=NOON)

        await database.write(take)
        document = await database.read(proof.document, "K-1", at=NOON)
        assert document is not None
        (link,) = document["links"]
        assert (link["agreed_at"], link["notice"], link["language"]) == (document["consent"]["at"], "2026-11", "sw")
        assert (document["consent"]["by"], document["consent"]["notice"]) == (CUSTOMER, "2026-11")
        assert any(line.startswith("consent given by the customer at ") for line in proof.summary(document))
        assert TOKEN not in str(document)


@pytest.mark.anyio
async def test_it_says_what_was_asked_what_came_of_it_and_where_that_stands_in_the_trail(tmp_path: Path) -> None:
    async with journey(tmp_path) as world:
        world.smile_id.stories_by_id_number["22299988877"] = "approved"
        ref = await world.ask(id_number="22299988877", customer_reference="loan-4711")
        await world.settle()
        now = world.clock()
        signed = await world.bot.database.write(proof.make, ref, at=now)
        public = signing.public_key(Sealer.from_text(world.bot.settings.sealing_keys))
        assert signed is not None
        document = signing.verify(signed, public)
        assert document["made_at"] == to_text(now)
        assert (document["check"]["ref"], document["check"]["state"]) == (ref, "approved")
        assert document["asked"]["id_number_ends_with"] == "877"
        assert document["asked"]["fields"] == ["id_number"]
        assert document["consent"]["by"] == document["check"]["asked_by"]
        (job,) = document["jobs"]
        assert job["smile_job_id"]
        assert {one["source"] for one in job["messages"]} == {"callback"}
        assert all(len(one["sha256"]) == 64 for one in job["messages"])
        result = document["result"]
        assert (result["outcome"], result["code"], result["is_confirmed"]) == ("approved", "0810", True)
        assert result["first_told_at"] <= result["confirmed_at"]
        acts = [line["act"] for line in document["trail"]]
        assert acts[0] == "check.requested"
        assert all(line["chain"] for line in document["trail"])
        assert document["trail"][-1]["version"] > document["trail"][0]["version"]
        for secret in (b"22299988877", *(name.encode() for name in ("Invented", "selfie.jpg"))):
            assert secret not in signed
        assert any("confirmed by Smile ID's own record" in line for line in proof.summary(document))

        await world.bot.database.write(retention.erase_personal, ref, at=NOON)
        signed = await world.bot.database.write(proof.make, ref, at=now)
        document = signing.verify(signed or b"", public)
        assert document["asked"] == {
            "fields": [],
            "id_number_ends_with": "",
            "customer_reference": "",
            "liveness_images": document["asked"]["liveness_images"],
        }
        assert {one["sha256"] for one in document["jobs"][0]["messages"]} == {None}
        assert document["result"] == result
        assert [line["act"] for line in document["trail"]][-2:] == ["proof.made", "personal.erased"]
