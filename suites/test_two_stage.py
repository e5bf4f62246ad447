"""Two stages: a model finds documents, a second one puts the first of them in order (`rerank=`)."""

from __future__ import annotations

import pytest


@pytest.mark.needs_second_stage
def test_depths(model, dataset, two_stage):
    """Quality beside waiting time for several depths; they stand in `report.json` (`stages`)."""
    rows = two_stage(model, dataset)
    assert rows[0].depth == 0, "the first stage alone is what the others are compared with"
