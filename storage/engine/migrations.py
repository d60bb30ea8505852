"""The schema, in numbered steps that are never edited once released.

The schema defends itself: STRICT types, CHECK for what is possible, UNIQUE for what must happen once. Columns that
end in `_sealed` hold personal data or secrets, sealed with table, column and row as associated data; columns that
end in `_print` hold keyed hashes for look-ups. Times are UTC text of fixed width, so that they sort.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from sqlite_utils import Database, Migrations

from bot.errors import DatabaseFault, DatabaseNewer
from storage import meta
from storage.engine import chain, first_chain, first_macs, moved, older_macs, upkeep
from storage.engine.connection import sql_of, temporary_files_beside
from storage.engine.sealing import Sealer
from storage.engine.sql import SqlConnection
from storage.engine.transaction import Transaction

migrations = Migrations("kyc-bot")


@dataclass(frozen=True, slots=True)
class Migration:
    """One of them."""

    name: str
    apply: Callable[[Database], None]


def applied_known(db: Database) -> set[str]:
    """The migrations that a database has had.

    Raises DatabaseNewer if this version does not know them all, DatabaseMoved if it serves nobody any more, or not yet.
    """
    applied = {migration.name for migration in migrations.applied(db)}
    if applied & moved.MARKS:
        moved.require_serving(db.conn)
    if beyond := sorted(applied.difference(known())):
        raise DatabaseNewer(f"the database was written by a newer kyc-bot ({', '.join(beyond)}): update the bot")
    return applied


def ordered() -> Sequence[Migration]:
    """All of this version, in the order in which they are applied."""
    with closing(Database(memory=True, execute_plugins=False)) as empty:
        return [Migration(migration.name, migration.fn) for migration in migrations.pending(empty)]


def known() -> list[str]:
    """Their names."""
    return [migration.name for migration in ordered()]


def migrate(db: Database, sealer: Sealer) -> None:
    """Bring the database up to this version, and go on with what a kill has interrupted.

    Raises DatabaseNewer if it is already beyond, DatabaseMoved if it serves nobody, WrongKey if it was sealed with
    another key; then nothing is changed.
    """
    applied_known(db)
    if not db["meta"].exists():
        migrations.apply(db)
        return
    with db.atomic():
        # Before anything is keyed anew: under another key it would be lost.
        meta.begin(Transaction(sql_of(db.conn), sealer, None))
    if migrations.pending(db) or is_unfinished(sql_of(db.conn)):
        with temporary_files_beside(db.conn):
            migrations.apply(db)
            upkeep.finish(db, sealer)
            if older_macs.left(sql_of(db.conn)):
                older_macs.renew_all(db, sealer)
            if first_macs.left(sql_of(db.conn)):  # last: they cover what came before
                first_macs.make(db, sealer)
            if chain.is_due(sql_of(db.conn)):
                first_chain.make(db, sealer)


def is_unfinished(connection: SqlConnection) -> bool:
    """Whether an upgrade has left something that the next start goes on with."""
    macs_left = older_macs.left(connection) or first_macs.left(connection)
    return macs_left or upkeep.left(connection) is not None or chain.is_due(connection)


@migrations()
def m0001_checks(db: Database) -> None:
    """Checks, their photos and attempts, what Smile ID said, what is to be posted, who did what."""
    for statement in (
        """
        CREATE TABLE meta (
            name TEXT PRIMARY KEY,
            value TEXT,
            value_sealed BLOB
        ) STRICT
        """,
        """
        CREATE TABLE verifications (
            ref TEXT PRIMARY KEY,
            state TEXT NOT NULL CHECK (state IN (
                'requested', 'submitting', 'processing', 'in_review',
                'approved', 'rejected', 'failed', 'cancelled')),
            reason TEXT CHECK (reason IN (
                'smile_id', 'unconfirmed', 'unknown_code', 'contradiction', 'id_unverified', 'second_final')),
            verdict TEXT,
            verdict_outcome TEXT CHECK (verdict_outcome IN ('approved', 'rejected', 'failed')),
            verdict_why TEXT,
            decision TEXT CHECK (decision IN ('approved', 'rejected', 'new_photos')),
            failure TEXT,
            failure_words TEXT,
            country TEXT NOT NULL,
            id_type TEXT NOT NULL,
            applicant_sealed BLOB,
            number_print TEXT,
            reference_print TEXT,
            requester TEXT NOT NULL,
            team TEXT NOT NULL,
            channel TEXT NOT NULL,
            thread_ts TEXT,
            message_ts TEXT,
            view_id TEXT NOT NULL UNIQUE,
            consent_at TEXT NOT NULL,
            consent_by TEXT NOT NULL,
            consent_notice TEXT NOT NULL,
            asked_at TEXT NOT NULL,
            photos_checked_at TEXT,
            sent_at TEXT,
            ended_at TEXT,
            due_at TEXT,
            leased_until TEXT,
            tries INTEGER NOT NULL DEFAULT 0,
            CHECK ((state = 'in_review') = (reason IS NOT NULL)),
            CHECK (state <> 'approved' OR verdict_outcome = 'approved')
        ) STRICT
        """,
        "CREATE INDEX verifications_due ON verifications (due_at) WHERE due_at IS NOT NULL",
        "CREATE INDEX verifications_requester ON verifications (requester, asked_at)",
        "CREATE INDEX verifications_number ON verifications (number_print)",
        """
        CREATE TABLE photos (
            ref TEXT NOT NULL REFERENCES verifications (ref),
            kind TEXT NOT NULL CHECK (kind IN ('selfie', 'liveness')),
            position INTEGER NOT NULL CHECK (position BETWEEN 0 AND 7),
            file_id TEXT NOT NULL,
            size INTEGER,
            sha256 TEXT,
            PRIMARY KEY (ref, kind, position)
        ) STRICT
        """,
        """
        CREATE TABLE attempts (
            job_id TEXT PRIMARY KEY,
            ref TEXT NOT NULL REFERENCES verifications (ref),
            number INTEGER NOT NULL,
            user_id TEXT NOT NULL,
            step TEXT NOT NULL CHECK (step IN ('recorded', 'prepared', 'sent')),
            in_doubt_since TEXT,
            retry_flag INTEGER NOT NULL DEFAULT 0 CHECK (retry_flag IN (0, 1)),
            token_print TEXT NOT NULL UNIQUE,
            token_sealed BLOB NOT NULL,
            smile_job_id TEXT,
            upload_sealed BLOB,
            created_at TEXT NOT NULL,
            sent_at TEXT,
            polls INTEGER NOT NULL DEFAULT 0,
            poll_at TEXT,
            ask_at TEXT,
            asked_at TEXT,
            leased_until TEXT,
            overdue_told INTEGER NOT NULL DEFAULT 0,
            claim_receipt TEXT REFERENCES receipts (id),
            claim_outcome TEXT CHECK (claim_outcome IN ('approved', 'rejected', 'failed')),
            claim_at TEXT,
            confirm_tries INTEGER NOT NULL DEFAULT 0,
            UNIQUE (ref, number),
            CHECK ((claim_receipt IS NULL) = (claim_outcome IS NULL)),
            CHECK (step = 'recorded' OR smile_job_id IS NOT NULL)
        ) STRICT
        """,
        "CREATE INDEX attempts_ask ON attempts (ask_at) WHERE ask_at IS NOT NULL",
        """
        CREATE TABLE receipts (
            id TEXT PRIMARY KEY,
            job_id TEXT NOT NULL REFERENCES attempts (job_id),
            source TEXT NOT NULL CHECK (source IN ('callback', 'job_status')),
            code TEXT NOT NULL,
            body_hash TEXT NOT NULL,
            body_sealed BLOB,
            fate TEXT NOT NULL,
            received_at TEXT NOT NULL,
            UNIQUE (job_id, code, body_hash)
        ) STRICT
        """,
        """
        CREATE TABLE posts (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            ref TEXT REFERENCES verifications (ref),
            kind TEXT NOT NULL,
            lane TEXT NOT NULL,
            priority INTEGER NOT NULL,
            receipt TEXT REFERENCES receipts (id),
            note TEXT NOT NULL,
            about TEXT REFERENCES posts (id),
            state TEXT NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'done', 'dropped', 'failed')),
            due_at TEXT NOT NULL,
            leased_until TEXT,
            tries INTEGER NOT NULL DEFAULT 0,
            in_doubt_since TEXT,
            error TEXT,
            channel TEXT,
            ts TEXT,
            created_at TEXT NOT NULL,
            done_at TEXT
        ) STRICT
        """,
        "CREATE INDEX posts_due ON posts (lane, priority, seq) WHERE state = 'due'",
        "CREATE INDEX posts_ref ON posts (ref, seq)",
        """
        CREATE TABLE audit (
            seq INTEGER PRIMARY KEY,
            at TEXT NOT NULL,
            actor TEXT NOT NULL,
            act TEXT NOT NULL,
            ref TEXT,
            detail TEXT NOT NULL DEFAULT ''
        ) STRICT
        """,
        """
        CREATE TABLE alerts (
            kind TEXT PRIMARY KEY,
            told_at TEXT NOT NULL
        ) STRICT
        """,
    ):
        db.execute(statement)


@migrations()
def m0002_slack_requests(db: Database) -> None:
    """Which of Slack's requests were already taken, so that a repeat does nothing, whenever it comes."""
    db.execute(
        """
        CREATE TABLE slack_requests (
            id TEXT PRIMARY KEY,
            at TEXT NOT NULL
        ) STRICT
        """
    )
    db.execute("CREATE INDEX slack_requests_at ON slack_requests (at)")


