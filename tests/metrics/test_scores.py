"""A score is a float that knows what it is the score of."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_embedeval.errors import UsageError
from pytest_embedeval.metrics import Measured, Scores


def test_a_score_is_the_mean_and_says_of_what() -> None:
    measured = {"mrr@10": Measured.mean_of(np.array([1.0, 0.5]), ["q1", "q2"])}
    score = Scores("retrieval", "medical", "minilm", measured, "sha256:0")["mrr@10"]
    assert score == 0.75
    assert score.label == "mrr@10 of minilm on medical (n = 2)"


def test_an_unknown_metric_names_the_nearest() -> None:
    scores = Scores("retrieval", "medical", "minilm", {"mrr@10": Measured(0.5, 2)}, "sha256:0")
    with pytest.raises(UsageError, match="did you mean 'mrr@10'"):
        scores["mrr@1"]
