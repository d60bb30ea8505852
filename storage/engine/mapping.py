"""Maps rows to the domain's dataclasses, and dataclasses to statement parameters, by the names of their fields."""

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from storage.engine.transaction import from_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def load(cls: type[T], row: sqlite3.Row, **given: Any) -> T:
    """A `cls` from the columns named like its fields; those `given` need no column.

    Times, enums and booleans are read as the field's type says, NULL as None. IndexError if a column is missing.
    """
    for name, read in _readers(cls).items():
        if name not in given:
            value = row[name]
            given[name] = value if value is None or read is None else read(value)
    return cls(**given)


def params(source: "DataclassInstance") -> dict[str, Any]:
    """The fields as parameters of a statement, which takes those that it names."""
    return {field.name: getattr(source, field.name) for field in fields(source)}


@cache
def _readers(cls: type[Any]) -> Mapping[str, Callable[[Any], Any] | None]:
    hints = get_type_hints(cls)
    return {field.name: _reader(hints[field.name]) for field in fields(cls)}


def _reader(hint: Any) -> Callable[[Any], Any] | None:
    if isinstance(hint, UnionType):
        (hint,) = set(get_args(hint)) - {NoneType}
    if hint is datetime:
        return from_text
    return hint if isinstance(hint, type) and (hint is bool or issubclass(hint, Enum)) else None
