"""Union-find: what has been joined, and under which name."""

from __future__ import annotations

from collections.abc import Iterable


class UnionFind:
    """Disjoint sets of texts. A set's name is its smallest member, whatever the order of joining."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def find(self, one: str) -> str:
        """The name of the set that ``one`` is in; a set of its own if it was never joined."""
        root = one
        while (parent := self._parent.get(root, root)) != root:
            root = parent
        while one != root:
            self._parent[one], one = root, self._parent.get(one, root)
        return root

    def join(self, members: Iterable[str]) -> None:
        """Put all of ``members`` into one set."""
        roots = {self.find(one) for one in members}
        if len(roots) > 1:
            name = min(roots)
            for root in roots:
                self._parent[root] = name
