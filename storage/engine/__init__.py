"""The database engine: connections, the one writer, sealing, migrations, backups. It knows no table of checks."""

import sys

if "numpy" not in sys.modules:
    # sqlite-utils looks for numpy, which comes with the charts, to store its numbers. None of ours is one, and each
    # start would take longer by it, and more memory. The summary's picture still finds it.
    sys.modules["numpy"] = None  # type: ignore[assignment]
    try:
        import sqlite_utils  # noqa: F401
    finally:
        del sys.modules["numpy"]
