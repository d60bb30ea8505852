"""The bare record as a file for a manager."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

from bot.domain.outbox import PostKind
from bot.domain.reporting.exports import Export, ExportFormat, ExportState
from bot.domain.reporting.periods import period_of_days
from bot.domain.reporting.spreadsheets import csv_text
from bot.errors import Refusal, Refused
from bot.outbox.builders import File
from bot.slack.blocks import export, refusals
from bot.slack.blocks.private import answer
from storage.exports import FIELDS
from tests.pictures.people import AMINA, ZOLA
from tests.pictures.scene import Place, Scene, Sheet

_EXPORT = Export(
    id="X-5P8R2C",
    state=ExportState.ASKED,
    person=ZOLA,
    form=ExportFormat.CSV,
    period=period_of_days(date(2026, 11, 1), date(2026, 11, 15)),
    since=datetime(2026, 10, 31, 23, tzinfo=UTC),
    until=datetime(2026, 11, 15, 23, tzinfo=UTC),
    total=48_210,
    written=12_000,
)
_LINE = {
    "ref": "K-7F3K2Q",
    "state": "approved",
    "verdict": "0810",
    "country": "NG",
    "id_type": "BVN",
    "requester": AMINA,
    "asked_at": "2026-11-15T14:02:00+00:00",
    "ended_at": "2026-11-15T14:02:09+00:00",
    "attempts": "1",
}


def sheets() -> list[Sheet]:
    return [
        Sheet(
            name="exports",
            title="Exports",
            line="`/kyc export`: answered at once; a list without personal data follows by direct message.",
            scenes=[*_answers(), *_directly()],
        )
    ]


def _answers() -> Iterator[Scene]:
    def scene(caption: str, text: str) -> Scene:
        return Scene(caption=caption, shows=answer(text), place=Place.PRIVATE)

    yield scene("/kyc export 2026-11-01..2026-11-15", export.preparing(_EXPORT))
    yield scene("/kyc export xlsx", export.preparing(replace(_EXPORT, form=ExportFormat.XLSX, period=None, total=1)))
    yield scene(
        "More than Slack is given", refusals.sentence(Refused(Refusal.EXPORT_TOO_MANY, total=120_345, most=100_000))
    )
    yield scene(
        "A word that I do not know", refusals.sentence(Refused(Refusal.EXPORT_NOT_UNDERSTOOD, typed="everything"))
    )


def _directly() -> Iterator[Scene]:
    for state in ExportState:
        kind = PostKind.EXPORT if state is ExportState.ASKED else PostKind.EXPORT_PROGRESS
        said = export.message(replace(_EXPORT, state=state, written=12_000 if state is ExportState.ASKED else 48_210))
        yield Scene(caption=f"A long one: {state.value}", shows=said, kinds=[kind], place=Place.DIRECT)
    done = replace(_EXPORT, written=2, total=2)
    sent = File(
        channel="D0",
        thread_ts=None,
        name=done.file_name,
        data=csv_text([FIELDS, [_LINE.get(name, "") for name in FIELDS]]).encode(),
        comment=export.comment(done),
    )
    yield Scene(caption="The file", shows=sent, kinds=[PostKind.EXPORT_FILE], place=Place.DIRECT)
