"""Which model finds the right passage? Thresholds come from [tool.embedeval.gates."retrieval/…"]."""

from __future__ import annotations

import pytest


def test_retrieval(model, dataset, retrieval, gate):
    gate(retrieval(model, dataset))


@pytest.mark.needs_vectors
def test_negatives(model, dataset, triplets, gate):
    """The article draws a random negative for each question; here the draw is scored, and so are hard negatives."""
    gate(triplets(model, dataset))
