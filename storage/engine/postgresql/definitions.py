"""One statement of a migration, as PostgreSQL needs it: tables, indexes, views, triggers, and rows that a step changes.

A trigger becomes a function of the same name. Rows are numbered by the database as SQLite numbers them: the highest
number and one, which leaves no gap where a transaction was rolled back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from storage.engine.postgresql.reader import TYPES, NotTranslated, Reader

REFUSED = "23000"
"""The code of what a trigger refuses: of the class of all that the schema refuses."""


class Stage(IntEnum):
    """When it is made in an empty database: each stage needs the ones before alone."""

    TABLE = 1
    CHANGE = 2
    """Of a table that is there, or of its rows."""
    INDEX = 3
    REFERENCE = 4
    """Tables refer to each other in circles."""
    VIEW = 5
    TRIGGER = 6


@dataclass(slots=True)
class Definition:
    """What one statement becomes."""

    by_stage: dict[Stage, list[str]] = field(default_factory=dict)

    def add(self, stage: Stage, *statements: str) -> None:
        self.by_stage.setdefault(stage, []).extend(statements)

    @property
    def statements(self) -> list[str]:
        """In the order in which they are run."""
        return [statement for stage in sorted(self.by_stage) for statement in self.by_stage[stage]]


def translated(sql: str) -> Definition:
    """Raises NotTranslated."""
    reader, made = Reader(sql), Definition()
    _statement(reader, made)
    reader.accept(";")
    if not reader.is_at_end:
        raise reader.fault()
    return made


def _statement(reader: Reader, made: Definition) -> None:
    if reader.accept("CREATE", "TABLE"):
        _table(reader, made)
    elif reader.sees("CREATE", "INDEX") or reader.sees("CREATE", "UNIQUE", "INDEX"):
        _index(reader, made)
    elif reader.accept("CREATE", "VIEW"):
        name = reader.name()
        reader.expect("AS")
        made.add(Stage.VIEW, f"CREATE VIEW {name} AS {reader.select()}")
    elif reader.accept("CREATE", "TRIGGER"):
        _trigger(reader, made)
    elif reader.accept("ALTER", "TABLE"):
        table = reader.name()
        reader.expect("ADD", "COLUMN")
        column, references = _column(reader, table)
        made.add(Stage.CHANGE, f"ALTER TABLE {table} ADD COLUMN {column}")
        made.add(Stage.REFERENCE, *references)
    elif reader.accept("DROP"):
        _drop(reader, made)
    else:
        made.add(Stage.CHANGE, _change(reader))


# Tables.


def _table(reader: Reader, made: Definition) -> None:
    table = reader.name()
    parts, references = list[str](), list[str]()
    reader.expect("(")
    while not parts or reader.accept(","):
        if reader.next.is_word("PRIMARY", "UNIQUE", "CHECK", "FOREIGN"):
            _constraint(reader, table, parts, references)
        else:
            if (numbered := _numbered(reader)) is not None:
                made.add(Stage.TRIGGER, *_numbering(table, numbered))
            part, more = _column(reader, table)
            parts.append(part)
            references += more
    reader.expect(")")
    # Only such a table holds what its columns say.
    reader.expect("STRICT")
    if reader.accept(",", "WITHOUT"):
        reader.expect("ROWID")
    made.add(Stage.TABLE, f"CREATE TABLE {table} ({', '.join(parts)})")
    made.add(Stage.REFERENCE, *references)


def _numbered(reader: Reader) -> str | None:
    """The column that comes next, if SQLite itself numbers the rows by it."""
    name = reader.next.text
    return name if reader.sees(name.upper(), "INTEGER", "PRIMARY", "KEY") else None


def _numbering(table: str, column: str) -> list[str]:
    name = f"{table}_numbered"
    body = f"NEW.{column} := COALESCE((SELECT MAX({column}) FROM {table}), 0) + 1; RETURN NEW;"
    when = f"FOR EACH ROW WHEN (NEW.{column} IS NULL)"
    return [_function(name, body), f"CREATE TRIGGER {name} BEFORE INSERT ON {table} {when} EXECUTE FUNCTION {name}()"]


def _column(reader: Reader, table: str) -> tuple[str, list[str]]:
    """A column, and the references that are made once all tables are there."""
    name = reader.name()
    parts, references = [name, TYPES[reader.word(*TYPES)]], list[str]()
    while True:
        if reader.accept("NOT", "NULL"):
            parts.append("NOT NULL")
        elif reader.accept("PRIMARY", "KEY"):
            parts.append("PRIMARY KEY")
        elif reader.accept("UNIQUE"):
            parts.append("UNIQUE")
        elif reader.accept("DEFAULT"):
            if reader.next.kind not in ("text", "number"):
                raise reader.fault()
            parts.append(f"DEFAULT {reader.take().text}")
        elif reader.accept("CHECK", "("):
            parts.append(f"CHECK ({reader.condition()})")
            reader.expect(")")
        elif reader.accept("REFERENCES"):
            references.append(_reference(reader, table, [name]))
        else:
            return " ".join(parts), references


def _constraint(reader: Reader, table: str, parts: list[str], references: list[str]) -> None:
    if reader.accept("CHECK", "("):
        parts.append(f"CHECK ({reader.condition()})")
        reader.expect(")")
    elif reader.accept("PRIMARY", "KEY"):
        parts.append(f"PRIMARY KEY ({', '.join(reader.names())})")
    elif reader.accept("UNIQUE"):
        parts.append(f"UNIQUE ({', '.join(reader.names())})")
    else:
        reader.expect("FOREIGN", "KEY")
        columns = reader.names()
        reader.expect("REFERENCES")
        references.append(_reference(reader, table, columns))


def _reference(reader: Reader, table: str, columns: list[str]) -> str:
    other = reader.name()
    of_other = reader.names()
    return f"ALTER TABLE {table} ADD FOREIGN KEY ({', '.join(columns)}) REFERENCES {other} ({', '.join(of_other)})"


# What stands beside tables.


def _index(reader: Reader, made: Definition) -> None:
    reader.expect("CREATE")
    kind = "UNIQUE INDEX" if reader.accept("UNIQUE") else "INDEX"
    reader.expect("INDEX")
    if reader.accept("IF", "NOT", "EXISTS"):
        kind += " IF NOT EXISTS"
    name = reader.name()
    reader.expect("ON")
    table, columns = reader.name(), list[str]()
    reader.expect("(")
    while not columns or reader.accept(","):
        found = reader.value()
        columns.append(found if found.isidentifier() else f"({found})")
    reader.expect(")")
    where = f" WHERE {reader.condition()}" if reader.accept("WHERE") else ""
    made.add(Stage.INDEX, f"CREATE {kind} {name} ON {table} ({', '.join(columns)}){where}")


def _drop(reader: Reader, made: Definition) -> None:
    what = reader.word("INDEX", "VIEW", "TRIGGER", "TABLE")
    if_exists = " IF EXISTS" if reader.accept("IF", "EXISTS") else ""
    name = reader.name()
    if what == "TRIGGER":
        # The function takes its trigger along.
        made.add(Stage.CHANGE, f"DROP FUNCTION{if_exists} {name}() CASCADE")
        return
    made.add(Stage.CHANGE, f"DROP {what}{if_exists} {name}")
    if what == "TABLE":
        made.add(Stage.CHANGE, f"DROP FUNCTION IF EXISTS {name}_numbered()")


def _trigger(reader: Reader, made: Definition) -> None:
    name = reader.name()
    when = reader.word("BEFORE", "AFTER")
    event = of = reader.word("INSERT", "UPDATE", "DELETE")
    if reader.accept("OF"):
        columns = [reader.name()]
        while reader.accept(","):
            columns.append(reader.name())
        of = f"{event} OF {', '.join(columns)}"
    reader.expect("ON")
    table = reader.name()
    reader.accept("FOR", "EACH", "ROW")
    where = f"WHEN ({reader.condition()}) " if reader.accept("WHEN") else ""
    reader.expect("BEGIN")
    body = list[str]()
    while not reader.accept("END"):
        body.append(_refusal(reader) if reader.sees("SELECT", "RAISE") else _change(reader))
        reader.expect(";")
    refuses = any(statement.startswith("RAISE") for statement in body)
    body.append(f"RETURN {'NULL' if when == 'AFTER' else 'OLD' if event == 'DELETE' else 'NEW'}")
    made.add(
        Stage.TRIGGER,
        _function(name, " ".join(f"{statement};" for statement in body)),
        f"CREATE TRIGGER {name} {when} {of} ON {table} FOR EACH ROW {where}EXECUTE FUNCTION {name}()",
    )
    if refuses and event == "DELETE" and not where:
        # SQLite knows no other way to remove all rows.
        made.add(
            Stage.TRIGGER,
            f"CREATE TRIGGER {name}_whole BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {name}()",
        )


def _function(name: str, body: str) -> str:
    return f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN {body} END $body$"


def _refusal(reader: Reader) -> str:
    reader.expect("SELECT", "RAISE", "(", "ABORT", ",")
    words = reader.text()
    reader.expect(")")
    if "'" in words:
        raise NotTranslated(f"what a trigger says has a quote: {words}")
    return f"RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = '{words}'"


# Rows.


def _change(reader: Reader) -> str:
    if reader.accept("INSERT", "INTO"):
        return _insert(reader)
    if reader.accept("UPDATE"):
        table = reader.name()
        reader.expect("SET")
        parts = [f"UPDATE {table} SET {_assignments(reader)}"]
        if reader.accept("FROM"):
            parts.append(f"FROM {reader.source()}")
    else:
        reader.expect("DELETE", "FROM")
        parts = [f"DELETE FROM {reader.name()}"]
    if reader.accept("WHERE"):
        parts.append(f"WHERE {reader.condition()}")
    return " ".join(parts)


def _insert(reader: Reader) -> str:
    table = reader.name()
    parts = [f"INSERT INTO {table} ({', '.join(reader.names())})"]
    if reader.accept("VALUES"):
        reader.expect("(")
        values = [reader.value()]
        while reader.accept(","):
            values.append(reader.value())
        reader.expect(")")
        parts.append(f"VALUES ({', '.join(values)})")
    else:
        parts.append(reader.select())
    if reader.accept("ON", "CONFLICT"):
        target = f" ({', '.join(reader.names())})" if reader.sees("(") else ""
        reader.expect("DO")
        if reader.accept("NOTHING"):
            parts.append(f"ON CONFLICT{target} DO NOTHING")
        else:
            reader.expect("UPDATE", "SET")
            # PostgreSQL does not choose between the row that is there and the one that is not put in.
            reader.of_bare_names = f"{table}."
            parts.append(f"ON CONFLICT{target} DO UPDATE SET {_assignments(reader)}")
            reader.of_bare_names = ""
    return " ".join(parts)


def _assignments(reader: Reader) -> str:
    found = list[str]()
    while not found or reader.accept(","):
        column = reader.name()
        reader.expect("=")
        found.append(f"{column} = {reader.value()}")
    return ", ".join(found)
