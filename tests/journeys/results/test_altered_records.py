"""A thief of the file writes an approval into it: nobody is shown one, nobody can decide, and admins are told once."""

import json
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.privacy.erasures import FoundBy, Wish
from bot.domain.privacy.holds import HoldCause
from bot.domain.review.requests import RequestKind, ReviewRequest
from bot.errors import DatabaseUnusable, RecordAltered
from bot.privacy import proof, subject_report
from bot.runtime.health import Degraded
from bot.runtime.metrics import read_gauges
from bot.sandbox.demo import ANALYST, CHANNEL, settings_for
from bot.sandbox.slack import Fault, Person, plain
from bot.slack.blocks import ids
from storage import audit, exports, holds, review_requests, reviews, trail_check
from storage.engine import inspect
from storage.engine.covered import COVERED
from storage.engine.database import Transaction
from tests.engines import beside, beside_file, is_sqlite
from tests.journeys.review.test_review import ALWAYS, card, decide, press, provisional, stands
from tests.journeys.smile import call_back, put_on_record
from tests.journeys.world import ADMIN, HASTY, REVIEWER, Journey, bot_between, journey
from tests.storage.engine.test_macs import changes, put_back, rows, unguarded_trail
from tests.storage.engine.test_thief import run_lax
from tests.storage.older import before_macs

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]

MANAGER, VIEWER = "U0DAYO00001", "U0VERA00001"
NUMBER = "22212345678"
PEOPLE: dict[str, Any] = {
    "KYC_MANAGERS": MANAGER,
    "KYC_VIEWERS": VIEWER,
    "KYC_ADMINS": ADMIN,
    "KYC_REVIEWERS": REVIEWER,
    **ALWAYS,
}
THEFT = (
    """
    UPDATE verifications SET state = 'approved', reason = NULL, verdict = '0810', verdict_outcome = 'approved',
        verdict_why = 'approved', decision = 'approved', decided_by = 'U0REMI00001', decision_reason = 'documents',
        decided_at = asked_at, ended_at = asked_at, failure = NULL
    """,
    "UPDATE receipts SET code = '0810', fate = 'counted'",
    "UPDATE reviews SET state = 'settled', closed_at = opened_at",
    """
    UPDATE facts SET state = 'approved', reason = NULL, decision = 'approved', ended_at = asked_at,
        settled_at = asked_at
    """,
)
"""All that says how a check came out, in every table."""


def steal(database: Path) -> None:
    with closing(beside(database)) as db:
        for statement in THEFT:
            db.execute(statement)


async def rejected(world: Journey) -> str:
    world.smile_id.stories_by_id_number[NUMBER] = "rejected"
    for user, name in ((MANAGER, "dayo"), (VIEWER, "vera")):
        world.slack.add_user(user, name)
    ref = await world.ask(id_number=NUMBER, first_name="Ada-Clearly-Invented")
    await world.work()
    await world.smile_id.wait_for(lambda: bool(world.smile_id.callbacks))
    await world.work()
    assert (await world.check(ref)).state == "rejected"
    return ref


async def typed(person: Person, text: str) -> str:
    reply = await person.command(text)
    assert reply.ok, reply
    assert reply.message is not None, text
    return plain(reply.message)


async def opened(world: Journey, person: Person, ref: str) -> str:
    """The Details, or the record, as this person reads them."""
    reply = await person.command(f"status {ref}")
    assert reply.message is not None
    assert (await person.click(reply.message, ids.DETAILS)).ok
    await world.bot.background.done()
    return world.slack.plain((await person.modal()).view)


