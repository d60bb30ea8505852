"""Databases as older versions of the bot left them, made from one of today."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

from storage.engine.sealing import Sealer


def before_prints(path: Path, sealer: Sealer) -> set[str]:
    """Turn a closed database back to what the bot wrote before migration m0012; gives the bare digests in it.

    Some of them stand in free space alone: rows that were deleted by a program that leaves their bytes behind.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
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


def _bare(db: sqlite3.Connection) -> set[str]:
    columns = (("receipts", "body_hash"), ("photos", "sha256"), ("homes", "digest"))
    return {
        value
        for table, column in columns
        for (value,) in db.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608 - above
    }
