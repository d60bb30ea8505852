"""`python -m tests.trail_page`: writes into docs/trail.md every act that bot/domain/trail.py has."""

from pathlib import Path

from bot.domain.trail import ACTS, ActKind

PAGE = Path(__file__).parents[1] / "docs" / "trail.md"
_BEGIN, _END = "<!-- acts: written by `make docs` -->", "<!-- end of acts -->"
_TITLES = {
    ActKind.CHANGE: "What was done",
    ActKind.LOOK: "What was looked at",
    ActKind.REFUSAL: "What was refused",
    ActKind.OPERATION: "The bot itself",
}


def written(page: str) -> str:
    """The page with its tables as the code has them now."""
    parts = []
    for kind, title in _TITLES.items():
        rows = [f"| `{name}` | {act.meaning} |" for name, act in ACTS.items() if act.kind is kind]
        parts.append("\n".join([f"### {title}", "", "| act | what its line says |", "| --- | --- |", *rows]))
    tables = "\n\n".join(parts)
    return f"{page.partition(_BEGIN)[0]}{_BEGIN}\n{tables}\n{_END}{page.partition(_END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
