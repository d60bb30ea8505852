"""The rules of the house: who may import whom, and what stands nowhere. Found by reading the code, not running it."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from bot import __version__
from bot.settings import Settings
from tests.source_code import nodes_of, nodes_where, tree_of

ROOT = Path(__file__).parents[1]
OURS = ("bot", "handlers", "storage", "tests")

EVERYBODY = frozenset({"bot.errors", "bot"})
"""`bot` itself holds the version, and says which Python it needs."""

LAYERS: tuple[tuple[str, ...], ...] = (
    ("bot.domain",),
    ("bot.settings", "bot.settings_file"),
    ("bot.network", "bot.sealed_file", "bot.whole_file"),
    ("storage", "bot.smile_id", "bot.slack"),
    ("bot.access",),
    ("bot.outbox",),
    ("bot.review", "bot.privacy"),
    ("bot.reporting",),
    ("bot.results",),
    ("bot.submission",),
    ("bot.capture",),
    ("bot.intake", "bot.queries"),
    ("bot.runtime",),
    ("handlers",),
    ("bot.command_line",),
    ("bot.__main__",),
)
"""The rooms, lowest first. Each may know those below it; rooms on one layer know nothing of each other.

One transaction may take several rooms: a final result moves the check, closes its review and announces both. The room
that begins it calls the ones below, so no circle can close.
"""

ROOMS = tuple(room for layer in LAYERS for room in layer)

BESIDE_THE_LAYERS = frozenset({"bot", "bot.errors", "bot.sandbox"})
"""The version, the tree of errors, and the stand-ins, which are not in the wheel."""

BUILDERS = frozenset(
    {
        "bot.capture.link_posts",
        "bot.intake.answers",
        "bot.outbox.thread_posts",
        "bot.privacy.certificate_posts",
        "bot.privacy.erased_posts",
        "bot.privacy.head_posts",
        "bot.queries.details",
        "bot.queries.home",
        "bot.queries.photos",
        "bot.reporting.export_posts",
        "bot.reporting.summary_posts",
        "bot.review.cards",
    }
)
"""The modules below `handlers` that build what is shown, and so may import blocks (docs/architecture.md)."""

KNOW_IDS_OR_THE_TERMINAL = frozenset(
    {"bot.runtime.greetings", "bot.slack.manifest", "bot.runtime.doctor.smile_id", "bot.__main__"}
)
"""The manifest names commands and shortcuts by the ids of the blocks; commands print the same sentences."""


@dataclass(frozen=True, slots=True)
class Import:
    """One module of ours, or of others, as some file names it."""

    importer: str
    imported: str


def _files(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports_of(path: Path) -> Iterator[Import]:
    """Everything a file imports, wherever in the file; relative names made whole."""
    me = _module(path)
    package = me if path.name == "__init__.py" else me.rpartition(".")[0]
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(me, alias.name)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            base = ".".join([*parts[: len(parts) - node.level + 1], node.module or ""]).rstrip(".")
            base = base if node.level else node.module or ""
            for alias in node.names:
                inside = ROOT / Path(*f"{base}.{alias.name}".split("."))
                is_module = inside.with_suffix(".py").exists() or inside.is_dir()
                yield Import(me, f"{base}.{alias.name}" if is_module else base)


@cache
def all_imports() -> list[Import]:
    """Found when the first test asks: every worker reads this module, and few of them play its tests."""
    return [found for path in _files("bot", "handlers", "storage") for found in _imports_of(path)]


@cache
def our_imports() -> list[Import]:
    return [i for i in all_imports() if i.imported.split(".")[0] in OURS and i.imported not in EVERYBODY]


def _in(name: str, *rooms: str) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def _broken(importers: Callable[[str], bool], allowed: Callable[[str], bool]) -> list[str]:
    return sorted(
        {
            f"{i.importer} imports {i.imported}"
            for i in our_imports()
            if importers(i.importer) and not allowed(i.imported)
        }
    )


# Who may import whom (docs/architecture.md)


def test_the_reader_of_imports_sees_them_all() -> None:
    """The other rules are worth nothing if this finds nothing."""
    seen = {(i.importer, i.imported) for i in all_imports()}
    assert {
        ("handlers.listeners", "bot.runtime.bot"),
        ("bot.runtime.factory", "storage.checks"),
        ("bot.runtime.workers", "apscheduler.schedulers.asyncio"),
        ("bot.sandbox.smile_id.playing", "bot.sandbox.smile_id.stories"),
    } <= seen


def test_errors_import_nothing_of_ours() -> None:
    assert _broken(lambda me: me == "bot.errors", lambda _: False) == []


def test_the_domain_touches_nothing() -> None:
    """No network, files, clock, randomness or SQL: it is handed what it decides on."""
    touching = {
        "aiohttp", "asyncio", "httpx", "os", "pathlib", "random", "secrets", "shutil", "slack_bolt", "slack_sdk",
        "socket", "sqlite3", "sqlite_utils", "starlette", "structlog", "subprocess", "tempfile", "threading", "time",
    }  # fmt: skip
    found = [i for i in all_imports() if _in(i.importer, "bot.domain") and i.imported.split(".")[0] in touching]
    assert found == []
    for path in _files("bot/domain"):
        assert not re.search(r"\.(now|utcnow|today)\(|(?<!\.)\bopen\(", path.read_text(encoding="utf-8")), path


def test_what_decides_or_stores_knows_no_blocks() -> None:
    """It hands on codes, facts and domain types; only what builds what is shown puts them into words."""
    # The demo plays people, who click.
    above = ("handlers", "bot.sandbox.demo")
    importers = {
        i.importer for i in our_imports() if _in(i.imported, "bot.slack.blocks") and not _in(i.importer, *above)
    }
    assert {me for me in importers if not _in(me, "bot.slack.blocks")} == BUILDERS | KNOW_IDS_OR_THE_TERMINAL


def test_no_error_carries_a_sentence() -> None:
    """What is raised for a person, or found wrong in what they sent, holds a code."""
    made = re.compile(r"\b(Refused|PhotoUnusable|FileUnusable|FieldFault)\(\s*f?[\"']")
    assert [
        path for path in _files("bot", "handlers", "storage") if made.search(path.read_text(encoding="utf-8"))
    ] == []


def test_nothing_compares_sentences() -> None:
    """They are for people: where something depends on why, it depends on the code."""
    found = [
        f"{path.relative_to(ROOT)}: {ast.unparse(node)}"
        for path in _files("bot", "handlers", "storage")
        for node in nodes_of(path)
        if isinstance(node, ast.Compare)
        and any(_is_sentence(part) for operand in (node.left, *node.comparators) for part in ast.walk(operand))
    ]
    assert found == []


def _is_sentence(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in {"SENTENCES", "sentence", "plain_sentence"}
    # `private.EXPIRED`, of a module, and not `BatchState.CANCELLED`, of a class.
    of_module = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id.islower()
    return of_module and ast.unparse(node).rpartition(".")[2] in _sentences() | {"SENTENCES"}


@cache
def _sentences() -> frozenset[str]:
    """The names of all whole sentences of the blocks."""
    return frozenset(
        target.id
        for path in _files("bot/slack/blocks")
        for node in tree_of(path).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and str(node.value.value).endswith(".")
        for target in node.targets
        if isinstance(target, ast.Name)
    )


def _room(module: str) -> str | None:
    return next((room for room in ROOMS if _in(module, room)), None)


def _layer(room: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if room in layer)


def test_imports_point_to_lower_layers_alone() -> None:
    upwards = [
        f"{i.importer} imports {i.imported}"
        for i in our_imports()
        for mine, theirs in ((_room(i.importer), _room(i.imported)),)
        if mine and theirs and mine != theirs and _layer(theirs) >= _layer(mine)
    ]
    assert upwards == []


def test_every_module_stands_in_a_room() -> None:
    """A new room needs its line here and in docs/architecture.md."""
    modules = [_module(path) for path in _files("bot", "handlers", "storage")]
    assert [m for m in modules if _room(m) is None and not any(_in(m, b) for b in BESIDE_THE_LAYERS - {"bot"})] == [
        "bot"
    ]
    assert [room for room in ROOMS if not any(_in(module, room) for module in modules)] == []


def test_handlers_know_neither_storage_nor_the_outside_world() -> None:
    """They translate: processes do the work. Blocks are how they answer, retries how they wait, and file objects what a
    request says of a file.
    """
    forbidden = ("storage", "bot.smile_id", "bot.slack", "bot.sandbox")
    answering = ("bot.slack.blocks", "bot.slack.retry", "bot.slack.file_objects")
    assert (
        _broken(
            lambda me: _in(me, "handlers"),
            lambda it: not _in(it, *forbidden) or _in(it, *answering),
        )
        == []
    )


def test_only_the_command_line_imports_the_sandbox() -> None:
    importers = {
        i.importer for i in our_imports() if _in(i.imported, "bot.sandbox") and not _in(i.importer, "bot.sandbox")
    }
    assert importers == {"bot.command_line.stand_ins"}


def test_smile_id_is_known_by_its_interface_alone() -> None:
    """Another of Smile ID's APIs can then be a second implementation: only the composition root chooses one."""
    assert (
        _broken(
            lambda me: not _in(me, "bot.smile_id", "bot.runtime.outgoing"),
            lambda it: not _in(it, "bot.smile_id") or it == "bot.smile_id.interface",
        )
        == []
    )
    assert "bot.smile_id.v1" in {i.imported for i in our_imports() if i.importer == "bot.runtime.outgoing"}


