"""Slack's file objects, as forms, messages and files.info carry them, as the one description that all doors judge by.

docs.slack.dev/reference/objects/file-object (2026-11) has `mode`, `is_external` and `file_access`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.domain.check.field_faults import FieldCode
from bot.domain.check.request import FileInfo

_BARRED: Mapping[str, FieldCode] = {
    "tombstone": FieldCode.FILE_DELETED,
    "hidden_by_limit": FieldCode.FILE_HIDDEN,
    "external": FieldCode.FILE_ELSEWHERE,
    "access_denied": FieldCode.FILE_NOT_LET,
    "file_not_found": FieldCode.FILE_NOT_LET,
}
"""What `mode` and `file_access` say of a file that the bot cannot read."""
_PERSON = re.compile("[UW][A-Z0-9]+")
_FLAGS: Mapping[str, FieldCode] = {
    "is_external": FieldCode.FILE_ELSEWHERE,
    "is_tombstoned": FieldCode.FILE_DELETED,
    "is_hidden_by_limit": FieldCode.FILE_HIDDEN,
}


def file_info(found: Mapping[str, Any], *, before: FileInfo | None = None) -> FileInfo:
    """A file object of Slack's; what it leaves out stays as it was known `before`."""
    size = found.get("size")
    before = before or FileInfo(id=str(found.get("id") or ""))
    barred = _barred(found)
    return FileInfo(
        id=before.id,
        name=str(found.get("name") or before.name),
        mimetype=str(found.get("mimetype") or before.mimetype),
        filetype=str(found.get("filetype") or before.filetype),
        # Of what is kept elsewhere Slack gives a size of 0.
        size=size if isinstance(size, int) and barred is not FieldCode.FILE_ELSEWHERE else before.size,
        barred=barred,
        service=str(found.get("external_type") or "") if barred is FieldCode.FILE_ELSEWHERE else "",
    )


def uploader(found: Mapping[str, Any]) -> str:
    """Who put the file into Slack; empty where Slack does not say."""
    user = found.get("user")
    return user if isinstance(user, str) and _PERSON.fullmatch(user) else ""


def pictures(message: Mapping[str, Any]) -> list[str]:
    """The ids of a message's own images that are still there."""
    files = [file for file in _objects(message.get("files")) if str(file.get("mimetype") or "").startswith("image/")]
    return [str(file["id"]) for file in files if file.get("id") and not is_deleted(file)]


def is_deleted(found: Mapping[str, Any]) -> bool:
    """Whether of the file nothing but its place is left."""
    return _barred(found) is FieldCode.FILE_DELETED


def _barred(found: Mapping[str, Any]) -> FieldCode | None:
    flagged = next((code for flag, code in _FLAGS.items() if found.get(flag) is True), None)
    return flagged or _BARRED.get(str(found.get("mode"))) or _BARRED.get(str(found.get("file_access")))


def uploaders(message: Mapping[str, Any]) -> frozenset[str]:
    """Who uploaded a message's files, and those of the messages that it forwards, as far as it says."""
    files = [*_objects(message.get("files")), *_forwarded(message)]
    return frozenset(map(uploader, files)) - {""}


def attached_files(message: Mapping[str, Any]) -> list[FileInfo]:
    """The files of a message object, or of a field for files, then those of the messages that it forwards.

    A forwarded message comes as an attachment with its own files in it, and says `is_share`. So does not a link that
    somebody pasted, which Slack only unfurls (NousResearch/hermes-agent#75481, ColeMurray/background-agents#1146,
    read 2026-11): its photos were not sent to the bot.
    """
    own = [_described(file) for file in _objects(message.get("files"))]
    known = {file.id for file in own}
    forwarded = {file.id: file for file in map(_described, _forwarded(message)) if file.id not in known}
    return [*own, *forwarded.values()]


def _forwarded(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for attachment in _objects(message.get("attachments")):
        if attachment.get("is_share") is True:
            yield from _objects(attachment.get("files"))


def _described(file: Mapping[str, Any]) -> FileInfo:
    return FileInfo(id=str(file.get("id") or "")) if _is_stub(file) else file_info(file)


def _objects(found: Any) -> Sequence[Mapping[str, Any]]:
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _is_stub(found: Mapping[str, Any]) -> bool:
    """A file of another company, of which a message holds the id alone (Slack Connect)."""
    return found.get("file_access") == "check_file_info"
