"""What the desk asks of the demo that it stands in."""

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A command of the bot that has ended."""

    code: int
    """Its exit status."""
    said: str
    """What it printed, errors too."""


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

    @property
    def admin(self) -> str:
        """User id of somebody who may erase a customer."""

    async def run(self, *arguments: str) -> Ran:
        """`kyc-bot …` beside the running bot, with its settings. Raises TimeoutError."""

    async def rest(self) -> bool:
        """Wait until the bot has nothing left to do or to say for now; False where it takes too long."""

    async def tonight(self) -> str:
        """Let time pass until tonight's work has been done; says what happened."""

    async def reset(self) -> str:
        """Begin anew, with the history and nothing else; says what happened."""