def test_the_interface_to_smile_id_knows_no_implementation() -> None:
    assert _broken(lambda me: me == "bot.smile_id.interface", lambda it: _in(it, "bot.domain")) == []


def test_only_the_command_line_brings_handlers_and_bot_together() -> None:
    importers = {i.importer for i in our_imports() if _in(i.imported, "handlers") and not _in(i.importer, "handlers")}
    # Beside the command line, the demo's bot by a clock that it moves.
    assert importers == {"bot.__main__", "bot.sandbox.demo.clocked_bot"}


def test_the_demo_alone_gives_the_bot_another_clock() -> None:
    """No setting, no variable of the environment and no import does: `serve` goes by the machine's."""
    trees = {_module(path): tree_of(path) for path in _files("bot", "handlers")}
    given = {
        module
        for module, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and any(keyword.arg == "clock" for keyword in node.keywords)
        and ast.unparse(node.func) in {"build", "run", "serve"}
    }
    assert given == {"bot.runtime.server", "bot.sandbox.demo.clocked_bot"}
    (serve,) = [
        node for node in ast.walk(trees["bot.__main__"]) if isinstance(node, ast.FunctionDef) and node.name == "serve"
    ]
    assert [ast.unparse(node) for node in ast.walk(serve) if isinstance(node, ast.Import | ast.ImportFrom)] == [
        "import handlers",
        "from bot.runtime import log_config",
        "from bot.runtime.server import run",
        "from bot.settings import Settings",
    ]
    assert "run(settings, handlers)" in ast.unparse(serve)
    assert [field.alias for field in Settings.model_fields.values() if "CLOCK" in str(field.alias)] == []


