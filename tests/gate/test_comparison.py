"""A model beside a reference: what is compared, what is refused, and what the messages say."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from pytest_embedeval.gate import POLICIES, Comparison, Place, Policy, Result, Terms, Verdict, compare, primary_metrics
from pytest_embedeval.gate.power import queries_needed
from pytest_embedeval.gate.verdicts import Change, State
from pytest_embedeval.metrics import Measured, Scores
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.settings import Rule
from tests.gate.test_differences import HOLM, by_hand
from tests.gate.test_results import DATA, kept

HERE = Place("next", "retrieval", "medical", "prod", "baseline")
EIGHT_BEFORE = [1, 0.5, 0.5, 1, 1, 1, 1, 1]
EIGHT_AFTER = [0.5, 0.5, 1 / 3, 0.5, 0.5, 1, 0, 1]


def judged(after: Result, before: Result, terms: Terms | None = None, place: Place = HERE, **how: Any) -> list[Verdict]:
    return compare(after, before, place, terms=terms or Terms(), **how)[0]


def one(after: Sequence[float], before: Sequence[float], terms: Terms | None = None, **how: Any) -> Verdict:
    """Return the verdict on mrr@10."""
    (verdict,) = judged(kept({"mrr@10": after}), kept({"mrr@10": before}), terms, **how)
    return verdict


def shifted(changes: Sequence[float], base: float = 0.5) -> tuple[list[float], list[float]]:
    """Return scores after and before that differ so."""
    return [base + change for change in changes], [base] * len(changes)


def test_a_verdict_has_every_number() -> None:
    after, before = shifted([-0.5] * 10 + [0.25] * 5 + [0.0] * 85)
    verdict = one(after, before)
    low, high, _ = by_hand(np.array(after) - np.array(before), 0.02)
    assert (verdict.model, verdict.suite, verdict.dataset, verdict.metric) == ("next", "retrieval", "medical", "mrr@10")
    assert (verdict.rule, verdict.reference, verdict.slice, verdict.advisory) == ("baseline", "prod", None, False)
    assert (verdict.value, verdict.bound, verdict.n, verdict.differ) == (0.4625, 0.5, 100, 15)
    assert (verdict.delta, verdict.low, verdict.high) == pytest.approx((-0.0375, low, high))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("changes", "change", "states"),
    [
        ([-1.0] * 20 + [0.0] * 80, "regressed", ("fail", "fail", "fail")),
        ([-1.0] * 4 + [0.0] * 96, "inconclusive", ("fail", "fail", "inconclusive")),
        ([-1.0] + [0.0] * 99, "inconclusive", ("inconclusive", "fail", "inconclusive")),
        ([0.0] * 150, "non-inferior", ("pass", "pass", "pass")),
        ([0.0] * 130, "inconclusive", ("inconclusive", "fail", "inconclusive")),
        ([0.5] * 20 + [0.0] * 80, "improved", ("pass", "pass", "pass")),
    ],
    ids=["regressed", "observed drop", "small drop", "150 equal", "130 equal", "improved"],
)
def test_the_policy_decides_what_a_change_means(
    changes: list[float], change: Change, states: tuple[State, State, State], policy: Policy
) -> None:
    verdict = one(*shifted(changes, 1.0 if min(changes) < 0 else 0.0), Terms(policy=policy))
    expected = dict(zip(("observed", "strict", "proven"), states, strict=True))[policy]
    assert (verdict.change, verdict.state) == (change, expected)
    assert verdict.blocks == (expected == "fail")


def test_8_queries_that_lost_39_percent_fail() -> None:
    verdict = one(EIGHT_AFTER, EIGHT_BEFORE)
    assert verdict.delta == pytest.approx(-1 / 3, abs=1e-6)
    assert (verdict.state, verdict.n, verdict.differ, verdict.low, verdict.high) == ("fail", 8, 5, None, None)
    assert verdict.reason == (
        "mrr@10 0.875 → 0.542 (−0.333): a drop of more than 0.02 on these 8 queries (5 differ); "
        "an interval needs at least 30"
    )


@pytest.mark.parametrize("tolerance", [0.001, 0.02, 0.3, 0.999])
def test_ten_identical_queries_are_not_proven_equal(tolerance: float) -> None:
    verdict = one([0.5] * 10, [0.5] * 10, Terms(tolerance))
    assert (verdict.state, verdict.change, verdict.differ) == ("inconclusive", "inconclusive", 0)
    assert "no verdict from 10 queries (0 differ); an interval needs at least 30" in verdict.reason


def test_the_message_of_an_inconclusive_comparison() -> None:
    """100 queries of which 24 differ, s = 0.17: the specification's table says 569."""
    before = [1.0] * 12 + [0.5] * 12 + [63.2 / 76] * 76
    after = [1.0 - 0.374] * 12 + [0.5 + 0.315] * 12 + [63.2 / 76] * 76
    low, high, _ = by_hand(np.array(after) - np.array(before), 0.02)
    assert (round(low, 3), round(high, 3)) == (-0.049, 0.035)
    assert one(after, before).reason == (
        "mrr@10 0.812 → 0.805 (−0.007), one-sided 95 % [−0.049, +0.035]: a drop of 0.02 is neither shown nor refuted "
        "by 100 queries (24 differ); about 569 would settle it"
    )