async def shown_to_everybody(world: Journey, ref: str) -> dict[str, str]:
    """Every place where this check is shown, told, listed or exported, as read there."""
    seen = {}
    for user in (ANALYST, REVIEWER, ADMIN, MANAGER, VIEWER):
        person = world.slack.person(user)
        seen[f"status {user}"] = await typed(person, f"status {ref}")
        seen[f"details {user}"] = await opened(world, person, ref)
        everybody = "list" if user == ANALYST else "list all"
        seen[f"list {user}"] = await typed(person, everybody)
    seen["card"] = await typed(world.slack.person(REVIEWER), f"review {ref}")
    for user in (ANALYST, REVIEWER):
        assert (await world.slack.person(user).open_home()).ok
        await world.work()
    seen["home"] = world.slack.plain(world.slack.person(ANALYST).home or {})
    (line,) = await world.bot.database.read(exports.page, exports.ExportRange(), None)
    seen["export"] = str(line)
    seen["metrics"] = "\n".join(await counted(world))
    seen["subject report"] = await reported(world, ref)
    with pytest.raises(RecordAltered):
        await world.bot.database.write(proof.make, ref, at=world.clock())
    seen["thread"] = world.slack.plain(world.root())
    return seen


async def counted(world: Journey) -> list[str]:
    """The states that the metrics count a check in."""
    gauges = await world.bot.database.read(read_gauges, world.clock())
    lines = world.bot.metrics.render(gauges).decode().splitlines()
    return [line for line in lines if line.startswith("kyc_checks{") and not line.endswith(" 0.0")]


async def reported(world: Journey, ref: str) -> str:
    """What a customer would be handed of this check."""
    wish = Wish(found_by=FoundBy.REF, value=ref)
    retention = world.bot.settings.retention
    report = await world.bot.database.write(subject_report.make, wish, retention, by=ADMIN, at=world.clock())
    return json.dumps(report["checks"] if report else None)


async def told(world: Journey) -> list[str]:
    """What the admin was told by direct message."""
    await world.bot.background.done()
    await world.work()
    return [line for line in world.direct(ADMIN) if "needs an admin" in line]


async def test_an_approval_that_was_written_into_the_file_is_shown_nowhere(tmp_path: Path) -> None:
    async with journey(tmp_path, **PEOPLE) as world:
        world.has_thief = True
        ref = await rejected(world)
        database = world.path
        assert "Rejected" in world.slack.plain(world.root())
        steal(database)
        # Nobody looks: the round through all checks finds it, and what stands in Slack is built anew.
        await world.bot.records.look_on()
        (alert,) = await told(world)
        assert "Record altered" in alert
        assert ref in alert
        assert world.bot.health.degraded["records"] == "1 check was altered beside the bot"
        for place, text in (await shown_to_everybody(world, ref)).items():
            assert "pproved" not in text, (place, text)
            assert "Ada-Clearly-Invented" not in text, place
            assert NUMBER[-3:] not in text or place == "thread", (place, text)
            if place != "home":
                assert "Record altered" in text or "altered" in text, (place, text)
        if is_sqlite():
            seen = inspect.examine(database, world.sealer, patience=timedelta(seconds=5))
            assert (seen.altered, seen.older) == (1, False)
        # Figures leave it out and say so, also in the Home tab of managers.
        summary = await typed(world.slack.person(MANAGER), "summary today")
        assert "Record altered, in none of the figures: 1 check" in summary
        # Nothing that anybody presses decides or sends anything, and everybody hears why.
        for user, words in ((REVIEWER, f"review {ref}"), (ANALYST, f"status {ref}")):
            reply = await world.slack.person(user).command(words)
            assert reply.message is not None
            assert set(buttons(reply.message.blocks)) == {ids.DETAILS}
        assert len(await told(world)) == 1
        # A second process finds it once more, and tells nobody again.
        environment = settings_for(
            world.slack,
            world.smile_id,
            database=world.bot.settings.database,
            socket_mode=False,
            KYC_ENCRYPTION_KEYS=world.bot.settings.encryption_keys.get_secret_value(),
            KYC_SLACK_POSTS_PER_SECOND="1000",
            **PEOPLE,
        )
        async with bot_between(world.slack, world.smile_id, environment, clock=world.clock) as again:
            again.has_thief = True
            await again.bot.records.look_on()
            assert len(await told(again)) == 1
            assert again.bot.health.degraded["records"].startswith("1 check was altered")


