"""Encoding: equal texts once, the longest first, the order asked for, and vectors that no score may come from."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.errors import VectorError
from pytest_embedeval.models import Model, ModelInfo, load_model
from pytest_embedeval.vectors import Store, encode
from pytest_embedeval.vectors.encode import Encoding, ProgressFactory, encode_texts
from pytest_embedeval.vectors.room import Room
from pytest_embedeval.vectors.shelf import Shelf
from pytest_embedeval.vectors.unit import normalised
from tests.conftest import constant, letters
from tests.vectors.test_store import Letters, kept_model

TEXTS = ["kısa", "bu daha uzun bir metin", "orta boy metin", "kısa"]
MANY = [f"{'kedi ' * (number * 7 % 11)}{number}" for number in range(80)]


def broken(value: float) -> Model:
    """A model that goes wrong on one text."""

    def encode_badly(texts: list[str]) -> NDArray[np.float32]:
        vectors = letters(texts)
        vectors[[text == TEXTS[1] for text in texts]] = value
        return vectors

    return load_model(encode_badly, alias="broken")


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store be visited after 32 texts, and then after every 16."""
    monkeypatch.setattr(importlib.import_module("pytest_embedeval.vectors.encode"), "_CHUNKS", range(16, 17))


Open = Callable[[Model], Shelf]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens the shelf of a model's documents, each time as another run would."""
    stores: list[Store] = []

    def open_again(model: Model) -> Shelf:
        stores.append(Store(tmp_path))
        recipe = model.recipe("document")
        assert recipe is not None
        shelf = stores[-1].shelf(recipe, "m")
        assert shelf is not None
        return shelf

    yield open_again
    for store in stores:
        store.close()


def documents(opened: Open, model: Model, texts: list[str], **options: object) -> Encoding:
    """Encode with the store, in a run of its own."""
    return encode_texts(model, texts, "document", shelf=opened(model), **options)  # type: ignore[arg-type]


def test_vectors_have_unit_length_and_stand_in_the_order_of_the_texts() -> None:
    vectors = encode(load_model(letters), TEXTS, "document")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    expected = letters(TEXTS)
    np.testing.assert_allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("scale", [1e-38, 1e-25, 1.0, 1e25, 1e36])
def test_vectors_of_any_length_become_unit_vectors(scale: float) -> None:
    vectors = np.array([[3, 0, 4], [1, 2, 2]], dtype=np.float32) * np.float32(scale)
    np.testing.assert_allclose(normalised(vectors), [[0.6, 0, 0.8], [1 / 3, 2 / 3, 2 / 3]], rtol=1e-6)


@pytest.mark.parametrize("dimension", [1, 3, 7, 384])
@pytest.mark.usefixtures("small_chunks")
def test_vectors_are_the_same_to_the_bit_wherever_they_come_from(opened: Open, dimension: int) -> None:
    class Random(Letters):
        def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
            self.asked.append(texts)
            rows = [np.random.default_rng(list(text.encode())).standard_normal(dimension) for text in texts]
            return np.array(rows, dtype=np.float32)

        encode_documents = encode_queries

    def model() -> Model:
        return kept_model(Random(), dimension=dimension)

    texts = [*MANY, *MANY[::3]]
    alone = encode_texts(model(), texts, "document").vectors
    one_by_one = [encode_texts(model(), [text], "document").vectors[0] for text in texts[:9]]
    np.testing.assert_array_equal(alone[:9], one_by_one)
    first, second = documents(opened, model(), texts), documents(opened, model(), texts)
    mixed = documents(opened, model(), texts[::-1])
    np.testing.assert_array_equal(first.vectors, alone)
    np.testing.assert_array_equal(second.vectors, alone)
    np.testing.assert_array_equal(mixed.vectors, alone[::-1])
    assert [found.encoded for found in (first, second, mixed)] == [80, 0, 0]
    assert [found.reused for found in (first, second, mixed)] == [0, 80, 80]


def test_equal_texts_are_encoded_once() -> None:
    found = encode_texts(kept_model(encoder := Letters()), [*TEXTS, *TEXTS], "document")
    assert encoder.asked == [["bu daha uzun bir metin", "orta boy metin", "kısa"]]
    np.testing.assert_array_equal(found.vectors, encode(load_model(letters), [*TEXTS, *TEXTS], "document"))
    assert (found.encoded, found.reused, len(found.tokens)) == (3, 0, 8)


@pytest.mark.usefixtures("small_chunks")
def test_the_longest_texts_come_first() -> None:
    encode(kept_model(encoder := Letters()), MANY, "document")
    assert [len(texts) for texts in encoder.asked] == [32, 16, 16, 16]
    assert encoder.texts == sorted(MANY, key=len, reverse=True)


