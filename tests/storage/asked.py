"""Everything that storage asks the database, called once on a filled file: for its plans, and for its times.

Every public function of `storage` is called with arguments made from their names, and what it sends is noted with the
line that sent it. So no list of statements is kept by hand, and a statement that nothing reaches is found out.
"""

import ast
import importlib
import inspect
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import storage
from bot.domain.applicants.batch import BatchState
from bot.domain.capture.links import CaptureLink, LinkEnding
from bot.domain.check.check import Cursor, HoldReason, PhotoKind, PhotoRef, Request, SearchFilter
from bot.domain.check.states import State
from bot.domain.installation import Installation
from bot.domain.mentions.incoming import InboxItem, InboxKind, MessageIds
from bot.domain.outbox import PostKind
from bot.domain.privacy.clocks import Clock
from bot.domain.privacy.erasures import Erasure, FoundBy
from bot.domain.privacy.holds import HoldCause
from bot.domain.privacy.slack_removals import Removal, RemovalPlace
from bot.domain.reporting.exports import Export, ExportFormat, ExportState
from bot.domain.reporting.periods import PeriodKind, day_of
from bot.domain.results.codes import Outcome
from bot.domain.results.record_match import Comparison, RecordMatch
from bot.domain.results.trust_rules import Disposition, Source
from bot.domain.review.requests import RequestKind, ReviewRequest
from bot.domain.review.review import Decision, Proposal, ReviewState, Subscription
from bot.errors import KycError
from storage import (
    audit,
    batches,
    capture_links,
    check_facts,
    checks,
    day_sums,
    deliveries,
    exports,
    inbox,
    instances,
    outbox,
    preflight_holds,
    purges,
    receipts,
    retention,
    review_requests,
    reviews,
    slack_removals,
    timers,
    trail_check,
    trail_people,
)
from storage.engine import kept_sums, record_versions, restored
from storage.engine.connection import TrackedConnection
from storage.engine.database import Transaction
from storage.engine.record_versions import RecordVersions
from storage.engine.sealed_values import OTHERS
from storage.engine.sealing import Sealer
from storage.engine.touched import TemporaryNotes
from storage.engine.writer_macs import Alterations, WriterMacs
from tests.source_code import nodes_of

ROOM = Path(storage.__file__).parent
NOW = datetime.now(UTC)
SOON = NOW + timedelta(minutes=5)
SINCE = NOW - timedelta(days=30)
LONG_AGO = NOW - timedelta(days=720)
"""Since when there are more checks than a page holds, however few there are in a file of three years."""

EXPECTED = (KycError, LookupError, ValueError)
"""What a function says of a row that is not what it wants; it has asked by then."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What was sent, with its placeholders, and by which line of which file."""

    sql: str
    params: object
    file: str
    line: int
    function: str


class _NotingCursor(sqlite3.Cursor):
    def execute(self, sql: str, params: Any = (), /) -> "_NotingCursor":
        connection = self.connection
        assert isinstance(connection, NotingConnection)
        connection.note(sql, params, sys._getframe(1))
        super().execute(sql, params)
        return self

    def executemany(self, sql: str, params: Iterable[Any], /) -> "_NotingCursor":
        connection, each = self.connection, list(params)
        assert isinstance(connection, NotingConnection)
        if each:
            connection.note(sql, each[0], sys._getframe(1))
        super().executemany(sql, each)
        return self


class NotingConnection(TrackedConnection):
    """Notes each statement of ours that it runs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sent: list[Statement] | None = None

    def cursor(self, *_args: Any, **_kwargs: Any) -> Any:
        return super().cursor(_NotingCursor)

    def untracked_cursor(self) -> sqlite3.Cursor:
        return sqlite3.Connection.cursor(self, _NotingCursor)

    def note(self, sql: str, params: object, frame: FrameType | None) -> None:
        if self.sent is not None and (statement := statement_of(sql, params, frame)):
            self.sent.append(statement)


def statement_of(sql: str, params: object, frame: FrameType | None) -> Statement | None:
    """What is sent from this frame, with the line of storage's that sends it; None if none of storage's does."""
    while frame is not None and not _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return None
    name = Path(frame.f_code.co_filename).relative_to(ROOM).as_posix()
    return Statement(sql, params, name, frame.f_lineno, frame.f_code.co_name)


def _is_ours(file: str) -> bool:
    """The house's own ways to send are passed over: who called them is asked for."""
    path = Path(file)
    return path.is_relative_to(ROOM) and path.name not in {"transaction.py", "connection.py"}


