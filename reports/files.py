"""Where reports lie and how they are written: ``<out>/<period>/r<revision>/<tier>/``, each file whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from audits.errors import AuditsError, PartialError
from audits.ledger.models import Run

try:
    import fcntl
except ImportError:  # not on Windows: reports are written there by one process at a time
    fcntl = None  # type: ignore[assignment]

REPORT, TABLE, LINES, INDEX, MANIFEST = "report.html", "findings.csv", "findings.jsonl", "index.html", "manifest.json"
COVERAGE_TABLE, COVERAGE = "coverage.csv", "coverage.json"

_PART = ".part"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def run_folder(out: Path, run: Run) -> Path:
    """The folder of a revision."""
    return out / run.period / f"r{run.revision}"


def tier_folder(out: Path, run: Run, tier: str) -> Path:
    """The folder of a tier's report."""
    return run_folder(out, run) / safe_name(tier)


def safe_name(name: str) -> str:
    """A folder's name for foreign text: plain names as they are, any other shortened, with its digest to tell it apart.

    >>> safe_name("build"), safe_name("../../etc")
    ('build', 'etc-74ccf3c5')
    """
    if _PLAIN.fullmatch(name):
        return name
    words = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40] or "tier"
    return f"{words}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def dossier_name(group: str) -> str:
    """The file of a linked group's dossier, in the folder of its tier."""
    return f"group-{safe_name(group)}.html"


def write(path: Path, content: str) -> Path:
    """Write a text file so that a reader, or a power cut, leaves the old one or the new one, never a part."""
    data = content.encode()
    part = path.with_name(f".{path.name}.{os.getpid()}{_PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and not path.is_symlink() and path.read_bytes() == data:
            return path
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise PartialError(
            f"A report could not be written: {error.strerror or error}.",
            where=str(path),
            fix="What was audited is kept. Make room or give this user the right to write there, and run the same "
            "command again.",
        ) from error
    return path


def remove_leftovers(folder: Path, *, below: bool = True) -> None:
    """Remove what a killed process left half-written in a folder (and below); call it while :func:`publishing`."""
    for part in folder.rglob(f".*{_PART}") if below else folder.glob(f".*{_PART}"):
        part.unlink(missing_ok=True)


@contextmanager
def publishing(out: Path) -> Iterator[None]:
    """While one process writes reports below a folder, another one waits; the lock ends with the process."""
    if fcntl is None:
        yield
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(out, os.O_RDONLY)
    except OSError as error:
        raise AuditsError(
            f"The reports' folder cannot be opened: {error.strerror}.",
            where=f"setting AUDITS_OUT: {out}",
            fix="Name a folder that this user may write.",
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
