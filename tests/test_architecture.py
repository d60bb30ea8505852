"""docs/architecture.md is a true map: every room and module, the moves, the builders, and no file that is not there."""

import re
from pathlib import Path

from bot.domain.check.states import MOVES, State
from tests.test_house import BUILDERS, ROOMS

ROOT = Path(__file__).parents[1]
MAP = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([\w/]+)` \| [^|]+ \| ([^|]+) \|$", MAP, re.MULTILINE))


def test_the_map_has_every_room() -> None:
    rooms = {room.replace(".", "/") for room in ROOMS if (ROOT / room.replace(".", "/")).is_dir()}
    assert set(ROWS) == rooms | {"bot/sandbox"}


def test_the_map_names_every_module_of_every_room_and_no_other() -> None:
    for room, named in ROWS.items():
        folder = ROOT / room
        there = {path.stem for path in folder.glob("*.py")} | {f"{path.parent.name}/" for path in folder.glob("*/*.py")}
        assert set(re.findall(r"`([\w/]+)`", named)) - _named_beside(named) == there - {"__init__"}, room


def _named_beside(modules: str) -> set[str]:
    """What stands in parentheses explains a module, and may name parts of it."""
    return set(re.findall(r"`([\w/]+)`", " ".join(re.findall(r"\(([^)]*)\)", modules))))


def test_every_file_that_a_page_names_is_there() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    missing = [
        f"{page.name}: {name}"
        for page in pages
        for name in re.findall(
            r"(?<![\w/.-])((?:bot|handlers|storage|tests|docs|deploy)/[\w/.-]*\w)", page.read_text("utf-8")
        )
        if not (ROOT / name).exists()
    ]
    assert missing == []


def test_the_table_of_states_is_the_table_of_moves() -> None:
    rows = re.findall(r"^\| (\w+) \| ([\w, ]+) \|$", MAP, re.MULTILINE)
    told = {State(state): {State(to) for to in moves.split(", ")} for state, moves in rows if state in set(State)}
    assert told == {state: set(moves) for state, moves in MOVES.items()}


def test_the_list_of_builders_is_the_one_that_is_enforced() -> None:
    after = MAP.partition("Those that only build what is shown may:")[2].partition("\n- ")[0]
    assert {f"bot.{name.replace('/', '.')}" for name in re.findall(r"`([\w/]+)`", after)} == BUILDERS
