"""The JSON Schema of a book's files, made of the shapes that check them, so that editors help while one writes."""

from __future__ import annotations

from typing import Any

from audits.policy.layout import FILE_KINDS
from audits.policy.shapes import ByTier, Choice, Day, Each, Flag, LimitValue, Number, Record, Ref, Shape, Text

FILE_NAME = "policy-book.schema.json"
_NAMES = {"rule": r"^[A-Z]+[0-9]{2,}$", "tier": r"^\S+$", "pack": r"^[a-z][a-z0-9_]*$"}


def json_schema() -> dict[str, Any]:
    """One schema (draft 2020-12) for every file of a book; the file's own top keys say which part holds for it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A file of a usage-audits policy book",
        "type": "object",
        "anyOf": [{"required": [kind.mark]} for kind in FILE_KINDS],
        "allOf": [
            {"if": {"required": [kind.mark]}, "then": {"$ref": f"#/$defs/{kind.name}"}} for kind in FILE_KINDS
        ],
        "$defs": {
            kind.name: {"title": kind.place.replace("{}", "NAME"), **_schema(kind.content)} for kind in FILE_KINDS
        },
    }  # fmt: skip


def _schema(shape: Shape) -> dict[str, Any]:
    match shape:
        case Record():
            return _record(shape)
        case Each(item, at_least):
            return {"type": "array", "items": _schema(item)} | ({"minItems": at_least} if at_least else {})
        case ByTier(value):
            return {"type": "object", "minProperties": 1, "additionalProperties": _schema(value)}
        case Choice(values):
            return {"enum": list(values)}
        case Ref(to):
            return {"type": "string", "pattern": _NAMES[to]}
        case Number(whole, low, high):
            bounds = {"minimum": low, "maximum": high}
            return {"type": "integer" if whole else "number"} | {k: v for k, v in bounds.items() if v is not None}
        case Day():
            return {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
        case Flag():
            return {"type": "boolean"}
        case LimitValue():
            return {"anyOf": [{"type": "number", "minimum": 0}, {"type": "boolean"}, {"type": "string", "minLength": 1},
                              {"type": "array", "items": {"type": "string"}}]}  # fmt: skip
        case Text(pattern):
            return (
                {"type": "string", "pattern": f"^(?:{pattern})$"} if pattern else {"type": "string", "pattern": r"\S"}
            )


def _record(shape: Record) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: {"description": f.meaning, **_schema(f.shape)} for name, f in shape.fields.items()},
        "required": [name for name, f in shape.fields.items() if f.required],
        "additionalProperties": False,
    }
    if shape.either:
        schema["oneOf"] = [{"required": [name]} for name in shape.either]
    return schema
