"""A model on the nodes of a cluster: loaded there, and asked from here."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_embedeval.cluster import Cluster, ClusterError
from pytest_embedeval.errors import EmbedevalError, ModelLoadError
from pytest_embedeval.memory import shown_size
from pytest_embedeval.models.encoder import Model
from pytest_embedeval.models.endpoint import is_api
from pytest_embedeval.models.info import ModelInfo, Role
from pytest_embedeval.models.searching import Search
from pytest_embedeval.models.spec import ModelSpec
from pytest_embedeval.workers import Share, Workers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_embedeval.models.encoder import Block, EncodedBlock

_TEXTS = 512  # whose tokens are counted at once


def runs_on_nodes(spec: ModelSpec, encoders: Mapping[str, object]) -> bool:
    """Whether a node can load a model by itself: not words, lists, an API, or an object of a conftest."""
    return not (spec.source in encoders or spec.is_lexical or spec.is_run or spec.is_engine or is_api(spec.source))


def load(spec: ModelSpec, cluster: Cluster, cache: Path | None) -> Model:
    """Load a model on every node, or on every GPU that it asks for.

    Parameters
    ----------
    spec
        `num_gpus` says how many GPUs one copy takes; None for one where the cluster has any and its device allows.
        `memory` says what it takes of a node's.
    cache
        Folder of exported networks, on the nodes.

    Raises
    ------
    ModelLoadError
        No node has as many GPUs or as much memory, or the model could not be loaded there.
    """
    share = _share(spec, cluster)
    device = "cpu" if spec.device == "auto" and not (share.gpus or spec.devices) else spec.device
    alone = replace(spec, second=None, is_hybrid=False, search=Search(), device=device)
    workers = cluster.workers(_Copy, (alone, cache), share)
    try:
        infos: list[ModelInfo] = workers.ask_all("described", waiting=_waiting(spec, share))
    except ClusterError as error:
        raise ModelLoadError(f"model {spec.alias!r} ({spec.source}): {error}") from None
    info = _same(spec, infos)
    workers.grow("described", lambda joined: _same(spec, [info, joined]))
    nodes = Copies(workers)
    model = Model(info, nodes, nodes.count_tokens, info.native_dimension)
    model.nodes = nodes
    return model


def _same(spec: ModelSpec, infos: list[ModelInfo]) -> ModelInfo:
    """Return what every copy says of itself, or raise: other weights or libraries would mix two kinds of vectors."""
    first, *others = infos
    for other in others:
        different = [
            key
            for key, value in vars(first).items()
            if key not in ("load_s", "findings") and getattr(other, key) != value
        ]
        if different:
            key = different[0]
            raise ModelLoadError(
                f"model {spec.alias!r}: the nodes of the cluster differ in its {key}: {getattr(first, key)} and "
                f"{getattr(other, key)}; install the same files and versions on all of them"
            )
    return first


def _share(spec: ModelSpec, cluster: Cluster) -> Share:
    nodes = cluster.nodes()
    if not nodes:
        raise ModelLoadError(f"model {spec.alias!r}: the cluster has no node with cores")
    most = max(node.gpus for node in nodes)
    wanted = spec.num_gpus
    if wanted is None and spec.devices:
        wanted = float(sum(device.startswith("cuda") for device in spec.devices))
    if wanted is None:
        wanted = 1.0 if most >= 1 and spec.device in ("auto", "cuda") and spec.backend == "torch" else 0.0
    if wanted > most:
        raise ModelLoadError(
            f"model {spec.alias!r}: num_gpus = {wanted:g}, and no node of the cluster has more than {most:g}"
        )
    share = Share(wanted, spec.memory or 0)
    if not any(map(share.room, nodes)):
        largest = max(node.memory for node in nodes if node.gpus >= wanted)
        raise ModelLoadError(
            f"model {spec.alias!r}: {share}, and no such node of the cluster has more than {shown_size(largest)}"
        )
    return share


def _waiting(spec: ModelSpec, share: Share) -> str:
    return share.is_reserved * (
        f"model {spec.alias!r}: not all of its copies were there after half a minute: they are loading, or wait "
        f"until nodes have {share} left"
    )


class Copies:
    """An encoder whose work is done by copies of a model on the nodes.

    Attributes
    ----------
    lost
        Why the copies are lost for good, which every further call says again at once; None as long as they work.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self.lost: str | None = None

    def __len__(self) -> int:
        return len(self._workers)

    def encode_queries(self, texts: list[str]) -> NDArray[np.floating]:
        """Encode search queries on one node."""
        return self._encode(texts, "query")

    def encode_documents(self, texts: list[str]) -> NDArray[np.floating]:
        """Encode documents on one node."""
        return self._encode(texts, "document")

    def count_tokens(self, texts: list[str]) -> list[int] | None:
        """Return the tokens of each text; None where nobody counts."""
        blocks = ((start, texts[start : start + _TEXTS]) for start in range(0, len(texts), _TEXTS))
        with self._working():
            counted = dict(self._workers.stream("counted", blocks))
        if None in counted.values():
            return None
        return list(chain.from_iterable(counted[start] for start in sorted(counted)))

    def stream(self, blocks: Iterable[Block], role: Role) -> Iterator[EncodedBlock]:
        """Encode blocks on whichever copy is free, and yield each as it comes in; two for each copy are under way."""
        with self._working():
            yield from self._workers.stream("encoded", ((rows, texts, role) for rows, texts in blocks))

    def close(self) -> None:
        """Let the copies go."""
        self._workers.close()

    def _encode(self, texts: list[str], role: Role) -> NDArray[np.floating]:
        with self._working():
            vectors: NDArray[np.floating] = self._workers.ask("encoded", None, texts, role)[1]
        return vectors

    def check(self) -> None:
        """Raise again what the copies were lost for."""
        if self.lost is not None:
            raise ClusterError(self.lost)

    @contextmanager
    def _working(self) -> Iterator[None]:
        self.check()
        try:
            yield
        except (ClusterError, ModelLoadError) as error:  # the latter from a node that joined with another model
            self.lost = str(error)
            raise


class _Copy:
    """What one worker holds. An error in loading is kept, and raised to whoever asks for the model."""

    def __init__(self, spec: ModelSpec, cache: Path | None) -> None:
        from pytest_embedeval.models.load import load_model

        self._error: EmbedevalError | None = None
        try:
            self._model = load_model(spec, cache=cache)
        except EmbedevalError as error:
            self._error = error

    def described(self) -> ModelInfo:
        return self._loaded().info

    def counted(self, start: int, texts: list[str]) -> tuple[int, list[int] | None]:
        return start, self._loaded().count_tokens(texts)

    def encoded(
        self, rows: NDArray[np.int64] | None, texts: list[str], role: Role
    ) -> tuple[NDArray[np.int64] | None, NDArray[np.float32], float]:
        model = self._loaded()
        started = time.perf_counter()
        vectors = model.encode(texts, role)
        return rows, vectors, time.perf_counter() - started

    def _loaded(self) -> Model:
        if self._error is not None:
            raise self._error
        return self._model
