"""A file of customers: its message through its life, and the files in its thread."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from io import BytesIO

from bot.domain.applicants import Limits, SourceFile, read, template_csv
from bot.domain.applicants.batch import Batch, BatchCounts, BatchState, sent_by_link
from bot.domain.capture.links import LinkStep
from bot.domain.check.request import FileInfo
from bot.domain.check.states import State
from bot.domain.outbox import PostKind, encode_fault
from bot.domain.results.codes import ResultStory
from bot.outbox.builders import File
from bot.slack.blocks import batch, batch_links, file_approval
from tests.pictures.people import AMINA, MUSA, REQUESTS
from tests.pictures.scene import Place, Scene, Sheet
from tests.pictures.scenes.samples import CAPTURE_LINK, CHECK_BVN, STATES, ended, reading
from tests.slack.blocks.samples import ASKED_AT, ID_TYPES, a_link

_ID = "B-2M4Q8Z"
_HEADER = ("country", "id_type", "id_number", "customer_reference", "dob", "photo", "favourite colour")
_TABLE = [
    *(("NG", "BVN", f"2221230000{n}", f"C-{n}", "1990-01-02", f"c-{n}.jpg", "blue") for n in range(7)),
    ("NG", "BVN", "22212300001", "C-1", "1990-01-02", "c-7.jpg", "green"),
    ("NG", "BVN", "2221230008", "C-8", "2 Jan 1990", "c-8.jpg", ""),
    ("GH", "GHANA_CARD", "GHA-1", "C-9", "1990-13-02", "missing.jpg", ""),
    ("XX", "BVN", "22212300010", "C-10", "", "c-10.jpg", ""),
    ("NG", "", "22212300011", "C-11", "", "c-11.pdf", ""),
    ("NG", "DRIVERS_LICENSE", "ABC000000000", "C-12", "", "", ""),
]
BATCH = Batch(
    id=_ID,
    state=BatchState.PREVIEW,
    requester=AMINA,
    team="T0EXAMPLE",
    channel=REQUESTS,
    message_ts="1700000000.000200",
    source_ts="1700000000.000100",
    source_thread_ts=None,
    files=("F0TABLE",),
    words=None,
    total=20,
    ready=20,
    repeats=0,
    with_repeats=False,
    with_hidden=False,
    consent_at=None,
    consent_by=None,
    asked_at=ASKED_AT,
    tries=0,
    preview={},
)
_COUNTS = BatchCounts(waiting=6, held=1, sent=3, approved=6, rejected=1, failed=1, needs_person=2)
_NONE = BatchCounts()


def sheets() -> list[Sheet]:
    return [
        Sheet(
            name="files-of-applicants",
            title="Files of applicants",
            line="One message counts what comes of a file; the files in its thread name rows.",
            scenes=[*_messages(), *_files()],
        )
    ]


def _read() -> Batch:
    """A file with faults and repeats, read by the bot's own reader."""
    out = io.StringIO()
    csv.writer(out).writerows([_HEADER, *_TABLE])
    table = SourceFile(file_id="F0TABLE", name="applicants.csv", content=BytesIO(out.getvalue().encode()))
    loose = [FileInfo(id=f"F0{n}", name=f"c-{n}.jpg", mimetype="image/jpeg", size=90_000) for n in range(15)]
    found = read([table], loose, id_types=ID_TYPES, today=date(2026, 11, 22), limits=Limits())
    faults = [
        [one.row, one.column, encode_fault(one.fault.code, one.fault.facts)]
        for row in found.applicants
        for one in row.faults
    ]
    repeats = [[one.row, f"the same person as row {one.repeats}"] for one in found.applicants if one.repeats]
    return replace(
        BATCH,
        total=len(found.applicants),
        ready=len(found.applicants) - len({row for row, *_ in faults}) - len(repeats),
        repeats=len(repeats),
        preview={
            "faults": faults,
            "repeats": repeats,
            "ignored": list(found.ignored_columns.values()),
            "ignored_at": [place + 1 for place in found.ignored_columns],
            "unused": found.unused_photos,
        },
    )


