"""What the engine of a Ray cluster costs on one node, beside encoding in this process.

2,000 distinct texts of two sentences each, put together from the medical set with a seed, are encoded into a store in a
fresh folder: by this process, and by one worker of a Ray cluster of one node that has the cores of this machine. Both
load the model before the clock starts. Each round times both, which take turns in going first; the overhead is the
median of the ratios within a round. The vectors must agree before the times count.

    pip install "pytest-embedeval[offline,scale]"
    python benchmarks/ray_overhead.py
    python benchmarks/ray_overhead.py --model=minilm-en --texts=500 --rounds=3    # a quick look
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import ray
from numpy.typing import NDArray

from pytest_embedeval.cluster import Cluster
from pytest_embedeval.datasets import load_squad
from pytest_embedeval.models import Model, load_model
from pytest_embedeval.vectors import Encoded, Store

MEDICAL = Path(__file__).parent.parent / "fixtures" / "turkish_medical_qa.json"
MOST = 0.15


def main() -> int:
    """Print the times, and return 1 where the overhead is above 15 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="use-multilingual")
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    ray.init("local", num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    cluster = Cluster()
    here, there = load_model(given.model), load_model(given.model, cluster=cluster)
    assert here.info.load_s is not None
    assert there.info.load_s is not None
    print(
        f"{given.model}, {cores} cores: loaded in {here.info.load_s:.1f} s here, {there.info.load_s:.1f} s on the node"
    )
    texts, ratios = _texts(given.texts), []
    _timed(here, texts[:64]), _timed(there, texts[:64])
    for number in range(given.rounds):
        order = [here, there] if number % 2 == 0 else [there, here]
        found = {id(model): _timed(model, texts) for model in order}
        (alone, expected), (spread, vectors) = found[id(here)], found[id(there)]
        np.testing.assert_allclose(vectors, expected, atol=1e-5)
        ratios.append(spread / alone)
        print(f"round {number + 1}: {alone:.2f} s here, {spread:.2f} s on the node, × {ratios[-1]:.3f}", flush=True)
    overhead = statistics.median(ratios) - 1
    print(f"overhead of {len(texts):,} texts: {overhead:+.1%} (at most {MOST:.0%})")
    there.close()
    ray.shutdown()
    return int(overhead > MOST)


def _texts(count: int) -> list[str]:
    data = load_squad(MEDICAL)
    sentences = [part for document in data.documents for part in re.split(r"(?<=[.?!]) ", document)]
    drawn = random.Random(0)
    found: dict[str, None] = {}
    while len(found) < count:
        found[f"{drawn.choice(data.queries)} {drawn.choice(sentences)}"] = None
    return list(found)


def _timed(model: Model, texts: list[str]) -> tuple[float, NDArray[np.float32]]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        started = time.perf_counter()
        vectors = np.array(Encoded(model, store=store).vectors(texts, "document"))
        taken = time.perf_counter() - started
        store.close()
    return taken, vectors


if __name__ == "__main__":
    sys.exit(main())
