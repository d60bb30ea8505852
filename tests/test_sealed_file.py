"""A temporary file is like any other to who holds it, and noise to everybody else."""

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sealed_file import CHUNK, sealed_file

CANARY = b"Ada Clearly Invented 00000000000 "
EDGES = st.sampled_from([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK - 2])
PLACES = EDGES | st.integers(0, 4 * CHUNK)
ACTS = st.one_of(
    st.tuples(st.just("seek"), PLACES),
    st.tuples(st.just("write"), PLACES),
    st.tuples(st.just("read"), PLACES),
    st.tuples(st.just("truncate"), PLACES),
)


@given(st.lists(ACTS, max_size=12))
def test_it_holds_what_a_file_in_memory_holds(acts: list[tuple[str, int]]) -> None:
    plain = io.BytesIO()
    with sealed_file() as sealed:
        for number, (act, size) in enumerate(acts):
            for file in (plain, sealed):
                if act == "seek":
                    file.seek(size)
                elif act == "write":
                    file.write(bytes([number + 1]) * size)
                elif act == "truncate":
                    _truncate(file, size)
            if act == "read":
                assert sealed.read(size) == plain.read(size)
            assert sealed.tell() == plain.tell()
        sealed.seek(0)
        assert sealed.read() == plain.getvalue()


def _truncate(file: IO[bytes], size: int) -> None:
    """To that size; `BytesIO` never grows by it."""
    end = file.seek(0, os.SEEK_END)
    file.truncate(min(size, end))


def test_a_zip_is_written_to_it_and_read_from_it() -> None:
    photos = {f"{number}.jpg": os.urandom(CHUNK + number) for number in range(4)}
    with sealed_file() as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in photos.items():
                archive.writestr(name, content)
        with zipfile.ZipFile(file) as archive:
            assert archive.testzip() is None
            assert {name: archive.read(name) for name in archive.namelist()} == photos


def on_disk() -> Iterator[Path]:
    """The nameless files that this process has open."""
    for link in Path("/proc/self/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.endswith("(deleted)"):
            yield link


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the files of a process are listed by Linux alone")
def test_the_disk_holds_noise_and_a_change_of_it_is_noticed() -> None:
    with sealed_file() as file:
        known = {link.readlink() for link in on_disk()}
        file.write(CANARY * 20_000)
        file.seek(0)
        assert file.read(len(CANARY)) == CANARY
        file.seek(5 * CHUNK)
        file.write(b"flushed")
        file.flush()
        stored = [link for link in on_disk() if link.readlink() in known]
        contents = [link.read_bytes() for link in stored]
        assert any(len(content) > CHUNK for content in contents)
        assert not any(CANARY[:12] in content for content in contents)
        for link in stored:
            with link.open("r+b") as raw:
                raw.seek(2 * CHUNK)
                raw.write(b"\x00" * 16)
        file.seek(0)
        with pytest.raises(OSError, match="changed by somebody else"):
            file.read()
