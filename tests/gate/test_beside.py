"""One search beside another: what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_embedeval.gate import Beside, QueryChange

FOUND = Beside(
    "minilm-en",
    "bm25",
    "medical",
    "mrr@10",
    value=0.52,
    reference_value=0.4994,
    delta=0.0206,
    low=-0.031,
    high=0.07,
    n=1190,
    won=1007,
    lost=83,
    tied=100,
)
LOST = QueryChange("q1", "Kışın\n  ateş neden yükselir?", before=1.0, after=0.25)
WON = QueryChange("q2", "", before=0.0, after=0.5)


def test_the_line_holds_means_bounds_and_counts() -> None:
    assert FOUND.line == (
        "minilm-en beside bm25 on medical: mrr@10 0.499 → 0.520 (+0.021, one-sided 95 % [−0.031, +0.070]); "
        "1,007 won, 83 lost, 100 tied"
    )


@pytest.mark.parametrize(("low", "beats"), [(-0.031, False), (0.0, False), (1e-6, True)])
def test_a_model_beats_what_it_is_shown_to_be_better_than(low: float, beats: bool) -> None:
    assert replace(FOUND, low=low).beats is beats


def test_a_hybrid_is_told_from_its_model() -> None:
    assert FOUND.is_model
    assert not replace(FOUND, model="minilm-en+bm25:alpha=0.3").is_model
    assert replace(FOUND, model="minilm-en+bm25-alpha0.3").is_model


def test_the_clearest_queries_follow_their_comparison() -> None:
    assert list(replace(FOUND, largest=(LOST, WON)).lines()) == [
        FOUND.line,
        "  lost 1.00 → 0.25  Kışın ateş neden yükselir?",
        "  won  0.00 → 0.50  q2",
    ]


def test_long_queries_are_cut() -> None:
    long = replace(LOST, text="uzun " * 40)
    assert [len(line) for line in replace(FOUND, largest=(long,)).lines()][1] <= 102
