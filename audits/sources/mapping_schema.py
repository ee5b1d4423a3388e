"""The JSON Schema of a mapping, made of what :mod:`audits.sources.file_mapping` reads, so that editors help."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table

from audits.sources.file_mapping import HASHES, MARKS, TABLES, required

_TEXT: dict[str, Any] = {"type": "string"}
_DEFAULT = "usage_events"


def mapping_schema() -> dict[str, Any]:
    """The schema (draft 2020-12): which columns a mapping may and must name follows from its table."""
    marks = {"decimal": {"enum": list(MARKS[:2])}, "thousands": {"enum": list(MARKS)}}
    field = {
        "column": {"type": ["string", "integer"], "description": "Column of the file; its position without a header"},
        "value": {"description": "The same in every row"},
        "time": {**_TEXT, "description": "iso, unix_s, unix_ms, unix_us, or a form such as %d/%m/%Y %H:%M"},
        "factor": {"type": "number", "exclusiveMinimum": 0, "description": "Multiplied with a number"},
        "hash": {"enum": list(HASHES), "description": "Salted digest in place of the value"},
        "values": {"type": "object", "minProperties": 1, "description": "What the file says: what is meant"},
        **marks,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A usage-audits mapping from a file to a table of the contract",
        "type": "object",
        "properties": {
            "system": {**_TEXT, "minLength": 1, "description": "What source_system says of the rows"},
            "table": {"enum": list(TABLES), "default": _DEFAULT},
            "time_zone": {**_TEXT, "description": "Of times without an offset", "default": "UTC"},
            "encoding": {**_TEXT, "default": "utf-8"},
            "delimiter": {**_TEXT, "minLength": 1, "maxLength": 1, "default": ","},
            "header": {"type": "boolean", "default": True},
            **marks,
            "columns": {"type": "object", "minProperties": 1},
        },
        "required": ["system", "columns"],
        "additionalProperties": False,
        "allOf": [
            {"if": _is(table.name), "then": {"properties": {"columns": _columns(table)}}} for table in TABLES.values()
        ],
        "$defs": {
            "field": {
                "anyOf": [
                    {"type": ["string", "integer"]},
                    {
                        "type": "object",
                        "properties": field,
                        "additionalProperties": False,
                        "oneOf": [{"required": ["column"]}, {"required": ["value"]}],
                    },
                ]
            }
        },
    }


def _is(name: str) -> dict[str, Any]:
    return {"properties": {"table": {"const": name}}} | ({} if name == _DEFAULT else {"required": ["table"]})


def _columns(table: Table) -> dict[str, Any]:
    """What ``columns`` may say of a table's columns; the source's name is said by ``system``."""
    named = [column for column in table.c if column.name != "source_system"]
    return {
        "properties": {column.name: {"$ref": "#/$defs/field", "description": column.doc} for column in named},
        "required": list(required(table)),
        "additionalProperties": False,
    }
