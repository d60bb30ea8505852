"""`python -m tests.access_page`: writes into docs/access.md who may do what, as bot/access/rights.py has it."""

from pathlib import Path

from bot.access.rights import RULES, Role, Rule

PAGE = Path(__file__).parents[1] / "docs" / "access.md"
_BEGIN, _END = "<!-- rights: written by `make docs` -->", "<!-- end of rights -->"


def written(page: str) -> str:
    """The page with its table as the code has it now."""
    head = ["| what | " + " | ".join(Role) + " |", "| --- |" + " --- |" * len(Role)]
    rows = [f"| {rule.means} | " + " | ".join(_cell(rule, role) for role in Role) + " |" for rule in RULES.values()]
    return f"{page.partition(_BEGIN)[0]}{_BEGIN}\n" + "\n".join([*head, *rows]) + f"\n{_END}{page.partition(_END)[2]}"


def _cell(rule: Rule, role: Role) -> str:
    own, others = role in rule.roles(own=True), role in rule.roles(own=False)
    return {(True, True): "yes", (True, False): "own", (False, True): "not own", (False, False): "–"}[own, others]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
