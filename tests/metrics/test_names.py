"""Metric names are read strictly: a typo must not become another metric."""

from __future__ import annotations

import pytest

from pytest_embedeval.errors import UsageError
from pytest_embedeval.metrics import RankingMetric, parse_metric


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("mrr@10", RankingMetric("mrr", 10)),
        ("mrr", RankingMetric("mrr")),
        ("ndcg_exp@5", RankingMetric("ndcg_exp", 5)),
        ("r_precision", RankingMetric("r_precision")),
    ],
)
def test_a_name_becomes_a_metric_and_back(name: str, metric: RankingMetric) -> None:
    assert parse_metric(name) == metric
    assert str(metric) == name


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("mrr@-1", "must be a whole number of at least 1, not '-1'"),
        ("mrr@0", "must be a whole number of at least 1, not '0'"),
        ("recall@ten", "must be a whole number of at least 1, not 'ten'"),
        ("recall", "needs a cutoff, for example recall@10"),
        ("bpref@10", "bpref takes no cutoff"),
        ("ndgc@10", "did you mean 'ndcg@k'"),
        ("", "unknown metric ''"),
        ("MRR@10", "unknown metric 'MRR@10'"),
    ],
)
def test_a_wrong_name_says_what_is_wrong(name: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint.replace("(", r"\(")):
        parse_metric(name)
