"""The container takes along all that the wheel is made of, from a context that lets it through."""

from pathlib import Path

from tests.journeys.production import PACKED

ROOT = Path(__file__).parents[2]


def test_the_container_is_made_of_what_the_wheel_is_made_of() -> None:
    steps = (ROOT / "deploy/Containerfile").read_text(encoding="utf-8").splitlines()
    copied = {name for step in steps if step.startswith("COPY ") for name in step.split()[1:-1]}
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    locks = {f"requirements-{name}.lock" for name in ("charts", "postgresql", "build")}
    assert {*PACKED, "Makefile", *locks} <= copied
    assert {name for name in copied if name not in let_through and not name.endswith(".lock")} == {
        name for name in copied if name.startswith(("--from", "/opt"))
    }