@migrations()
def m0003_ways_in(db: Database) -> None:
    """Checks that are run again, held for an answer, or belong to a batch; photos that lie inside another file."""
    for statement in (
        """
        CREATE TABLE batches (
            id TEXT PRIMARY KEY,
            state TEXT NOT NULL CHECK (state IN (
                'reading', 'refused', 'preview', 'confirmed', 'sending', 'paused', 'cancelled', 'done')),
            source TEXT NOT NULL UNIQUE,
            requester TEXT NOT NULL,
            team TEXT NOT NULL,
            channel TEXT NOT NULL,
            message_ts TEXT,
            files TEXT NOT NULL,
            reading_sealed BLOB,
            words TEXT,
            total INTEGER NOT NULL DEFAULT 0,
            ready INTEGER NOT NULL DEFAULT 0,
            repeats INTEGER NOT NULL DEFAULT 0,
            with_repeats INTEGER NOT NULL DEFAULT 0 CHECK (with_repeats IN (0, 1)),
            consent_at TEXT,
            consent_by TEXT,
            consent_notice TEXT,
            asked_at TEXT NOT NULL,
            ended_at TEXT,
            due_at TEXT,
            leased_until TEXT,
            tries INTEGER NOT NULL DEFAULT 0,
            CHECK ((consent_at IS NULL) = (consent_by IS NULL)),
            CHECK (consent_at IS NOT NULL OR state NOT IN ('confirmed', 'sending', 'paused', 'done'))
        ) STRICT
        """,
        "CREATE INDEX batches_due ON batches (due_at) WHERE due_at IS NOT NULL",
        "ALTER TABLE verifications ADD COLUMN round INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE verifications ADD COLUMN held TEXT CHECK (held IN ('photos', 'selfie_seen'))",
        "ALTER TABLE verifications ADD COLUMN held_note TEXT NOT NULL DEFAULT '{}'",
        "ALTER TABLE verifications ADD COLUMN let_pass TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE verifications ADD COLUMN batch TEXT REFERENCES batches (id)",
        "ALTER TABLE verifications ADD COLUMN batch_row INTEGER",
        "CREATE UNIQUE INDEX verifications_batch ON verifications (batch, batch_row) WHERE batch IS NOT NULL",
        "CREATE INDEX verifications_reference ON verifications (reference_print)",
        "CREATE INDEX verifications_asked ON verifications (asked_at)",
        "ALTER TABLE photos ADD COLUMN inside TEXT",
        "CREATE INDEX photos_sha256 ON photos (sha256)",
        "ALTER TABLE attempts ADD COLUMN round INTEGER NOT NULL DEFAULT 1",
    ):
        db.execute(statement)


@migrations()
def m0004_reviews(db: Database) -> None:
    """What people decide: one review for each round of a check that needs eyes, its notes, and who is told what."""
    for statement in (
        "ALTER TABLE verifications ADD COLUMN decided_at TEXT",
        "ALTER TABLE verifications ADD COLUMN decided_by TEXT",
        "ALTER TABLE verifications ADD COLUMN decision_reason TEXT",
        """
        CREATE TABLE reviews (
            ref TEXT NOT NULL REFERENCES verifications (ref),
            round INTEGER NOT NULL,
            state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'decided', 'settled', 'left')),
            opened_at TEXT NOT NULL,
            claimed_by TEXT,
            claimed_at TEXT,
            first_claimed_at TEXT,
            touched_at TEXT,
            proposed TEXT CHECK (proposed IN ('approved', 'rejected', 'new_photos')),
            proposed_reason TEXT,
            proposed_by TEXT,
            proposed_at TEXT,
            proposed_override INTEGER NOT NULL DEFAULT 0 CHECK (proposed_override IN (0, 1)),
            words_sealed BLOB,
            reminded TEXT NOT NULL DEFAULT '',
            events TEXT NOT NULL DEFAULT '',
            replies_due INTEGER NOT NULL DEFAULT 0 CHECK (replies_due IN (0, 1)),
            by_hand INTEGER NOT NULL DEFAULT 0 CHECK (by_hand IN (0, 1)),
            closed_at TEXT,
            PRIMARY KEY (ref, round),
            CHECK ((claimed_by IS NULL) = (claimed_at IS NULL)),
            CHECK ((proposed IS NULL) = (proposed_by IS NULL)),
            CHECK (proposed IS NULL OR state = 'open'),
            CHECK ((state = 'open') = (closed_at IS NULL))
        ) STRICT
        """,
        "CREATE INDEX reviews_open ON reviews (opened_at) WHERE state = 'open'",
        "CREATE INDEX reviews_replies ON reviews (ref) WHERE replies_due = 1",
        """
        INSERT INTO reviews (ref, round, opened_at)
        SELECT v.ref, v.round, COALESCE(
            (SELECT MAX(a.at) FROM audit a WHERE a.ref = v.ref AND a.act = 'check.moved'), v.asked_at)
        FROM verifications v WHERE v.state = 'in_review'
        """,
        """
        CREATE TABLE decisions (
            ref TEXT NOT NULL,
            round INTEGER NOT NULL,
            number INTEGER NOT NULL,
            decision TEXT NOT NULL CHECK (decision IN ('approved', 'rejected', 'new_photos')),
            reason TEXT NOT NULL,
            words_sealed BLOB,
            decided_by TEXT NOT NULL,
            confirmed_by TEXT,
            override INTEGER NOT NULL CHECK (override IN (0, 1)),
            at TEXT NOT NULL,
            PRIMARY KEY (ref, round, number),
            FOREIGN KEY (ref, round) REFERENCES reviews (ref, round),
            CHECK (confirmed_by IS NULL OR confirmed_by <> decided_by)
        ) STRICT
        """,
        """
        CREATE TABLE review_notes (
            seq INTEGER PRIMARY KEY,
            ref TEXT NOT NULL,
            round INTEGER NOT NULL,
            author TEXT NOT NULL,
            at TEXT NOT NULL,
            source TEXT NOT NULL,
            words_sealed BLOB,
            UNIQUE (ref, round, source),
            FOREIGN KEY (ref, round) REFERENCES reviews (ref, round)
        ) STRICT
        """,
        """
        CREATE TABLE notice_choices (
            person TEXT PRIMARY KEY,
            chosen TEXT NOT NULL
        ) STRICT
        """,
    ):
        db.execute(statement)