def test_the_stand_ins_import_nothing_of_ours() -> None:
    def stand_in(me: str) -> bool:
        return _in(me, "bot.sandbox") and not _in(me, "bot.sandbox.demo")

    assert _broken(stand_in, lambda it: _in(it, "bot.sandbox") and not _in(it, "bot.sandbox.demo")) == []
    # Not even the errors, which everybody else may import.
    assert [i for i in all_imports() if stand_in(i.importer) and i.imported in EVERYBODY] == []


def test_the_stand_ins_do_not_know_each_other() -> None:
    listening = "bot.sandbox.listening"
    assert _broken(lambda me: _in(me, "bot.sandbox.slack"), lambda it: _in(it, "bot.sandbox.slack", listening)) == []
    smile_id = "bot.sandbox.smile_id"
    assert _broken(lambda me: _in(me, smile_id), lambda it: _in(it, smile_id, listening)) == []
    assert _broken(lambda me: _in(me, listening), lambda _it: False) == []


def test_no_import_goes_round_in_a_circle() -> None:
    """Each module can be read after the ones it imports; those that it imports for types alone count too."""
    graph: dict[str, set[str]] = {}
    for i in all_imports():
        graph.setdefault(i.importer, set())
        if _in(i.imported, *OURS) and i.imported != i.importer:
            graph[i.importer].add(i.imported)
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as circle:
        pytest.fail(" imports ".join(reversed(circle.args[1])))


