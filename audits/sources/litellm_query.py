"""Reading ``LiteLLM_SpendLogs``: the select over its columns and JSON, and the database that is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Engine,
    Select,
    Text,
    and_,
    case,
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
from sqlalchemy.exc import DBAPIError, NoSuchTableError, OperationalError

from audits.display import plain
from audits.errors import AuditsError
from audits.features.seal import KEY
from audits.warehouse.urls import database_url

TABLE = "LiteLLM_SpendLogs"
_REQUIRED = ("request_id", "call_type", "api_key", "prompt_tokens", "completion_tokens", "startTime", "model")
_SINCE_THEN = (
    "endTime", "spend", "model_group", "custom_llm_provider", "organization_id", "end_user", "requester_ip_address",
    "session_id", "status", "request_duration_ms", "created_at", "total_tokens",
)  # fmt: skip
_FROM_METADATA = {
    "metadata_status": ("status",),
    "error_code": ("error_information", "error_code"),
    "error_class": ("error_information", "error_class"),
    "user_agent": ("user_agent",),
    "features": ("spend_logs_metadata", KEY),
    "key_organization_id": ("user_api_key_org_id",),
}
_USAGE = ("additional_usage_values", "usage_object")
"""Objects of counts only, read whole: which of them holds what differs by provider and version."""

_FROM_REQUEST = ("max_completion_tokens", "max_tokens", "n", "top_logprobs")
"""Of the metadata and of the stored request only these are read: the rest may quote what was asked."""

_WRITE_SO = "Write postgresql://user@host/database, as in the LiteLLM proxy's DATABASE_URL."


def rows_since(start: datetime | None, there: set[str]) -> Select[Any]:
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
    begun = case((func.isfinite(logs.c.startTime), logs.c.startTime))  # no driver can read a time without end
    wanted[_REQUIRED.index("startTime")] = begun.label("startTime")
    wanted += [logs.c[name] if name in there else null().label(name) for name in _SINCE_THEN]
    wanted += [metadata[path].astext.label(name) for name, path in _FROM_METADATA.items()]
    wanted += [metadata[name].label(name) for name in _USAGE]
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


def connect(url: str) -> Engine:
    """An engine for the proxy's database; AuditsError where the URL is none of PostgreSQL."""
    parsed = database_url(url)
    if parsed is None:
        raise AuditsError(f"{plain(url)} is not a database URL.", where="the source", fix=_WRITE_SO)
    if parsed.get_backend_name() != "postgresql":
        raise AuditsError(f"LiteLLM keeps its logs in PostgreSQL, not in {parsed.get_backend_name()}.",
                          where="the source", fix=_WRITE_SO)  # fmt: skip
    return create_engine(parsed)


def columns_there(engine: Engine) -> set[str]:
    """The columns of the spend logs; AuditsError where the table or a required column is missing."""
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


def unreachable(engine: Engine, error: DBAPIError) -> AuditsError:
    """What to tell a user whose LiteLLM database refused a connection or the query."""
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
