"""Copying the shipped book out, as the start of an operator's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from audits.errors import AuditsError
from audits.policy.load import SHIPPED


def init_book(folder: Path) -> tuple[Path, ...]:
    """Copy the shipped book into a new or empty folder; returns the files. Nothing is ever written over."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AuditsError(
            f"{folder} is there already and not empty; a book of yours is never written over.",
            where=str(folder),
            fix="Name a new folder, and compare with `audits policy diff`.",
        )
    try:
        shutil.copytree(SHIPPED, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    except OSError as error:
        raise AuditsError(
            f"The book could not be copied: {error.strerror or 'the disk is full or the folder is read-only'}.",
            where=str(folder),
            fix="Delete what is there of it, then name a folder with room that this user may write.",
        ) from error
    return tuple(sorted(path for path in folder.rglob("*") if path.is_file()))
