"""OTLP's JSON -> spans with their attributes as plain values, in the spellings that exporters write.

A line is one export request, as the collector's file exporter writes it. The protocol names fields in camelCase; what
is printed from protobuf messages or by Fluent Bit has snake_case, and releases before 2022 ``instrumentationLibrary``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audits.sources.base import Reject, SetAside, digest
from audits.sources.lines import json_lines
from audits.sources.otel_conventions import COUNTS, field_of

_SCOPES = ("scopeSpans", "scope_spans", "instrumentationLibrarySpans", "instrumentation_library_spans")
_KINDS = {
    "string_value": "stringValue", "int_value": "intValue", "double_value": "doubleValue", "bool_value": "boolValue",
    "array_value": "arrayValue",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """What a span or resource says: values by field (:mod:`audits.sources.otel_conventions`), and by name those that
    were asked for by name.
    """

    fields: Mapping[str, Any]
    named: Mapping[str, Any]


def spans(paths: Sequence[Path], named: frozenset[str]) -> Iterator[tuple[str, dict[str, Any]] | SetAside]:
    """(place, {"span": ..., "resource": attributes}) of every span; a line that is no export request is set aside."""
    for item in json_lines(paths):
        if isinstance(item, SetAside):
            yield item
            continue
        position, request = item
        try:
            rows = [
                {"span": span, "resource": resource}
                for group in _one_of(request, "resourceSpans", "resource_spans")
                for resource in [said((group.get("resource") or {}).get("attributes"), named).named]
                for scope in _one_of(group, *_SCOPES)
                for span in scope.get("spans") or ()
            ]
        except (KeyError, TypeError, ValueError, AttributeError):
            yield SetAside(Reject("line", "no OTLP export request with spans"), position, digest(request))
            continue
        for number, row in enumerate(rows, 1):
            yield f"{position} span {number}", row


def said(listed: Any, named: frozenset[str]) -> Said:
    """The attributes of a span, those that are used."""
    if isinstance(listed, Mapping):
        listed = [{"key": key, "value": value} for key, value in listed.items()]
    fields: dict[str, Any] = {}
    ranks: dict[str, int] = {}
    by_name: dict[str, Any] = {}
    for attribute in listed or ():
        name = attribute["key"]
        if name in named:
            by_name[name] = value_of(attribute["value"])
        found = field_of(name)
        if found is None:
            continue
        field, rank = found
        value = True if field == "content" else value_of(attribute["value"])
        if value is None or value == "" or (field == "like usage" and not _tells_number(value)):
            continue
        if field in COUNTS:
            value = count_of(value)
            if value is None:
                continue
            known = fields.get(field)
            if known is None or (type(known) is int and (type(value) is not int or value > known)):
                fields[field] = value
        elif rank < ranks.get(field, len(name)):
            fields[field], ranks[field] = value, rank
    return Said(fields, by_name)


def _tells_number(value: Any) -> bool:
    """Whether a value is a number, or a text or list that has one."""
    return not isinstance(value, bool) and any(character.isdigit() for character in str(value))


def value_of(value: Any) -> Any:
    """What an AnyValue of OTLP's JSON holds; 64-bit integers come as text."""
    if not isinstance(value, Mapping):
        return value
    for kind, held in value.items():
        match _KINDS.get(kind, kind):
            case "intValue":
                return int(held)
            case "arrayValue":
                return [value_of(entry) for entry in held.get("values") or ()]
            case _:
                return held
    return None


def count_of(value: Any) -> Any:
    """A count as a whole number whatever type it came in, None where it is NaN; what is no number stays as it is."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if value == "NaN" or (isinstance(value, float) and math.isnan(value)):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


def of_span(span: Mapping[str, Any], camel: str, snake: str) -> Any:
    """A field of a span in either spelling."""
    found = span.get(camel)
    return span.get(snake) if found is None else found


def _one_of(held: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        if name in held:
            return held[name] or ()
    raise KeyError(names[0])
