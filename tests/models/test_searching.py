"""The keys that say how an entry searches."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_embedeval.errors import UsageError
from pytest_embedeval.models.searching import KEYS, Fusion, Lexical, Search, split_hybrid


@pytest.mark.parametrize(
    ("given", "search"),
    [
        ({}, Search()),
        ({"alpha": "0.3"}, Search(alpha=0.3)),
        ({"alpha": 0}, Search(alpha=0.0)),
        ({"alpha": "1"}, Search(alpha=1.0)),
        ({"fusion": "rrf"}, Search(fusion="rrf")),
        ({"k1": "0", "b": "1"}, Search(k1=0.0, b=1.0)),
        ({"k1": 2, "b": 0.5}, Search(k1=2.0, b=0.5)),
        ({"rerank": "minilm-en", "depth": "20"}, Search(rerank="minilm-en", depth=20)),
        ({"stemmer": "none", "stop_words": "drop"}, Search(stemmer="none", stop_words="drop")),
    ],
)
def test_keys_are_read_from_text_and_from_numbers(given: dict[str, Any], search: Search) -> None:
    found = Search.read("m", given)
    assert found == search
    assert {key: type(getattr(found, key)) for key in given} == {key: type(getattr(search, key)) for key in given}


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("alpha", "1.01", "alpha must be a number from 0 to 1, not 1.01"),
        ("alpha", "-0.1", "alpha must be a number from 0 to 1, not -0.1"),
        ("alpha", "half", "alpha must be a number from 0 to 1, not half"),
        ("alpha", "", "alpha must be a number from 0 to 1, not "),
        ("alpha", "nan", "alpha must be a number from 0 to 1, not nan"),
        ("alpha", "inf", "alpha must be a number from 0 to 1, not inf"),
        ("b", "2", "b must be a number from 0 to 1, not 2"),
        ("k1", "-1", "k1 must be a number from 0 to 100, not -1"),
        ("k1", "1e9", "k1 must be a number from 0 to 100, not 1e9"),
        ("depth", "0", "depth must be a whole number from 1 to 1,000,000, not 0"),
        ("depth", "2.5", "depth must be a whole number from 1 to 1,000,000, not 2.5"),
        ("depth", "all", "depth must be a whole number from 1 to 1,000,000, not all"),
        ("fusion", "rff", "fusion=rff is unknown; did you mean 'rrf'?"),
        ("stemmer", "snowbal", "stemmer=snowbal is unknown; did you mean 'snowball'?"),
        ("stop_words", "remove", "stop_words=remove is unknown; Known: drop, keep"),
    ],
)
def test_a_wrong_value_is_named_with_entry_and_key(key: str, value: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        Search.read("a+bm25", {key: value})
    assert str(caught.value).startswith(f"'a+bm25': {problem}")


@pytest.mark.parametrize(
    ("given", "hybrid", "words", "problem"),
    [
        ({"k1": 1.0}, False, False, "k1 is a key of bm25 and of hybrids (MODEL+bm25); remove it"),
        ({"b": 0.0}, False, False, "b is a key of bm25 and of hybrids"),
        ({"stemmer": "none"}, False, False, "stemmer is a key of bm25 and of hybrids"),
        ({"stop_words": "keep"}, False, False, "stop_words is a key of bm25 and of hybrids"),
        ({"alpha": 0.0}, False, True, "alpha is a key of hybrids (MODEL+bm25); remove it"),
        ({"fusion": "rrf"}, False, False, "fusion is a key of hybrids"),
        ({"fusion": "rrf", "alpha": 0.0}, True, True, "rrf fuses ranks and has no alpha; remove alpha"),
        ({"depth": 5}, True, True, "depth says how many documents rerank puts in order; add rerank"),
    ],
)
def test_a_key_that_does_not_apply_is_refused(given: dict[str, Any], hybrid: bool, words: bool, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        Search(**given).check("m", has_words=words, is_hybrid=hybrid)
    assert str(caught.value).startswith(f"'m': {problem}")


@pytest.mark.parametrize(
    ("given", "hybrid", "words"),
    [
        ({}, False, False),
        ({"k1": 0.0, "b": 0.0, "stemmer": "none", "stop_words": "drop"}, False, True),
        ({"alpha": 0.0, "fusion": "weighted", "k1": 1.0}, True, True),
        ({"rerank": "x", "depth": 1}, False, False),
    ],
)
def test_keys_that_apply_pass(given: dict[str, Any], hybrid: bool, words: bool) -> None:
    Search(**given).check("m", has_words=words, is_hybrid=hybrid)


def test_fusion_is_that_of_the_entry_or_the_middle() -> None:
    assert Fusion.of(Search()) == Fusion("weighted", 0.5)
    assert Fusion.of(Search(alpha=0.0)) == Fusion("weighted", 0.0)
    assert Fusion.of(Search(fusion="rrf")).described == "reciprocal rank fusion"
    assert Fusion.of(Search(fusion="weighted", alpha=0.25)).described == "weighted alpha=0.25"


def test_words_are_described_by_their_parameters() -> None:
    assert Lexical().described == "bm25 k1=1.5 b=0.75, Snowball stems"
    words = Lexical(**Search(k1=2.0, stemmer="none", stop_words="drop", rerank="x").of_words)
    assert words.described == "bm25 k1=2 b=0.75, whole words, no stop words"


@pytest.mark.parametrize(
    ("source", "names", "expected"),
    [
        ("a+bm25", [], ("a", True)),
        ("a", [], ("a", False)),
        ("a+bm25", ["a+bm25"], ("a+bm25", False)),
        ("a+bm25+bm25", ["a+bm25"], ("a+bm25", True)),
        ("+bm25", [], ("", True)),
        ("a+BM25", [], ("a+BM25", False)),
    ],
)
def test_a_hybrid_is_named_by_its_end(source: str, names: list[str], expected: tuple[str, bool]) -> None:
    assert split_hybrid(source, names) == expected


def test_every_key_has_a_place_in_the_configuration() -> None:
    from pytest_embedeval.settings import ModelTable

    assert set(KEYS) <= {*vars(ModelTable("x"))}
