"""The verdict on each model in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_embedeval.gate import Verdict
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report.schema import Report
from pytest_embedeval.report.standing import Standing

Outcome = Literal["fails", "unsure", "passes", "measured"]


@dataclass(frozen=True)
class Sentence:
    """What is to be said first of a model; `reasons` say why, one each."""

    alias: str
    outcome: Outcome
    text: str
    reasons: Sequence[str] = ()


def sentences(report: Report) -> list[Sentence]:
    """Return one sentence per model, in the order of the matrix."""
    return [_sentence(model, [row for row in report.verdicts if row.model == model.alias]) for model in report.models]


def _sentence(model: ModelInfo, verdicts: Sequence[Verdict]) -> Sentence:
    if model.error:
        return Sentence(model.alias, "fails", f"could not be {model.failed}", [model.error])
    standing = Standing.of(verdicts)
    told = standing.failed or standing.unsure
    outcome: Outcome = (
        "fails" if standing.failed else "unsure" if standing.unsure else "passes" if standing.deciding else "measured"
    )
    return Sentence(model.alias, outcome, standing.sentence(), [row.reason for row in told])