async def test_one_look_goes_through_thousands_of_checks(tmp_path: Path) -> None:
    """So that even of a million each is looked at within the hour."""
    async with journey(tmp_path, **PEOPLE) as world:
        world.has_thief = True
        await rejected(world)
        [table] = [table for table in COVERED if table.name == "verifications"]
        others = ", ".join(sorted({*table.columns, *table.left_out} - {"ref", "view_id"}))
        with closing(beside(world.path)) as db:
            db.execute(
                f"""
                INSERT INTO verifications (ref, view_id, {others})
                WITH RECURSIVE n(number) AS (SELECT 10001 UNION ALL SELECT number + 1 FROM n WHERE number < 11200)
                SELECT 'K-A' || n.number, 'V' || n.number, {others} FROM verifications CROSS JOIN n
                """  # noqa: S608 - the names of our own columns
            )
        await world.bot.records.look_on()
        assert len(world.bot.database.altered) == 1200


async def approved(world: Journey, *, by_a_reviewer: bool) -> str:
    """One more check, and how it was approved."""
    ref = await world.ask()
    await world.work()
    await world.smile_id.wait_for(lambda: world.job().processed)
    put_on_record(world, "0812" if by_a_reviewer else "0810")
    await call_back(world, "0812" if by_a_reviewer else "0810")
    await world.work()
    if by_a_reviewer:
        assert stands(await decide(world, REVIEWER, "approved", "same_person"))
        await world.bot.database.write(more_rows, ref, world.clock())
    return ref


def more_rows(tx: Transaction, ref: str, now: datetime) -> None:
    """Of the tables that a decision alone leaves empty."""
    reviews.add_note(tx, ref, 1, author=REVIEWER, words="a note", source="form", now=now)
    holds.add(tx, ref, HoldCause.LEGAL, by=REVIEWER, now=now)
    asked = ReviewRequest(
        id=f"Q-{ref}", ref=ref, round=1, kind=RequestKind.REVIEW, person=ANALYST, reason="other", words="look", at=now
    )
    review_requests.add(tx, asked)


async def looked_at(world: Journey, ref: str) -> dict[str, str]:
    """What a requester and a reviewer read of this check and, in lists, of those before; and its line of the export."""
    requester, reviewer = world.slack.person(ANALYST), world.slack.person(REVIEWER)
    exported = await world.bot.database.read(exports.page, exports.ExportRange(), None)
    return {
        "requester: status": await typed(requester, f"status {ref}"),
        "requester: list": await typed(requester, "list"),
        "status": await typed(reviewer, f"status {ref}"),
        "details": await opened(world, reviewer, ref),
        "card": await typed(reviewer, f"review {ref}"),
        "list of all": await typed(reviewer, "list all"),
        "export": str([line for line in exported if ref in str(line)]),
        "subject report": await reported(world, ref),
        "proof": await proven(world, ref),
    }


async def proven(world: Journey, ref: str) -> str:
    try:
        return str(await world.bot.database.write(proof.make, ref, at=world.clock()))
    except RecordAltered as altered:
        return f"altered: {altered}"


