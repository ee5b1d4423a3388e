"""Looking into a warehouse that a load wrote."""

from __future__ import annotations

from typing import Any

from sqlalchemy import create_engine, text


def query(url: str, sql: str) -> list[dict[str, Any]]:
    """The rows of a query on a DuckDB file or a PostgreSQL database."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(sql)).mappings()]
    finally:
        engine.dispose()
