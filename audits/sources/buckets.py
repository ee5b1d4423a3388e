"""Providers' usage exports -> usage_buckets: OpenAI's usage API and Anthropic's usage report, pages saved as they came.

A file holds one page, or a page a line. Both providers split a bucket by what was asked for with ``group_by``; what the
contract does not tell apart (batch, service tier, context window) is added up, and a dimension that was not asked for
is NULL. The account is OpenAI's project or Anthropic's workspace.

* OpenAI (``organization/usage/completions`` and ``/embeddings``): ``input_tokens`` include cached ones.
* Anthropic (``organizations/usage_report/messages``): uncached input, cache reads and cache writes are apart and are
  added up here; it counts no requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Table

from audits.sources.base import BUCKET_KEY, UNMAPPED, Batch, Columns, Reject, SetAside, digest, mapped_batches
from audits.sources.lines import json_lines, open_file
from audits.warehouse.tables import usage_buckets

Row = dict[str, Any]
_COUNTS = ("input_tokens", "cached_input_tokens", "output_tokens", "n_requests")


@dataclass(frozen=True, slots=True)
class Buckets:
    """Saved pages of one provider's export; ``row`` makes a row of usage_buckets of a bucket and one of its results."""

    paths: Sequence[Path]
    row: Callable[[Mapping[str, Any], Mapping[str, Any]], Row]
    system: str

    table: ClassVar[Table] = usage_buckets

    def batches(self, _newest: datetime | None) -> Iterator[Batch]:
        """Every bucket of every page."""
        yield from mapped_batches(self._rows(), dict, Columns.of(usage_buckets))

    def _rows(self) -> Iterator[tuple[str, Row] | SetAside]:
        for path in self.paths:
            for item in _pages(path):
                if isinstance(item, SetAside):
                    yield item
                    continue
                position, page = item
                if not isinstance(page.get("data"), list):
                    yield SetAside(Reject("page", "no page of a usage export"), position, digest(page))
                    continue
                for number, bucket in enumerate(page["data"], 1):
                    yield from self._bucket(f"{position} bucket {number}", bucket)

    def _bucket(self, position: str, bucket: Any) -> Iterator[tuple[str, Row] | SetAside]:
        totals: dict[tuple[Any, ...], Row] = {}
        try:
            for result in bucket["results"]:
                row = {"source_system": self.system, **self.row(bucket, result)}
                total = totals.setdefault(tuple(row[name] for name in BUCKET_KEY), row)
                if total is not row:
                    total.update({name: _sum(total[name], row[name]) for name in _COUNTS})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            missing = f"{error} is missing" if isinstance(error, KeyError) else "it has another form"
            yield SetAside(Reject("bucket", f"no usage of this provider: {missing}"), position, digest(bucket))
            return
        for row in totals.values():
            yield position, row


def openai_row(bucket: Mapping[str, Any], result: Mapping[str, Any]) -> Row:
    """A result of OpenAI's completions or embeddings usage; embeddings have no output and no cached input."""
    return {
        "bucket_start": datetime.fromtimestamp(bucket["start_time"], UTC),
        "bucket_end": datetime.fromtimestamp(bucket["end_time"], UTC),
        "account_id": result.get("project_id") or UNMAPPED,
        "api_key_hash": result.get("api_key_id"),
        "model": result.get("model"),
        "input_tokens": result["input_tokens"],
        "cached_input_tokens": result.get("input_cached_tokens"),
        "output_tokens": result.get("output_tokens", 0),
        "n_requests": result["num_model_requests"],
    }


def anthropic_row(bucket: Mapping[str, Any], result: Mapping[str, Any]) -> Row:
    """A result of Anthropic's messages usage report."""
    written = sum((result.get("cache_creation") or {}).values())
    cached = result["cache_read_input_tokens"]
    return {
        "bucket_start": datetime.fromisoformat(bucket["starting_at"]),
        "bucket_end": datetime.fromisoformat(bucket["ending_at"]),
        "account_id": result.get("workspace_id") or UNMAPPED,
        "api_key_hash": result.get("api_key_id"),
        "model": result.get("model"),
        "input_tokens": result["uncached_input_tokens"] + cached + written,
        "cached_input_tokens": cached,
        "output_tokens": result["output_tokens"],
        "n_requests": None,
    }


def _sum(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left + right


def _pages(path: Path) -> Iterator[tuple[str, Row] | SetAside]:
    """A page a line; a file whose first line is not JSON by itself is one page, printed over many lines."""
    with open_file(path) as file:
        first = file.readline()
        try:
            json.loads(first)
        except ValueError:
            try:
                page = json.loads(first + file.read())
            except ValueError:
                page = None
            if isinstance(page, dict):
                yield path.name, page
                return
    yield from json_lines([path])
