"""What a smaller or faster variant of a model costs: the drop with its interval, beside what it saves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_embedeval.gate.comparison import mismatch, paired, primary_metrics
from pytest_embedeval.gate.differences import Differences
from pytest_embedeval.gate.results import Result
from pytest_embedeval.metrics import Scores
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.settings import Rule

_TORCH = "torch"


@dataclass(frozen=True)
class Cost:
    """One metric of a variant beside the model that it is a variant of.

    Attributes
    ----------
    variant
        What it is: `128 dimensions`, `int8`, `onnx`.
    whole
        The score without it, of the same queries.
    delta, low, high
        Variant minus whole, with one-sided 95 % bounds.
    differ
        Queries whose scores are not the same.
    bytes_per_vector, whole_bytes_per_vector
        What an index keeps of one document.
    """

    model: str
    suite: str
    dataset: str
    metric: str
    variant: str
    value: float
    whole: float
    delta: float
    low: float
    high: float
    n: int
    differ: int
    bytes_per_vector: int | None = None
    whole_bytes_per_vector: int | None = None


def costs_of_vectors(scores: Scores, info: ModelInfo, rules: Mapping[str, Rule]) -> Iterator[Cost]:
    """Yield what `dim` and `precision` cost, beside the whole vectors of the same model: one row per primary metric."""
    whole_bytes = 4 * info.native_dimension if info.native_dimension else None
    less = [f"{info.dimension} dimensions"] if info.dimension != info.native_dimension else []
    variant = ", ".join([*less, *([info.precision] if info.precision != "float32" else [])])
    for metric in primary_metrics(scores.suite, scores.whole, rules):
        after, before = (side.get(metric) for side in (scores.measured, scores.whole))
        if after is not None and before is not None and after.each is not None and before.each is not None:
            place = scores.model, scores.suite, scores.dataset, metric, variant
            differences = Differences(after.each - before.each, after.bounds[1] - after.bounds[0])
            yield _cost(place, after.value, before.value, differences, info, whole_bytes)


def costs_of_backends(
    models: Sequence[ModelInfo],
    results: Mapping[tuple[str, str], Result],
    rules: Mapping[str, Mapping[str, Rule]],
) -> Iterator[Cost]:
    """Yield what another backend costs, beside the same model on torch, where both were judged.

    Parameters
    ----------
    results
        (alias, "suite/dataset") -> gated scores.
    rules
        "suite/dataset" -> metric -> rule.
    """
    for info in models:
        usual = next((other for other in models if other.backend == _TORCH and _is_twin(info, other)), None)
        if usual is None:
            continue
        for (alias, place), candidate in results.items():
            reference = results.get((usual.alias, place))
            if alias != info.alias or reference is None or mismatch(candidate, reference):
                continue
            suite, _, dataset = place.partition("/")
            for metric in primary_metrics(suite, candidate.columns, rules.get(place, {})):
                if metric in candidate.columns and metric in reference.columns:
                    where = alias, suite, dataset, metric, info.backend
                    kept = candidate.metrics[metric]
                    differences = Differences(paired(metric, candidate, reference)[1], kept.high - kept.low)
                    values = kept.value, reference.metrics[metric].value
                    yield _cost(where, *values, differences, info, usual.bytes_per_vector)


def _is_twin(info: ModelInfo, other: ModelInfo) -> bool:
    """Whether two models differ in their backend alone."""
    same = ("fingerprint", "prompts", "dimension", "precision")
    alike = info.fingerprint is not None and all(getattr(info, name) == getattr(other, name) for name in same)
    return alike and info.backend != other.backend


def _cost(
    place: tuple[str, str, str, str, str],
    value: float,
    whole: float,
    differences: Differences,
    info: ModelInfo,
    whole_bytes: int | None,
) -> Cost:
    low, high = differences.interval
    counts = len(differences), differences.differ
    return Cost(*place, value, whole, differences.mean, low, high, *counts, info.bytes_per_vector, whole_bytes)
