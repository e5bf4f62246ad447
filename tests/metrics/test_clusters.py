"""Silhouettes in closed form equal scikit-learn's from all distances."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from pytest_embedeval.metrics.clusters import cosine_silhouettes, euclidean_silhouette, kmeans_labels, v_measure
from pytest_embedeval.vectors import normalised


@pytest.mark.parametrize("clusters", [2, 5, 40])
def test_cosine_silhouettes_equal_scikit_learn(clusters: int) -> None:
    rng = np.random.default_rng(clusters)
    labels = rng.integers(0, clusters, 120)
    centres = rng.standard_normal((clusters, 16))
    vectors = normalised((centres[labels] + rng.standard_normal((120, 16))).astype(np.float32))
    expected = silhouette_samples(vectors.astype(np.float64), labels, metric="cosine")
    np.testing.assert_allclose(cosine_silhouettes(vectors, labels), expected, atol=1e-6)


def test_identical_vectors_have_no_clusters() -> None:
    same = np.full((6, 4), 0.5, dtype=np.float32)
    labels = kmeans_labels(same, 2, seed=42)
    assert labels.tolist() == [0] * 6
    assert euclidean_silhouette(same, labels) == 0.0
    assert cosine_silhouettes(same, list("aabbcc")) == pytest.approx(np.zeros(6), abs=1e-6)


def test_k_means_depends_on_its_own_seed_alone() -> None:
    vectors = normalised(np.random.default_rng(1).standard_normal((60, 8)).astype(np.float32))
    np.random.seed(1)
    first = kmeans_labels(vectors, 3, seed=7)
    np.random.seed(2)
    assert kmeans_labels(vectors, 3, seed=7).tolist() == first.tolist()


def test_v_measure_is_one_for_the_same_partition() -> None:
    assert v_measure(["a", "a", "b"], np.array([4, 4, 0])) == 1.0
