"""What a smaller or faster variant of a model costs: the drop with its interval, beside what it saves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_embedeval.gate.comparison import Pairs, mismatch, primary_metrics
from pytest_embedeval.gate.differences import Differences
from pytest_embedeval.gate.results import Result
from pytest_embedeval.metrics import Measured, Scores
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.settings import Rule

_TORCH = "torch"


@dataclass(frozen=True)
class Cost:
    """One metric of a variant beside the model that it is a variant of.

    Attributes
    ----------
    variant
        What it is: `128 dimensions`, `int8`, `onnx`, or the name of an approximate index.
    whole
        The score without it, of the same queries.
    delta, low, high
        Variant minus whole, with one-sided 95 % bounds.
    n, differ
        Queries, or clusters of queries, and those whose scores are not the same.
    bytes_per_vector, whole_bytes_per_vector
        What an index keeps of one document.
    texts_per_s, whole_texts_per_s
        Texts encoded per second, when their vectors were computed.
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
    texts_per_s: float | None = None
    whole_texts_per_s: float | None = None


def costs_of_vectors(
    scores: Scores,
    info: ModelInfo,
    rules: Mapping[str, Rule],
    clusters: Mapping[str, str] | None = None,
    texts_per_s: float | None = None,
) -> Iterator[Cost]:
    """Yield what `dim` and `precision` cost, beside the whole vectors of the same model: one row per primary metric.

    Parameters
    ----------
    clusters
        Query id -> its cluster; None where each query stands for itself.
    texts_per_s
        What encoding takes: the same for both, since a shorter vector is made of the whole one.
    """
    whole_bytes = 4 * info.native_dimension if info.native_dimension else None
    less = [f"{info.dimension} dimensions"] if info.dimension != info.native_dimension else []
    variant = ", ".join([*less, *([info.precision] if info.precision != "float32" else [])])
    now = scores.exact or scores.measured  # an index over these vectors costs by itself
    for cost in _costs(scores, variant, (now, scores.whole), rules, clusters):
        cost = replace(cost, bytes_per_vector=info.bytes_per_vector, whole_bytes_per_vector=whole_bytes)
        yield replace(cost, texts_per_s=texts_per_s, whole_texts_per_s=texts_per_s)


def costs_of_index(
    scores: Scores, rules: Mapping[str, Rule], clusters: Mapping[str, str] | None = None
) -> Iterator[Cost]:
    """Yield what an approximate index costs, beside exact search of the same vectors: one row per primary metric.

    Parameters
    ----------
    clusters
        Query id -> its cluster; None where each query stands for itself.
    """
    if scores.index is not None:
        yield from _costs(scores, scores.index.index, (scores.measured, scores.exact), rules, clusters)


def _costs(
    scores: Scores,
    variant: str,
    sides: tuple[Mapping[str, Measured], Mapping[str, Measured]],
    rules: Mapping[str, Rule],
    clusters: Mapping[str, str] | None,
) -> Iterator[Cost]:
    """Yield a row per primary metric; `sides` are the variant's scores and the whole ones."""
    for metric in primary_metrics(scores.suite, sides[1], rules):
        after, before = (side.get(metric) for side in sides)
        if after is not None and before is not None and after.each is not None and before.each is not None:
            place = scores.model, scores.suite, scores.dataset, metric, variant
            together = [clusters[identity] for identity in after.ids] if clusters else None
            differences = Differences.of(after.each - before.each, together, after.bounds[1] - after.bounds[0])
            yield _cost(place, after.value, before.value, differences)


def costs_of_backends(
    models: Sequence[ModelInfo],
    results: Mapping[tuple[str, str], Result],
    rules: Mapping[str, Mapping[str, Rule]],
    clusters: Mapping[str, str] | None = None,
    texts_per_s: Mapping[tuple[str, str], float] | None = None,
) -> Iterator[Cost]:
    """Yield what another backend costs, beside the same model on torch, where both were judged.

    Parameters
    ----------
    results
        (alias, "suite/dataset") -> gated scores.
    rules
        "suite/dataset" -> metric -> rule.
    clusters
        Data set -> the field whose values are clusters of its queries.
    texts_per_s
        (alias, "suite/dataset") -> what encoding took.
    """
    clusters, speeds = clusters or {}, texts_per_s or {}
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
                    differences = Pairs(suite, metric, candidate, reference, clusters.get(dataset)).differences
                    values = kept.value, reference.metrics[metric].value
                    sizes = info.bytes_per_vector, usual.bytes_per_vector
                    rates = speeds.get((alias, place)), speeds.get((usual.alias, place))
                    yield _cost(where, *values, differences, sizes, rates)


def _is_twin(info: ModelInfo, other: ModelInfo) -> bool:
    """Whether two models differ in their backend alone."""
    same = ("fingerprint", "prompts", "dimension", "precision", "search")
    alike = info.fingerprint is not None and all(getattr(info, name) == getattr(other, name) for name in same)
    return alike and info.backend != other.backend


def _cost(
    place: tuple[str, str, str, str, str],
    value: float,
    whole: float,
    differences: Differences,
    sizes: tuple[int | None, int | None] = (None, None),
    rates: tuple[float | None, float | None] = (None, None),
) -> Cost:
    low, high = differences.interval
    return Cost(*place, value, whole, differences.mean, low, high, len(differences), differences.differ, *sizes, *rates)
