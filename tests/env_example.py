"""`python -m tests.env_example`: writes .env.example from the settings and their page."""

import re
from pathlib import Path

from bot import settings_file
from bot.settings import Settings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / ".env.example"
_HEAD = """\
# Every setting of kyc-bot, as docs/settings.md explains them. `kyc-bot setup` asks for the usual ones and writes a file
# like this; `kyc-bot --settings FILE check` looks at it. One NAME=value a line, as systemd's EnvironmentFile= reads it.
# A line that begins with # is unset: the example shows its form, and is the default if there is one.
"""


def written() -> str:
    """The whole file: the required settings to be filled in, all others unset."""
    meanings = dict(re.findall(r"^\| `([A-Z_]+)` \| .+? \| (.+) \|$", _settings_page(), re.MULTILINE))
    parts = [_HEAD]
    for field in Settings.model_fields.values():
        name, example = str(field.alias), (field.examples or [""])[0]
        sign = "" if field.is_required() else "# "
        parts.append(f"\n# {_plain(meanings[name])}\n{sign}{settings_file.written({name: example})}")
    return "".join(parts)


def _settings_page() -> str:
    return (ROOT / "docs/settings.md").read_text(encoding="utf-8")


def _plain(meaning: str) -> str:
    """Without the marks of Markdown."""
    return re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r"\1", meaning).replace("`", "")


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