def _messages() -> Iterator[Scene]:
    def scene(
        caption: str, shown: Batch, counts: BatchCounts = _NONE, kind: PostKind = PostKind.BATCH_PROGRESS
    ) -> Scene:
        return Scene(caption=caption, shows=batch.message(shown, counts), kinds=[kind])

    faulty = _read()
    yield scene("Read: some rows have faults, one looks like a repeat", faulty, kind=PostKind.BATCH)
    directly = replace(faulty, channel="D0AMINA0001")
    yield scene("The same file, sent in a direct message", directly, kind=PostKind.BATCH)
    yield scene("Read: every row is ready", BATCH, kind=PostKind.BATCH)
    hidden = {
        "sheets": ["June"],
        "columns": ["notes"],
        "columns_at": [6],
        "rows": [4, 9, 12],
        "row_count": 3,
        "ready": 2,
        "repeats": [[9, ""]],
    }
    workbook = replace(BATCH, total=8, ready=8, preview={"sheet": "July", "above": [1], "hidden": hidden})
    yield scene("Read: a workbook with a title, a hidden sheet and rows behind a filter", workbook, kind=PostKind.BATCH)
    hopeless = replace(faulty, ready=0, repeats=0, preview={"faults": faulty.preview["faults"][:2]})
    yield scene("Read: no row can be sent", hopeless, kind=PostKind.BATCH)
    refused = replace(BATCH, state=BatchState.REFUSED, words="The table has a header and no rows.")
    yield scene("The file cannot be used", refused, kind=PostKind.BATCH)
    for caption, shown in (
        ("Its preview could not be posted", BATCH),
        ("It cannot be used, and that could not be posted", refused),
    ):
        yield Scene(caption=caption, shows=batch.lost(shown), kinds=[PostKind.BATCH_LOST], place=Place.DIRECT)
    yield Scene(
        caption="It was refused, and its message takes no update",
        shows=batch.refused_directly(refused),
        kinds=[PostKind.BATCH_LOST],
        place=Place.DIRECT,
    )
    yield Scene(
        caption="Its message was deleted and could not be posted anew",
        shows=batch.in_place(replace(BATCH, state=BatchState.PAUSED), _COUNTS),
        kinds=[PostKind.BATCH_LOST, PostKind.BATCH_PROGRESS],
        place=Place.DIRECT,
    )
    waits = replace(
        BATCH,
        state=BatchState.APPROVAL,
        consent_at=BATCH.asked_at,
        consent_by=BATCH.requester,
        preview={"kinds": [["NG", "BVN", 6], ["GH", "GHANA_CARD", 2]]},
    )
    yield scene("A long file waits for a second person", waits)
    approved = replace(waits, state=BatchState.SENDING, approved_by=MUSA)
    for caption, shown, kind in (
        ("A long file is to be approved", waits, PostKind.BATCH_APPROVAL),
        ("It was approved", approved, PostKind.BATCH_APPROVAL_CARD),
        ("It was not approved", replace(waits, state=BatchState.REFUSED), PostKind.BATCH_APPROVAL_CARD),
    ):
        yield Scene(caption=caption, shows=file_approval.card(shown), kinds=[kind])
    by_link = {"by_link": {"ready": 18, "repeats": 2, "kinds": [["NG", "BVN", 20]]}}
    bare = replace(BATCH, ready=0, preview={**by_link, "for_links": True})
    yield scene("Read: a table without photos, where links are offered", bare, kind=PostKind.BATCH)
    yield scene(
        "Read: a file whose customers could take the photos, too", replace(BATCH, ready=18, repeats=2, preview=by_link)
    )
    waiting = replace(BATCH, state=BatchState.SENDING, preview=sent_by_link(by_link))
    counts = BatchCounts(awaiting=14, sent=2, approved=3, cancelled=1)
    yield scene("Its customers take the photos", waiting, counts)
    yield scene("Confirmed", replace(BATCH, state=BatchState.CONFIRMED))
    yield scene("Sending", replace(BATCH, state=BatchState.SENDING), _COUNTS)
    yield scene("Paused", replace(BATCH, state=BatchState.PAUSED), _COUNTS)
    yield scene("Cancelled before it was sent", replace(BATCH, state=BatchState.CANCELLED))
    half = replace(_COUNTS, waiting=0, held=0, cancelled=7)
    yield scene("The rest was cancelled", replace(BATCH, state=BatchState.CANCELLED), half)
    yield scene("Done", replace(BATCH, state=BatchState.DONE), BatchCounts(approved=16, rejected=2, failed=2))


