"""LanceDB: an index on disk, searched as any other."""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from pytest_embedeval.errors import MissingExtraError, UsageError
from pytest_embedeval.retrieval.approximate import build_index
from pytest_embedeval.retrieval.exact import ExactRanker
from pytest_embedeval.retrieval.index_names import check_index
from tests.retrieval.test_approximate import DOCUMENTS, QUERIES, built, facts, kinds, named, recall

pytest.importorskip("lancedb")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder in which temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_one_cell_of_whole_vectors_finds_what_exact_search_finds(folders: Path) -> None:
    found = built("lancedb:IVF_FLAT").ranker().search(10)
    exact = ExactRanker(QUERIES, DOCUMENTS).search(10)
    assert (found.documents == exact.documents).all()
    np.testing.assert_allclose(found.scores, exact.scores, atol=1e-6)


def test_one_query_finds_the_same_as_among_many(folders: Path) -> None:
    index = build_index(named("lancedb:IVF_FLAT"), DOCUMENTS[:400])
    scores, documents = index.search(QUERIES[:7], 5)
    for row in range(7):
        alone = index.search(QUERIES[row : row + 1], 5)
        assert alone[1].tolist() == [documents[row].tolist()]
        np.testing.assert_allclose(alone[0][0], scores[row], atol=1e-6)


def test_more_documents_than_there_are_leave_places_empty(folders: Path) -> None:
    scores, documents = build_index(named("lancedb:IVF_FLAT"), DOCUMENTS[:3]).search(QUERIES[:2], 5)
    assert (documents[:, 3:] == -1).all()
    assert sorted(documents[0, :3].tolist()) == [0, 1, 2]
    assert (scores[:, 3:] == -np.inf).all()


@pytest.mark.parametrize("kind", ["IVF_HNSW_SQ:ef=100", "IVF_PQ:num_sub_vectors=32:refine_factor=20", "IVF_SQ"])
def test_approximate_types_find_most(folders: Path, kind: str) -> None:
    assert recall(f"lancedb:{kind}") >= 0.8


def test_an_index_on_disk_has_its_facts_too(folders: Path) -> None:
    found = facts("lancedb", QUERIES[:100], DOCUMENTS[:200])
    assert (found.index, found.documents) == ("lancedb:IVF_HNSW_SQ", 200)
    assert found.p50_ms <= (found.p95_ms or 0)
    assert found.bytes > DOCUMENTS[:200].nbytes  # the vectors lie in the table as well
    assert kinds(found) == ["not-repeatable"]


def test_parameters_of_index_and_search_count(folders: Path) -> None:
    few, more = (recall(f"lancedb:IVF_FLAT:num_partitions=16:nprobes={cells}") for cells in (1, 16))
    assert few < 0.5
    assert more == 1.0


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "lancedb:IVF_PQ",
            "LanceDB indexed 0 of 96 documents; IVF_PQ takes 256 or more: take lancedb:IVF_HNSW_SQ, or flat",
        ),
        ("lancedb:IVF_FLAT:m=20", "LanceDB cannot build it on 96 documents: .*unexpected keyword argument 'm'"),
    ],
)
def test_what_cannot_be_built_says_why_and_leaves_nothing(folders: Path, name: str, problem: str) -> None:
    with pytest.raises(UsageError, match=f"^--embedeval-index={name}: {problem}"):
        build_index(named(name), DOCUMENTS[:96])
    assert not list(folders.iterdir())


def test_what_lancedb_refuses_is_told_in_its_words(folders: Path) -> None:
    name = "lancedb:IVF_PQ:num_sub_vectors=7"
    with pytest.raises(
        UsageError, match=f"^--embedeval-index={name}: LanceDB cannot build it on 400 documents: .*divide"
    ):
        build_index(named(name), DOCUMENTS[:400])


def test_the_folder_goes_with_the_index(folders: Path) -> None:
    index = build_index(named("lancedb:IVF_FLAT"), DOCUMENTS[:50])
    assert len(list(folders.iterdir())) == 1
    del index
    gc.collect()
    assert not list(folders.iterdir())


def test_a_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pytest-embedeval\[lancedb\]'"):
        check_index("lancedb")


def test_reading_its_name_does_not_import_it() -> None:
    code = (
        "import sys; from pytest_embedeval.retrieval.index_names import parse_index; parse_index('lancedb:IVF_PQ');"
        "assert not {'lancedb', 'faiss', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
