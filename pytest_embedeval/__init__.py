"""Judge text-embedding models the way tests judge code.

The names below work without pytest, in a notebook or a script. Each is resolved on first use, so that
importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pytest_embedeval.crosslingual import evaluate_crosslingual
    from pytest_embedeval.datasets import load_dataset, load_minimal_pairs, load_sentences, load_variants, load_words
    from pytest_embedeval.evaluate import (
        evaluate_clustering,
        evaluate_morphology,
        evaluate_retrieval,
        evaluate_triplets,
    )
    from pytest_embedeval.lexical import evaluate_lexical
    from pytest_embedeval.models import load_model
    from pytest_embedeval.pairs import evaluate_confusions, evaluate_similarity
    from pytest_embedeval.perturbations import perturb
    from pytest_embedeval.report import load_report
    from pytest_embedeval.retrieval.retriever import Retriever
    from pytest_embedeval.robustness import evaluate_robustness
    from pytest_embedeval.stages import evaluate_stages
    from pytest_embedeval.vectors import Encoded, Store

_ROOMS = {
    "Encoded": "pytest_embedeval.vectors",
    "Retriever": "pytest_embedeval.retrieval.retriever",
    "Store": "pytest_embedeval.vectors",
    "load_model": "pytest_embedeval.models",
    "load_dataset": "pytest_embedeval.datasets",
    "load_minimal_pairs": "pytest_embedeval.datasets",
    "load_sentences": "pytest_embedeval.datasets",
    "load_variants": "pytest_embedeval.datasets",
    "load_words": "pytest_embedeval.datasets",
    "perturb": "pytest_embedeval.perturbations",
    "load_report": "pytest_embedeval.report",
    "evaluate_retrieval": "pytest_embedeval.evaluate",
    "evaluate_morphology": "pytest_embedeval.evaluate",
    "evaluate_clustering": "pytest_embedeval.evaluate",
    "evaluate_triplets": "pytest_embedeval.evaluate",
    "evaluate_lexical": "pytest_embedeval.lexical",
    "evaluate_stages": "pytest_embedeval.stages",
    "evaluate_robustness": "pytest_embedeval.robustness",
    "evaluate_crosslingual": "pytest_embedeval.crosslingual",
    "evaluate_similarity": "pytest_embedeval.pairs",
    "evaluate_confusions": "pytest_embedeval.pairs",
}

__all__ = [
    "Encoded",
    "Retriever",
    "Store",
    "__version__",
    "evaluate_clustering",
    "evaluate_confusions",
    "evaluate_crosslingual",
    "evaluate_lexical",
    "evaluate_morphology",
    "evaluate_retrieval",
    "evaluate_robustness",
    "evaluate_similarity",
    "evaluate_stages",
    "evaluate_triplets",
    "load_dataset",
    "load_minimal_pairs",
    "load_model",
    "load_report",
    "load_sentences",
    "load_variants",
    "load_words",
    "perturb",
]


def __getattr__(name: str) -> Any:
    """Import the room that holds `name` when it is first asked for (PEP 562)."""
    try:
        room = _ROOMS[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(importlib.import_module(room), name)
