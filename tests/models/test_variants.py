from __future__ import annotations

import numpy as np
import pytest

from pytest_embedeval.models.variants import PRECISIONS, bytes_per_vector, rounded, truncated


def test_a_cut_vector_has_unit_length_and_the_direction_of_its_first_numbers() -> None:
    vectors = np.array([[3, 4, 12], [0, -2, 5]], dtype=np.float32)
    cut = truncated(vectors, 2)
    np.testing.assert_allclose(cut, [[0.6, 0.8], [0.0, -1.0]], rtol=1e-6)
    assert cut.dtype == np.float32


@pytest.mark.parametrize("length", [1e-3, 1.0, 1e3])
def test_cutting_does_not_care_for_the_length_of_a_vector(length: float) -> None:
    vectors = np.random.default_rng(0).standard_normal((20, 48)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(truncated(vectors * np.float32(length), 5), truncated(unit, 5), rtol=1e-5)


def test_cutting_twice_is_cutting_once() -> None:
    vectors = np.random.default_rng(0).standard_normal((20, 48)).astype(np.float32)
    np.testing.assert_allclose(truncated(truncated(vectors, 16), 4), truncated(vectors, 4), rtol=1e-5, atol=1e-7)


def test_a_vector_of_which_nothing_is_left_is_zero_and_no_nan() -> None:
    assert truncated(np.array([[0, 0, 1]], dtype=np.float32), 2).tolist() == [[0.0, 0.0]]


def test_cutting_leaves_the_whole_vectors_as_they_are() -> None:
    vectors = np.array([[3, 4, 12]], dtype=np.float32)
    vectors.flags.writeable = False
    truncated(vectors, 2)
    rounded(vectors)
    assert vectors.tolist() == [[3, 4, 12]]


def test_half_precision_keeps_eleven_bits_of_each_number() -> None:
    vectors = np.array([[1.0, 1.0 + 2**-10, 1.0 + 2**-11, 1.0 + 3 * 2**-11, 2**-26]], dtype=np.float32)
    found = rounded(vectors)
    assert found.dtype == np.float32
    assert found.tolist() == [[1.0, 1.0 + 2**-10, 1.0, 1.0 + 2**-9, 0.0]]


@pytest.mark.parametrize(
    ("precision", "expected"),
    [("float32", (4, 28, 1536)), ("float16", (2, 14, 768)), ("int8", (1, 7, 384)), ("binary", (1, 1, 48))],
)
def test_a_vector_takes_its_bits_in_whole_bytes(precision: str, expected: tuple[int, int, int]) -> None:
    assert tuple(bytes_per_vector(dimension, precision) for dimension in (1, 7, 384)) == expected
    assert bytes_per_vector(9, "binary") == 2


def test_every_precision_has_a_size() -> None:
    assert all(bytes_per_vector(8, precision) for precision in PRECISIONS)
