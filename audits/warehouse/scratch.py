"""A folder for files that are thrown away; where it cannot be used, the message names TMPDIR."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from audits.errors import PartialError
from audits.warehouse.failures import FIX_TOO_LARGE, PartFailedError

_UNUSABLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}
_FIX = "Free space there or set TMPDIR to another folder, then run the same command again. What was finished is kept."


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder that is removed at the end of the block."""
    try:
        with TemporaryDirectory(prefix="audits-") as folder:
            try:
                yield Path(folder)
            except PartFailedError as failed:
                too_large = failed.fix.startswith(FIX_TOO_LARGE)
                if too_large or failed.kind not in ("full", "read-only") or folder not in failed.where:
                    raise
                why = "No space left on device" if failed.kind == "full" else "Read-only"
                raise _unusable(Path(folder).parent, why) from failed
    except OSError as error:
        if error.errno == errno.ENOENT and "temporary directory" in str(error):  # none of those that are tried
            raise _unusable(None, str(error.strerror)) from error
        if error.errno not in _UNUSABLE:
            raise
        raise _unusable(Path(gettempdir()), str(error.strerror)) from error


def _unusable(folder: Path | None, why: str) -> PartialError:
    where = f"setting TMPDIR: {folder}" if folder else "setting TMPDIR"
    return PartialError(f"Temporary files cannot be written: {why}.", where=where, fix=_FIX)
