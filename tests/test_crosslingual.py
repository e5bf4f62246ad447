"""Two languages, one index: exact on encoders that know both, one, or none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval import evaluate_crosslingual, evaluate_retrieval, load_dataset, load_model
from pytest_embedeval.datasets import Judgements, RetrievalData
from pytest_embedeval.errors import DatasetError, UsageError
from pytest_embedeval.models import Model
from pytest_embedeval.vectors import Encoded
from tests.conftest import ROOT, blind, constant, letters

TURKISH = load_dataset(ROOT / "fixtures" / "turkish_medical_qa.json", language="tr")
ENGLISH = load_dataset(ROOT / "fixtures" / "turkish_medical_qa.en.json", language="en")


def bilingual(texts: list[str]) -> NDArray[np.float32]:
    """Give a text and its translation one vector, and a question that of its passage, but for every third one."""
    place: dict[str, int] = {}
    for data in (TURKISH, ENGLISH):
        place |= {text: number for number, text in enumerate(data.documents)}
        judged = zip(data.judgements.query.tolist(), data.judgements.document.tolist(), strict=True)
        place |= {data.queries[query]: (document + (query % 3 == 0)) % 96 for query, document in judged}
    vectors = np.zeros((len(texts), 96), dtype=np.float32)
    for row, text in enumerate(texts):
        vectors[row, place.get(text, 0)] = 1.0
    return vectors


def test_a_model_that_knows_both_loses_nothing() -> None:
    scores = evaluate_crosslingual(load_model(bilingual), TURKISH, ENGLISH)
    alone = evaluate_retrieval(load_model(bilingual), TURKISH)["mrr@10"]
    for way in ("en-tr", "tr-en"):
        assert scores[f"crosslingual.{way}"] == pytest.approx(alone)
        assert scores[f"crosslingual.gap.{way}"] == 0.0
        assert scores.measured[f"crosslingual.gap.{way}"].bounds == (-1.0, 1.0)
        assert scores.measured[f"crosslingual.{way}"].n == 288
    assert scores["crosslingual.score"] == pytest.approx(alone)
    assert scores.parameters == {"metric": "mrr@10"}


def test_a_model_that_knows_letters_alone_loses_beside_one_language() -> None:
    scores = evaluate_crosslingual(load_model(letters), TURKISH, ENGLISH)
    each = evaluate_retrieval(load_model(letters), ENGLISH).measured["mrr@10"].each
    crossed = evaluate_retrieval(load_model(letters), replace(ENGLISH, queries=TURKISH.queries)).measured["mrr@10"].each
    assert each is not None
    assert crossed is not None
    assert scores["crosslingual.tr-en"] == pytest.approx(crossed.mean())
    assert scores["crosslingual.gap.tr-en"] == pytest.approx((crossed - each).mean())
    assert scores["crosslingual.gap.tr-en"] < -0.1
    assert scores["crosslingual.bitext.en-tr"] < 0.5


def test_a_blind_and_a_constant_encoder_get_chance() -> None:
    chance = sum(1 / rank for rank in range(1, 11)) / 96
    flat = evaluate_crosslingual(Encoded(load_model(constant), allow_collapse=True), TURKISH, ENGLISH)
    assert flat["crosslingual.score"] == pytest.approx(chance)
    assert flat["crosslingual.bitext.tr-en"] == pytest.approx(1 / 288)
    assert evaluate_crosslingual(load_model(blind), TURKISH, ENGLISH)["crosslingual.score"] == pytest.approx(
        chance, abs=0.03
    )


def test_only_shared_questions_count_and_all_passages_are_searched() -> None:
    half = [identity for identity in TURKISH.query_ids if identity.endswith("-1")]
    kept = [place for place, identity in enumerate(ENGLISH.query_ids) if identity in half][::-1]
    judged = dict(zip(ENGLISH.judgements.query.tolist(), ENGLISH.judgements.document.tolist(), strict=True))
    part = RetrievalData(
        "part",
        ENGLISH.document_ids,
        ENGLISH.documents,
        [ENGLISH.query_ids[place] for place in kept],
        [ENGLISH.queries[place] for place in kept],
        Judgements.of({(new, judged[old]): 1 for new, old in enumerate(kept)}),
        language="en",
    )
    scores = evaluate_crosslingual(load_model(bilingual), TURKISH, part)
    assert scores.measured["crosslingual.en-tr"].ids == half
    whole = evaluate_crosslingual(load_model(bilingual), TURKISH, ENGLISH).measured["crosslingual.en-tr"]
    assert whole.each is not None
    expected = [score for score, identity in zip(whole.each, whole.ids, strict=True) if identity in half]
    assert scores.measured["crosslingual.en-tr"].each == pytest.approx(np.array(expected))


def test_questions_of_equal_text_are_equally_right() -> None:
    def data(queries: list[str], language: str) -> RetrievalData:
        judged = Judgements.of({(n, n): 1 for n in range(3)})
        return RetrievalData("d", list("abc"), ["x", "y", "z"], list("123"), queries, judged, language=language)

    same = {"baş": 0, "head": 0, "diş": 1, "tooth": 1, "x": 2, "y": 3, "z": 4}

    def encode(texts: list[str]) -> NDArray[np.float32]:
        return np.eye(5, dtype=np.float32)[[same.get(text, 0) for text in texts]]

    scores = evaluate_crosslingual(
        load_model(encode), data(["baş", "baş", "diş"], "tr"), data(["head", "head", "tooth"], "en")
    )
    assert scores["crosslingual.bitext.en-tr"] == scores["crosslingual.bitext.tr-en"] == 1.0


def test_a_real_multilingual_model_crosses_languages_and_an_english_one_does_not() -> None:
    scores = evaluate_crosslingual("use-multilingual", TURKISH, ENGLISH)
    assert scores["crosslingual.bitext.tr-en"] > 0.85
    assert scores["crosslingual.gap.tr-en"] < -0.2, "Turkish questions are understood worse than English ones"
    assert scores["crosslingual.gap.en-tr"] > 0.1, "even on Turkish passages"


def test_xquad_in_two_languages_shares_its_questions(shared_data: Path) -> None:
    turkish, english = (load_dataset(shared_data / f"xquad.{code}.json", language=code) for code in ("tr", "en"))
    scores = evaluate_crosslingual("use-multilingual", turkish, english)
    assert scores.measured["crosslingual.en-tr"].n == 1190
    assert scores["crosslingual.bitext.en-tr"] > 0.85
    assert 0.6 < scores["crosslingual.tr-en"] < evaluate_retrieval("use-multilingual", english)["mrr@10"]


@pytest.mark.parametrize(
    ("model", "one", "other", "error", "message"),
    [
        ("bm25", TURKISH, ENGLISH, UsageError, r"model 'bm25' \(lexical\) has no vectors"),
        (load_model(letters), TURKISH, TURKISH, UsageError, "needs data in two languages, not in 'tr' and 'tr'"),
        (load_model(letters), TURKISH, replace(ENGLISH, language=None), UsageError, "not in 'tr' and ''"),
        (
            load_model(letters),
            TURKISH,
            replace(ENGLISH, query_ids=[f"en-{n}" for n in range(288)]),
            DatasetError,
            "share no question id; they begin with 'hipertansiyon-1-1' and 'en-0'",
        ),
    ],
    ids=["words", "one language", "no language", "other ids"],
)
def test_what_cannot_be_crossed_is_refused(
    model: Model | str, one: RetrievalData, other: RetrievalData, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        evaluate_crosslingual(model, one, other)