TABLES = {
    ("storage.checks", "storage.audit"),
    ("storage.checks", "storage.check_facts"),
    # No move without its line in the trail and its row of figures, whoever moves the check.
    ("storage.checks", "storage.slack_removals"),
    # Photos that a check stops using are still in Slack, whoever gives it others.
    ("storage.capture_links", "storage.audit"),
    # Nor does anything happen to a customer's link without its line.
    ("storage.due", "storage.attempts"),
    ("storage.instances", "storage.attempts"),
    # With a lease that ran out goes the doubt whether the zip was sent, and with those of an instance that has ended.
    ("storage.search", "storage.checks"),
    # A page of checks is read as checks are.
    ("storage.deliveries", "storage.outbox"),
    # One table: what is to be said, and how it fares.
    ("storage.rekey", "storage.attempts"),
    ("storage.rekey", "storage.audit"),
    # It renews the rows of all tables, and no key goes without its line in the trail.
    ("storage.holds", "storage.audit"),
    ("storage.purges", "storage.audit"),
    ("storage.restores", "storage.audit"),
    ("storage.retention", "storage.audit"),
    ("storage.retention", "storage.outbox"),
    ("storage.retention", "storage.receipts"),
    # Nothing is erased or held without its line in the trail. What is left of a message, and what is still to be said,
    # is known where it is kept.
    ("storage.audit", "storage.trail_people"),
    ("storage.rekey", "storage.trail_people"),
    ("storage.retention", "storage.trail_people"),
    # A line says whom it is about until they are erased.
}
"""Which module of one family of tables imports another's."""
MECHANISMS = frozenset(
    {
        *("storage.leases", "storage.meta", "storage.keys", "storage.blind_index", "storage.engine.upkeep"),
        "storage.engine.erasure_lists",
    }
)
"""What a table is kept with; these know no table's meaning."""
ENGINE = frozenset(
    {
        "storage.engine.backup",
        "storage.engine.catalog",
        "storage.engine.chain",
        "storage.engine.connection",
        "storage.engine.connections",
        "storage.engine.covered",
        "storage.engine.database",
        "storage.engine.examination",
        "storage.engine.first_chain",
        "storage.engine.first_macs",
        "storage.engine.group",
        "storage.engine.inspect",
        "storage.engine.inspection",
        "storage.engine.kept_sums",
        "storage.engine.lifespans",
        "storage.engine.lock",
        "storage.engine.macs",
        "storage.engine.membership",
        "storage.engine.migrations",
        "storage.engine.moved",
        "storage.engine.older_macs",
        "storage.engine.record_versions",
        "storage.engine.restored",
        "storage.engine.sealed_values",
        "storage.engine.sealing",
        "storage.engine.shape",
        "storage.engine.sql",
        "storage.engine.sqlite",
        "storage.engine.touched",
        "storage.engine.traces",
        "storage.engine.transaction",
        "storage.engine.writer_macs",
    }
)


ROOMS_OF_SQLITE = (
    *("backup", "connection", "erasure_lists", "first_macs", "inspect", "migrations", "moved", "shape", "sqlite"),
    *("traces", "upkeep"),
    # Who moves what there is from one engine to the other knows both.
    *("postgresql.copying", "postgresql.move", "postgresql.places"),
)


def _is_engine(module: str) -> bool:
    return module in ENGINE or _in(module, "storage.engine.postgresql")


def test_storage_keeps_and_guards_but_does_not_decide() -> None:
    """Who hears what and which post follows which move is said in `bot`: a module of tables calls no other one."""
    calls = {
        (i.importer, i.imported)
        for i in our_imports()
        if _in(i.importer, "storage") and not _is_engine(i.importer)
        if _in(i.imported, "storage") and not _is_engine(i.imported) and i.imported not in MECHANISMS
    }
    assert calls == TABLES


def test_only_the_outbox_of_storage_knows_kinds_of_posts() -> None:
    knowing = {i.importer for i in our_imports() if _in(i.importer, "storage") and i.imported == "bot.domain.outbox"}
    assert knowing == {"storage.outbox", "storage.deliveries"}


