"""Graded and minimal pairs: exact on vectors that are given, and on real models what sets them apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval import evaluate_confusions, evaluate_similarity, load_minimal_pairs, load_model, load_sentences
from pytest_embedeval.datasets import MinimalPair, MinimalPairs, SentenceData, SentencePair
from pytest_embedeval.evaluate import measurements
from pytest_embedeval.models import Model
from pytest_embedeval.vectors import Encoded
from tests.conftest import ROOT, blind, constant, letters

SENTENCES = load_sentences(ROOT / "fixtures" / "similarity_tr.tsv", language="tr")
CONFUSIONS = load_minimal_pairs(ROOT / "fixtures" / "confusions_tr.tsv", language="tr")


def angled(**degrees: float) -> Model:
    def encode(texts: list[str]) -> NDArray[np.float32]:
        turned = np.deg2rad([degrees.get(text, 0.0) for text in texts])
        return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)

    return load_model(encode)


def test_contrasts_are_counted_by_contrary_sentence_and_by_kind() -> None:
    data = SentenceData(
        "s",
        [
            SentencePair("1", "paraphrase", 5, "a", "p"),
            SentencePair("2", "close", 5, "a", "c"),
            SentencePair("3", "negation", 1, "a", "n"),
            SentencePair("4", "antonym", 1, "a", "o"),
            SentencePair("5", "unrelated", 0, "a", "u"),
        ],
    )
    scores = evaluate_similarity(angled(a=0, p=40, c=10, n=20, o=50, u=90), data)
    assert scores["similarity.contrast.negation"] == 0.5, "nearer than the paraphrase, farther than the close one"
    assert scores["similarity.contrast.antonym"] == 1.0
    assert scores["similarity.contrast.paraphrase"] == 0.5
    assert scores["similarity.contrast.close"] == 1.0
    assert scores["similarity.contrast"] == 0.75
    assert scores.measured["similarity.contrast"].ids == ["3", "4"]


def test_cosines_that_follow_the_grades_correlate_perfectly() -> None:
    pairs = [SentencePair(str(n), "related", n / 2, f"a{n}", f"b{n}") for n in range(11)]
    turned = {**{f"a{n}": 0.0 for n in range(11)}, **{f"b{n}": 90.0 - 9 * n for n in range(11)}}
    scores = evaluate_similarity(angled(**turned), SentenceData("s", pairs))
    assert scores["similarity.spearman"] == pytest.approx(1.0)
    assert 0.9 < scores["similarity.pearson"] < 1.0
    assert "similarity.contrast" not in scores.measured


def test_a_correlation_has_bounds_and_no_score_per_pair() -> None:
    rows = {row.metric: row for row in measurements(evaluate_similarity(load_model(letters), SENTENCES))}
    row = rows["similarity.spearman"]
    assert row.low is not None
    assert row.high is not None
    assert row.value is not None
    assert -1 < row.low < row.value < row.high < 1
    assert row.n == len(SENTENCES.items)


@pytest.mark.parametrize("encode", [constant, blind])
def test_encoders_that_know_nothing_get_chance(encode: Callable[[list[str]], NDArray[np.float32]]) -> None:
    encoded = Encoded(load_model(encode), allow_collapse=True)
    similarity, confusions = evaluate_similarity(encoded, SENTENCES), evaluate_confusions(encoded, CONFUSIONS)
    loose = 0.0 if encode is constant else 0.15
    assert similarity["similarity.spearman"] == pytest.approx(0.0, abs=loose)
    assert similarity["similarity.contrast"] == pytest.approx(0.5, abs=loose)
    assert confusions["confusions.accuracy"] == pytest.approx(0.5, abs=loose)
    assert confusions["confusions.false_positives"] == pytest.approx(0.5, abs=loose)


def test_minimal_pairs_are_counted_by_kind() -> None:
    pairs = [
        MinimalPair("1", "organ", "q", "near", "far"),
        MinimalPair("2", "organ", "q", "far", "near"),
        MinimalPair("3", "number", "q", "near", "same"),
    ]
    encoder = angled(q=0, near=10, far=30, same=-10)
    scores = evaluate_confusions(encoder, MinimalPairs("m", pairs))
    assert scores["confusions.accuracy"] == 0.5
    assert scores["confusions.accuracy.organ"] == 0.5
    assert scores["confusions.false_positives.number"] == 0.5, "a tie counts half"
    assert scores["confusions.margin"] == pytest.approx(0.0, abs=1e-6)
    assert scores.measured["confusions.false_positives.organ"].ids == ["1", "2"]


def test_a_real_model_correlates_and_confuses_less_than_letters_do() -> None:
    real, trigrams = (evaluate_similarity(model, SENTENCES) for model in ("use-multilingual", load_model(letters)))
    low = real.measured["similarity.spearman"].interval
    assert low is not None
    assert low[0] > trigrams["similarity.spearman"]
    confusions = evaluate_confusions("use-multilingual", CONFUSIONS)
    assert confusions["confusions.accuracy.number"] > 0.85
    assert (
        confusions["confusions.accuracy"] > evaluate_confusions(load_model(letters), CONFUSIONS)["confusions.accuracy"]
    )
