"""What the driver of a cluster holds of a corpus while it is read, encoded on two nodes of one core, and searched.

300,000 documents of 40 sentences each, drawn (seeded) from those of the medical set, in BEIR's form on the disk; 200
queries, each the first three sentences of its document. The model is a real one of a folder, one random vector of 384
numbers for each word, so that the nodes encode hundreds of texts a second. Memory is the peak of the process that
drives the run (Linux only): its anonymous pages, sampled, beyond what was there before. With `--held` the corpus is
held in the RAM, as small ones are.

    pip install "pytest-embedeval[scale]"
    python benchmarks/large_corpus.py
    python benchmarks/large_corpus.py --documents=30000    # a quick look
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import ray
from memory_peak import Peak
from ray.cluster_utils import Cluster as Machines
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from pytest_embedeval.cluster import Cluster
from pytest_embedeval.datasets import collection, load_dataset, load_squad
from pytest_embedeval.evaluate import evaluate_retrieval
from pytest_embedeval.memory import shown_size
from pytest_embedeval.models import load_model
from pytest_embedeval.vectors import Encoded, Store

DOCUMENTS, SENTENCES, QUERIES, DIMENSION = 300_000, 40, 200, 384
MEDICAL = Path(__file__).parents[1] / "fixtures" / "turkish_medical_qa.json"
SENTENCE = re.compile(r"(?<=[.!?])\s+")


def main() -> int:
    """Read, encode and search, print, and return 1 where the driver holds a quarter of texts and vectors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--held", action="store_true")
    given = parser.parse_args()
    if given.held:
        collection._IN_MEMORY = sys.maxsize
    with tempfile.TemporaryDirectory() as folder:
        sentences = [each for text in load_squad(MEDICAL).documents for each in SENTENCE.split(text)]
        size = _write_corpus(Path(folder) / "beir", sentences, given.documents)
        _write_model(Path(folder) / "model", sentences)
        vectors = 4 * DIMENSION * given.documents
        print(f"{given.documents:,} documents: {shown_size(size)} of text, {shown_size(vectors)} of vectors")
        with _machines():
            highest = _run(Path(folder))
        print(f"a quarter of texts and vectors: {shown_size((size + vectors) / 4)}")
        return int(highest >= (size + vectors) / 4)


def _run(folder: Path) -> int:
    model = load_model(str(folder / "model"), cluster=(cluster := Cluster()))
    store = Store(folder / "cache")
    encoded = Encoded(model, store=store, cluster=cluster, memory=2**26)
    with _step("read") as reading:
        data = load_dataset(folder / "beir", format="beir")
    with _step("fingerprint"):
        assert data.fingerprint
    with _step("encoded") as encoding:
        encoded.vectors(data.documents, "document")
    with _step("searched") as searching:
        scores = evaluate_retrieval(encoded, data)
    print(f"recall@10: {scores.measured['recall@10'].value:.3f}")
    encoded.close()
    store.close()
    return max(reading.anonymous, encoding.anonymous, searching.anonymous)


@contextmanager
def _step(name: str) -> Iterator[Peak]:
    started = time.perf_counter()
    with Peak() as peak:
        yield peak
    seconds = time.perf_counter() - started
    print(f"{name} in {seconds:.0f} s: driver {shown_size(peak.anonymous)} more, {shown_size(peak.all)} with all pages")


@contextmanager
def _machines() -> Iterator[None]:
    node = {"num_cpus": 1, "object_store_memory": 2**29}
    machines = Machines(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    machines.add_node(**node)
    ray.init(machines.address, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()
    machines.shutdown()


def _write_corpus(folder: Path, sentences: list[str], count: int) -> int:
    """Write a corpus and its queries; return the bytes of its texts."""
    rng = np.random.default_rng(0)
    (folder / "qrels").mkdir(parents=True)
    asked = set(rng.choice(count, min(QUERIES, count), replace=False).tolist())
    size = 0
    with (
        (folder / "corpus.jsonl").open("w", encoding="utf-8") as corpus,
        (folder / "queries.jsonl").open("w", encoding="utf-8") as queries,
        (folder / "qrels" / "test.tsv").open("w", encoding="utf-8") as judged,
    ):
        judged.write("query-id\tcorpus-id\tscore\n")
        for number in range(count):
            drawn = [sentences[place] for place in rng.integers(len(sentences), size=SENTENCES)]
            text = " ".join(drawn)
            size += len(text.encode())
            print(json.dumps({"_id": f"d{number}", "text": text}, ensure_ascii=False), file=corpus)
            if number in asked:
                print(json.dumps({"_id": f"q{number}", "text": " ".join(drawn[:3])}, ensure_ascii=False), file=queries)
                print(f"q{number}\td{number}\t1", file=judged)
    return size


def _write_model(folder: Path, sentences: list[str]) -> None:
    words = sorted({word for sentence in sentences for word in re.findall(r"\w+|[^\w\s]+", sentence)})
    tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate(["[UNK]", *words])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    weights = np.random.default_rng(1).standard_normal((len(words) + 1, DIMENSION)).astype(np.float32)
    modules = [StaticEmbedding(tokenizer, embedding_weights=weights)]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)


if __name__ == "__main__":
    sys.exit(main())
