"""A database as the bot's first start leaves it before anything is written: made once by each worker, then copied.

The migrations of a new file cost as much as the rest of a bot's start. `tests/storage/test_fresh_file.py` holds that a
copy is what they make; the journeys of whole processes begin without a file.
"""

import tempfile
from datetime import timedelta
from functools import cache
from pathlib import Path

from storage.engine.connection import connect, create_private
from storage.engine.migrations import migrate
from storage.engine.sealing import Sealer


def lay(path: Path) -> Path:
    """Put one at `path`, unless there is a file or no folder for it: then the bot makes it, or says why it cannot."""
    if path.parent.is_dir() and not path.exists():
        create_private(path)
        path.write_bytes(_migrated())
    return path


@cache
def _migrated() -> bytes:
    """Under no key yet: a bot's first write says which one it is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fresh.db"
        db = connect(path, busy_timeout=timedelta(0))
        migrate(db, Sealer([b"k" * 32]))
        db.close()
        return path.read_bytes()
