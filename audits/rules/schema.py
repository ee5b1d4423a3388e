"""JSON Schemas of ``rule.yaml`` and ``cases.yaml``, made of the models that check them, so that editors help."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from sqlalchemy import Table

from audits.rules.cases.format import BY_CASE, OF_ACCOUNT, SHORT, Case
from audits.rules.engine.base import RuleSpec
from audits.warehouse.tables import accounts, customers, source_metadata

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}


class _Quietly(GenerateJsonSchema):
    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - pydantic's own attribute


def rule_schema() -> Schema:
    """The schema (draft 2020-12) of a ``rule.yaml``."""
    return {"$schema": _Quietly.schema_dialect, **RuleSpec.model_json_schema(), "title": "A usage-audits rule"}


def cases_schema() -> Schema:
    """The schema of a ``cases.yaml``; rows, accounts and customers have the columns of the contract."""
    case = Case.model_json_schema(schema_generator=_Quietly)
    fields, definitions = case["properties"], case.pop("$defs")
    del fields["line"]  # where the case stands in its file
    tables = source_metadata.sorted_tables
    definitions |= {table.name: _row(table, SHORT) for table in tables}
    definitions |= {"account": _row(accounts, OF_ACCOUNT), "customer": _row(customers)}
    fields |= {
        "period": TEXT,
        "rows": _object({table.name: _list(_ref(table.name)) for table in tables}),
        "accounts": _either(_list(TEXT), _named(_either(_ref("account"), {"type": "null"}))),
        "customers": _named(_either(_ref("customer"), _list(_ref("customer")))),
    }
    of_rows = {"source_system": TEXT, "rows": _object({table.name: _ref(table.name) for table in tables})}
    defaults = _object({name: fields[name] for name in sorted(BY_CASE)} | of_rows)
    return {
        "$schema": _Quietly.schema_dialect,
        "title": "The test cases of a usage-audits rule",
        **_object({"defaults": defaults, "cases": {**_list(_ref("case")), "minItems": 1}}),
        "required": ["cases"],
        "$defs": {"case": case, **definitions},
    }


def _row(table: Table, beside: Iterable[str] = ()) -> Schema:
    return _object(
        {column.name: {"description": column.doc} for column in table.c} | dict.fromkeys(sorted(beside), True)
    )


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _named(value: Schema) -> Schema:
    return {"type": "object", "additionalProperties": value}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def _either(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
