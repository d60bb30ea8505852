"""What the desk asks of the demo that it stands in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Bot(Protocol):
    """The bot's process, and what looks after it."""

    @property
    def state(self) -> str:
        """In a word or two: running, coming back, down."""

    @property
    def log(self) -> Sequence[str]:
        """The last lines that it wrote, oldest first."""

    async def kill(self) -> None:
        """End it at once, as the machine might; it comes back by itself."""


class Demo(Protocol):
    """Everything around the workspace that a person may look at, move or break."""

    @property
    def bot(self) -> Bot: ...

    @property
    def database(self) -> Path:
        """The bot's SQLite file."""

    @property
    def admin_url(self) -> str:
        """Where the bot's admin port listens, without a path."""

    async def tonight(self) -> str:
        """Let time pass until tonight's work has been done; says what happened."""

    async def reset(self) -> str:
        """Begin anew, with the history and nothing else; says what happened."""
