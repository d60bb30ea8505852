"""Opens the photos of a batch when its rows are sent, one at a time, from several threads at once."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import KW_ONLY, dataclass, field
from typing import BinaryIO

from bot.domain.applicants.archive import BROKEN
from bot.domain.applicants.columns import LIVENESS_BASE64, SELFIE_BASE64, read_header
from bot.domain.applicants.model import Limits, PhotoSource, SourceFile
from bot.domain.applicants.sources import Sources, locate, open_table
from bot.domain.applicants.values import decode, parts_of
from bot.domain.check.field_faults import FieldFault
from bot.domain.check.request import LIVENESS_IMAGES
from bot.domain.id_types.id_types import IDTypes
from bot.errors import FileCode, FileUnusable, PhotoCode, PhotoUnusable


@dataclass(slots=True, eq=False, repr=False)
class Bundle:
    """The files that `read` read, reopened.

    `spool` is a temporary file that nobody else can open: photos inside cells are decoded into it once, when the
    first of them is needed. `lock` is an ordinary lock (`threading.Lock()`). Both are handed in because the domain
    touches neither disk nor threads by itself. While a bundle is open, nobody else may read `files`.
    """

    files: Sequence[SourceFile]
    limits: Limits
    _: KW_ONLY
    id_types: IDTypes
    spool: BinaryIO
    lock: AbstractContextManager[object]
    _sources: Sources | None = field(init=False, default=None)
    _sizes: dict[tuple[str, int], int] = field(init=False, default_factory=dict)
    _cells: dict[str, tuple[int, int]] | None = field(init=False, default=None)
    """Photo inside a cell to where it is in the spool: offset and length."""
    _closed: bool = field(init=False, default=False)

    def photo(self, source: PhotoSource) -> tuple[bytes, bool]:
        """The photo's bytes, and whether they came as base64 in a cell (such go out as image types 2 and 6).

        Raises PhotoUnusable if this photo cannot be read, FileUnusable if its file cannot. Photos that are files in
        Slack themselves (`inside` None) are none of ours.
        """
        kind, _, index = (source.inside or "").partition(":")
        if kind == "zip" and index.isdecimal():
            return self._from_zip(source.file_id, int(index)), False
        if kind == "cell":
            return self._from_cell(source), True
        raise FileUnusable(FileCode.NOT_AT_HAND)

    def size(self, source: PhotoSource) -> int:
        """How many bytes `photo` gives at most; 0 where it will say why it gives none. Raises FileUnusable."""
        kind, _, index = (source.inside or "").partition(":")
        with self.lock:
            if kind == "cell":
                return self._cell_places(self._open()).get(source.inside or "", (0, 0))[1]
            self._open()
        found = self._sizes.get((source.file_id, int(index)), 0) if index.isdecimal() else 0
        return min(found, self.limits.photo_bytes)

    def close(self) -> None:
        """Give the spool back. The files stay the caller's. Harmless twice."""
        with self.lock:
            self._closed = True
            self.spool.close()

    def _open(self) -> Sources:
        """Under the lock. One archive per zip: two on the same file would disturb each other's reading."""
        if self._closed:
            raise FileUnusable(FileCode.NOT_AT_HAND)
        if self._sources is None:
            self._sources = locate(self.files, self.limits)
            self._sizes = {
                (file_id, entry.index): entry.size
                for file_id, archive in self._sources.archives.items()
                for entry in archive.entries
            }
        return self._sources

    def _from_zip(self, file_id: str, index: int) -> bytes:
        with self.lock:
            archive = self._open().archives.get(file_id)
        size = self._sizes.get((file_id, index))
        if archive is None or size is None:
            raise FileUnusable(FileCode.NOT_AT_HAND)
        limit = self.limits.photo_bytes
        if size > limit:
            raise PhotoUnusable(PhotoCode.TOO_LARGE, megabytes=limit // 1024 // 1024)
        try:
            # zipfile locks the shared file by itself; unpacking runs in parallel.
            return archive.read(index, limit)
        except BROKEN as fault:
            raise PhotoUnusable(PhotoCode.DAMAGED_IN_ZIP) from fault

    def _from_cell(self, source: PhotoSource) -> bytes:
        with self.lock:
            sources = self._open()
            place = self._cell_places(sources).get(source.inside or "")
            if place is None or source.file_id != sources.table.file.file_id:
                raise PhotoUnusable(PhotoCode.NOT_IN_TABLE)
            self.spool.seek(place[0])
            return self.spool.read(place[1])

    def _cell_places(self, sources: Sources) -> dict[str, tuple[int, int]]:
        """Under the lock: the spool is written once, when it is first needed."""
        if self._cells is None:
            self._cells = self._spool_cells(sources)
        return self._cells

    def _spool_cells(self, sources: Sources) -> dict[str, tuple[int, int]]:
        places: dict[str, tuple[int, int]] = {}
        at = 0
        self.spool.seek(0)
        for name, data in self._decoded(sources):
            self.spool.write(data)
            places[name] = (at, len(data))
            at += len(data)
        return places

    def _decoded(self, sources: Sources) -> Iterator[tuple[str, bytes]]:
        """Every photo inside a cell that is one; the others are faults of their rows."""
        table = open_table(sources.table, self.id_types, self.limits)
        columns = read_header(table.header, self.id_types)
        count = 0
        for row, cells, hidden in table.rows():
            count += not hidden
            if count > self.limits.rows:
                return
            for what, column in (("selfie", SELFIE_BASE64), ("liveness", LIVENESS_BASE64)):
                for position, part in enumerate(parts_of(columns.cell(cells, column))[: LIVENESS_IMAGES + 1]):
                    photo = decode(part, self.limits.photo_bytes)
                    if not isinstance(photo, FieldFault):
                        yield f"cell:{row}:{what}:{position}", photo
