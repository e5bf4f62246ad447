from __future__ import annotations

import unicodedata

import pytest

from pytest_embedeval.datasets.duplicates import folded, merge
from pytest_embedeval.errors import DatasetError

TEXTS = ["kalp", "böbrek", "kalp", "mide", " kalp\n", unicodedata.normalize("NFD", "böbrek")]


def place(position: int) -> str:
    return f"line {position + 1}"


@pytest.mark.parametrize(
    ("text", "other"),
    [
        pytest.param("kalp  kanı\n pompalar ", "kalp kanı pompalar", id="white space"),
        pytest.param("kalp\u00a0kanı", "kalp kanı", id="no-break space"),
        pytest.param("bo\u0308brek", "böbrek", id="composed signs"),
        pytest.param("I\u0307drar", "İdrar", id="dotted capital"),
    ],
)
def test_texts_that_look_alike_are_the_same(text: str, other: str) -> None:
    assert text != other
    assert folded(text) == folded(other)


@pytest.mark.parametrize(
    ("text", "other"), [("ISI", "ısı"), ("Ilık", "ılık"), ("kırk", "kirk"), ("kalp.", "kalp"), ("5 m²", "5 m2")]
)
def test_case_dots_and_signs_tell_texts_apart(text: str, other: str) -> None:
    assert folded(text) != folded(other)


def test_merging_keeps_the_first_of_equal_texts() -> None:
    merged = merge(TEXTS, "merge", place)
    assert merged.kept.tolist() == [0, 1, 3]
    assert merged.target.tolist() == [0, 1, 0, 2, 0, 1]
    (finding,) = merged.findings
    assert (finding.kind, finding.count) == ("duplicate-documents", 3)
    assert finding.message == "3 of 6 documents have the text of another and were merged with it"


def test_keeping_leaves_all_in_their_places_and_counts_them() -> None:
    merged = merge(TEXTS, "keep", place)
    assert merged.kept.tolist() == merged.target.tolist() == [0, 1, 2, 3, 4, 5]
    (finding,) = merged.findings
    assert finding.count == 3
    assert "kept beside it" in finding.message


def test_equal_texts_can_be_an_error_that_names_the_first_two() -> None:
    with pytest.raises(DatasetError, match=r"^line 3 has the same text as line 1$"):
        merge(TEXTS, "error", place)


@pytest.mark.parametrize("policy", ["merge", "keep", "error"])
@pytest.mark.parametrize("texts", [[], ["kalp"], ["kalp", "Kalp"]], ids=["none", "one", "two"])
def test_different_texts_are_left_alone_whatever_the_policy(policy: str, texts: list[str]) -> None:
    merged = merge(texts, policy, place)  # type: ignore[arg-type]
    assert merged.kept.tolist() == merged.target.tolist() == list(range(len(texts)))
    assert merged.findings == ()
