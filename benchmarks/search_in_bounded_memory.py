"""Exact search of pytest-embedeval in bounded memory, beside a bare matrix product.

1,000 queries × 1,000,000 documents × 384 numbers (float32, unit length, seeded), top 100. The documents lie in a
memory-mapped file, 1.5 GB. The search is given a quarter of the RAM, and 512 MiB, a third of the file. The product is
numpy's, in blocks over the same map, with nothing done to the result.

Time is the median of rounds in which each has its turn; a ratio is the median of the ratios within a round, because
the machine may change its pace between rounds. Seconds of the processor say the same where others use it too. Memory
is what a search takes beyond what was there before it, in a process of its own (Linux only): anonymous pages, sampled
while it runs, and the peak of all, with the pages of the map that are in memory at once.

    pip install pytest-embedeval
    python benchmarks/search_in_bounded_memory.py
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate
from threadpoolctl import threadpool_info

from pytest_embedeval.memory import default_bound, shown_size
from pytest_embedeval.retrieval.exact import ExactRanker

QUERIES, DOCUMENTS, DIMENSION, TOP = 1_000, 1_000_000, 384, 100
BLOCK = 8192
ROUNDS = 3
TARGET = 1.2
MIB = 2**20
BOUNDS = (default_bound(), 512 * MIB)


def main() -> None:
    """Make the vectors, measure memory and time, print."""
    with tempfile.TemporaryDirectory() as folder:
        synthetic(Path(folder))
        memory = {bound: measured_apart(bound, folder) for bound in BOUNDS}
        queries, documents = load(Path(folder))
        describe()
        seconds = timed(
            {
                "matrix product": lambda: product(queries, documents),
                **{
                    f"search in {shown_size(bound)}": lambda bound=bound: ExactRanker(
                        queries, documents, memory=bound
                    ).search(TOP)
                    for bound in BOUNDS
                },
            }
        )
        judge(seconds, memory)


def synthetic(folder: Path) -> None:
    """Write random unit vectors, block by block."""
    rng = np.random.default_rng(0)
    np.save(folder / "queries.npy", unit(rng, QUERIES))
    shape = DOCUMENTS, DIMENSION
    documents = np.lib.format.open_memmap(folder / "documents.npy", mode="w+", dtype=np.float32, shape=shape)
    for start in range(0, DOCUMENTS, BLOCK):
        documents[start : start + BLOCK] = unit(rng, min(BLOCK, DOCUMENTS - start))
    documents.flush()


def unit(rng: np.random.Generator, n: int) -> NDArray[np.float32]:
    """Return random vectors at length 1."""
    vectors = rng.standard_normal((n, DIMENSION), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def load(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the queries, and the documents as a map of their file."""
    return np.load(folder / "queries.npy"), np.load(folder / "documents.npy", mmap_mode="r")


def product(queries: NDArray[np.float32], documents: NDArray[np.float32]) -> None:
    """Multiply, and no more."""
    block = np.empty((len(queries), BLOCK), dtype=np.float32)
    for start in range(0, len(documents), BLOCK):
        part = documents[start : start + BLOCK]
        np.matmul(queries, part.T, out=block[:, : len(part)])


def timed(contenders: dict[str, Callable[[], object]]) -> dict[str, list[tuple[float, float]]]:
    """Return seconds and seconds of the processor of each round; before the first comes one that does not count."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for round_ in range(-1, ROUNDS):
        for name, run in contenders.items():
            started = time.perf_counter(), time.process_time()
            run()
            if round_ >= 0:
                seconds[name].append((time.perf_counter() - started[0], time.process_time() - started[1]))
    return seconds


def judge(seconds: dict[str, list[tuple[float, float]]], memory: dict[int, tuple[float, float]]) -> None:
    """Print times, ratios, memory, and whether they are what was aimed at."""
    base = next(iter(seconds.values()))
    rows = []
    for (name, taken), bound in zip(seconds.items(), (None, *BOUNDS), strict=True):
        time_, processor = (statistics.median(column) for column in zip(*taken, strict=True))
        row = [name, f"{time_:.2f}", f"{processor:.2f}"]
        if bound is not None:
            both = [[a / b for a, b in zip(mine, other, strict=True)] for mine, other in zip(taken, base, strict=True)]
            ratio, of_processor = (statistics.median(column) for column in zip(*both, strict=True))
            anonymous, peak = memory[bound]
            met = ratio <= TARGET and peak * MIB <= bound
            row += [f"{ratio:.2f} ×", f"{of_processor:.2f} ×", f"{anonymous:.0f}", f"{peak:.0f}", f"{bound / MIB:.0f}"]
            row.append("PASS" if met else "MISS")
        rows.append(row)
    headers = [
        "",
        "s",
        "processor s",
        f"of the product (≤ {TARGET})",
        "processor",
        "anonymous MiB",
        "peak",
        "bound",
        "",
    ]
    print(tabulate(rows, headers=headers, disable_numparse=True))
    print("\nload of the machine at the end:", *(f"{load:.1f}" for load in os.getloadavg()))


def describe() -> None:
    """Print versions, machine and threads."""
    packages = ("numpy", "faiss-cpu", "pytest-embedeval")
    cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    threads = {
        f"{pool['internal_api']} {pool['version'] or ''}".strip(): pool["num_threads"] for pool in threadpool_info()
    }
    print(f"{QUERIES:,} queries × {DOCUMENTS:,} documents × {DIMENSION}, top {TOP}, {ROUNDS} rounds")
    print("Python", platform.python_version(), *(f"· {name} {version(name)}" for name in packages))
    print(cpu.partition(": ")[2], "· threads:", ", ".join(f"{name} {count}" for name, count in threads.items()))
    print("load of the machine at the start:", *(f"{load:.1f}" for load in os.getloadavg()), "\n")


def measured_apart(bound: int, folder: str) -> tuple[float, float]:
    """Return extra anonymous MiB and extra MiB in all of a search, at their peaks, in a process of its own."""
    command = [sys.executable, __file__, str(bound), folder]
    anonymous, peak = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return float(anonymous), float(peak)


def measure(bound: int, folder: Path) -> None:
    """Print both; what the libraries set up once is set up by a small search before."""
    queries, documents = load(folder)
    ExactRanker(queries, np.array(documents[:BLOCK])).search(TOP)
    ranker = ExactRanker(queries, documents, memory=bound)
    Path("/proc/self/clear_refs").write_text("5")  # let the peak begin at what is there now
    before = status("RssAnon"), status("VmHWM")
    done, seen = threading.Event(), [0]

    def watch() -> None:
        while not done.wait(0.005):
            seen[0] = max(seen[0], status("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    ranker.search(TOP)
    done.set()
    watcher.join()
    print((seen[0] - before[0]) / 1024, (status("VmHWM") - before[1]) / 1024)


def status(name: str) -> int:
    """Return a size of this process in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        main()
