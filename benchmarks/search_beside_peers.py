"""Retrieval evaluation of pytest-embedeval beside sentence-transformers, mteb and a bare matrix product.

1,000 queries × 100,000 documents × 384 numbers (float32, unit length, seeded), one to three relevant documents a
query. Everyone searches the top 100 and scores mrr@10, recall@10, precision@10, ndcg@10 and map@100 of vectors that
are already there, from data that is already loaded; the scores must agree before the times count.

Each peer is given its easiest way. sentence-transformers gets the corpus as `corpus_embeddings`, and scores by dot
product, which spares it the normalisation of its default. mteb gets a task in memory, no cutoffs but 1, 10 and 100, no
cache, and an encoder that reads the texts from the batches it is given, as mteb's own do, and returns their rows; how
long that reading takes is printed too. (mteb computes nAUC besides and cannot be told not to.) The product is numpy's,
in blocks, with nothing done to the result.

Time is the median of rounds in which each has its turn; a ratio is the median of the ratios within a round, because
the machine may change its pace between rounds. Memory is what an evaluation needs beyond what was there before it:
VmHWM of a process of its own (Linux only).

    pip install "pytest-embedeval[dev]" mteb
    python benchmarks/search_beside_peers.py
"""

from __future__ import annotations

import logging
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate
from threadpoolctl import threadpool_info

QUERIES, DOCUMENTS, DIMENSION = 1_000, 100_000, 384
METRICS = ("mrr@10", "recall@10", "precision@10", "ndcg@10", "map@100")
BLOCK = 8192
ROUNDS = 5
OURS, SENTENCE_TRANSFORMERS, MTEB, PRODUCT = "pytest-embedeval", "sentence-transformers", "mteb", "matrix product"

READING = "seconds spent reading texts"
UNREAD = "mteb without reading its texts"

Evaluation = Callable[[], Mapping[str, float]]


@dataclass(frozen=True)
class Data:
    """Unit vectors, float32 arrays [n, d] and [m, d], and the relevant documents of each query."""

    queries: NDArray[np.float32]
    documents: NDArray[np.float32]
    relevant: list[list[int]]

    @property
    def query_ids(self) -> list[str]:
        """Return an id for each query."""
        return [f"q{i:04}" for i in range(len(self.queries))]

    @property
    def document_ids(self) -> list[str]:
        """Return an id for each document, which is its text too."""
        return [f"d{i:06}" for i in range(len(self.documents))]

    @property
    def qrels(self) -> dict[str, dict[str, int]]:
        """Return the judgements as dictionaries."""
        ids = self.document_ids
        return {query: {ids[i]: 1 for i in found} for query, found in zip(self.query_ids, self.relevant, strict=True)}


