"""What smaller vectors cost and save: int8, binary, float16 and 128 dimensions beside float32.

The data is XQuAD in Turkish (1,190 questions, 240 paragraphs), the models are those that need no network. A delta is
the variant minus float32, with the gate's one-sided 95 % bounds; questions on one paragraph are averaged first, since
they succeed and fail together. Bytes are those an index keeps of a document, without overhead. Milliseconds are those
of a search for ten documents among 100,000 random vectors of the same kind, 1,000 queries at a time: the median of
rounds in which each variant has its turn. The search decodes int8 before it multiplies, so it is as fast as float32.

    pip install "pytest-embedeval[offline]"
    python benchmarks/quantised_search.py ../shared/data/xquad.tr.json
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from pytest_embedeval import load_dataset, load_model
from pytest_embedeval.datasets import RetrievalData
from pytest_embedeval.gate.differences import Differences
from pytest_embedeval.metrics import Measured, parse_metric, score_search
from pytest_embedeval.models.variants import bytes_per_vector, rounded, truncated
from pytest_embedeval.retrieval import Ranker
from pytest_embedeval.retrieval.binary import BinaryRanker
from pytest_embedeval.retrieval.exact import ExactRanker
from pytest_embedeval.vectors import encode, normalised, quantise

MODELS = ("minilm-en", "use-multilingual")
METRICS = ("mrr@10", "recall@10")
DIM = 128
QUERIES, DOCUMENTS, ROUNDS = 1_000, 100_000, 5

Vectors = NDArray[np.float32]

WHOLE = "float32"
VARIANTS: Mapping[str, Callable[[Vectors, Vectors], Ranker]] = {
    WHOLE: ExactRanker,
    "float16": lambda queries, documents: ExactRanker(rounded(queries), rounded(documents)),
    "int8": lambda queries, documents: ExactRanker(queries, quantise.int8(documents)),
    "binary": BinaryRanker,
    f"dim={DIM}": lambda queries, documents: ExactRanker(truncated(queries, DIM), truncated(documents, DIM)),
}


def main(path: Path) -> None:
    """Encode once per model, search with each variant, print the table."""
    data = load_dataset(path, language="tr")
    rows: list[tuple[str, ...]] = []
    load = os.getloadavg()[0]
    for name in MODELS:
        model = load_model(name)
        queries, documents = encode(model, data.queries, "query"), encode(model, data.documents, "document")
        model.close()
        found = {variant: scored(prepare(queries, documents), data) for variant, prepare in VARIANTS.items()}
        taken = timed(queries.shape[1])
        for variant in VARIANTS:
            cells = [
                cell for metric in METRICS for cell in compared(found[variant][metric], found[WHOLE][metric], data)
            ]
            size = size_of(variant, queries.shape[1])
            rows.append((name, variant, str(size), *cells, f"{1000 * taken[variant]:.2f}"))
    headers = ["model", "variant", "bytes", *(h for metric in METRICS for h in (metric, "delta [95 % bounds]")), "ms"]
    print(tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True))
    print(f"\n{len(data.queries):,} queries on {len(set(passages(data))):,} paragraphs; load {load:.1f} at the start")


def scored(ranker: Ranker, data: RetrievalData) -> dict[str, Measured]:
    """Return the metrics of one search."""
    return score_search(ranker, data, [parse_metric(name) for name in METRICS]).measured


def compared(variant: Measured, whole: Measured, data: RetrievalData) -> tuple[str, str]:
    """Return the score, and the difference with its interval."""
    if variant is whole:
        return f"{variant.value:.4f}", ""
    differences = Differences.of(variant.each - whole.each, passages(data))
    low, high = differences.interval
    return f"{variant.value:.4f}", f"{differences.mean:+.4f} [{low:+.4f}, {high:+.4f}]"


def passages(data: RetrievalData) -> list[str]:
    """Return the paragraph of each question: its relevant document."""
    first = np.searchsorted(data.judgements.query, np.arange(len(data.queries)))
    return [data.document_ids[i] for i in data.judgements.document[first]]


def size_of(variant: str, dimension: int) -> int:
    """Return the bytes of a document."""
    return bytes_per_vector(DIM, WHOLE) if variant.startswith("dim=") else bytes_per_vector(dimension, variant)


def timed(dimension: int) -> dict[str, float]:
    """Return the seconds per query of each variant's search among random vectors."""
    rng = np.random.default_rng(0)
    queries, documents = (
        normalised(rng.standard_normal((n, dimension), dtype=np.float32)) for n in (QUERIES, DOCUMENTS)
    )
    seconds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for round_ in range(-1, ROUNDS):  # everyone has a turn first that does not count
        for variant, prepare in VARIANTS.items():
            ranker = prepare(queries, documents)
            started = time.perf_counter()
            ranker.search(10)
            if round_ >= 0:
                seconds[variant].append((time.perf_counter() - started) / QUERIES)
    return {variant: statistics.median(each) for variant, each in seconds.items()}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
