"""Any file: the same people in any order and writing are the same; a photo is never somebody else's; damage is told."""

import io
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.applicants import Limits, SourceFile
from bot.domain.check.photos import prepare
from bot.errors import FileUnusable, PhotoUnusable
from bot.slack.blocks.refusals import sentence
from tests.domain.applicants.making import JPEG, bundle, csv_bytes, reading, table, xlsx_bytes, zip_bytes

FIELDS = {
    "country": ["country", "Country", "COUNTRY CODE", "issuing-country"],
    "id_type": ["id_type", "ID Type", "document type", "type"],
    "id_number": ["id_number", "ID-Number", "number", "Document_Number"],
    "first_name": ["first_name", "First Name", "given name", "forename"],
    "last_name": ["last_name", "Surname", "family name", "LAST NAME"],
    "customer_reference": ["customer_reference", "Reference", "external id"],
    "selfie": ["selfie", "Photo", "selfie file", "picture"],
}
NAMES = st.text(st.sampled_from("abcdeéñßøŵ"), min_size=2, max_size=8).map(str.title)
SECONDS = 5.0
BYTES = 60 * 1024 * 1024


@st.composite
def people(draw: st.DrawFn) -> list[dict[str, str]]:
    count = draw(st.integers(1, 5))
    return [
        {
            "country": "NG",
            "id_type": "BVN",
            "id_number": f"222{n:08d}",
            "first_name": draw(NAMES),
            "last_name": draw(NAMES),
            "customer_reference": f"CUST-{n}",
            "selfie": f"photo {n}.jpg",
        }
        for n in range(count)
    ]


