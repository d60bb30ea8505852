"""Why no connection to a server comes about: libpq tells it in words alone, and names host, user and database there."""

import re
from enum import StrEnum


class Trouble(StrEnum):
    """Each in words for an operator."""

    SILENT = "the server does not answer"
    NOBODY = "no server listens there"
    NAME = "the server's name is not known"
    NO_WAY = "there is no way to the server"
    PASSWORD = "the server does not take this password"  # noqa: S105 - a sentence
    NOT_LET = "the server does not let this user in"
    NO_DATABASE = "there is no database of this name on the server"
    READS_ONLY = "the server takes no changes: it is a standby"
    NOT_UP = "the server is starting or shutting down"
    NOT_PROVEN = "no proven TLS connection to the server comes about"
    NO_ROOM = "the server has no connection left"
    ENDED = "the server ended the connection at once"
    UNKNOWN = "the server cannot be reached"
    """libpq says it otherwise, or the server in another language."""


_SAID = (
    (r"timeout expired|timed out", Trouble.SILENT),
    (r"[Cc]onnection refused|No such file or directory\s+Is the server", Trouble.NOBODY),
    (r"could not translate host name|failed to resolve host", Trouble.NAME),
    (r"password authentication failed|no password supplied|empty password", Trouble.PASSWORD),
    (r"pg_hba\.conf|role .* does not exist|not permitted to log in|[Pp]eer authentication", Trouble.NOT_LET),
    (r"database .* does not exist|permission denied for database", Trouble.NO_DATABASE),
    (r"session is read-only|in hot standby|in recovery mode|server is not in", Trouble.READS_ONLY),
    (r"starting up|shutting down|not accepting connections|not yet accepting", Trouble.NOT_UP),
    (r"certificate|SSL|TLS|tlsv1|sslrootcert", Trouble.NOT_PROVEN),
    (r"too many (clients|connections)|remaining connection slots", Trouble.NO_ROOM),
    (r"Network is unreachable|No route to host", Trouble.NO_WAY),
    (r"closed the connection|reset by peer|Broken pipe", Trouble.ENDED),
)


def trouble_of(error: BaseException) -> Trouble:
    """Of an error of `psycopg.connect`."""
    said = str(error)
    return next((trouble for pattern, trouble in _SAID if re.search(pattern, said)), Trouble.UNKNOWN)
