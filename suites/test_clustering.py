"""Do documents on one topic lie together?"""

from __future__ import annotations

import pytest


@pytest.mark.needs_vectors
def test_clustering(model, dataset, clustering, gate):
    gate(clustering(model, dataset))
