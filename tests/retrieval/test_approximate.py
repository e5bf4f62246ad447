"""Approximate indexes of FAISS beside exact search of the same vectors."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.errors import UsageError
from pytest_embedeval.findings import Finding
from pytest_embedeval.retrieval.approximate import ApproximateRanker, BuiltIndex, IndexFacts, build_index
from pytest_embedeval.retrieval.exact import ExactRanker
from pytest_embedeval.retrieval.index_names import IndexName, check_index, parse_index
from pytest_embedeval.vectors import normalised


def vectors(n: int, seed: int, dimension: int = 64) -> NDArray[np.float32]:
    return normalised(np.random.default_rng(seed).standard_normal((n, dimension)).astype(np.float32))


QUERIES, DOCUMENTS = vectors(120, 0), vectors(2_000, 1)
NEAREST = np.argsort(-(QUERIES @ DOCUMENTS.T), axis=1)[:, :10]


def named(text: str) -> IndexName:
    name = parse_index(text)
    assert name is not None
    return name


def built(text: str, queries: NDArray[np.float32] = QUERIES, documents: NDArray[np.float32] = DOCUMENTS) -> BuiltIndex:
    return BuiltIndex(named(text), queries, documents)


def facts(text: str, queries: NDArray[np.float32] = QUERIES, documents: NDArray[np.float32] = DOCUMENTS) -> IndexFacts:
    exact = ExactRanker(queries, documents)
    return built(text, queries, documents).facts(exact, exact.search(10).documents)


def recall(text: str) -> float:
    """Return the share of the exact top ten that the index finds, counted by hand."""
    found = built(text).ranker().search(10).documents
    return float(np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, NEAREST, strict=True)]))


def kinds(found: IndexFacts) -> list[str]:
    return [finding.kind for finding in found.findings]


@pytest.mark.parametrize("k", [1, 10, 100, 999])
def test_flat_finds_what_exact_search_finds(k: int) -> None:
    found, exact = built("Flat").ranker().search(k), ExactRanker(QUERIES, DOCUMENTS).search(k)
    np.testing.assert_allclose(found.scores, exact.scores, atol=1e-6)
    row, place = np.nonzero(found.documents != exact.documents)  # only where two score the same but for rounding
    other = np.einsum("ij,ij->i", QUERIES[row], DOCUMENTS[found.documents[row, place]])
    np.testing.assert_allclose(other, exact.scores[row, place], atol=1e-6)
    assert len(row) < found.documents.size / 1_000


def test_all_that_flat_finds_is_shared() -> None:
    assert facts("Flat").shared.tolist() == [1.0] * 120


def test_a_graph_finds_most_and_more_where_it_looks_further() -> None:
    near, far = (recall(f"HNSW32:efSearch={width}") for width in (10, 64))
    assert 0.5 < near < far
    assert far >= 0.9


def test_cells_are_looked_at_as_many_as_asked_for() -> None:
    shares = [recall(f"IVF16,Flat:nprobe={cells}") for cells in (1, 4, 16)]
    assert shares == sorted(shares)
    assert shares[0] < 0.4
    assert shares[2] == 1.0


@pytest.mark.parametrize("name", ["HNSW16", "IVF16,Flat:nprobe=4", "IVF16_HNSW8,SQ8", "PCA32,HNSW8", "SQ4"])
def test_two_indexes_of_the_same_documents_return_the_same_lists(name: str) -> None:
    faiss.omp_set_num_threads(2)
    first, second = (built(name).ranker().search(10) for _ in range(2))
    assert (first.documents == second.documents).all()
    assert (first.scores == second.scores).all()


def test_building_leaves_the_threads_of_faiss_as_they_were() -> None:
    faiss.omp_set_num_threads(2)
    facts("HNSW8", QUERIES[:5], DOCUMENTS[:50])
    assert faiss.omp_get_max_threads() == 2


@pytest.mark.parametrize("name", ["LSH", "HNSW16,SQ8", "ITQ32,LSH", "PCA32,Flat", "IDMap,Flat", "SQ8,RFlat", "RaBitQ"])
def test_lists_of_any_index_run_from_its_best_score_down(name: str) -> None:
    """LSH knows Euclidean distance alone, and IDMap wants the positions told."""
    found = built(name).ranker().search(10)
    assert (np.diff(found.scores) <= 0).all()
    assert recall(name) > 10 * 10 / len(DOCUMENTS)  # ten times what chance finds


def test_a_squared_distance_becomes_the_inner_product() -> None:
    index = build_index(named("HNSW8,PQ16np"), DOCUMENTS[:300])
    scores, documents = index.search(DOCUMENTS[:5], 3)
    assert documents[:, 0].tolist() == [0, 1, 2, 3, 4]
    products = np.take_along_axis(DOCUMENTS[:5] @ DOCUMENTS[:300].T, documents, axis=1)
    np.testing.assert_allclose(scores, products, atol=0.05)


def test_scores_of_a_rounding_index_are_its_own() -> None:
    found = built("SQ4").ranker().search(10)
    products = np.take_along_axis(QUERIES @ DOCUMENTS.T, found.documents, axis=1)
    np.testing.assert_allclose(found.scores, products, atol=0.1)
    assert np.abs(found.scores - products).max() > 1e-3


def test_equal_scores_stand_in_the_order_of_the_corpus() -> None:
    found = built("Flat", QUERIES[:3], np.repeat(DOCUMENTS[:20], 4, axis=0)).ranker().search(12)
    ties = found.scores[:, 1:] == found.scores[:, :-1]
    assert ties.sum() == 3 * 9
    assert (np.diff(found.documents)[ties] > 0).all()


class Recorded:
    """An index that finds the first k documents for every query, and notes how many it was asked for."""

    bytes = 0
    findings: tuple[Finding, ...] = ()

    def __init__(self) -> None:
        self.asked: list[int] = []

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        self.asked.append(k)
        documents = np.tile(np.arange(k), (len(queries), 1))
        return np.float32(1) / (1 + documents).astype(np.float32), documents


@pytest.mark.parametrize(
    ("least", "size", "k", "asked"),
    [(1, 5_000, 10, 10), (1, 5_000, 4_000, 1_000), (1_000, 5_000, 10, 1_000), (1, 7, 10, 7)],
)
def test_an_index_is_asked_for_as_many_as_are_wanted_up_to_a_thousand(
    least: int, size: int, k: int, asked: int
) -> None:
    index = Recorded()
    found = ApproximateRanker(QUERIES[:2], index, size, least).search(k)
    assert index.asked == [asked]
    assert found.documents.shape == (2, asked)


def test_a_document_that_was_not_returned_has_no_score() -> None:
    ranker = built("IVF16,Flat").ranker()
    found = ranker.search(10)
    row = np.repeat(np.arange(120), 10)
    assert (ranker.score(row, found.documents.ravel()) == found.scores.ravel()).all()
    outside = np.array([next(d for d in range(2_000) if d not in listed) for listed in found.documents])
    assert (ranker.score(np.arange(120), outside) == -np.inf).all()


def test_no_list_reaches_further_than_it_is() -> None:
    """Better documents that the index missed are no ties with the last place."""
    ranker = built("IVF16,Flat").ranker()
    found = ranker.search(10)
    counts = ranker.count_at_least(np.arange(120), found.scores[:, 4])
    assert counts.tolist() == [5] * 120
    assert ranker.count_at_least(np.arange(120), np.full(120, -1, dtype=np.float32)).tolist() == [10] * 120


def test_ties_with_the_last_place_are_found_beyond_it() -> None:
    documents = np.repeat(DOCUMENTS[:20], 30, axis=0)
    ranker, exact = built("Flat", QUERIES[:9], documents).ranker(), ExactRanker(QUERIES[:9], documents)
    found, rows = ranker.search(10), np.arange(9)
    exact.search(10)
    bounds = found.scores[:, -1] - np.float32(1e-6)
    assert ranker.count_at_least(rows, bounds).tolist() == exact.count_at_least(rows, bounds).tolist() == [30] * 9
    beyond = np.array(
        [
            next(d for d in range(600) if d // 30 == first // 30 and d not in listed)
            for first, listed in zip(found.documents[:, 0], found.documents, strict=True)
        ]
    )
    np.testing.assert_allclose(ranker.score(rows, beyond), found.scores[:, -1], atol=1e-6)


def test_lists_that_are_not_full_end_with_empty_places_and_are_counted() -> None:
    found = built("IVF256,Flat").ranker().search(10)
    empty = found.documents < 0
    assert empty.any()
    assert (np.diff(empty.astype(int)) >= 0).all()
    assert (found.scores[empty] == -np.inf).all()
    told = {finding.kind: finding for finding in facts("IVF256,Flat").findings}
    assert told["short-lists"].count == np.count_nonzero(empty.any(axis=1))
    assert told["few-for-training"].message == (
        "IVF256,Flat has 256 cells, which FAISS would train on 9,984 documents or more; there are 2,000"
    )


def test_what_is_shared_is_the_part_of_the_exact_top_ten() -> None:
    found = facts("IVF16,Flat:nprobe=2")
    assert found.shared.mean() == pytest.approx(recall("IVF16,Flat:nprobe=2"))
    assert set((found.shared * 10).round(9)) <= set(range(11))
    assert 0.2 < found.shared.mean() < 0.8


def test_documents_that_tie_with_the_exact_tenth_are_as_good() -> None:
    """Of three copies, exact search and the index may take different ones."""
    documents = np.repeat(DOCUMENTS[:40], 3, axis=0)
    exact = ExactRanker(QUERIES, documents)
    nearest = exact.search(10).documents
    others = nearest // 3 * 3 + 2 - nearest % 3
    assert (others != nearest).any()
    assert built("Flat", documents=documents).facts(exact, others).shared.tolist() == [1.0] * 120


def test_a_corpus_of_fewer_than_ten_documents_is_compared_whole() -> None:
    assert facts("HNSW8", QUERIES[:5], DOCUMENTS[:4]).shared.tolist() == [1.0] * 5


@pytest.mark.parametrize("queries", [99, 100])
def test_the_95th_percentile_needs_a_hundred_queries(queries: int) -> None:
    found = facts("Flat", QUERIES[:queries], DOCUMENTS[:50])
    assert (found.p95_ms is None) == (queries < 100)
    assert 0 < found.p50_ms <= (found.p95_ms or np.inf)
    assert found.exact_p50_ms > 0
    assert found.build_s > 0


def test_an_index_tells_its_size() -> None:
    found = facts("Flat", QUERIES[:5], DOCUMENTS[:500])
    assert (found.index, found.documents) == ("Flat", 500)
    flat = faiss.index_factory(64, "Flat", faiss.METRIC_INNER_PRODUCT)
    flat.add(DOCUMENTS[:500])
    assert found.bytes == len(faiss.serialize_index(flat))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("IVF256,Flat", "is trained on at least 256 documents, and there are 96; take a smaller one, HNSW32 or flat"),
        ("OPQ16,PQ16", "is trained on at least 256 documents, and there are 96; "),
        ("NSG16", r"cannot be built on 96 documents: .*smaller than 100; take another one, such as HNSW32 or flat"),
        ("PCA128,Flat", "cannot be built on 96 documents: PCA matrix cannot output 128 dimensions from 64"),
        ("PQ7", r"FAISS makes no such index of 64 numbers per vector \(The dimension of the vector .* multiple of the"),
    ],
)
def test_what_cannot_be_built_on_these_vectors_says_why_and_what_to_do(text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=rf"^--embedeval-index={text}: {problem}"):
        built(text, documents=DOCUMENTS[:96])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "HNSV32",
            r"FAISS knows no such index \(could not parse index string HNSV32\); take a factory string of FAISS",
        ),
        ("IVF256", r"FAISS knows no such index \("),
        ("HNSW32,Foo", r"FAISS knows no such index \(could not parse HNSW code description Foo in HNSW32,Foo\)"),
        ("", "names no index; take flat, HNSW32, IVF256,Flat or lancedb"),
        ("HNSW0", "HNSW0 has too few cells, links or codes to hold anything"),
        ("IVF16_HNSW1,Flat", "IVF16_HNSW1,Flat has too few cells, links or codes"),
        ("HNSW32:nprobe=4", "HNSW32 has no parameter 'nprobe'; IVF has nprobe, HNSW efSearch"),
        ("IVF16,Flat:nprobe=0", "'nprobe=0' must be a parameter with a whole number from 1 on, such as nprobe=16"),
        ("IVF16,Flat:nprobe", "'nprobe' must be a parameter"),
        ("IVF16,Flat:nprobe=-1", "'nprobe=-1' must be a parameter"),
        ("lancedb:IVF_PG", "LanceDB has no index 'IVF_PG'; did you mean 'IVF_PQ'?"),
        ("lancedb:IVF_PQ:nprobe=2", "no parameter 'nprobe'; did you mean 'nprobes'?"),
    ],
)
def test_what_no_vectors_could_fit_is_refused_without_any(text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=rf"^--embedeval-index={text}: {problem}"):
        check_index(text)


@pytest.mark.parametrize(
    "text", ["flat", "Flat", "HNSW32", "IVF256,Flat:nprobe=16", "PQ7", "PQ96", "OPQ16_64,PQ16", "LSH"]
)
def test_what_fits_some_vectors_is_not_refused(text: str) -> None:
    check_index(text)


def test_names_are_read_in_parts() -> None:
    assert parse_index("flat") is None
    assert parse_index("IVF256,Flat:nprobe=16") == IndexName(
        "IVF256,Flat:nprobe=16", "IVF256,Flat", False, {"nprobe": 16}
    )
    lance = {
        text: parse_index(text) for text in ("lancedb", "lancedb:ivf_pq", "lancedb:ef=20", "lancedb:IVF_SQ:nprobes=3")
    }
    assert {text: (name.text, name.kind, dict(name.options)) for text, name in lance.items() if name} == {
        "lancedb": ("lancedb:IVF_HNSW_SQ", "IVF_HNSW_SQ", {}),
        "lancedb:ivf_pq": ("lancedb:IVF_PQ", "IVF_PQ", {}),
        "lancedb:ef=20": ("lancedb:IVF_HNSW_SQ:ef=20", "IVF_HNSW_SQ", {"ef": 20}),
        "lancedb:IVF_SQ:nprobes=3": ("lancedb:IVF_SQ:nprobes=3", "IVF_SQ", {"nprobes": 3}),
    }
