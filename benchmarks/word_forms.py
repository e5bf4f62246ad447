"""Print what each score of word forms says of a constant encoder, one that compares letters, and real models.

python benchmarks/word_forms.py [MODEL ...]
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from pytest_embedeval import Encoded, __version__, evaluate_morphology, load_model, load_words
from pytest_embedeval.evaluate import measurements
from pytest_embedeval.metrics import Scores

WORDS = Path(__file__).parent.parent / "fixtures" / "morphology_tr.tsv"
MODELS = ("minilm-en", "use-multilingual", "e5-small-q4")
METRICS = ("similarity", "auc", "accuracy", "versus.lemma", "versus.harmony")


def constant(texts: list[str]) -> NDArray[np.float32]:
    """Encode every text alike."""
    return np.ones((len(texts), 8), dtype=np.float32)


def trigrams(texts: list[str]) -> NDArray[np.float32]:
    """Encode texts by their character trigrams, hashed into 256 numbers."""
    vectors = np.zeros((len(texts), 256), dtype=np.float32)
    for row, text in enumerate(texts):
        padded = f"  {text.lower()}  "
        for place in range(len(padded) - 2):
            digest = hashlib.blake2b(padded[place : place + 3].encode("utf-8"), digest_size=4).digest()
            vectors[row, int.from_bytes(digest) % 256] += 1.0
    return vectors


def cells(scores: Scores) -> list[str]:
    """Return each score with its one-sided 95 % bounds."""
    rows = {row.metric: row for row in measurements(scores)}
    found = [rows[f"morphology.{metric}"] for metric in METRICS]
    return [f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in found]


def main() -> None:
    """Encode the Turkish word forms with each model and print a row for it."""
    words = load_words(WORDS, language="tr")
    print(f"pytest-embedeval {__version__}, {WORDS.name}, {len(words.items)} items")
    encoders = {
        "constant": Encoded(load_model(constant), allow_collapse=True),
        "character trigrams": Encoded(load_model(trigrams)),
        **{name: Encoded(load_model(name)) for name in sys.argv[1:] or MODELS},
    }
    rows = [[name, *cells(evaluate_morphology(encoded, words))] for name, encoded in encoders.items()]
    print(tabulate(rows, ["", *METRICS], tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