@pytest.mark.parametrize(
    ("sd", "tolerance", "needed"),
    [(0.08, 0.01, "672"), (0.17, 0.02, "569"), (0.30, 0.05, "270"), (0.30, 0.02, "1,499"), (0.30, 0.01, "5,773")],
)
def test_the_message_says_how_many_queries_would_settle_it(sd: float, tolerance: float, needed: str) -> None:
    spread = sd * math.sqrt(99 / 100)
    verdict = one(*shifted([spread, -spread] * 50), Terms(tolerance))
    assert verdict.reason.endswith(f" 100 queries (100 differ); about {needed} would settle it")


@pytest.mark.parametrize(("metric", "bounds"), [("mrr@10", (0.0, 1.0)), ("silhouette.label", (-1.0, 1.0))])
def test_so_many_equal_queries_do_settle_it(metric: str, bounds: tuple[float, float]) -> None:
    """A silhouette can change by 2, so it takes more of them."""

    def verdict(n: int) -> Verdict:
        same = kept({metric: [0.5] * n}, bounds=bounds)
        return judged(same, same, rules={metric: Rule(primary=True)})[0]

    found = verdict(100)
    assert found.change == "inconclusive"
    needed = re.search(r"none of 100 \w+ differs; it takes ([\d,]+) such to show that it is not worse", found.reason)
    assert needed
    assert verdict(int(needed[1].replace(",", ""))).change == "non-inferior"


def test_the_interval_knows_how_far_a_score_can_fall() -> None:
    same = kept({"silhouette.label": [0.5] * 100}, bounds=(-1.0, 1.0))
    (verdict,) = judged(same, same)
    assert (verdict.low, verdict.high) == pytest.approx((-2 * (1 - 0.05**0.01), 2 * (1 - 0.05**0.01)))


def test_it_always_takes_more_queries_than_there_are() -> None:
    """With a true difference of 0 fewer would do, but these have dropped, and their mean lies near the tolerance."""
    reason = one(*shifted([0.155, -0.185] * 300)).reason
    assert reason.endswith(
        f"by 600 queries (600 differ); about {queries_needed(0.17014, 0.02, 0.015):,} would settle it"
    )


