"""What one model has encoded: each list once by role, in the dimension and precision of its entry, and its figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.models import Model, ModelInfo, Prompts, load_model
from pytest_embedeval.vectors import Encoded, Store, encode, normalised
from pytest_embedeval.vectors.quantise import as_indexed
from tests.conftest import letters
from tests.vectors.test_store import TEXTS, Letters, kept_model


class Counter:
    """Counts words as tokens, and remembers of which texts."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: list[str]) -> list[int]:
        self.asked += texts
        return [len(text.split()) for text in texts]


def counted_model(encoder: Letters, count: Counter, max_tokens: int | None = 5) -> Model:
    info = replace(kept_model(encoder).info, max_tokens=max_tokens, prompts=Prompts("query: ", ""))
    return Model(info, encoder, count)


def test_equal_lists_of_texts_are_encoded_once_for_each_role() -> None:
    encoded = Encoded(kept_model(encoder := Letters()))
    for _ in range(2):
        encoded.vectors(TEXTS, "document")
        encoded.vectors(tuple(TEXTS), "query")
        encoded.about(TEXTS, "query")
    assert [len(texts) for texts in encoder.asked] == [32, 8, 32, 8]
    assert encoded.about(TEXTS, "query").seconds > 0
    encoded.vectors(TEXTS[::-1], "query")
    assert len(encoder.texts) == 120, "the same texts in another order are other rows"


def test_a_list_says_what_it_took() -> None:
    encoded = Encoded(kept_model(Letters()))
    about = encoded.about([*TEXTS, *TEXTS[:5]], "document")
    assert (about.role, about.texts, about.encoded, about.reused) == ("document", 45, 40, 0)
    assert 0 < about.seconds < about.spent
    assert (about.tokens, about.truncated) == (None, None), "nobody counts tokens"


def test_tokens_are_counted_with_the_prompt_and_for_every_text() -> None:
    encoded = Encoded(counted_model(Letters(), Counter()))
    texts = ["bir iki", "bir iki üç dört beş", "bir iki", "bir iki üç dört"]
    queries, documents = encoded.about(texts, "query"), encoded.about(texts, "document")
    assert (queries.tokens, queries.truncated) == (2 + 5 + 2 + 4 + 4 * 1, 1)
    assert (documents.tokens, documents.truncated) == (2 + 5 + 2 + 4, 0)


def test_a_text_of_exactly_the_limit_is_not_cut() -> None:
    encoded = Encoded(counted_model(Letters(), Counter(), max_tokens=3))
    assert encoded.about(["bir iki üç", "bir iki üç dört"], "document").truncated == 1


def test_without_a_limit_no_tokens_are_counted() -> None:
    encoded = Encoded(counted_model(Letters(), count := Counter(), max_tokens=None))
    about = encoded.about(TEXTS, "document")
    assert (about.tokens, about.truncated, count.asked) == (None, None, [])


def test_the_tokens_of_no_texts_are_unknown() -> None:
    about = Encoded(counted_model(Letters(), Counter())).about([], "document")
    assert (about.texts, about.tokens, about.truncated) == (0, None, None)


@pytest.mark.parametrize("order", [1, -1], ids=["same order", "another order"])
def test_tokens_and_truncation_are_kept_with_the_vectors(tmp_path: Path, order: int) -> None:
    texts = [*TEXTS, "kedi " * 20]
    told = []
    for attempt in range(2):
        store = Store(tmp_path)
        encoded = Encoded(counted_model(Letters(), count := Counter()), store=store)
        told.append(encoded.about([*texts[::order], *texts[:3]] if attempt else [*texts, *texts[:3]], "query"))
        store.close()
        assert len(count.asked) == (0 if attempt else len(texts))
    first, second = told
    assert first.tokens == sum(len(f"query: {text}".split()) for text in [*texts, *texts[:3]])
    assert first.truncated == sum(len(f"query: {text}".split()) > 5 for text in [*texts, *texts[:3]])
    assert (second.tokens, second.truncated) == (first.tokens, first.truncated)
    assert (second.encoded, second.reused) == (0, len(texts))
    assert second.seconds == pytest.approx(first.seconds)


def test_a_model_without_a_fingerprint_is_encoded_in_every_run(tmp_path: Path) -> None:
    for _ in range(2):
        store = Store(tmp_path)
        encoded = Encoded(load_model(encoder := Letters(), alias="unknown"), store=store)
        encoded.vectors(TEXTS, "document")
        store.close()
        assert len(encoder.texts) == len(TEXTS) + 1
    assert not (tmp_path / "vectors" / "segments").exists()


def test_an_encoder_of_ones_own_is_kept_under_its_fingerprint(tmp_path: Path) -> None:
    class Named(Letters):
        fingerprint = "letters v1"

    asked = []
    for _ in range(2):
        store = Store(tmp_path)
        encoder = Named()
        Encoded(load_model(encoder, alias="own"), store=store).vectors(TEXTS, "document")
        store.close()
        asked.append(len(encoder.texts))
    assert asked == [len(TEXTS) + 1, 1]


def shortened(encoder: Letters, dimension: int = 256, precision: str = "float32") -> Model:
    info = ModelInfo("m", "m", fingerprint="sha256:letters", kind="dense", dimension=dimension, precision=precision)
    return Model(info, encoder, native=256)


@pytest.mark.parametrize("dimension", [256, 64, 1])
@pytest.mark.parametrize("precision", ["float32", "float16", "int8", "binary"])
def test_every_dimension_and_precision_comes_from_the_vectors_that_are_kept(
    tmp_path: Path, dimension: int, precision: str
) -> None:
    whole = encode(load_model(letters), TEXTS, "document")
    cut = whole[:, :dimension]
    cut = whole if dimension == 256 else cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-30)
    queries: NDArray[np.float32] = cut.astype(np.float16).astype(np.float32) if precision == "float16" else cut
    expected = {"query": queries, "document": as_indexed(queries, precision)}
    store = Store(tmp_path)
    first = Encoded(shortened(Letters()), store=store)
    first.vectors(TEXTS, "query")
    first.vectors(TEXTS, "document")
    for encoded in (
        Encoded(shortened(encoder := Letters(), dimension, precision), store=store),
        Encoded(shortened(Letters(), dimension, precision)),
    ):
        np.testing.assert_allclose(encoded.vectors(TEXTS, "query"), expected["query"], atol=1e-7)
        np.testing.assert_allclose(encoded.vectors(TEXTS, "document"), expected["document"], atol=1e-7)
        np.testing.assert_array_equal(encoded.whole_vectors(TEXTS, "document"), whole)
    assert encoder.texts == []
    store.close()


def test_whole_vectors_and_short_ones_take_one_pass() -> None:
    encoded = Encoded(shortened(encoder := Letters(), 16))
    assert encoded.vectors(TEXTS, "query").shape == (40, 16)
    assert encoded.whole_vectors(TEXTS, "query").shape == (40, 256)
    assert len(encoder.texts) == 40


def test_the_memory_bound_reaches_the_vectors() -> None:
    texts = sorted(TEXTS)
    in_file = Encoded(kept_model(Letters()), memory=1000).vectors(texts, "document")
    assert isinstance(in_file, np.memmap)
    np.testing.assert_array_equal(in_file, normalised(letters(texts)))


def test_a_closed_one_has_let_go_of_model_and_vectors() -> None:
    encoded = Encoded(kept_model(Letters()))
    encoded.vectors(TEXTS, "document")
    encoded.close()
    with pytest.raises(Exception, match="model 'letters' is closed"):
        encoded.vectors(TEXTS, "document")
