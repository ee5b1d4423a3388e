"""Keys that are declared to run on changing addresses: where they are used from says nothing of anybody."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, exists, select

from audits.rules.engine.intermediate import computed_once
from audits.rules.engine.scope import Scope
from audits.warehouse.dimensions import serverless_in_force
from audits.warehouse.validity import holds


@computed_once
def _serverless(scope: Scope) -> Select[Any]:  # noqa: ARG001 - a function of the scope, whose evaluation keeps it
    return select(serverless_in_force())


def declared_serverless(scope: Scope, used: Any) -> ColumnElement[bool]:
    """Whether the registration of a key that is in force at the time of a row declares it serverless."""
    s = _serverless(scope).c
    return exists(select(s.api_key_hash).where(s.api_key_hash == used.api_key_hash, holds(s, used.slice_start)))