def test_a_drop_that_is_seen_but_not_shown_says_so() -> None:
    reason = one(*shifted([-1.0] * 4 + [0.0] * 96, 1.0)).reason
    assert ": a drop of more than 0.02 on these 100 queries (4 differ), not shown beyond them; about " in reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([-1.0] * 20 + [0.0] * 80, "REGRESSED by more than 0.02 on 100 queries (20 differ)"),
        ([0.5] * 20 + [0.0] * 80, "IMPROVED on 100 queries (20 differ)"),
        ([0.0] * 150, "not worse by more than 0.02 on 150 queries (0 differ)"),
    ],
    ids=["regressed", "improved", "non-inferior"],
)
def test_the_message_of_a_settled_comparison(changes: list[float], words: str) -> None:
    assert one(*shifted(changes, 1.0 if min(changes) < 0 else 0.0)).reason.endswith(f"]: {words}")


@pytest.mark.parametrize(
    ("change", "shown"), [(-0.0123, "−0.012"), (0.0004, "+0.0004"), (-0.00006, "−0.00006"), (0.0, "+0.000")]
)
def test_a_small_change_is_not_shown_as_none(change: float, shown: str) -> None:
    assert f"({shown})" in one(*shifted([change] * 40)).reason


def test_the_order_of_the_queries_changes_nothing() -> None:
    rng = np.random.default_rng(5)
    ids = [f"soru {number}" for number in range(60)]
    before, after = rng.random(60).tolist(), rng.random(60).tolist()
    fields = {name: {"category": name[-1]} for name in ids}
    there = compare(
        kept({"mrr@10": after}, ids, fields=fields), kept({"mrr@10": before}, ids), HERE, terms=Terms(), by=["category"]
    )
    order = rng.permutation(60).tolist()
    back = compare(
        kept({"mrr@10": [after[i] for i in order]}, [ids[i] for i in order], fields=fields),
        kept({"mrr@10": before[::-1]}, ids[::-1]),
        HERE,
        terms=Terms(),
        by=["category"],
    )
    assert there == back


def test_queries_are_paired_by_id_not_by_position() -> None:
    before = kept({"mrr@10": [1.0, 0.0] * 20}, [f"q{number:02}" for number in range(40)])
    after = kept({"mrr@10": [0.0, 1.0] * 20}, [f"q{number:02}" for number in reversed(range(40))])
    (verdict,) = judged(after, before)
    assert verdict.differ == 0


@pytest.mark.parametrize("policy", POLICIES)
def test_another_set_of_queries_is_an_error_that_names_both_sides(policy: Policy) -> None:
    before = kept({"mrr@10": [1.0] * 40}, [f"q{number}" for number in range(40)])
    after = kept({"mrr@10": [1.0] * 40}, ["yeni", *(f"q{number}" for number in range(39))])
    (verdict,) = judged(after, before, Terms(policy=policy))
    assert (verdict.state, verdict.blocks, verdict.low, verdict.change) == ("error", True, None, None)
    assert "1 only now (yeni)" in verdict.reason
    assert "1 only in the reference (q39)" in verdict.reason


def test_a_subset_of_the_queries_is_not_compared() -> None:
    """retrieval-eval-gate skips the test and passes MRR 0.0 where counts differ."""
    (verdict,) = judged(kept({"mrr@10": [1.0] * 30}), kept({"mrr@10": [1.0] * 40}))
    assert verdict.state == "error"
    assert "10 only in the reference (q030, q031, q032, …)" in verdict.reason


def test_two_sets_without_a_query_in_common_are_an_error() -> None:
    (verdict,) = judged(kept({"mrr@10": [1.0]}, ["a"]), kept({"mrr@10": [1.0]}, ["b"]), by=["category"], clusters="id")
    assert verdict.state == "error"


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"data": "sha256:fedcba9876543210"}, ["sha256:fedcba987654 now", "sha256:0123456789ab in the reference"]),
        ({"parameters": {"level": 2}}, ["level", "2 now", "1 in the reference"]),
        ({"parameters": {"level": 1, "ties": "trec"}}, ["ties", "trec now", "None in the reference"]),
    ],
    ids=["data", "parameter", "new parameter"],
)
def test_other_data_and_parameters_are_an_error_that_names_both(
    other: dict[str, Any], words: list[str], policy: Policy
) -> None:
    after, before = kept({"map@100": [1.0] * 40, "mrr@10": [1.0] * 40}, **other), kept({"mrr@10": [1.0] * 40})
    verdicts, comparisons = compare(after, before, HERE, terms=Terms(policy=policy))
    assert [(verdict.metric, verdict.state, verdict.blocks) for verdict in verdicts] == [("mrr@10", "error", True)]
    assert comparisons == []
    assert all(word in verdicts[0].reason for word in words), verdicts[0].reason


