"""Photos opened when their rows are sent."""

import base64
import io
import random
import time
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from bot.domain.applicants import Limits, PhotoSource
from bot.errors import FileUnusable, PhotoCode, PhotoUnusable
from bot.slack.blocks.refusals import sentence
from tests.domain.applicants.making import ADA, HEADER, JPEG, bundle, csv_bytes, reading, table, zip_bytes, zipped


def test_a_photo_comes_out_of_the_zip_as_it_went_in() -> None:
    content = {"people.csv": csv_bytes(HEADER, ADA), "ada.jpg": JPEG}
    (ada,) = reading(zipped(content)).applicants
    assert ada.selfie is not None
    opened = bundle(zipped(content))
    assert opened.photo(ada.selfie) == (JPEG, False)
    assert opened.size(ada.selfie) == len(JPEG)


@pytest.mark.parametrize("inside", [None, "zip:9", "zip:x", "zip:-1", "", "other:1"])
def test_what_the_bundle_does_not_hold_is_reported(inside: str | None) -> None:
    opened = bundle(zipped({"people.csv": csv_bytes(HEADER, ADA)}))
    assert opened.size(PhotoSource(file_id="FZ", inside=inside)) == 0
    with pytest.raises(FileUnusable) as caught:
        opened.photo(PhotoSource(file_id="FZ", inside=inside))
    assert sentence(caught.value) == "The file that holds this photo is no longer at hand. Send it again."


def test_a_damaged_and_a_too_large_photo_are_that_photos_fault() -> None:
    data = zip_bytes({"people.csv": csv_bytes(HEADER, ADA), "ada.jpg": JPEG}, zipfile.ZIP_STORED)
    data = data.replace(JPEG, JPEG[:-1] + b"X")
    with pytest.raises(PhotoUnusable) as caught:
        bundle(table(data, "all.zip", "FZ")).photo(PhotoSource(file_id="FZ", inside="zip:1"))
    assert sentence(caught.value) == "This photo is damaged in the zip. Make the zip again."
    with pytest.raises(PhotoUnusable) as caught:
        bundle(table(data, "all.zip", "FZ"), limits=Limits(photo_bytes=10)).photo(
            PhotoSource(file_id="FZ", inside="zip:1")
        )
    assert caught.value.code is PhotoCode.TOO_LARGE


def test_a_closed_bundle_gives_nothing() -> None:
    opened = bundle(zipped({"people.csv": csv_bytes(HEADER, ADA), "ada.jpg": JPEG}))
    opened.close()
    opened.close()
    for ask in (opened.photo, opened.size):
        with pytest.raises(FileUnusable):
            ask(PhotoSource(file_id="FZ", inside="zip:1"))


@pytest.mark.slow
@pytest.mark.parametrize("in_zip", [False, True])
def test_many_threads_get_their_own_photos(in_zip: bool) -> None:
    rng = random.Random(7)
    photos = [JPEG + rng.randbytes(20_000) for _ in range(60)]
    rows = [
        ("NG", "BVN", f"222123456{n:02}", base64.b64encode(data).decode(), f"{n}.jpg" if n < 0 else "")
        for n, data in enumerate(photos)
    ]
    people = csv_bytes(("country", "id_type", "id_number", "selfie_base64", "selfie"), *rows)
    packed = zip_bytes({"people.csv": people, **{f"{n}.jpg": data for n, data in enumerate(photos)}})
    file = table(packed, "all.zip") if in_zip else table(people)
    found = reading(file).applicants
    assert [a.faults for a in found] == [()] * 60
    opened = bundle(file)
    wanted = [(a.selfie, (data, True)) for a, data in zip(found, photos, strict=True)]
    if in_zip:
        wanted += [
            (PhotoSource(file_id="FT", inside=f"zip:{n}"), (data, False)) for n, data in enumerate(photos, start=1)
        ]
    wanted *= 3
    rng.shuffle(wanted)
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda pair: pair[0] and opened.photo(pair[0]), wanted))
    assert got == [photo for _, photo in wanted]


@pytest.mark.endurance
@pytest.mark.slow
def test_five_hundred_applicants_in_one_zip_are_read_without_unpacking_them() -> None:
    """4,500 photos of 40 kB; the figures leave room for a slow machine."""
    data = random.Random(1).randbytes(40_000)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as made:
        rows = [("NG", "BVN", f"22212{n:06}", f"C-{n}") for n in range(500)]
        made.writestr("people.csv", csv_bytes(("country", "id_type", "id_number", "ref"), *rows))
        for n in range(500):
            for name in ("selfie", *(f"liveness_{image}" for image in range(8))):
                made.writestr(f"people/C-{n}/{name}.jpg", JPEG + data)
    file = table(out.getvalue(), "all.zip")
    started = time.process_time()
    found = reading(file)
    took = time.process_time() - started
    tracemalloc.start()
    try:
        reading(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    print(f"500 applicants, 4,501 entries: {took:.2f} s, peak {peak / 1024 / 1024:.1f} MiB")
    assert all(not a.faults and len(a.liveness) == 8 for a in found.applicants)
    assert (len(found.applicants), found.unused_photos) == (500, 0)
    assert took < 3
    assert peak < 40 * 1024 * 1024


@pytest.mark.endurance
@pytest.mark.slow
def test_photos_inside_cells_are_not_held_while_the_table_is_read() -> None:
    text = base64.b64encode(JPEG + bytes(1_000_000)).decode()
    header = ("country", "id_type", "id_number", "selfie_base64")
    file = table(csv_bytes(header, *[("NG", "BVN", f"222123456{n:02}", text) for n in range(40)]))
    tracemalloc.start()
    try:
        found = reading(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert all(not a.faults for a in found.applicants)
    assert peak < 20 * 1024 * 1024
