"""Which texts are the same, and what they are kept under."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.keys import distinct, list_key, text_keys

ALIKE = ["kedi", "Kedi", "kedi ", "kedi\0", "ked", "", "\0", "ı", "i", "\ud800", "\udfff", "\u00e7", "c\u0327", "𝒌"]


def test_texts_that_differ_in_anything_have_different_keys() -> None:
    assert unicodedata.normalize("NFC", ALIKE[-2]) == ALIKE[-3]
    assert len(np.unique(text_keys(ALIKE), axis=0)) == len(ALIKE)


def test_a_text_has_one_key_wherever_it_stands() -> None:
    np.testing.assert_array_equal(text_keys(ALIKE)[::-1], text_keys(ALIKE[::-1]))


def test_keys_stay_the_same_for_good() -> None:
    # XXH3's own test vector for nothing at all; other keys than these would orphan every vector that was ever kept.
    assert text_keys([""]).tobytes().hex() == "99aa06d3014798d86001c324468d497f"
    assert text_keys(["kedi"]).tobytes().hex() == "98038bace64f48d8c44a43569f1a5d34"


def test_no_texts_have_no_keys() -> None:
    assert text_keys([]).shape == (0, 2)
    first, inverse = distinct(text_keys([]))
    assert first.tolist() == []
    assert inverse is None


@pytest.mark.parametrize(
    "other", [["b", "a"], ["a"], ["a", "b", "b"], ["ab"], ["", "a", "b"]], ids=["order", "less", "more", "one", "empty"]
)
def test_another_list_has_another_key(other: list[str]) -> None:
    assert list_key(text_keys(other)) != list_key(text_keys(["a", "b"]))
    assert list_key(text_keys(("a", "b"))) == list_key(text_keys(["a", "b"]))


def test_lists_without_equal_texts_need_no_map() -> None:
    first, inverse = distinct(text_keys(ALIKE))
    assert first.tolist() == list(range(len(ALIKE)))
    assert inverse is None


@pytest.mark.parametrize("seed", range(5))
def test_equal_texts_point_to_the_first_of_them(seed: int) -> None:
    texts = [str(number) for number in np.random.default_rng(seed).integers(0, 30, size=50)]
    first, inverse = distinct(text_keys(texts))
    assert [texts[i] for i in first] == list(dict.fromkeys(texts))
    assert inverse is not None
    assert [texts[first[i]] for i in inverse] == texts


def test_texts_that_share_half_a_key_are_not_the_same() -> None:
    keys: NDArray[np.uint64] = np.array([[7, 2], [7, 1], [3, 1], [7, 2], [7, 1]], dtype=np.uint64)
    first, inverse = distinct(keys)
    assert first.tolist() == [0, 1, 2]
    assert inverse is not None
    assert inverse.tolist() == [0, 1, 2, 0, 1]
