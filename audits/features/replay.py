"""Signatures of reasoning that a request brings back in another conversation than the one they were made in.

A provider signs or encrypts the reasoning that it does not show, and a client sends it back with the next turn of the
conversation, which is ordinary. The same signature under another conversation is a replay. A conversation is told by
the session that the client names, else by its first turn. Only digests are remembered, the newest ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from audits.features.hashing import Hasher
from audits.features.request import first_turn, signatures

REMEMBERED = 100_000
VISIBILITY = "signature_replay"  # what reasoning_visibility says of such a request


class Replays:
    """Remembers which conversation a signature was first seen in, in one process."""

    def __init__(self, hasher: Hasher, remembered: int = REMEMBERED) -> None:
        self._hasher, self._remembered = hasher, remembered
        self._conversations: OrderedDict[str, str] = OrderedDict()

    def is_replay(self, body: Mapping[str, Any], session: str | None = None) -> bool:
        """Whether any signature in a request's body belongs to another conversation."""
        conversation, found = "", False
        for signature in signatures(body):
            conversation = conversation or self._hasher.passage("conversation", session or first_turn(body))
            digest = self._hasher.passage("signature", signature)
            found |= self._conversations.setdefault(digest, conversation) != conversation
            self._conversations.move_to_end(digest)
        while len(self._conversations) > self._remembered:
            self._conversations.popitem(last=False)
        return found
