"""Fewer bits per number: the codes of FAISS's own index, and what they stand for."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.datasets.words import load_words
from pytest_embedeval.retrieval.exact import ExactRanker
from pytest_embedeval.vectors import normalised, quantise
from pytest_embedeval.vectors.room import Room
from tests.conftest import ROOT, letters

Vectors = NDArray[np.float32]


@pytest.fixture(scope="module")
def documents() -> Vectors:
    """Trigram vectors of real words: skewed, sparse, and some numbers are 0 in all of them."""
    words = load_words(ROOT / "fixtures" / "morphology_tr.tsv", name="words", language="tr")
    found = letters([text for item in words.items for text in (item.lemma, item.form, *item.distractors)])
    found[:, :3] = 0
    return normalised(found)


@pytest.fixture(scope="module")
def index(documents: Vectors) -> faiss.IndexScalarQuantizer:
    built = faiss.IndexScalarQuantizer(documents.shape[1], faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    built.train(documents)
    built.add(documents)
    return built


def test_codes_are_those_of_faiss(documents: Vectors, index: faiss.IndexScalarQuantizer) -> None:
    codes = quantise.encode(documents, quantise.Ranges.of(documents))
    assert codes.tolist() == index.sa_encode(documents).tolist()
    assert codes.nbytes == index.code_size * len(documents) == documents.size


def test_scores_are_those_of_faiss(documents: Vectors, index: faiss.IndexScalarQuantizer) -> None:
    queries = normalised(letters(["göz ağrısı", "evlerimizden", "kitap"] * 10))
    found = ExactRanker(queries, quantise.int8(documents)).search(20)
    scores, _ = index.search(queries, 20)
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)
    assert np.abs(found.scores - ExactRanker(queries, documents).search(20).scores).max() > 1e-4


def test_numbers_outside_the_ranges_take_the_nearest_end(documents: Vectors) -> None:
    """A document that came after the calibration."""
    ranges = quantise.Ranges.of(documents)
    wide = ranges.width > 0
    beyond = quantise.encode(np.stack([ranges.low - 1, ranges.low + ranges.width + 1]), ranges)
    assert set(beyond[0].tolist()) == {0}
    assert set(beyond[1, wide].tolist()) == {255}


def test_decoded_numbers_are_half_a_step_off_at_most(documents: Vectors) -> None:
    ranges = quantise.Ranges.of(documents)
    error = np.abs(quantise.int8(documents) - documents)
    assert (error <= ranges.width / 255 * 0.5001 + 1e-7).all()


def test_numbers_that_are_all_equal_come_back_as_they_are(documents: Vectors) -> None:
    decoded = quantise.int8(np.concatenate([documents, np.full((len(documents), 1), 0.25, np.float32)], axis=1))
    assert np.isfinite(decoded).all()
    assert (decoded[:, :3] == 0).all()
    assert (decoded[:, -1] == 0.25).all()
    one = documents[:1]
    assert (quantise.int8(one) == one).all()


def test_more_rows_than_a_block_are_the_same_as_one_by_one() -> None:
    many = normalised(np.random.default_rng(0).standard_normal((20_000, 8)).astype(np.float32))
    ranges = quantise.Ranges.of(many)
    assert (quantise.int8(many) == quantise.decode(quantise.encode(many, ranges), ranges)).all()
    assert (quantise.signs(many) == np.where(many > 0, 1, -1).astype(np.float32) / np.float32(np.sqrt(8))).all()


def test_signs_are_unit_vectors_whose_cosine_counts_the_bits_that_differ(documents: Vectors) -> None:
    signs = quantise.signs(documents)
    np.testing.assert_allclose(np.linalg.norm(signs, axis=1), 1, atol=1e-6)
    bits = documents > 0
    distances = (bits[:50, None, :] != bits[None, :50, :]).sum(axis=2)
    np.testing.assert_allclose(signs[:50] @ signs[:50].T, 1 - 2 * distances / documents.shape[1], atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "float16", "int8", "binary"])
def test_what_an_index_keeps_of_no_document_is_nothing(precision: str) -> None:
    assert quantise.as_indexed(np.empty((0, 16), dtype=np.float32), precision).shape == (0, 16)


@pytest.mark.parametrize("precision", ["int8", "binary"])
def test_a_result_above_the_bound_lies_in_a_file(documents: Vectors, precision: str) -> None:
    mapped = quantise.as_indexed(documents, precision, Room(1000))
    assert isinstance(mapped, np.memmap)
    assert (mapped == quantise.as_indexed(documents, precision, Room(documents.nbytes))).all()
