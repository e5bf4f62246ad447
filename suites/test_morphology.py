"""Which model knows that two forms are the same word?"""

from __future__ import annotations

import pytest


@pytest.mark.needs_vectors
def test_morphology(model, words, morphology, gate):
    gate(morphology(model, words))