@dataclass(slots=True)
class Asking:
    """One filled file, with a writer's MACs, that nothing is ever committed to."""

    connection: NotingConnection
    macs: WriterMacs
    sealer: Sealer
    known: Mapping[str, Any] = field(init=False, default_factory=dict)
    seconds: float = field(init=False, default=0.0)
    """Of the processor, for the last call without its commit."""

    def once(self, call: Callable[[Transaction], object]) -> Sequence[Statement]:
        """What one function asks, with the commit that would follow it; all of it is rolled back."""
        self.connection.execute("BEGIN")
        self.macs.begin_group()
        tx = Transaction(self.connection, self.sealer, [], macs=self.macs)
        sent: list[Statement] = []
        self.connection.sent = sent
        try:
            began = time.process_time()
            with suppress(*EXPECTED):
                call(tx)
            self.seconds = time.process_time() - began
            if self.connection.in_transaction:
                with suppress(*EXPECTED):
                    self.macs.require_intact()
                    self.macs.make()
        finally:
            self.connection.sent = None
            self.connection.close_cursors()
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        return sent


@contextmanager
def asking(path: Path, sealer: Sealer) -> Iterator[Asking]:
    """Open a file that is not open elsewhere."""
    writer, witness = (
        sqlite3.connect(path, isolation_level=None, cached_statements=512, factory=factory)
        for factory in (NotingConnection, TrackedConnection)
    )
    try:
        assert isinstance(writer, NotingConnection)
        for setting in ("journal_mode = WAL", "foreign_keys = ON", "temp_store = MEMORY", "cache_size = -20000"):
            writer.execute(f"PRAGMA {setting}").close()
        writer.execute("PRAGMA analysis_limit = 400").close()
        versions, found = RecordVersions(), Alterations()
        macs = WriterMacs(writer, witness, sealer, versions=versions, found=found, notes=TemporaryNotes(writer))
        macs.begin()
        asking = Asking(writer, macs, sealer)
        asking.known = known_in(writer)
        yield asking
    finally:
        writer.close()
        witness.close()


def known_in(db: sqlite3.Connection) -> dict[str, Any]:
    """Ids of rows that the bot itself has written: what is sealed in them opens; their references are shorter."""
    by_state = dict(db.execute("SELECT state, MAX(ref) FROM verifications WHERE length(ref) = 8 GROUP BY state"))
    # The oldest is the template's, with as many rows in every filled file; benchmarks add larger ones to one of them.
    (batch,) = db.execute("SELECT id FROM batches WHERE length(id) = 8 ORDER BY asked_at LIMIT 1").fetchone()
    (row,) = db.execute("SELECT MAX(ref) FROM verifications WHERE batch = ?", [batch]).fetchone()
    refs = [*by_state.values(), row]
    jobs = [db.execute("SELECT MAX(job_id) FROM attempts WHERE ref = ?", [ref]).fetchone()[0] for ref in refs]
    receipts = [db.execute("SELECT MAX(id) FROM receipts WHERE job_id = ?", [job]).fetchone()[0] for job in jobs]
    posts = [db.execute("SELECT MIN(id) FROM posts WHERE ref = ?", [ref]).fetchone()[0] for ref in refs]
    keys = db.execute(
        "SELECT number_print, file_print FROM verifications v JOIN photos p USING (ref) WHERE ref = ?", [row]
    )
    number_print, file_print = keys.fetchone()
    names = ("ref", "job_id", "receipt_id", "post_id")
    return {
        "states": [*by_state, "row"],
        "of_checks": [dict(zip(names, ids, strict=True)) for ids in zip(refs, jobs, receipts, posts, strict=True)],
        "batch_id": batch,
        "number_print": number_print,
        "file_print": file_print,
    }


