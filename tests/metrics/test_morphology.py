"""Separation, not closeness: what the article's mean cosine cannot tell."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pytest_embedeval.metrics.morphology import accuracy, auc, nearer, versus
from pytest_embedeval.vectors import normalised

RNG = np.random.default_rng(0)


def test_auc_equals_scikit_learn() -> None:
    lemmas = normalised(RNG.standard_normal((20, 8)).astype(np.float32))
    forms = normalised(lemmas + 0.8 * RNG.standard_normal((20, 8)).astype(np.float32))
    cosines = lemmas @ forms.T
    expected = roc_auc_score(np.eye(20).ravel(), cosines.ravel())
    assert auc(lemmas, forms, [str(i) for i in range(20)]).mean() == pytest.approx(expected)


def test_forms_of_one_lemma_are_not_unrelated() -> None:
    """Two forms of `ev` are near each other's lemma; counting that as a mistake would punish a good model."""
    lemmas = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)
    forms = normalised(np.array([[1, 0.1], [1, 0.3], [0, 1]], dtype=np.float32))
    assert auc(lemmas, forms, ["ev", "ev", "göz"]).tolist() == [1.0, 1.0, 1.0]


def test_equal_vectors_score_chance() -> None:
    same = np.full((6, 4), 0.5, dtype=np.float32)
    others, owner = np.full((18, 4), 0.5, dtype=np.float32), np.repeat(np.arange(6), 3)
    assert auc(same, same, list("abcdef")).mean() == 0.5
    assert accuracy(same, same, others, owner).mean() == 0.25
    assert versus(same, same, others, owner).mean() == 0.5
    assert nearer(np.zeros(3)).mean() == 0.5


def test_every_distractor_must_be_farther() -> None:
    lemma = np.array([[1, 0], [1, 0]], dtype=np.float32)
    form = normalised(np.array([[1, 0.5], [1, 0.5]], dtype=np.float32))
    distractors = normalised(np.array([[1, 0.9], [1, 2], [1, 0.9], [1, 0.1]], dtype=np.float32))
    assert accuracy(lemma, form, distractors, np.array([0, 0, 1, 1])).tolist() == [1.0, 0.0]
