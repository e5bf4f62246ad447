"""Vectors beside words: who wins which query, the curve over alpha, and the gate on it."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval import evaluate_retrieval, load_model
from pytest_embedeval.datasets import Judgements, RetrievalData, load_dataset
from pytest_embedeval.errors import UsageError
from pytest_embedeval.gate.differences import Differences
from pytest_embedeval.lexical import WithWords, choosing, evaluate_lexical
from pytest_embedeval.vectors import Encoded
from tests.conftest import ROOT, blind, letters

ENCODERS = {"letters": letters, "blind": blind}
Each = NDArray[np.float64]


@cache
def products() -> RetrievalData:
    data = load_dataset(ROOT / "fixtures" / "products", format="wands", language="en")
    assert isinstance(data, RetrievalData)
    return data


@pytest.fixture
def data() -> RetrievalData:
    return products()


@pytest.fixture(scope="module")
def found() -> WithWords:
    return evaluate_lexical(encoded("letters"), products(), metric="ndcg@10")


def encoded(entry: str) -> Encoded:
    return Encoded(load_model(entry, encoders=ENCODERS), allow_collapse=True)


@cache
def each_of(entry: str, metric: str = "ndcg@10") -> Each:
    """Return the score of each query for products."""
    each = evaluate_retrieval(encoded(entry), products(), metrics=[metric]).measured[metric].each
    assert each is not None
    return each


def test_each_query_is_won_lost_or_tied(found: WithWords, data: RetrievalData) -> None:
    now, then = each_of("letters"), each_of("bm25")
    beside = found.beside["bm25"]
    assert (beside.model, beside.reference, beside.dataset, beside.metric) == ("letters", "bm25", "products", "ndcg@10")
    assert (beside.won, beside.lost) == ((now > then + 1e-12).sum(), (now < then - 1e-12).sum())
    assert beside.won + beside.lost + beside.tied == len(data.queries) == beside.n
    assert min(beside.won, beside.lost, beside.tied) > 0
    assert (beside.value, beside.reference_value) == pytest.approx((now.mean(), then.mean()))


def test_the_five_largest_of_each_side_are_named(found: WithWords, data: RetrievalData) -> None:
    now, then = each_of("letters"), each_of("bm25")
    change = now - then
    largest = found.beside["bm25"].largest
    lost, won = [row for row in largest if row.lost], [row for row in largest if not row.lost]
    assert len(lost) == len(won) == 5
    assert largest[:5] == tuple(lost)
    assert [row.after - row.before for row in lost] == pytest.approx(np.sort(change)[:5].tolist())
    assert [row.after - row.before for row in won] == pytest.approx(np.sort(change)[::-1][:5].tolist())
    for row in largest:
        place = list(data.query_ids).index(row.id)
        assert (row.text, row.before, row.after) == (data.queries[place], then[place], now[place])


def test_bounds_are_those_of_paired_differences(found: WithWords, data: RetrievalData) -> None:
    change = each_of("letters") - each_of("bm25")
    worst = np.append(change, -1.0)
    quantile = 1.6759050245  # of Student's t at 0.95 with 50 degrees of freedom
    beside = found.beside["bm25"]
    assert beside.delta == pytest.approx(change.mean())
    assert beside.low == pytest.approx(worst.mean() - quantile * worst.std(ddof=1) / math.sqrt(51))


def test_queries_of_one_cluster_are_one_difference(data: RetrievalData) -> None:
    by_class = evaluate_lexical(encoded("letters"), data, clusters="query_class").beside["bm25"]
    change = each_of("letters", "mrr@10") - each_of("bm25", "mrr@10")
    classes = zip(data.query_fields["query_class"], data.query_ids, strict=True)
    names = [name or identity for name, identity in classes]  # a query without a class stands for itself
    expected = Differences(np.array([change[[n == name for n in names]].mean() for name in dict.fromkeys(names)]))
    assert by_class.n == len(set(names))
    assert by_class.delta == pytest.approx(expected.mean)
    assert (by_class.low, by_class.high) == pytest.approx(expected.interval)
    assert by_class.won + by_class.lost + by_class.tied == len(data.queries) > by_class.n


def test_the_hybrid_is_judged_on_the_queries_that_did_not_choose(found: WithWords, data: RetrievalData) -> None:
    held = ~choosing(data)
    assert found.alpha is not None
    hybrid = each_of(f"m=letters+bm25:alpha={found.alpha}")
    best = max(row.value for row in found.fusion if row.queries == "all" and row.fusion == "weighted")
    for name, other, reference in (("hybrid:bm25", "bm25", "bm25"), ("hybrid:vectors", "letters", "letters")):
        beside = found.beside[name]
        change = (hybrid - each_of(other))[held]
        assert (beside.model, beside.reference) == (f"letters+bm25:alpha={found.alpha:g}", reference)
        assert beside.n == held.sum()
        assert beside.value == pytest.approx(hybrid[held].mean())
        assert (beside.low, beside.high) == pytest.approx(Differences(change).interval)
        assert {row.id for row in beside.largest} <= {data.query_ids[place] for place in np.flatnonzero(held).tolist()}
    assert found.beside["hybrid:bm25"].value != pytest.approx(best)


def test_no_alpha_is_better_than_the_chosen_one_for_the_queries_that_choose(
    found: WithWords, data: RetrievalData
) -> None:
    chosen = choosing(data)
    values = [each_of(f"m=letters+bm25:alpha={alpha}")[chosen].mean() for alpha in (found.alpha, 0.2, 0.65, 0.9)]
    assert values[0] == max(values)
    assert values.count(values[0]) == 1


def test_the_ends_of_the_curve_are_words_and_vectors_alone(found: WithWords, data: RetrievalData) -> None:
    curve = {row.alpha: row.value for row in found.fusion if row.queries == "all" and row.fusion == "weighted"}
    assert len(curve) == 21
    assert curve[0.0] == pytest.approx(each_of("bm25").mean())
    assert curve[1.0] == pytest.approx(each_of("letters").mean())
    assert curve[0.5] == pytest.approx(each_of("m=letters+bm25").mean())
    ranks = next(row for row in found.fusion if row.queries == "all" and row.fusion == "rrf")
    assert ranks.value == pytest.approx(each_of("m=letters+bm25:fusion=rrf").mean())


def test_no_query_and_no_first_relevant_document_is_on_both_sides(fixtures: Path) -> None:
    """Three questions share each passage."""
    data = load_dataset(fixtures / "turkish_medical_qa.json", format="squad")
    assert isinstance(data, RetrievalData)
    chooses = choosing(data)
    passages = data.judgements.document[np.argsort(data.judgements.query)]
    assert not set(passages[chooses].tolist()) & set(passages[~chooses].tolist())
    assert 0.35 < chooses.mean() < 0.65


def shuffled(data: RetrievalData, seed: int) -> RetrievalData:
    """Return the same data with queries and documents in another order."""
    rng = np.random.default_rng(seed)
    queries, documents = rng.permutation(len(data.queries)), rng.permutation(len(data.documents))
    place_of = [{int(old): new for new, old in enumerate(order)} for order in (queries, documents)]
    judged = zip(*(column.tolist() for column in data.judgements.columns), strict=True)
    return replace(
        data,
        query_ids=[data.query_ids[i] for i in queries],
        queries=[data.queries[i] for i in queries],
        query_fields={},
        document_ids=[data.document_ids[i] for i in documents],
        documents=[data.documents[i] for i in documents],
        document_fields={},
        judgements=Judgements.of({(place_of[0][q], place_of[1][d]): grade for q, d, grade in judged}),
    )


@pytest.mark.parametrize("seed", range(3))
def test_who_chooses_does_not_depend_on_the_order_of_the_data(seed: int, data: RetrievalData) -> None:
    """Each query has several relevant documents; which of them comes first in the file is chance."""
    other = shuffled(data, seed)
    assert other.fingerprint == data.fingerprint
    sides = [dict(zip(each.query_ids, choosing(each).tolist(), strict=True)) for each in (data, other)]
    assert sides[0] == sides[1]
    assert len(set(sides[0].values())) == 2


def test_a_document_that_is_judged_irrelevant_decides_nothing() -> None:
    grades = {(0, 0): 0, (0, 2): 1, (1, 1): -1, (1, 2): 2}
    data = RetrievalData("d", ["a", "b", "c"], ["x"] * 3, ["q", "r"], ["x"] * 2, Judgements.of(grades))
    assert len(set(choosing(data).tolist())) == 1


def test_too_few_queries_to_choose_are_compared_all_the_same() -> None:
    data = RetrievalData("d", ["a", "b"], ["kedi", "ev"], ["q"], ["kedi"], Judgements.of({(0, 0): 1}), language="tr")
    found = evaluate_lexical(encoded("letters"), data)
    assert (found.alpha, list(found.beside)) == (None, ["bm25"])
    assert {row.queries for row in found.fusion} == {"all"}
    with pytest.raises(UsageError, match="nothing stands beside 'hybrid:bm25'"):
        found.assert_beats("hybrid:bm25")


def test_a_model_that_beats_words_passes(data: RetrievalData) -> None:
    """One word fewer in common: the queries name their products, but in letters that no word has."""
    names = [f"urun{number}" for number in range(60)]
    asked = [f"{name}ler" for name in names]
    plain = RetrievalData("names", names, names, asked, asked, Judgements.of({(n, n): 1 for n in range(60)}))
    found = evaluate_lexical(encoded("letters"), plain)
    assert found.beside["bm25"].reference_value == 0
    assert found.beside["bm25"].low > 0
    found.assert_beats()
    found.assert_beats("bm25")


def test_a_model_that_does_not_beat_words_fails_with_the_numbers(data: RetrievalData) -> None:
    found = evaluate_lexical(encoded("blind"), data)
    beside = found.beside["bm25"]
    assert beside.high < 0
    with pytest.raises(AssertionError) as caught:
        found.assert_beats("bm25")
    lines = str(caught.value).splitlines()
    assert lines[0] == "blind is worse than bm25: the mean difference must be above 0"
    assert lines[1] == beside.line
    assert f"{beside.reference_value:.3f} → {beside.value:.3f}" in lines[1]
    assert len(lines) == 2 + len(beside.largest)


def test_what_is_not_shown_is_called_so(found: WithWords) -> None:
    unclear = replace(found.beside["bm25"], low=-0.1, high=0.1)
    with pytest.raises(AssertionError, match="letters is not shown to be better than bm25: the mean difference"):
        replace(found, beside={"bm25": unclear}).assert_beats()


def test_an_unknown_reference_is_named_beside_those_that_there_are(found: WithWords) -> None:
    with pytest.raises(UsageError, match="nothing stands beside 'bm52'; did you mean 'bm25'"):
        found.assert_beats("bm52")


def test_a_line_per_comparison(found: WithWords) -> None:
    assert list(found.lines()) == [beside.line for beside in found.beside.values()]
    assert list(found.beside) == ["bm25", "hybrid:bm25", "hybrid:vectors"]


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ("bm25", "lexical"),
        ("letters+bm25", "hybrid"),
        ("m=letters:rerank=blind", "two-stage"),
        ("bm25:rerank=letters", "two-stage"),
    ],
)
def test_only_a_model_that_searches_by_vectors_alone_is_compared(entry: str, kind: str, data: RetrievalData) -> None:
    with pytest.raises(UsageError, match=rf"\({kind}\) does not search by vectors alone"):
        evaluate_lexical(encoded(entry), data)


def test_an_unknown_metric_is_refused(data: RetrievalData) -> None:
    with pytest.raises(UsageError, match="mrt@10"):
        evaluate_lexical(encoded("letters"), data, metric="mrt@10")