@migrations()
def m0005_figures(db: Database) -> None:
    """What the managers' figures are made from, and which summaries were told; filled from what has ended so far."""
    for statement in (
        """
        CREATE TABLE facts (
            ref TEXT NOT NULL,
            round INTEGER NOT NULL,
            person TEXT NOT NULL,
            requester TEXT NOT NULL,
            country TEXT NOT NULL,
            id_type TEXT NOT NULL,
            asked_at TEXT NOT NULL,
            state TEXT NOT NULL,
            reason TEXT,
            why TEXT,
            by_person INTEGER NOT NULL CHECK (by_person IN (0, 1)),
            machine_at TEXT,
            review_at TEXT,
            claimed_at TEXT,
            ended_at TEXT,
            decision TEXT CHECK (decision IN ('approved', 'rejected', 'new_photos')),
            decision_reason TEXT,
            decided_at TEXT,
            settled_at TEXT,
            PRIMARY KEY (ref, round),
            CHECK ((settled_at IS NULL) = (ended_at IS NULL))
        ) STRICT
        """,
        "CREATE INDEX facts_asked ON facts (asked_at) WHERE settled_at IS NOT NULL",
        "CREATE INDEX facts_settled ON facts (settled_at) WHERE settled_at IS NOT NULL",
        """
        CREATE INDEX verifications_open ON verifications (asked_at)
        WHERE state IN ('requested', 'submitting', 'processing', 'in_review')
        """,
        "CREATE INDEX verifications_person ON verifications (number_print, country, asked_at, ref)",
        """
        CREATE TABLE summaries (
            channel TEXT NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('day', 'week', 'month')),
            period TEXT NOT NULL,
            how TEXT NOT NULL CHECK (how IN ('told', 'in_one_line')),
            at TEXT NOT NULL,
            PRIMARY KEY (channel, kind, period)
        ) STRICT
        """,
        """
        INSERT INTO facts (
            ref, round, person, requester, country, id_type, asked_at, state, reason, why, by_person, machine_at,
            review_at, ended_at, decision, decided_at, decision_reason, settled_at)
        SELECT
            v.ref, v.round,
            COALESCE(
                (SELECT o.ref FROM verifications o
                 WHERE o.number_print = v.number_print AND o.country = v.country AND v.number_print <> ''
                 ORDER BY o.asked_at, o.ref LIMIT 1), v.ref),
            v.requester, v.country, v.id_type,
            CASE WHEN v.round = 1 THEN v.asked_at ELSE v.consent_at END,
            v.state, v.reason, COALESCE(v.failure, v.verdict_why),
            CASE WHEN v.verdict LIKE '12%' THEN 1 ELSE 0 END,
            (SELECT MIN(r.received_at) FROM receipts r JOIN attempts a ON a.job_id = r.job_id
             WHERE a.ref = v.ref AND a.round = v.round AND r.fate IN ('counted', 'claimed', 'agrees')
               AND r.code NOT LIKE '12%' AND r.code NOT LIKE '52%'),
            CASE WHEN m.at >= (CASE WHEN v.round = 1 THEN v.asked_at ELSE v.consent_at END) THEN m.at END,
            v.ended_at, v.decision, CASE WHEN v.decision IS NOT NULL THEN v.decided_at END,
            CASE WHEN v.decision IS NOT NULL THEN v.decision_reason END,
            CASE WHEN v.ended_at IS NULL THEN NULL
                 WHEN v.decision IS NOT NULL THEN COALESCE(v.decided_at, v.ended_at) ELSE v.ended_at END
        FROM verifications v
        LEFT JOIN (
            SELECT ref, MIN(at) AS at FROM audit
            WHERE act = 'check.moved' AND detail LIKE 'in_review%' GROUP BY ref) m ON m.ref = v.ref
        WHERE v.state IN ('in_review', 'approved', 'rejected', 'failed', 'cancelled')
        """,
        """
        INSERT INTO meta (name, value)
        SELECT 'first_start', MIN(at) FROM audit HAVING MIN(at) IS NOT NULL
        """,
    ):
        db.execute(statement)


@migrations()
def m0006_homes(db: Database) -> None:
    """Whose Home tab is kept fresh, and what it shows."""
    db.execute(
        """
        CREATE TABLE homes (
            person TEXT PRIMARY KEY,
            opened_at TEXT NOT NULL,
            due_at TEXT,
            leased_until TEXT,
            published_at TEXT,
            digest TEXT NOT NULL DEFAULT '',
            sees TEXT NOT NULL DEFAULT ''
        ) STRICT
        """
    )
    db.execute("CREATE INDEX homes_due ON homes (due_at) WHERE due_at IS NOT NULL")


@migrations()
def m0007_exports(db: Database) -> None:
    """What managers asked in Slack to be exported, until each has come to its end."""
    for statement in (
        """
        CREATE TABLE exports (
            id TEXT PRIMARY KEY,
            state TEXT NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'made', 'refused', 'failed')),
            person TEXT NOT NULL,
            form TEXT NOT NULL CHECK (form IN ('csv', 'jsonl', 'xlsx')),
            first TEXT,
            last TEXT,
            since TEXT,
            until TEXT NOT NULL,
            total INTEGER NOT NULL,
            written INTEGER NOT NULL DEFAULT 0,
            asked_at TEXT NOT NULL,
            ended_at TEXT,
            CHECK ((first IS NULL) = (last IS NULL)),
            CHECK ((state = 'asked') = (ended_at IS NULL))
        ) STRICT
        """,
        """
        CREATE UNIQUE INDEX exports_asked ON exports (person, form, COALESCE(first, ''), COALESCE(last, ''))
        WHERE state = 'asked'
        """,
    ):
        db.execute(statement)


@migrations()
def m0008_paused(db: Database) -> None:
    """How long a round of a check waited for its requester, which counts for nobody's speed."""
    for table in ("verifications", "facts"):
        db.execute(f"ALTER TABLE {table} ADD COLUMN paused_seconds REAL NOT NULL DEFAULT 0")


@migrations()
def m0009_asked_again(db: Database) -> None:
    """Everybody who ran a check again, in whichever round: they may not decide it."""
    db.execute("ALTER TABLE verifications ADD COLUMN asked_again TEXT NOT NULL DEFAULT ''")
    db.execute(
        """
        UPDATE verifications SET asked_again = a.people
        FROM (SELECT ref, group_concat(actor || ' ', '') AS people FROM audit WHERE act = 'check.run_again'
              GROUP BY ref) a
        WHERE a.ref = verifications.ref
        """
    )


