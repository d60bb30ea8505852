"""Triggers by which the bot's own session hears which checks it touches, so that its commit makes their MACs.

SQLite's stand on the writer's own connection. PostgreSQL keeps triggers with the tables, for every session: these speak
where the session has asked for it, and what they say goes to that session alone. So a change of anybody else is noted
nowhere, and never gets a MAC.
"""

from __future__ import annotations

from collections.abc import Iterator

from storage.engine.covered import COVERED, LAST_ACT

SETTING = "kyc_bot.notes"
"""The session that hears sets it to `on`."""
DECISIVE, TOUCHED, SUMS, LINES = "KYC01", "KYC02", "KYC03", "KYC04"
"""Codes of the notices: of a check, with its reference, whether what comes of it may have been changed or not; of a sum
of days that is kept, and of a new line of the audit trail, without any words."""

_PREFIX = "noted_"
"""Of every function and trigger."""
_ASKED = f"current_setting('{SETTING}', TRUE) = 'on'"
_OF_JOB = "(SELECT ref FROM attempts WHERE job_id = {}.job_id)"
_FUNCTIONS = {
    "new_row": "NEW.ref",
    "old_row": "OLD.ref",
    "new_message": _OF_JOB.format("NEW"),
    "old_message": _OF_JOB.format("OLD"),
    "other": "''",
}


def dropped() -> str:
    """The statement that takes all of them away, whichever version made them."""
    return f"""
        DO $$ DECLARE found REGPROCEDURE; BEGIN
            FOR found IN SELECT oid FROM pg_proc
                WHERE pronamespace = quote_ident(current_schema())::REGNAMESPACE AND starts_with(proname, '{_PREFIX}')
            LOOP EXECUTE format('DROP FUNCTION %s CASCADE', found); END LOOP;
        END $$
        """


def definitions() -> Iterator[str]:
    """The statements that make them."""
    for name, ref in _FUNCTIONS.items():
        yield (
            f"CREATE FUNCTION {_PREFIX}{name}() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN "
            f"RAISE NOTICE USING ERRCODE = TG_ARGV[0], MESSAGE = {ref}; RETURN NULL; END $body$"
        )
    for table in COVERED:
        kind = "message" if table.through_job else "row"
        of_rows = DECISIVE if table.decisive_rows else TOUCHED
        is_of_check = "{0}.ref IS NOT NULL" if table.name == "posts" else ""
        others = ", ".join(column for column in table.columns if column not in table.decisive)
        yield _trigger(table.name, "new_rows", "INSERT", f"new_{kind}", of_rows, is_of_check.format("NEW"))
        yield _trigger(table.name, "gone_rows", "DELETE", f"old_{kind}", of_rows, is_of_check.format("OLD"))
        yield _trigger(table.name, "others", f"UPDATE OF {others}", f"new_{kind}", TOUCHED, is_of_check.format("NEW"))
        if table.decisive:
            yield _trigger(table.name, "decisive", f"UPDATE OF {', '.join(table.decisive)}", f"new_{kind}", DECISIVE)
    yield _trigger(LAST_ACT, "new_rows", "INSERT", "new_row", TOUCHED, "NEW.ref IS NOT NULL")
    yield _trigger(LAST_ACT, "lines", "INSERT", "other", LINES)
    yield _trigger("day_sums", "new", "INSERT", "other", SUMS, "NEW.mac IS NOT NULL")
    yield _trigger("day_sums", "others", "UPDATE", "other", SUMS, "NEW.mac IS NOT NULL OR OLD.mac IS NOT NULL")
    yield _trigger("day_sums", "gone", "DELETE", "other", SUMS, "OLD.mac IS NOT NULL")


def _trigger(table: str, name: str, event: str, function: str, code: str, where: str = "") -> str:
    condition = f"{_ASKED} AND ({where})" if where else _ASKED
    return (
        f"CREATE TRIGGER {_PREFIX}{name} AFTER {event} ON {table} FOR EACH ROW WHEN ({condition}) "
        f"EXECUTE FUNCTION {_PREFIX}{function}('{code}')"
    )