def functions() -> dict[str, Callable[..., object]]:
    """Every public function of a table module that works in a transaction, by module and name."""
    found: dict[str, Callable[..., object]] = {}
    for path in sorted(ROOM.glob("*.py")):
        module = importlib.import_module(f"storage.{path.stem}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            takes = list(inspect.signature(function).parameters)
            if function.__module__ == module.__name__ and takes[:1] == ["tx"] and not name.startswith("_"):
                found[f"{path.stem}.{name}"] = function
    return found


def calls(known: Mapping[str, Any]) -> dict[str, list[Callable[[Transaction], object]]]:
    """By function: once for each kind of check that it may be about, and once for each other way of asking."""
    by_name = _by_name(known)
    found: dict[str, list[Callable[[Transaction], object]]] = {}
    for name, function in functions().items():
        parameters = list(inspect.signature(function).parameters.values())[1:]
        for given in _ways(name, known):
            found.setdefault(name, []).append(_call(function, parameters, by_name | given))
    return found


def _call(
    function: Callable[..., object], parameters: Sequence[inspect.Parameter], values: Mapping[str, Any]
) -> Callable[[Transaction], object]:
    def call(tx: Transaction) -> object:
        positional, named = [], {}
        for parameter in parameters:
            if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
                continue
            assert parameter.name in values, f"{function.__name__} wants a {parameter.name}"
            value = values[parameter.name]
            value = value(tx, values) if inspect.isfunction(value) else value
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                named[parameter.name] = value
            else:
                positional.append(value)
        return function(tx, *positional, **named)

    return call


def _ways(name: str, known: Mapping[str, Any]) -> list[dict[str, Any]]:
    of_checks = [{name: one for name, one in ids.items() if one is not None} for ids in known["of_checks"]]
    if name in _OTHER_WAYS:
        return _OTHER_WAYS[name](known)
    module = name.partition(".")[0]
    own = {**_OF_MODULE.get(module, {}), **_OF_FUNCTION.get(name, {})}
    takes = set(inspect.signature(functions()[name]).parameters)
    if takes & ({"ref", "job_id", "receipt_id", "post_id", "check", "review", "parent_id"} - own.keys()):
        return [ids | own for ids in of_checks]
    return [own]


_PERSON = "U0AMINA0001"


def _just_come(tx: Transaction, _values: Mapping[str, Any]) -> trail_check.OwnLines:
    return trail_check.OwnLines(ref="B-INVENT", progress=trail_check.Progress(last=audit.head(tx), is_begun=True))


_MESSAGE = MessageIds(channel="C0KYCREQ001", ts="1.2", thread_ts=None, user=_PERSON, team="T0ACME00001")
_PHOTO = PhotoRef(kind=PhotoKind.SELFIE, position=0, file_id="F-invented")
_REQUEST = Request(
    requester=_PERSON,
    team="T0ACME00001",
    channel="C0KYCREQ001",
    thread_ts=None,
    view_id="V-invented",
    country="NG",
    id_type="BVN",
    id_info={"id_number": "00000000000"},
    customer_reference="CUST-invented",
    photos=(_PHOTO,),
    consent_at=NOW,
)
_PROPOSAL = Proposal(decision=Decision.REJECTED, reason="face", by=_PERSON, at=NOW, is_override=False)


def _by_name(known: Mapping[str, Any]) -> dict[str, Any]:
    """A value for each name of a parameter."""
    prints = [known["number_print"]]
    moments = dict.fromkeys(
        ("now", "at", "poll_at", "ask_at", "asked_at", "due_at", "again_at", "remind_at", "hour", "agreed_at"), NOW
    )
    moments["expires_at"] = SOON
    before = dict.fromkeys(("asked_before", "ended_before", "sent_before", "before"), NOW)
    numbers = dict.fromkeys(("limit", "most", "size", "polls", "confirms", "total", "ready", "repeats", "level"), 10)
    on = ("with_repeats", "with_hidden", "is_silent", "in_doubt", "by_hand", "erases", "sealed", "waiting")
    flags = dict.fromkeys(on, True) | {"by_link": False}
    flags |= dict.fromkeys(("ends_doubt", "is_opened"), True)
    people = dict.fromkeys(("by", "person", "actor", "author", "requester", "opens_for", "confirmed_by"), _PERSON)
    texts = ("act", "code", "detail", "error", "fault", "why", "words", "mark", "source", "how", "kind", "key", "token")
    more_texts = ("value", "view", "view_print", "text", "purpose", "event", "failure", "reference", "file", "name")
    return {
        **known["of_checks"][-1],
        **moments,
        **before,
        **numbers,
        **flags,
        **people,
        **dict.fromkeys((*texts, *more_texts), "invented"),
        "about": {},
        "device": "invented",
        "ending": LinkEnding.EXPIRED,
        "notice": "invented",
        "after": "",
        "at_most_every": timedelta(minutes=1),
        "batch_id": known["batch_id"],
        "body": {"ResultCode": "0810"},
        "body_sha256": "0" * 64,
        "but": "K-INVENT",
        "by": _PERSON,
        "cause": None,
        "change": lambda _tx, _values: lambda choices: choices,
        "channel": "C0KYCREQ001",
        "check": lambda tx, values: checks.get(tx, values["ref"]),
        "checkpoint": {},
        "checks": 3,
        "choice": Subscription.RESULTS,
        "chosen": (),
        "clock": Clock.PHOTOS,
        "column": OTHERS[0],
        "count": 1,
        "countries": ("NG",),
        "country": "NG",
        "counts": True,
        "cursor": None,
        "day": date(2026, 1, 2),
        "days": [(SINCE, NOW)],
        "destination": "C0KYCREQ001",
        "export": lambda *_: _export(),
        "export_id": "invented",
        "fate": Disposition.COUNTED,
        "files": ("F1",),
        "found": {},
        "hashes": [(_PHOTO, 1, "0" * 64)],
        "held": HoldReason.PHOTOS,
        "hold": timedelta(seconds=20),
        "id_": "invented",
        "in_doubt_since": None,
        "installation": Installation(team="T", enterprise=None, bot="B"),
        "item": InboxItem(
            id="i", kind=InboxKind.MESSAGE, channel="C", ts="1.2", thread_ts=None, user=_PERSON, team="T", asked_at=NOW
        ),
        "item_id": "invented",
        "kept_elsewhere": None,
        "kinds": (PostKind.PROGRESS,),
        "lane": "C1",
        "erased": (),
        "known": 0,
        "language": "en",
        "last": "",
        "let_pass": (),
        "link": lambda tx, values: _link(tx, values["ref"]),
        "made": {(SINCE, NOW): "[]"},
        "making": "invented",
        "message": _MESSAGE,
        "instance": "invented",
        "gone": "invented",
        "number": 1,
        "number_print": None,
        "of": (BatchState.PREVIEW,),
        "of_batches": 6,
        "one": lambda tx, _values: _instance(tx),
        "older": (),
        "outcome": Outcome.REJECTED,
        "parent_id": lambda _tx, values: values["post_id"],
        "passed": (),
        "paused": timedelta(0),
        "payload": {},
        "period": day_of(date(2026, 1, 2)),
        "photos": (_PHOTO,),
        "place": RemovalPlace(file="F1"),
        "preview": {},
        "print_": known["number_print"],
        "prints": prints,
        "proposal": _PROPOSAL,
        "queue": inbox._QUEUE,
        "reading": None,
        "reason": None,
        "receipt": lambda _tx, values: values.get("receipt_id"),
        "refs": [ids["ref"] for ids in known["of_checks"]],
        "request": _REQUEST,
        "request_id": "invented",
        "request_prints": prints,
        "review": lambda tx, values: _review(tx, values["ref"]),
        "round_": 1,
        "searched_in": timedelta(seconds=10),
        "sees": (),
        "seq": 0,
        "sent_at": None,
        "sha256": "0" * 64,
        "since": SINCE,
        "smile_job_id": "invented",
        "state": "failed",
        "stuck_id": "invented",
        "table": "verifications",
        "target": State.IN_REVIEW,
        "today": date(2026, 1, 2),
        "told": "invented",
        "ts": "1.2",
        "under_way": (),
        "until": SOON,
        "used": frozenset(),
        "view_id": "V-invented",
        "what": "invented",
        "which": "invented",
    }


def _incoming(job_id: str, fate: Disposition) -> receipts.Incoming:
    return receipts.Incoming(
        id="invented",
        job_id=job_id,
        source=Source.CALLBACK,
        code="0810",
        body_sha256="0" * 64,
        body={"ResultCode": "0810"},
        fate=fate,
        at=NOW,
    )


def _review(tx: Transaction, ref: str) -> object:
    found = reviews.find(tx, ref)
    if found is None:
        raise LookupError(ref)
    return found


def _link(tx: Transaction, ref: str) -> CaptureLink:
    return capture_links.add(tx, ref, "invented", by=_PERSON, expires_at=NOW, remind_at=NOW, now=NOW)


def _instance(tx: Transaction) -> instances.Instance:
    tx.insert("instances", id="invented", name="i", version="1.0", started_at=NOW, seen_at=NOW)
    return instances.living(tx)[0]


def _export() -> Export:
    return Export(
        id="invented",
        state=ExportState.ASKED,
        person=_PERSON,
        form=ExportFormat.CSV,
        period=None,
        since=None,
        until=NOW,
        total=1,
        written=0,
    )


# What a name does not say

_OF_MODULE: Mapping[str, Mapping[str, Any]] = {
    "batches": {"of": (BatchState.PREVIEW, BatchState.CONFIRMED), "target": BatchState.CANCELLED},
    "reviews": {"state": ReviewState.SETTLED},
    "exports": {"wanted": exports.ExportRange(since=SINCE, until=NOW), "state": ExportState.FAILED},
    "trail": {"after": 0},
    "slack_removals": {"wanted": ((Removal.FILE, RemovalPlace(file="F1"), None),), "post_id": "invented"},
    "purges": {"found": {"photos": 1}},
    "home_tabs": {"person": _PERSON},
    "summaries": {"kind": PeriodKind.DAY},
    "outbox": {"kind": PostKind.PROGRESS},
}
_OF_FUNCTION: Mapping[str, Mapping[str, Any]] = {
    "attempts.by_token": {"token": "00" * 32},
    "audit.record_first": {"act": "check.opened"},
    "batches.rows_known": {"first": 1, "last": 100},
    "batches.refuse": {"of": BatchState.READING},
    "outbox.drop_calls": {"tells": ["overdue"]},
    "batches.reschedule": {"of": BatchState.READING},
    "batches.untouched": {"asked_after": SINCE},
    "deliveries.post_anew": {"gone": lambda tx, values: outbox.find(tx, values["post_id"])},
    "checks.add": {"ref": "K-INVENT"},
    "checks.prints_of": {"number": "00000000000"},
    "checks.examine_after": {"last": ""},
    "checks.compared": {"found": Comparison(**dict.fromkeys(("name", "dob", "phone"), RecordMatch.MATCHES))},
    "checks.move": {"liveness": None},
    "erasures.add": {"erasure": lambda *_: _erasure()},
    "erasures.keep": {"erasure": lambda *_: _erasure()},
    "erasures.get": {"erasure_id": "invented"},
    "leases.give_up": {"table": "verifications", "key": "ref", "values": ("K-INVENT",)},
    "leases.take": {"table": "verifications", "key": "ref", "values": ("K-INVENT",), "also": ""},
    "purges.count": {"number": lambda tx, _values: purges.begin(tx, actor=_PERSON, erases=True, now=NOW)},
    "purges.end": {"number": lambda tx, _values: purges.begin(tx, actor=_PERSON, erases=True, now=NOW)},
    "purges.keep_survey": {"counts": {Clock.PHOTOS: {"photos": 1}}},
    "attempts.by_tokens": {"tokens": ("00" * 32, "11" * 32)},
    "audit.record_of_checks": {"acts": lambda _tx, values: [audit.Act(at=NOW, ref=values["ref"], detail="invented")]},
    "receipts.keep": {"message": lambda _tx, values: _incoming(values["job_id"], Disposition.COUNTED)},
    "receipts.keep_callbacks": {"messages": lambda _tx, values: [_incoming(values["job_id"], Disposition.KEPT)]},
    "trail_people.of_checks": {"refs": lambda _tx, values: {values["ref"]: NOW}},
    "receipts.keep_refused": {"receipt_id": "invented", "body": "{}"},
    "review_requests.add": {"request": lambda _tx, values: _wish(values["ref"])},
    "search.by_number": {"number": "00000000000"},
    "search.by_job": {"job_id": "invented"},
    "timers.move": {"by": timedelta(hours=1)},
    "timers.move_once": {"by": timedelta(hours=1)},
    "timers.recover": {"tolerance": timedelta(seconds=2)},
    "trail_check.compare_lines": {"before": trail_check.Progress()},
    # Of a file that came just now. Behind the upgrade by which a large file was made, few lines are chained.
    "trail_check.compare_lines_of": {"before": _just_come},
    "trail_check.compare_records": {"before": trail_check.RecordProgress()},
    "trail_people.forget_prints": {"prints": ("invented",)},
    "trail_people.forget_looks_for": {"prints": ("invented",)},
    "trail_people.renew_check": {"prints": {}},
    "rekey.renew_others": {"after": None},
    "keys.note": {"used": frozenset()},
}


def _searches(known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every filter, alone and together, on a first page, an older and a newer one."""
    everybody, nobody = SearchFilter(), SearchFilter(requester="U0NOBODY")
    older = Cursor(asked_at=SINCE, ref="K-INVENT")
    mine = SearchFilter(requester=_PERSON)
    refs = tuple(ids["ref"] for ids in known["of_checks"])
    filters = (
        everybody,
        nobody,
        mine,
        replace(everybody, since=SINCE, until=NOW),
        replace(mine, since=SINCE, until=NOW),
        replace(everybody, states=(State.PROCESSING,)),
        replace(everybody, states=(State.IN_REVIEW,), undecided=True),
        replace(mine, states=(State.IN_REVIEW,), undecided=True),
        replace(everybody, refs=refs),
        replace(mine, refs=refs),
        replace(everybody, states=()),
    )
    cursors = (None, older, replace(older, newer=True))
    return [{"wanted": wanted, "cursor": cursor} for wanted in filters for cursor in cursors]


def _exports(_known: Mapping[str, Any]) -> list[dict[str, Any]]:
    line = exports.ExportLine(
        ref="K-INVENT",
        asked_at=LONG_AGO.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        **dict.fromkeys(("state", "verdict", "decision", "reason", "country", "id_type", "requester", "ended_at"), ""),
        attempts=0,
        record_match="",
        liveness="",
    )
    return [{"wanted": wanted, "after": after} for wanted in _ranges(LONG_AGO) for after in (None, line)]


def _ranges(first: datetime) -> list[exports.ExportRange]:
    return [exports.ExportRange(since=since, until=until) for since in (None, first) for until in (None, NOW)]


_OTHER_WAYS: Mapping[str, Callable[[Mapping[str, Any]], list[dict[str, Any]]]] = {
    "search.page": _searches,
    "exports.page": _exports,
    "exports.count": lambda _: [{"wanted": wanted} for wanted in _ranges(SINCE)],
    "leases.oldest_due": lambda _: [
        {"queue": queue} for queue in ("submission", "results", "homes", "inbox", "outbox")
    ],
    "retention.ended": lambda _: [
        {"clock": clock, "until": NOW, "after": after, "most": 500}
        for clock in Clock
        for after in (None, (LONG_AGO, "K-"))
    ],
    "preflight_holds.earlier": lambda _: [{"requester": who, "but": None} for who in (None, _PERSON)],
    "rekey.renew_others": lambda _: [
        {"column": column, "after": after} for column, after in zip(OTHERS, ("", None, "", "", 0), strict=True)
    ],
    "reviews.decided": lambda known: [
        {"ref": ids["ref"], "number": number} for ids in known["of_checks"] for number in (None, 1)
    ],
    "holds.end": lambda known: [
        {"ref": ids["ref"], "cause": cause} for ids in known["of_checks"] for cause in (None, HoldCause.LEGAL)
    ],
    "holds.add": lambda known: [{"ref": ids["ref"], "cause": HoldCause.LEGAL} for ids in known["of_checks"]],
    "capture_links.of_period": lambda _: [
        {"since": SINCE, "until": NOW, "country": country, "id_type": id_type}
        for country in (None, "NG")
        for id_type in (None, "BVN")
    ],
    "search.newest": lambda known: [{"requester": who} for who in (None, _PERSON)],
}


def _erasure() -> Erasure:
    return Erasure(
        id="invented", found_by=FoundBy.REF, asked_by=_PERSON, asked_at=NOW, checks={"K-INVENT": None}, looked_for=()
    )


def _wish(ref: str) -> ReviewRequest:
    kind = RequestKind.REVIEW
    return ReviewRequest(id="invented", ref=ref, round=1, kind=kind, person=_PERSON, reason="other", at=NOW)


def stories(known: Mapping[str, Any]) -> dict[str, Callable[[Transaction], object]]:
    """What is asked only where something else came before it."""
    by_state = dict(zip(known["states"], known["of_checks"], strict=True))
    waits, single = by_state["row"]["ref"], by_state["processing"]["ref"]

    def held_while_the_clock_was_set(tx: Transaction) -> None:
        tx.run("UPDATE verifications SET state = 'requested', ended_at = NULL WHERE ref = :ref", ref=waits)
        preflight_holds.hold(tx, waits, HoldReason.PHOTOS, {}, remind_at=NOW, now=NOW)
        timers.move(tx, by=timedelta(hours=1), before=NOW, now=NOW)

    def erased_with_words(tx: Transaction) -> None:
        review_requests.add(tx, _wish(waits))
        retention.erase_personal(tx, waits, at=NOW)

    def posted(tx: Transaction) -> None:
        outbox.enqueue(tx, PostKind.RESULT, key="invented", destination="C0KYCREQ001", ref=single, now=NOW)
        deliveries.claim_due(tx, now=SOON, until=SOON, limit=8)

    def altered(tx: Transaction) -> None:
        tx.altered_so_far({single, waits})
        check_facts.altered(tx, since=SINCE, until=NOW)
        batches.counts(tx, known["batch_id"])

    def erased_in_slack(tx: Transaction) -> None:
        slack_removals.keep_earlier(tx, waits, ("F1",), author=None, at=NOW)
        slack_removals.add(tx, waits, [(Removal.FILE, RemovalPlace(file="F1"), None)], at=NOW)
        tx.run("UPDATE slack_removals SET state = 'due', due_at = :now, place_sealed = :none", now=NOW, none=b"0")
        slack_removals.claim_due(tx, now=NOW, until=SOON, limit=8)

    def kept_in_slack_and_called_due(tx: Transaction) -> None:
        slack_removals.keep_earlier(tx, waits, ("F1",), author=None, at=NOW)
        tx.run("UPDATE slack_removals SET state = 'due', due_at = :now", now=NOW)
        slack_removals.claim_due(tx, now=NOW, until=SOON, limit=8)

    def customers_beside_the_trail(tx: Transaction) -> None:
        trail_people.of_check(tx, single, at=NOW)
        tx.run("UPDATE trail_people SET person_sealed = :none", none=b"0")
        trail_people.of_check(tx, single, at=NOW)
        trail_people.renew_check(tx, single, {})

    def looked_for_nobody(tx: Transaction) -> None:
        audit.record(tx, at=NOW, actor=_PERSON, act="check.found", number_print=known["number_print"])

    def summed(tx: Transaction) -> None:
        day_sums.begin(tx, [(SINCE, NOW)], making="invented")
        day_sums.keep(tx, {(SINCE, NOW): "[]"}, making="invented")
        sealed = replace(record_versions.RecordSum.new(), day_sums=kept_sums.digest(tx.connection))
        sealed.write(tx.connection, tx.sealer)
        day_sums.kept(tx, [(SINCE, NOW)])

    def moved(tx: Transaction) -> None:
        checks.move(tx, single, State.REJECTED, now=NOW)

    def lost_by_a_failover(tx: Transaction) -> None:
        restored.doubt_lost(tx.connection)

    told = (held_while_the_clock_was_set, erased_with_words, posted, altered, erased_in_slack, moved)
    more = (kept_in_slack_and_called_due, customers_beside_the_trail, looked_for_nobody, summed, lost_by_a_failover)
    return {story.__name__: story for story in (*told, *more, _of_a_link(single))}


def _of_a_link(ref: str) -> Callable[[Transaction], object]:
    def a_link_to_its_end(tx: Transaction) -> None:
        link = _link(tx, ref)
        capture_links.opened(tx, link, "invented", now=NOW)
        capture_links.agreed(tx, link, notice="invented", language="en", now=NOW)
        capture_links.taken(tx, link, now=NOW)
        capture_links.given_back(tx, ref, until=SOON, now=NOW)
        capture_links.reminded(tx, ref, now=NOW)
        timers.move(tx, by=timedelta(hours=1), before=NOW, now=NOW)
        capture_links.end(tx, ref, LinkEnding.USED, by=_PERSON, now=NOW)

    return a_link_to_its_end


def sent_by(
    known: Mapping[str, Any], once: Callable[[Callable[[Transaction], object]], Sequence[Statement]]
) -> Iterator[Statement]:
    """All that storage asks, `once` after another."""
    for ways in calls(known).values():
        for call in ways:
            yield from once(call)
    for story in stories(known).values():
        yield from once(story)


# What there is to be reached

_WAYS_TO_SEND = frozenset(
    {
        *("rows", "row", "one", "value", "column", "exists", "change", "run", "update", "insert", "insert_once"),
        *("fetch", "fetch_rows", "run_for_each", "execute"),
    }
)
_UNTRACED = frozenset(
    {
        "engine/backup.py",
        "engine/connection.py",
        "engine/database.py",
        "engine/erasure_lists.py",
        "engine/first_chain.py",
        "engine/first_macs.py",
        "engine/group.py",
        "engine/inspect.py",
        "engine/migrations.py",
        "engine/older_macs.py",
        "engine/shape.py",
        "engine/sqlite.py",
        "engine/transaction.py",
        "engine/upkeep.py",
    }
)
"""Commands, upgrades and the start, which go through a whole file for its own sake, and what sends for all others."""


def sites() -> dict[tuple[str, str], list[range]]:
    """Where something is sent: file and function, and the lines of each call."""
    found: dict[tuple[str, str], list[range]] = {}
    for path in sorted(ROOM.rglob("*.py")):
        name = path.relative_to(ROOM).as_posix()
        if name in _UNTRACED:
            continue
        for function in (node for node in nodes_of(path) if isinstance(node, ast.FunctionDef)):
            for node in ast.walk(function):
                if _sends(node):
                    assert isinstance(node, ast.Call)
                    lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                    found.setdefault((name, function.name), []).append(lines)
    return found


def not_reached(statements: Iterable[Statement]) -> set[str]:
    """Files and functions some of whose statements are none of these; PostgreSQL's own count as reached."""
    reached = {(one.file, one.line) for one in statements}
    return {
        f"{file} {function}"
        for (file, function), calls in sites().items()
        for lines in calls
        # PostgreSQL's own are asked there.
        if not file.startswith("engine/postgresql/")
        if not any((file, line) in reached for line in lines)
    }


def _sends(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    owner = ast.unparse(node.func.value)
    return node.func.attr in _WAYS_TO_SEND and bool(
        re.fullmatch(r"(self\.)?(tx|_?connection|cursor|tx\.connection)", owner)
    )