@migrations()
def m0010_assurance(db: Database) -> None:
    """How what was entered stands to the authority's record, and whether liveness was proven.

    What came before is not compared: a NULL. Of an earlier verdict only that no liveness images were sent is certain.
    """
    words = "('matches', 'partly', 'differs')"
    for column in ("record_match", "name_match", "dob_match", "phone_match"):
        db.execute(f"ALTER TABLE verifications ADD COLUMN {column} TEXT CHECK ({column} IN {words})")
    for table in ("verifications", "facts"):
        db.execute(f"ALTER TABLE {table} ADD COLUMN liveness TEXT CHECK (liveness IN ('proven', 'not_proven'))")
    db.execute(f"ALTER TABLE facts ADD COLUMN record_match TEXT CHECK (record_match IN {words})")
    db.execute("ALTER TABLE verifications ADD COLUMN liveness_images INTEGER NOT NULL DEFAULT 0")
    db.execute(
        """
        UPDATE verifications SET liveness_images = p.images
        FROM (SELECT ref, COUNT(*) AS images FROM photos WHERE kind = 'liveness' GROUP BY ref) p
        WHERE p.ref = verifications.ref
        """
    )
    db.execute(
        """
        UPDATE verifications SET liveness = 'not_proven'
        WHERE liveness_images = 0 AND verdict_outcome IN ('approved', 'rejected')
        """
    )
    db.execute(
        """
        UPDATE facts SET liveness = 'not_proven'
        FROM verifications v
        WHERE v.ref = facts.ref AND v.round = facts.round AND v.liveness = 'not_proven'
        """
    )


@migrations()
def m0011_open_work(db: Database) -> None:
    """What is asked each second, or with each form, reads open rows alone, however many have ended.

    A partial index holds few rows and stays small, and costs a write only while its row is open. Of what has ended
    nothing but the number is asked each second: triggers keep it, so that no statement can forget to.
    """
    unsent = "state IN ('requested', 'submitting') AND held IS NULL"
    for statement in (
        # Due to be sent: single checks, rows of batches that wait for no batch, rows of one batch (`storage.due`).
        f"CREATE INDEX verifications_singles ON verifications (due_at, ref) WHERE {unsent} AND batch IS NULL",
        f"""
        CREATE INDEX verifications_by_themselves ON verifications (due_at, ref)
        WHERE {unsent} AND batch IS NOT NULL AND (state = 'submitting' OR round > 1)
        """,
        """
        CREATE INDEX verifications_of_batch ON verifications (batch, due_at, ref)
        WHERE batch IS NOT NULL AND held IS NULL AND state = 'requested' AND round = 1
        """,
        "CREATE INDEX verifications_held ON verifications (due_at) WHERE held IS NOT NULL AND state = 'requested'",
        "DROP INDEX verifications_due",
        "CREATE INDEX verifications_leased ON verifications (leased_until, batch) WHERE leased_until IS NOT NULL",
        """
        CREATE INDEX verifications_under_way ON verifications (batch)
        WHERE batch IS NOT NULL AND state IN ('requested', 'submitting', 'processing')
        """,
        """
        CREATE INDEX verifications_at_smile_id ON verifications (sent_at)
        WHERE state = 'processing' AND batch IS NULL
        """,
        "DROP INDEX batches_due",
        "CREATE INDEX batches_due ON batches (due_at, id) WHERE state IN ('reading', 'confirmed')",
        "CREATE INDEX batches_sending ON batches (id) WHERE state = 'sending'",
        "CREATE INDEX batches_cancelled ON batches (id) WHERE state = 'cancelled'",
        "CREATE INDEX attempts_leased ON attempts (leased_until) WHERE leased_until IS NOT NULL",
        """
        CREATE INDEX attempts_not_sent ON attempts (job_id)
        WHERE step IN ('recorded', 'prepared') AND in_doubt_since IS NULL
        """,
        "CREATE INDEX posts_about ON posts (about, kind) WHERE about IS NOT NULL",
        "CREATE INDEX posts_waiting ON posts (due_at) WHERE state = 'due'",
        """
        CREATE TABLE check_counts (
            state TEXT PRIMARY KEY,
            n INTEGER NOT NULL CHECK (n >= 0)
        ) STRICT
        """,
        "INSERT INTO check_counts (state, n) SELECT state, COUNT(*) FROM verifications GROUP BY state",
        """
        CREATE TRIGGER verifications_counted AFTER INSERT ON verifications BEGIN
            INSERT INTO check_counts (state, n) VALUES (NEW.state, 1)
            ON CONFLICT (state) DO UPDATE SET n = n + 1;
        END
        """,
        """
        CREATE TRIGGER verifications_recounted AFTER UPDATE OF state ON verifications WHEN NEW.state <> OLD.state BEGIN
            UPDATE check_counts SET n = n - 1 WHERE state = OLD.state;
            INSERT INTO check_counts (state, n) VALUES (NEW.state, 1)
            ON CONFLICT (state) DO UPDATE SET n = n + 1;
        END
        """,
        """
        CREATE TRIGGER verifications_uncounted AFTER DELETE ON verifications BEGIN
            UPDATE check_counts SET n = n - 1 WHERE state = OLD.state;
        END
        """,
    ):
        db.execute(statement)


@migrations()
def m0012_prints(db: Database) -> None:
    """Keyed prints of photos, messages and Home tabs in place of bare hashes, by which ID numbers could be guessed.

    What the rows still hold is keyed by `storage.engine.upkeep`, in steps that a kill may fall between. A Home tab
    needs none: it is published once more.
    """
    for statement in (
        """
        INSERT INTO meta (name, value)
        SELECT 'upkeep', 'rows' WHERE EXISTS (SELECT 1 FROM verifications) OR EXISTS (SELECT 1 FROM homes)
        """,
        # Renamed in place: UNIQUE, references and STRICT stay as they are, and no row is copied.
        "ALTER TABLE receipts RENAME COLUMN body_hash TO body_print",
        "ALTER TABLE receipts ADD COLUMN body_sha256_sealed BLOB",
        "ALTER TABLE photos RENAME COLUMN sha256 TO file_print",
        "ALTER TABLE photos ADD COLUMN file_sha256_sealed BLOB",
        "DROP INDEX photos_sha256",
        "ALTER TABLE homes RENAME COLUMN digest TO view_print",
        "UPDATE homes SET view_print = ''",
    ):
        db.execute(statement)
    if upkeep.left(sql_of(db.conn)) is None:
        db.execute(upkeep.SELFIES)  # else once its rows are keyed, which then need not find their place in it


@migrations()
def m0013_inbox(db: Database) -> None:
    """Messages to the bot and confirming clicks, by id alone, from before their acknowledgement to their answer.

    What the outbox told of a lost answer becomes one kind with the answers that it brings itself.
    """
    for statement in (
        """
        CREATE TABLE inbox (
            id TEXT PRIMARY KEY,
            kind TEXT NOT NULL CHECK (kind IN ('message', 'confirmation')),
            channel TEXT NOT NULL,
            ts TEXT NOT NULL,
            thread_ts TEXT,
            person TEXT NOT NULL,
            team TEXT NOT NULL,
            fingerprint TEXT NOT NULL CHECK (fingerprint = '' OR kind = 'confirmation'),
            again INTEGER NOT NULL CHECK (again IN (0, 1)),
            asked_at TEXT NOT NULL,
            due_at TEXT NOT NULL,
            leased_until TEXT,
            tries INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0)
        ) STRICT
        """,
        "CREATE INDEX inbox_due ON inbox (due_at, id)",
        "UPDATE posts SET kind = 'answer' WHERE kind = 'unanswered'",
    ):
        db.execute(statement)


@migrations()
def m0014_hidden_rows(db: Database) -> None:
    """Whether a batch is sent with the rows that its workbook hides; so far they were taken for any others."""
    db.execute("ALTER TABLE batches ADD COLUMN with_hidden INTEGER NOT NULL DEFAULT 0 CHECK (with_hidden IN (0, 1))")


