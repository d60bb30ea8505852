"""A file under its name, whole or not at all. Until then it has no name, so that a kill leaves nothing of it.

Where the file system knows none without a name (NFS, for one), it has one of its own, and what a kill left under that
goes away when the same file is written again.
"""

import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_DESCRIPTORS = Path("/proc/self/fd")
_ENDING = ".piece"


@contextmanager
def whole_file(place: Path) -> Iterator[IO[bytes]]:
    """A new file that its owner alone may read. If the block ends well, it is on disk and takes the place of `place`.

    After a failure an older one stays as it was. Raises OSError. Of two that write the same one at once, one may fail.
    """
    for left_by_a_kill in place.parent.glob(f".{glob.escape(place.name)}.*{_ENDING}"):
        left_by_a_kill.unlink(missing_ok=True)
    piece = place.with_name(f".{place.name}.{secrets.token_hex(8)}{_ENDING}")
    try:
        with _opened(piece) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            if not piece.exists():
                # A name that exists cannot be given: so there is another for the moment between these two calls.
                # The link in /proc is followed only when a folder is named, which an absolute path makes no use of.
                os.link(_DESCRIPTORS / str(file.fileno()), piece, src_dir_fd=file.fileno())
        piece.replace(place)
    finally:
        piece.unlink(missing_ok=True)


def _opened(piece: Path) -> IO[bytes]:
    """Without a name in its folder, or under its own."""
    if hasattr(os, "O_TMPFILE") and _DESCRIPTORS.exists():
        try:
            return os.fdopen(os.open(piece.parent, os.O_TMPFILE | os.O_RDWR, 0o600), "w+b")
        except OSError:
            # Not there, not allowed or not known here: the other way says which.
            pass
    return os.fdopen(os.open(piece, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "w+b")
