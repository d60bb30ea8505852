"""The shape of the database: its tables, and what PostgreSQL does by itself when a row changes.

Whoever may change the schema can put a trigger, a rule or a default into it that approves checks. What these write is
part of the bot's own commit, which would make the MACs of it. So nothing is written in another shape than the
migrations make (`storage.engine.shape` is the same for SQLite). The version that migrates the database leaves digests
of what it makes there, sealed: an older instance that still runs beside it lets that be, and nobody without the key
can say so.

Let be are tables of others, views, indexes that only find rows, and functions of extensions: none of them writes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import errors

from bot.errors import DatabaseFault, DatabaseUnusable
from storage.engine.postgresql import creation
from storage.engine.postgresql.plain import PlainConnection, told
from storage.engine.sealing import Sealer
from storage.engine.shape import Migrate
from storage.engine.sql import SqlConnection

Shape = dict[str, frozenset[tuple[Any, ...]]]
"""By what it is of, as sets of plain values."""
Digests = Mapping[str, str]
"""By what it is of."""

_NAME, _PLACE = "shape", "meta.value:shape"
_FIRST_OF_OTHERS = 16384
"""What the server itself brings has a lower number (access/transam.h)."""

_TABLES = """
    SELECT c.oid, c.relname, c.relkind::TEXT, c.relpersistence = 'u', c.relrowsecurity, c.relforcerowsecurity,
        c.relispartition,
        EXISTS (SELECT 1 FROM pg_inherits WHERE c.oid IN (inhparent, inhrelid))
    FROM pg_class c WHERE c.relnamespace = %(schema)s AND c.relkind IN ('r', 'p', 'f')
    """
_OF_TABLES = {
    "column": """
        SELECT attrelid, attname, format_type(atttypid, atttypmod), attnotnull, attidentity::TEXT, attgenerated::TEXT,
            (SELECT collname FROM pg_collation c WHERE c.oid = attcollation),
            (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum)
        FROM pg_attribute WHERE attrelid = ANY (%(tables)s) AND attnum > 0 AND NOT attisdropped
        """,
    # NOT NULL is said by the column.
    "constraint": """
        SELECT conrelid, contype::TEXT, pg_get_constraintdef(oid), convalidated, condeferrable, condeferred
        FROM pg_constraint WHERE conrelid = ANY (%(tables)s) AND contype <> 'n'
        """,
    "index": """
        SELECT indrelid, pg_get_indexdef(indexrelid), indisvalid FROM pg_index i
        WHERE indrelid = ANY (%(tables)s) AND (indisunique OR indisexclusion OR EXISTS (
            SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::REGCLASS AND objid = indexrelid
            AND refclassid IN ('pg_proc'::REGCLASS, 'pg_operator'::REGCLASS, 'pg_opclass'::REGCLASS,
                'pg_opfamily'::REGCLASS)
            AND refobjid >= %(others)s))
        """,
    # Those of references are the server's own, but can be turned off.
    "trigger": """
        SELECT tgrelid, CASE WHEN tgisinternal THEN tgfoid::REGPROC::TEXT ELSE pg_get_triggerdef(oid, TRUE) END,
            tgtype, tgenabled::TEXT
        FROM pg_trigger WHERE tgrelid = ANY (%(tables)s)
        """,
    "rule": """
        SELECT ev_class, rulename, pg_get_ruledef(oid, TRUE), ev_enabled::TEXT FROM pg_rewrite
        WHERE ev_class = ANY (%(tables)s)
        """,
    "policy": """
        SELECT polrelid, polname, polcmd::TEXT, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
        FROM pg_policy WHERE polrelid = ANY (%(tables)s)
        """,
}
"""Each begins with the table that it belongs to."""

# An extension's come with it, and the bot calls none of them: whoever may install one has other ways.
_FUNCTIONS = """
    SELECT proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', prosrc, prokind::TEXT,
        (SELECT lanname FROM pg_language l WHERE l.oid = prolang), prosecdef, provolatile::TEXT, proconfig,
        format_type(prorettype, NULL)
    FROM pg_proc p WHERE pronamespace = ANY (%(path)s) AND NOT EXISTS (
        SELECT 1 FROM pg_depend WHERE classid = 'pg_proc'::REGCLASS AND objid = p.oid AND deptype = 'e')
    """
_OPERATORS = """
    SELECT 'operator ' || oprname FROM pg_operator o WHERE oprnamespace = ANY (%(path)s) AND NOT EXISTS (
        SELECT 1 FROM pg_depend WHERE classid = 'pg_operator'::REGCLASS AND objid = o.oid AND deptype = 'e')
    """


def of(raw: psycopg.Connection[Any]) -> Shape:
    """As the schema that comes first has it now, in the caller's transaction."""
    path = raw.execute("SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY (current_schemas(FALSE))").fetchall()
    [(here,)] = raw.execute("SELECT current_schema()").fetchall()
    return _read(raw, next(space for space, name in path if name == here), here, [space for space, _name in path])


