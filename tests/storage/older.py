"""Databases as older versions of the bot left them, made from one of today."""

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from bot.slack.blocks.refusals import stored_sentence
from storage import audit
from storage.engine import macs, older_macs
from storage.engine.chain import RECORDED
from storage.engine.connection import sql_of
from storage.engine.sealing import Sealer
from storage.engine.transaction import Transaction, from_text


def before_heads(db: sqlite3.Connection, sealer: Sealer) -> None:
    """Before migration m0036: the same versions of the same records, each MAC of all at once."""
    stored = macs._stored(sql_of(db), [ref for (ref,) in db.execute("SELECT ref FROM check_macs")])
    made = [
        (sealer.mac(macs.message_at_once(of.version or 0, of.parts or ()), purpose="record-mac"), ref)
        for ref, of in stored.items()
    ]
    db.executemany("UPDATE check_macs SET mac = ? WHERE ref = ?", made)
    db.execute("ALTER TABLE check_macs DROP COLUMN rest_sha256")
    db.execute("DELETE FROM _sqlite_migrations WHERE name = 'm0036_heads_of_records'")


def before_instances(db: sqlite3.Connection) -> None:
    """Before migration m0035; nothing happens to a file that is from before."""
    if db.execute("SELECT 1 FROM _sqlite_migrations WHERE name = 'm0035_instances'").fetchone() is None:
        return
    leased = ("verifications", "attempts", "posts", "batches", "inbox", "slack_removals", "homes")
    for statement in (
        *(f"DROP TABLE {table}" for table in ("instances", "turns", "cache_news", "pauses")),
        "DROP INDEX verifications_leased",
        *(f"ALTER TABLE {table} DROP COLUMN leased_by" for table in leased),
        "ALTER TABLE homes DROP COLUMN is_opened",
        "CREATE INDEX verifications_leased ON verifications (leased_until, batch) WHERE leased_until IS NOT NULL",
        "DELETE FROM _sqlite_migrations WHERE name = 'm0035_instances'",
    ):
        db.execute(statement)


