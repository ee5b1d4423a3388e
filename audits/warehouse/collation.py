"""The order of texts: the same on every engine, whatever collation a database has."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, collate


def by_bytes(text: ColumnElement[Any]) -> ColumnElement[Any]:
    """A text to be ordered or compared by, byte by byte as DuckDB does: where the first or least of several is kept."""
    return collate(text, "C")
