"""What a variant costs: paired by query, beside the model that it is a variant of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from pytest_embedeval.gate import Cost, Result, costs_of_backends, costs_of_vectors
from pytest_embedeval.metrics import Measured, Scores
from pytest_embedeval.models import ModelInfo, Prompts
from pytest_embedeval.settings import Rule
from tests.gate.test_differences import by_hand
from tests.gate.test_results import DATA, kept

WHOLE = [1.0, 0.5, 0.25] * 20
LESS = [1.0, 0.5, 0.25] * 18 + [0.5, 0.0, 0.25] * 2
PLACE = "retrieval/medical"
TORCH = ModelInfo(
    "usual",
    "org/model",
    fingerprint="sha256:1",
    kind="dense",
    dimension=384,
    native_dimension=384,
    bytes_per_vector=1536,
)
ONNX = replace(TORCH, alias="fast", backend="onnx")


def measured(columns: Mapping[str, Sequence[float]]) -> dict[str, Measured]:
    return {
        metric: Measured.mean_of(np.array(each), [f"q{place}" for place in range(len(each))])
        for metric, each in columns.items()
    }


def searched(after: Mapping[str, Sequence[float]], before: Mapping[str, Sequence[float]]) -> Scores:
    return Scores("retrieval", "medical", "small", measured(after), DATA, whole=measured(before))


def of_vectors(
    info: ModelInfo, rules: Mapping[str, Rule] | None = None, *, more: Mapping[str, Sequence[float]] | None = None
) -> list[Cost]:
    scores = searched({"mrr@10": LESS, **(more or {})}, {"mrr@10": WHOLE, **(more or {})})
    return list(costs_of_vectors(scores, info, rules or {}))


def of_backends(
    models: Sequence[ModelInfo],
    results: Mapping[str, Result] | None = None,
    rules: Mapping[str, Rule] | None = None,
) -> list[Cost]:
    found = results or {"usual": kept({"mrr@10": WHOLE}), "fast": kept({"mrr@10": LESS})}
    return list(
        costs_of_backends(models, {(alias, PLACE): result for alias, result in found.items()}, {PLACE: rules or {}})
    )


def test_a_variant_is_paired_with_the_whole_vectors_of_the_same_queries() -> None:
    info = replace(TORCH, alias="small", dimension=64, bytes_per_vector=256)
    (cost,) = of_vectors(info)
    low, high, _ = by_hand(np.array(LESS) - np.array(WHOLE), 0.02)
    assert (cost.model, cost.suite, cost.dataset, cost.metric) == ("small", "retrieval", "medical", "mrr@10")
    assert (cost.value, cost.whole) == pytest.approx((np.mean(LESS), np.mean(WHOLE)))
    assert (cost.delta, cost.low, cost.high) == pytest.approx((-2 / 60, low, high))
    assert cost.low < cost.delta < cost.high
    assert (cost.n, cost.differ) == (60, 4)
    assert (cost.bytes_per_vector, cost.whole_bytes_per_vector) == (256, 1536)


@pytest.mark.parametrize(
    ("dimension", "precision", "variant"),
    [
        (64, "float32", "64 dimensions"),
        (384, "int8", "int8"),
        (64, "binary", "64 dimensions, binary"),
    ],
)
def test_a_variant_is_named_by_what_it_leaves_out(dimension: int, precision: str, variant: str) -> None:
    (cost,) = of_vectors(replace(TORCH, dimension=dimension, precision=precision))
    assert cost.variant == variant


def test_queries_of_one_cluster_count_as_one() -> None:
    scores = searched({"mrr@10": LESS}, {"mrr@10": WHOLE})
    clusters = {f"q{place}": f"stem{place // 3}" for place in range(60)}
    (cost,) = costs_of_vectors(scores, replace(TORCH, dimension=64), {}, clusters)
    low, high, _ = by_hand((np.array(LESS) - np.array(WHOLE)).reshape(20, 3).mean(axis=1), 0.02)
    assert (cost.low, cost.high) == pytest.approx((low, high))
    assert (cost.n, cost.differ) == (20, 2)


def test_clusters_count_as_one_between_backends_too() -> None:
    fields = {f"q{place:03}": {"stem": f"stem{place // 3}"} for place in range(60)}
    results = {"usual": kept({"mrr@10": WHOLE}, fields=fields), "fast": kept({"mrr@10": LESS}, fields=fields)}
    places = {(alias, PLACE): result for alias, result in results.items()}
    (cost,) = costs_of_backends([TORCH, ONNX], places, {}, {"medical": "stem"})
    assert (cost.n, cost.differ) == (20, 2)


def test_a_cost_says_how_fast_each_encodes() -> None:
    (cost,) = costs_of_vectors(searched({"mrr@10": LESS}, {"mrr@10": WHOLE}), TORCH, {}, texts_per_s=60.0)
    assert (cost.texts_per_s, cost.whole_texts_per_s) == (60.0, 60.0)
    results = {(alias, PLACE): kept({"mrr@10": WHOLE}) for alias in ("usual", "fast")}
    rates = {("usual", PLACE): 60.0, ("fast", PLACE): 90.0}
    (cost,) = costs_of_backends([TORCH, ONNX], results, {}, texts_per_s=rates)
    assert (cost.texts_per_s, cost.whole_texts_per_s) == (90.0, 60.0)


def test_each_metric_that_is_marked_primary_has_its_cost() -> None:
    info = replace(TORCH, dimension=64)
    more = {"recall@1": [1.0] * 60, "recall@10": [1.0] * 60}
    rules = {"recall@10": Rule(primary=True), "recall@1": Rule(min=0.5), "ndcg@10": Rule(primary=True)}
    assert [cost.metric for cost in of_vectors(info, more=more)] == ["mrr@10"]
    assert [cost.metric for cost in of_vectors(info, rules, more=more)] == ["recall@10"]


def test_a_whole_model_costs_nothing() -> None:
    scores = Scores("retrieval", "medical", "usual", measured({"mrr@10": WHOLE}), DATA)
    assert list(costs_of_vectors(scores, TORCH, {})) == []


def test_a_metric_without_a_score_per_query_has_no_cost() -> None:
    lumped = {"mrr@10": Measured(0.5, 60)}
    scores = Scores("retrieval", "medical", "small", lumped, DATA, whole=lumped)
    assert list(costs_of_vectors(scores, replace(TORCH, dimension=64), {})) == []


def test_another_backend_is_compared_with_torch() -> None:
    (cost,) = of_backends([TORCH, ONNX])
    low, high, _ = by_hand(np.array(LESS) - np.array(WHOLE), 0.02)
    assert (cost.model, cost.suite, cost.dataset, cost.metric) == ("fast", "retrieval", "medical", "mrr@10")
    assert cost.variant == "onnx"
    assert (cost.value, cost.whole) == pytest.approx((np.mean(LESS), np.mean(WHOLE)), abs=1e-6)
    assert (cost.delta, cost.low, cost.high) == pytest.approx((-2 / 60, low, high))
    assert (cost.n, cost.differ) == (60, 4)
    assert (cost.bytes_per_vector, cost.whole_bytes_per_vector) == (1536, 1536)


def test_several_backends_are_each_compared_with_torch_wherever_it_stands() -> None:
    vino = replace(TORCH, alias="vino", backend="openvino")
    results = dict.fromkeys(("usual", "fast", "vino"), kept({"mrr@10": WHOLE}))
    costs = of_backends([ONNX, vino, TORCH], results)
    assert [(cost.model, cost.variant, cost.delta, cost.differ) for cost in costs] == [
        ("fast", "onnx", 0.0, 0),
        ("vino", "openvino", 0.0, 0),
    ]


@pytest.mark.parametrize(
    "other",
    [
        replace(ONNX, fingerprint="sha256:2"),
        replace(ONNX, prompts=Prompts("query: ", "")),
        replace(ONNX, dimension=64),
        replace(ONNX, precision="int8"),
        replace(ONNX, backend="torch"),
    ],
    ids=["weights", "prompts", "dimension", "precision", "nothing"],
)
def test_models_that_differ_in_more_than_their_backend_are_not_paired(other: ModelInfo) -> None:
    assert of_backends([TORCH, other]) == []


def test_models_without_a_fingerprint_are_not_known_to_be_the_same() -> None:
    assert of_backends([replace(TORCH, fingerprint=None), replace(ONNX, fingerprint=None)]) == []


@pytest.mark.parametrize(
    "results",
    [
        {"fast": kept({"mrr@10": LESS})},
        {"usual": kept({"mrr@10": WHOLE})},
        {"usual": kept({"mrr@10": WHOLE}), "fast": kept({"mrr@10": LESS}, data="sha256:other")},
        {"usual": kept({"mrr@10": WHOLE}), "fast": kept({"mrr@10": LESS}, parameters={"level": 2})},
        {"usual": kept({"recall@10": WHOLE}), "fast": kept({"mrr@10": LESS})},
    ],
    ids=["torch not judged", "the other not judged", "other data", "other parameters", "other metrics"],
)
def test_what_was_not_judged_alike_has_no_cost(results: dict[str, Result]) -> None:
    assert of_backends([TORCH, ONNX], results) == []


def test_backends_are_compared_by_the_metrics_that_decide() -> None:
    columns = {"mrr@10": WHOLE, "recall@10": LESS, "recall@1": LESS}
    results = {"usual": kept(columns), "fast": kept(columns)}
    rules = {"recall@10": Rule(primary=True), "recall@1": Rule(min=0.5)}
    assert [cost.metric for cost in of_backends([TORCH, ONNX], results, rules)] == ["recall@10"]


def test_scores_that_may_be_negative_have_the_wider_interval() -> None:
    """A silhouette lies in [-1, 1], so one more query could lower the mean by 2 / (n + 1)."""
    each = np.array(LESS) - np.array(WHOLE)
    results = {
        alias: kept({"mrr@10": scores}, bounds=(-1.0, 1.0)) for alias, scores in (("usual", WHOLE), ("fast", LESS))
    }
    (wide,) = of_backends([TORCH, ONNX], results)
    low, high, _ = by_hand(each / 2, 0.02)
    assert (wide.low, wide.high) == pytest.approx((2 * low, 2 * high))
