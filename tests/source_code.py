"""The source as Python reads it, parsed once for all tests that look into it."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(text_of(path))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file."""
    return tuple(ast.walk(tree_of(path)))


def nodes_where(paths: Iterable[Path], *words: str) -> Iterator[tuple[Path, ast.AST]]:
    """Every node of those files whose text has one of these words: the others need not be parsed, which takes long."""
    for path in paths:
        if any(word in text_of(path) for word in words):
            yield from ((path, node) for node in nodes_of(path))
