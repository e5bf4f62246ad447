"""Scores become a verdict. Knows numbers and rules; no model, no vector."""

from __future__ import annotations

from pytest_embedeval.gate.baseline import Baseline, Entry, baseline_path, load_baseline, merged, plan_update
from pytest_embedeval.gate.beside import Beside
from pytest_embedeval.gate.changes import Comparison, Excerpts, QueryChange, why_lines
from pytest_embedeval.gate.comparison import PRIMARY, Place, compare, mismatch, paired, primary_metrics
from pytest_embedeval.gate.cost import Cost, costs_of_backends, costs_of_index, costs_of_vectors
from pytest_embedeval.gate.differences import Slice, Terms
from pytest_embedeval.gate.fusion import FusionRow
from pytest_embedeval.gate.interval import bounded_mean_interval
from pytest_embedeval.gate.judge import Judge, Judgement, Update
from pytest_embedeval.gate.numbers import signed, told_apart
from pytest_embedeval.gate.perturbed import Perturbed
from pytest_embedeval.gate.randomisation import sign_flip_p
from pytest_embedeval.gate.results import Result
from pytest_embedeval.gate.stages import StageRow
from pytest_embedeval.gate.thresholds import judge_thresholds
from pytest_embedeval.gate.verdicts import POLICIES, Measurement, Policy, Verdict

__all__ = [
    "POLICIES",
    "PRIMARY",
    "Baseline",
    "Beside",
    "Comparison",
    "Cost",
    "Entry",
    "Excerpts",
    "FusionRow",
    "Judge",
    "Judgement",
    "Measurement",
    "Perturbed",
    "Place",
    "Policy",
    "QueryChange",
    "Result",
    "Slice",
    "StageRow",
    "Terms",
    "Update",
    "Verdict",
    "baseline_path",
    "bounded_mean_interval",
    "compare",
    "costs_of_backends",
    "costs_of_index",
    "costs_of_vectors",
    "judge_thresholds",
    "load_baseline",
    "merged",
    "mismatch",
    "paired",
    "plan_update",
    "primary_metrics",
    "sign_flip_p",
    "signed",
    "told_apart",
    "why_lines",
]
