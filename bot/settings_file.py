r"""The settings file of `--settings`: lines of NAME=value, as systemd's `EnvironmentFile=` reads them.

The rules are those of systemd.exec(5) and its parser (src/basic/env-file.c, v254), so that one file serves the unit, an
operator's command and, as `written` writes it, `sh` too. python-dotenv has other rules: it ends a value at ` #` and
turns `\n` within double quotes into a new line, which would make another secret of the same line.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.errors import SettingsFault

VARIABLE = "KYC_SETTINGS"
"""Names the file where `--settings` is not given."""

_BLANK_OR_COMMENT = re.compile(r"(?:[ \t\r\n]+|[#;][^\r\n]*)*")
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*")
_QUOTED = re.compile(r"""(?:'([^']*)'|"((?:[^"\\]|\\.)*)")[ \t]*""", re.DOTALL)
_PLAIN = re.compile(r"(?!['\"])((?:[^\\ \t\r\n]|[ \t]+(?=[^ \t\r\n])|\\.)*)[ \t]*(?=[\r\n]|\Z)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_LARGEST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Assignment:
    name: str
    value: str = field(repr=False)
    begin: int
    end: int
    """Where it stands in the text; the end of the line is not part of it."""


def text_of(path: Path) -> str:
    """The whole file; raises SettingsFault where it is none of text."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as fault:
        raise SettingsFault(f"the settings file {path} cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise SettingsFault(f"the settings file {path} is not UTF-8 text") from fault
    if len(raw) > _LARGEST_BYTES or "\0" in text:
        raise SettingsFault(f"the settings file {path} is not a file of NAME=value lines")
    return text


def read(path: Path) -> dict[str, str]:
    """What the file sets, by name; a later line wins.

    Raises SettingsFault, which names the file and the line, never what stands there. Stricter than systemd in one
    thing: a line that sets nothing is a fault instead of being passed over, since it was meant to set something.
    """
    return values_in(text_of(path), path)


def values_in(text: str, path: Path) -> dict[str, str]:
    """`read`, of a text that was read before."""
    return {each.name: each.value for each in _assignments(text, path)}


def under(environ: Mapping[str, str], path: Path | None) -> dict[str, str]:
    """The environment, and from the file what the environment leaves unset.

    A setting that the environment has as NAME or as NAME_FILE is taken from the file in neither form.
    """
    found = read(path) if path else {}
    # Lower case counts as well: the variables of a proxy are read in either.
    taken = {name.upper().removesuffix("_FILE") for name in environ}
    return {name: value for name, value in found.items() if name.removesuffix("_FILE") not in taken} | dict(environ)


def written(values: Mapping[str, str]) -> str:
    """One line each, which systemd, `sh` and `read` all take for the same value."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def changed(text: str, changes: Mapping[str, str | None], path: Path) -> str:
    """The text with these settings set, or unset by None; every other line, comments too, stays as it is."""
    kept: list[str] = []
    left, at = dict(changes), 0
    for each in _assignments(text, path):
        if each.name in changes:
            kept.append(text[at : each.begin])
            value = left.pop(each.name, None)
            kept.append(written({each.name: value}).rstrip("\n") if value is not None else "")
            at = each.end if value is not None else _end_of_line(text, each.end)
    before = "".join([*kept, text[at:]])
    after = written({name: value for name, value in left.items() if value is not None})
    return before + ("\n" if after and before and not before.endswith("\n") else "") + after


def _end_of_line(text: str, at: int) -> int:
    """Behind the end of the line that ends at `at`."""
    found = re.compile(r"\r\n|\r|\n|\Z").match(text, at)
    return found.end() if found else at


def _assignments(text: str, path: Path) -> Iterator[_Assignment]:
    def fault(words: str) -> SettingsFault:
        # Counted for the one that is told: for each line anew, a large file would take minutes.
        line = len(re.findall(r"\r\n|\r|\n", text[:at])) + 1
        return SettingsFault(f"the settings file {path}, line {line}: {words}")

    at = _end_of_blank(text, 0)
    while at < len(text):
        if not (name := _NAME.match(text, at)):
            raise fault("not of the form NAME=value (no `export`, no blanks within the name)")
        value, after = "", name.end()
        while quoted := _QUOTED.match(text, after):
            value += _within_quotes(quoted)
            after = quoted.end()
        if not (rest := _PLAIN.match(text, after)):
            raise fault(f"{name[1]} has a quote that nothing closes, or a lone backslash")
        value += _ESCAPED.sub(lambda found: found[1].strip("\r\n"), rest[1])
        yield _Assignment(name[1], value, name.start(), rest.end())
        at = _end_of_blank(text, rest.end())


def _end_of_blank(text: str, at: int) -> int:
    found = _BLANK_OR_COMMENT.match(text, at)
    return found.end() if found else at


def _within_quotes(quoted: re.Match[str]) -> str:
    """Single quotes keep everything; within double ones a backslash escapes what `sh` would read as special."""
    if quoted[1] is not None:
        return quoted[1]
    return _ESCAPED.sub(
        lambda found: found[1] if found[1] in '"\\`$' else "" if found[1] == "\n" else found[0], quoted[2]
    )