@pytest.mark.endurance
@pytest.mark.parametrize(
    ("by_a_reviewer", "tables"),
    [
        (False, {"verifications", "photos", "attempts", "receipts", "facts", "posts"}),
        (True, {"reviews", "decisions", "review_notes", "review_requests", "holds"}),
    ],
)
async def test_each_column_that_is_altered_leaves_an_approved_check_approved_nowhere(
    tmp_path: Path, by_a_reviewer: bool, tables: set[str]
) -> None:
    """Of a check of its own for each, while the bot runs: what a look writes into the trail is not undone."""
    async with provisional(tmp_path, KYC_FINDS_PER_HOUR="100000", KYC_LOOKS_PER_HOUR="100000", KYC_SEEN_BEFORE="0") as (
        world,
        first,
    ):
        world.has_thief = True
        database, shown, silent = world.path, [], []
        refs: dict[str, str] = {}
        columns: list[str] = []
        with closing(beside(database)) as db:
            db.execute("UPDATE verifications SET round = 7")  # this one says "provisionally approved" in every list
        while len(refs) < max(len(columns), 1):
            ref = await approved(world, by_a_reviewer=by_a_reviewer)
            assert [place for place, text in (await looked_at(world, ref)).items() if "pproved" not in text] == []
            puts = {one.column: one.put for one in changes(database, ref) if one.column.partition(".")[0] in tables}
            # What has another time is the newest from then on: the last one.
            columns = columns or sorted(puts, key=lambda column: column == "verifications.asked_at")
            column = columns[len(refs)]
            with closing(beside(database)) as db:
                # Another value for each: some may stand in one row alone.
                sql, (value, *row) = puts[column]
                db.execute(sql, [1_000_077 + len(refs) if value == 77 else value, *row])
            refs[ref] = column
            for place, text in (await looked_at(world, ref)).items():
                # Whose check it is, and so who may see it, may be what was changed.
                is_gone = column == "verifications.requester" and place.startswith("requester")
                if "pproved" in text:
                    shown.append((column, place))
                if "ltered" not in text and not is_gone:
                    silent.append((column, place))
        assert {column.partition(".")[0] for column in columns} == tables
        assert (shown, silent) == ([], [])
        assert world.bot.database.altered == {first, *refs}
        alerts = "".join(await told(world))
        assert [column for ref, column in refs.items() if ref not in alerts] == []


async def test_a_reviewer_cannot_decide_a_check_whose_record_was_altered_while_the_form_was_open(
    tmp_path: Path,
) -> None:
    async with provisional(tmp_path) as (world, ref):
        world.has_thief = True
        await press(world, REVIEWER, f"{ids.REVIEW_DECIDE}:approved")
        form = await world.slack.person(REVIEWER).modal()
        older = card(world)
        with closing(beside(world.path)) as db:
            # Whoever asked would decide: they are not the requester any more, says the file.
            db.execute("UPDATE verifications SET requester = 'U0ZOE000001'")
        await form.choose(ids.REASON, "same_person")
        refused = await form.submit()
        assert "Record altered" in str(refused)
        await world.work()
        assert (await world.check(ref)).decision is None
        # The card as it was posted, with all its buttons.
        assert (await world.slack.person(REVIEWER).click(older, ids.DETAILS)).ok
        await world.bot.background.done()
        await world.work()
        assert "Record altered" in world.slack.plain(card(world))

        # What Smile ID says is kept, moves nothing, and is not asked about any more.
        before = await received(world)
        put_on_record(world, "0810")
        await call_back(world, "0810")
        await world.work()
        assert await received(world) == before + 1
        assert (await world.check(ref)).is_altered
        assert not any("*Approved*" in line or line.startswith("Approved") for line in world.thread())
        world.clock.move(hours=30)
        await world.work()
        assert not any(line.startswith("Approved") for line in [*world.thread(), *world.notices()])


async def test_an_altered_check_that_waits_is_not_sent(tmp_path: Path) -> None:
    async with journey(tmp_path, **PEOPLE) as world:
        world.has_thief = True
        ref = await world.ask(id_number=NUMBER)
        with closing(beside(world.path)) as db:
            db.execute("UPDATE photos SET file_id = 'F0OTHER0001'")
        await world.work()
        world.clock.move(hours=3)
        await world.work()
        assert world.smile_id.jobs == {}
        assert (await world.check(ref)).is_altered
        with closing(beside(world.path)) as db:
            assert db.execute("SELECT COUNT(*) FROM attempts").fetchone() == (0,)


