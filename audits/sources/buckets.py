"""Providers' usage exports -> usage_buckets: OpenAI's usage API and Anthropic's usage report, pages saved as they came.

A file holds one page, or a page a line. Both providers split a bucket by what was asked for with ``group_by``; what the
contract does not tell apart (batch, service tier, context window) is added up, and a dimension that was not asked for
is NULL. The account is OpenAI's project or Anthropic's workspace.

* OpenAI (``organization/usage/*``): each endpoint is a part of its bucket (:mod:`audits.sources.bucket_parts`).
  ``input_tokens`` are text and include cached ones, audio tokens stand beside them. Images, speech and transcriptions
  are requests without tokens; stores and code sessions are no requests to a model.
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

from audits.sources.base import (
    BUCKET_KEY,
    UNMAPPED,
    Batch,
    Columns,
    NotRequest,
    Reject,
    SetAside,
    digest,
    mapped_batches,
)
from audits.sources.bucket_parts import bucket_parts
from audits.sources.lines import blank_files, json_lines, open_file, readable
from audits.sources.times import occurred_at
from audits.warehouse.tables import usage_buckets

Row = dict[str, Any]
_NO_TOKENS = ("images", "audio_speeches", "audio_transcriptions")
_NO_REQUESTS = ("vector_stores", "code_interpreter_sessions", "file_search_calls", "web_search_calls")
_COUNTS = ("input_tokens", "cached_input_tokens", "output_tokens", "n_requests")


@dataclass(frozen=True, slots=True)
class Buckets:
    """Saved pages of one provider's export; ``row`` makes a row of usage_buckets of a bucket and one of its results."""

    paths: Sequence[Path]
    row: Callable[[Mapping[str, Any], Mapping[str, Any]], Row | NotRequest]
    system: str

    table: ClassVar[Table] = usage_buckets
    own_tables: ClassVar[tuple[Table, ...]] = (bucket_parts,)

    def batches(self, _newest: datetime | None) -> Iterator[Batch]:
        """Every bucket of every page."""
        columns = Columns.of(bucket_parts)
        if blank := blank_files(self.paths):
            yield Batch(columns.arrow(()), (), 0, empty=blank)
        yield from mapped_batches(self._rows(), lambda row: row.get("", row), columns)

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
        others: list[Row] = []
        try:
            for result in bucket["results"]:
                made = self.row(bucket, result)
                if isinstance(made, NotRequest):
                    others.append({"": made})
                    continue
                row = {"source_system": self.system, **made}
                total = totals.setdefault(tuple(row[name] for name in (*BUCKET_KEY, "part")), row)
                if total is not row:
                    total.update({name: _sum(total[name], row[name]) for name in _COUNTS})
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
            missing = f"{error} is missing" if isinstance(error, KeyError) else "it has another form"
            reject = Reject("bucket", f"no usage of this provider: {missing}")
            yield SetAside(reject, position, digest(bucket), occurred_at=_told_at(bucket))
            return
        for row in (*totals.values(), *others):
            yield position, row


def _told_at(bucket: Any) -> datetime | None:
    """When a bucket of either provider began, where it can be read and the bucket is of one day."""
    try:
        if "start_time" in bucket:
            start, end = (datetime.fromtimestamp(bucket[name], UTC) for name in ("start_time", "end_time"))
        else:
            start, end = (datetime.fromisoformat(bucket[name]) for name in ("starting_at", "ending_at"))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None
    return occurred_at({"bucket_start": start, "bucket_end": end})


def openai_row(bucket: Mapping[str, Any], result: Mapping[str, Any]) -> Row | NotRequest:
    """A result of one of OpenAI's usage endpoints; all but completions have no output and no cached input."""
    kind = str(result.get("object") or "").removeprefix("organization.usage.").removesuffix(".result")
    part = kind or ("completions" if "output_tokens" in result else "embeddings")
    if part in _NO_REQUESTS:
        return NotRequest(f"OpenAI: {part}")
    tokens = 0 if part in _NO_TOKENS else result["input_tokens"]
    parts = sum(result.get(f"input_{modality}_tokens") or 0 for modality in ("text", "audio", "image"))
    written = result.get("output_tokens") or 0
    text = result.get("input_text_tokens") is not None  # then the input is the sum of its modalities already
    return {
        "bucket_start": datetime.fromtimestamp(bucket["start_time"], UTC),
        "bucket_end": datetime.fromtimestamp(bucket["end_time"], UTC),
        "account_id": result.get("project_id") or UNMAPPED,
        "api_key_hash": result.get("api_key_id"),
        "model": result.get("model"),
        "part": part,
        "input_tokens": max(tokens, parts) if text else tokens + (result.get("input_audio_tokens") or 0),
        "cached_input_tokens": result.get("input_cached_tokens"),
        "output_tokens": written + (0 if text else result.get("output_audio_tokens") or 0),
        "n_requests": result["num_model_requests"],
    }


def anthropic_row(bucket: Mapping[str, Any], result: Mapping[str, Any]) -> Row:
    """A result of Anthropic's messages usage report."""
    written = sum((result.get("cache_creation") or {}).values()) or result.get("cache_creation_input_tokens") or 0
    cached = result["cache_read_input_tokens"]
    return {
        "bucket_start": datetime.fromisoformat(bucket["starting_at"]),
        "bucket_end": datetime.fromisoformat(bucket["ending_at"]),
        "account_id": result.get("workspace_id") or UNMAPPED,
        "api_key_hash": result.get("api_key_id"),
        "model": result.get("model"),
        "part": "messages",
        "input_tokens": result["uncached_input_tokens"] + cached + written,
        "cached_input_tokens": cached,
        "output_tokens": result["output_tokens"],
        "n_requests": None,
    }


def _sum(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left + right


def _pages(path: Path) -> Iterator[tuple[str, Row] | SetAside]:
    """A page a line; a file whose first line is not JSON by itself is one page, printed over many lines."""
    with open_file(path) as file, readable(path):
        first = file.readline()
        try:
            json.loads(first)
        except (ValueError, RecursionError):
            try:
                page = json.loads(first + file.read())
            except (ValueError, RecursionError):
                page = None
            if isinstance(page, dict):
                yield path.name, page
                return
    yield from json_lines([path])
