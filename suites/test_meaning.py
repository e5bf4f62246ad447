"""Does a model tell what is meant from what only looks alike? Graded sentence pairs, and minimal pairs."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.needs_vectors


def test_similarity(model, sentences, similarity, gate):
    gate(similarity(model, sentences))


def test_confusions(model, minimal_pairs, confusions, gate):
    gate(confusions(model, minimal_pairs))