def test_another_model_is_the_comparison_itself() -> None:
    before, after = kept({"mrr@10": [1.0] * 200}), kept({"mrr@10": [1.0] * 200}, model="org/next")
    assert [verdict.state for verdict in judged(after, before)] == ["pass"]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("missing", ["candidate", "reference"])
def test_a_missing_metric_is_an_error(missing: str, policy: Policy) -> None:
    both, less = kept({"mrr@10": [1.0] * 200, "recall@10": [1.0] * 200}), kept({"recall@10": [1.0] * 200})
    sides = (less, both) if missing == "candidate" else (both, less)
    verdicts = {verdict.metric: verdict for verdict in judged(*sides, Terms(policy=policy))}
    assert verdicts["mrr@10"].state == "error"
    assert verdicts["mrr@10"].blocks
    assert verdicts["recall@10"].advisory
    who = "next, or is not a finite number" if missing == "candidate" else "the baseline"
    assert verdicts["mrr@10"].reason == f"mrr@10 was not measured for {who}"


def test_a_metric_that_the_other_model_lacks_is_missing_there() -> None:
    place = Place("next", "retrieval", "medical", "prod", "against")
    verdicts = judged(kept({"mrr@10": [1.0] * 200}), kept({"recall@10": [1.0] * 200}), place=place)
    assert [verdict.reason for verdict in verdicts] == ["mrr@10 was not measured for prod"]


def test_a_metric_that_is_nan_is_an_error() -> None:
    scores = np.array([1.0] * 39 + [math.nan])
    measured = {"mrr@10": Measured.mean_of(scores, [f"q{number:03}" for number in range(40)])}
    broken = Result.of(
        Scores("retrieval", "medical", "next", measured, DATA, {"level": 1}), ModelInfo("next", "org/next")
    )
    (verdict,) = judged(broken, kept({"mrr@10": [0.0] * 40}))
    assert (verdict.state, verdict.value, verdict.bound) == ("error", None, 0.0)


def test_a_primary_metric_that_nobody_measured_is_an_error() -> None:
    same = kept({"mrr@10": [1.0] * 40})
    verdicts = judged(same, same, rules={"ndcg@10": Rule(primary=True)})
    assert [(verdict.metric, verdict.state, verdict.advisory) for verdict in verdicts] == [
        ("mrr@10", "inconclusive", True),
        ("ndcg@10", "error", False),
    ]


RETRIEVAL = ["map@100", "mrr", "mrr@10", "recall@10"]


@pytest.mark.parametrize(
    ("suite", "measured", "rules", "primary"),
    [
        ("retrieval", RETRIEVAL, {}, ("mrr@10",)),
        ("morphology", ["morphology.accuracy", "morphology.auc", "morphology.similarity"], {}, ("morphology.auc",)),
        ("clustering", ["silhouette.kmeans", "silhouette.label", "v_measure"], {}, ("silhouette.label",)),
        ("clustering", ["silhouette.kmeans"], {}, ()),
        ("triplets", ["triplet.accuracy"], {}, ("triplet.accuracy",)),
        ("own", ["b", "a"], {}, ("a",)),
        ("own", [], {}, ()),
        ("retrieval", RETRIEVAL, {"recall@10": Rule(primary=True)}, ("recall@10",)),
        ("retrieval", RETRIEVAL, {"recall@10": Rule(min=0.5), "mrr@10": Rule(tolerance=0.1)}, ("mrr@10",)),
        ("retrieval", RETRIEVAL, {"mrr": Rule(primary=True), "map@100": Rule(primary=True)}, ("mrr", "map@100")),
    ],
    ids=["retrieval", "morphology", "labels", "no labels", "triplets", "own", "nothing", "marked", "unmarked", "two"],
)
def test_one_metric_of_a_suite_decides_unless_others_are_marked(
    suite: str, measured: list[str], rules: Mapping[str, Rule], primary: tuple[str, ...]
) -> None:
    assert primary_metrics(suite, measured, rules) == primary


