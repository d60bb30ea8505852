"""The command `kyc-bot`: makes sure that it is this bot and no other that would run, then runs it.

`bot`, `handlers` and `storage` are names that others use too. A folder on PYTHONPATH, the current one under
`python -m`, or another distribution in the same environment may put packages of these names in the place of ours.
"""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ("bot", "handlers", "storage")
HERE = Path(__file__).resolve().parent

REFUSED = """kyc-bot does not start, since it would run code that is not its own:
{strangers}
Install it into an environment of its own, and start it without PYTHONPATH and from another folder."""


def main() -> None:
    """Run the command line; exit 1 if any of it would come from elsewhere."""
    refuse_strangers()
    from bot.__main__ import main as command_line  # noqa: PLC0415 - only now is it known whose that is

    command_line()


def refuse_strangers() -> None:
    """Raises SystemExit, with what comes from where, unless all packages are those beside this file."""
    if strangers := list(_strangers()):
        sys.exit(REFUSED.format(strangers="\n".join(f"  {words}" for words in strangers)))


def _strangers() -> Iterator[str]:
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin is None:
            yield f"{name} is missing beside {HERE}"
        elif origin.parent.parent != HERE:
            yield f"{name} would come from {origin.parent}, not from {HERE / name}"
        elif not _as_installed(origin):
            yield f"{origin} was replaced, perhaps by another distribution"


def _as_installed(file: Path) -> bool:
    """Whether the file is the one that was installed, by pip's own record; a clone has none.

    It is compared by size alone, which costs no more than a look: this is about accidents, not about attackers, who
    could change the record too.
    """
    name = file.relative_to(HERE).as_posix()
    for record in HERE.glob("kyc_bot-*.dist-info/RECORD"):
        for line in record.read_text(encoding="utf-8").splitlines():
            path, _, rest = line.partition(",")
            if path == name:
                return rest.rpartition(",")[2] == str(file.stat().st_size)
    return True


if __name__ == "__main__":
    main()
