"""What a person filled in: the state of a view, as Slack sends it with a submit or a choice.

Slack leaves out, sends as null, or sends empty what was not filled in: here all three read the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bot.domain.check.request import FileInfo


@dataclass(frozen=True, slots=True)
class ViewState:
    """`state.values` of a view: block id, action id, element (docs.slack.dev/reference/views, 2026-11)."""

    values: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(repr=False)

    @classmethod
    def of(cls, view: Mapping[str, Any]) -> "ViewState":
        return cls((view.get("state") or {}).get("values") or {})

    def __iter__(self) -> Iterator[str]:
        """The ids of the blocks that hold a field."""
        return iter(self.values)

    def value(self, block_id: str) -> str:
        """The one thing typed or chosen in a block: a text, date, person, conversation or option; else empty."""
        element = self._element(block_id)
        option = element.get("selected_option") or {}
        kinds = ("value", "selected_date", "selected_user", "selected_conversation")
        return str(next(filter(None, map(element.get, kinds)), None) or option.get("value") or "")

    def ticked(self, block_id: str) -> list[str]:
        """The values of all options chosen in a block of check boxes."""
        return [str(option["value"]) for option in self._element(block_id).get("selected_options") or ()]

    def moment(self, block_id: str) -> datetime | None:
        seconds = self._element(block_id).get("selected_date_time")
        return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int) else None

    def files(self, block_id: str) -> list[FileInfo]:
        return [
            FileInfo(
                id=str(file["id"]),
                name=str(file.get("name") or ""),
                mimetype=str(file.get("mimetype") or ""),
                size=file["size"] if isinstance(file.get("size"), int) else None,
            )
            for file in self._element(block_id).get("files") or ()
        ]

    def action_id(self, block_id: str) -> str:
        return next(iter(self.values.get(block_id) or ()), "")

    def _element(self, block_id: str) -> Mapping[str, Any]:
        """An input block holds one element."""
        return next(iter((self.values.get(block_id) or {}).values()), None) or {}
