"""What a failed comparison with a score says."""

from __future__ import annotations

import pytest

from pytest_embedeval.metrics import Score
from pytest_embedeval.plugin.explain import explain_comparison
from tests.plugin.conftest import read_report


@pytest.mark.parametrize(
    ("statement", "comparison"),
    [("assert score >= 0.99", "{score:.4f} >= 0.99"), ("assert 0.99 <= score", "0.99 <= {score:.4f}")],
    ids=["left", "right"],
)
def test_a_failed_assert_says_what_the_number_is(project: pytest.Pytester, statement: str, comparison: str) -> None:
    project.makepyfile(
        test_own=f"""
        def test_good_enough(model, retrieval):
            score = retrieval(model, "medical")["mrr@10"]
            {statement}
        """
    )
    result = project.runpytest_inprocess("test_own.py", "--models=letters")
    score = next(row["value"] for row in read_report(project)["measurements"] if row["metric"] == "mrr@10")
    result.stdout.fnmatch_lines(
        [
            f"E * assert {comparison.format(score=score)}",
            f"E * mrr@10 of letters on medical (n = 12) is {score:.4f}, {score - 0.99:+.4g} from 0.99",
        ]
    )


def test_the_other_number_may_be_a_score_too() -> None:
    better, worse = Score(0.5, "mrr@10", "new", "medical", 12), Score(0.75, "mrr@10", "old", "medical", 12)
    assert explain_comparison(">", better, worse) == [
        "0.5000 > 0.75",
        "mrr@10 of new on medical (n = 12) is 0.5000, -0.25 from 0.75",
    ]


@pytest.mark.parametrize(
    ("left", "right"),
    [(0.5, 0.75), ("a", "b"), (Score(0.5), "0.5"), (Score(0.5), None), (pytest.approx(0.5), Score(0.75))],
    ids=["floats", "texts", "score and text", "score and None", "approx"],
)
def test_other_comparisons_are_left_to_pytest(left: object, right: object) -> None:
    assert explain_comparison("==", left, right) is None


def test_a_score_that_misses_by_little_does_not_look_equal() -> None:
    (comparison, _) = explain_comparison(">=", Score(0.98999, "mrr@10"), 0.99) or []
    left, _, right = comparison.split()
    assert left != right
