"""README and docs say what the code does: settings, commands, scopes, addresses, metrics, words."""

import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from starlette.routing import Route

import handlers
from bot import settings_file
from bot.__main__ import main
from bot.domain.check.states import ReviewReason, State
from bot.domain.results.codes import Code, Outcome, ResultCodes, ResultMeaning, ResultStory
from bot.domain.results.trust_rules import Situation, Source, Transition, rule
from bot.errors import PhotoCode, SettingsFault
from bot.runtime.health import Health
from bot.runtime.metrics import Gauges, Metrics
from bot.settings import Settings
from bot.slack import manifest
from bot.slack.blocks import command_help, ids, refusals, words
from bot.slack.blocks.words import Story
from handlers import commands
from tests import commands_page, env_example

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = sorted(page.name for page in (ROOT / "docs").glob("*.md"))
SETTINGS_PAGE, ACCESS, OPERATIONS, COMMANDS = (
    (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("settings", "access", "operations", "commands")
)
RESULTS = (ROOT / "docs/results.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
CODES = ResultCodes.parse((ROOT / "bot/data/result-codes.csv").read_text(encoding="utf-8"))


def rows(page: str, first_column: str, *, nth: int = 0) -> list[list[str]]:
    """The cells of the nth table whose first column is called so."""
    tables = re.findall(rf"^\| {re.escape(first_column)} \|.*\n\|[ |-]+\|\n((?:\|.*\n)+)", page, re.MULTILINE)
    return [[cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in tables[nth].splitlines()]


def bare(cell: str) -> str:
    return cell.strip().strip("`")


# Settings


SETTINGS = {bare(name): (default, meaning) for name, default, meaning in rows(SETTINGS_PAGE, "setting")}
ENOUGH = {
    "SLACK_BOT_TOKEN": "xoxb-invented",
    "SLACK_APP_TOKEN": "xapp-invented",
    "SMILE_ID_PARTNER_ID": "0421",
    "SMILE_ID_API_KEY": "invented",
    "KYC_ENCRYPTION_KEYS": "invented",
    "KYC_REQUESTERS": "U0AMINA0001",
}


def test_every_setting_stands_in_the_table_and_nothing_else_does() -> None:
    assert list(SETTINGS) == [str(field.alias) for field in Settings.model_fields.values()]
    assert all(meaning for _default, meaning in SETTINGS.values())


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_the_default_in_the_table_is_the_default(name: str) -> None:
    default = SETTINGS[name][0]
    attribute, field = next((a, f) for a, f in Settings.model_fields.items() if f.alias == name)
    if default == "required":
        assert field.is_required()
        with pytest.raises(SettingsFault, match=f"{name}: is required"):
            Settings.load({other: value for other, value in ENOUGH.items() if other != name})
    elif default == "–":
        assert field.default in (None, ())
    else:
        written = Settings.load(ENOUGH | {name: bare(default)})
        assert getattr(written, attribute) == field.default
        if isinstance(field.default, timedelta):
            assert bare(default)[-1] in "smhd"


@pytest.mark.slow
def test_a_setting_that_nothing_reads_is_called_so() -> None:
    code = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("bot", "handlers")
        for path in (ROOT / folder).rglob("*.py")
        # Looking at a setting, as `check` does, is not using it.
        if path.name != "settings.py" and "check" not in path.relative_to(ROOT).parts
    )
    unused = {
        str(field.alias)
        for name, field in Settings.model_fields.items()
        if not re.search(rf"settings\.{name}\b", code) and not _read_within(name)
    }
    # Who is a manager is known, but no manager may do anything yet.
    unused |= {"KYC_MANAGERS"} if "Role.MANAGER)" not in code else set()
    assert {name for name, (_, meaning) in SETTINGS.items() if "not used yet" in meaning} == unused


def _read_within(name: str) -> bool:
    """Whether another property of the settings hands it out, as `smile_id_url` does."""
    source = (ROOT / "bot/settings.py").read_text(encoding="utf-8")
    properties = source.partition("    @property\n")[2]
    return bool(re.search(rf"self\.{name}\b", properties))


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", *(f"docs/{name}" for name in DOCS)])
def test_no_page_speaks_of_a_setting_that_is_not_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    spoken = set(re.findall(r"\b(?:KYC|SLACK|SMILE_ID)_[A-Z_]+[A-Z]\b", text))
    known = {*SETTINGS, *(f"{name}_FILE" for name in SETTINGS), settings_file.VARIABLE}
    assert spoken - known == set()


def test_the_example_of_a_settings_file_has_every_setting_as_the_page_explains_it() -> None:
    assert env_example.PAGE.read_text(encoding="utf-8") == env_example.written(), "`make docs` writes it again"


def test_the_example_of_a_settings_file_can_be_read_as_it_is_and_with_everything_set(tmp_path: Path) -> None:
    assert set(settings_file.read(env_example.PAGE)) == {name for name, row in SETTINGS.items() if row[0] == "required"}
    text = env_example.PAGE.read_text(encoding="utf-8")
    filled = re.sub(r"^# (?=[A-Z_]+=)", "", text, flags=re.MULTILINE)
    (tmp_path / "env").write_text(filled, encoding="utf-8")
    values = settings_file.read(tmp_path / "env")
    assert list(values) == list(SETTINGS)
    secrets = {"SLACK_SIGNING_SECRET": "invented", "KYC_SLACK_USER_TOKEN": "xoxp-invented"}
    Settings.load(values | ENOUGH | secrets)


# Commands


def test_the_page_of_commands_is_what_their_help_says() -> None:
    assert commands_page.written(COMMANDS) == COMMANDS, "`make docs` writes it again"


@pytest.mark.parametrize("name", [name for name, _command in commands_page.commands(main, "kyc-bot")])
def test_every_command_and_option_explains_itself(name: str) -> None:
    command = dict(commands_page.commands(main, "kyc-bot"))[name]
    assert command.help
    assert [option.name for option in command.params if isinstance(option, click.Option) and not option.help] == []
    shown = CliRunner().invoke(main, [*name.split()[1:], "--help"])
    assert shown.exit_code == 0
    assert "Usage:" in shown.output


def test_every_word_of_the_slash_command_is_in_its_help_and_no_page_names_another() -> None:
    in_help = set(re.findall(rf"\*{ids.COMMAND} ([a-z]+)", command_help.HELP))
    assert in_help == set(commands._WORDS) - {""}
    assert set(re.findall(rf"`{ids.COMMAND} ([a-z]+)", COMMANDS)) <= in_help


def test_every_scope_is_listed_with_what_it_is_for() -> None:
    table = rows(ACCESS, "scope")
    assert [bare(scope) for scope, _reason in table] == list(manifest.SCOPES)
    assert all(reason for _scope, reason in table)


# Addresses, metrics, links


def _routes(where: str) -> set[str]:
    source = (ROOT / "handlers/http.py").read_text(encoding="utf-8")
    assert hasattr(handlers, where)
    return set(re.findall(r'\b(?:Route|_both)\("([^"]+)"', source))


def test_every_address_stands_in_the_table_and_nothing_else_does() -> None:
    written = {bare(row[0]).split(" ")[1] for row in rows(OPERATIONS, "address")}
    assert written == _routes("web")
    assert all(Route(path, lambda _: None).path for path in written)


def test_every_metric_stands_in_the_table_with_its_labels() -> None:
    metrics = Metrics(Health())
    metrics.callback("kept")
    metrics.capture("open", "ok")
    metrics.slack("chat.postMessage", "ok")
    metrics.smile_id("upload", "ok")
    metrics.commit(1, 0.0)
    metrics.clock_step(timedelta(hours=1))
    text = metrics.render(Gauges({}, {"submission": timedelta(0)}, timedelta(0), {})).decode()
    measured = set()
    for name, labels in re.findall(r"^(kyc_[a-z_]+)(?:\{([^}]*)\})? ", text, re.MULTILINE):
        plain = re.sub(r"_(bucket|sum|count)$", "", name)
        if plain.endswith("_created"):
            continue
        kept = [label for label in re.findall(r'([a-z_]+)="', labels) if label != "le"]
        measured.add(plain + (f"{{{','.join(kept)}}}" if kept else ""))
    assert {bare(row[0]) for row in rows(OPERATIONS, "metric")} == measured


@pytest.mark.parametrize(
    "page",
    ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", *(f"docs/{name}" for name in DOCS)],
)
def test_every_link_leads_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\((?!https:)([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def _anchors(page: str) -> set[str]:
    """What `page.md#…` may name: headings as hosts of repositories spell them, and marks of our own."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    plain = (re.sub(r"[`*]|\[|\]\([^)]*\)", "", heading).lower() for heading in headings)
    spelt = {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}
    return spelt | set(re.findall(r'<a id="([^"]+)"', page))


@pytest.mark.parametrize(
    "page", ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", *(f"docs/{name}" for name in DOCS)]
)
def test_every_link_into_a_page_finds_its_heading(page: str) -> None:
    path = ROOT / page
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", path.read_text(encoding="utf-8")):
        aimed = path.parent / target if target else path
        if aimed.suffix == ".md":
            assert anchor in _anchors(aimed.read_text(encoding="utf-8")), f"{target}#{anchor}"


def test_the_readme_is_one_screen_and_a_working_run_stands_in_its_first_half() -> None:
    lines = README.splitlines()
    assert len(lines) <= 60
    assert lines.index("    make demo") < 25


@pytest.mark.parametrize("name", sorted(set(DOCS) - {"pictures.md"}))
def test_every_page_is_found_from_the_readme(name: str) -> None:
    assert f"(docs/{name}" in README


def test_every_library_is_accounted_for_in_the_changelog() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = project.partition("dependencies = [")[2].partition("[project.scripts]")[0]
    named = {name.lower() for name in re.findall(r'^\s+"([A-Za-z0-9-]+)', listed, re.MULTILINE)}
    # Typing stubs and the build back end come with what they serve; slack-sdk is slack-bolt's own.
    silent = {"slack-sdk", "setuptools", "types-jsonschema", "types-openpyxl", "types-pyyaml"}
    told = CHANGELOG.lower()
    assert {name for name in named - silent if name not in told} == set()


# The page of results


def _read(code: Code, text: str) -> ResultMeaning:
    return CODES.read(code=code.code, text=text, actions={"Verify_ID_Number": "Verified"})


def _expected(code: Code, texts: Sequence[str], reading: ResultMeaning) -> list[str]:
    ruling = rule(reading, Source.JOB_STATUS, Situation(state=State.PROCESSING))
    story = words.STORIES[reading.why]
    title = story.title.replace("{id_type}", "BVN") if ruling.tell else "nothing; it stands in the *Details*"
    return [
        f"`{code.code}`",
        " / ".join(texts) or "–",
        title,
        (story.next_step if ruling.tell else "") or "–",
        _place(ruling),
        _called(story) if ruling.tell else "–",
        code.confidence,
    ]


def _called(story: Story) -> str:
    return "reviewers" if story.calls_reviewer or story.tells_reviewer else "admins" if story.calls_admins else "–"


def _place(ruling: Transition) -> str:
    if ruling.move is None:
        return "unchanged"
    state, reason = ruling.move
    return f"`{state}`" if reason is None else f"`{state}`, `{reason}`"


def test_every_code_of_job_type_1_stands_there_as_the_bot_reads_it() -> None:
    expected = []
    for code in sorted(CODES, key=lambda each: each.code):
        by_story: dict[ResultStory, list[str]] = {}
        for text in code.texts or ("",):
            by_story.setdefault(_read(code, text).why, []).append(text)
        expected += [_expected(code, texts, _read(code, texts[0])) for texts in by_story.values()]
    assert rows(RESULTS, "code") == expected


def test_no_code_but_the_two_documented_ones_is_an_approval() -> None:
    approving = {row[0] for row in rows(RESULTS, "code") if "approved" in row[4]}
    assert approving == {"`0810`", "`1210`"}


def test_what_the_table_cannot_say_is_said_beside_it() -> None:
    unverified, unknown, changing = rows(RESULTS, "when")
    without = CODES.read(code="0810", text="Enroll User")
    assert [unverified[1], unverified[2]] == [_title(without), _place(_ruling(without))]
    strange = CODES.read(code="0899")
    assert [unknown[1], unknown[2]] == [_title(strange), _place(_ruling(strange))]
    provisional = CODES.read(code="0810", actions={"Verify_ID_Number": "Verified"}, said_final=False)
    assert [changing[1], changing[2]] == [_title(provisional), _place(_ruling(provisional))]
    assert [row[3] for row in (unverified, unknown, changing)] == ["reviewers"] * 3


def test_claims_contradictions_and_waiting_are_told_in_the_bots_words() -> None:
    told = {row[1]: row for row in rows(RESULTS, "when", nth=1)}
    names = words.OUTCOME_NAMES
    second = words.SECOND_FINAL.title.format(first=names[Outcome.REJECTED], second=names[Outcome.APPROVED])
    for title, reason in (
        (words.APPROVAL_UNCONFIRMED.title, ReviewReason.UNCONFIRMED),
        (words.CONTRADICTION.title, ReviewReason.CONTRADICTION),
        (second, ReviewReason.SECOND_FINAL),
    ):
        assert told[title][2:] == [f"`in_review`, `{reason}`", "reviewers"]
    assert told[words.OVERDUE.title][2:] == ["unchanged", "reviewers"]


def test_every_review_reason_is_explained() -> None:
    assert [reason for reason in ReviewReason if f"`{reason}`" not in RESULTS] == []


def test_ends_of_our_own_are_told_in_the_bots_words() -> None:
    expected = [[f"`{key}`", story.title, story.next_step or "–"] for key, story in words.FAILURES.items()]
    assert [row[:3] for row in rows(RESULTS, "why")] == expected


def test_every_fault_that_a_photos_bytes_can_have_is_quoted() -> None:
    source = (ROOT / "bot/domain/check/photos.py").read_text(encoding="utf-8")
    raised = {PhotoCode[name] for name in re.findall(r"PhotoCode\.([A-Z_]+)", source)} | {PhotoCode.FILE_TOO_LARGE}
    quoted = [said for _why, said in rows(RESULTS, "why", nth=1)]
    for code in raised:
        form = re.sub(r"\\\{\w+\\\}", ".+", re.escape(refusals.SENTENCES[code]))
        assert sum(re.fullmatch(form, said) is not None for said in quoted) == 1, code
    assert len(quoted) == len(raised)


def _title(reading: ResultMeaning) -> str:
    return words.STORIES[reading.why].title.replace("{code}", reading.code)


def _ruling(reading: ResultMeaning) -> Transition:
    return rule(reading, Source.JOB_STATUS, Situation(state=State.PROCESSING))
