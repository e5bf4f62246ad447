from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_embedeval.datasets import Finding, Judgements, RetrievalData, load_squad
from pytest_embedeval.datasets import overlap as module
from pytest_embedeval.datasets.overlap import overlap


def data(
    name: str, documents: Sequence[str], queries: Sequence[str] = (), language: str | None = "tr"
) -> RetrievalData:
    ids = [f"{name}-{i}" for i in range(max(len(documents), len(queries)))]
    return RetrievalData(
        name=name,
        document_ids=ids[: len(documents)],
        documents=documents,
        query_ids=ids[: len(queries)],
        queries=queries,
        judgements=Judgements.of({}),
        language=language,
    )


def found(ours: Sequence[str], theirs: Sequence[str]) -> dict[str, Finding]:
    return {finding.kind: finding for finding in overlap(data("test", ours), data("train", theirs))}


def words(start: int, stop: int, name: str = "w") -> str:
    return " ".join(f"{name}{number}" for number in range(start, stop))


def test_equal_queries_are_found_whatever_their_case_and_punctuation() -> None:
    test = data("test", [], ["Kalp nedir?", "Mide nedir?", "KALP  NEDİR"])
    train = data("train", [], ["Böbrek nedir?", "kalp nedir", "Kalp nedir?"])
    (finding,) = overlap(test, train)
    assert (finding.kind, finding.count) == ("equal-queries", 2)
    assert finding.message == (
        "2 of 3 queries are also queries of 'train' (for example 'test-0' and 'train-1', 'test-2' and 'train-1')"
    )


def test_equal_documents_are_equal_and_nothing_else() -> None:
    text = words(0, 20)
    findings = found([words(50, 70), text.upper() + "!"], [text])
    assert {kind: finding.count for kind, finding in findings.items()} == {"equal-documents": 1}
    assert "'test-1' and 'train-0'" in findings["equal-documents"].message


@pytest.mark.parametrize("size", [8, 20])
@pytest.mark.parametrize("is_ours_long", [True, False])
def test_a_document_inside_another_is_found_in_both_directions(size: int, is_ours_long: bool) -> None:
    short, long = [words(30, 30 + size)], [words(0, 100)]
    findings = found(long, short) if is_ours_long else found(short, long)
    assert {kind: finding.count for kind, finding in findings.items()} == {"contained-documents": 1}


def test_a_few_words_are_in_many_documents_and_prove_nothing() -> None:
    assert found([words(30, 37)], [words(0, 100)]) == {}


def test_all_runs_in_another_order_are_no_part_of_it() -> None:
    findings = found([words(0, 20)], [f"{words(10, 20)} x {words(0, 17)} y {words(8, 18)}"])
    assert set(findings) == {"overlapping-documents"}


@pytest.mark.parametrize(("shared", "is_found"), [(16, True), (15, False)])
def test_documents_that_share_half_of_the_shorter_ones_runs(shared: int, is_found: bool) -> None:
    """Of 24 words, 17 runs of eight: 16 words in common are nine of them, 15 words are eight."""
    ours, theirs = words(0, 24), f"{words(0, shared)} {words(0, 40, 'x')}"
    assert set(found([ours], [theirs])) == ({"overlapping-documents"} if is_found else set())
    assert set(found([theirs], [ours])) == ({"overlapping-documents"} if is_found else set())


def test_a_document_that_begins_within_a_word_of_another_is_no_part_of_it() -> None:
    assert set(found([f"kalp {words(0, 20)}"], [f"x tekkalp {words(0, 20)} y"])) == {"overlapping-documents"}


def test_every_document_is_counted_once_by_its_closest_relation() -> None:
    ours = [words(0, 40)]
    findings = found(ours, [words(0, 30) + " son", words(0, 41)])
    assert {kind: finding.count for kind, finding in findings.items()} == {"contained-documents": 1}


def test_a_notice_below_every_document_hides_no_copy() -> None:
    notice = words(0, 30, "notice")
    theirs = [f"{words(100 * i, 100 * i + 12)} {notice}" for i in range(60)]
    ours = [f"{words(9000, 9012)} {notice}", words(9500, 9540), f"{theirs[50]} son"]
    findings = found(ours, theirs)
    assert {kind: finding.count for kind, finding in findings.items()} == {
        "contained-documents": 1,
        "overlapping-documents": 1,
    }
    assert "'test-2' and 'train-50'" in findings["contained-documents"].message


def test_the_casing_of_each_sets_own_language_counts() -> None:
    assert overlap(data("test", ["ISI"]), data("train", ["ısı"]))[0].kind == "equal-documents"
    assert overlap(data("test", ["ISI"], language="en"), data("train", ["ısı"])) == ()


@pytest.mark.parametrize("block", [1, 3, 5000])
@pytest.mark.parametrize("seed", range(5))
def test_the_index_finds_what_a_look_at_every_pair_finds(
    monkeypatch: pytest.MonkeyPatch, seed: int, block: int
) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    monkeypatch.setattr(module, "_LOOKED_UP", 100)
    rng = random.Random(seed)
    source = rng.choices("abc", k=60)

    def text() -> str:
        start = rng.randrange(50)
        return " ".join(source[start : start + rng.randint(0, 25)] + rng.choices("abc", k=rng.randint(0, 10)))

    ours, theirs = [text() for _ in range(12)], [text() for _ in range(12)]
    expected = {
        (i, j)
        for i, one in enumerate(map(runs, ours))
        for j, other in enumerate(map(runs, theirs))
        if one & other and len(one & other) >= 0.5 * min(len(one), len(other))
    }
    assert expected
    assert {(i, j) for i, j, is_half in module._candidates(ours, theirs) if is_half} == expected


def runs(text: str) -> set[tuple[str, ...]]:
    split = text.split()
    return {tuple(split[i : i + 8]) for i in range(len(split) - 7)}


@pytest.mark.parametrize(("ours", "theirs"), [([], []), (["kalp"], []), ([], [words(0, 20)]), (["?"], ["!"])])
def test_nothing_is_shared_with_nothing(ours: list[str], theirs: list[str]) -> None:
    assert found(ours, theirs) == {}


def test_a_real_set_shares_all_with_itself_and_nothing_with_its_translation(shared_data: Path) -> None:
    turkish = load_squad(shared_data / "xquad.tr.json", language="tr")
    english = load_squad(shared_data / "xquad.en.json", language="en")
    counts = {finding.kind: finding.count for finding in overlap(turkish, turkish)}
    assert counts == {"equal-queries": len(turkish.queries), "equal-documents": len(turkish.documents)}
    assert overlap(turkish, english) == ()


def test_passages_cut_into_pieces_are_found_in_their_source(fixtures: Path) -> None:
    data_set = load_squad(fixtures / "turkish_medical_qa.json", language="tr")
    pieces = [text[: len(text) // 2].rpartition(" ")[0] for text in data_set.documents]
    counts = {finding.kind: finding.count for finding in overlap(data("pieces", pieces), data_set)}
    assert counts == {"contained-documents": len(pieces)}
