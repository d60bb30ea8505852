"""The file that moves the demo's time: what stands in it counts, anything else is the machine's time."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.runtime.clock import Clock
from bot.sandbox.demo.clock import LONGEST, ClockFile
from bot.sandbox.demo.clocked_bot import MovedTime


@pytest.mark.parametrize("content", [b"", b"soon", b"nan", b"inf", b"-1e300", b"\xff\xfe", b"1 2", b"99999999999"])
def test_a_broken_file_is_no_offset(tmp_path: Path, content: bytes) -> None:
    clock = ClockFile(tmp_path / "clock")
    clock.path.write_bytes(content)
    assert clock.offset == timedelta(0)


def test_a_missing_file_and_a_folder_are_no_offset(tmp_path: Path) -> None:
    assert ClockFile(tmp_path / "clock").offset == ClockFile(tmp_path).offset == timedelta(0)


@given(st.binary(max_size=40))
def test_no_content_is_a_crash(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    clock = ClockFile(tmp_path_factory.getbasetemp() / "any-clock")
    clock.path.write_bytes(content)
    assert abs(clock.offset) <= LONGEST
    assert abs(clock.now() - datetime.now(UTC)) <= LONGEST + timedelta(minutes=1)


@pytest.mark.parametrize("offset", [timedelta(hours=-38), timedelta(0), timedelta(seconds=21600.5)])
def test_the_offset_is_read_as_it_was_set(tmp_path: Path, offset: timedelta) -> None:
    clock = ClockFile(tmp_path / "clock")
    clock.set(offset)
    assert ClockFile(clock.path).offset == offset
    assert abs(clock.now() - datetime.now(UTC) - offset) < timedelta(minutes=1)
    assert list(tmp_path.iterdir()) == [clock.path]


def test_a_reader_finds_the_old_offset_or_the_new_one(tmp_path: Path) -> None:
    clock = ClockFile(tmp_path / "clock")
    either = {timedelta(days=-1), timedelta(hours=6, microseconds=1)}
    clock.set(min(either))
    written = threading.Event()

    def write() -> None:
        for number in range(200):
            clock.set(sorted(either)[number % 2])
        written.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not written.is_set():
        seen.add(clock.offset)
    writer.join()
    assert seen <= either


def test_time_that_passes_is_no_clock_that_was_set(tmp_path: Path) -> None:
    file = ClockFile(tmp_path / "clock")
    time = MovedTime(file)
    clock = Clock(wall=time.wall, since_boot=time.since_boot)
    before, steady = clock.now(), clock.steady()
    file.set(timedelta(hours=6))
    # Nobody has followed yet: both clocks stay, however often they are read.
    assert clock.now() - before < timedelta(hours=1)
    assert time.follow() == timedelta(hours=6)
    assert timedelta(hours=6) <= clock.now() - before < timedelta(hours=7)
    assert timedelta(hours=6) <= clock.steady() - steady < timedelta(hours=7)
    assert abs(clock.step()) < timedelta(seconds=1)


def test_time_never_goes_back(tmp_path: Path) -> None:
    file = ClockFile(tmp_path / "clock")
    file.set(timedelta(hours=6))
    time = MovedTime(file)
    file.path.unlink()
    assert time.follow() == timedelta(0)
    assert time.offset == timedelta(hours=6)
    file.set(timedelta(hours=7))
    assert time.follow() == timedelta(hours=1)
