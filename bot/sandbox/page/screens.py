"""What Slack's client keeps for a person beyond the workspace: read marks, errors of a form, complaints of its own."""

from collections import defaultdict
from dataclasses import dataclass, field

from bot.sandbox.slack.world import Message


@dataclass(slots=True, kw_only=True)
class Screen:
    """One person's client."""

    read: dict[str, str] = field(default_factory=dict)
    """The ts of the last message seen, by channel."""
    errors: dict[str, dict[str, str]] = field(default_factory=dict)
    """What is wrong with the fields of a view, by view id and block_id."""
    problems: dict[str, str] = field(default_factory=dict)
    """Why a view could not be sent, by view id."""
    dismissed: dict[str, str] = field(default_factory=dict)
    """Notices of what others got that are not to be shown again: the ts of the last one, by user id."""
    complaints: list[Message] = field(default_factory=list)
    """What Slack itself says to this person alone, such as that a command failed."""

    def has_read(self, message: Message) -> bool:
        return message.ts <= self.read.get(message.channel, "")

    def mark_read(self, channel_id: str, ts: str) -> None:
        self.read[channel_id] = max(ts, self.read.get(channel_id, ""))

    def forget_form(self, view_id: str) -> None:
        self.errors.pop(view_id, None)
        self.problems.pop(view_id, None)


class Screens:
    """Everybody's, by user id."""

    def __init__(self) -> None:
        self._screens: defaultdict[str, Screen] = defaultdict(Screen)

    def of(self, user_id: str) -> Screen:
        return self._screens[user_id]
