"""What Slack says of a file, in a message or by files.info, as the domain's own words."""

from collections.abc import Mapping
from typing import Any

from bot.domain.check.request import FileInfo

_CLOSED = frozenset({"access_denied", "file_not_found"})
_GONE = frozenset({"tombstone", "hidden_by_limit"})


def file_info(found: Mapping[str, Any], *, before: FileInfo | None = None) -> FileInfo:
    """A file object of Slack's; what it leaves out stays as it was known `before`."""
    size = found.get("size")
    before = before or FileInfo(id=str(found.get("id") or ""))
    return FileInfo(
        id=before.id,
        name=str(found.get("name") or before.name),
        mimetype=str(found.get("mimetype") or before.mimetype),
        size=size if isinstance(size, int) else before.size,
        readable=found.get("file_access") not in _CLOSED and found.get("mode") not in _GONE,
    )


def is_stub(found: Mapping[str, Any]) -> bool:
    """A file of another company, of which a message holds the id alone (Slack Connect)."""
    return found.get("file_access") == "check_file_info"
