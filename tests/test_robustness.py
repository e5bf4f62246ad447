"""What queries lose that are typed otherwise: exact on encoders whose answers are known."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval import evaluate_retrieval, evaluate_robustness, load_dataset, load_model
from pytest_embedeval.errors import DatasetError, UsageError
from pytest_embedeval.gate import Result, bounded_mean_interval
from pytest_embedeval.languages import lower
from pytest_embedeval.models.info import ModelInfo
from pytest_embedeval.perturbations import PERTURBATIONS
from pytest_embedeval.robustness import Robustness
from pytest_embedeval.vectors import Encoded
from tests.conftest import ROOT, constant, letters

MEDICAL = load_dataset(ROOT / "fixtures" / "turkish_medical_qa.json", language="tr")
ASKED = [*MEDICAL.queries]


def folding(texts: list[str]) -> NDArray[np.float32]:
    """Read Turkish capitals, and nothing else that people type otherwise, as the letters they stand for."""
    return letters([lower(text, "tr") for text in texts])


@pytest.fixture(scope="module")
def found() -> Robustness:
    return evaluate_robustness(load_model(folding), MEDICAL)


def test_the_clean_score_is_that_of_the_search(found: Robustness) -> None:
    clean = evaluate_retrieval(load_model(folding), MEDICAL)
    assert found["robustness.clean"] == clean["mrr@10"]
    assert found.parameters == {"metric": "mrr@10", "seed": 42}
    assert (found.suite, found.fingerprint) == ("robustness", MEDICAL.fingerprint)


def test_a_loss_is_paired_by_query_and_counts_the_queries_that_change(found: Robustness) -> None:
    row = next(row for row in found.rows if row.perturbation == "apostrophe")
    typed = replace(MEDICAL, queries=[re.sub(r"(?<=\w)'(?=\w)", "", text) for text in ASKED])
    changed = np.array([new != old for new, old in zip(typed.queries, ASKED, strict=True)])
    clean, now = (evaluate_retrieval(load_model(folding), data).measured["mrr@10"].each for data in (MEDICAL, typed))
    assert clean is not None
    assert now is not None
    each = (now - clean)[changed]
    assert row.changed == row.n == changed.sum() == found.measured["robustness.apostrophe"].n
    assert row.queries == 288
    assert found["robustness.apostrophe"] == row.delta == pytest.approx(each.mean())
    assert (row.low, row.high) == pytest.approx(bounded_mean_interval(each, -1.0, 1.0))
    assert (row.clean, row.value) == pytest.approx((clean[changed].mean(), now[changed].mean()))
    assert (row.lost, row.won) == ((each < 0).sum(), (each > 0).sum())
    assert found["robustness.score.apostrophe"] == pytest.approx(now.mean())


def test_a_model_that_folds_capitals_loses_nothing_to_them_and_much_to_wrong_ones(found: Robustness) -> None:
    assert found["robustness.capitals"] == 0.0
    assert found["robustness.wrong_capitals"] < -0.01
    assert found["robustness.typo"] < -0.03
    row = next(row for row in found.rows if row.perturbation == "capitals")
    assert (row.lost, row.won) == (0, 0)
    assert row.low == pytest.approx(-(1 - 0.05 ** (1 / row.n)), abs=2e-3), "no change at all is no proof of none"


def test_losses_are_shown_as_they_were_typed_the_largest_first(found: Robustness) -> None:
    row = next(row for row in found.rows if row.perturbation == "typo")
    assert len(row.largest) == 5
    losses = [change.before - change.after for change in row.largest]
    assert losses == sorted(losses, reverse=True)
    assert all(change.text not in ASKED for change in row.largest)
    assert row.short == f"typo −{abs(row.delta):.3f}*"


def test_the_score_is_the_mean_of_all_rules(found: Robustness) -> None:
    names = [name for name in PERTURBATIONS if f"robustness.{name}" in found.measured]
    scores = [found.measured[f"robustness.score.{name}"].each for name in names]
    each = found.measured["robustness.score"].each
    assert each is not None
    assert each == pytest.approx(np.mean(scores, axis=0))  # type: ignore[arg-type]


def test_order_and_seed_of_others_change_no_score(found: Robustness) -> None:
    order = np.random.default_rng(3).permutation(len(ASKED))
    place = {int(old): new for new, old in enumerate(order)}
    judged = MEDICAL.judgements
    query = np.array([place[old] for old in judged.query.tolist()])
    rows = np.argsort(query, kind="stable")
    shuffled = replace(
        MEDICAL,
        query_ids=[MEDICAL.query_ids[i] for i in order],
        queries=[ASKED[i] for i in order],
        query_fields={},
        judgements=replace(judged, query=query[rows], document=judged.document[rows], grade=judged.grade[rows]),
    )
    again = evaluate_robustness(load_model(folding), shuffled)
    assert {name: each.value for name, each in again.measured.items()} == pytest.approx(
        {name: each.value for name, each in found.measured.items()}
    )
    other = evaluate_robustness(load_model(folding), MEDICAL, names=["typo", "ascii"], seed=1)
    assert other["robustness.ascii"] == found["robustness.ascii"]
    assert other["robustness.typo"] != found["robustness.typo"]


def test_changes_are_not_compared_with_a_reference_but_scores_are(found: Robustness) -> None:
    kept = Result.of(found, ModelInfo("folding", "python")).metrics
    assert "robustness.typo" not in kept
    assert {"robustness.score", "robustness.score.typo", "robustness.clean"} <= kept.keys()


def test_written_variants_count_for_the_queries_that_have_one() -> None:
    data = replace(
        MEDICAL, variants={"slang": {MEDICAL.query_ids[0]: "tansiyon niye çıkar", MEDICAL.query_ids[5]: "x"}}
    )
    scores = evaluate_robustness(load_model(folding), data, names=["nfd"])
    assert scores.measured["robustness.slang"].n == scores.measured["robustness.score.slang"].n == 2
    assert scores.measured["robustness.score.slang"].ids == [MEDICAL.query_ids[0], MEDICAL.query_ids[5]]
    assert scores.measured["robustness.score"].value == scores.measured["robustness.score.nfd"].value
    assert scores.fingerprint != data.fingerprint
    other = replace(data, variants={"slang": {MEDICAL.query_ids[0]: "tansiyonum fırlıyo"}})
    assert evaluate_robustness(load_model(folding), other, names=["nfd"]).fingerprint != scores.fingerprint


def test_queries_on_one_passage_can_count_as_one() -> None:
    rows = evaluate_robustness(load_model(folding), MEDICAL, names=["typo"], clusters="document").rows
    assert (rows[0].n, rows[0].changed) == (96, 288)


def test_a_constant_encoder_loses_nothing_since_it_finds_nothing() -> None:
    scores = evaluate_robustness(Encoded(load_model(constant), allow_collapse=True), MEDICAL)
    chance = sum(1 / rank for rank in range(1, 11)) / 96
    assert scores["robustness.clean"] == scores["robustness.score"] == pytest.approx(chance)
    assert {row.delta for row in scores.rows} == {0.0}


@pytest.mark.parametrize("language", [None, "de", "ja"])
def test_any_language_can_be_typed_otherwise(language: str | None) -> None:
    data = replace(MEDICAL, language=language)
    names = {row.perturbation for row in evaluate_robustness(load_model(letters), data).rows}
    assert {"ascii", "capitals", "typo", "space", "question_mark"} <= names
    assert ("wrong_capitals" in names) is False
    assert ("umlaut" in names) is (language == "de")


def test_words_are_searched_too() -> None:
    scores = evaluate_robustness("bm25", MEDICAL, names=["capitals", "ascii", "space"])
    assert scores["robustness.capitals"] == scores["robustness.space"] == 0.0
    assert scores["robustness.ascii"] < -0.05


def test_a_real_model_loses_what_it_was_measured_to_lose() -> None:
    """use-multilingual reads capitals badly, and neither NFD nor white space."""
    found = evaluate_robustness("use-multilingual", MEDICAL, names=["capitals", "nfd", "space"])
    assert found["robustness.capitals"] == pytest.approx(-0.292, abs=0.02)
    assert found["robustness.nfd"] == found["robustness.space"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"names": ["typos"]}, UsageError, "unknown perturbation 'typos' for language 'tr'; did you mean 'typo'?"),
        ({"metric": "mrr@ten"}, UsageError, "the cutoff must be a whole number"),
        ({"clusters": "topic"}, DatasetError, "has no field 'topic'"),
    ],
)
def test_wrong_parameters_are_refused(parameters: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message.replace("?", r"\?")):
        evaluate_robustness(load_model(letters), MEDICAL, **parameters)  # type: ignore[arg-type]


def test_an_engine_is_given_the_documents_once_and_asked_once() -> None:
    """What takes an engine hours to index is not indexed anew for each way of typing."""

    class Engine:
        indexed, asked = 0, 0

        def index(self, ids: list[str], documents: list[str]) -> None:
            self.indexed += 1
            self.words = {identity: set(text.lower().split()) for identity, text in zip(ids, documents, strict=True)}

        def search(self, queries: list[str], k: int, /) -> tuple[list[list[str]], list[list[float]]]:
            self.asked += 1
            found = []
            for query in queries:
                shared = {d: float(len(words & set(query.lower().split()))) for d, words in self.words.items()}
                found.append(sorted(shared.items(), key=lambda pair: -pair[1])[:k])
            return [[d for d, _ in row] for row in found], [[score for _, score in row] for row in found]

    engine = Engine()
    scores = evaluate_robustness(engine, MEDICAL, names=["typo", "ascii"])
    assert (engine.indexed, engine.asked) == (1, 1)
    assert scores["robustness.typo"] < -0.02
