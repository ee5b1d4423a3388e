"""Database URLs out of settings and arguments: what cannot be one is refused, and no part of it is shown."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

ESCAPES = "in a password %40 stands for @, %3A for : and %2F for /"

_DRIVERS = {"postgresql": "postgresql+psycopg"}  # of others the database's own name stands for its driver


def database_url(text: str) -> URL | None:
    """The parts of a database URL, with the driver that we use; None where the text is not one.

    A second @ is a password's that was not escaped: what follows the first would be taken, and shown, as a host.
    """
    try:
        parsed = make_url(text)
    except (ArgumentError, ValueError):  # what they say may quote the password
        return None
    if parsed.host is not None and text.count("@") > 1:
        return None
    backend = parsed.get_backend_name()
    return parsed.set(drivername=_DRIVERS.get(backend, backend))
