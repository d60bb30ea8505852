"""A Web API request as the methods see it, whatever way it came: JSON, form, or query."""

import json
from typing import Any

from aiohttp import web

from bot.sandbox.slack.errors import ApiError

JSON = dict[str, Any]

_STRUCTURED = {
    "blocks": "invalid_blocks_format",
    "attachments": "invalid_attachments",
    "metadata": "invalid_metadata_format",
    "view": "invalid_arguments",
    "files": "invalid_arguments",
}
"""Fields that a form carries as JSON text, and what Slack says when the text is none."""


class Arguments:
    def __init__(self, fields: JSON) -> None:
        self.fields = fields

    def text(self, name: str) -> str:
        return "" if self.fields.get(name) is None else str(self.fields[name])

    def optional(self, name: str) -> str | None:
        return self.text(name) or None

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.fields.get(name)
        return default if value is None else str(value).lower() in {"1", "true"}

    def number(self, name: str, default: int) -> int:
        try:
            return int(self.fields.get(name) or default)
        except (TypeError, ValueError):
            raise ApiError("invalid_arguments") from None

    def view(self) -> JSON:
        view = self.fields.get("view")
        if not isinstance(view, dict):
            raise ApiError.about_fields("invalid_arguments", ["must provide an object [json-pointer:/view]"])
        return view

    def require(self, *names: str) -> None:
        missing = [name for name in names if self.fields.get(name) in (None, "")]
        if missing:
            faults = [f"missing required field: {name} [json-pointer:/{name}]" for name in missing]
            raise ApiError.about_fields("invalid_arguments", faults)


async def read(request: web.Request) -> tuple[JSON, str | None]:
    """The fields of a request and its token. Malformed structures are left for `decoded` to refuse."""
    fields: JSON = dict(request.query)
    if request.content_type == "application/json":
        body = json.loads(await request.text() or "{}")
        if not isinstance(body, dict):
            raise ApiError("json_not_object")
        fields.update(body)
    elif request.can_read_body:
        fields.update(await request.post())
    in_body = fields.pop("token", None)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return fields, token if scheme.lower() == "bearer" else in_body


def decoded(fields: JSON) -> JSON:
    """The same fields with JSON texts turned into what they stand for."""
    result = dict(fields)
    for name, error in _STRUCTURED.items():
        if isinstance(fields.get(name), str) and fields[name]:
            try:
                result[name] = json.loads(fields[name])
            except ValueError:
                raise ApiError(error) from None
    return result