def test_the_product_imports_no_test() -> None:
    assert [i for i in our_imports() if _in(i.imported, "tests")] == []


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("apscheduler", ["bot.runtime.workers"]),
        ("sqlite_utils", ["storage"]),
        # What both engines share knows neither.
        ("sqlite3", [f"storage.engine.{room}" for room in ROOMS_OF_SQLITE]),
        ("psycopg", ["storage.engine.postgresql"]),
        ("slack_sdk", ["bot.slack"]),
        ("slack_bolt", ["handlers", "bot.runtime.server", "bot.runtime.socket_mode"]),
        ("cryptography", ["storage", "bot.sealed_file"]),
        ("prometheus_client", ["bot.runtime.metrics"]),
        ("click", ["bot.__main__", "bot.command_line"]),
        ("matplotlib", ["bot.reporting.chart"]),
        ("yaml", ["bot.slack.manifest"]),
        ("PIL", ["bot.domain.check.photos", "bot.domain.check.photo_quality"]),
        ("pydantic_settings", ["bot.settings"]),
        # It keeps what it writes in the clear in the temporary folder: it reads alone.
        ("openpyxl", ["bot.domain.applicants"]),
        # What is in no file of these is sealed, or a copy of a database whose values are.
        ("tempfile", ["bot.sealed_file", "storage.engine.backup"]),
    ],
)
def test_a_library_is_known_in_its_room_alone(library: str, rooms: list[str]) -> None:
    users = {i.importer for i in all_imports() if _in(i.imported, library) and not _in(i.importer, "bot.sandbox")}
    assert users, f"nobody uses {library}"
    assert {me for me in users if not _in(me, *rooms)} == set()


def test_there_is_one_composition_root() -> None:
    """Only `build` takes its steps: nobody else makes a second database, inbox or worker beside those of the bot."""
    steps = ("bot.runtime.foundation", "bot.runtime.parts")
    takers = {i.importer for i in our_imports() if _in(i.imported, *steps) and i.importer not in steps}
    assert takers == {"bot.runtime.factory"}


def test_every_photo_is_decoded_within_the_one_budget() -> None:
    made, decoding = re.compile(r"\bPhotoDecoder\(\)"), re.compile(r"\bphotos\.prepare\b|\bimport .*\bprepare\b")
    texts = {_module(path): path.read_text(encoding="utf-8") for path in _files("bot", "handlers")}
    assert [me for me, text in texts.items() for _ in made.findall(text)] == ["bot.runtime.parts"]
    assert {me for me, text in texts.items() if decoding.search(text)} == {"bot.submission.photo_decoder"}


def test_every_connection_leaves_by_the_one_rule() -> None:
    """A client of one's own would go past the proxy, and trust other certificates."""
    makes = re.compile(r"\b(?:httpx\.(?:AsyncClient|Client|get|post|stream)|aiohttp\.(?:ClientSession|request))\(")
    makers = {_module(path) for path in _files("bot", "handlers") if makes.search(path.read_text(encoding="utf-8"))}
    assert {me for me in makers if not _in(me, "bot.sandbox")} == {"bot.network"}


def test_the_environment_is_read_by_the_command_line_and_the_demo_alone() -> None:
    reads = re.compile(r"\bos\.(environb?|getenv|putenv)\b|from os import .*(environ|getenv)")
    readers = {
        _module(path) for path in _files("bot", "handlers", "storage") if reads.search(path.read_text(encoding="utf-8"))
    }
    assert {me for me in readers if not _in(me, "bot.sandbox.demo")} == {
        "bot.__main__",
        "bot.command_line.database",
        "bot.command_line.start",
    }


def test_sql_is_written_in_storage_alone() -> None:
    sql = re.compile(
        r"^\s*(SELECT\s.+\sFROM|INSERT\s+(OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM)\b", re.DOTALL
    )
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in _files("bot", "handlers")
        # The demo's desk shows rows as they stand, to whoever wants to see what is sealed: it may not ask our code.
        if _module(path) != "bot.sandbox.desk.stored"
        for node in nodes_of(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and sql.match(node.value)
    ]
    assert found == []