def before_capture_links(db: sqlite3.Connection) -> None:
    """Before migration m0034, without the views that it makes anew; nothing happens to a file that is from before."""
    before_instances(db)
    if db.execute("SELECT 1 FROM _sqlite_migrations WHERE name = 'm0034_capture_links'").fetchone() is None:
        return
    before = "'requested', 'submitting', 'processing'"
    for statement in (
        *(f"DROP VIEW IF EXISTS record_{name}" for name in ("links", "checks", "acts")),
        "DROP TABLE capture_links",
        "ALTER TABLE verifications DROP COLUMN photos_by",
        "DROP INDEX verifications_unsettled",
        f"""
        CREATE INDEX verifications_unsettled ON verifications (asked_at, ref)
        WHERE state IN ({before}, 'in_review') AND (state <> 'in_review' OR ended_at IS NULL)
        """,
        "DROP INDEX verifications_under_way",
        f"""
        CREATE INDEX verifications_under_way ON verifications (batch, batch_row)
        WHERE batch IS NOT NULL AND state IN ({before})
        """,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, '''awaiting_photos'', ', '') WHERE name = 'verifications'",
        "PRAGMA writable_schema = RESET",
        "DELETE FROM _sqlite_migrations WHERE name = 'm0034_capture_links'",
    ):
        db.execute(statement)


def without_views(db: sqlite3.Connection) -> None:
    """Before migration m0015, and m0022 whose columns a view shows; SQLite refuses to take a column that one shows."""
    before_capture_links(db)
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'view'")]
    for name in names:
        db.execute(f"DROP VIEW {name}")
    for statement in (
        "DROP INDEX batches_waiting",
        "ALTER TABLE batches DROP COLUMN approved_at",
        "ALTER TABLE batches DROP COLUMN approved_by",
        "ALTER TABLE batches DROP COLUMN approval",
        "DELETE FROM _sqlite_migrations WHERE name IN ('m0015_views', 'm0022_file_approvals')",
    ):
        db.execute(statement)


def without_links(tx: Transaction) -> None:
    """No older version made any; while the bot runs, so that the MACs of their checks fit, and with lines that stay."""
    for row in tx.rows("SELECT ref, made_at FROM capture_links"):
        audit.record(tx, at=from_text(row["made_at"]), actor="U1", act="link.ended", ref=row["ref"])
    tx.run("DELETE FROM capture_links")


def before_posts_leased(db: sqlite3.Connection) -> None:
    """Before migration m0033."""
    for statement in (
        "DROP INDEX posts_leased",
        "DELETE FROM _sqlite_migrations WHERE name = 'm0033_posts_on_their_way'",
    ):
        db.execute(statement)


def before_day_sums(db: sqlite3.Connection) -> None:
    """Before migration m0031."""
    for statement in (
        *(f"DROP TRIGGER facts_{name}" for name in ("added", "changed", "gone")),
        "DROP TABLE day_sums",
        "DELETE FROM _sqlite_migrations WHERE name = 'm0031_day_sums'",
    ):
        db.execute(statement)


def before_macs_of_records(db: sqlite3.Connection, sealer: Sealer) -> None:
    """Before migration m0032: the same versions of the same records, with MACs of another text."""
    stored = db.execute("SELECT ref, version FROM check_macs").fetchall()
    made = [(older_macs.mac_of(sql_of(db), sealer, ref, version), ref) for ref, version in stored]
    db.executemany("UPDATE check_macs SET mac = ? WHERE ref = ?", made)
    db.execute("DELETE FROM _sqlite_migrations WHERE name = 'm0032_macs_of_records'")


def before_batch_counts(db: sqlite3.Connection) -> None:
    """Before migration m0030."""
    of_rows = ("rows_counted", "rows_recounted", "rows_uncounted")
    of_reviews = ("reviews_begun", "reviews_opened", "reviews_closed", "reviews_gone")
    for statement in (
        *(f"DROP TRIGGER batch_{name}" for name in (*of_rows, *of_reviews)),
        "DROP TABLE batch_counts",
        "DELETE FROM _sqlite_migrations WHERE name = 'm0030_batch_counts'",
    ):
        db.execute(statement)


def before_indexes(db: sqlite3.Connection) -> None:
    """Before migration m0028."""
    before_capture_links(db)
    new = ("by_time", "of_requester", "ended_as", "of_requester_ended_as", "unsettled", "under_way")
    for statement in (
        *(f"DROP INDEX verifications_{name}" for name in new),
        *(f"DROP INDEX {name}" for name in ("attempts_smile_job", "attempts_claim", "posts_receipt", "posts_failed")),
        *(f"DROP INDEX {name}" for name in ("receipts_stuck", "batches_read", "batches_previews")),
        "CREATE INDEX verifications_asked ON verifications (asked_at)",
        "CREATE INDEX verifications_requester ON verifications (requester, asked_at)",
        "CREATE INDEX verifications_number ON verifications (number_print)",
        """
        CREATE INDEX verifications_open ON verifications (asked_at)
        WHERE state IN ('requested', 'submitting', 'processing', 'in_review')
        """,
        """
        CREATE INDEX verifications_under_way ON verifications (batch)
        WHERE batch IS NOT NULL AND state IN ('requested', 'submitting', 'processing')
        """,
        "DELETE FROM _sqlite_migrations WHERE name = 'm0028_indexes'",
    ):
        db.execute(statement)


def before_erasures(db: sqlite3.Connection) -> None:
    """Before migration m0027."""
    db.execute("DROP TABLE erasures")
    db.execute("DELETE FROM _sqlite_migrations WHERE name = 'm0027_erasures'")


def before_slack_removals(db: sqlite3.Connection) -> None:
    """Before migration m0026."""
    before_instances(db)
    for statement in (
        "DROP TABLE slack_removals",
        "DROP INDEX photos_file",
        "DELETE FROM _sqlite_migrations WHERE name = 'm0026_slack_removals'",
    ):
        db.execute(statement)


def before_retention(db: sqlite3.Connection) -> None:
    """Before migration m0024; the views must be gone by then, and MACs that cover a hold."""
    for statement in (
        "DROP INDEX verifications_photos_kept",
        "DROP INDEX verifications_personal_kept",
        "DROP INDEX verifications_ended",
        "ALTER TABLE verifications DROP COLUMN photos_erased_at",
        "ALTER TABLE verifications DROP COLUMN personal_erased_at",
        "DROP TABLE holds",
        "DROP TABLE purges",
        "DELETE FROM _sqlite_migrations WHERE name = 'm0024_retention'",
    ):
        db.execute(statement)


def before_chain(db: sqlite3.Connection, sealer: Sealer) -> None:
    """Before migration m0025: a trail without hashes, and a sum of records that knows no end of it."""
    for statement in (
        "DROP TRIGGER audit_unchanged",
        "DROP TRIGGER audit_kept",
        "ALTER TABLE audit DROP COLUMN chain",
        "ALTER TABLE audit DROP COLUMN person",
        "ALTER TABLE audit DROP COLUMN version",
        "DROP TABLE trail_people",
        f"DELETE FROM audit WHERE act = '{RECORDED}'",  # noqa: S608 - a name from the code
        "DELETE FROM _sqlite_migrations WHERE name = 'm0025_trail'",
    ):
        db.execute(statement)
    (sealed,) = db.execute("SELECT value_sealed FROM meta WHERE name = 'macs'").fetchone()
    kept = json.loads(sealer.open(sealed, place="meta.value:macs"))
    of_today = {name: value for name, value in kept.items() if name not in {"seq", "chain"}}
    sealed = sealer.seal(json.dumps(of_today), place="meta.value:macs")
    db.execute("UPDATE meta SET value_sealed = ? WHERE name = 'macs'", [sealed])


def before_macs(db: sqlite3.Connection, sealer: Sealer) -> None:
    """Before migration m0019: checks without MACs, and a proof of the key that says nothing of them."""
    without_views(db)
    before_chain(db, sealer)
    for statement in (
        "DROP TABLE check_macs",
        "ALTER TABLE facts DROP COLUMN mac",
        "DROP INDEX audit_of_check",
        "DELETE FROM _sqlite_migrations WHERE name IN ('m0019_macs', 'm0032_macs_of_records')",
        "DELETE FROM _sqlite_migrations WHERE name = 'm0036_heads_of_records'",
        "DELETE FROM meta WHERE name = 'macs'",
    ):
        db.execute(statement)
    proof = sealer.seal("kyc-bot", place="meta.value:key_proof")
    db.execute("UPDATE meta SET value_sealed = ? WHERE name = 'key_proof'", [proof])


def before_prints(path: Path, sealer: Sealer) -> set[str]:
    """Turn a closed database back to what the bot wrote before migration m0012; gives the bare digests in it.

    Some of them stand in free space alone: rows that were deleted by a program that leaves their bytes behind.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        before_macs(db, sealer)
        db.execute("PRAGMA secure_delete = OFF")
        db.execute("PRAGMA foreign_keys = OFF")
        db.create_function("opened", 2, lambda sealed, place: sealer.open(sealed, place=place))
        db.create_function("sha256", 1, lambda text: hashlib.sha256(text.encode()).hexdigest())
        for statement in (
            "DROP INDEX photos_selfie",
            "UPDATE receipts SET body_print = opened(body_sha256_sealed, 'receipts.body_sha256:' || id)",
            """
            UPDATE photos SET file_print =
                opened(file_sha256_sealed, 'photos.file_sha256:' || ref || ':' || kind || ':' || position)
            WHERE file_print IS NOT NULL
            """,
            "UPDATE homes SET view_print = sha256(person)",
            "ALTER TABLE receipts RENAME COLUMN body_print TO body_hash",
            "ALTER TABLE receipts DROP COLUMN body_sha256_sealed",
            "ALTER TABLE photos RENAME COLUMN file_print TO sha256",
            "ALTER TABLE photos DROP COLUMN file_sha256_sealed",
            "ALTER TABLE homes RENAME COLUMN view_print TO digest",
            "CREATE INDEX photos_sha256 ON photos (sha256)",
            "DELETE FROM _sqlite_migrations WHERE name = 'm0012_prints'",
            "DELETE FROM meta WHERE name = 'upkeep'",
        ):
            db.execute(statement)
        digests = _bare(db)
        db.execute("CREATE TABLE gone (digest TEXT)")
        deleted = {hashlib.sha256(f"gone {n}".encode()).hexdigest() for n in range(500)}
        db.executemany("INSERT INTO gone VALUES (?)", [(digest,) for digest in deleted])
        db.execute("DROP TABLE gone")
    return digests | deleted


def before_inbox(path: Path, sealer: Sealer) -> set[str]:
    """Turn a closed database back to what the bot wrote before migration m0013; gives the sentences that stand in it.

    Faults were kept as sentences, where they are codes now, and an answer that was lost was a kind of its own.
    """
    sentences = set()

    def said(fault: str | None) -> str | None:
        if fault is None:
            return None
        sentences.add(stored_sentence(fault))
        return stored_sentence(fault)

    def said_in_reading(sealed: bytes, place: str) -> bytes:
        reading = json.loads(sealer.open(sealed, place=place))
        reading["faults"] = [[row, column, said(fault)] for row, column, fault in reading["faults"]]
        return sealer.seal(json.dumps(reading), place=place)

    def said_of_refused(sealed: bytes, place: str) -> str | None:
        return said(json.loads(sealer.open(sealed, place=place))["refused"])

    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        before_macs(db, sealer)
        db.create_function("said", 1, said)
        db.create_function("said_of_refused", 2, said_of_refused)
        db.create_function("said_in_reading", 2, said_in_reading)
        for statement in (
            "UPDATE verifications SET failure_words = said(failure_words)",
            # Why a file was refused stood in the open, with its name.
            """
            UPDATE batches SET words = said_of_refused(reading_sealed, 'batches.reading:' || id), reading_sealed = NULL
            WHERE state = 'refused'
            """,
            "UPDATE batches SET words = said(words) WHERE state <> 'refused'",
            """
            UPDATE batches SET reading_sealed = said_in_reading(reading_sealed, 'batches.reading:' || id)
            WHERE reading_sealed IS NOT NULL
            """,
            "UPDATE posts SET note = json_set(note, '$.words', said(note ->> '$.words')) WHERE kind = 'alert'",
            """
            UPDATE posts SET id = 'unanswered' || substr(id, 7), kind = 'unanswered',
                note = json_object('channel', note ->> '$.channel')
            WHERE kind = 'answer'
            """,
            "DROP TABLE inbox",
            "DELETE FROM _sqlite_migrations WHERE name = 'm0013_inbox'",
        ):
            db.execute(statement)
    return sentences


def _bare(db: sqlite3.Connection) -> set[str]:
    columns = (("receipts", "body_hash"), ("photos", "sha256"), ("homes", "digest"))
    return {
        value
        for table, column in columns
        for (value,) in db.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608 - above
    }
