"""Small policy books for tests: two tiers, two rules, two packs of terms, to be changed at will."""

from __future__ import annotations

import shutil
from pathlib import Path

from audits.policy import SHIPPED

HERE = Path(__file__).parent
PARAMETERS = {"R05": {"share_min": "share", "requests_min": "count"}, "R23": {"severity": "severity"}}
"""What the two rules of the small book declare."""


def small_book(folder: Path, *overlays: Path, **texts: str) -> Path:
    """Write the small book into a folder, with other files laid over it (``limits__R05="..."`` is limits/R05.yaml)."""
    shutil.copytree(HERE / "small_book", folder, dirs_exist_ok=True)
    shutil.copy(SHIPPED / "quality.yaml", folder)
    for overlay in overlays:
        shutil.copytree(overlay, folder, dirs_exist_ok=True)
    for name, text in texts.items():
        file = folder / f"{name.replace('__', '/')}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
    return folder


def edit(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    """Replace words in one file of a book, each of which must be there."""
    file = folder / name
    text = file.read_text("utf-8")
    for old, new in changes:
        assert old in text, f"{old!r} is not in {name}"
        text = text.replace(old, new)
    file.write_text(text, "utf-8")
    return folder
