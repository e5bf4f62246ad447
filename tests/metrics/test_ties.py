"""One ranking rule: groups no wider than the tolerance, whatever the ids."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_embedeval.errors import VectorError
from pytest_embedeval.metrics.ties import group, last_bounds, trec_order
from pytest_embedeval.retrieval import Rankings


def ranked(*scores: float) -> Rankings:
    values = np.array([scores], dtype=np.float32)
    return Rankings(np.where(np.isfinite(values), np.arange(len(scores)), -1), values)


def test_a_group_is_never_wider_than_the_tolerance() -> None:
    """A chain of small steps would otherwise tie documents that are far apart."""
    step = 0.6e-6
    groups = group(ranked(0.5, 0.5 - step, 0.5 - 2 * step, 0.5 - 3 * step))
    assert groups is not None
    assert groups.start.tolist() == [[0, 0, 2, 2]]
    assert groups.size.tolist() == [[2, 2, 2, 2]]


def test_distinct_scores_have_no_groups() -> None:
    assert group(ranked(0.9, 0.8, 0.7)) is None


def test_places_without_a_document_tie_with_nothing() -> None:
    assert group(ranked(0.9, -np.inf, -np.inf)) is None
    assert np.isinf(last_bounds(ranked(0.9, -np.inf), None))


def test_scores_that_are_not_numbers_have_no_order() -> None:
    rankings = Rankings(np.array([[0, 1], [0, 1]]), np.array([[0.9, 0.8], [np.nan, 0.1]], dtype=np.float32))
    with pytest.raises(VectorError, match="query number 2 hold NaN"):
        group(rankings)


def test_trec_breaks_ties_by_the_bytes_of_the_id_descending() -> None:
    rankings = Rankings(np.array([[0, 1, 2, 3]]), np.array([[0.5, 0.5, 0.5, 0.5]], dtype=np.float32))
    assert trec_order(rankings, ["b", "ç", "a", "Z"]).documents.tolist() == [[1, 0, 2, 3]]
