"""Which of the files is the table, and which zips come with it or hold it."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import BinaryIO, cast

from bot.domain.applicants.archive import BROKEN, Archive
from bot.domain.applicants.columns import known, read_header, type_names
from bot.domain.applicants.csv_table import read_csv
from bot.domain.applicants.json_table import read_json
from bot.domain.applicants.model import Limits, SourceFile, Table, shown, too_large
from bot.domain.applicants.variants import HEAD, is_workbook, refuse_beginning
from bot.domain.check.file_kinds import TABLES, UNREAD_TABLES, FileKind, kind_by_name
from bot.domain.id_types.id_types import IDTypes
from bot.errors import FileCode, FileUnusable

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLocation:
    """Where the one table is: a file, or an entry of an archive."""

    file: SourceFile
    kind: FileKind
    archive: Archive | None = None
    index: int | None = None
    name: str = field(repr=False)
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    table: TableLocation
    archives: Mapping[str, Archive]
    """By the id of the file in Slack."""
    inner_zips: bool
    """A zip within a zip, which is not opened."""


def locate(files: Sequence[SourceFile], limits: Limits) -> Sources:
    """Raises FileUnusable unless there is exactly one table in everything."""
    archives: dict[str, Archive] = {}
    tables: list[TableLocation] = []
    others: list[tuple[str, FileKind | None]] = []
    inner = False
    for file in files:
        kind = file.kind or kind_by_name(file.name)
        if kind in TABLES:
            size = file.content.seek(0, io.SEEK_END)
            tables.append(TableLocation(file=file, kind=kind, name=file.name, size=size))
        elif kind is FileKind.ZIP:
            archive = archives[file.file_id] = Archive.opened(file.content, file.name, limits)
            for entry in archive.entries:
                kind = kind_by_name(entry.path)
                inner = inner or kind is FileKind.ZIP
                if kind in TABLES:
                    tables.append(TableLocation(
                        file=file, kind=kind, archive=archive, index=entry.index, name=entry.path, size=entry.size,
                    ))  # fmt: skip
                elif kind in UNREAD_TABLES:
                    others.append((entry.path, kind))
        else:
            others.append((file.name, kind))
    return Sources(table=_only(tables, others, inner=inner), archives=archives, inner_zips=inner)


def _only(
    tables: Sequence[TableLocation], others: Sequence[tuple[str, FileKind | None]], *, inner: bool
) -> TableLocation:
    if len(tables) == 1:
        return tables[0]
    if tables:
        names = [shown(table.name) for table in tables[:_MOST_NAMED]]
        raise FileUnusable(FileCode.SEVERAL_TABLES, count=len(tables), names=names, more=len(tables) - len(names))
    if unread_table := next(((name, kind) for name, kind in others if kind in UNREAD_TABLES - {FileKind.TEXT}), None):
        raise FileUnusable(FileCode.KIND, name=shown(unread_table[0]), table_kind=unread_table[1])
    unread = shown(others[0][0]) if others else None
    raise FileUnusable(FileCode.NO_TABLE, unread=unread, inner_zips=inner)


def open_table(found: TableLocation, id_types: IDTypes, limits: Limits) -> Table:
    """The table, its header read. Raises FileUnusable; so does reading its rows."""
    knows = partial(known, names=type_names(id_types))
    if found.size > limits.zip_bytes:
        raise too_large(limits.table_bytes)
    opened = partial(_opened, found)
    with opened() as content:
        head = content.read(HEAD)
    if found.kind is FileKind.XLSX or is_workbook(head):
        # Not at the start of the bot, to which its library would add a tenth; this runs in a thread.
        from bot.domain.applicants.xlsx_table import read_xlsx  # noqa: PLC0415

        return read_xlsx(_seekable(found, limits), found.name, limits=limits, known=knows)
    refuse_beginning(head, found.name)
    if found.kind is FileKind.JSON:
        return read_json(opened, found.name, limits=limits)
    table = read_csv(opened, found.name, limits=limits, known=knows)
    if found.size > limits.table_bytes and not read_header(table.header, id_types).inline:
        raise too_large(limits.table_bytes)
    return table


def _seekable(found: TableLocation, limits: Limits) -> BinaryIO:
    if found.archive is None or found.index is None:
        return found.file.content
    if found.size > limits.table_bytes:
        raise too_large(limits.table_bytes)
    try:
        return io.BytesIO(found.archive.read(found.index, limits.table_bytes))
    except BROKEN as fault:
        raise FileUnusable(FileCode.ZIP_DAMAGED, name=shown(found.file.name)) from fault


@contextmanager
def _opened(found: TableLocation) -> Iterator[BinaryIO]:
    if found.archive is None or found.index is None:
        found.file.content.seek(0)
        yield found.file.content
        return
    try:
        with found.archive.stream(found.index) as stream:
            yield cast("BinaryIO", stream)
    except UnicodeDecodeError:
        raise
    except BROKEN as fault:
        raise FileUnusable(FileCode.ZIP_DAMAGED, name=shown(found.file.name)) from fault
