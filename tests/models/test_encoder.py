from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.errors import UsageError, VectorError
from pytest_embedeval.models import Encoder, Model, ModelInfo, load_model
from tests.conftest import letters


class Roles:
    """Encodes queries and documents differently."""

    def encode_queries(self, texts: list[str]) -> NDArray[np.floating]:
        return letters([f"query: {text}" for text in texts])

    def encode_documents(self, texts: list[str]) -> NDArray[np.floating]:
        return letters(texts)


class Returns:
    """Returns the same array for whatever it is given."""

    def __init__(self, vectors: NDArray[Any]) -> None:
        self._vectors = vectors

    def encode_queries(self, texts: list[str]) -> NDArray[Any]:
        return self._vectors

    encode_documents = encode_queries


def dense(encoder: Encoder, precision: str = "float32", dim: int | None = None) -> Model:
    return Model(ModelInfo("m", "python", kind="dense", dimension=dim or 256, precision=precision), encoder, dim=dim)


def test_each_role_goes_to_its_own_method() -> None:
    model = dense(Roles())
    np.testing.assert_array_equal(model.encode_queries(["kedi"]), letters(["query: kedi"]))
    np.testing.assert_array_equal(model.encode_documents(["kedi"]), letters(["kedi"]))


def test_any_sequence_of_texts_reaches_the_encoder_as_a_list() -> None:
    seen: list[object] = []

    def encode(texts: list[str]) -> NDArray[np.float32]:
        seen.append(texts)
        return letters(texts)

    load_model(encode).encode_queries(("a", "b"))
    assert seen[-1] == ["a", "b"]


@pytest.mark.parametrize("kind", ["float16", "float64", "int8", "uint8"])
def test_numbers_of_any_width_become_float32(kind: str) -> None:
    vectors = dense(Returns(np.array([[1, 2], [3, 4]], dtype=kind))).encode_queries(["a", "b"])
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("vectors", "problem"),
    [
        pytest.param(np.ones(2), r"shape \(2,\) for 2 texts; expected \[2, d\]", id="one vector"),
        pytest.param(np.ones((3, 4)), r"shape \(3, 4\) for 2 texts; expected \[2, d\]", id="too many"),
        pytest.param(np.ones((2, 3, 4)), r"shape \(2, 3, 4\) for 2 texts", id="a vector per token"),
        pytest.param(np.array([["a"], ["b"]]), "values; expected numbers", id="texts"),
        pytest.param(np.array([[None], [None]]), "object values; expected numbers", id="objects"),
        pytest.param(np.array([[1j], [2j]]), "complex128 values; expected numbers", id="complex numbers"),
        pytest.param(np.array([[True], [False]]), "bool values; expected numbers", id="bits"),
    ],
)
def test_what_is_no_matrix_of_numbers_is_refused_with_the_alias(vectors: NDArray[Any], problem: str) -> None:
    with pytest.raises(VectorError, match=problem) as caught:
        dense(Returns(vectors)).encode_documents(["a", "b"])
    assert "model 'm'" in str(caught.value)


def test_a_shorter_dimension_keeps_the_first_numbers_at_unit_length() -> None:
    vectors = dense(Returns(np.array([[3.0, 4.0, 12.0], [0.0, 2.0, 5.0]])), dim=2).encode_queries(["a", "b"])
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0.0, 1.0]], rtol=1e-6)


def test_truncation_makes_no_vector_of_nan() -> None:
    vectors = dense(Returns(np.array([[0.0, 0.0, 1.0]])), dim=2).encode_queries(["a"])
    assert vectors.tolist() == [[0.0, 0.0]]


def test_vectors_that_are_not_cut_keep_their_length() -> None:
    vectors = dense(Returns(np.array([[3.0, 4.0]]))).encode_queries(["a"])
    assert vectors.tolist() == [[3.0, 4.0]]


def test_half_precision_rounds_each_number() -> None:
    exact = np.array([[1.0, 1.0 + 2**-12, 0.1]], dtype=np.float32)
    vectors = dense(Returns(exact), precision="float16").encode_queries(["a"])
    assert vectors.dtype == np.float32
    assert vectors.tolist() == exact.astype(np.float16).astype(np.float32).tolist()
    assert vectors[0, 0] == vectors[0, 1]


def test_vectors_longer_than_declared_are_not_cut_unasked() -> None:
    class Mixed(Roles):
        def encode_queries(self, texts: list[str]) -> NDArray[np.floating]:
            return np.ones((len(texts), 300))

    assert load_model(Mixed()).encode_queries(["a"]).shape == (1, 300)


def test_a_model_without_vectors_says_so() -> None:
    model = load_model("bm25")
    assert not model.has_vectors
    with pytest.raises(UsageError, match="model 'bm25' has no vectors"):
        model.encode_queries(["a"])


def test_a_closed_model_describes_itself_and_encodes_no_more() -> None:
    model = Model(ModelInfo("m", "python", kind="dense", dimension=256), Roles(), count_tokens=len)
    assert model.count_tokens(["a"]) == 1
    model.close()
    model.close()
    assert repr(model) == "<Model m: dense, 256 dimensions>"
    assert model.count_tokens(["a"]) is None
    with pytest.raises(UsageError, match="model 'm' is closed"):
        model.encode_documents(["a"])


def test_tokens_of_all_texts_are_added_up() -> None:
    model = Model(ModelInfo("m", "python"), count_tokens=lambda text: len(text.split()))
    assert model.count_tokens(["bir iki", "üç"]) == 3
    assert model.count_tokens([]) == 0


def test_without_a_tokenizer_there_is_no_count() -> None:
    assert dense(Roles()).count_tokens(["a"]) is None
