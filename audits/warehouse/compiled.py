"""Statements are compiled once for all engines of a kind.

SQLAlchemy keeps compiled statements by engine, and every stage of every audit opens its own: a back-fill would compile
the same few hundred statements anew for each period, which takes longer than running them on a small one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.engine import Dialect
from sqlalchemy.util import LRUCache

STATEMENTS = 1_000
"""Kept at most; an audit has some 450."""

_statements: LRUCache[Any, Any] = LRUCache(STATEMENTS)
_dialects: dict[tuple[Any, ...], Dialect] = {}


def compiled_once(engine: Engine) -> Engine:
    """The engine, sharing compiled statements with all whose dialect writes SQL alike.

    It must have connected: only then does a dialect know its server.
    """
    plain = {name: value for name, value in vars(engine.dialect).items() if isinstance(value, str | int | tuple)}
    alike = type(engine.dialect), repr(sorted(plain.items()))
    engine.dialect = _dialects.setdefault(alike, engine.dialect)
    return engine.execution_options(compiled_cache=_statements)
