"""How vectors come to nodes; that nodes of a real cluster find the same is in tests/test_cluster.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from pytest_embedeval.cluster import Cluster
from pytest_embedeval.retrieval.shards import LARGEST, Rows, divided, joined
from pytest_embedeval.vectors.room import Room

VECTORS = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)


class Here:
    """Two nodes that see what this process sees."""

    def nodes(self) -> list[str]:
        return ["one", "two"]

    def each(self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        return (function(*given) for given in calls)

    def put(self, value: Any) -> Any:
        return value


class Elsewhere(Here):
    """Two nodes that see no file of this machine."""

    def each(self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        return (False for _ in calls)


def shards(vectors: np.ndarray[Any, Any], cluster: Here | None = None, number: int | None = None) -> list[Any]:
    edges, found = divided(vectors, cast("Cluster", cluster or Here()), number)
    assert edges[0] == 0
    assert edges[-1] == len(vectors)
    np.testing.assert_array_equal(joined(found, vectors.shape, lambda sent: sent), vectors)
    return found


def test_a_list_in_a_named_file_is_read_from_it(tmp_path: Path) -> None:
    whole = Room(0, tmp_path).filled(VECTORS.shape, lambda rows: VECTORS[rows])
    for vectors in (whole, whole[7:31], np.ascontiguousarray(whole[3:])):
        assert all(isinstance(shard, Rows) for shard in shards(vectors))


def test_what_lies_in_no_file_that_nodes_see_is_sent(tmp_path: Path) -> None:
    named = Room(0, tmp_path).filled(VECTORS.shape, lambda rows: VECTORS[rows])
    nameless = Room(0).filled(VECTORS.shape, lambda rows: VECTORS[rows])
    path = Path(str(getattr(named, "filename")))  # noqa: B009 - of a map, which mypy does not know it to be
    changed = np.memmap(path, dtype=np.float32, mode="c", shape=VECTORS.shape)
    changed[3] = 0.0
    for vectors, cluster in ((VECTORS, Here()), (nameless, Here()), (changed, Here()), (named, Elsewhere())):
        assert not any(isinstance(shard, Rows) for shard in shards(vectors, cluster))


@pytest.mark.parametrize(("number", "expected"), [(None, 2), (7, 7), (80, 50)])
def test_there_is_a_shard_for_each_node_or_as_many_as_are_asked_for(number: int | None, expected: int) -> None:
    assert len(shards(VECTORS, number=number)) == expected


def test_no_shard_is_larger_than_a_node_should_hold() -> None:
    rows = 3 * LARGEST // 4 // 64
    vectors = np.broadcast_to(np.float32(1), (rows, 64))
    edges, _ = divided(vectors, cast("Cluster", Elsewhere()))
    assert len(edges) - 1 == 3


def test_a_file_that_has_another_size_is_another_file(tmp_path: Path) -> None:
    VECTORS.tofile(tmp_path / "rows.f32")
    rows = Rows(str(tmp_path / "rows.f32"), VECTORS.nbytes, 0, (50, 8))
    assert rows.is_here()
    np.testing.assert_array_equal(rows.part(5, 9).read(), VECTORS[5:9])
    with (tmp_path / "rows.f32").open("ab") as file:
        file.write(b"more")
    assert not rows.is_here()
    assert not Rows(str(tmp_path / "none.f32"), 1, 0, (1, 1)).is_here()
