"""Files of ID information with photos become rows that can become checks, each with what is wrong with it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from bot.domain.applicants.columns import LIVENESS_BASE64, PHOTO_FIELDS, SELFIE_BASE64, read_header
from bot.domain.applicants.drafts import ApplicantDraft, Drafts, drafts
from bot.domain.applicants.matching import Match, PhotoMatcher, Picture, pictures
from bot.domain.applicants.model import Applicant, Limits, PhotoSource, ReadApplicants, RowFault, SourceFile, shown
from bot.domain.applicants.sources import locate, open_table
from bot.domain.check.field_faults import FieldFault
from bot.domain.check.request import FileInfo, Form, ParsedForm, parse
from bot.domain.id_types.id_types import IDTypes
from bot.errors import FileCode, FileUnusable


def read(
    files: Sequence[SourceFile], loose: Sequence[FileInfo], *, id_types: IDTypes, today: date, limits: Limits
) -> ReadApplicants:
    """Read names, headers and the table; no photo is unpacked.

    `loose` are photos of the same message that were not fetched. Slow for large files: call it in a thread, and let
    nobody else read `files` meanwhile. Raises FileUnusable.
    """
    sources = locate(files, limits)
    table = open_table(sources.table, id_types, limits)
    columns = read_header(table.header, id_types, hidden=table.unseen.columns)
    rows = drafts(table, columns, id_types=id_types, limits=limits)
    if not rows.shown and not rows.hidden_rows:
        raise FileUnusable(FileCode.NO_ROWS)
    found = pictures(sources.archives, loose, sources.table)
    matched = list(_matched(rows, found, inner_zips=sources.inner_zips))
    table_id = sources.table.file.file_id
    seen: dict[tuple[str, ...], int] = {}
    applicants = []
    for draft, match in matched:
        selfie, liveness = (list(_infos(draft, match, table_id, what)) for what in ("selfie", "liveness"))
        form = _form(draft, selfie=[info for _, info in selfie], liveness=[info for _, info in liveness])
        parsed = parse(form, id_types, today=today, liveness_required=limits.liveness_required)
        same = [seen.setdefault(key, draft.row) for key in _keys(draft, parsed)]
        faults = _faults(draft, match, parsed).items()
        applicants.append(
            Applicant(
                row=draft.row,
                country=form.country,
                id_type=form.id_type,
                texts=parsed.id_info,
                customer_reference=parsed.customer_reference,
                selfie=selfie[0][0] if selfie else None,
                liveness=tuple(source for source, _ in liveness),
                faults=tuple(
                    RowFault(row=draft.row, column=columns.called(name), fault=fault, about_photos=name in PHOTO_FIELDS)
                    for name, fault in faults
                ),
                repeats=min((row for row in same if row != draft.row), default=None),
                hidden=draft.hidden,
            )
        )
    return ReadApplicants(
        table=shown(table.name),
        sheet=table.sheet,
        applicants=tuple(sorted(applicants, key=lambda one: one.row)),
        ignored_columns=columns.ignored,
        unused_photos=_unused(found, [match for _draft, match in matched]),
        unseen=table.unseen,
        hidden_rows=rows.hidden_rows,
    )


def _matched(rows: Drafts, found: Sequence[Picture], *, inner_zips: bool) -> Iterator[tuple[ApplicantDraft, Match]]:
    """Rows that are shown come first, and what is hidden has no claim to their photos."""
    yield from zip(rows.shown, PhotoMatcher(rows.shown, found, inner_zips=inner_zips).matches(), strict=True)
    if rows.hidden:
        everybody = [*rows.shown, *rows.hidden]
        matches = PhotoMatcher(everybody, found, inner_zips=inner_zips).matches()
        yield from zip(rows.hidden, matches[len(rows.shown) :], strict=True)


def _unused(found: Sequence[Picture], matches: Sequence[Match]) -> int:
    used = {picture for matched in matches for picture in (matched.selfie, *matched.liveness)}
    return sum(picture.likely and picture not in used for picture in found)


def _form(draft: ApplicantDraft, *, selfie: Sequence[FileInfo], liveness: Sequence[FileInfo]) -> Form:
    return Form(
        country=draft.country,
        id_type=draft.entry.id_type if draft.entry else "",
        texts=draft.texts,
        customer_reference=draft.customer_reference,
        selfie=selfie,
        liveness=liveness,
        # Consent is confirmed once for the whole batch.
        consent=True,
    )


def _faults(draft: ApplicantDraft, matched: Match, parsed: ParsedForm) -> Mapping[str, FieldFault]:
    """By the column that holds what is wrong: a photo may be named in one, or held in another."""
    faults = {**parsed.faults, **matched.faults}
    if draft.inline_selfie is not None and "selfie" in faults:
        faults[SELFIE_BASE64] = faults.pop("selfie")
    if draft.inline_liveness and "liveness" in faults:
        faults[LIVENESS_BASE64] = faults.pop("liveness")
    # What is wrong with the cell itself comes before what is wrong with its text.
    return faults | draft.faults


def _keys(draft: ApplicantDraft, parsed: ParsedForm) -> Iterator[tuple[str, ...]]:
    """What makes another row the same check as this one."""
    if draft.entry and (number := parsed.id_info.get("id_number")):
        yield "number", draft.country, draft.entry.id_type, number.casefold()
    if parsed.customer_reference:
        yield "reference", parsed.customer_reference.casefold()


def _infos(draft: ApplicantDraft, matched: Match, table_id: str, what: str) -> Iterator[tuple[PhotoSource, FileInfo]]:
    selfies = () if draft.inline_selfie is None else (draft.inline_selfie,)
    sizes = selfies if what == "selfie" else draft.inline_liveness
    for position, size in enumerate(sizes):
        inside = f"cell:{draft.row}:{what}:{position}"
        info = FileInfo(id=inside, name="photo.jpg", mimetype="image/jpeg", size=size)
        yield PhotoSource(file_id=table_id, inside=inside), info
    given = [matched.selfie] if what == "selfie" else matched.liveness
    for picture in given:
        if picture is not None and not sizes:
            yield picture.source, picture.info
