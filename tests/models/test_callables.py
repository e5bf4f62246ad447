from __future__ import annotations

import weakref

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.errors import ModelLoadError
from pytest_embedeval.models import ModelSpec, Prompts
from pytest_embedeval.models.callables import wrap
from tests.conftest import constant, letters

SPEC = ModelSpec("mine", "python")


class Roles:
    fingerprint = "weights-7"

    def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
        return letters([text.upper() + "?" for text in texts])

    def encode_documents(self, texts: list[str]) -> NDArray[np.float32]:
        return letters(texts)


def test_one_callable_serves_both_roles() -> None:
    model = wrap(SPEC, letters)
    np.testing.assert_array_equal(model.encode_queries(["kedi"]), letters(["kedi"]))
    np.testing.assert_array_equal(model.encode_documents(["kedi"]), letters(["kedi"]))
    assert (model.alias, model.info.kind, model.info.dimension, model.info.fingerprint) == ("mine", "dense", 256, None)


def test_an_object_keeps_its_two_roles_and_its_fingerprint() -> None:
    model = wrap(SPEC, Roles())
    np.testing.assert_array_equal(model.encode_queries(["kedi"]), letters(["KEDI?"]))
    np.testing.assert_array_equal(model.encode_documents(["kedi"]), letters(["kedi"]))
    assert model.info.fingerprint == "weights-7"


def test_an_object_that_can_also_be_called_is_used_by_role() -> None:
    class Both(Roles):
        def __call__(self, texts: list[str]) -> NDArray[np.float32]:
            raise AssertionError("the roles come first")

    np.testing.assert_array_equal(wrap(SPEC, Both()).encode_queries(["kedi"]), letters(["KEDI?"]))


def test_prompts_of_the_entry_are_put_before_the_texts() -> None:
    model = wrap(ModelSpec("mine", "python", query_prompt="query: ", document_prompt="passage: "), letters)
    np.testing.assert_array_equal(model.encode_queries(["kedi"]), letters(["query: kedi"]))
    np.testing.assert_array_equal(model.encode_documents(["kedi"]), letters(["passage: kedi"]))
    assert model.info.prompts == Prompts("query: ", "passage: ")


def test_one_prompt_alone_leaves_the_other_role_as_it_is() -> None:
    model = wrap(ModelSpec("mine", "python", query_prompt="query: "), letters)
    np.testing.assert_array_equal(model.encode_queries(["kedi"]), letters(["query: kedi"]))
    np.testing.assert_array_equal(model.encode_documents(["kedi"]), letters(["kedi"]))


def test_dim_and_precision_of_the_entry_apply() -> None:
    model = wrap(ModelSpec("mine", "python", dim=4, precision="float16"), constant)
    vectors = model.encode_queries(["a", "b"])
    assert vectors.tolist() == [[0.5] * 4] * 2
    assert (model.info.dimension, model.info.precision) == (4, "float16")


def test_a_dim_beyond_the_vectors_is_refused() -> None:
    with pytest.raises(ModelLoadError, match="'mine': dim=9, but its vectors have 8 numbers"):
        wrap(ModelSpec("mine", "python", dim=9), constant)


def test_what_cannot_encode_is_told_what_an_encoder_is() -> None:
    with pytest.raises(ModelLoadError, match="'mine': int has no encode_queries and encode_documents"):
        wrap(SPEC, 3)


def test_an_encoder_that_raises_is_named_with_its_reason() -> None:
    def broken(texts: list[str]) -> NDArray[np.float32]:
        raise RuntimeError("no such weights")

    with pytest.raises(ModelLoadError, match="'mine' cannot encode: RuntimeError: no such weights"):
        wrap(SPEC, broken)


def test_a_class_in_place_of_an_object_is_refused() -> None:
    with pytest.raises(ModelLoadError, match="'mine' cannot encode: TypeError"):
        wrap(SPEC, Roles)


@pytest.mark.parametrize(("shape", "shown"), [((4,), r"\(4,\)"), ((2, 4), r"\(2, 4\)"), ((1, 2, 4), r"\(1, 2, 4\)")])
def test_a_wrong_shape_is_found_when_the_model_is_loaded(shape: tuple[int, ...], shown: str) -> None:
    with pytest.raises(ModelLoadError, match=f"'mine' returned shape {shown} for one text"):
        wrap(SPEC, lambda texts: np.ones(shape))


def test_closing_lets_the_encoder_go() -> None:
    encoder = Roles()
    alive = weakref.ref(encoder)
    model = wrap(ModelSpec("mine", "python", query_prompt="q: "), encoder)
    del encoder
    model.close()
    assert alive() is None


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        (ModelSpec("mine", "python", backend="onnx"), "backend=onnx"),
        (ModelSpec("mine", "python", devices=("cpu", "cpu")), "devices"),
    ],
)
def test_what_only_a_transformer_can_do_is_refused(spec: ModelSpec, key: str) -> None:
    with pytest.raises(ModelLoadError, match=f"'mine': {key} does not apply"):
        wrap(spec, letters)


def test_a_fingerprint_that_is_no_text_is_refused() -> None:
    class Numbered(Roles):
        fingerprint = 7  # type: ignore[assignment]

    with pytest.raises(ModelLoadError, match=r"'mine': fingerprint of Numbered must be a text .*, not int"):
        wrap(SPEC, Numbered())