def test_the_longest_are_those_of_most_tokens_where_the_model_has_a_limit() -> None:
    info = ModelInfo("m", "m", kind="dense", dimension=256, max_tokens=9)
    encoder = Letters()
    model = Model(info, encoder, count_tokens=lambda texts: [text.count("a") for text in texts])
    found = encode_texts(model, ["a", "bbbbbb", "aaa", "aab"], "document")
    assert encoder.texts == ["aaa", "aab", "a", "bbbbbb"]
    assert found.tokens.tolist() == [1, 0, 3, 2]


def test_a_list_that_is_kept_in_part_is_encoded_in_part(opened: Open) -> None:
    documents(opened, kept_model(Letters()), MANY[10:30])
    found = documents(opened, kept_model(encoder := Letters()), [*MANY, *MANY[:40]])
    assert sorted(encoder.texts) == sorted([*MANY[:10], *MANY[30:]])
    assert (found.encoded, found.reused) == (60, 20)
    np.testing.assert_array_equal(found.vectors, encode(load_model(letters), [*MANY, *MANY[:40]], "document"))


def test_a_list_that_is_kept_as_it_is_asked_for_is_not_copied(opened: Open, tmp_path: Path) -> None:
    texts = sorted(MANY, key=len, reverse=True)
    documents(opened, kept_model(Letters()), texts)
    again = documents(opened, kept_model(Letters()), texts)
    assert isinstance(again.vectors, np.memmap)
    assert Path(str(again.vectors.filename)).is_relative_to(tmp_path)
    assert not again.vectors.flags.writeable
    for other in (texts[::-1], [*texts, texts[0]]):
        copied = documents(opened, kept_model(Letters()), other)
        assert not isinstance(copied.vectors, np.memmap)
        np.testing.assert_array_equal(copied.vectors, encode(load_model(letters), other, "document"))


@pytest.mark.parametrize("texts", [MANY, MANY + MANY], ids=["distinct", "equal"])
@pytest.mark.usefixtures("small_chunks")
def test_a_result_that_is_larger_than_the_memory_lies_in_a_file(texts: list[str], opened: Open) -> None:
    expected = encode(load_model(letters), texts, "document")
    bound = expected.nbytes
    for memory, in_file in ((bound, False), (bound - 1, True)):
        for _ in range(2):
            found = documents(opened, kept_model(Letters()), texts, room=Room(memory)).vectors
            assert isinstance(found, np.memmap) == in_file
            np.testing.assert_array_equal(found, expected)


def test_no_texts_give_no_vectors(opened: Open) -> None:
    assert encode(load_model(letters), [], "query").shape == (0, 256)
    found = documents(opened, kept_model(encoder := Letters()), [])
    assert (found.vectors.shape, found.tokens.shape, found.seconds) == ((0, 256), (0,), 0.0)
    assert encoder.asked == []


def test_texts_that_are_no_proper_unicode_are_kept_too(opened: Open) -> None:
    class Careless(Letters):
        def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
            return super().encode_queries([ascii(text) for text in texts])

        encode_documents = encode_queries

    texts = ["\ud800", "\udfff", "\ud83d\ude00", "\0", "", "kedi\0", "kedi", "\n"]
    first = documents(opened, kept_model(Careless()), texts)
    again = documents(opened, kept_model(encoder := Careless()), texts)
    assert (first.encoded, encoder.asked) == (8, [])
    np.testing.assert_array_equal(again.vectors, encode(load_model(letters), list(map(ascii, texts)), "document"))
    assert len(np.unique(again.vectors, axis=0)) == 8


def test_the_time_that_encoding_took_is_kept_with_the_vectors(opened: Open) -> None:
    first = documents(opened, kept_model(Letters()), MANY)
    again = documents(opened, kept_model(Letters()), MANY)
    half = documents(opened, kept_model(Letters()), MANY[:40])
    assert 0 < first.seconds < first.spent
    assert again.seconds == pytest.approx(first.seconds)
    assert 0 < half.seconds < first.seconds


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


@pytest.mark.usefixtures("small_chunks")
def test_what_came_before_a_broken_vector_is_kept_and_nothing_beside_it(opened: Open) -> None:
    class Breaks(Letters):
        def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
            vectors = super().encode_queries(texts)
            if len(self.asked) == 3:
                vectors[5, 7] = np.nan
            return vectors

        encode_documents = encode_queries

    breaks = Breaks()
    with pytest.raises(VectorError, match="returned NaN or infinity for the text"):
        documents(opened, kept_model(breaks), MANY)
    first, second, third = breaks.asked
    found = documents(opened, kept_model(encoder := Letters()), MANY)
    assert sorted(encoder.texts) == sorted(set(MANY) - {*first, *second})
    assert set(third) <= set(encoder.texts)
    np.testing.assert_array_equal(found.vectors, encode(load_model(letters), MANY, "document"))


