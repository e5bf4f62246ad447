"""Scores in the form in which they are kept, and what keeps edited or joined ones honest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from pytest_embedeval.gate import Result
from pytest_embedeval.gate.results import JudgedData, JudgedModel, KeptMetric, KeptQuery
from pytest_embedeval.metrics import Measured, Scores
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.models.info import Prompts

DATA = "sha256:" + "0123456789abcdef" * 4


def kept(
    columns: Mapping[str, Sequence[float]],
    ids: Sequence[str] | None = None,
    *,
    data: str = DATA,
    model: str = "org/model",
    parameters: Mapping[str, str | int | float] | None = None,
    fields: Mapping[str, Mapping[str, str]] | None = None,
    top: Mapping[str, Sequence[str]] | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    tests: Sequence[str] = (),
) -> Result:
    """Keep scores as a run does; the queries are q000, q001 … unless named."""
    named = ids or [f"q{number:03}" for number in range(max(map(len, columns.values())))]
    measured = {
        metric: Measured.mean_of(np.array(each, dtype=np.float64), named, bounds) for metric, each in columns.items()
    }
    scores = Scores("retrieval", "medical", "prod", measured, data, parameters or {"level": 1}, top or {})
    return Result.of(scores, ModelInfo("prod", model, kind="dense", dimension=384), fields=fields, tests=tests)


def of(measured: dict[str, Measured], **kwargs: Any) -> Result:
    return Result.of(Scores("retrieval", "medical", "prod", measured, DATA), ModelInfo("prod", "org/model"), **kwargs)


def test_scores_are_kept_by_query_in_settled_order() -> None:
    found = kept(
        {"recall@10": [1.0, 0.0], "mrr@10": [0.5, 0.0]},
        ["ışık", "ağrı"],
        fields={"ağrı": {"category": "baş"}},
        top={"ışık": ["d2", "d1"]},
        tests=["suites/test_retrieval.py::test_retrieval"],
    )
    assert found.columns == ["mrr@10", "recall@10"]
    assert list(found.metrics) == ["mrr@10", "recall@10"]
    assert list(found.queries.items()) == [
        ("ağrı", KeptQuery(scores=[0.0, 0.0], fields={"category": "baş"})),
        ("ışık", KeptQuery(scores=[0.5, 1.0], top=["d2", "d1"])),
    ]
    assert found.metrics["mrr@10"] == KeptMetric(value=0.25, n=2)
    assert found.dataset == JudgedData(fingerprint=DATA)
    assert found.tests == ["suites/test_retrieval.py::test_retrieval"]


def test_every_score_is_rounded_to_six_decimals() -> None:
    found = kept({"mrr@10": [1 / 3, 2 / 3, 0.1234564999]})
    assert found.each("mrr@10")[1].tolist() == [0.333333, 0.666667, 0.123456]
    assert found.metrics["mrr@10"].value == 0.374485


def test_a_rerun_that_differs_in_the_last_bits_is_the_same_result() -> None:
    scores = np.random.default_rng(0).random(50).round(6)
    noisy = scores + np.random.default_rng(1).uniform(-1e-8, 1e-8, 50)
    assert kept({"mrr@10": noisy.tolist()}) == kept({"mrr@10": scores.tolist()})


def test_zero_has_one_sign() -> None:
    """A silhouette of -1e-9 in one run and 1e-9 in the next may not change a line of the file."""
    below, above = (kept({"silhouette.label": [sign * 1e-9]}, bounds=(-1.0, 1.0)) for sign in (-1, 1))
    assert below.model_dump_json() == above.model_dump_json()


@pytest.mark.parametrize(
    "broken",
    [
        Measured(math.nan, 2),
        Measured(math.inf, 2),
        Measured(0.5, 2, np.array([1.0, math.nan]), ["q1", "q2"]),
        Measured.mean_of(np.array([0.5, math.inf]), ["q1", "q2"]),
    ],
    ids=["NaN", "infinite", "NaN of one query", "infinite score of one query"],
)
def test_numbers_that_are_not_finite_are_left_out(broken: Measured) -> None:
    found = of({"mrr@10": broken, "recall@10": Measured.mean_of(np.array([1.0, 0.0]), ["q1", "q2"])})
    assert (list(found.metrics), found.columns) == (["recall@10"], ["recall@10"])


def test_times_are_left_out() -> None:
    """They differ from run to run, and a baseline may not."""
    assert list(of({"encode_s": Measured(1.5, 2), "v_measure": Measured(0.5, 2)}).metrics) == ["v_measure"]


def test_a_metric_of_the_whole_has_no_column() -> None:
    found = of({"v_measure": Measured(0.5, 12), "mrr@10": Measured.mean_of(np.array([1.0]), ["q1"])})
    assert found.columns == ["mrr@10"]
    assert found.metrics["v_measure"] == KeptMetric(value=0.5, n=12)


def test_metrics_on_a_part_of_the_queries_leave_gaps() -> None:
    found = of(
        {
            "morphology.accuracy": Measured.mean_of(np.array([1.0, 0.0, 1.0]), ["1", "2", "3"]),
            "morphology.accuracy.case": Measured.mean_of(np.array([0.0]), ["2"]),
        }
    )
    assert [found.queries[item].scores for item in ("1", "2", "3")] == [[1.0, None], [0.0, 0.0], [1.0, None]]
    ids, each = found.each("morphology.accuracy.case")
    assert (ids, each.tolist()) == (["2"], [0.0])


def test_the_facts_of_the_model_are_kept() -> None:
    info = ModelInfo("prod", "org/model", "a" * 40, "sha256:" + "b" * 64, "dense", 256, 512, Prompts("sorgu: "), "int8")
    found = Result.of(Scores("retrieval", "medical", "prod", {}, DATA), info, language="tr").model
    assert found == JudgedModel(
        source="org/model",
        revision="a" * 40,
        fingerprint="sha256:" + "b" * 64,
        kind="dense",
        dimension=256,
        max_tokens=512,
        precision="int8",
        query_prompt="sorgu: ",
    )
    assert found.label == f"org/model@{'a' * 12} in int8, 256 dimensions (sha256:{'b' * 12})"


def test_a_revision_that_is_the_fingerprint_is_said_once() -> None:
    model = JudgedModel(source="org/model", revision="a" * 40, fingerprint="a" * 40, dimension=8)
    assert model.label == f"org/model@{'a' * 12}, 8 dimensions"


def test_two_tests_of_one_gate_stand_together() -> None:
    one = kept({"mrr@10": [0.5, 1.0]}, top={"q000": ["d1"]}, tests=["a.py::one"])
    two = kept({"recall@10": [1.0, 0.0]}, top={"q000": ["d1"]}, tests=["a.py::two"])
    both = kept({"mrr@10": [0.5, 1.0], "recall@10": [1.0, 0.0]}, top={"q000": ["d1"]}, tests=["a.py::one", "a.py::two"])
    assert one.joined(two) == both
    assert two.joined(one) == both


def test_the_later_of_two_scores_of_one_metric_counts() -> None:
    before, after = kept({"mrr@10": [0.5, 1.0]}), kept({"mrr@10": [1.0, 0.0]})
    assert before.joined(after) == after


def test_a_joined_metric_is_whole() -> None:
    """Scores of another set of queries may not be mixed into one metric: the file could not be read again."""
    three = kept({"mrr@10": [1.0, 0.0, 1.0], "recall@10": [1.0, 1.0, 1.0]})
    one = kept({"mrr@10": [0.5]})
    joined = three.joined(one)
    assert joined.each("mrr@10")[0] == ["q000"]
    assert len(joined.each("recall@10")[0]) == 3
    assert Result.model_validate(joined.model_dump()) == joined


@pytest.mark.parametrize(
    "other",
    [{"data": "sha256:other"}, {"parameters": {"level": 2}}, {"model": "org/next"}],
    ids=lambda other: next(iter(other)),
)
def test_scores_of_different_things_are_not_joined(other: dict[str, Any]) -> None:
    second = kept({"recall@10": [1.0]}, **other)
    assert kept({"mrr@10": [0.5]}).joined(second) == second


def edited(**changes: Any) -> str:
    """Return what is wrong with a result that somebody has edited."""
    with pytest.raises(ValidationError) as caught:
        Result.model_validate(kept({"mrr@10": [0.5, 1.0]}).model_dump() | changes)
    return str(caught.value.errors()[0]["msg"])


def test_an_edited_value_does_not_match_its_scores() -> None:
    problem = edited(metrics={"mrr@10": {"value": 0.9, "n": 2}})
    assert "metrics.mrr@10.value is 0.9, and the mean of its scores 0.75" in problem


def test_a_removed_query_does_not_match_n() -> None:
    assert "metrics.mrr@10.n is 2, and 1 queries have a score" in edited(queries={"q000": {"scores": [0.75]}})


def test_scores_and_columns_are_as_many() -> None:
    queries = {"q000": {"scores": [0.5, 1.0]}, "q001": {"scores": [1.0]}}
    assert "query 'q000' has 2 scores for 1 columns" in edited(queries=queries)


def test_a_column_without_its_metric_is_named() -> None:
    assert "column 'mrr@10' is not among the metrics" in edited(metrics={})


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_no_kept_number_is_other_than_finite(number: float) -> None:
    assert "finite" in edited(queries={"q000": {"scores": [number]}, "q001": {"scores": [1.0]}})
    assert "finite" in edited(metrics={"mrr@10": {"value": number, "n": 2}})
