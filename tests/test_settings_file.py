"""The file of `--settings`: read as systemd reads it, under the environment, and faults told without values."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bot import settings_file
from bot.__main__ import main
from bot.errors import SettingsFault
from tests.test_settings import ENOUGH


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "env"


# How a line is read


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=plain", "plain"),
        ("  A = blanks around  ", "blanks around"),
        ("A=", ""),
        ("A=two words # no comment", "two words # no comment"),
        ("A='single  $HOME \\n'", "single  $HOME \\n"),
        ('A="double \\"quoted\\" \\$HOME \\n"', 'double "quoted" $HOME \\n'),
        ("A='one'\"two\" three", "onetwothree"),
        ("A=it's", "it's"),
        ("A=$HOME", "$HOME"),
        ("A=back\\\\slash\\ ", "back\\slash "),
        ("A=first\\\nsecond", "firstsecond"),
        ('A="first\nsecond"', "first\nsecond"),
        ("A=carriage\r", "carriage"),
        ("A=key==", "key=="),
        ("\ufeffA=from Windows", "from Windows"),
        ("A=first\nA=last", "last"),
        ("# B=1\n; B=2 \\\n\nA=after comments", "after comments"),
    ],
)
def test_a_line_is_read_as_systemd_reads_it(path: Path, line: str, value: str) -> None:
    path.write_text(f"{line}\n", encoding="utf-8", newline="")
    assert settings_file.read(path) == {"A": value}
    path.write_text(line, encoding="utf-8", newline="")
    assert settings_file.read(path) == {"A": value}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A=1\n\nhidden-value\n", "line 3: not of the form NAME=value"),
        ("export A=hidden-value\n", "line 1: not of the form NAME=value (no `export`"),
        ("A-B=hidden-value\n", "line 1: not of the form NAME=value"),
        ("A=1\nB='hidden-value\n", "line 2: B has a quote that nothing closes"),
        ("A=hidden-value\\", "line 1: A has a quote that nothing closes, or a lone backslash"),
        ("A=\0hidden-value", "is not a file of NAME=value lines"),
        ("A=1\n" * 300_000, "is not a file of NAME=value lines"),
    ],
    ids=["no-name", "export", "bad-name", "quote", "backslash", "binary", "huge"],
)
def test_what_cannot_be_read_is_told_by_file_and_line_without_its_value(path: Path, text: str, words: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsFault) as told:
        settings_file.read(path)
    assert words in str(told.value)
    assert str(path) in str(told.value)
    assert "hidden-value" not in str(told.value)


def test_a_file_that_is_not_there_or_is_no_text_is_told(path: Path) -> None:
    with pytest.raises(SettingsFault, match="cannot be read: No such file"):
        settings_file.read(path)
    path.write_bytes(b"A=\xff")
    with pytest.raises(SettingsFault, match="is not UTF-8"):
        settings_file.read(path)
    with pytest.raises(SettingsFault, match="cannot be read: Is a directory"):
        settings_file.read(path.parent)


@pytest.mark.slow
def test_the_time_to_read_a_file_grows_with_its_length(path: Path) -> None:
    text = "A=1\n" * 250_000
    began = time.process_time()
    assert settings_file.values_in(text, path) == {"A": "1"}
    with pytest.raises(SettingsFault, match="line 250001:"):
        settings_file.values_in(f"{text}nothing", path)
    # Half a second here; where each line was counted from the beginning, half an hour.
    assert time.process_time() - began < 20


@given(value=st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=40))
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    path = tmp_path_factory.getbasetemp() / "written"
    path.write_text(settings_file.written({"A": value, "B": "after"}), encoding="utf-8", newline="")
    assert settings_file.read(path) == {"A": value, "B": "after"}


@pytest.mark.slow
def test_sh_takes_what_is_written_for_the_same(path: Path) -> None:
    wild = {
        f"V{n}": value for n, value in enumerate(["it's", 'a "b"', "$HOME `id`", "back\\slash", "a#b # c", "*", ""])
    }
    path.write_text(settings_file.written(wild), encoding="utf-8")
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    done = subprocess.run(
        ["sh", "-c", 'set -a; . "$1"; exec "$2" -c "$3"', "sh", str(path), sys.executable, show],
        capture_output=True,
        check=True,
        timeout=20,
        env={"PATH": os.environ["PATH"]},
    )
    assert wild.items() <= json.loads(done.stdout).items()


# Under the environment


def test_the_environment_wins_in_either_form(path: Path) -> None:
    path.write_text("A=file\nB=file\nC_FILE=/file\nD=file\n", encoding="utf-8")
    environ = {"A": "environment", "B_FILE": "/environment", "C": "environment"}
    assert settings_file.under(environ, path) == environ | {"D": "file"}
    assert settings_file.under(environ, None) == environ


# On the command line


def _check(*before: str, **environ: str) -> tuple[int, list[str]]:
    wanted: dict[str, str | None] = dict.fromkeys(os.environ) | environ
    done = CliRunner().invoke(main, [*before, "summary", "--day", "2026-11-01"], env=wanted)
    return done.exit_code, done.output.splitlines()


@pytest.mark.parametrize("by_variable", [False, True])
def test_every_command_takes_its_settings_from_the_file(path: Path, *, by_variable: bool) -> None:
    path.write_text(
        settings_file.written(ENOUGH | {"KYC_DATABASE": str(path.with_name("of-the-file.db"))}), encoding="utf-8"
    )
    named = {"KYC_SETTINGS": str(path)} if by_variable else {}
    status, lines = _check(*([] if by_variable else ["--settings", str(path)]), **named)
    assert status == 1
    assert lines == [f"the database {path.with_name('of-the-file.db')} does not exist: start the bot once"]


def test_a_file_that_does_not_fit_is_told_as_settings_are(path: Path) -> None:
    path.write_text("KYC_PORT\n", encoding="utf-8")
    status, lines = _check("--settings", str(path))
    assert (status, lines[0]) == (2, "These settings do not fit:")
    assert f"the settings file {path}, line 1: not of the form NAME=value" in lines[1]
    done = CliRunner().invoke(main, ["--settings", str(path), "check"])
    assert done.exit_code == 2
    assert done.output.startswith(f"FAIL  settings: the settings file {path}, line 1:")
