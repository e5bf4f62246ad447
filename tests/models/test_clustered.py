"""A model on the nodes of a cluster, with workers that stand in this process; tests/test_cluster.py has Ray's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from pytest_embedeval import workers
from pytest_embedeval.cluster import Cluster, ClusterError, Node
from pytest_embedeval.errors import ModelLoadError
from pytest_embedeval.models import Model, ModelSpec, load_model
from pytest_embedeval.models.clustered import Copies, load, runs_on_nodes
from pytest_embedeval.vectors import Encoded, Store
from pytest_embedeval.workers import Share
from tests.models.test_transformer import WORDS, save_transformer


class Workers:
    """As those of a cluster, but the last call that was sent is answered first."""

    def __init__(self, held: list[Any]) -> None:
        self.held = held
        self.blocks: list[int] = []
        self.check: Callable[[Any], object] = lambda _: None
        self._next = cycle(held)

    def __len__(self) -> int:
        return len(self.held)

    def ask(self, method: str, *arguments: Any) -> Any:
        return getattr(next(self._next), method)(*arguments)

    def ask_all(self, method: str, *arguments: Any, waiting: str = "") -> list[Any]:
        self.waiting = waiting
        return [getattr(each, method)(*arguments) for each in self.held]

    def stream(self, method: str, calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        flying: list[Any] = []
        for arguments in calls:
            if len(flying) == 2 * len(self):
                yield flying.pop()
            self.blocks.append(len(arguments[1]))
            flying.append(self.ask(method, *arguments))
        yield from reversed(flying)

    def grow(self, method: str, check: Callable[[Any], object]) -> None:
        assert method == "described"
        self.check = check

    def close(self) -> None:
        self.held.clear()


class Nodes:
    """As a cluster; `spoil` changes what the second node holds."""

    def __init__(self, gpus: float = 0, spoil: Callable[[Any], None] = lambda _: None) -> None:
        self.gpus = gpus
        self.spoil = spoil
        self.asked: list[Share] = []
        self.workers_made: list[Workers] = []

    def nodes(self) -> list[Node]:
        return [Node("one", 2, 0, 4 * 2**30), Node("two", 2, self.gpus, 2 * 2**30)]

    def workers(self, kind: type, arguments: tuple[Any, ...], share: Share) -> Workers:
        self.asked.append(share)
        made = Workers([kind(*arguments), kind(*arguments)])
        self.spoil(made.held[1])
        self.workers_made.append(made)
        return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_transformer(tmp_path_factory.mktemp("model"))


def loaded(folder: Path, cluster: Nodes, **keys: Any) -> Model:
    return load(ModelSpec("tiny", str(folder), **keys), cast("Cluster", cluster), None)


def test_blocks_that_come_back_in_any_order_give_the_vectors_of_one_machine(folder: Path, tmp_path: Path) -> None:
    cluster, store = Nodes(), Store(tmp_path)
    model, here = loaded(folder, cluster), load_model(str(folder), alias="tiny")
    assert replace(model.info, load_s=None) == replace(here.info, load_s=None)
    texts = [
        " ".join(WORDS[place % len(WORDS)] for place in range(start, start + start % 7 + 1)) for start in range(700)
    ]
    assert model.count_tokens(texts) == here.count_tokens(texts)
    blocks = cluster.workers_made[0].blocks
    blocks.clear()
    encoded = Encoded(model, store=store)
    np.testing.assert_allclose(encoded.vectors(texts, "document"), Encoded(here).vectors(texts, "document"), atol=1e-6)
    assert blocks[-1] <= 16
    again = Encoded(here, store=store).about(texts, "document")
    assert (again.encoded, again.reused) == (0, len(set(texts)))
    store.close()
    model.close()
    assert model.nodes is None


def test_nodes_that_hold_different_models_are_an_error_that_names_the_difference(folder: Path) -> None:
    def other_version(copy: Any) -> None:
        copy._model.info = replace(copy._model.info, engine="torch 1.0")

    with pytest.raises(ModelLoadError, match=r"the nodes of the cluster differ in its engine: .* and torch 1\.0"):
        loaded(folder, Nodes(spoil=other_version))
    nodes = Nodes()
    info = loaded(folder, nodes).info
    nodes.workers_made[0].check(replace(info, load_s=0.0))
    with pytest.raises(ModelLoadError, match=r"the nodes of the cluster differ in its fingerprint: .* and sha256:1;"):
        nodes.workers_made[0].check(replace(info, fingerprint="sha256:1"))


@pytest.mark.parametrize(
    ("there", "keys", "gpus"),
    [
        (0, {}, 0),
        (4, {}, 1),
        (4, {"num_gpus": 0.5}, 0.5),
        (4, {"num_gpus": 0}, 0),
        (4, {"device": "cpu"}, 0),
    ],
    ids=["no GPU", "one by default", "a half", "none wanted", "a CPU wanted"],
)
def test_a_copy_takes_a_gpu_where_there_is_one(folder: Path, there: float, keys: dict[str, Any], gpus: float) -> None:
    cluster = Nodes(there)
    assert loaded(folder, cluster, **keys).info.device == "cpu"
    assert cluster.asked == [Share(gpus)]


def test_more_gpus_than_any_node_has_are_refused(folder: Path) -> None:
    cluster = Nodes(4)
    with pytest.raises(ModelLoadError, match="num_gpus = 8, and no node of the cluster has more than 4"):
        loaded(folder, cluster, num_gpus=8)
    with pytest.raises(ModelLoadError, match="num_gpus = 5, and no node"):
        loaded(folder, cluster, devices=tuple(f"cuda:{number}" for number in range(5)))
    assert cluster.asked == []


def test_more_memory_than_any_node_has_is_refused(folder: Path) -> None:
    cluster = Nodes(4)
    loaded(folder, cluster, memory=3 * 2**30, num_gpus=0)
    assert cluster.asked == [Share(0, 3 * 2**30)]
    assert "wait until nodes have memory = 3.0 GiB left" in cluster.workers_made[0].waiting
    with pytest.raises(ModelLoadError, match=r"'tiny': memory = 5\.0 GiB, and no such node .* has more than 4\.0 GiB$"):
        loaded(folder, cluster, memory=5 * 2**30, num_gpus=0)
    message = r"'tiny': num_gpus = 1 and memory = 3\.0 GiB, and no such node of the cluster has more than 2\.0 GiB$"
    with pytest.raises(ModelLoadError, match=message):
        loaded(folder, cluster, memory=3 * 2**30)
    assert len(cluster.asked) == 1


def test_copies_that_are_lost_say_so_at_once_from_then_on() -> None:
    class Lost(Workers):
        def ask(self, method: str, *arguments: Any) -> Any:
            self.blocks.append(1)
            raise ClusterError("the node ran out of memory")

    lost = Lost([None])
    copies = Copies(cast("workers.Workers", lost))
    copies.check()
    calls: list[Callable[[], object]] = [
        lambda: list(copies.stream([(np.arange(1), ["a"])], "query")),
        lambda: copies.count_tokens(["a"]),
        lambda: copies.encode_queries(["a"]),
        copies.check,
    ]
    for call in calls:
        with pytest.raises(ClusterError, match=r"^the node ran out of memory$"):
            call()
    assert lost.blocks == [1, 1]


def test_an_error_in_loading_is_that_of_the_node(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="there is no folder"):
        loaded(tmp_path / "missing", Nodes())


@pytest.mark.parametrize("source", ["bm25", "run:a.run", "api:openai/text-embedding-3-small", "own"])
def test_what_no_node_can_load_by_itself_stays_here(source: str) -> None:
    assert not runs_on_nodes(ModelSpec("a", source), {"own": object()})
    assert runs_on_nodes(ModelSpec("a", "minilm-en"), {"own": object()})
