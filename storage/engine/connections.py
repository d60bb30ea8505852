"""What a `Database` asks of its engine: a writer, readers, and how all of them are opened and closed."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeVar

from bot.domain.privacy.erasures import Traces
from storage.engine.group import CommitGroup, Records
from storage.engine.membership import Membership
from storage.engine.shape import Migrate
from storage.engine.transaction import Transaction

T = TypeVar("T")


class GroupWriter(Protocol):
    """The one connection that writes. Stays with the writer's thread."""

    def commit(self, group: CommitGroup) -> CommitGroup:
        """Run the group's functions and commit them together. Raises nothing: errors are in the jobs."""


class Reader(Protocol):
    """A connection that reads. Stays with one thread at a time."""

    def read(self, call: Callable[[Transaction], T], /) -> T:
        """Run one function on a snapshot of its own. Raises what it raises, and RuntimeError if it tries to write,
        DatabaseFault if the database cannot be used."""


class Connections(Protocol):
    """All connections of one database. All but reading and `listen` is called on the writer's thread."""

    records: Records
    identity: Membership
    clears_aside: bool
    """Traces are cleared beside the writer, and not in its turn."""

    @property
    def writer(self) -> GroupWriter: ...
    @property
    def readers(self) -> Sequence[Reader]:
        """For what is quick."""

    @property
    def long_readers(self) -> Sequence[Reader]:
        """For what takes long."""

    @property
    def has_much_to_learn(self) -> bool:
        """So many records that their versions are to be read behind the start."""

    def open(self, migrate: Migrate, *, as_it_is: bool, readers: int) -> None:
        """Open all of them, `readers` of each kind, once `migrate` has run, unless the database is taken `as_it_is`.

        Raises DatabaseFault, and whatever `migrate` raises.
        """

    def listen(self, heard: Callable[[Collection[str] | None], None]) -> None:
        """Have `heard` called, on whichever thread, with topics that another instance's commit has woken.

        With None after a while in which nobody listened: any may have been.
        """

    def stop(self) -> None:
        """Called on the event loop as soon as the database is being closed: from now on nothing is waited for that may
        never come, such as an answer of a server that is away."""

    def clear_traces(self) -> Traces:
        """Leave no piece of what was erased where the engine keeps its data. On any thread if it `clears_aside`."""

    def close(self) -> None:
        """Also after an `open` that has failed."""
