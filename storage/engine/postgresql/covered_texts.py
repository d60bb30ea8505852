"""What the MAC of a record covers, as PostgreSQL writes it: byte for byte what SQLite does (`storage.engine.macs`).

A file that is copied keeps its MACs, and so does one that is copied back. Whoever changes one side changes the other:
a test fills both with the same rows and compares the bytes.
"""

from storage.engine.covered import COVERED, FRACTIONS, LAST_ACT, CoveredTable

# The largest and the smallest whole number, beyond which SQLite stays; what is no number SQLite cannot hold.
_FRACTION = """
    CASE WHEN {0} >= 8796093022208 THEN '9223372036854775807' WHEN {0} <= -8796093022208 THEN '-9223372036854775808'
        ELSE CAST(CAST(trunc({0} * 1048576) AS BIGINT) AS TEXT) END
    """

KEPT_SUMS = """
    SELECT '[' || COALESCE(string_agg(
        '[' || to_json(begins)::TEXT || ',' || to_json(ends)::TEXT || ',' || to_json(mac)::TEXT || ']',
        ',' ORDER BY ends, begins), '') || ']'
    FROM day_sums WHERE mac IS NOT NULL
    """
"""What `storage.engine.kept_sums` makes its digest of."""


def _bytes(text: str) -> str:
    return f"'\\x{text.encode().hex()}'::BYTEA"


_LAST_ACT = f"""
    (SELECT {_bytes(chr(10) + LAST_ACT)}
        || convert_to(concat('[', COUNT(*), ',', COALESCE(MAX(seq)::TEXT, 'null'), ']'), 'UTF8')
        FROM audit WHERE ref = v.ref)
    """


def _rows(table: CoveredTable) -> str:
    if table.through_job:
        origin = f"attempts a JOIN {table.name} t ON t.job_id = a.job_id WHERE a.ref = v.ref"
    else:
        origin = f"{table.name} t WHERE t.ref = v.ref"
    key = ", ".join(f"t.{key}" for key in table.key)
    rows = f"SELECT string_agg({_row(table, 't')}, ''::BYTEA ORDER BY {key}) FROM {origin}"
    return f"COALESCE({_bytes(chr(10) + table.name)} || ({rows}), '')"


def _row(table: CoveredTable, alias: str) -> str:
    values, blobs = [], list[str]()
    for column in table.columns:
        value = f"{alias}.{column}"
        if column.endswith("_sealed"):
            length = f"convert_to(concat(' {len(blobs)} ', octet_length({value}), ':'), 'UTF8')"
            blobs.append(f"COALESCE({length} || {value}, '')")
        elif column in FRACTIONS:
            values.append(_FRACTION.format(value))
        else:
            # A number or a text, by the type of the column.
            values.append(f"COALESCE(to_json({value})::TEXT, 'null')")
    plain = f"convert_to(rtrim(concat('[', concat_ws(',', {', '.join(values)})), ',nul]'), 'UTF8')"
    return " || ".join([plain, *blobs])


COLUMNS = (
    f"CASE WHEN v.ref IS NOT NULL THEN {_row(COVERED[0], 'v')} END",
    *(_rows(table) for table in COVERED[1:]),
    _LAST_ACT,
)
"""Of a record, as `storage.engine.macs` asks for them: a value for each table, and one for the last act."""
