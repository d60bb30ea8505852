"""`python -m tests.commands_page`: writes into docs/commands.md what `/kyc help` and the help of `kyc-bot` say."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from bot.__main__ import main
from bot.slack.blocks import command_help

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"


def commands(group: click.Group, prefix: str) -> Iterator[tuple[str, click.Command]]:
    """Each command with its whole name; groups by their commands."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def written(page: str) -> str:
    """The page with both parts as the help says them now."""
    return _between(_between(page, "slack", _slack()), "machine", _machine())


def _slack() -> str:
    """`*/kyc list* shows …` as a row of a table."""
    lines = command_help.HELP.replace("|", "\\|").splitlines()
    rows = [re.sub(r"^\*(.+?)\* ", r"| **\1** | ", line).replace("*/kyc check*", "**/kyc check**") for line in lines]
    return "\n".join(["| what | does |", "| --- | --- |", *(f"{row} |" for row in rows)])


def _machine() -> str:
    parts = []
    for name, command in (("kyc-bot", main), *commands(main, "kyc-bot")):
        context = click.Context(
            command, info_name=name, max_content_width=100, terminal_width=100, **main.context_settings
        )
        parts.append(f"### `{name}`\n\n```text\n{command.get_help(context)}\n```")
    return "\n\n".join(parts)


def _between(page: str, name: str, text: str) -> str:
    begin, end = f"<!-- {name}: written by `make docs` -->", f"<!-- end of {name} -->"
    head, tail = page.partition(begin)[0], page.partition(end)[2]
    return f"{head}{begin}\n{text}\n{end}{tail}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
