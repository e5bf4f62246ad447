"""Scores become a verdict. Knows numbers and rules; no model, no vector."""

from __future__ import annotations

from pytest_embedeval.gate.interval import bounded_mean_interval
from pytest_embedeval.gate.thresholds import Measurement, Verdict, judge_thresholds, told_apart

__all__ = ["Measurement", "Verdict", "bounded_mean_interval", "judge_thresholds", "told_apart"]
