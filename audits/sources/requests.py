"""Files of raw requests -> their features: JSON lines in, one line in memory at a time, and no text out.

A line is a request's body as a client sent it, or a line of a provider's batch file around one. What is written of it
is where it stood, its features, and, where fields are named for them, its id and the digests of key and address.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from audits.features.extract import COLUMNS, Extractor
from audits.features.geo import Geo
from audits.sources.base import BATCH_ROWS, SetAside
from audits.sources.lines import json_lines
from audits.warehouse.staging import arrow_type
from audits.warehouse.tables import usage_events

ADDRESS_COLUMNS = ("client_ip_hash", "client_net_hash", "ip_country", "ip_asn", "ip_type")
_ID = re.compile(r"[\w.:-]{1,128}")  # what is longer or has spaces may be a text


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a line, beside the request, that are used."""

    id: str | None = None
    key: str | None = None
    address: str | None = None


@dataclass(slots=True)
class FeatureReport:
    """What became of the lines."""

    written: int = 0
    without_prompt: int = 0
    set_aside: Counter[str] = field(default_factory=Counter)  # by reason
    first: dict[str, str] = field(default_factory=dict)  # the first place of each reason


class Sink(Protocol):
    """Where rows go."""

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Take some rows."""

    def close(self) -> None:
        """No more will come."""


def extract(
    paths: Sequence[Path], extractor: Extractor, sink: Sink, fields: Fields | None = None, geo: Geo | None = None
) -> FeatureReport:
    """Write the features of every line of the files; a line that is no JSON object is set aside and counted."""
    report = FeatureReport()
    batch: list[dict[str, Any]] = []
    for row in _rows(paths, extractor, fields or Fields(), geo, report):
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            sink.write(batch)
            batch = []
    sink.write(batch)
    sink.close()
    return report


def _rows(
    paths: Sequence[Path], extractor: Extractor, fields: Fields, geo: Geo | None, report: FeatureReport
) -> Iterator[dict[str, Any]]:
    hasher = extractor.hasher
    for item in json_lines(paths):
        if isinstance(item, SetAside):
            report.set_aside[item.reject.reason] += 1
            report.first.setdefault(item.reject.reason, item.position)
            continue
        position, line = item
        row: dict[str, Any] = {"position": position}
        ident = line.get(fields.id) if fields.id else None
        if ident is not None and _ID.fullmatch(str(ident)):
            row["id"] = str(ident)
        key = line.get(fields.key) if fields.key else None
        if isinstance(key, str) and key:
            row["api_key_hash"] = hasher.text(key)
        address = line.get(fields.address) if fields.address else None
        if isinstance(address, str) and address:
            row |= {"client_ip_hash": hasher.address(address), "client_net_hash": hasher.network(address)}
            row |= geo.columns(address) if geo else {}
        found = extractor.of_request(line).recorded()
        report.without_prompt += "prompt_simhash" not in found
        report.written += 1
        yield row | found


class JsonLines:
    """Rows as JSON lines, to a file or to standard output."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Each row on its line; what is not recorded is left out."""
        self._out.writelines(f"{json.dumps(row)}\n" for row in rows)

    def close(self) -> None:
        """The stream belongs to who opened it."""
        self._out.flush()


class Parquet:
    """Rows as a Parquet file with the contract's column types."""

    def __init__(self, path: Path) -> None:
        columns = ("api_key_hash", *ADDRESS_COLUMNS, *COLUMNS)
        self._schema = pa.schema(
            [("position", pa.string()), ("id", pa.string())]
            + [(name, arrow_type(usage_events.c[name].type)) for name in columns]
        )
        self._writer = pq.ParquetWriter(path, self._schema)

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """One row group a batch."""
        self._writer.write_table(pa.Table.from_pylist(list(rows), self._schema))

    def close(self) -> None:
        """Write the file's end."""
        self._writer.close()
