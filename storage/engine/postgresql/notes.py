"""What the triggers of `touched` say of the writer's statements: it comes with their answers, and costs no way more."""

from __future__ import annotations

from storage.engine.postgresql.connection import PostgresqlConnection
from storage.engine.postgresql.touched import DECISIVE, LINES, SUMS, TOUCHED


class PostgresqlNotes:
    """Hears one connection. See `writer_macs.Notes`."""

    def __init__(self, connection: PostgresqlConnection) -> None:
        self._connection = connection
        self._touched: list[str] = []
        self._decisive: list[str] = []
        self._sums = self._lines = 0
        self._before = (0, 0, 0, 0)
        connection.on_notice = self._hear

    def begin(self) -> None:
        """A new transaction: what was noted in the one before counts no more."""
        self._touched, self._decisive, self._sums, self._lines = [], [], 0, 0
        self.begin_function()

    def begin_function(self) -> None:
        """What follows may be taken back by `forget`."""
        self._before = (len(self._touched), len(self._decisive), self._sums, self._lines)

    def forget(self) -> None:
        """The function was rolled back to its savepoint: it has touched nothing."""
        touched, decisive, self._sums, self._lines = self._before
        del self._touched[touched:], self._decisive[decisive:]

    def decisive(self) -> list[str]:
        """Checks of which something was changed that decides what comes of them."""
        self._connection.settle_statements()
        return list(dict.fromkeys(self._decisive))

    def touched(self) -> list[str]:
        """All checks of which something was changed that a MAC covers."""
        self._connection.settle_statements()
        return list(dict.fromkeys(self._touched))

    def forget_touched(self) -> None:
        """Their MACs are being made."""
        self._touched, self._decisive = [], []

    def take_sums_changed(self) -> bool:
        """Whether it was changed which sums of days are kept, since the last time."""
        self._connection.settle_statements()
        changed, self._sums = self._sums > 0, 0
        return changed

    def has_lines(self) -> bool:
        """Whether the audit trail has grown."""
        self._connection.settle_statements()
        return self._lines > 0

    def _hear(self, code: str, ref: str) -> None:
        if code == DECISIVE:
            self._decisive.append(ref)
        if code in (DECISIVE, TOUCHED):
            self._touched.append(ref)
        elif code == SUMS:
            self._sums += 1
        elif code == LINES:
            self._lines += 1
