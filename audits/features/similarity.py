"""A 64-bit digest of a prompt that is near for near prompts (simhash, Charikar 2002), signed as BIGINT holds it.

Over words and pairs of neighbouring words, and over characters in scripts that are written without spaces. The words'
hashes are keyed: without the salt the digest cannot be compared with that of a guessed text.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

import numpy as np

LONGEST = 32_000  # characters; of longer prompts the beginning and the end
_WORD = re.compile(r"[぀-ヿ㐀-鿿豈-﫿฀-๿]|[^\W_]+|[^\w\s]")  # code without words is told apart by its signs
_ASCII_WORD = re.compile(r"[a-z0-9]+|[^\w\s]")
_ONE, _OTHER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_SHIFT = np.uint64(31)


class Simhash:
    """Makes digests that can be compared with each other, under one key."""

    def __init__(self, key: bytes) -> None:
        def hashed(word: str) -> int:
            coded = word.encode("utf-8", "surrogatepass")
            return int.from_bytes(hashlib.blake2b(coded, digest_size=8, key=key).digest(), "little")

        self._hashed = lru_cache(maxsize=65_536)(hashed)

    def of(self, text: str) -> int | None:
        """The digest of a text; None where there is nothing in it."""
        if len(text) > LONGEST:
            text = f"{text[: LONGEST * 3 // 4]} {text[-LONGEST // 4 :]}"
        words = _ASCII_WORD.findall(text.lower()) if text.isascii() else _WORD.findall(text.casefold())
        if not words:
            return None
        single = np.fromiter(map(self._hashed, words), np.uint64, len(words))
        pairs = single[:-1] * _ONE + single[1:] * _OTHER  # wraps around, as hashes do
        hashes = np.concatenate((single, (pairs ^ (pairs >> _SHIFT)) * _ONE))
        bits = np.unpackbits(hashes.view(np.uint8)).reshape(-1, 64)
        return int(np.packbits(2 * bits.sum(axis=0, dtype=np.int64) > len(hashes)).view(np.int64)[0])


def distance(one: int, other: int) -> int:
    """In how many of the 64 bits two digests differ."""
    return ((one ^ other) & (2**64 - 1)).bit_count()