def synthetic() -> Data:
    """Make random vectors; the cosine of a relevant document is drawn from where the top of the others lies."""
    rng = np.random.default_rng(0)
    queries, documents = (unit(rng.standard_normal((n, DIMENSION), dtype=np.float32)) for n in (QUERIES, DOCUMENTS))
    sizes = rng.integers(1, 4, QUERIES)
    chosen = rng.choice(DOCUMENTS, sizes.sum(), replace=False)
    owners = queries[np.repeat(np.arange(QUERIES), sizes)]
    cosine = rng.uniform(0.1, 0.3, (len(chosen), 1)).astype(np.float32)
    aside = unit(documents[chosen] - owners * np.einsum("ij,ij->i", owners, documents[chosen])[:, None])
    documents[chosen] = unit(cosine * owners + np.sqrt(1 - cosine**2) * aside)
    return Data(queries, documents, [part.tolist() for part in np.split(chosen, np.cumsum(sizes)[:-1])])


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the vectors at length 1."""
    result: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return result


def ours(data: Data) -> Evaluation:
    """Prepare `evaluate_retrieval`, as users call it."""
    from pytest_embedeval.datasets import RetrievalData
    from pytest_embedeval.datasets.retrieval import Judgements
    from pytest_embedeval.evaluate import evaluate_retrieval
    from pytest_embedeval.models import Model, ModelInfo
    from pytest_embedeval.vectors import Encoded

    class Prepared(Encoded):
        """The vectors of a model that has encoded everything already."""

        def vectors(self, texts: object, role: str) -> NDArray[np.float32]:
            return data.queries if role == "query" else data.documents

        def seconds(self, texts: object, role: str) -> float:
            return 0.0

    judgements = Judgements.of({(query, i): 1 for query, found in enumerate(data.relevant) for i in found})
    ids, query_ids = data.document_ids, data.query_ids
    loaded = RetrievalData("synthetic", ids, ids, query_ids, query_ids, judgements)
    encoded = Prepared(Model(ModelInfo("prepared", "arrays", kind="dense", dimension=DIMENSION)))
    _ = loaded.fingerprint  # of the data, made once

    def evaluate() -> Mapping[str, float]:
        scores = evaluate_retrieval(encoded, loaded, metrics=METRICS)
        return {name: scores[name] for name in METRICS}

    return evaluate


def sentence_transformers(data: Data) -> Evaluation:
    """Prepare InformationRetrievalEvaluator with the same cutoffs."""
    import torch
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    from sentence_transformers.util import dot_score

    class Prepared:
        similarity_fn_name = "dot"
        similarity = staticmethod(dot_score)

        def encode_query(self, texts: list[str], **_: object) -> torch.Tensor:
            return torch.from_numpy(data.queries)

    class Evaluator(InformationRetrievalEvaluator):
        def store_metrics_in_model_card_data(self, *_: object) -> None:
            """There is no model card."""

    evaluator = Evaluator(
        {query: query for query in data.query_ids},
        {document: document for document in data.document_ids},
        {query: set(found) for query, found in data.qrels.items()},
        mrr_at_k=[10],
        ndcg_at_k=[10],
        accuracy_at_k=[10],
        precision_recall_at_k=[10],
        map_at_k=[100],
        write_csv=False,
    )
    model, documents = Prepared(), torch.from_numpy(data.documents)

    def evaluate() -> Mapping[str, float]:
        scores = evaluator(model, corpus_embeddings=documents)
        return {name: scores[f"dot_{name}"] for name in METRICS}

    return evaluate


def mteb(data: Data) -> Evaluation:
    """Prepare `mteb.evaluate` with a retrieval task in memory and an encoder that has the rows at hand."""
    import datasets
    import mteb
    import torch
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models import ModelMeta
    from mteb.types import PromptType
    from sentence_transformers.util import dot_score

    logging.getLogger("mteb").setLevel(logging.ERROR)
    datasets.disable_caching()
    datasets.disable_progress_bars()

    reading: list[float] = []

    class Prepared:
        mteb_model_meta = ModelMeta.create_empty({"name": "prepared/arrays", "revision": "1"})

        def encode(self, inputs: Any, *, prompt_type: PromptType, **_: object) -> torch.Tensor:
            if prompt_type == PromptType.query:
                return torch.from_numpy(data.queries)
            started = time.perf_counter()
            texts = [text for batch in inputs for text in batch["text"]]
            reading.append(time.perf_counter() - started)
            first = int(texts[0][1:])
            return torch.from_numpy(data.documents[first : first + len(texts)])

        def similarity(self, queries: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
            return dot_score(queries, documents)

        def similarity_pairwise(self, queries: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
            raise NotImplementedError

    split = {
        "queries": datasets.Dataset.from_dict({"id": data.query_ids, "text": data.query_ids}),
        "corpus": datasets.Dataset.from_dict({"id": data.document_ids, "text": data.document_ids}),
        "relevant_docs": data.qrels,
        "top_ranked": None,
    }

    class Synthetic(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="Synthetic",
            type="Retrieval",
            description="Random vectors.",
            dataset={"path": "none", "revision": "1"},
            category="t2t",
            eval_langs=["eng-Latn"],
            main_score="ndcg_at_10",
        )
        k_values = (1, 10, 100)  # it reads Recall@1 by itself

    task, model = Synthetic(), Prepared()

    def evaluate() -> Mapping[str, float]:
        reading.clear()
        task.dataset, task.data_loaded = {"default": {"test": dict(split)}}, True
        found = mteb.evaluate(
            model, task, cache=None, overwrite_strategy="always", co2_tracker=False, show_progress_bar=False
        )
        scores = found.task_results[0].scores["test"][0]
        return {name: scores[name.replace("@", "_at_")] for name in METRICS} | {READING: sum(reading)}

    return evaluate


def product(data: Data) -> Evaluation:
    """Prepare the multiplication alone."""
    block = np.empty((len(data.queries), BLOCK), dtype=np.float32)

    def multiply() -> Mapping[str, float]:
        for start in range(0, len(data.documents), BLOCK):
            documents = data.documents[start : start + BLOCK]
            np.matmul(data.queries, documents.T, out=block[:, : len(documents)])
        return {}

    return multiply


CONTENDERS = {PRODUCT: product, OURS: ours, SENTENCE_TRANSFORMERS: sentence_transformers, MTEB: mteb}


def main() -> None:
    """Time, measure, compare, print."""
    data = synthetic()
    with tempfile.TemporaryDirectory() as folder:
        save(data, Path(folder))
        memory = {name: measured_apart(name, folder) for name in CONTENDERS}
    evaluations = {name: prepare(data) for name, prepare in CONTENDERS.items()}
    describe()
    scores = {name: evaluate() for name, evaluate in evaluations.items()}  # the first time, not counted
    agree(scores)
    seconds: dict[str, list[float]] = {name: [] for name in (*CONTENDERS, UNREAD)}
    for _ in range(ROUNDS):
        for name, evaluate in evaluations.items():
            started = time.perf_counter()
            found = evaluate()
            seconds[name].append(time.perf_counter() - started)
            if READING in found:
                seconds[UNREAD].append(seconds[name][-1] - found[READING])
    rows = []
    for name in CONTENDERS:
        taken = seconds[name]
        shown = [f"{scores[name][metric]:.4f}" if scores[name] else "" for metric in METRICS]
        rows.append((name, f"{statistics.median(taken):.2f}", f"{min(taken):.2f}", f"{memory[name]:.0f}", *shown))
    print(tabulate(rows, headers=["", "seconds", "fastest", "extra MiB", *METRICS], disable_numparse=True))
    print()
    judge(seconds, memory)


def judge(seconds: Mapping[str, list[float]], memory: Mapping[str, float]) -> None:
    """Print what was aimed at and what came out."""

    def ratio(name: str, to: str) -> float:
        return statistics.median(a / b for a, b in zip(seconds[name], seconds[to], strict=True))

    above, faster, much_faster = ratio(OURS, PRODUCT), ratio(SENTENCE_TRANSFORMERS, OURS), ratio(MTEB, OURS)
    share = memory[OURS] / memory[SENTENCE_TRANSFORMERS]
    rows = [
        ("time, of the bare product", "≤ 1.4 ×", f"{above:.2f} ×", above <= 1.4),
        ("faster than sentence-transformers", "≥ 2.3 ×", f"{faster:.1f} ×", faster >= 2.3),
        ("faster than mteb", "≥ 10 ×", f"{much_faster:.1f} ×", much_faster >= 10),
        ("extra memory, of sentence-transformers'", "≤ 0.25 ×", f"{share:.2f} ×", share <= 0.25),
    ]
    print(tabulate([(*row, "PASS" if met else "MISS") for *row, met in rows], headers=["ours", "target", "found", ""]))
    print(f"\nfaster than mteb without its reading of texts: {ratio(UNREAD, OURS):.1f} ×")


def agree(scores: Mapping[str, Mapping[str, float]]) -> None:
    """Stop if the peers score otherwise than we do."""
    for name in (SENTENCE_TRANSFORMERS, MTEB):
        for metric in METRICS:
            if abs(scores[name][metric] - scores[OURS][metric]) > 1e-4:
                sys.exit(f"{metric}: {name} {scores[name][metric]:.6f}, ours {scores[OURS][metric]:.6f}")


def describe() -> None:
    """Print versions, machine and threads."""
    packages = ("sentence-transformers", "mteb", "torch", "numpy", "faiss-cpu", "pytest-embedeval")
    cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    threads = {
        f"{pool['internal_api']} {pool['version'] or ''}".strip(): pool["num_threads"] for pool in threadpool_info()
    }
    print(f"{QUERIES:,} queries × {DOCUMENTS:,} documents × {DIMENSION}, top 100, {ROUNDS} rounds")
    print("Python", platform.python_version(), *(f"· {name} {version(name)}" for name in packages))
    print(cpu.partition(": ")[2], "· threads:", ", ".join(f"{name} {count}" for name, count in threads.items()), "\n")


def save(data: Data, folder: Path) -> None:
    """Write the data for the processes that measure memory."""
    np.save(folder / "queries.npy", data.queries)
    np.save(folder / "documents.npy", data.documents)
    np.save(folder / "relevant.npy", np.array(data.relevant, dtype=object), allow_pickle=True)


def measured_apart(name: str, folder: str) -> float:
    """Return the extra MiB that an evaluation takes at its peak, in a process of its own."""
    command = [sys.executable, __file__, name, folder]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1])


def measure(name: str, folder: Path) -> None:
    """Print the extra MiB of one evaluation; the imports are made by a small one before."""
    queries, documents = np.load(folder / "queries.npy"), np.load(folder / "documents.npy")
    relevant = np.load(folder / "relevant.npy", allow_pickle=True).tolist()
    CONTENDERS[name](Data(queries[:10], documents[:1000], [[i] for i in range(10)]))()
    evaluate = CONTENDERS[name](Data(queries, documents, relevant))
    Path("/proc/self/clear_refs").write_text("5")  # let the peak begin at what is there now
    before = peak()
    evaluate()
    print((peak() - before) / 1024)


def peak() -> int:
    """Return the largest resident size so far, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