def _files() -> Iterator[Scene]:
    def file(caption: str, name: str, data: bytes, comment: str, *kinds: PostKind) -> Scene:
        sent = File(channel=REQUESTS, thread_ts="1", name=name, data=data, comment=comment)
        return Scene(caption=caption, shows=sent, kinds=kinds, place=Place.THREAD if kinds else Place.DIRECT)

    faults, comment = batch.faults_csv(_read()), batch.faults_comment(BATCH)
    yield file("Rows with faults", f"{_ID}-faults.csv", faults, comment, PostKind.BATCH_FAULTS)
    of_rows = [replace(CHECK_BVN, batch=_ID, batch_row=row, customer_reference=f"C-{row}") for row in (2, 3)]
    links = batch_links.csv([(check, a_link(LinkStep.MADE), CAPTURE_LINK) for check in of_rows])
    name, comment = f"{_ID}-links-20261116-091500.csv", batch_links.comment(BATCH, 2)
    sent = File(channel="D0KYC", thread_ts=None, name=name, data=links, comment=comment)
    yield Scene(caption="Links for its customers", shows=sent, kinds=[PostKind.BATCH_LINKS], place=Place.DIRECT)
    yield Scene(
        caption="Half of their time is over",
        shows=batch_links.reminder(BATCH, 2, until=a_link(LinkStep.MADE).expires_at),
        kinds=[PostKind.LINK_REMINDER],
        place=Place.DIRECT,
    )
    yield Scene(
        caption="Slack has not taken the file of links",
        shows=batch_links.lost(BATCH),
        kinds=[PostKind.BATCH_LINKS_LOST],
        place=Place.THREAD,
    )
    rows = [
        replace(
            ended(STATES[reading(why).outcome], reading(why)),
            batch=_ID,
            batch_row=row,
            customer_reference=f"C-{row}",
            ended_at=ASKED_AT + timedelta(seconds=40),
        )
        for row, why in enumerate(
            (ResultStory.CONFIRMED, ResultStory.FACES_DIFFER, ResultStory.AUTHORITY_DOWN), start=2
        )
    ]
    failed = replace(rows[0], state=State.FAILED, verdict=None, verdict_why=None, batch_row=5, failure="photo",
                     failure_words="The selfie: The file is damaged. Attach another one.")  # fmt: skip
    results = batch.results_csv([*rows, failed], with_customer_reference=False)
    comment = batch.results_comment(
        BATCH, BatchCounts(approved=15, rejected=2, failed=1, needs_person=2), still_open=True
    )
    yield file(
        "Results of a file of which one record was altered",
        f"{_ID}-results-all.csv",
        results,
        batch.results_comment(BATCH, BatchCounts(approved=17, rejected=2, altered=1), still_open=False),
        PostKind.BATCH_RESULTS,
    )
    yield file("Results", f"{_ID}-results-open.csv", results, comment, PostKind.BATCH_RESULTS)
    directly = batch.results_comment(BATCH, BatchCounts(approved=17, rejected=2), still_open=False, is_moved=True)
    sent = File(channel=AMINA, thread_ts=None, name=f"{_ID}-results-all.csv", data=results, comment=directly)
    yield Scene(
        caption="Results of a file whose thread is closed to the bot",
        shows=sent,
        kinds=[PostKind.BATCH_RESULTS],
        place=Place.DIRECT,
    )
    yield file("The template", "applicants-template.csv", template_csv(), batch.TEMPLATE_COMMENT)
