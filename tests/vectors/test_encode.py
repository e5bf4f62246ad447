"""Encoding: order, normalisation, progress, and vectors that no score may be computed from."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.errors import VectorError
from pytest_embedeval.models import Model, load_model
from pytest_embedeval.vectors import Encoded, encode
from tests.conftest import letters

TEXTS = ["kısa", "bu daha uzun bir metin", "orta boy metin", "kısa"]


def broken(value: float) -> Model:
    """A model that goes wrong on one text."""

    def encode_badly(texts: list[str]) -> NDArray[np.float32]:
        vectors = letters(texts)
        vectors[[text == TEXTS[1] for text in texts]] = value
        return vectors

    return load_model(encode_badly, alias="broken")


def test_vectors_have_unit_length_and_stand_in_the_order_of_the_texts() -> None:
    vectors = encode(load_model(letters), TEXTS, "document")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    expected = letters(TEXTS)
    np.testing.assert_allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize(
    ("value", "problem"),
    [(np.nan, "NaN or infinity"), (np.inf, "NaN or infinity"), (0.0, "a vector of zeros")],
    ids=["nan", "infinity", "zeros"],
)
def test_the_text_that_broke_the_model_is_named(value: float, problem: str) -> None:
    with pytest.raises(VectorError, match=f"model 'broken' returned {problem} for the text 'bu daha uzun bir metin'"):
        encode(broken(value), TEXTS, "query")


def test_a_changing_dimension_is_an_error() -> None:
    model = load_model(lambda texts: np.ones((len(texts), 3 if len(texts) == 1 else 4)), alias="moody")
    with pytest.raises(VectorError, match="declares 3 dimensions and returned 4"):
        encode(model, TEXTS, "query")


def test_equal_lists_of_texts_are_encoded_once_for_each_role() -> None:
    calls: list[int] = []

    def counted(texts: list[str]) -> NDArray[np.float32]:
        calls.append(len(texts))
        return letters(texts)

    encoded = Encoded(load_model(counted))
    calls.clear()
    for _ in range(2):
        encoded.vectors(TEXTS, "document")
        encoded.vectors(TEXTS, "query")
    assert calls == [4, 4]
    assert encoded.seconds(TEXTS, "query") > 0
    encoded.vectors(TEXTS[::-1], "query")
    assert calls == [4, 4, 4], "the same texts in another order are other rows"


def test_progress_counts_every_text_and_ends_also_after_an_error() -> None:
    class Bar:
        def __init__(self) -> None:
            self.done, self.closed = 0, False

        def update(self, n: int, /) -> None:
            self.done += n

        def close(self) -> None:
            self.closed = True

    bars: list[Bar] = []

    def factory(label: str, total: int) -> Bar:
        assert (label, total) == ("broken: query", 4) or total == 600
        bars.append(Bar())
        return bars[-1]

    encode(load_model(letters), ["a b c"] * 600, "query", factory)
    with pytest.raises(VectorError):
        encode(broken(np.nan), TEXTS, "query", factory)
    assert [(bar.done, bar.closed) for bar in bars] == [(600, True), (0, True)]


def test_no_texts_give_no_vectors() -> None:
    assert encode(load_model(letters), [], "query").shape == (0, 256)
