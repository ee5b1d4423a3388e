"""LiteLLM's table ``LiteLLM_SpendLogs`` in PostgreSQL -> usage_events.

What the columns mean is taken from rows that LiteLLM 1.106's own proxy made (tests/sources/record_litellm.py):

* ``prompt_tokens`` include cached input for every provider: LiteLLM adds Anthropic's and Bedrock's cache reads and
  writes to what the provider calls input. Before October 2025 it left out Bedrock's cache writes, which the metadata
  have (:mod:`audits.sources.tokens`). ``cached_input_tokens`` are the cache reads.
* Not every row is a request to a model (:mod:`audits.sources.litellm_calls`), and a request that succeeded without
  usage (a pass-through whose answer the proxy did not read) is set aside: its tokens are unknown.
* Times are UTC without a zone; an absent text is "" as often as NULL.
* ``api_key`` is SHA-256 of the key already, and is kept. ``end_user`` and ``requester_ip_address`` are as the client
  sent them, and are stored as salted digests.
* A failed request's code is text, and not always a number ("server_error"): the exception's class then tells.
* Where the proxy keeps features of prompts (:mod:`audits.features.litellm`), they are in ``spend_logs_metadata``; the
  same key there may hold what a client made up, so that they count under their seal only.
* A request without a session gets a random UUID as ``session_id``, a session of one request that nobody opened; so
  session ids of that form are not recorded unless ``trust_sessions`` says that clients send UUIDs of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError

from audits.features.extract import COLUMNS
from audits.features.geo import Geo
from audits.features.hashing import Hasher
from audits.features.seal import opened
from audits.sources.base import (
    BATCH_ROWS,
    UNMAPPED,
    Batch,
    Columns,
    NotRequest,
    Reject,
    dollars,
    mapped_batches,
)
from audits.sources.litellm_calls import counted_in_tokens, no_request, operation_of
from audits.sources.litellm_query import columns_there, connect, rows_since, unreachable
from audits.sources.outcomes import failure, finish_reason
from audits.sources.privacy import place_of, trouble
from audits.sources.times import occurred_at
from audits.sources.tokens import whole_input
from audits.warehouse.tables import usage_events

OVERLAP = timedelta(days=2)
"""How far before the newest loaded event a load resumes: rows are written when a request ends, some long after it."""

_FEATURES = {*COLUMNS, "reasoning_visibility"}
_FAILURES = {"failure", "failed", "error"}
_SUCCESSES = {"success", "succeeded"}
_PATHS = {"azure": "azure", "azure_ai": "azure", "bedrock": "bedrock", "bedrock_converse": "bedrock",
          "vertex_ai": "vertex", "vertex_ai_beta": "vertex", "openrouter": "aggregator"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LiteLLM:
    """The spend logs of the LiteLLM proxy whose PostgreSQL database is at ``url``."""

    url: str
    hasher: Hasher
    since: datetime | None = None  # None: from a little before what is loaded already
    trust_sessions: bool = False
    system: str = "litellm"
    geo: Geo | None = None

    table: ClassVar[Table] = usage_events
    own_tables: ClassVar[tuple[Table, ...]] = ()

    def batches(self, newest: datetime | None) -> Iterator[Batch]:
        """Every row from ``since`` on, in order of time, through a server-side cursor in one read-only snapshot."""
        start = self.since or (newest and newest - OVERLAP)
        engine = connect(self.url)
        try:
            statement = rows_since(start, columns_there(engine))
            with engine.connect() as connection:
                connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True, yield_per=BATCH_ROWS
                )
                result = connection.execute(statement)
                names = tuple(result.keys())
                rows = ((place_of(row[0]), dict(zip(names, row, strict=True))) for row in result)
                yield from mapped_batches(rows, self.event, Columns.of(usage_events), self.identity, _told_at)
        except DBAPIError as error:
            raise unreachable(engine, error) from error
        finally:
            engine.dispose()

    def identity(self, row: Mapping[str, Any]) -> str:
        """The event id of a spend log."""
        return f"{self.system}:{row['request_id']}"

    def event(self, row: Mapping[str, Any]) -> dict[str, Any] | Reject | NotRequest:
        """One spend log as a usage event; None stands for what LiteLLM does not record."""
        if row["api_key"] and (reason := trouble("api_key_hash", row["api_key"])):
            return Reject("api_key", reason, row["api_key"])
        if row["startTime"] is None:
            return Reject("startTime", "nothing, but is required")
        failed = _failed(row)
        if isinstance(failed, Reject):
            return failed
        status, error_class = failure(row["error_code"], row["error_class"]) if failed else (200, None)
        tokens = _tokens(row)
        operation = _operation(row, failed, tokens)
        if not isinstance(operation, str):
            return operation
        provider = row["custom_llm_provider"] or ""
        served = row["model"].removeprefix(f"{provider}/")
        address = row["requester_ip_address"]
        event = {
            "event_id": self.identity(row),
            "source_system": self.system,
            "event_ts": _utc(row["startTime"]),
            "account_id": row["organization_id"] or row["key_organization_id"] or UNMAPPED,
            "api_key_hash": row["api_key"] or None,
            "end_user_hash": self.hasher.text(row["end_user"]) if row["end_user"] else None,
            "session_id": self._session(row["session_id"]),
            "access_path": _PATHS.get(provider, "native") if provider else None,
            "operation": operation,
            "model_requested": row["model_group"] or served or "unknown-model",
            "model_served": served if served and not failed else None,
            **tokens,
            "cost_usd": dollars(row["spend"]),
            "duration_ms": _duration(row),
            "status_code": status,
            "error_class": error_class,
            "finish_reason": finish_reason(row["finish_reason"]),
            "max_output_tokens": _number(row["max_completion_tokens"] or row["max_tokens"]),
            "n_choices": _number(row["n"]),
            "top_logprobs": _number(row["top_logprobs"]),
            "logit_bias_n": row["logit_bias_n"],
            "content_stored": True if row["content_kept"] else None,  # kept elsewhere is not recorded here
            "client_ip_hash": self.hasher.address(address) if address else None,
            "client_net_hash": self.hasher.network(address) if address else None,
            "user_agent_family": (row["user_agent"] or "").partition("/")[0][:64] or None,
            "content_available": bool(row["content_kept"]),
        }
        if address and self.geo:
            event |= self.geo.columns(address)
        if row["features"]:
            event |= {name: value for name, value in opened(row["features"], self.hasher).items() if name in _FEATURES}
        if row["created_at"] is not None:
            event["ingested_ts"] = _utc(row["created_at"])
        return event

    def _session(self, session: str | None) -> str | None:
        return session if session and (self.trust_sessions or not _made_up(session)) else None


def _told_at(row: Mapping[str, Any]) -> datetime | None:
    return occurred_at({"event_ts": row["startTime"] and _utc(row["startTime"])})


def _made_up(session: str) -> bool:
    return len(session) == 36 and session[14] == "4" and session.count("-") == 4


def _failed(row: Mapping[str, Any]) -> bool | Reject:
    """Whether the request failed. Before May 2025 the status stood in the metadata only, and old rows keep it there."""
    recorded = {str(said).strip().lower() for said in (row["status"], row["metadata_status"]) if said}
    if recorded - _SUCCESSES - _FAILURES:
        return Reject("status", "neither success nor failure")
    if not recorded:
        return bool(row["error_code"] or row["error_class"])
    return bool(recorded & _FAILURES)


def _operation(row: Mapping[str, Any], failed: bool, tokens: Mapping[str, Any]) -> str | Reject | NotRequest:
    call_type = str(row["call_type"] or "")
    operation = operation_of(call_type)
    used = bool(tokens["input_tokens"] or tokens["output_tokens"])
    if operation is None:
        kind = no_request(call_type)
        if kind is not None:
            return NotRequest(f"LiteLLM: {kind}")
        if failed and not call_type:
            return "unknown"  # refused before the proxy had read what was asked
        return Reject("call_type", "a call that this version does not know")
    if operation == "batch" and not used and no_request(call_type) and not failed:
        return NotRequest("LiteLLM: retrieve")  # a batch's usage comes with the retrieval that sees it completed
    if not used and not failed and counted_in_tokens(operation):
        return Reject("total_tokens", "no usage, though the request succeeded")
    if operation == "pass_through" and tokens["output_tokens"]:
        return "chat"
    return operation


def _tokens(row: Mapping[str, Any]) -> dict[str, Any]:
    """The contract's four counts; what is no number stays as it is and is refused by the contract's check."""
    recorded = [found for found in (row["additional_usage_values"], row["usage_object"]) if isinstance(found, dict)]

    def largest(*paths: tuple[str, ...]) -> Any:
        found = [value for usage in recorded for path in paths if (value := _at(usage, path)) is not None]
        return next((value for value in found if type(value) is not int), None) or max(found, default=None)

    stated, output = row["prompt_tokens"], row["completion_tokens"]
    if not stated and not output:  # some versions leave the columns empty and keep the usage beside them
        stated = largest(("prompt_tokens",), ("input_tokens",)) or 0
        output = largest(("completion_tokens",), ("output_tokens",)) or 0
    cached = largest(("cache_read_input_tokens",), ("prompt_tokens_details", "cached_tokens"))
    written = largest(("cache_creation_input_tokens",), ("prompt_tokens_details", "cache_creation_tokens"))
    counts = stated, output, cached or 0, written or 0
    if all(type(count) is int for count in counts):
        stated = whole_input(
            stated, cached or 0, written or 0, output=output, total=row["total_tokens"], reads_inside=True
        )
    return {
        "input_tokens": stated,
        "cached_input_tokens": cached,
        "output_tokens": output,
        "reasoning_tokens": largest(("completion_tokens_details", "reasoning_tokens")),
    }


def _at(usage: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        usage = usage.get(name) if isinstance(usage, dict) else None
    if isinstance(usage, float) and usage.is_integer():
        return int(usage)
    return _number(usage) if isinstance(usage, str) else usage


def _utc(instant: datetime) -> datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _number(text: str | None) -> int | str | None:
    """A number out of JSON; what is none stays as it is and is refused by the contract's check."""
    return int(text) if text and text.isascii() and text.isdigit() else text or None


def _duration(row: Mapping[str, Any]) -> int | None:
    if row["request_duration_ms"] is not None:
        return int(row["request_duration_ms"])
    if row["endTime"] is None:
        return None
    return int((row["endTime"] - row["startTime"]) / timedelta(milliseconds=1))