@migrations()
def m0015_views(db: Database) -> None:
    """The record without anybody's data, for sqlite-utils and Datasette beside the bot (docs/operations.md).

    No sealed column, no keyed print, no text that a person wrote, and nobody's Slack id: who asked or decided is told
    by `kyc-bot export` and the audit trail, to those who may read them. A post's id and lane may name a person too.
    """
    seconds = "ROUND((julianday({}) - julianday({})) * 86400, 1)"
    for statement in (
        """
        CREATE VIEW record_checks AS
        SELECT ref, round, state, reason, verdict, verdict_outcome, verdict_why, failure, decision, decision_reason,
            country, id_type, liveness_images, liveness, record_match,
            CASE WHEN channel GLOB '[CG]*' THEN channel ELSE 'direct' END AS channel, batch, batch_row, held, tries,
            asked_at, consent_at, consent_notice, photos_checked_at, sent_at, decided_at, ended_at
        FROM verifications
        """,
        f"""
        CREATE VIEW record_rounds AS
        SELECT ref, round, state, reason, why, by_person, country, id_type, decision, decision_reason, liveness,
            record_match, asked_at, machine_at, review_at, claimed_at, decided_at, ended_at, settled_at, paused_seconds,
            {seconds.format("machine_at", "asked_at")} AS machine_seconds,
            {seconds.format("settled_at", "asked_at")} AS settled_seconds
        FROM facts
        """,
        """
        CREATE VIEW record_jobs AS
        SELECT job_id, ref, round, number, step, smile_job_id, in_doubt_since, claim_outcome, claim_at, confirm_tries,
            polls, created_at, sent_at, asked_at, ask_at
        FROM attempts
        """,
        """
        CREATE VIEW record_messages AS
        SELECT r.job_id, a.ref, r.source, r.code, r.fate, r.received_at
        FROM receipts r JOIN attempts a ON a.job_id = r.job_id
        """,
        f"""
        CREATE VIEW record_posts AS
        SELECT seq, ref, kind, state, CASE WHEN lane GLOB '[CG]*' THEN lane ELSE 'direct' END AS channel,
            tries, error, in_doubt_since, created_at, due_at, done_at,
            {seconds.format("done_at", "created_at")} AS seconds
        FROM posts
        """,
        """
        CREATE VIEW record_reviews AS
        SELECT ref, round, state, by_hand, claimed_by IS NOT NULL AS is_claimed, opened_at, first_claimed_at,
            proposed, proposed_reason, proposed_at, closed_at
        FROM reviews
        """,
        """
        CREATE VIEW record_decisions AS
        SELECT ref, round, number, decision, reason, override, confirmed_by IS NOT NULL AS by_two, at
        FROM decisions
        """,
        """
        CREATE VIEW record_batches AS
        SELECT id, state, CASE WHEN channel GLOB '[CG]*' THEN channel ELSE 'direct' END AS channel, total, ready,
            repeats, with_repeats, with_hidden, tries, asked_at, consent_at, consent_notice, ended_at
        FROM batches
        """,
        """
        CREATE VIEW record_acts AS
        SELECT seq, at, CASE WHEN actor IN ('kyc-bot', 'smile-id', 'operator') THEN actor ELSE 'person' END AS actor,
            act, ref, CASE WHEN act IN ('check.moved', 'check.held', 'batch.moved') THEN detail END AS detail
        FROM audit
        """,
    ):
        db.execute(statement)