def test_every_other_metric_is_advisory() -> None:
    lost = [0.0] * 40
    after, before = kept({"mrr@10": [1.0] * 40, "recall@10": lost}), kept({"mrr@10": lost, "recall@10": [1.0] * 40})
    verdicts, comparisons = compare(after, before, HERE, terms=Terms())
    assert [(v.metric, v.state, v.advisory, v.blocks) for v in verdicts] == [
        ("mrr@10", "pass", False, False),
        ("recall@10", "fail", True, False),
    ]
    assert [comparison.metric for comparison in comparisons] == ["mrr@10"]


def test_a_metric_may_have_a_tolerance_of_its_own() -> None:
    changes = [-1.0] * 20 + [0.0] * 80
    scores = shifted(changes, 1.0)
    after, before = (kept({"mrr@10": side, "recall@10": side}) for side in scores)
    rules = {"mrr@10": Rule(tolerance=0.4)}
    verdicts = {verdict.metric: verdict for verdict in judged(after, before, rules=rules)}
    assert (verdicts["mrr@10"].change, verdicts["recall@10"].change) == ("non-inferior", "regressed")
    assert "not worse by more than 0.4" in verdicts["mrr@10"].reason


def test_clusters_are_judged_by_their_means() -> None:
    """Sixty queries in thirty pairs; one query of each of five pairs fell to 0."""
    after = kept(
        {"mrr@10": [0.0] * 5 + [1.0] * 55},
        fields={f"q{number:03}": {"document": f"d{number % 30}"} for number in range(60)},
    )
    before = kept({"mrr@10": [1.0] * 60})
    (verdict,) = judged(after, before, clusters="document")
    means = np.array([-0.5] * 5 + [0.0] * 25)
    low, high, _ = by_hand(means, 0.02)
    assert (verdict.n, verdict.differ) == (30, 5)
    assert (verdict.delta, verdict.low, verdict.high) == pytest.approx((means.mean(), low, high))
    assert "30 clusters by document (5 differ)" in verdict.reason


def test_too_few_clusters_are_too_few() -> None:
    fields = {f"q{number:03}": {"document": f"d{number % 29}"} for number in range(200)}
    same = kept({"mrr@10": [1.0] * 200}, fields=fields)
    (verdict,) = judged(same, same, clusters="document")
    assert (verdict.state, verdict.n, verdict.low) == ("inconclusive", 29, None)


def test_queries_without_the_field_are_no_cluster() -> None:
    """They share nothing: a query without a relevant document has no `document`."""
    fields = {f"q{number:03}": {"document": "d1"} for number in range(10)}
    same = kept({"mrr@10": [1.0] * 50}, fields=fields)
    (verdict,) = judged(same, same, clusters="document")
    assert verdict.n == 41


def in_slices(parts: Mapping[str, Sequence[float]], **how: Any) -> tuple[list[Verdict], list[Comparison]]:
    changes = [change for part in parts.values() for change in part]
    names = [name for name, part in parts.items() for _ in part]
    fields = {f"q{number:03}": {"category": name} for number, name in enumerate(names)}
    after, before = shifted(changes, 1.0)
    return compare(
        kept({"mrr@10": after}, fields=fields), kept({"mrr@10": before}), HERE, terms=Terms(), by=["category"], **how
    )


