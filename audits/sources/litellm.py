"""LiteLLM's table ``LiteLLM_SpendLogs`` in PostgreSQL -> usage_events.

What the columns mean is taken from rows that LiteLLM 1.106's own proxy made (tests/sources/record_litellm.py):

* ``prompt_tokens`` include cached input for every provider: LiteLLM adds Anthropic's and Bedrock's cache reads and
  writes to what the provider calls input. ``cached_input_tokens`` are the cache reads.
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

from sqlalchemy import (
    ColumnElement,
    Engine,
    Select,
    Table,
    Text,
    and_,
    cast,
    column,
    create_engine,
    false,
    func,
    inspect,
    literal_column,
    null,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchTableError, OperationalError

from audits.errors import AuditsError
from audits.features.extract import COLUMNS
from audits.features.geo import Geo
from audits.features.hashing import Hasher
from audits.features.seal import KEY, opened
from audits.sources.base import BATCH_ROWS, UNMAPPED, Batch, Columns, Reject, dollars, mapped_batches
from audits.sources.outcomes import FINISHES, failure
from audits.sources.privacy import RAW_KEY, trouble
from audits.warehouse.tables import usage_events

TABLE = "LiteLLM_SpendLogs"
OVERLAP = timedelta(days=2)
"""How far before the newest loaded event a load resumes: rows are written when a request ends, some long after it."""

_REQUIRED = ("request_id", "call_type", "api_key", "prompt_tokens", "completion_tokens", "startTime", "model")
_SINCE_THEN = (
    "endTime", "spend", "model_group", "custom_llm_provider", "organization_id", "end_user", "requester_ip_address",
    "session_id", "status", "request_duration_ms", "created_at",
)  # fmt: skip
_FROM_METADATA = {
    "cached_tokens": ("additional_usage_values", "prompt_tokens_details", "cached_tokens"),
    "cache_read_input_tokens": ("additional_usage_values", "cache_read_input_tokens"),
    "reasoning_tokens": ("additional_usage_values", "completion_tokens_details", "reasoning_tokens"),
    "error_code": ("error_information", "error_code"),
    "error_class": ("error_information", "error_class"),
    "user_agent": ("user_agent",),
    "features": ("spend_logs_metadata", KEY),
    "key_organization_id": ("user_api_key_org_id",),
}
_FEATURES = {*COLUMNS, "reasoning_visibility"}
_FROM_REQUEST = ("max_completion_tokens", "max_tokens", "n", "top_logprobs")
"""Of the metadata and of the stored request only these are read: the rest may quote what was asked."""

_OPERATIONS = {
    "completion": "chat", "anthropic_messages": "chat", "responses": "chat", "text_completion": "completion",
    "embedding": "embeddings", "create_batch": "batch", "retrieve_batch": "batch", "create_file": "file",
    "create_fine_tuning_job": "finetune",
}  # fmt: skip
_WRITE_SO = "Write postgresql://user@host/database, as in the LiteLLM proxy's DATABASE_URL."
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

    def batches(self, newest: datetime | None) -> Iterator[Batch]:
        """Every row from ``since`` on, in order of time, through a server-side cursor in one read-only snapshot."""
        start = self.since or (newest and newest - OVERLAP)
        engine = _engine(self.url)
        try:
            statement = _rows_since(start, _columns(engine))
            with engine.connect() as connection:
                connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True, yield_per=BATCH_ROWS
                )
                result = connection.execute(statement)
                names = tuple(result.keys())
                rows = ((row[0], dict(zip(names, row, strict=True))) for row in result)
                yield from mapped_batches(rows, self.event, Columns.of(usage_events))
        except DBAPIError as error:
            raise _unreachable(engine, error) from error
        finally:
            engine.dispose()

    def event(self, row: Mapping[str, Any]) -> dict[str, Any] | Reject:
        """One spend log as a usage event; None stands for what LiteLLM does not record."""
        for name in ("api_key", "end_user", "requester_ip_address"):
            if row[name] and trouble(row[name]) is not None:
                return Reject(name, trouble(row[name]) or RAW_KEY, row[name])
        if row["startTime"] is None:
            return Reject("startTime", "nothing, but is required")
        failed = row["status"] == "failure"
        status, error_class = failure(row["error_code"], row["error_class"]) if failed else (200, None)
        call = str(row["call_type"]).lstrip("_")
        call = call[1:] if call.startswith("a") and not call.startswith("anthropic") else call
        provider = row["custom_llm_provider"] or ""
        served = row["model"].removeprefix(f"{provider}/")
        address = row["requester_ip_address"]
        event = {
            "event_id": f"{self.system}:{row['request_id']}",
            "source_system": self.system,
            "event_ts": _utc(row["startTime"]),
            "account_id": row["organization_id"] or row["key_organization_id"] or UNMAPPED,
            "api_key_hash": row["api_key"] or None,
            "end_user_hash": self.hasher.text(row["end_user"]) if row["end_user"] else None,
            "session_id": self._session(row["session_id"]),
            "access_path": _PATHS.get(provider, "native") if provider else None,
            "operation": _OPERATIONS.get(call, call),
            "model_requested": row["model_group"] or served or "unknown-model",
            "model_served": served if served and not failed else None,
            "input_tokens": row["prompt_tokens"],
            "cached_input_tokens": _number(row["cached_tokens"] or row["cache_read_input_tokens"]),
            "output_tokens": row["completion_tokens"],
            "reasoning_tokens": _number(row["reasoning_tokens"]),
            "cost_usd": dollars(row["spend"]),
            "duration_ms": _duration(row),
            "status_code": status,
            "error_class": error_class,
            "finish_reason": FINISHES.get(row["finish_reason"], row["finish_reason"]),
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


def _made_up(session: str) -> bool:
    return len(session) == 36 and session[14] == "4" and session.count("-") == 4


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


def _rows_since(start: datetime | None, there: set[str]) -> Select[Any]:
    """The rows from ``start`` on, in an order in which a load that broke off can go on; columns of a later LiteLLM
    that this database does not have yet come as NULL.
    """
    logs = table(TABLE, *(column(name) for name in there))
    metadata = column("metadata", JSONB)
    request = column("proxy_server_request", JSONB)
    stored = "proxy_server_request" in there
    bias = func.jsonb_path_query_array(  # an entry for each key, whatever the request put there
        request["logit_bias"], literal_column("'$.keyvalue()'::jsonpath"), literal_column("'{}'::jsonb"), true()
    )
    wanted: list[ColumnElement[Any]] = [logs.c[name] for name in _REQUIRED]
    wanted += [logs.c[name] if name in there else null().label(name) for name in _SINCE_THEN]
    wanted += [metadata[path].astext.label(name) for name, path in _FROM_METADATA.items()]
    wanted += [(request[name].astext if stored else null()).label(name) for name in _FROM_REQUEST]
    wanted.append((func.jsonb_array_length(bias) if stored else null()).label("logit_bias_n"))
    answer = column("response", JSONB)[("choices", "0", "finish_reason")].astext
    wanted.append((answer if "response" in there else null()).label("finish_reason"))
    wanted.append(_content_kept(there, metadata).label("content_kept"))
    statement = select(*wanted).select_from(logs).order_by(logs.c.startTime, logs.c.request_id)
    if start is None:
        return statement
    return statement.where(logs.c.startTime >= start.astimezone(UTC).replace(tzinfo=None))


def _content_kept(there: set[str], metadata: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the log holds what was asked or answered, or says where that is kept; told without reading it.

    With ``turn_off_message_logging`` the proxy writes an answer in whose place its own word stands.
    """
    empty = ("{}", "[]", "null", '""')
    kept = [metadata["cold_storage_object_key"].astext.is_not(None)]
    for name in ("messages", "response"):
        if name in there:
            text = cast(column(name), Text)
            kept.append(func.coalesce(and_(text.not_in(empty), text.not_like("%redacted-by-litellm%")), false()))
    return or_(*kept)


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise AuditsError(f"{url!r} is not a database URL.", where="the source", fix=_WRITE_SO) from error
    if parsed.get_backend_name() != "postgresql":
        raise AuditsError(f"LiteLLM keeps its logs in PostgreSQL, not in {parsed.get_backend_name()}.",
                          where="the source", fix=_WRITE_SO)  # fmt: skip
    return create_engine(parsed.set(drivername="postgresql+psycopg"))


