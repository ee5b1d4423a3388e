"""Where reports lie and how they are written: ``<out>/<period>/r<revision>/<tier>/``, each file whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from audits.ledger.models import Run

REPORT, TABLE, LINES, INDEX, MANIFEST = "report.html", "findings.csv", "findings.jsonl", "index.html", "manifest.json"

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
    """Write a text file so that a reader sees the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content.encode())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
