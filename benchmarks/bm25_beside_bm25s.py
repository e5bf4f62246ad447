"""BM25 of pytest-embedeval beside bm25s called by hand: 100,000 documents, 1,000 queries, top 100.

Documents are cut from the contexts of XQuAD and TQuAD (Turkish and English) at random places, queries are their
questions. Both sides tokenise, stem (Snowball), index and search; by hand with `bm25s.tokenize`, `BM25.index` and
`BM25.retrieve` at their defaults but for the stemmer. Sides take turns; the ratio is the median of those within a
round. On words that both see alike, the scores must agree before the times count.

    pip install "pytest-embedeval[lexical]"
    python benchmarks/bm25_beside_bm25s.py
    python benchmarks/bm25_beside_bm25s.py --documents 10000 --rounds 3    # a quick look
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import time
from importlib.metadata import version
from pathlib import Path

import bm25s
import numpy as np
import Stemmer
from tabulate import tabulate

from pytest_embedeval.retrieval.bm25 import BM25Ranker
from pytest_embedeval.retrieval.words import Analyser

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
FILES = ("xquad.tr.json", "xquad.en.json", "tquad-dev.json")
TARGET = 1.15
TOP = 100


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    documents, queries = texts(asked.documents, asked.queries)
    agree()
    names = ("pytest-embedeval", "bm25s", "PyStemmer", "numpy")
    print("Python", platform.python_version(), *(f"· {name} {version(name)}" for name in names))
    print(f"{len(documents):,} documents, {len(queries):,} queries, {asked.rounds} rounds\n")
    seconds: dict[str, list[float]] = {"pytest-embedeval": [], "bm25s": []}
    for number in range(asked.rounds):
        sides = [("pytest-embedeval", ours), ("bm25s", by_hand)]
        for name, run in sides if number % 2 else reversed(sides):
            started = time.perf_counter()
            run(documents, queries)
            seconds[name].append(time.perf_counter() - started)
    ratio = statistics.median(own / peer for own, peer in zip(*seconds.values(), strict=True))
    rows = [(name, f"{statistics.median(each):.2f}", f"{min(each):.2f}") for name, each in seconds.items()]
    print(tabulate(rows, headers=["index and search", "median s", "best s"], disable_numparse=True))
    print(f"\nratio {ratio:.2f} (at most {TARGET}): {'PASS' if ratio <= TARGET else 'MISS'}")


def texts(documents: int, queries: int) -> tuple[list[str], list[str]]:
    """Return documents of 20 to 120 words and questions, drawn with a seed."""
    generator = random.Random(0)
    contexts: list[list[str]] = []
    questions: list[str] = []
    for name in FILES:
        for article in json.loads((DATA / name).read_text(encoding="utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                contexts.append(paragraph["context"].split())
                questions += [str(entry["question"]) for entry in paragraph["qas"]]
    pieces = []
    for _ in range(documents):
        words = generator.choice(contexts)
        size = generator.randint(20, 120)
        start = generator.randrange(max(1, len(words) - size))
        pieces.append(" ".join(words[start : start + size]))
    return pieces, generator.choices(questions, k=queries)


def ours(documents: list[str], queries: list[str]) -> None:
    """Index and search as `bm25` of the matrix does."""
    BM25Ranker(queries, documents, Analyser("tr")).search(TOP)


def by_hand(documents: list[str], queries: list[str]) -> None:
    """Index and search with bm25s."""
    stemmer = Stemmer.Stemmer("turkish")
    index = bm25s.BM25()
    index.index(bm25s.tokenize(documents, stopwords=None, stemmer=stemmer, show_progress=False), show_progress=False)
    asked = bm25s.tokenize(queries, stopwords=None, stemmer=stemmer, show_progress=False)
    index.retrieve(asked, k=TOP, show_progress=False)


def agree() -> None:
    """Raise where the scores of both differ on words that both see alike."""
    generator = np.random.default_rng(0)
    tokens = [[f"w{word}" for word in generator.zipf(1.5, 30) if word < 1000] for _ in range(500)]
    index = bm25s.BM25()
    index.index(tokens, show_progress=False)
    found = BM25Ranker([" ".join(words) for words in tokens[:50]], [" ".join(words) for words in tokens]).search(500)
    for row in range(50):
        expected = index.get_scores(tokens[row])
        known = found.documents[row] >= 0
        np.testing.assert_allclose(found.scores[row][known], expected[found.documents[row][known]], rtol=1e-5)
        assert known.sum() == (expected > 0).sum()


if __name__ == "__main__":
    main()
