"""Every ranking metric of pytest-embedeval beside pytrec_eval, on the same lists and judgements.

10,000 queries, each with its top 100 of 100,000 documents and about five graded judgements, once with distinct and
once with tied scores. First every score is compared, with ties in trec_eval's order; then both are timed in turns,
on the measures that both have. A search returns a matrix of integer positions. Ours starts from it; pytrec_eval needs a
dictionary of dictionaries first, so its time is printed with and without making that. The target is on the way from
the matrix to the scores, which is what an evaluation waits for. Where scores are tied, ours does more: it takes the
expectation over the orders of tied documents instead of the order of their ids.

    pip install "pytest-embedeval[dev]"
    python benchmarks/metrics_beside_pytrec_eval.py
"""

from __future__ import annotations

import gc
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version

import numpy as np
import pytrec_eval
from numpy.typing import NDArray
from tabulate import tabulate
from threadpoolctl import threadpool_info

from pytest_embedeval.datasets.retrieval import Judgements
from pytest_embedeval.metrics import parse_metric, score_rankings
from pytest_embedeval.metrics.ties import trec_order
from pytest_embedeval.retrieval import Rankings

QUERIES, DOCUMENTS, LISTED = 10_000, 100_000, 100
CUTOFFS = (1, 3, 5, 10, 100)
ROUNDS = 15
TARGET = 40.0
TREC_NAMES = {"hit_rate": "success", "recall": "recall", "precision": "P", "map": "map_cut", "ndcg": "ndcg_cut"}
WHOLE = {"mrr": "recip_rank", "r_precision": "Rprec", "bpref": "bpref"}
OURS = [
    parse_metric(name)
    for name in (*(f"{name}@{k}" for name in (*TREC_NAMES, "mrr", "judged") for k in CUTOFFS), *WHOLE)
]
COMMON = [parse_metric(name) for name in (*(f"{name}@{k}" for name in TREC_NAMES for k in CUTOFFS), *WHOLE)]
THEIRS = {*(f"{name}.{','.join(map(str, CUTOFFS))}" for name in TREC_NAMES.values()), *WHOLE.values()}

Run = dict[str, dict[str, float]]


def main() -> None:
    """Compare, time, print."""
    rng = np.random.default_rng(0)
    documents = np.stack([rng.choice(DOCUMENTS, LISTED, replace=False) for _ in range(QUERIES)])
    judgements = judged(rng, documents)
    ids = [f"d{i:06}" for i in range(DOCUMENTS)]
    distinct = np.linspace(0.9, 0.1, LISTED) + rng.uniform(-0.003, 0.003, documents.shape)
    scores = {"distinct": distinct, "tied": np.round(np.sort(rng.uniform(0, 1, documents.shape))[:, ::-1] * 50) / 50}
    trec = pytrec_eval.RelevanceEvaluator(as_qrels(judgements, ids), THEIRS)
    threads = ", ".join(f"{pool['internal_api']} {pool['num_threads']}" for pool in threadpool_info())
    print(
        f"{QUERIES:,} queries, top {LISTED} of {DOCUMENTS:,} documents, "
        f"{len(judgements) / QUERIES:.1f} judged a query, "
        f"{len(COMMON)} metrics\nPython {platform.python_version()}, numpy {version('numpy')}, "
        f"pytrec_eval-terrier {version('pytrec-eval-terrier')}, {platform.processor() or platform.machine()}, "
        f"threads: {threads}\n"
    )
    rows = []
    for kind, values in scores.items():
        rankings = Rankings(documents, values.astype(np.float32))
        listed = trec_order(rankings, ids)
        run = as_run(rankings, ids)
        gc.collect()
        gc.freeze()  # the collector of either side need not walk through a million entries of ours
        worst = difference(score_rankings(listed, judgements, OURS, as_listed=True), trec.evaluate(run))
        print(f"{kind} scores: largest difference to pytrec_eval {worst:.1e}")
        if worst > 1e-9:
            sys.exit("the scores differ; times would mean nothing")
        times = medians(
            partial(score_rankings, rankings, judgements, COMMON),
            partial(trec.evaluate, run),
            partial(as_run, rankings, ids),
        )
        rows.append((kind, *times))
    print()
    print(
        tabulate(
            [
                (
                    kind,
                    f"{ours * 1e3:.1f}",
                    f"{theirs * 1e3:.0f}",
                    f"{made * 1e3:.0f}",
                    f"{theirs / ours:.1f}",
                    f"{(theirs + made) / ours:.1f}",
                    "PASS" if (theirs + made) / ours >= TARGET else "MISS",
                )
                for kind, ours, theirs, made in rows
            ],
            headers=[
                "scores",
                "ours, ms",
                "pytrec_eval, ms",
                "its dictionaries, ms",
                "times faster without",
                "times faster with them",
                f"at least {TARGET:.0f}",
            ],
            disable_numparse=True,
        )
    )


def judged(rng: np.random.Generator, documents: NDArray[np.int64]) -> Judgements:
    """Judge one to nine documents of each query from 0 to 3, six in ten of them listed."""
    grades: dict[tuple[int, int], int] = {}
    for query, listed in enumerate(documents):
        for _ in range(rng.integers(1, 10)):
            document = rng.choice(listed) if rng.random() < 0.6 else rng.integers(DOCUMENTS)
            grades[query, int(document)] = int(rng.integers(4))
    return Judgements.of(grades)


def as_qrels(judgements: Judgements, ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the judgements as pytrec_eval wants them."""
    qrels: dict[str, dict[str, int]] = {}
    columns = (judgements.query, judgements.document, judgements.grade)
    for query, document, grade in zip(*(column.tolist() for column in columns), strict=True):
        qrels.setdefault(f"q{query}", {})[ids[document]] = grade
    return qrels


def as_run(rankings: Rankings, ids: Sequence[str]) -> Run:
    """Return the lists as pytrec_eval wants them."""
    lists = zip(rankings.documents.tolist(), rankings.scores.tolist(), strict=True)
    return {
        f"q{query}": {ids[document]: score for document, score in zip(documents, scores, strict=True)}
        for query, (documents, scores) in enumerate(lists)
    }


def difference(ours: dict[str, NDArray[np.float64]], theirs: dict[str, dict[str, float]]) -> float:
    """Return the largest difference over all queries and common metrics; mrr@k follows from recip_rank."""
    pairs = [(f"{name}@{k}", f"{trec}_{k}") for name, trec in TREC_NAMES.items() for k in CUTOFFS]
    pairs += WHOLE.items()
    found = {trec: np.array([theirs[f"q{i}"][trec] for i in range(QUERIES)]) for _, trec in pairs}
    expected = {name: found[trec] for name, trec in pairs}
    first = found["recip_rank"]
    expected |= {f"mrr@{k}": np.where(first * k >= 1 - 1e-9, first, 0.0) for k in CUTOFFS}
    return max(float(np.abs(ours[name] - values).max()) for name, values in expected.items())


def medians(*contenders: Callable[[], object]) -> list[float]:
    """Return the median seconds of each over rounds in which each has its turn."""
    seconds: list[list[float]] = [[] for _ in contenders]
    for _ in range(ROUNDS):
        for contender, taken in zip(contenders, seconds, strict=True):
            started = time.perf_counter()
            contender()
            taken.append(time.perf_counter() - started)
    return list(map(statistics.median, seconds))


if __name__ == "__main__":
    main()