@migrations()
def m0016_review_requests(db: Database) -> None:
    """Why people asked the reviewers to look at a check; none was kept before."""
    for statement in (
        """
        CREATE TABLE review_requests (
            id TEXT PRIMARY KEY,
            ref TEXT NOT NULL REFERENCES verifications (ref),
            round INTEGER NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('review', 'send_anyway')),
            person TEXT NOT NULL,
            reason TEXT NOT NULL,
            words_sealed BLOB NOT NULL,
            at TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX review_requests_of_check ON review_requests (ref, at)",
    ):
        db.execute(statement)


@migrations()
def m0017_home_choices(db: Database) -> None:
    """What somebody chose to see in their Home tab: filters and pages, as JSON of words, codes and references."""
    db.execute("ALTER TABLE homes ADD COLUMN choices TEXT NOT NULL DEFAULT ''")


@migrations()
def m0018_edits(db: Database) -> None:
    """How often a check was edited before it was sent: whoever works on an older edition must begin anew."""
    db.execute("ALTER TABLE verifications ADD COLUMN edits INTEGER NOT NULL DEFAULT 0 CHECK (edits >= 0)")


@migrations()
def m0019_macs(db: Database) -> None:
    """A MAC of each check's record, and of each row that figures are summed from; made by `storage.engine.first_macs`.

    The audit trail gets an index by check: a MAC covers how many lines there are of a check.
    """
    for statement in (
        """
        CREATE TABLE check_macs (
            ref TEXT PRIMARY KEY,
            version INTEGER NOT NULL CHECK (version >= 1),
            mac TEXT NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
        "ALTER TABLE facts ADD COLUMN mac TEXT",
        "CREATE INDEX audit_of_check ON audit (ref) WHERE ref IS NOT NULL",
        f"""
        INSERT INTO meta (name, value)
        SELECT '{first_macs.DUE}', '' WHERE EXISTS (SELECT 1 FROM verifications)
        """,
    ):
        db.execute(statement)


@migrations()
def m0020_spending(db: Database) -> None:
    """How many checks were started for which day, and by whom. Checks from before count for no day."""
    for statement in (
        """
        CREATE TABLE spending (
            id TEXT PRIMARY KEY,
            day TEXT NOT NULL,
            person TEXT NOT NULL,
            checks INTEGER NOT NULL CHECK (checks >= 0)
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE INDEX spending_of_day ON spending (day, person, checks)",
    ):
        db.execute(statement)


@migrations()
def m0021_look_ups(db: Database) -> None:
    """How often each person has looked things up in the running hour: a row for each person and kind."""
    db.execute(
        """
        CREATE TABLE look_ups (
            person TEXT NOT NULL,
            kind TEXT NOT NULL,
            hour TEXT NOT NULL,
            looks INTEGER NOT NULL CHECK (looks >= 0),
            refused INTEGER NOT NULL CHECK (refused >= 0),
            PRIMARY KEY (person, kind)
        ) STRICT, WITHOUT ROWID
        """
    )


@migrations()
def m0022_file_approvals(db: Database) -> None:
    """Files that wait for a second person, or were approved by one. Files from before needed nobody."""
    for statement in (
        "ALTER TABLE batches ADD COLUMN approval TEXT CHECK (approval IN ('waiting', 'approved'))",
        "ALTER TABLE batches ADD COLUMN approved_by TEXT",
        "ALTER TABLE batches ADD COLUMN approved_at TEXT CHECK ((approved_at IS NULL) = (approved_by IS NULL))",
        "CREATE INDEX batches_waiting ON batches (consent_at) WHERE state = 'preview' AND approval = 'waiting'",
        "DROP VIEW record_batches",
        """
        CREATE VIEW record_batches AS
        SELECT id, state, CASE WHEN channel GLOB '[CG]*' THEN channel ELSE 'direct' END AS channel, total, ready,
            repeats, with_repeats, with_hidden, tries, asked_at, consent_at, consent_notice, ended_at, approval,
            approved_at
        FROM batches
        """,
    ):
        db.execute(statement)


@migrations()
def m0024_retention(db: Database) -> None:
    """When photos and personal data of a check were erased, which checks are held, and what each purge has done.

    Nothing was erased before, and nothing is by the migration.
    """
    ended = "ended_at IS NOT NULL"
    for statement in (
        "ALTER TABLE verifications ADD COLUMN photos_erased_at TEXT",
        "ALTER TABLE verifications ADD COLUMN personal_erased_at TEXT",
        # What is due is read from the oldest end on: erased checks leave the first two, which stay small.
        f"""
        CREATE INDEX verifications_photos_kept ON verifications (ended_at, ref)
        WHERE {ended} AND photos_erased_at IS NULL
        """,
        f"""
        CREATE INDEX verifications_personal_kept ON verifications (ended_at, ref)
        WHERE {ended} AND personal_erased_at IS NULL
        """,
        f"CREATE INDEX verifications_ended ON verifications (ended_at, ref) WHERE {ended}",
        """
        CREATE TABLE holds (
            seq INTEGER PRIMARY KEY,
            ref TEXT NOT NULL REFERENCES verifications (ref),
            cause TEXT NOT NULL CHECK (cause IN ('relationship', 'legal', 'investigation')),
            held_by TEXT NOT NULL,
            held_at TEXT NOT NULL,
            ended_at TEXT,
            ended_by TEXT,
            CHECK ((ended_at IS NULL) = (ended_by IS NULL))
        ) STRICT
        """,
        "CREATE INDEX holds_of_check ON holds (ref)",
        "CREATE UNIQUE INDEX holds_running ON holds (ref, cause) WHERE ended_at IS NULL",
        """
        CREATE TABLE purges (
            seq INTEGER PRIMARY KEY,
            began_at TEXT NOT NULL,
            ended_at TEXT,
            actor TEXT NOT NULL,
            erases INTEGER NOT NULL CHECK (erases IN (0, 1)),
            report TEXT NOT NULL
        ) STRICT
        """,
    ):
        db.execute(statement)


@migrations()
def m0025_trail(db: Database) -> None:
    """The audit trail becomes a chain, and says whom a line is about. Lines from before are chained by `first_chain`.

    What is chained cannot be changed or removed any more; a new hash is given to none but a line without one.
    """
    for statement in (
        "ALTER TABLE audit ADD COLUMN version INTEGER",
        "ALTER TABLE audit ADD COLUMN person TEXT",
        "ALTER TABLE audit ADD COLUMN chain TEXT",
        """
        CREATE TABLE trail_people (
            id INTEGER PRIMARY KEY,
            ref TEXT,
            person_print TEXT NOT NULL,
            person_sealed BLOB NOT NULL,
            at TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX trail_people_of_check ON trail_people (ref, person_print) WHERE ref IS NOT NULL",
        "CREATE INDEX trail_people_of_print ON trail_people (person_print)",
        "CREATE INDEX trail_people_without_check ON trail_people (at) WHERE ref IS NULL",
        """
        CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit WHEN OLD.chain IS NOT NULL BEGIN
            SELECT RAISE(ABORT, 'a line of the audit trail is never changed');
        END
        """,
        """
        CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN
            SELECT RAISE(ABORT, 'a line of the audit trail is never removed');
        END
        """,
        f"""
        INSERT INTO meta (name, value)
        SELECT '{chain.DUE}', '' WHERE EXISTS (SELECT 1 FROM audit)
        """,
    ):
        db.execute(statement)


@migrations()
def m0026_slack_removals(db: Database) -> None:
    """Which messages and files are to be erased in Slack. Nothing was before, and nothing is by the migration."""
    for statement in (
        """
        CREATE TABLE slack_removals (
            id TEXT PRIMARY KEY,
            ref TEXT NOT NULL,
            what TEXT NOT NULL CHECK (what IN ('message', 'upload', 'file', 'written', 'thread')),
            place_sealed BLOB NOT NULL,
            author TEXT,
            state TEXT NOT NULL CHECK (state IN ('kept', 'due', 'left', 'done')),
            asked_at TEXT NOT NULL,
            due_at TEXT,
            leased_until TEXT,
            tries INTEGER NOT NULL DEFAULT 0,
            why TEXT,
            told TEXT,
            done_at TEXT,
            CHECK ((due_at IS NOT NULL) = (state IN ('due', 'left'))),
            CHECK ((done_at IS NOT NULL) = (state = 'done'))
        ) STRICT
        """,
        "CREATE INDEX slack_removals_of_check ON slack_removals (ref)",
        "CREATE INDEX slack_removals_due ON slack_removals (due_at, id) WHERE state IN ('due', 'left')",
        "CREATE INDEX slack_removals_open ON slack_removals (what, state) WHERE state IN ('due', 'left')",
        "CREATE INDEX slack_removals_told ON slack_removals (told) WHERE told IS NOT NULL",
        "CREATE INDEX slack_removals_done ON slack_removals (done_at) WHERE state = 'done'",
        # A photo may belong to more than one check: it is erased in Slack with the last of them.
        "CREATE INDEX photos_file ON photos (file_id)",
    ):
        db.execute(statement)


@migrations()
def m0027_erasures(db: Database) -> None:
    """Which erasures were asked for. None was before."""
    for statement in (
        """
        CREATE TABLE erasures (
            id TEXT PRIMARY KEY,
            asked_by TEXT NOT NULL,
            asked_at TEXT NOT NULL,
            done_at TEXT,
            list_sealed BLOB NOT NULL
        ) STRICT
        """,
        "CREATE INDEX erasures_open ON erasures (asked_at) WHERE done_at IS NULL",
    ):
        db.execute(statement)


@migrations()
def m0028_indexes(db: Database) -> None:
    """What is returned is found along an index, however much is stored; and indexes that nothing reads are gone.

    Pages follow each other by time and reference. What has ended is found by its state, once it has: an index costs a
    write for each move of a row that stands in it. A partial index is read by statements that repeat its condition.
    """
    unsettled = "state IN ('requested', 'submitting', 'processing', 'in_review')"
    for statement in (
        "DROP INDEX verifications_asked",
        "CREATE INDEX verifications_by_time ON verifications (asked_at, ref)",
        "DROP INDEX verifications_requester",
        "CREATE INDEX verifications_of_requester ON verifications (requester, asked_at, ref)",
        "CREATE INDEX verifications_ended_as ON verifications (state, asked_at, ref) WHERE ended_at IS NOT NULL",
        """
        CREATE INDEX verifications_of_requester_ended_as ON verifications (requester, state, asked_at, ref)
        WHERE ended_at IS NOT NULL
        """,
        # What a person has decided stays in review for ever, and is no open work.
        "DROP INDEX verifications_open",
        f"""
        CREATE INDEX verifications_unsettled ON verifications (asked_at, ref)
        WHERE {unsettled} AND (state <> 'in_review' OR ended_at IS NULL)
        """,
        "DROP INDEX verifications_number",  # `verifications_person` begins with the same column
        "DROP INDEX verifications_under_way",
        """
        CREATE INDEX verifications_under_way ON verifications (batch, batch_row)
        WHERE batch IS NOT NULL AND state IN ('requested', 'submitting', 'processing')
        """,
        "CREATE INDEX attempts_smile_job ON attempts (smile_job_id) WHERE smile_job_id <> ''",
        # Where rows refer to a message that is deleted: SQLite would read all of them for each.
        "CREATE INDEX attempts_claim ON attempts (claim_receipt) WHERE claim_receipt IS NOT NULL",
        "CREATE INDEX posts_receipt ON posts (receipt) WHERE receipt IS NOT NULL",
        "CREATE INDEX posts_failed ON posts (created_at, id) WHERE state = 'failed'",
        """
        CREATE INDEX receipts_stuck ON receipts (received_at, id)
        WHERE fate IN ('refused', 'misfit', 'old_attempt')
        """,
        "CREATE INDEX batches_read ON batches (ended_at) WHERE reading_sealed IS NOT NULL AND ended_at IS NOT NULL",
        "CREATE INDEX batches_previews ON batches (asked_at) WHERE state = 'preview'",
    ):
        db.execute(statement)


@migrations()
def m0029_unsettled_receipts(db: Database) -> None:
    """Callbacks that were answered and not settled. So far both was one transaction: there is none."""
    db.execute("CREATE INDEX receipts_unsettled ON receipts (received_at, id) WHERE fate = 'kept'")


@migrations()
def m0030_batch_counts(db: Database) -> None:
    """How many rows of each file stand where, counted by triggers: the whole file is not read for each of its rows."""
    for statement in (
        """
        CREATE TABLE batch_counts (
            batch TEXT NOT NULL,
            what TEXT NOT NULL,
            held INTEGER NOT NULL CHECK (held IN (0, 1)),
            n INTEGER NOT NULL,
            PRIMARY KEY (batch, what, held)
        ) STRICT, WITHOUT ROWID
        """,
        f"""
        INSERT INTO batch_counts (batch, what, held, n)
        SELECT v.batch, {_STANDS.format("v")}, v.held IS NOT NULL, COUNT(*) FROM verifications v
        WHERE v.batch IS NOT NULL GROUP BY 1, 2, 3
        """,
        *(f"CREATE TRIGGER {name} AFTER {event} BEGIN {body} END" for name, event, body in _counting_triggers()),
    ):
        db.execute(statement)


# As `storage.batches` tells them apart; what an open review says of a decided check stands in another table.
_STANDS = """
        CASE WHEN {0}.decision IS NULL AND {0}.state = 'approved' AND {0}.record_match = 'differs' THEN 'differs'
            WHEN {0}.decision IS NULL THEN {0}.state
            WHEN EXISTS (SELECT 1 FROM reviews r WHERE r.ref = {0}.ref AND r.round = {0}.round AND r.state = 'open')
            THEN 'in_review' ELSE 'decided' END
        """


def _counting_triggers() -> Iterator[tuple[str, str, str]]:
    """Name, event and body of each trigger of `m0030_batch_counts`."""
    more = f"""
        INSERT INTO batch_counts (batch, what, held, n)
        SELECT NEW.batch, {_STANDS.format("NEW")}, NEW.held IS NOT NULL, 1 WHERE NEW.batch IS NOT NULL
        ON CONFLICT (batch, what, held) DO UPDATE SET n = n + 1;
        """
    fewer = f"""
        UPDATE batch_counts SET n = n - 1
        WHERE batch = OLD.batch AND what = {_STANDS.format("OLD")} AND held = (OLD.held IS NOT NULL);
        """
    columns = "batch, state, decision, record_match, held, round"
    of_any = "NEW.batch IS NOT NULL OR OLD.batch IS NOT NULL"
    yield "batch_rows_counted", "INSERT ON verifications WHEN NEW.batch IS NOT NULL", more
    yield "batch_rows_recounted", f"UPDATE OF {columns} ON verifications WHEN {of_any}", fewer + more
    yield "batch_rows_uncounted", "DELETE ON verifications WHEN OLD.batch IS NOT NULL", fewer
    opened, closed = _decided("NEW", "decided", "in_review"), _decided("NEW", "in_review", "decided")
    yield "batch_reviews_begun", "INSERT ON reviews WHEN NEW.state = 'open'", opened
    turned = "UPDATE OF state ON reviews WHEN"
    yield "batch_reviews_opened", f"{turned} NEW.state = 'open' AND OLD.state <> 'open'", opened
    yield "batch_reviews_closed", f"{turned} NEW.state <> 'open' AND OLD.state = 'open'", closed
    gone = _decided("OLD", "in_review", "decided")
    yield "batch_reviews_gone", "DELETE ON reviews WHEN OLD.state = 'open'", gone


def _decided(row: str, source: str, target: str) -> str:
    """The decided check that this row of `reviews` is about counts as `target`, and no more as `source`."""
    of_row = f"v.ref = {row}.ref AND v.round = {row}.round AND v.decision IS NOT NULL AND v.batch IS NOT NULL"
    return f"""
            UPDATE batch_counts SET n = n - 1 WHERE what = '{source}' AND (batch, held) IN (
                SELECT v.batch, v.held IS NOT NULL FROM verifications v WHERE {of_row});
            INSERT INTO batch_counts (batch, what, held, n)
            SELECT v.batch, '{target}', v.held IS NOT NULL, 1 FROM verifications v WHERE {of_row}
            ON CONFLICT (batch, what, held) DO UPDATE SET n = n + 1;
            """


@migrations()
def m0031_day_sums(db: Database) -> None:
    """What the facts of each ended day come to, made when it is first asked for. Whoever changes one throws it away.

    A row without sums is of somebody who reads the facts for them: it goes with the first fact that changes meanwhile.
    """
    for statement in (
        """
        CREATE TABLE day_sums (
            begins TEXT NOT NULL,
            ends TEXT NOT NULL,
            making TEXT,
            mac TEXT,
            sums TEXT,
            PRIMARY KEY (ends, begins),
            CHECK (begins < ends),
            CHECK ((making IS NULL) = (sums IS NOT NULL)),
            CHECK ((mac IS NULL) = (sums IS NULL))
        ) STRICT
        """,
        "CREATE INDEX day_sums_kept ON day_sums (ends, begins, mac) WHERE mac IS NOT NULL",
        *(f"CREATE TRIGGER {name} AFTER {event} BEGIN {body} END" for name, event, body in _forgetting_triggers()),
    ):
        db.execute(statement)


def _forgetting_triggers() -> Iterator[tuple[str, str, str]]:
    """Name, event and body of each trigger of `m0031_day_sums`."""
    columns = (
        "ref, round, person, requester, country, id_type, asked_at, state, reason, why, by_person, machine_at, "
        "review_at, claimed_at, ended_at, decision, decision_reason, decided_at, settled_at, paused_seconds, "
        "record_match, liveness"
    )
    # No day is longer than three, wherever the date line moves: few rows are looked at, however old the fact is.
    forget = """
            DELETE FROM day_sums WHERE ends > {0} AND ends < date({0}, '+4 days') AND begins <= {0};
            """
    old, new = (
        "".join(forget.format(f"{row}.{column}") for column in ("asked_at", "settled_at")) for row in ("OLD", "NEW")
    )
    yield "facts_added", "INSERT ON facts WHEN NEW.settled_at IS NOT NULL", new
    any_settled = "OLD.settled_at IS NOT NULL OR NEW.settled_at IS NOT NULL"
    yield "facts_changed", f"UPDATE OF {columns} ON facts WHEN {any_settled}", old + new
    yield "facts_gone", "DELETE ON facts WHEN OLD.settled_at IS NOT NULL", old


@migrations()
def m0032_macs_of_records(db: Database) -> None:
    """The MACs of records are made of another text, which SQLite writes; renewed by `storage.engine.older_macs`."""
    db.execute(
        f"""
        INSERT INTO meta (name, value)
        SELECT '{older_macs.DUE}', '' WHERE EXISTS (SELECT 1 FROM check_macs)
        """
    )


@migrations()
def m0033_posts_on_their_way(db: Database) -> None:
    """Which conversations a post is on its way to, for whoever claims the next ones."""
    db.execute("CREATE INDEX posts_leased ON posts (lane) WHERE state = 'due' AND leased_until IS NOT NULL")


@migrations()
def m0034_capture_links(db: Database) -> None:
    """Links behind which customers take the photos themselves; every check so far had its photos attached."""
    seconds = "ROUND((julianday({}) - julianday({})) * 86400, 1)"
    under_way = "'requested', 'awaiting_photos', 'submitting', 'processing'"
    _widen(db, "verifications", "'approved', 'rejected', 'failed', 'cancelled'))", "'awaiting_photos', ")
    for statement in (
        "ALTER TABLE verifications ADD COLUMN photos_by TEXT CHECK (photos_by IN ('link'))",
        """
        CREATE TABLE capture_links (
            ref TEXT NOT NULL REFERENCES verifications (ref),
            number INTEGER NOT NULL CHECK (number >= 1),
            round INTEGER NOT NULL,
            made_by TEXT NOT NULL,
            made_at TEXT NOT NULL,
            expires_at TEXT NOT NULL,
            remind_at TEXT,
            token_print TEXT UNIQUE,
            token_sha256_sealed BLOB,
            token_sealed BLOB,
            told_at TEXT,
            opened_at TEXT,
            device_sha256 TEXT,
            agreed_at TEXT,
            notice TEXT,
            language TEXT,
            taken_at TEXT,
            ended_at TEXT,
            ending TEXT CHECK (ending IN ('expired', 'declined', 'not_me', 'withdrawn', 'replaced', 'used')),
            tries INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
            PRIMARY KEY (ref, number),
            CHECK ((ended_at IS NULL) = (ending IS NULL)),
            CHECK (ended_at IS NULL OR token_sealed IS NULL),
            CHECK (agreed_at IS NULL OR (opened_at IS NOT NULL AND notice IS NOT NULL AND language IS NOT NULL)),
            CHECK (taken_at IS NULL OR agreed_at IS NOT NULL)
        ) STRICT
        """,
        "CREATE UNIQUE INDEX capture_links_open ON capture_links (ref) WHERE ended_at IS NULL",
        "CREATE INDEX capture_links_expire ON capture_links (expires_at) WHERE ended_at IS NULL",
        """
        CREATE INDEX capture_links_remind ON capture_links (remind_at)
        WHERE ended_at IS NULL AND remind_at IS NOT NULL
        """,
        "CREATE INDEX capture_links_made ON capture_links (made_at)",
        # What waits for its customer is open, and under way.
        "DROP INDEX verifications_unsettled",
        f"""
        CREATE INDEX verifications_unsettled ON verifications (asked_at, ref)
        WHERE state IN ({under_way}, 'in_review') AND (state <> 'in_review' OR ended_at IS NULL)
        """,
        "DROP INDEX verifications_under_way",
        f"""
        CREATE INDEX verifications_under_way ON verifications (batch, batch_row)
        WHERE batch IS NOT NULL AND state IN ({under_way})
        """,
        # Whoever reads the file beside the bot may have dropped them.
        "DROP VIEW IF EXISTS record_checks",
        """
        CREATE VIEW record_checks AS
        SELECT ref, round, state, reason, verdict, verdict_outcome, verdict_why, failure, decision, decision_reason,
            country, id_type, liveness_images, liveness, record_match,
            CASE WHEN channel GLOB '[CG]*' THEN channel ELSE 'direct' END AS channel, batch, batch_row, held, tries,
            asked_at,
            -- Until the customer behind a link has agreed, what stands there is when the round was asked for.
            CASE WHEN consent_notice <> '' THEN consent_at END AS consent_at,
            NULLIF(consent_notice, '') AS consent_notice, photos_checked_at, sent_at, decided_at, ended_at,
            COALESCE(photos_by, 'attached') AS photos_by
        FROM verifications
        """,
        "DROP VIEW IF EXISTS record_acts",
        """
        CREATE VIEW record_acts AS
        SELECT seq, at,
            CASE WHEN actor IN ('kyc-bot', 'smile-id', 'operator', 'customer') THEN actor ELSE 'person' END AS actor,
            act, ref, CASE WHEN act IN ('check.moved', 'check.held', 'batch.moved') THEN detail END AS detail
        FROM audit
        """,
        "DROP VIEW IF EXISTS record_links",
        f"""
        CREATE VIEW record_links AS
        SELECT ref, number, round, made_at, expires_at, told_at, opened_at, agreed_at, notice, language, taken_at,
            ended_at, ending, tries, {seconds.format("taken_at", "made_at")} AS taken_seconds
        FROM capture_links
        """,
    ):
        db.execute(statement)


@migrations()
def m0035_instances(db: Database) -> None:
    """Several processes beside each other on one database: which there are, whose each lease is, what one of them does.

    What was leased so far is nobody's: its process has ended, and its leases are released at the start.
    """
    leased = ("verifications", "attempts", "posts", "batches", "inbox", "slack_removals", "homes")
    for statement in (
        """
        CREATE TABLE instances (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            version TEXT NOT NULL,
            started_at TEXT NOT NULL,
            seen_at TEXT NOT NULL,
            ended_at TEXT
        ) STRICT
        """,
        *(f"ALTER TABLE {table} ADD COLUMN leased_by TEXT" for table in leased),
        # Whoever publishes a tab records that it was looked at, though another instance heard that it was opened.
        "ALTER TABLE homes ADD COLUMN is_opened INTEGER NOT NULL DEFAULT 0 CHECK (is_opened IN (0, 1))",
        # How many rows of files one instance has under way is counted at each claim.
        "DROP INDEX verifications_leased",
        """
        CREATE INDEX verifications_leased ON verifications (leased_by, leased_until, batch)
        WHERE leased_until IS NOT NULL
        """,
        """
        CREATE TABLE turns (
            name TEXT PRIMARY KEY,
            taken_by TEXT NOT NULL,
            until TEXT NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE cache_news (
            seq INTEGER PRIMARY KEY,
            what TEXT NOT NULL,
            which TEXT NOT NULL,
            told_by TEXT NOT NULL,
            at TEXT NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE pauses (
            lane TEXT PRIMARY KEY,
            until TEXT NOT NULL
        ) STRICT
        """,
    ):
        db.execute(statement)


@migrations()
def m0036_heads_of_records(db: Database) -> None:
    """A MAC covers the head of a record and a digest of the rest, so that a list need not read the rest.

    What there are cover all at once, and count, until the next commit that touches the check makes another.
    """
    db.execute("ALTER TABLE check_macs ADD COLUMN rest_sha256 BLOB CHECK (length(rest_sha256) = 32)")


@migrations()
def m0037_rows_of_refused_files(db: Database) -> None:
    """A file that is refused after a restart may have rows to cancel, as a cancelled one has."""
    db.execute("DROP INDEX batches_cancelled")
    db.execute("CREATE INDEX batches_given_up ON batches (id) WHERE state IN ('cancelled', 'refused')")


def _widen(db: Database, table: str, before: str, more: str) -> None:
    """Let a CHECK allow more: what stands `before` it is preceded by `more` from now on.

    In the text of the schema alone, as SQLite's documentation allows for a change that no stored row depends on
    (sqlite.org/lang_altertable.html, 2026-11): rebuilt, a table of a million rows would take minutes.
    """
    is_it = "type = 'table' AND name = ? AND instr(sql, ?) > 0"
    [(version,)] = db.execute("PRAGMA schema_version").fetchall()
    db.execute("PRAGMA writable_schema = ON")
    try:
        changed = db.execute(
            f"UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE {is_it}", [before, more + before, table, before]
        ).rowcount
    finally:
        # Reads the schema anew, too: what follows in this transaction must see the new text.
        db.execute("PRAGMA writable_schema = RESET")
    if changed != 1:
        raise DatabaseFault(f"the table {table} is not as the bot made it")
    db.execute(f"PRAGMA schema_version = {version + 1}")
