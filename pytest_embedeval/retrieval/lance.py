"""LanceDB, an embedded vector database: an approximate index on disk."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_embedeval.errors import MissingExtraError, did_you_mean
from pytest_embedeval.findings import Finding
from pytest_embedeval.retrieval import mapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_embedeval.retrieval.index_names import IndexName

# Type of index -> the class that configures it.
_TYPES = {
    "IVF_FLAT": "IvfFlat",
    "IVF_SQ": "IvfSq",
    "IVF_PQ": "IvfPq",
    "IVF_RQ": "IvfRq",
    "IVF_HNSW_FLAT": "HnswFlat",
    "IVF_HNSW_SQ": "HnswSq",
    "IVF_HNSW_PQ": "HnswPq",
}
_OF_SEARCH = ("nprobes", "ef", "refine_factor")
_OF_INDEX = (
    *("num_partitions", "target_partition_size", "num_sub_vectors", "num_bits"),
    *("m", "ef_construction", "max_iterations", "sample_rate"),
)
_FROM_PQ = 256  # documents below which LanceDB leaves a table with product quantisation without its index
_ROWS = 8192
_QUERIES = 256


class LanceIndex:
    """A table of LanceDB in a temporary folder, with an index for cosine distance.

    The score is 1 − distance: the cosine as the index estimates it, which for rounded vectors may be far from the real
    one while the order is right. Everything stays on this machine; nothing is asked of a network.

    LanceDB draws at random and takes no seed: two indexes of the same documents may return different lists, which
    `findings` says.

    Parameters
    ----------
    name
        Type of index, and parameters of the search (`nprobes`, `ef`, `refine_factor`) and of the index
        (`num_partitions`, `num_sub_vectors`, `m` …).
    documents
        Unit vectors, float32 array [m, d].

    Raises
    ------
    UsageError
        LanceDB cannot build it on these vectors; the message says why and what to do.
    MissingExtraError
        LanceDB is not installed.
    """

    def __init__(self, name: IndexName, documents: NDArray[np.float32]) -> None:
        lancedb = _lancedb()
        self._name = name
        folder = Path(tempfile.mkdtemp(prefix="embedeval-lancedb-"))
        self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        of_index = {key: value for key, value in name.options.items() if key in _OF_INDEX}
        try:
            config = getattr(lancedb.index, _TYPES[name.kind])(distance_type="cosine", **of_index)
            self._table = _filled(lancedb.connect(folder), documents)
            self._table.create_index("vector", config=config)
        except Exception as error:  # LanceDB raises whatever its engine does
            self._remove()
            raise name.error(f"LanceDB cannot build it on {len(documents):,} documents: {error}") from None
        facts = self._table.list_indices()[0]
        if facts.num_indexed_rows < len(documents):
            self._remove()
            raise name.error(
                f"LanceDB indexed {facts.num_indexed_rows:,} of {len(documents):,} documents; {name.kind} takes "
                f"{_FROM_PQ} or more: take lancedb:IVF_HNSW_SQ, or flat"
            )
        self.bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        message = f"{name.text}: LanceDB takes no seed, so that another run may find other lists"
        self.findings: tuple[Finding, ...] = (Finding("not-repeatable", len(documents), message),)

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return scores and positions of the k best documents of every query, best first; arrays [n, k]."""
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        documents = np.full((len(queries), k), -1, dtype=np.int64)
        for start in range(0, len(queries), _QUERIES):
            rows = slice(start, start + _QUERIES)
            found = self._asked(queries[rows], k).to_arrow()
            row = found["query_index"].to_numpy() if "query_index" in found.column_names else np.zeros(len(found), int)
            order = np.argsort(row, kind="stable")
            row = row[order]
            place = np.arange(len(row)) - np.searchsorted(row, row)
            documents[start + row, place] = found["document"].to_numpy()[order]
            scores[start + row, place] = 1 - found["_distance"].to_numpy()[order]
        return scores, documents

    def _asked(self, queries: NDArray[np.float32], k: int) -> Any:
        wanted = queries[0] if len(queries) == 1 else queries
        search = self._table.search(wanted, vector_column_name="vector").distance_type("cosine")
        for key in _OF_SEARCH:
            if key in self._name.options:
                search = getattr(search, key)(self._name.options[key])
        return search.select(["document", "_distance"]).limit(k)


def check(name: IndexName) -> None:
    """Raise a UsageError where LanceDB has no such index or parameter, a MissingExtraError where it is missing."""
    if name.kind not in _TYPES:
        raise name.error(f"LanceDB has no index {name.kind!r}; {did_you_mean(name.kind, _TYPES)}")
    for key in name.options:
        if key not in (*_OF_SEARCH, *_OF_INDEX):
            raise name.error(f"no parameter {key!r}; {did_you_mean(key, (*_OF_SEARCH, *_OF_INDEX))}")
    _lancedb()


def _filled(database: Any, documents: NDArray[np.float32]) -> Any:
    """Return a table with the vectors and their positions, written block by block."""
    import pyarrow as pa

    dimension = documents.shape[1]
    schema = pa.schema([("document", pa.int64()), ("vector", pa.list_(pa.float32(), dimension))])

    def blocks() -> Iterator[Any]:
        for start in range(0, len(documents), _ROWS):
            rows = slice(start, min(start + _ROWS, len(documents)))
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(documents[rows].ravel()), dimension)
            yield pa.record_batch([pa.array(np.arange(rows.start, rows.stop)), vectors], schema=schema)
            mapped.release(documents, rows)

    return database.create_table("documents", data=blocks(), schema=schema)


def _lancedb() -> Any:
    try:
        import lancedb
        import lancedb.index
    except ImportError:
        raise MissingExtraError("lancedb", "lancedb") from None
    return lancedb
