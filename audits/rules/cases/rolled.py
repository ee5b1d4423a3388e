"""The rollups of a case, each built when a statement first reads it: a rule reads two or three of nine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, Table, event

from audits.rollups.build import put, rows_of

Days = tuple[date, date, tuple[str, ...]]
"""Days first..last that are rolled up in one go, and the sources whose rows of them must not be read."""


class RolledUp:
    """Rolls days up on a connection, one rollup after the other, as its statements name them."""

    def __init__(self, connection: Connection, days: Iterable[Days]) -> None:
        self._connection = connection
        self._steps: dict[Table, list[tuple[date, date, Sequence[Select[Any]]]]] = {}
        for first, last, without in days:
            for table, rows in rows_of(connection, first, last, without):
                self._steps.setdefault(table, []).append((first, last, rows))
        self.start_again()
        event.listen(connection, "before_cursor_execute", self._build)

    def start_again(self) -> None:
        """Build every rollup anew when it is read next: what was built may have been rolled back."""
        self._unbuilt = {table.name: table for table in self._steps}

    def _build(self, _connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        for name in [name for name in self._unbuilt if name in statement]:
            table = self._unbuilt.pop(name)
            for first, last, rows in self._steps[table]:
                put(self._connection, table, first, last, rows)
