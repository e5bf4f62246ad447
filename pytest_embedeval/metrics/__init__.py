"""Ranked lists and vectors become scores, one per query; means are taken at the edge."""

from __future__ import annotations

from pytest_embedeval.metrics.judged_lists import Beyond
from pytest_embedeval.metrics.names import RankingMetric, parse_metric
from pytest_embedeval.metrics.ranking import score_rankings
from pytest_embedeval.metrics.scores import Measured, Score, Scores
from pytest_embedeval.metrics.searched import Searched, score_each, score_search

__all__ = [
    "Beyond",
    "Measured",
    "RankingMetric",
    "Score",
    "Scores",
    "Searched",
    "parse_metric",
    "score_each",
    "score_rankings",
    "score_search",
]
