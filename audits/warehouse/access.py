"""Who may use the audit's own schema at a time: one audit that writes it, or any number that read it.

DuckDB locks its file for a process by itself. On PostgreSQL an advisory lock of the session does the same; it needs no
rights, and ends with the session, however that ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Connection, Engine, text

from audits.errors import PartialError

Tell = Callable[[str], None]

PATIENCE = 3600.0
"""Seconds to wait for another process. An audit of ordinary size holds the schema for minutes: who holds it for an
hour is stuck, or is a session that somebody left open."""

_TELL_EVERY = 60.0  # seconds
_KEY = 7_241_883_502_116_094_551
"""Of the advisory lock, the same in every version; an arbitrary number that nobody else will use."""

_HOLDER = text("""
    SELECT l.pid, a.application_name, to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS since
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (CAST(l.classid AS BIGINT) << 32 | CAST(l.objid AS BIGINT)) = :key
    ORDER BY a.backend_start LIMIT 1
""")


class Waiting:
    """A wait for another process, with patience: tells what it waits for at once and every minute."""

    def __init__(self, tell: Tell, where: str) -> None:
        self._tell, self._where = tell, where
        self._since: float | None = None
        self._told: float | None = None
        self._pause = 0.1

    def pause(self, holder: str) -> None:
        """Wait a little longer; raise where patience is at its end."""
        now = time.monotonic()
        self._since = self._since if self._since is not None else now
        if now - self._since >= PATIENCE:
            raise PartialError(
                f"Another audit has been using this warehouse for {PATIENCE / 60:.0f} minutes: {holder}.",
                where=self._where,
                fix="Wait for it to end or end that process, then run the same command again. Nothing was changed.",
            )
        if self._told is None or now - self._told >= _TELL_EVERY:
            self._told = now
            self._tell(f"Waiting for another audit on this warehouse: {holder}")
        time.sleep(self._pause)
        self._pause = min(self._pause * 2, 2.0)


def acquire(engine: Engine, *, write: bool, tell: Tell, where: str) -> Connection:
    """A connection that holds PostgreSQL's advisory lock until it is closed, alone (``write``) or shared."""
    connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        attempt = text(f"SELECT pg_try_advisory_lock{'' if write else '_shared'}(:key)")
        waiting = Waiting(tell, where)
        while not connection.scalar(attempt, {"key": _KEY}):
            holder = connection.execute(_HOLDER, {"key": _KEY}).first()
            waiting.pause(f"server process {holder.pid}, connected since {holder.since} UTC" if holder else "it ended")
    except BaseException:
        connection.close()
        raise
    return connection
