"""What is sealed where, and what else is made with a key: by this table everything is found that needs an older key.

A test compares it with the schema: a new column that ends in `_sealed`, `_print` or `mac` must stand here.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from storage.engine import catalog
from storage.engine.sql import SqlConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedColumn:
    """A column of sealed values."""

    table: str
    column: str
    place: str
    """SQL for the place that a row's value is sealed for."""
    what: str
    """In plural, for an operator."""
    of_check: str | None = "t.ref"
    """SQL for the check that a row `t` belongs to, whose MAC covers it."""

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedColumn:
    """A column of texts that begin with the id of the key that made them: prints and MACs; empty ones are of none."""

    table: str
    column: str
    what: str

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column}"


OF_CHECKS = (
    SealedColumn(
        table="verifications", column="applicant_sealed", place="'verifications.applicant:' || t.ref", what="customers"
    ),
    SealedColumn(
        table="photos",
        column="file_sha256_sealed",
        place="'photos.file_sha256:' || t.ref || ':' || t.kind || ':' || t.position",
        what="digests of photos",
    ),
    SealedColumn(
        table="attempts", column="token_sealed", place="'attempts.token:' || t.job_id", what="callback tokens"
    ),
    SealedColumn(
        table="attempts", column="upload_sealed", place="'attempts.upload:' || t.job_id", what="upload addresses"
    ),
    SealedColumn(
        table="receipts",
        column="body_sha256_sealed",
        place="'receipts.body_sha256:' || t.id",
        what="digests of Smile ID's messages",
        of_check="(SELECT a.ref FROM attempts a WHERE a.job_id = t.job_id)",
    ),
    SealedColumn(
        table="receipts",
        column="body_sealed",
        place="'receipts.body:' || t.id",
        what="Smile ID's messages",
        of_check="(SELECT a.ref FROM attempts a WHERE a.job_id = t.job_id)",
    ),
    SealedColumn(
        table="reviews",
        column="words_sealed",
        place="'reviews.words:' || t.ref || ':' || t.round",
        what="words of proposals",
    ),
    SealedColumn(
        table="decisions",
        column="words_sealed",
        place="'decisions.words:' || t.ref || ':' || t.round || ':' || t.number",
        what="words of decisions",
    ),
    SealedColumn(
        table="review_notes",
        column="words_sealed",
        place="'review_notes.words:' || t.ref || ':' || t.round || ':' || t.source",
        what="notes of reviewers",
    ),
    SealedColumn(
        table="review_requests",
        column="words_sealed",
        place="'review_requests.words:' || t.id",
        what="words of review requests",
    ),
    SealedColumn(
        table="capture_links",
        column="token_sealed",
        place="'capture_links.token:' || t.ref || ':' || t.number",
        what="capture links",
    ),
    SealedColumn(
        table="capture_links",
        column="token_sha256_sealed",
        place="'capture_links.token_sha256:' || t.ref || ':' || t.number",
        what="digests of capture links",
    ),
)
"""Those that the MAC of a check covers, or that lie beside it."""

OTHERS = (
    SealedColumn(
        table="meta",
        column="value_sealed",
        place="'meta.value:' || t.name",
        what="facts of the database",
        of_check=None,
    ),
    SealedColumn(
        table="batches",
        column="reading_sealed",
        place="'batches.reading:' || t.id",
        what="files of customers",
        of_check=None,
    ),
    SealedColumn(
        table="erasures",
        column="list_sealed",
        place="'erasures.list:' || t.id",
        what="erasures",
        of_check=None,
    ),
    SealedColumn(
        table="slack_removals",
        column="place_sealed",
        place="'slack_removals.place:' || t.id",
        what="places in Slack that are to be erased",
        of_check=None,
    ),
    SealedColumn(
        table="trail_people",
        column="person_sealed",
        place="'trail_people.person:' || t.id",
        what="links from the trail to customers",
        of_check=None,
    ),
)

KEYED = (
    KeyedColumn(table="verifications", column="number_print", what="prints of ID numbers"),
    KeyedColumn(table="verifications", column="reference_print", what="prints of customer references"),
    KeyedColumn(table="photos", column="file_print", what="prints of photos"),
    KeyedColumn(table="attempts", column="token_print", what="prints of callback tokens"),
    KeyedColumn(table="receipts", column="body_print", what="prints of Smile ID's messages"),
    KeyedColumn(table="capture_links", column="token_print", what="prints of capture links"),
    KeyedColumn(table="homes", column="view_print", what="prints of Home tabs"),
    KeyedColumn(table="trail_people", column="person_print", what="prints of customers beside the trail"),
    KeyedColumn(table="check_macs", column="mac", what="MACs of checks"),
    KeyedColumn(table="facts", column="mac", what="MACs of figures"),
    KeyedColumn(table="day_sums", column="mac", what="MACs of days' sums"),
)


def key_ids(connection: SqlConnection) -> dict[str, Counter[str]]:
    """Which keys made what is in a database, of whichever version: by key, how many of what. Reads all of it."""
    found: dict[str, Counter[str]] = {}
    for kind, sql in _counts(connection):
        for key_id, rows in connection.fetch(sql):
            found.setdefault(key_id.hex() if isinstance(key_id, bytes) else key_id, Counter())[kind.what] += rows
    return found


def _counts(connection: SqlConnection) -> Iterator[tuple[SealedColumn | KeyedColumn, str]]:
    columns = {f"{table}.{column}" for table, names in catalog.columns(connection).items() for column in names}
    for sealed in (*OF_CHECKS, *OTHERS):
        if sealed.name in columns:
            yield (
                sealed,
                f"""
                SELECT substr({sealed.column}, 2, 4), COUNT(*) FROM {sealed.table}
                WHERE {sealed.column} IS NOT NULL GROUP BY 1
                """,
            )
    for keyed in KEYED:
        if keyed.name in columns:
            # A bare hash, from before there were prints, is of no key.
            yield (
                keyed,
                f"""
                SELECT substr({keyed.column}, 1, 8), COUNT(*) FROM {keyed.table}
                WHERE substr({keyed.column}, 9, 1) = ':' GROUP BY 1
                """,
            )