# What stands nowhere


MAKES_CODE = {
    *("eval", "exec", "compile", "__import__", "system", "popen", "execv", "execve", "spawnv"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load"),
}
READS_OBJECTS = {"code", "ctypes", "dill", "marshal", "pickle", "pty", "shelve", "subprocess", "xmlrpc"}


def _called(node: ast.AST) -> str:
    """`re.compile`, `yaml.load`: a module's functions with its name; everything else by its own name alone."""
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute):
        of = node.func.value
        return f"{of.id}.{node.func.attr}" if isinstance(of, ast.Name) and of.id in {"re", "yaml"} else node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def test_no_code_is_made_of_what_was_read() -> None:
    """No text becomes code, an object of any class, or a command of the machine's shell."""
    production = [path for path in _files("bot", "handlers", "storage") if "sandbox" not in path.parts]
    calls = [
        f"{path.relative_to(ROOT)}:{node.lineno} calls {_called(node)}"
        for path, node in nodes_where(production, *(name.rpartition(".")[2] for name in MAKES_CODE))
        if isinstance(node, ast.Call) and _called(node) in MAKES_CODE
    ]
    assert calls == []
    imports = {
        (i.importer, i.imported)
        for i in all_imports()
        if i.imported.split(".")[0] in READS_OBJECTS and not _in(i.importer, "bot.sandbox")
    }
    # Calls of the kernel and of libc with numbers of ours: nobody may read the memory; what is freed goes back.
    assert imports == {("bot.command_line.hardening", "ctypes"), ("bot.submission.photo_decoder", "ctypes")}
    seen = [
        _called(ast.parse(text, mode="eval").body)
        for text in ("eval(x)", "os.system(x)", "yaml.load(x)", "re.compile(x)")
    ]
    assert [name in MAKES_CODE for name in seen] == [True, True, True, False]


def test_no_test_patches_our_code() -> None:
    """If a test wants a patch, the code wants a parameter."""
    found = [
        f"{path.relative_to(ROOT)}: {ast.unparse(node)}"
        for path, node in nodes_where(_files("tests"), "mock", "monkeypatch")
        if _patches(node)
    ]
    assert found == []


def _patches(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name in {"mock", "unittest.mock"} for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return node.module in {"mock", "unittest.mock"} or (
            node.module == "unittest" and any(alias.name == "mock" for alias in node.names)
        )
    if isinstance(node, ast.arg):
        return node.arg == "mocker"
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        # The environment, the folder and the path are not our code; attributes and dictionaries may be.
        return node.value.id == "monkeypatch" and node.attr in {"setattr", "delattr", "setitem", "delitem"}
    return False


def test_nothing_is_left_to_do() -> None:
    mark = re.compile("|".join(("TO" + "DO", "FIX" + "ME", r"\bXX" + r"X\b")))
    texts = {".py", ".md", ".toml", ".yaml", ".yml", ".csv", ".cfg", ""}
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _written_by_us()
        if path.suffix in texts and "data" not in path.relative_to(ROOT).parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if mark.search(line)
    ]
    assert found == []


def test_no_page_names_a_path_of_somebodys_machine() -> None:
    own = re.compile(r"(?<![\w.:/])/(work|home|root|Users)/\w")
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml"]
    assert [path.name for path in pages if own.search(path.read_text(encoding="utf-8"))] == []


def _written_by_us() -> Iterator[Path]:
    for path in ROOT.rglob("*"):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part != ".ci" for part in parts)
        foreign = {"__pycache__", "build", "node_modules"}.intersection(parts)
        if path.is_file() and not hidden and not foreign and not parts[0].endswith(".egg-info"):
            yield path


# The locks


PRODUCTION, CHARTS, POSTGRESQL, DEVELOPMENT = LOCKS = (
    "requirements.lock",
    "requirements-charts.lock",
    "requirements-postgresql.lock",
    "requirements-dev.lock",
)
"""Each holds the ones before it."""

BUILD = "requirements-build.lock"
"""What makes the wheel."""

AUDIT = "requirements-audit.lock"
"""What asks whether faults are known of all these."""