def _columns(engine: Engine) -> set[str]:
    try:
        there = {found["name"] for found in inspect(engine).get_columns(TABLE)}
    except NoSuchTableError as error:
        raise AuditsError(
            f'There is no table "{TABLE}" in this database.',
            where=_shown(engine),
            fix="Name the database that the LiteLLM proxy's DATABASE_URL names; where its tables lie in a schema of "
            "their own, add ?options=-csearch_path%3DSCHEMA.",
        ) from error
    missing = sorted({*_REQUIRED, "metadata"} - there)
    if missing:
        raise AuditsError(
            f'The table "{TABLE}" lacks {", ".join(missing)}.',
            where=_shown(engine),
            fix="Let the LiteLLM proxy bring its database up to date; this reads the tables of LiteLLM 1.40 and later.",
        )
    return there


def _unreachable(engine: Engine, error: DBAPIError) -> AuditsError:
    message = str(error.orig).strip().splitlines()[0]
    if "permission denied" in message:
        what, fix = "cannot be read", f'Let this user read the table: GRANT SELECT ON "{TABLE}" TO ...'
    elif isinstance(error, OperationalError):
        what, fix = "does not answer", "Check host, port, database and user."
    else:
        what, fix = "refuses the query", "Compare the table with the one that the LiteLLM proxy makes."
    return AuditsError(f"The LiteLLM database {what}: {message}", where=_shown(engine), fix=fix)


def _shown(engine: Engine) -> str:
    return engine.url.set(drivername="postgresql").render_as_string(hide_password=True)
