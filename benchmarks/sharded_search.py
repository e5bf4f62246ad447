"""Search in shards on a Ray cluster of two nodes with one core each, beside one flat index.

200 queries × 1,000,000 documents × 384 numbers (float32, unit length, seeded), top 100, in 8 shards. The documents lie
in a memory-mapped file, 1.5 GB; every hundredth is a copy of another one, so that ties cross the edges of shards. The
nodes read their shards from the file; a second time they do not see it, and the shards are sent through Ray's object
store. Ids and their order must be those of `ExactRanker`, which searches them in a process of its own. Memory is the
peak of the process that drives the search (Linux only): its anonymous pages, sampled, beyond what was there before;
and all its pages, those of the file among them. What it has put into Ray's object store is Ray's, which moves it to
disk where it does not fit.

    pip install "pytest-embedeval[scale]"
    python benchmarks/sharded_search.py
    python benchmarks/sharded_search.py --documents=100000    # a quick look
"""

from __future__ import annotations

import argparse
import mmap
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import ray
from memory_peak import Peak
from numpy.typing import NDArray
from ray.cluster_utils import Cluster as Machines

from pytest_embedeval.cluster import Cluster
from pytest_embedeval.memory import shown_size
from pytest_embedeval.retrieval.exact import ExactRanker
from pytest_embedeval.retrieval.sharded import ShardedRanker

QUERIES, DOCUMENTS, DIMENSION, TOP, SHARDS = 200, 1_000_000, 384, 100, 8
BLOCK, COPIED = 8192, 100
FLAT = "--flat"


def main() -> int:
    """Search both ways, print, and return 1 where lists differ or the driver takes a quarter of the corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument(FLAT, metavar="FOLDER", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.flat:
        _flat(Path(given.flat))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        _synthetic(Path(folder), given.documents)
        subprocess.run([sys.executable, __file__, FLAT, folder], check=True)
        return _sharded(Path(folder))


def _sharded(folder: Path) -> int:
    queries, documents = _load(folder)
    expected = np.load(folder / "expected.npy")
    store = int(1.4 * documents.nbytes) + 2**28
    machines = Machines(
        initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": store, "include_dashboard": False}
    )
    machines.add_node(num_cpus=1, object_store_memory=store)
    ray.init(machines.address, log_to_driver=False, logging_level="ERROR")
    failed = False
    quarter = documents.nbytes // 4
    for how, rows in (("read from the file", documents), ("sent to the nodes", _nameless(documents))):
        with Peak() as peak:
            started = time.perf_counter()
            ranker = ShardedRanker(queries, rows, Cluster(), memory=quarter // 2, shards=SHARDS)
            found = ranker.search(TOP)
            seconds = time.perf_counter() - started
        same = np.array_equal(found.documents, expected)
        failed |= not same or peak.anonymous >= quarter
        print(
            f"{SHARDS} shards {how}: {seconds:.1f} s, {'the same lists' if same else 'OTHER LISTS'}; driver "
            f"{shown_size(peak.anonymous)} anonymous, {shown_size(peak.all)} with the pages of files and of the "
            f"object store (a quarter of the corpus: {shown_size(quarter)})"
        )
    ray.shutdown()
    machines.shutdown()
    return int(failed)


def _flat(folder: Path) -> None:
    queries, documents = _load(folder)
    started = time.perf_counter()
    found = ExactRanker(queries, documents).search(TOP)
    print(f"one flat index: {time.perf_counter() - started:.1f} s")
    np.save(folder / "expected.npy", found.documents)


def _synthetic(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    np.save(folder / "queries.npy", _unit(rng, QUERIES))
    documents = np.lib.format.open_memmap(
        folder / "documents.npy", mode="w+", dtype=np.float32, shape=(count, DIMENSION)
    )
    for start in range(0, count, BLOCK):
        documents[start : start + BLOCK] = _unit(rng, min(BLOCK, count - start))
    copies = rng.permutation(count)[: 2 * (count // COPIED)].reshape(2, -1)
    documents[copies[0]] = documents[copies[1]]
    documents.flush()


def _unit(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    vectors = rng.standard_normal((n, DIMENSION), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def _load(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.load(folder / "queries.npy"), np.load(folder / "documents.npy", mmap_mode="r")


def _nameless(documents: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the same map of the file, of which nobody can tell that it has a name."""
    with Path(str(documents.filename)).open("rb") as file:  # type: ignore[attr-defined]
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, dtype=np.float32, offset=documents.offset).reshape(documents.shape)  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