async def test_an_older_copy_put_back_while_the_bot_runs_is_shown_nowhere_as_approved(tmp_path: Path) -> None:
    """It was approved first, with a MAC of its own, and Smile ID has contradicted itself since."""
    async with journey(tmp_path, **PEOPLE) as world:
        world.has_thief = True
        world.smile_id.stories_by_id_number[NUMBER] = "approved"
        for user, name in ((MANAGER, "dayo"), (VIEWER, "vera")):
            world.slack.add_user(user, name)
        ref = await world.ask(id_number=NUMBER)
        await world.work()
        await world.smile_id.wait_for(lambda: bool(world.smile_id.callbacks))
        await world.work()
        assert (await world.check(ref)).state == "approved"
        database = world.path
        older = rows(database, ref)
        put_on_record(world, "0811")
        await call_back(world, "0811")
        await world.work()
        assert (await world.check(ref)).state == "in_review"
        put_back(database, ref, older)
        with closing(beside(database)) as db:
            assert db.execute("SELECT state FROM verifications").fetchall() == [("approved",)]
        await world.bot.records.look_on()
        alerts = await told(world)
        assert len(alerts) == 3
        assert [alert for alert in alerts if ref in alert]
        assert [alert for alert in alerts if "put back to an older state" in alert]
        # With the copy, the lines that the trail has had since were taken away.
        assert [alert for alert in alerts if "Audit trail altered" in alert]
        for place, text in (await shown_to_everybody(world, ref)).items():
            assert "pproved" not in text, (place, text)


async def test_a_thief_neither_silences_the_alert_nor_has_the_bot_say_it_in_a_channel(tmp_path: Path) -> None:
    """By posts of no check, which no MAC covers: one that counts as told already, and one to everybody."""
    async with journey(tmp_path, **PEOPLE) as world:
        world.has_thief = True
        ref = await rejected(world)
        database = world.path
        silent = (f"alert:altered:{ref}:1:{ADMIN}", ADMIN, "{}", "done")
        loud = ("alert:thief", CHANNEL, json.dumps({"words": f"{ref} was approved by compliance", "once": "1"}), "due")
        with closing(beside(database)) as db:
            db.executemany(
                """
                INSERT INTO posts (id, kind, lane, priority, note, state, due_at, created_at)
                VALUES (?, 'alert', ?, 0, ?, ?, '2026-11-22T12:00:00.000000Z', '2026-11-22T12:00:00.000000Z')
                """,
                [silent, loud],
            )
        steal(database)
        await world.bot.records.look_on()
        world.clock.move(seconds=30)
        (alert,) = await told(world)
        assert "Record altered" in alert
        assert not any("approved by compliance" in world.slack.plain(one) for one in world.slack.messages(CHANNEL))


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept in memory", "rebuilt"])
async def test_a_thief_is_not_sent_what_somebody_wrote_to_the_bot(tmp_path: Path, *, is_kept: bool) -> None:
    """By an answer that goes to somebody else: its row is of no check, and no MAC covers it."""
    async with journey(tmp_path, timeouts=HASTY, **PEOPLE) as world:
        world.has_thief = True
        # Slack does not take the answer where it was asked, nor at once by the outbox.
        world.slack.fault = lambda method, _n: Fault.status(503) if method.startswith("chat.post") else None
        await world.analyst.write(f"NG BVN {NUMBER} Ada-Clearly-Invented Person 1990-01-02")
        await world.answered()
        await world.work()
        with closing(beside(world.path)) as db:
            put = "UPDATE posts SET lane = ?, due_at = created_at, tries = 0 WHERE kind = 'answer' AND state = 'due'"
            assert db.execute(put, [REVIEWER]).rowcount == 1
        world.slack.fault = None
        if not is_kept:
            world.clock.move(minutes=3)
        world.clock.move(seconds=30)
        await world.work()
        assert "Ada-Clearly-Invented" not in str(world.direct(REVIEWER))
        assert NUMBER not in str(world.direct(REVIEWER))


async def test_a_trail_that_is_cut_between_two_rounds_is_told_with_the_next_commit(tmp_path: Path) -> None:
    async with journey(tmp_path, **PEOPLE) as world:
        world.has_thief = True
        await rejected(world)
        database = world.path
        await world.bot.records.look_on()
        assert await told(world) == []
        with closing(beside(database)) as db, unguarded_trail(db):
            db.execute("DELETE FROM audit WHERE seq > (SELECT MAX(seq) FROM audit) - 3")
            # As if it had been told.
            db.execute(
                """
                INSERT INTO posts (id, kind, lane, priority, note, state, due_at, created_at)
                VALUES (?, 'alert', ?, 0, '{}', 'done', '2026-11-22T12:00:00.000000Z', '2026-11-22T12:00:00.000000Z')
                """,
                [f"alert:trail_altered:{ADMIN}", ADMIN],
            )
        await world.ask(id_number=NUMBER)
        for _look in range(2):
            await world.bot.records.look_on()
            (alert,) = [line for line in await told(world) if "Audit trail altered" in line]
        assert "kyc-bot audit verify" in alert
        assert "audit trail" in world.bot.health.degraded[Degraded.RECORDS]


