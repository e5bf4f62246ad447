"""How fast is each model on this machine? Timed by pytest-benchmark; compare within one run."""

from __future__ import annotations

import pytest


@pytest.mark.needs_vectors
def test_throughput(model, dataset, throughput):
    speed = throughput(model, dataset)
    assert speed is None or speed.texts_per_s > 0


@pytest.mark.needs_new_queries
def test_latency(model, dataset, latency):
    speed = latency(model, dataset)
    assert speed is None or speed.p50_ms > 0
