"""A text file's bytes as UTF-8 that every reader takes: what its encoding does not have is marked, not refused."""

from __future__ import annotations

import codecs
import io
import re
from pathlib import Path
from typing import Any

import pyarrow as pa

MARK = "\U0010ffff"
"""Stands for a byte that the encoding does not have. Unicode keeps this code point out of every text."""

_BLOCK = 1 << 20
_UNDECODED = re.compile("[\udc80-\udcff]")  # what Python's surrogateescape makes of such a byte


class AsUtf8(io.RawIOBase):
    """A file, packed or not, recoded while it is read; ``damaged`` says whether a byte was marked so far."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._file = pa.input_stream(path)
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
        self._ready = memoryview(b"")
        self._ended = False
        self.damaged = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as one block goes; 0 at the end."""
        while not self._ready and not self._ended:
            block = self._file.read(_BLOCK)
            self._ended = not block
            self._ready = memoryview(self._utf8(self._decoder.decode(block, final=self._ended)))
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()

    def _utf8(self, text: str) -> bytes:
        try:
            return text.encode()
        except UnicodeEncodeError:
            self.damaged = True
            return _UNDECODED.sub(MARK, text).encode()


def is_decoded(text: str) -> bool:
    """Whether a text that was decoded with ``surrogateescape`` has no byte that the encoding does not have."""
    return not _UNDECODED.search(text)