@pytest.mark.sqlite("a server's column holds no other type")
async def test_a_line_of_another_type_is_told_and_the_records_are_looked_at(tmp_path: Path) -> None:
    """Behind the first page of the trail, each look would come to it again."""
    async with journey(tmp_path, **PEOPLE) as world:
        world.has_thief = True
        ref = await rejected(world)
        await world.bot.database.write(look_often, times=trail_check.PAGE, at=world.clock())
        head = await world.bot.database.read(audit.head)
        with closing(beside_file(world.path)) as db, unguarded_trail(db):
            run_lax(world.path, "audit", [f"UPDATE audit SET detail = x'00FF' WHERE seq = {head.seq}"])  # noqa: S608 - a number
        steal(world.path)
        for _look in range(2):
            await world.bot.records.look_on()
        assert world.bot.database.altered == {ref}
        assert [alert for alert in await told(world) if "Audit trail altered" in alert]


@pytest.mark.sqlite("somebody holds the whole file")
async def test_what_cannot_be_told_of_the_trail_does_not_keep_the_bot_from_looking_at_records(tmp_path: Path) -> None:
    async with journey(tmp_path, **PEOPLE) as world:
        world.has_thief = True
        ref = await rejected(world)
        with closing(beside_file(world.path)) as db, unguarded_trail(db):
            db.execute("UPDATE audit SET actor = 'U9' WHERE seq = 2")
        steal(world.path)
        with closing(beside_file(world.path)) as db:
            db.execute("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseUnusable):
                await world.bot.records.look_on()
        assert world.bot.database.altered == {ref}
        await world.bot.records.look_on()
        assert [alert for alert in await told(world) if "Audit trail altered" in alert]


def look_often(tx: Transaction, *, times: int, at: datetime) -> None:
    for _time in range(times):
        audit.record(tx, at=at, actor="U1", act="summary.opened")


@pytest.mark.sqlite("upgrades are of files")
async def test_admins_are_told_when_all_that_is_stored_is_believed_once_more(tmp_path: Path) -> None:
    """An older proof of the key lies in every backup from before there were MACs: with it a thief asks for new ones."""
    async with journey(tmp_path, **PEOPLE) as world:
        world.has_thief = True
        ref = await rejected(world)
        database, environment = world.path, world.bot.settings.encryption_keys.get_secret_value()
        await world.bot.records.look_on()
        assert await told(world) == []
        await world.bot.database.close()
        with closing(beside_file(database)) as db:
            db.execute("UPDATE verifications SET requester = 'U0ZOE000001'")
            before_macs(db, world.sealer)
        settings = settings_for(
            world.slack,
            world.smile_id,
            database=database,
            socket_mode=False,
            KYC_ENCRYPTION_KEYS=environment,
            KYC_SLACK_POSTS_PER_SECOND="1000",
            **PEOPLE,
        )
        for _start in range(2):
            async with bot_between(world.slack, world.smile_id, settings, clock=world.clock) as again:
                again.has_thief = True
                await again.bot.records.look_on()
                said = "What is stored of 1 check is protected against changes from now on"
                assert len([alert for alert in await told(again) if said in alert]) == 1
                assert (await again.check(ref)).requester == "U0ZOE000001"


async def received(world: Journey) -> int:
    def read(tx: Transaction) -> int:
        return int(tx.value("SELECT COUNT(*) FROM receipts"))

    return await world.bot.database.read(read)


def buttons(blocks: list[dict[str, Any]]) -> list[str]:
    return [one["action_id"] for block in blocks if block["type"] == "actions" for one in block["elements"]]
