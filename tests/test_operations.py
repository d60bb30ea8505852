"""The operators' pages: every alert and all that can be degraded is explained; symptoms are quoted as they are said."""

import ast
import re

from bot.domain import database_address
from bot.domain.outbox import AdminAlert
from bot.errors import Refusal
from bot.runtime import instances
from bot.runtime.health import Degraded
from bot.settings import Settings
from bot.slack.blocks.refusals import SENTENCES
from tests.source_code import nodes_of
from tests.test_readme import OPERATIONS, ROOT, SETTINGS_PAGE, bare, rows


def test_every_degraded_key_is_explained_and_no_other() -> None:
    told = rows(OPERATIONS, "what")
    assert sorted(bare(row[0]) for row in told) == sorted(Degraded)
    assert all(len(row) == 3 and row[1] and row[2] for row in told)


def test_every_alert_is_explained_in_the_words_that_admins_read() -> None:
    told = rows(OPERATIONS, "it says")
    said = {re.sub(r"\{\w+\}", "…", SENTENCES[alert]) for alert in AdminAlert}
    assert {row[0] for row in told} == said
    assert len(told) == len(AdminAlert)
    assert all(len(row) == 3 and row[1] and row[2] for row in told)


# A PostgreSQL server


def test_every_address_on_a_page_is_one_that_the_bot_takes() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "CHANGELOG.md", ROOT / "deploy/site/compose.yaml"]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    written = {found.rstrip(",;.") for found in re.findall(r"postgresql://[^\s`)|]+", text)}
    addresses = [each for each in written if "…" not in each]
    assert len(addresses) > 3
    assert all(database_address.parse(address) for address in addresses)


def test_every_option_of_an_address_is_named_and_no_other() -> None:
    (told,) = re.findall(r"^- \*\*Options\*\* are libpq's: (.+?)\. What", SETTINGS_PAGE, re.MULTILINE | re.DOTALL)
    named = re.findall(r"`([\w-]+)`", re.sub(r"\([^)]*\)", "", told))
    assert named == list(database_address.OPTIONS)


def test_what_a_reader_is_told_of_silent_instances_is_what_they_do() -> None:
    (chapter,) = re.findall(r"^## A site that stays up$(.+?)^## ", OPERATIONS, re.MULTILINE | re.DOTALL)
    assert f"silent for {instances.SILENT_FOR:.0f} s" in chapter
    assert f"another goes on with its work after {instances.SILENT_FOR:.0f} s" in chapter
    assert instances.SHOW_EVERY == 5
    assert "shows every five seconds" in chapter


# What is logged


def _logged() -> set[str]:
    """Every event that the code names where it logs; `x if y else z` names two."""
    found: set[str] = set()
    for path in sorted(path for room in ("bot", "handlers", "storage") for path in (ROOT / room).rglob("*.py")):
        if "sandbox" in path.parts:
            continue
        for node in nodes_of(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                if isinstance(node.func.value, ast.Name) and node.func.value.id == "log":
                    found |= {str(each.value) for each in ast.walk(node.args[0]) if isinstance(each, ast.Constant)}
            elif isinstance(node, ast.keyword) and node.arg == "event" and isinstance(node.value, ast.Constant):
                found.add(str(node.value.value))
    return {event for event in found if re.fullmatch(r"[a-z_]+\.[a-z_]+", event)}


def test_every_event_has_its_place_on_the_page() -> None:
    logged = _logged()
    assert len(logged) > 100
    watched = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", " ".join(row[0] for row in rows(OPERATIONS, "to watch"))))
    assert watched - logged == set()
    # Whatever is refused, altered or not ours is for somebody to watch.
    telling = re.compile(r"refused$|altered$|foreign$|access_lost$|does_not_fit$|refuses_us$")
    assert {event for event in logged if telling.search(event)} - watched == set()
    about = set(re.findall(r"`([a-z_]+)\.`", " ".join(row[0] for row in rows(OPERATIONS, "begins with"))))
    assert {event.partition(".")[0] for event in logged} - about == set()


# docs/troubleshooting.md


def _said_by_the_bot() -> list[str]:
    """Every text in the code that is not the sandbox's; what a format or an f-string fills in is `…`."""
    found = []
    for room in ("bot", "handlers", "storage"):
        for path in sorted((ROOT / room).rglob("*.py")):
            if "sandbox" in path.parts:
                continue
            for node in nodes_of(path):
                if isinstance(node, ast.JoinedStr):
                    parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
                    found.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(re.sub(r"\{[\w:,.]*\}", "…", node.value))
    return [re.sub(r"\s+", " ", text) for text in found]


TROUBLE = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
QUOTES = re.findall(r"^> (.+)$", TROUBLE, re.MULTILINE)


def test_every_quote_of_the_troubleshooting_page_is_the_bots_own_words() -> None:
    said = _said_by_the_bot()
    assert len(QUOTES) > 30

    def is_said(quote: str) -> bool:
        # At its ends `…` stands for whatever is left out.
        wanted = quote.removeprefix("…").removesuffix("…").strip(" ,.;")
        return len(wanted) > 10 and any(wanted in text for text in said)

    assert [quote for quote in QUOTES if not is_said(quote)] == []


def test_addresses_to_type_are_those_of_the_settings_that_nobody_changed() -> None:
    pages = TROUBLE + (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    ports = {str(Settings.model_fields[name].default) for name in ("port", "admin_port")}
    typed = re.findall(r"http://(?:127\.0\.0\.1|localhost):(\d+)/", pages)
    assert typed
    assert set(typed) <= ports


def test_every_symptom_has_its_remedy() -> None:
    blocks = [block for block in TROUBLE.split("\n\n") if block.strip()]
    for block, following in zip(blocks, [*blocks[1:], "#"], strict=True):
        if block.startswith("> "):
            assert not following.startswith(("> ", "#")), block


def test_what_a_reader_hears_at_each_door_has_its_symptom() -> None:
    for refusal in (Refusal.SLACK_REFUSES_US, Refusal.WRONG_WORKSPACE, Refusal.SMILE_ID_REFUSES_US, Refusal.NOT_SURE):
        beginning = re.sub(r"\{\w+\}", "…", SENTENCES[refusal]).split(". ")[0]
        assert any(quote.startswith(beginning) for quote in QUOTES), refusal
