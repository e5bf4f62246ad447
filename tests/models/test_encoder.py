from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.errors import UsageError, VectorError
from pytest_embedeval.models import Encoder, Model, ModelInfo, Prompts, load_model
from pytest_embedeval.models.info import Recipe
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


def dense(encoder: Encoder, precision: str = "float32", dim: int | None = None, native: int = 256) -> Model:
    info = ModelInfo("m", "python", kind="dense", dimension=dim or native, precision=precision)
    return Model(info, encoder, native=native)


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
    model = dense(Returns(np.array([[3.0, 4.0, 12.0], [0.0, 2.0, 5.0]])), dim=2, native=3)
    vectors = model.encode_queries(["a", "b"])
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0.0, 1.0]], rtol=1e-6)


def test_truncation_makes_no_vector_of_nan() -> None:
    vectors = dense(Returns(np.array([[0.0, 0.0, 1.0]])), dim=2, native=3).encode_queries(["a"])
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
    info = ModelInfo("m", "python", kind="dense", dimension=256)
    model = Model(info, Roles(), count_tokens=lambda texts: [len(text) for text in texts])
    assert model.count_tokens(["a"]) == [1]
    model.close()
    model.close()
    assert repr(model) == "<Model m: dense, 256 dimensions>"
    assert model.count_tokens(["a"]) is None
    with pytest.raises(UsageError, match="model 'm' is closed"):
        model.encode_documents(["a"])


def words(texts: list[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def test_tokens_are_counted_text_by_text_with_the_prompt_of_the_role() -> None:
    info = ModelInfo("m", "python", prompts=Prompts(query="soru : ", document=""))
    model = Model(info, count_tokens=words)
    assert model.count_tokens(["bir iki", "üç"]) == [2, 1]
    assert model.count_tokens(["bir iki", "üç"], "query") == [4, 3]
    assert model.count_tokens(["bir iki", "üç"], "document") == [2, 1]
    assert model.count_tokens([], "query") == []


def test_without_a_tokenizer_there_is_no_count() -> None:
    assert dense(Roles()).count_tokens(["a"]) is None


def test_whole_vectors_are_what_the_encoder_returns() -> None:
    model = dense(Returns(np.array([[3.0, 4.0, 12.0]])), "float16", dim=2, native=3)
    assert model.encode(["a"], "query").tolist() == [[3.0, 4.0, 12.0]]
    assert (model.native_dimension, model.info.dimension) == (3, 2)
    assert model.encode([], "document").shape == (0, 3)


@pytest.mark.parametrize(
    ("dim", "precision", "shortened"),
    [(None, "float32", False), (256, "float32", False), (2, "float32", True), (None, "int8", True)],
)
def test_a_model_knows_whether_its_vectors_are_whole(dim: int | None, precision: str, shortened: bool) -> None:
    assert dense(Roles(), precision, dim).is_shortened == shortened


FACTS = ModelInfo(
    alias="m",
    source="m",
    fingerprint="sha256:1",
    kind="dense",
    dimension=8,
    max_tokens=512,
    prompts=Prompts("query: ", "passage: "),
    backend="torch",
    dtype="float32",
    engine="torch 2.13.0",
    device="cpu",
)
OTHER: dict[str, Any] = {
    "fingerprint": "sha256:2",
    "dimension": 9,
    "max_tokens": 128,
    "prompts": Prompts("query: ", "text: "),
    "backend": "onnx",
    "dtype": "bfloat16",
    "engine": "torch 2.14.0",
    "device": "cuda",
}
BESIDE: dict[str, Any] = {"alias": "n", "source": "n", "revision": "5617a9f", "load_s": 1.0}


def test_the_recipe_of_a_role_says_all_that_decides_a_vector() -> None:
    model = Model(FACTS)
    query, document = model.recipe("query"), model.recipe("document")
    assert query == Recipe("sha256:1", "query", "query: ", 8, "float32", "torch", 512, "torch 2.13.0", "cpu")
    assert document == Recipe("sha256:1", "document", "passage: ", 8, "float32", "torch", 512, "torch 2.13.0", "cpu")


def test_every_field_of_a_recipe_is_in_its_digest() -> None:
    recipe = Recipe("sha256:1", "query", "query: ", 8, "float32", "torch", 512, "torch 2.13.0")
    assert re.fullmatch("sha256:[0-9a-f]{64}", recipe.digest)
    others: dict[str, Any] = {field.name: "other" for field in fields(Recipe)} | {"dimension": 7, "max_tokens": 7}
    changed = [replace(recipe, **{name: other}) for name, other in others.items()]
    assert len({recipe.digest, *(other.digest for other in changed)}) == len(fields(Recipe)) + 1
    assert replace(recipe).digest == recipe.digest


@pytest.mark.parametrize("prompt", ["", "soru: ", "şıkça", "\ud800", '", "role": "query'])
def test_any_prompt_has_a_digest_of_its_own(prompt: str) -> None:
    recipe = Recipe("sha256:1", "query", "query: ", 8, None, "torch", None, None)
    assert replace(recipe, prompt=prompt).digest != recipe.digest


@pytest.mark.parametrize("fact", [*OTHER, "dim", "precision"])
def test_the_encoding_of_a_model_changes_with_everything_that_decides_its_vectors(fact: str) -> None:
    special: dict[str, dict[str, Any]] = {"dim": {"dimension": 4}, "precision": {"precision": "int8"}}
    other = special.get(fact) or {fact: OTHER[fact]}
    assert (
        Model(replace(FACTS, **other), native=8 if fact == "dim" else None).info.encoding != Model(FACTS).info.encoding
    )


@pytest.mark.parametrize("fact", BESIDE)
def test_the_encoding_of_a_model_stays_where_its_vectors_do(fact: str) -> None:
    assert Model(replace(FACTS, **{fact: BESIDE[fact]})).info.encoding == Model(FACTS).info.encoding


def test_a_shorter_dimension_and_a_precision_have_the_recipe_of_the_whole() -> None:
    short = Model(replace(FACTS, dimension=4, precision="int8"), native=8)
    assert short.recipe("query") == Model(FACTS).recipe("query")


def test_a_model_without_a_fingerprint_has_no_recipe_and_no_encoding() -> None:
    model = Model(replace(FACTS, fingerprint=None))
    assert (model.recipe("query"), model.info.encoding) == (None, None)
    assert model.info.bytes_per_vector == 32


def test_a_model_without_vectors_has_no_recipe() -> None:
    model = load_model("bm25")
    assert (model.recipe("query"), model.info.encoding, model.info.bytes_per_vector) == (None, None, None)


def test_an_upgrade_of_the_library_that_asks_an_api_keeps_what_was_paid_for() -> None:
    info = ModelInfo("a", "api:openai/x", fingerprint="sha256:1", kind="dense", dimension=4, device="api")
    old, new = (Model(replace(info, engine=f"litellm {version}"), native=4) for version in ("1.0", "2.0"))
    assert old.recipe("query") == new.recipe("query")
