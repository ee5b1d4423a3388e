"""A new DuckDB file: there whole or not at all, so that what is cut off while it is made stands in nobody's way."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

_HEADERS = 3 * 4096  # bytes that every database begins with; what is shorter has never held a row
_MAGIC = slice(8, 12)


def is_unfinished(file: Path) -> bool:
    """Whether a file is empty, or the beginning of a DuckDB database whose making was cut off."""
    if file.stat().st_size >= _HEADERS:
        return False
    content = file.read_bytes()
    return not content or content[_MAGIC] == b"DUCK"


def is_duckdb(file: Path) -> bool:
    """Whether a file begins as a DuckDB database does, or is empty, as one whose making was cut off."""
    with file.open("rb") as opened:
        beginning = opened.read(_MAGIC.stop)
    return not beginning or beginning[_MAGIC] == b"DUCK"


def make_file(file: Path) -> None:
    """Make an empty database where there is none, or one whose making was cut off; any other file is left alone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.is_file() and is_unfinished(file)
    if file.exists() and not unfinished:
        return
    with TemporaryDirectory(prefix=f".{file.name}.", dir=file.parent) as folder:
        made = Path(folder) / file.name
        duckdb.connect(str(made)).close()
        if unfinished:
            made.replace(file)
            return
        with suppress(FileExistsError):  # another process was quicker
            os.link(made, file)
