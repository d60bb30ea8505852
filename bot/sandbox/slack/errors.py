"""Slack's *no*: `{"ok": false, "error": …}`."""

from typing import Any


class ApiError(Exception):
    """What a Web API method refuses; `extra` joins the answer beside `error`."""

    def __init__(self, error: str, **extra: Any) -> None:
        super().__init__(error)
        self.error = error
        self.extra = extra

    @classmethod
    def about_fields(cls, error: str, faults: list[str]) -> "ApiError":
        messages = {"messages": [f"[ERROR] {fault}" for fault in faults]}
        return cls(error, errors=faults, response_metadata=messages)

    def as_json(self) -> dict[str, Any]:
        return {"ok": False, "error": self.error, **self.extra}


class ClientRefuses(AssertionError):
    """Slack's own client would not let a person do this; `block_ids` are the fields it marks."""

    def __init__(self, why: str, *block_ids: str) -> None:
        super().__init__(f"{why}: {', '.join(block_ids)}" if block_ids else why)
        self.why = why
        self.block_ids = block_ids
