"""What is asked each second, or with each form, reads along indexes: however many checks have ended, it costs the same.

Every statement that a storage function runs is explained by SQLite itself, on a file like one that is years old.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.check.check import PhotoKind, PhotoRef, Request
from bot.domain.check.states import State
from bot.domain.outbox import OVERTAKEN_BY_FINAL, PostKind
from bot.domain.privacy.clocks import Clock
from bot.domain.results.codes import Outcome
from bot.domain.results.trust_rules import Disposition, Source
from bot.outbox import refresh
from bot.runtime.metrics import read_gauges
from bot.submission import checkpoints, lifecycle
from storage import (
    attempts,
    batches,
    checks,
    deliveries,
    due,
    inbox,
    leases,
    outbox,
    preflight_holds,
    receipts,
    retention,
    reviews,
    slack_requests,
    timers,
)
from storage.engine.database import Database, Transaction
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer
from tests import large_file

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

NOW = datetime.now(UTC)
SOON = NOW + timedelta(minutes=5)
SMALL = frozenset({"homes", "inbox", "meta", "check_counts", "notice_choices", "slack_requests"})
"""Tables with a row for each person, state, setting or unanswered message: no number of checks makes them long."""
OF_OPEN_ONES = frozenset(
    {
        "attempts_leased",
        "attempts_not_sent",
        "batches_cancelled",
        "batches_due",
        "batches_sending",
        "posts_due",
        "posts_waiting",
        "reviews_open",
        "reviews_replies",
        "slack_removals_due",
        "slack_removals_open",
        "verifications_leased",
        "verifications_open",
    }
)
"""Partial indexes, of what is open or of files: reading one from end to end reads no more than there is to do."""

BEHIND_A_VIOLATION = frozenset({"SCAN posts", "SCAN attempts"})
"""Rows that refer to a message: with a trigger on its table, SQLite plans to look for those that a new message mends,
and steps over it (`FkIfZero`) as long as no statement has broken a reference."""


class Explaining(Transaction):
    """Has SQLite explain each statement before it runs."""

    __slots__ = ("plans",)

    @classmethod
    def of(cls, tx: Transaction) -> "Explaining":
        mine = cls(tx.db, tx.sealer, [], macs=tx.macs)
        mine.plans = []
        return mine

    plans: list[tuple[str, list[str]]]

    def _execute(self, sql: str, params: dict[str, object]) -> object:  # type: ignore[override]
        with_names = dict.fromkeys(params)
        plan = self.db.conn.execute(f"EXPLAIN QUERY PLAN {sql}", with_names).fetchall()
        self.plans.append((sql, [line for *_numbers, line in plan]))
        return super()._execute(sql, params)


def faults(sql: str, plan: Sequence[str], *, sorts: bool) -> list[str]:
    """The lines that read a whole table, or a whole index of ended rows, or sort.

    With `sorts` those may that belong to one check or one person: found by what they are equal to.
    """
    searches = [line for line in plan if "SEARCH" in line]
    few = sorts and searches and all("=?" in line and not re.search("[<>]", line) for line in searches)
    found = []
    for line in plan:
        if sql.startswith("INSERT INTO receipts") and line in BEHIND_A_VIOLATION:
            continue
        scan = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", line)
        if scan and scan[1] not in SMALL and scan[2] not in OF_OPEN_ONES:
            found.append(line)
        if "TEMP B-TREE" in line and not few:
            found.append(line)
    return found


class Explained(Exception):
    """Carries the plans out, and has what was tried rolled back."""


@dataclass(frozen=True, slots=True)
class Some:
    """Checks that went through the bot itself, so that what is sealed opens; their references are shorter."""

    single: str
    """At Smile ID."""
    row: str
    """Of a batch, not sent."""

    @classmethod
    def found(cls, tx: Transaction) -> "Some":
        single = tx.row(
            "SELECT ref FROM verifications WHERE batch IS NULL AND state = 'processing' AND length(ref) = 8"
        )
        row = tx.row("SELECT ref FROM verifications WHERE batch = :id AND state = 'requested'", id=a_batch(tx))
        assert single is not None
        assert row is not None
        return cls(single["ref"], row["ref"])


def a_batch(tx: Transaction) -> str:
    row = tx.row("SELECT id FROM batches WHERE length(id) = 8")
    assert row is not None
    return str(row["id"])


def begin_again(tx: Transaction) -> None:
    """A batch is on its way: half its rows are sent, and the others wait."""
    tx.run("UPDATE batches SET state = 'sending', ended_at = NULL WHERE id = :id", id=a_batch(tx))
    tx.run(
        """
        UPDATE verifications SET state = 'requested', verdict_outcome = NULL, ended_at = NULL, due_at = asked_at
        WHERE batch = :id AND batch_row % 2 = 0
        """,
        id=a_batch(tx),
    )


def ask(tx: Transaction) -> None:
    photo = PhotoRef(kind=PhotoKind.SELFIE, position=0, file_id="F-invented")
    form = Request(
        requester="U0AMINA0001",
        team="T0ACME00001",
        channel="C0KYCREQ001",
        thread_ts=None,
        view_id="V-invented",
        country="NG",
        id_type="BVN",
        id_info={"id_number": "00000000000"},
        customer_reference="CUST-invented",
        photos=(photo,),
        consent_at=NOW,
    )
    prints = checks.prints_of(tx, "NG", "00000000000", "CUST-invented")
    for requester in (None, form.requester):
        since = NOW - timedelta(days=30)
        assert preflight_holds.earlier(tx, prints, since=since, but=None, requester=requester) is not None
    lifecycle.accept(tx, form, ref="K-ASKED0", now=NOW, budget=None)
    preflight_holds.same_selfie(tx, "K-ASKED0", "0" * 64, since=NOW - timedelta(days=30))


def hear(tx: Transaction, ref: str) -> None:
    """A callback with a final result, up to the message in the thread."""
    attempt = attempts.latest(tx, ref)
    assert attempt is not None
    attempts.by_token(tx, attempt.callback_token, now=NOW)
    receipts.keep(
        tx,
        receipt_id="invented",
        job_id=attempt.job_id,
        source=Source.CALLBACK,
        code="0810",
        body_sha256="0" * 64,
        body={"ResultCode": "0810"},
        fate=Disposition.CLAIMED,
        now=NOW,
    )
    attempts.claim_result(tx, attempt.job_id, receipt="invented", outcome=Outcome.REJECTED, now=NOW)
    attempts.end_claim(tx, attempt.job_id)
    checks.move(tx, ref, State.REJECTED, now=NOW)
    refresh.check_changed(tx, ref, now=NOW)
    outbox.drop_overtaken(tx, ref, kinds=OVERTAKEN_BY_FINAL, now=NOW)
    outbox.enqueue(
        tx, PostKind.RESULT, key=attempt.job_id, ref=ref, destination="C0KYCREQ001", receipt="invented", now=NOW
    )
    outbox.told_codes(tx, attempt.job_id)
    receipts.told(tx, attempt.job_id)


Asked = Callable[[Transaction, Some], object]

EACH_SECOND: Mapping[str, Asked] = {
    "checks to be sent": lambda tx, _: due.claim_due(tx, now=NOW, until=SOON, limit=32, of_batches=6),
    "results to be asked for": lambda tx, _: attempts.claim_due(tx, now=NOW, until=SOON, limit=8),
    "batches to be read": lambda tx, _: batches.claim_due(tx, now=NOW, until=SOON, limit=2),
    "posts to be delivered": lambda tx, _: deliveries.claim_due(tx, now=NOW, until=SOON, limit=8),
    "messages to be answered": lambda tx, _: inbox.claim_due(tx, now=NOW, until=SOON, limit=8),
    "metrics and readiness": lambda tx, _: read_gauges(tx, NOW),
}
EACH_FORM: Mapping[str, Asked] = {
    "a form": lambda tx, _: ask(tx),
    "one of Slack's requests": lambda tx, _: slack_requests.take(tx, "invented", now=NOW),
    "photos that were checked": lambda tx, some: checkpoints.photos_checked(
        tx, checks.get(tx, some.single), [], now=NOW
    ),
    "a result": lambda tx, some: hear(tx, some.single),
    "a row of a batch that moves": lambda tx, some: checks.move(tx, some.row, State.SUBMITTING, now=NOW),
    "progress of a row of a batch": lambda tx, some: refresh.check_changed(tx, some.row, now=NOW),
}
EACH_MINUTE: Mapping[str, Asked] = {
    "questions without an answer": lambda tx, _: preflight_holds.unanswered(tx, now=NOW),
    "batches half cancelled": lambda tx, _: batches.half_cancelled(tx),
    "checks that Smile ID forgot": lambda tx, _: reviews.waiting_at_smile_id(tx, sent_before=NOW),
    "replies to be read": lambda tx, _: reviews.replies_due(tx),
}
AT_THE_START: Mapping[str, Asked] = {
    "leases of the bot that was": lambda tx, _: leases.release_all(tx, now=NOW),
    "attempts in doubt": lambda tx, _: attempts.doubt_open_ones(tx, since=NOW),
    "timers when the machine's clock was set": lambda tx, _: timers.move(
        tx, by=timedelta(hours=1), before=NOW, now=NOW + timedelta(hours=1)
    ),
}
EACH_NIGHT: Mapping[str, Asked] = {
    f"what is over its time: {clock.value}": lambda tx, _, clock=clock: retention.ended(  # type: ignore[misc]
        tx, clock, until=NOW, after=(NOW - timedelta(days=9), "K-"), most=500
    )
    for clock in Clock
}
ALL: Mapping[str, Asked] = {**EACH_SECOND, **EACH_FORM, **EACH_MINUTE, **AT_THE_START, **EACH_NIGHT}


@pytest.fixture(scope="module")
async def database(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    path = tmp_path_factory.mktemp("plans") / "kyc.db"
    await asyncio.to_thread(large_file.make, path, checks=200, open_checks=10)
    opened = await Database.open(path, sealer=Sealer.from_text([large_file.KEY]), migrate=migrate)
    yield opened
    await opened.close()


@pytest.mark.parametrize("what", ALL)
async def test_what_is_asked_again_and_again_reads_along_indexes(database: Database, what: str) -> None:
    def explain(tx: Transaction) -> None:
        begin_again(tx)
        some = Some.found(tx)
        explaining = Explaining.of(tx)
        ALL[what](explaining, some)
        raise Explained(explaining.plans)

    with pytest.raises(Explained) as explained:
        await database.write(explain)
    (plans,) = explained.value.args
    assert plans
    wrong = {sql: found for sql, plan in plans if (found := faults(sql, plan, sorts=what in EACH_FORM))}
    assert wrong == {}


async def test_a_statement_that_reads_a_whole_table_is_found_out(database: Database) -> None:
    def explain(tx: Transaction) -> list[str]:
        explaining = Explaining.of(tx)
        explaining.rows("SELECT state, COUNT(*) FROM verifications v GROUP BY v.state")
        ((sql, plan),) = explaining.plans
        return faults(sql, plan, sorts=True)

    assert await database.read(explain) == ["SCAN v", "USE TEMP B-TREE FOR GROUP BY"]
