"""Minimum cut by Dinic's algorithm (E. A. Dinic, 1970), for the store-or-recompute decision."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

__all__ = ["MinCut", "INFINITE"]

INFINITE = 1e30


class MinCut:
    """A flow network on hashable nodes; `source_side` gives the nodes on the source's side of a minimum cut."""

    def __init__(self) -> None:
        self.index: dict[Hashable, int] = {}
        self.edges: list[list[int]] = []  # node -> positions in the edge arrays
        self.target: list[int] = []
        self.capacity: list[float] = []
        self.flow = 0.0  # of the cut, once `source_side` has found it

    def node(self, name: Hashable) -> int:
        """Position of a node, made on first use."""
        found = self.index.get(name)
        if found is None:
            found = self.index[name] = len(self.edges)
            self.edges.append([])
        return found

    def connect(self, a: Hashable, b: Hashable, capacity: float) -> None:
        """A directed edge; its reverse has capacity zero."""
        i, j = self.node(a), self.node(b)
        for start, end, c in ((i, j, capacity), (j, i, 0.0)):
            self.edges[start].append(len(self.target))
            self.target.append(end)
            self.capacity.append(c)

    def source_side(self, source: Hashable, sink: Hashable) -> set[Hashable]:
        """Nodes that the source still reaches once the flow is maximal."""
        s, t = self.node(source), self.node(sink)
        while True:
            level = self._levels(s)
            if level[t] < 0:
                names = {i: name for name, i in self.index.items()}
                return {names[i] for i, d in enumerate(level) if d >= 0}
            progress = [0] * len(self.edges)
            while self._augment(s, t, level, progress) > 0:
                pass

    def _levels(self, s: int) -> list[int]:
        level = [-1] * len(self.edges)
        level[s] = 0
        queue = deque([s])
        while queue:
            i = queue.popleft()
            for e in self.edges[i]:
                j = self.target[e]
                if self.capacity[e] > 0 and level[j] < 0:
                    level[j] = level[i] + 1
                    queue.append(j)
        return level

    def _augment(self, s: int, t: int, level: list[int], progress: list[int]) -> float:
        """One augmenting path of the level graph, found depth first without recursion."""
        path: list[int] = []
        i = s
        while i != t:
            while progress[i] < len(self.edges[i]):
                e = self.edges[i][progress[i]]
                if self.capacity[e] > 0 and level[self.target[e]] == level[i] + 1:
                    break
                progress[i] += 1
            else:
                if not path:
                    return 0.0
                e = path.pop()
                i = self.target[e ^ 1]
                progress[i] += 1
                continue
            path.append(e)
            i = self.target[e]
        amount = min(self.capacity[e] for e in path)
        for e in path:
            self.capacity[e] -= amount
            self.capacity[e ^ 1] += amount
        self.flow += amount
        return amount
