"""Vectors beside words: what each model wins and loses beside BM25, and what a hybrid of both is worth.

The comparisons and the curve over alpha stand in `report.json` (`beside`, `fusion`). Nothing fails unless the data set
says what must be beaten: `beats = ["bm25"]`.
"""

from __future__ import annotations

import pytest


@pytest.mark.needs_vectors
def test_beside_words(model, dataset, lexical):
    """Each embedding model, query by query, beside BM25; its hybrid beside both."""
    found = lexical(model, dataset)
    for reference in found.to_beat:
        found.assert_beats(reference)