class Constant(Letters):
    """Collapsed: one vector for all texts."""

    def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
        self.asked.append(texts)
        return constant(texts)

    encode_documents = encode_queries


def collapsed(encoder: Letters) -> Model:
    return kept_model(encoder, fingerprint="sha256:constant", dimension=8)


@pytest.mark.usefixtures("small_chunks")
def test_one_vector_for_all_texts_is_an_error_and_kept_nowhere(opened: Open) -> None:
    for _ in range(2):
        with pytest.raises(VectorError, match="gives one and the same vector to all 80 texts"):
            documents(opened, collapsed(encoder := Constant()), MANY)
        assert sorted(encoder.texts) == sorted(MANY)


@pytest.mark.usefixtures("small_chunks")
def test_one_vector_for_all_texts_is_kept_where_it_is_allowed_and_an_error_where_it_is_not(opened: Open) -> None:
    for encoded in (80, 0):
        found = documents(opened, collapsed(Constant()), MANY, allow_collapse=True)
        np.testing.assert_array_equal(found.vectors, normalised(constant(MANY)))
        assert found.encoded == encoded
    for texts in (MANY, sorted(MANY, key=len, reverse=True)):
        with pytest.raises(VectorError, match="gives one and the same vector"):
            documents(opened, collapsed(Constant()), texts)


@pytest.mark.usefixtures("small_chunks")
def test_texts_alike_at_the_start_of_a_list_are_no_collapse(opened: Open) -> None:
    class Late(Letters):
        def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
            vectors = super().encode_queries(texts)
            return vectors if len(self.asked) > 2 else np.ones_like(vectors)

        encode_documents = encode_queries

    first = documents(opened, kept_model(Late()), MANY)
    assert len(np.unique(first.vectors, axis=0)) == 33
    again = documents(opened, kept_model(Letters()), MANY)
    assert again.encoded == 0
    np.testing.assert_array_equal(again.vectors, first.vectors)


class Bar:
    """A progress bar that nobody sees."""

    def __init__(self, label: str, total: int) -> None:
        self.label, self.total = label, total
        self.steps: list[int] = []
        self.closed = False

    def update(self, n: int, /) -> None:
        self.steps.append(n)

    def close(self) -> None:
        self.closed = True


def bars() -> tuple[list[Bar], ProgressFactory]:
    made: list[Bar] = []

    def factory(label: str, total: int) -> Bar:
        made.append(Bar(label, total))
        return made[-1]

    return made, factory


@pytest.mark.usefixtures("small_chunks")
def test_progress_counts_every_distinct_text_those_that_are_kept_at_once(opened: Open) -> None:
    made, factory = bars()
    for texts in (MANY[:48], [*MANY, *MANY[:10]], MANY):
        documents(opened, kept_model(Letters()), texts, progress=factory)
    assert [(bar.label, bar.total) for bar in made] == [("letters: document", n) for n in (48, 80, 80)]
    assert [bar.steps for bar in made] == [[0, 32, 16], [48, 32], [80]]
    assert all(bar.closed for bar in made)


def test_progress_ends_also_after_an_error() -> None:
    made, factory = bars()
    with pytest.raises(VectorError):
        encode(broken(np.nan), TEXTS, "query", factory)
    assert [(bar.steps, bar.closed) for bar in made] == [([0], True)]


def test_who_finds_that_others_kept_all_the_rest_encodes_nothing_more(opened: Open) -> None:
    class Interrupted(Letters):
        """While it encodes its first texts, another process does all the others."""

        def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
            if not self.asked:
                documents(opened, kept_model(Letters()), MANY)
            return super().encode_queries(texts)

        encode_documents = encode_queries

    found = documents(opened, kept_model(encoder := Interrupted()), MANY)
    assert len(encoder.texts) == found.encoded == 32
    np.testing.assert_array_equal(found.vectors, encode(load_model(letters), MANY, "document"))


@pytest.mark.parametrize("own", [["mine alone"], []], ids=["some left", "none left"])
def test_what_others_keep_between_a_look_and_a_claim_is_not_done_again(
    opened: Open, monkeypatch: pytest.MonkeyPatch, own: list[str]
) -> None:
    claim = Shelf.claim

    def late(self: Shelf, keys: NDArray[np.uint64], size: int) -> NDArray[np.int64]:
        monkeypatch.setattr(Shelf, "claim", claim)
        documents(opened, kept_model(Letters()), MANY)
        return self.claim(keys, size)

    monkeypatch.setattr(Shelf, "claim", late)
    found = documents(opened, kept_model(encoder := Letters()), [*MANY, *own])
    assert encoder.texts == own
    np.testing.assert_array_equal(found.vectors, encode(load_model(letters), [*MANY, *own], "document"))