@pytest.mark.parametrize("policy", POLICIES)
def test_a_regressed_slice_fails_though_the_whole_passes(policy: Policy) -> None:
    parts = {"kalp": [-1.0] * 15 + [0.0] * 35, "rest": [0.0] * 1200}
    changes = [change for part in parts.values() for change in part]
    fields = {f"q{n:03}": {"category": "kalp" if n < 50 else "rest"} for n in range(len(changes))}
    after, before = shifted(changes, 1.0)
    verdicts = judged(
        kept({"mrr@10": after}, fields=fields), kept({"mrr@10": before}), Terms(policy=policy), by=["category"]
    )
    assert [(v.slice, v.state, v.change) for v in verdicts] == [
        (None, "pass", "non-inferior"),
        ("category=kalp", "fail", "regressed"),
    ]
    low, high, _ = by_hand(np.array(parts["kalp"]), 0.02)
    named = verdicts[1]
    assert (named.n, named.blocks) == (50, True)
    assert (named.delta, named.low, named.high) == pytest.approx((-0.3, low, high))
    assert named.reason == "mrr@10 −0.300 in category=kalp: REGRESSED by more than 0.02 on 50 queries (Holm)"


def test_slices_are_named_by_holm_and_the_least_number() -> None:
    verdicts, (comparison,) = in_slices({**HOLM, "few": [-0.25] * 29, "rest": [0.0] * 1500})
    assert [(verdict.slice, verdict.change) for verdict in verdicts] == [
        (None, "inconclusive"),
        ("category=a", "regressed"),
    ]
    assert [part.value for part in comparison.slices] == ["a", "b", "c", "d", "few", "rest"]
    assert [part.value for part in comparison.slices if part.regressed] == ["a"]


def test_slices_of_a_whole_that_regressed_say_no_more_than_it() -> None:
    verdicts, (comparison,) = in_slices(HOLM)
    assert [(verdict.slice, verdict.change) for verdict in verdicts] == [(None, "regressed")]
    assert [part.value for part in comparison.slices if part.regressed] == ["a", "b"]


def test_slices_of_an_advisory_metric_fail_nothing() -> None:
    verdicts, comparisons = in_slices(HOLM, rules={"ndcg@10": Rule(primary=True)})
    assert [(verdict.metric, verdict.slice) for verdict in verdicts if verdict.blocks] == [("ndcg@10", None)]
    assert comparisons == []


def whole(value: float) -> Result:
    measured = {"v_measure": Measured(value, 12)}
    return Result.of(Scores("clustering", "medical", "prod", measured, DATA), ModelInfo("prod", "org/model"))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("before", "after", "fell"),
    [(0.52, 0.50, False), (0.52, 0.499, True), (0.5, 0.9, False)],
    ids=["tolerance", "drop", "rise"],
)
def test_a_metric_without_scores_per_query_is_judged_by_its_value(
    before: float, after: float, fell: bool, policy: Policy
) -> None:
    (verdict,) = judged(whole(after), whole(before), Terms(policy=policy), rules={"v_measure": Rule(primary=True)})
    expected = "pass" if not fell else "inconclusive" if policy == "proven" else "fail"
    assert (verdict.state, verdict.n, verdict.low, verdict.change) == (expected, 12, None, None)
    assert verdict.delta == pytest.approx(after - before)
    assert ("dropped by more than 0.02" in verdict.reason) == fell


def test_morphology_counts_items_and_clustering_documents() -> None:
    same = kept({"morphology.auc": [1.0] * 40, "silhouette.label": [0.5] * 40})
    for suite, metric, unit in (
        ("morphology", "morphology.auc", "items"),
        ("clustering", "silhouette.label", "documents"),
    ):
        place = Place("next", suite, "medical", "prod", "baseline")
        verdicts = {verdict.metric: verdict for verdict in judged(same, same, place=place)}
        assert f"none of 40 {unit} differs" in verdicts[metric].reason
