"""Vectors on their way to the nodes of a cluster: read there from the file in which they lie, or sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pytest_embedeval.cluster import Cluster

LARGEST = 2**28  # bytes of a shard at most: what a node holds for each search under way


@dataclass(frozen=True)
class Rows:
    """Vectors that a node reads from a file.

    Attributes
    ----------
    path, size
        The file, and its bytes.
    offset, shape
        Where the vectors begin, in bytes, and their number and dimension.
    """

    path: str
    size: int
    offset: int
    shape: tuple[int, int]

    def is_here(self) -> bool:
        """Whether this machine sees the file."""
        path = Path(self.path)
        return path.is_file() and path.stat().st_size == self.size

    def read(self) -> NDArray[np.float32]:
        """Map the vectors, float32 array [n, d]."""
        return np.memmap(self.path, dtype=np.float32, mode="r", offset=self.offset, shape=self.shape)

    def part(self, start: int, stop: int) -> Rows:
        """Return some of them."""
        return Rows(self.path, self.size, self.offset + 4 * start * self.shape[1], (stop - start, self.shape[1]))


Shard = Rows | Any
"""Where a node finds vectors: in a file, or with Ray, which gives them to it."""


def divided(
    vectors: NDArray[np.float32], cluster: Cluster, number: int | None = None
) -> tuple[NDArray[np.int64], list[Shard]]:
    """Divide vectors into shards that the nodes can have.

    Each node reads from the file in which the vectors lie, where all nodes see that file; else they are sent, one
    shard after another, and stay with Ray for as long as somebody holds what this returns.

    Parameters
    ----------
    vectors
        float32 array [n, d].
    number
        Of shards; None for one on each node, or more where these would exceed 256 MiB.

    Returns
    -------
    Where the shards begin and the last one ends, int64 array [shards + 1], and the shards.
    """
    nodes = len(cluster.nodes())
    number = number or max(nodes, -(-vectors.nbytes // LARGEST))
    edges = np.linspace(0, len(vectors), min(number, max(len(vectors), 1)) + 1).astype(np.int64)
    parts = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    rows = _in_file(vectors)
    if rows is not None and all(cluster.each(_is_here, [(rows,)] * nodes)):
        return edges, [rows.part(start, stop) for start, stop in parts]
    return edges, [cluster.put(np.asarray(vectors[start:stop])) for start, stop in parts]


def joined(shards: Sequence[Shard], shape: tuple[int, int], fetched: Any) -> NDArray[np.float32]:
    """Return the vectors of all shards in one float32 array [n, d]; runs on a node."""
    whole = np.empty(shape, dtype=np.float32)
    start = 0
    for shard in shards:
        part = shard.read() if isinstance(shard, Rows) else fetched(shard)
        whole[start : start + len(part)] = part
        start += len(part)
    return whole


def _is_here(rows: Rows) -> bool:
    return rows.is_here()


def _in_file(vectors: NDArray[np.float32]) -> Rows | None:
    """Say where vectors lie in a file; None for others."""
    base: Any = vectors
    while isinstance(base, np.ndarray):
        if isinstance(base, np.memmap) and not isinstance(base.base, np.ndarray):
            break
        base = base.base
    if not isinstance(base, np.memmap) or base.filename is None or base.mode == "c":  # whose changes it does not hold
        return None
    base.flush()
    begin = vectors.ctypes.data - base.ctypes.data + base.offset
    return Rows(str(base.filename), Path(base.filename).stat().st_size, begin, (len(vectors), vectors.shape[1]))
