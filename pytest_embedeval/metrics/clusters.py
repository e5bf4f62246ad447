"""Clusters of documents: the article's silhouette of k-means' own labels, and scores against gold labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def kmeans_labels(vectors: NDArray[np.float32], k: int, seed: int) -> NDArray[np.int64]:
    """Return the k-means cluster of each vector (scikit-learn, `n_init="auto"`), int64 array [n].

    Parameters
    ----------
    vectors
        float32 array [n, d].
    k
        Number of clusters; fewer come back where fewer vectors are distinct.
    seed
        Of this run alone.
    """
    from sklearn.cluster import KMeans

    distinct = len(np.unique(vectors, axis=0))
    k = min(k, distinct)
    if k < 2:
        return np.zeros(len(vectors), dtype=np.int64)
    labels = KMeans(n_clusters=k, random_state=seed, n_init="auto").fit_predict(vectors)
    return np.asarray(labels, dtype=np.int64)


def cosine_silhouettes(
    vectors: NDArray[np.float32], labels: Sequence[object] | NDArray[np.generic]
) -> NDArray[np.float64]:
    """Return the silhouette of each unit vector under cosine distance, exactly, float64 array [n].

    Rousseeuw 1987. The mean distance of x to a cluster is 1 - x·S/m with S the sum of its m vectors, so n × clusters
    products do the work of n × n distances. A vector alone in its cluster scores 0; so does every vector where there
    is only one cluster.

    Parameters
    ----------
    vectors
        Unit vectors, float32 array [n, d].
    labels
        Cluster of each.
    """
    _, cluster = np.unique(np.asarray(labels), return_inverse=True)
    sizes = np.bincount(cluster)
    if len(sizes) < 2:
        return np.zeros(len(vectors))
    exact = vectors.astype(np.float64)
    sums = np.zeros((len(sizes), exact.shape[1]))
    np.add.at(sums, cluster, exact)
    products = exact @ sums.T
    rows = np.arange(len(exact))
    squares = np.einsum("ij,ij->i", exact, exact)
    others = np.maximum(sizes[cluster] - 1, 1)
    within = 1.0 - (products[rows, cluster] - squares) / others
    distances = 1.0 - products / sizes
    distances[rows, cluster] = np.inf
    nearest = distances.min(axis=1)
    widest = np.maximum(within, nearest)
    scores = np.divide(nearest - within, widest, out=np.zeros(len(exact)), where=widest > 1e-12)
    return np.where(sizes[cluster] > 1, scores, 0.0)


def euclidean_silhouette(vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Return scikit-learn's mean silhouette under Euclidean distance: the article's, digit by digit.

    0 where there is only one cluster, or one for every vector.
    """
    from sklearn.metrics import silhouette_score

    count = len(np.unique(labels))
    return float(silhouette_score(vectors, labels)) if 1 < count < len(vectors) else 0.0


def v_measure(labels: Sequence[object], clusters: NDArray[np.int64]) -> float:
    """Return the harmonic mean of homogeneity and completeness (Rosenberg & Hirschberg 2007; scikit-learn)."""
    from sklearn.metrics import v_measure_score

    return float(v_measure_score(labels, clusters))