REQUIREMENT = re.compile(r"^([a-z0-9][a-z0-9._-]*)(\[[a-z0-9,_-]+\])?==([^\s;\\]+)", re.IGNORECASE)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _locked(lock: str) -> dict[str, str]:
    """Name to everything that is said of it."""
    text = re.sub(r"\\\n", " ", (ROOT / lock).read_text(encoding="utf-8"))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = {}
    for line in lines:
        named = REQUIREMENT.match(line)
        assert named, f"not a pinned requirement: {line[:80]}"
        found[_normal(named[1])] = line
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _names(requirements: Iterable[str]) -> set[str]:
    return {_normal(re.split(r"[\[<>=;!~ ]", requirement)[0]) for requirement in requirements}


@pytest.mark.parametrize("lock", [*LOCKS, BUILD, AUDIT])
def test_no_lock_names_a_host(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"https?:|--(extra-)?index-url|--find-links|-i\s|@\s", text)


@pytest.mark.parametrize(("lock", "least"), [*((lock, 40) for lock in LOCKS), (BUILD, 1), (AUDIT, 20)])
def test_every_requirement_has_hashes(lock: str, least: int) -> None:
    assert len(_locked(lock)) >= least
    for name, line in _locked(lock).items():
        hashes = re.findall(r"--hash=(\S+)", line)
        assert hashes, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", found) for found in hashes), name


def test_everything_the_project_names_is_locked() -> None:
    extras = PROJECT["optional-dependencies"]
    needed = _names(PROJECT["dependencies"])
    for lock, extra in zip(LOCKS, ("", "charts", "postgresql", "dev"), strict=True):
        needed |= _names(extras.get(extra, ()))
        assert needed <= set(_locked(lock))


def test_the_wheel_is_made_by_what_the_project_names_and_development_has() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    assert set(_locked(BUILD)) == _names(wanted)
    assert {line.split()[0] for line in _locked(BUILD).values()} <= {
        line.split()[0] for line in _locked(DEVELOPMENT).values()
    }


def test_production_is_locked_without_the_tools_of_development() -> None:
    extras = PROJECT["optional-dependencies"]
    tools = _names(extras["dev"]) - _names(["anyio"])
    postgresql, charts = _names(extras["postgresql"]), _names(extras["charts"])
    assert set(_locked(POSTGRESQL)) & tools == set()
    assert set(_locked(CHARTS)) & (tools | postgresql) == set()
    assert set(_locked(PRODUCTION)) & (tools | postgresql | charts) == set()


def test_all_locks_pin_the_same_versions() -> None:
    plain, charts, postgresql, everything = (
        {name: line.split()[0] for name, line in _locked(lock).items()} for lock in LOCKS
    )
    assert plain.items() < charts.items() < postgresql.items() < everything.items()
    auditing = {name: line.split()[0] for name, line in _locked(AUDIT).items()}
    shared = auditing.keys() & everything.keys()
    assert {name: auditing[name] for name in shared} == {name: everything[name] for name in shared}
    assert "pip-audit" in auditing.keys() - shared


# The sandbox, which production does without


@pytest.mark.slow
def test_nothing_of_the_sandbox_is_imported_before_a_command_of_it_runs() -> None:
    look = "import sys, bot.__main__; print([name for name in sys.modules if name.startswith('bot.sandbox')])"
    ended = subprocess.run([sys.executable, "-c", look], capture_output=True, check=True, text=True, cwd=ROOT)
    assert ended.stdout == "[]\n"


# The version


def test_the_version_is_stated_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "bot.__version__"}
    stated = re.compile(r"^__version__\b", re.MULTILINE)
    places = [path for path in _files("bot", "handlers", "storage") if stated.search(path.read_text(encoding="utf-8"))]
    assert places == [ROOT / "bot/__init__.py"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_the_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    released = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:]]
    assert all(released)
    assert released[0] is not None
    assert released[0][1] == __version__


def test_each_kind_of_change_is_told_once_for_a_version_and_in_one_order() -> None:
    kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    versions = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    for version in versions:
        told = re.findall(r"^### (.+)$", version, re.MULTILINE)
        assert told == [kind for kind in kinds if kind in told], version.partition("\n")[0]