@pytest.mark.slow
@given(people(), st.data())
def test_order_of_columns_and_rows_delimiter_and_encoding_do_not_matter(
    rows: list[dict[str, str]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(list(FIELDS)))
    header = [data.draw(st.sampled_from(FIELDS[name])) for name in order]
    shuffled = data.draw(st.permutations(rows))
    cells = [header, *([row[name] for name in order] for row in shuffled)]
    kind = data.draw(st.sampled_from(["csv", "xlsx"]))
    if kind == "xlsx":
        content = xlsx_bytes(cells)
    else:
        encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
        content = csv_bytes(*cells, delimiter=data.draw(st.sampled_from(",;\t")), encoding=encoding)
    photos = {f"photo {n}.jpg": JPEG + bytes([n]) for n in range(len(rows))}
    source = SourceFile(file_id="FZ", name="a.zip", content=io.BytesIO(zip_bytes({f"t.{kind}": content, **photos})))
    found = reading(source)
    opened = bundle(source)
    assert len(found.applicants) == len(rows)
    for at, (one, row) in enumerate(zip(found.applicants, shuffled, strict=True)):
        assert one.row == at + 2
        assert not one.faults
        assert (one.country, one.id_type, one.customer_reference) == ("NG", "BVN", row["customer_reference"])
        assert dict(one.texts) == {name: row[name] for name in ("id_number", "first_name", "last_name")}
        assert one.selfie is not None
        assert opened.photo(one.selfie)[0] == photos[row["selfie"]]


STEMS = ["22200000000", "22200000001", "CUST-0", "cust-1", "ada_obi", "Ada Obi", "ben_eze", "selfie", "1", "0"]


@given(
    st.lists(st.tuples(st.sampled_from(["", "a/", "22200000000/"]), st.sampled_from(STEMS)), max_size=6, unique=True),
    st.lists(st.sampled_from(["", "selfie.jpg", "22200000001.jpg", "a/1.jpg", "nobody.jpg"]), min_size=2, max_size=2),
)
def test_a_photo_is_never_somebody_elses(names: list[tuple[str, str]], columns: list[str]) -> None:
    """Against an oracle: a row's photo is the one that its column names, or one whose name says its own keys."""
    rows: Sequence[Mapping[str, str]] = [
        {"number": "22200000000", "reference": "CUST-0", "name": "ada obi"},
        {"number": "22200000001", "reference": "CUST-1", "name": "ben eze"},
    ]
    paths = list({f"{folder}{stem}.jpg".casefold(): f"{folder}{stem}.jpg" for folder, stem in names}.values())
    header = ("country", "id_type", "id_number", "first_name", "last_name", "customer_reference", "selfie")
    lines = [
        ("NG", "BVN", row["number"], *row["name"].title().split(), row["reference"], column)
        for row, column in zip(rows, columns, strict=True)
    ]
    content = {"people.csv": csv_bytes(header, *lines)} | {path: JPEG + path.encode() for path in paths}
    source = SourceFile(file_id="FZ", name="a.zip", content=io.BytesIO(zip_bytes(content)))
    opened = bundle(source)
    taken: list[str] = []
    for one, row, column in zip(reading(source).applicants, rows, columns, strict=True):
        if one.selfie is None or one.faults:
            continue
        path = opened.photo(one.selfie)[0].removeprefix(JPEG).decode()
        taken.append(path)
        parts = [part.casefold().replace("_", " ") for part in path.removesuffix(".jpg").split("/")]
        keys = {row["number"], row["reference"].casefold(), row["name"]}
        if column:
            assert path.casefold().endswith(column.casefold())
        else:
            assert keys & set(parts), (path, row)
        others = {key for other in rows if other is not row for key in (other["number"], other["reference"].casefold())}
        if not column:
            assert not others & set(parts), (path, row)
    assert len(set(taken)) == len(taken)


WHOLE = {
    "people.zip": zip_bytes({
        "people.csv": csv_bytes(("country", "id_type", "id_number", "selfie"), ("NG", "BVN", "22212345678", "a.jpg")),
        "a.jpg": JPEG * 50,
    }),
    "people.xlsx": xlsx_bytes([["country", "id_type", "id_number"], ["NG", "BVN", "22212345678"]]),
    "people.csv": csv_bytes(("country", "id_type", "id_number"), ("NG", "BVN", "22212345678")),
    "people.json": b'[{"country": "NG", "id_type": "BVN", "id_number": "22212345678", "selfie_base64": "/9j/4A=="}]',
}  # fmt: skip


def damaged(draw: Any, whole: bytes) -> bytes:
    data = bytearray(whole)
    for _change in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["flip", "cut", "insert", "repeat"])):
            case "flip" if data:
                data[at] ^= draw(st.integers(1, 255))
            case "cut":
                del data[at : at + draw(st.integers(1, 200))]
            case "insert":
                data[at:at] = draw(st.binary(max_size=40))
            case _:
                data += data[at : at + 300]
    return bytes(data)


def within_bounds(act: Callable[[], None]) -> None:
    """Done or refused in words, and nothing else, in bounded time and memory."""
    tracemalloc.start()
    began = time.process_time()
    words = "fine"
    try:
        act()
    except (FileUnusable, PhotoUnusable) as refused:
        words = sentence(refused)
    seconds, (_now, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert words
    assert seconds < SECONDS
    assert peak < BYTES


@pytest.mark.endurance
@pytest.mark.slow
@settings(max_examples=400)
@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_a_damaged_file_is_read_or_refused_within_bounds(name: str, data: st.DataObject) -> None:
    source = table(damaged(data.draw, WHOLE[name]), name, "FZ")

    def act() -> None:
        found = reading(source, limits=Limits(unpacked_bytes=20 * 1024 * 1024))
        opened = bundle(source)
        for one in found.applicants:
            if one.selfie is not None and one.selfie.inside:
                opened.photo(one.selfie)

    within_bounds(act)


PHOTOS = Path(__file__).parents[3] / "bot" / "sandbox" / "data" / "photos"
PHOTO = (PHOTOS / "liveness_0.jpg").read_bytes()


@pytest.mark.endurance
@pytest.mark.slow
@settings(max_examples=150)
@given(st.data())
def test_a_damaged_photo_is_used_or_refused_within_bounds(data: st.DataObject) -> None:
    content = damaged(data.draw, PHOTO)
    within_bounds(lambda: _prepared(content))


def _prepared(content: bytes) -> None:
    assert prepare(content).jpeg.startswith(b"\xff\xd8")