def _read(raw: psycopg.Connection[Any], space: int, name: str, path: Sequence[int]) -> Shape:
    """`path` has all schemas in which a function is looked for by its bare name."""
    found: dict[str, set[tuple[Any, ...]]] = defaultdict(set)
    raw.execute("SELECT set_config('quote_all_identifiers', 'off', TRUE)")
    # The server itself calls temporary tables so, whatever their schema's name is.
    qualified = re.compile(rf'(?<![\w".])(?:{re.escape(name)}|"{re.escape(name)}"|pg_temp)\.')
    tables = dict[int, str]()
    for oid, table, *said in raw.execute(_TABLES, {"schema": space}).fetchall():
        tables[oid] = f"table {table}"
        found[tables[oid]].add(("table", *said))
    given = {"tables": list(tables), "others": _FIRST_OF_OTHERS}
    for kind, statement in _OF_TABLES.items():
        for oid, *said in raw.execute(statement, given).fetchall():
            # Whatever the schema is called.
            plain = (qualified.sub("", one) if isinstance(one, str) else one for one in said)
            found[tables[oid]].add((kind, *plain))
    for function, *said in raw.execute(_FUNCTIONS, {"path": path}).fetchall():
        found[f"function {function}"].add(tuple(tuple(one) if isinstance(one, list) else one for one in said))
    for (operator,) in raw.execute(_OPERATORS, {"path": path}).fetchall():
        found[operator].add(())
    return {what: frozenset(said) for what, said in found.items()}


def digests(shape: Shape) -> Digests:
    """The same for the same shape, in whichever order the server tells it."""
    return {what: hashlib.sha256(repr(sorted(map(repr, said))).encode()).hexdigest() for what, said in shape.items()}


def made_here(raw: psycopg.Connection[Any], make: Migrate) -> Digests:
    """What this version makes on this server: tried with temporary tables and taken back. In a transaction.

    Raises DatabaseFault where the user may not.
    """
    try:
        with raw.transaction(force_rollback=True):
            raw.execute("SELECT set_config('search_path', 'pg_temp', TRUE)")
            creation.create_as_temporary(raw, make)
            [(space, name)] = raw.execute(
                "SELECT oid, nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()"
            ).fetchall()
            return digests(_read(raw, space, name, [space]))
    except errors.InsufficientPrivilege as error:
        raise DatabaseFault(
            "the database's user may make no temporary tables: GRANT TEMPORARY ON DATABASE … TO it"
        ) from error


def vouch(raw: psycopg.Connection[Any], make: Migrate, sealer: Sealer) -> None:
    """Keep, sealed, what this version makes, once it has made it. Raises DatabaseFault if that is not what is there."""
    wanted = made_here(raw, make)
    _refuse(_wrong(digests(of(raw)), wanted))
    sql = """
        INSERT INTO meta (name, value_sealed) VALUES (:name, :sealed)
        ON CONFLICT (name) DO UPDATE SET value_sealed = excluded.value_sealed
        """
    told_by = raw.info.server_version // 10_000
    sealed = sealer.seal(json.dumps({"server": told_by, "made": wanted}), place=_PLACE)
    PlainConnection(raw).run(sql, {"name": _NAME, "sealed": sealed})


def require(raw: psycopg.Connection[Any], make: Migrate, sealer: Sealer) -> None:
    """Raises DatabaseFault if the database has another shape than the version that migrated it last has made.

    In a transaction that only reads it is compared with what is vouched for alone: where nothing is yet, or by an older
    server, whose words may be others, the bot's next start tells.
    """
    with told():
        try:
            with raw.transaction():
                compare(raw, make, sealer)
        except DatabaseUnusable:
            raise
        except DatabaseFault:
            # A newer version may have migrated it while it was being compared.
            with raw.transaction():
                compare(raw, make, sealer)


def compare(raw: psycopg.Connection[Any], make: Migrate, sealer: Sealer) -> None:
    """`require`, in the caller's transaction."""
    [(role,)] = raw.execute("SELECT current_setting('session_replication_role')").fetchall()
    if role != "origin":
        raise DatabaseFault("triggers are turned off for the database's user (session_replication_role): reset it")
    found, (told_by, vouched) = digests(of(raw)), _vouched(PlainConnection(raw), sealer)
    wrong = _wrong(found, vouched) if vouched is not None else None
    if wrong == []:
        return
    [(reads_only,)] = raw.execute("SELECT current_setting('transaction_read_only') = 'on'").fetchall()
    if reads_only:
        _refuse(wrong if wrong and told_by == raw.info.server_version // 10_000 else [])
        return
    # A newer server may tell the same in other words.
    if otherwise := _wrong(found, made_here(raw, make)):
        _refuse(wrong or otherwise)
    vouch(raw, make, sealer)


def _vouched(connection: SqlConnection, sealer: Sealer) -> tuple[int | None, Digests | None]:
    """With the server's version that has told it."""
    rows = connection.fetch("SELECT value_sealed FROM meta WHERE name = ?", (_NAME,))
    with suppress(DatabaseFault):
        if rows:
            kept = json.loads(sealer.open(rows[0][0] or b"", place=_PLACE))
            return kept["server"], kept["made"]
    return None, None


def _wrong(found: Digests, wanted: Digests) -> list[str]:
    """What is changed, missing, or more than there may be beside it."""
    changed = {what for what, digest in wanted.items() if found.get(what) != digest}
    return sorted(changed | {what for what in found.keys() - wanted.keys() if not what.startswith("table ")})


def _refuse(wrong: Sequence[str]) -> None:
    if wrong:
        raise DatabaseFault(
            f"somebody else than the bot has changed how its database works ({', '.join(wrong)}). "
            "See *Records that were altered* in docs/operations.md"
        )
