"""Reading files of JSON lines: any number, plain or compressed, one line in memory at a time."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from audits.errors import AuditsError
from audits.sources.base import Reject, SetAside, digest


def json_lines(paths: Sequence[Path]) -> Iterator[tuple[str, dict[str, Any]] | SetAside]:
    """(file:line, object) of every line that is not empty; a line that is no JSON object comes as to be set aside."""
    for path in paths:
        with open_file(path) as lines, readable(path):
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                position = f"{path.name}:{number}"
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError):  # not UTF-8, cut short, nested too deep
                    yield SetAside(Reject("line", "no JSON"), position, digest(line.hex()))
                    continue
                if isinstance(value, dict):
                    yield position, value
                else:
                    yield SetAside(Reject("line", "no JSON object"), position, digest(value))


def blank_files(paths: Sequence[Path]) -> list[str]:
    """The names of the files that hold nothing but white space; each is read as far as its first other byte."""
    blank = []
    for path in paths:
        with open_file(path) as lines, readable(path):
            if not any(line.strip() for line in lines):
                blank.append(path.name)
    return blank


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Name the file that turns out to be damaged while it is read."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise AuditsError(
            "The compressed file is cut short or damaged.", where=str(path), fix="Fetch it again, and load it again."
        ) from error


def open_file(path: Path) -> IO[bytes] | gzip.GzipFile:
    """A file's bytes, unpacked where its name ends in .gz."""
    if not path.is_file():
        raise AuditsError(f"There is no file {path}.", where="the source", fix="Check the path.")
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")
