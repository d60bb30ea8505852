"""What a thief tries who may change the schema: triggers, defaults, rules, policies, functions of other types."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from bot.errors import DatabaseFault
from storage.engine.migrations import migrate
from storage.engine.postgresql import schema, shape
from tests.postgresql import Cluster
from tests.postgresql.cluster import ROLE
from tests.storage.postgresql.databases import SEALER, connected, prepare

Raw = psycopg.Connection[Any]

APPROVE = "UPDATE verifications SET state = 'approved', verdict_outcome = 'approved' WHERE ref = 'K-1'"
THIEF = f"CREATE FUNCTION thief() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {APPROVE}; RETURN NULL; END $$"

CHANGES = {
    "a trigger": f"{THIEF}; CREATE TRIGGER thief AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION thief()",
    "a function alone": THIEF,
    "another body of a function": "CREATE OR REPLACE FUNCTION audit_kept() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RETURN OLD; END $$",
    "a function that acts for its owner": "ALTER FUNCTION audit_kept() SECURITY DEFINER",
    "a function with settings": "ALTER FUNCTION audit_kept() SET search_path = elsewhere",
    "a function of other types": "CREATE FUNCTION substr(TEXT, BIGINT) RETURNS TEXT LANGUAGE sql AS 'SELECT $1'",
    "a function in the next schema": "CREATE SCHEMA kyc; ALTER ROLE kyc SET search_path = public, kyc; "
    "CREATE FUNCTION kyc.substr(TEXT, BIGINT) RETURNS TEXT LANGUAGE sql AS 'SELECT $1'",
    "an operator": "CREATE OPERATOR = (LEFTARG = TEXT, RIGHTARG = INTEGER, FUNCTION = repeat)",
    "no trigger": "DROP TRIGGER audit_unchanged ON audit",
    "a trigger that does not fire": "ALTER TABLE audit DISABLE TRIGGER audit_unchanged",
    "a default": "ALTER TABLE verifications ALTER COLUMN decision SET DEFAULT 'approved'",
    "a column that follows another": "ALTER TABLE inbox ADD COLUMN more TEXT GENERATED ALWAYS AS (ts) STORED",
    "a column": "ALTER TABLE verifications ADD COLUMN more TEXT",
    "an optional column": "ALTER TABLE verifications ALTER COLUMN requester DROP NOT NULL",
    "another collation": 'ALTER TABLE meta ALTER COLUMN value TYPE TEXT COLLATE "und-x-icu"',
    "another type": "ALTER TABLE inbox ALTER COLUMN tries TYPE INTEGER",
    "no check": "ALTER TABLE verifications DROP CONSTRAINT verifications_check",
    "a check that was never made": "ALTER TABLE holds DROP CONSTRAINT holds_ref_fkey, "
    "ADD FOREIGN KEY (ref) REFERENCES verifications NOT VALID",
    "a reference that carries changes along": "ALTER TABLE holds DROP CONSTRAINT holds_ref_fkey, "
    "ADD FOREIGN KEY (ref) REFERENCES verifications ON DELETE CASCADE",
    "a table that refers to ours": "CREATE TABLE theirs (ref TEXT REFERENCES verifications ON DELETE CASCADE)",
    "a table that is read with ours": "CREATE TABLE theirs () INHERITS (verifications)",
    "a rule": f"CREATE RULE thief AS ON INSERT TO inbox DO ALSO {APPROVE}",
    "a policy": "ALTER TABLE verifications ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; "
    "CREATE POLICY thief ON verifications USING (state <> 'rejected')",
    "no unique index": "DROP INDEX verifications_batch",
    "another unique index": "DROP INDEX verifications_batch; "
    "CREATE UNIQUE INDEX verifications_batch ON verifications (batch, batch_row, ref) WHERE batch IS NOT NULL",
    "a unique index more": "CREATE UNIQUE INDEX thief ON verifications (requester)",
    "an index that runs a function": "CREATE FUNCTION f(TEXT) RETURNS TEXT IMMUTABLE LANGUAGE sql AS 'SELECT $1'; "
    "CREATE INDEX thief ON verifications (f(ref))",
    "no table": "DROP TABLE summaries",
    "a view in place of a table": "ALTER TABLE summaries RENAME TO t; CREATE VIEW summaries AS SELECT * FROM t",
    "a table that a crash empties": "ALTER TABLE summaries SET UNLOGGED",
}


@pytest.fixture
def address(postgresql: Cluster) -> Iterator[str]:
    name = postgresql.copy(prepare)
    yield postgresql.address(name)
    postgresql.drop(name)
    postgresql.sql(f"ALTER ROLE {ROLE} RESET ALL")


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_bot_works_on_no_schema_but_its_own(address: str, change: str) -> None:
    with connected(address) as raw:
        shape.require(raw, migrate, SEALER)
        raw.execute(change.encode())
    with connected(address) as raw, pytest.raises(DatabaseFault, match="changed how its database works"):
        shape.require(raw, migrate, SEALER)


def test_references_that_were_turned_off_are_noticed(postgresql: Cluster, address: str) -> None:
    with connected(address) as raw:
        postgresql.sql("ALTER TABLE attempts DISABLE TRIGGER ALL", database=raw.info.dbname)
        with pytest.raises(DatabaseFault, match="table attempts"):
            shape.require(raw, migrate, SEALER)


def test_triggers_that_were_turned_off_for_the_user_are_noticed(postgresql: Cluster, address: str) -> None:
    postgresql.sql(f"ALTER ROLE {ROLE} SET session_replication_role = replica")
    with connected(address) as raw, pytest.raises(DatabaseFault, match="session_replication_role"):
        shape.require(raw, migrate, SEALER)


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE theirs (id INTEGER PRIMARY KEY, n TEXT DEFAULT 'x')",
        "CREATE VIEW theirs AS SELECT ref, state FROM verifications",
        "DROP VIEW record_acts",
        "CREATE INDEX theirs ON verifications (country, lower(id_type)) WHERE state = 'approved'",
        "DROP INDEX verifications_by_time",
        "CREATE EXTENSION pgcrypto",
        "CREATE STATISTICS theirs ON country, id_type FROM verifications",
        "GRANT SELECT ON verifications TO PUBLIC",
        "COMMENT ON TABLE verifications IS 'checks'",
    ],
)
def test_what_writes_nothing_by_itself_is_let_be(address: str, change: str) -> None:
    with connected(address) as raw:
        raw.execute(change.encode())
        shape.require(raw, migrate, SEALER)


def test_who_has_not_the_key_cannot_vouch_for_a_change(address: str) -> None:
    with connected(address) as raw:
        [(sealed,)] = raw.execute("SELECT value_sealed FROM meta WHERE name = 'shape'").fetchall()
        raw.execute("DROP INDEX verifications_batch")
        for forged in (None, b"", sealed[:-1] + bytes([sealed[-1] ^ 1])):
            raw.execute("UPDATE meta SET value_sealed = %s WHERE name = 'shape'", [forged])
            with pytest.raises(DatabaseFault, match="table verifications"):
                shape.require(raw, migrate, SEALER)


def test_without_what_was_vouched_for_the_shape_is_made_anew_and_compared(address: str) -> None:
    """As on a newer server, which tells its catalog in other words."""
    with connected(address) as raw:
        raw.execute("DELETE FROM meta WHERE name = 'shape'")
        shape.require(raw, migrate, SEALER)
        assert raw.execute("SELECT 1 FROM meta WHERE name = 'shape'").fetchall()
        assert not raw.execute("SELECT 1 FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'").fetchall()


def test_a_schema_of_another_name_has_the_same_shape(empty_database: str) -> None:
    with connected(empty_database) as raw:
        raw.execute('CREATE SCHEMA "Kyc bot"')
        raw.execute(f'ALTER DATABASE {raw.info.dbname} SET search_path = "Kyc bot"'.encode())
    with connected(empty_database) as raw:
        schema.migrate(raw, migrate, SEALER)
        shape.require(raw, migrate, SEALER)
        with raw.transaction():
            assert shape.digests(shape.of(raw)) == shape.made_here(raw, migrate)


def test_who_only_reads_notices_a_change_and_makes_nothing(address: str) -> None:
    with connected(address) as raw:
        raw.execute("SET default_transaction_read_only = on")
        shape.require(raw, migrate, SEALER)
    with connected(address) as raw:
        raw.execute("DROP INDEX verifications_batch")
        raw.execute("SET default_transaction_read_only = on")
        with pytest.raises(DatabaseFault, match="table verifications"):
            shape.require(raw, migrate, SEALER)
    with connected(address) as raw:
        raw.execute("DELETE FROM meta WHERE name = 'shape'")
        raw.execute("SET default_transaction_read_only = on")
        shape.require(raw, migrate, SEALER)
