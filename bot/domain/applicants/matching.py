"""Which photo belongs to which row: exactly, or not at all.

A photo with the wrong person is the worst this room could do. So a photo is given to a row only if the row has no
other that fits and no other row has any claim to it; everything else is a fault.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.domain.applicants.archive import Archive, path_key
from bot.domain.applicants.drafts import ApplicantDraft
from bot.domain.applicants.model import PhotoSource
from bot.domain.applicants.sources import TableLocation
from bot.domain.check.field_faults import FieldCode, FieldFault
from bot.domain.check.fields import clean
from bot.domain.check.file_kinds import APPLICANTS, LIKE_PHOTOS, FileKind, kind_by_name
from bot.domain.check.request import FileInfo

_LIVENESS_NAME = re.compile(r"liveness[ _-]?[0-9]+")
_BETWEEN_NAMES = re.compile(r"[\s_.-]+")
_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class Picture:
    """One file that may be meant as a photo."""

    source: PhotoSource
    info: FileInfo
    path: str = field(repr=False)
    """As `path_key` gives it."""
    likely: bool
    """A photo, or what a person may take for one (a PDF, a film): such files are matched by their own names."""

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def base(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        head, dot, tail = self.base.rpartition(".")
        return head if dot and head and self.likely and len(tail) <= 4 else self.base


@dataclass(slots=True)
class Match:
    """The photos of one row; None where `faults` say why not."""

    selfie: Picture | None = None
    liveness: tuple[Picture, ...] = ()
    faults: dict[str, FieldFault] = field(default_factory=dict)


def pictures(archives: Mapping[str, Archive], loose: Sequence[FileInfo], table: TableLocation) -> list[Picture]:
    """Everything but the table and zips, by names alone."""
    found = []
    for file in loose:
        if file.kind not in APPLICANTS:
            likely = file.kind in LIKE_PHOTOS
            found.append(Picture(PhotoSource(file_id=file.id), file, path_key(file.name.replace("/", "_")), likely))
    for file_id, archive in archives.items():
        for entry in archive.entries:
            is_table = table.archive is archive and table.index == entry.index
            if is_table or kind_by_name(entry.path) is FileKind.ZIP:
                continue
            source = PhotoSource(file_id=file_id, inside=f"zip:{entry.index}")
            name = entry.path.rpartition("/")[2]
            plain = FileInfo(id=f"{file_id}/{source.inside}", name=name, size=entry.size)
            likely = plain.kind in LIKE_PHOTOS
            info = plain if likely else replace(plain, mimetype="application/other")
            found.append(Picture(source, info, path_key(entry.path), likely))
    return found


class PhotoMatcher:
    def __init__(self, drafts: Sequence[ApplicantDraft], found: Sequence[Picture], *, inner_zips: bool) -> None:
        self._drafts = drafts
        self._inner_zips = inner_zips
        self._claimed: defaultdict[Picture, set[int]] = defaultdict(set)
        """Places of all rows that have any claim to a picture."""
        self._by_base: defaultdict[str, list[Picture]] = defaultdict(list)
        self._by_stem: defaultdict[str, list[Picture]] = defaultdict(list)
        self._by_folder: defaultdict[str, list[Picture]] = defaultdict(list)
        """By every ending of the folder's path that begins at a folder."""
        for picture in found:
            self._by_base[picture.base].append(picture)
            if picture.likely:
                self._by_stem[picture.stem].append(picture)
                parts = picture.folder.split("/")
                for start in range(min(len(parts), _DEEPEST)):
                    self._by_folder["/".join(parts[len(parts) - 1 - start :])].append(picture)
        self._own_selfies, self._own_liveness = self._claims_by_name(found)

    def matches(self) -> list[Match]:
        """One for each draft, in their order."""
        selfies = [self._selfies(place, draft) for place, draft in enumerate(self._drafts)]
        liveness = [self._liveness(place, draft, selfies[place]) for place, draft in enumerate(self._drafts)]
        for place in range(len(self._drafts)):
            for picture in (*selfies[place], *(one for named in liveness[place] for one in named)):
                self._claimed[picture].add(place)
        return [self._settle(place, selfies[place], liveness[place]) for place in range(len(self._drafts))]

    def _claims_by_name(
        self, found: Iterable[Picture]
    ) -> tuple[Mapping[int, list[Picture]], Mapping[int, list[Picture]]]:
        exact, names = self._places_by_key()
        selfies: defaultdict[int, list[Picture]] = defaultdict(list)
        liveness: defaultdict[int, list[Picture]] = defaultdict(list)
        for picture in (one for one in found if one.likely):
            owners = exact.get(picture.stem, set()) | names.get(_name_key(picture.stem), set())
            of_folder = exact.get(picture.folder.rpartition("/")[2], set()) if picture.folder else set()
            if picture.stem == "selfie":
                owners = owners | of_folder
            for place in owners:
                selfies[place].append(picture)
                self._claimed[picture].add(place)
            for part in picture.folder.split("/"):
                # In a folder that bears one person's number a file called like another's is nobody's for sure.
                self._claimed[picture] |= exact.get(part, set())
            if _LIVENESS_NAME.fullmatch(picture.stem):
                for place in of_folder:
                    liveness[place].append(picture)
                    self._claimed[picture].add(place)
        return selfies, liveness

    def _places_by_key(self) -> tuple[Mapping[str, set[int]], Mapping[str, set[int]]]:
        """The rows that a file may be called after: by number or customer reference, and by name."""
        exact: defaultdict[str, set[int]] = defaultdict(set)
        names: defaultdict[str, set[int]] = defaultdict(set)
        for place, draft in enumerate(self._drafts):
            for key in filter(None, (*draft.numbers, draft.customer_reference)):
                exact[path_key(key)].add(place)
            first, last = draft.texts.get("first_name", ""), draft.texts.get("last_name", "")
            if first and last:
                names[_name_key(f"{first} {last}")].add(place)
        return exact, names

    def _selfies(self, place: int, draft: ApplicantDraft) -> list[Picture]:
        if draft.selfie:
            return self._named(draft.selfie)
        return [] if draft.inline_selfie is not None else self._own_selfies.get(place, [])

    def _named(self, name: str) -> list[Picture]:
        key = path_key(clean(name))
        last = key.rpartition("/")[2]
        if not last:
            return []
        found = [one for one in self._by_base.get(last, []) if f"/{one.path}".endswith(f"/{key}")]
        return found or [one for one in self._by_stem.get(last, []) if f"/{one.folder}/{one.stem}".endswith(f"/{key}")]

    def _liveness(self, place: int, draft: ApplicantDraft, selfies: Sequence[Picture]) -> list[list[Picture]]:
        if draft.inline_liveness and not draft.liveness:
            return []
        if not draft.liveness:
            own = self._own_liveness.get(place, [])
            return [[picture] for picture in sorted(own, key=_natural)]
        if len(draft.liveness) == 1:
            inside = self._by_folder.get(path_key(clean(draft.liveness[0])), [])
            if inside:
                return [[picture] for picture in sorted(inside, key=_natural) if picture not in selfies]
        return [self._named(name) for name in draft.liveness]

    def _settle(self, place: int, selfies: Sequence[Picture], liveness: Sequence[Sequence[Picture]]) -> Match:
        draft, result = self._drafts[place], Match()
        if draft.inline_selfie is None:
            fault = self._selfie_fault(place, draft, selfies)
            if fault:
                result.faults["selfie"] = fault
            else:
                result.selfie = selfies[0]
        for number, named in enumerate(liveness, start=1):
            not_found = FieldFault(FieldCode.IMAGE_NOT_FOUND, inner_zips=self._inner_zips)
            fault = self._doubt(place, named) if named else not_found
            if fault:
                result.faults["liveness"] = fault.of_image(number)
                break
        else:
            if len({one[0].folder for one in liveness}) > 1 and not draft.liveness:
                result.faults["liveness"] = FieldFault(FieldCode.LIVENESS_IN_TWO_FOLDERS)
            else:
                result.liveness = tuple(named[0] for named in liveness)
        return result

    def _selfie_fault(self, place: int, draft: ApplicantDraft, selfies: Sequence[Picture]) -> FieldFault | None:
        if selfies:
            return self._doubt(place, selfies)
        code = FieldCode.NO_SUCH_PHOTO if draft.selfie else FieldCode.NO_PHOTO
        return FieldFault(code, inner_zips=self._inner_zips)

    def _doubt(self, place: int, candidates: Sequence[Picture]) -> FieldFault | None:
        if len(candidates) > 1:
            return FieldFault(FieldCode.SEVERAL_PHOTOS, several=len(candidates))
        others = sorted(self._claimed[candidates[0]] - {place})
        return FieldFault(FieldCode.PHOTO_OF_OTHER_ROW, row=self._drafts[others[0]].row) if others else None


_DEEPEST = 20
"""Folders within folders that a name in the table may spell out."""


def _name_key(name: str) -> str:
    return "_".join(part for part in _BETWEEN_NAMES.split(path_key(name)) if part)


def _natural(picture: Picture) -> list[tuple[int, str]]:
    """Image 2 before image 10."""
    return [
        (int(part), "") if part.isdecimal() and part.isascii() else (-1, part) for part in _DIGITS.split(picture.path)
    ]
