"""Timings by model: of one data set, or of all that every timed model read."""

from __future__ import annotations

import pytest

from pytest_embedeval.report import Part, Report, SpeedRow, assemble
from pytest_embedeval.report.speed import latencies, rates
from tests.report.test_gather import RUN


def report(*rows: tuple[str, str, str | None, float]) -> Report:
    speed = [
        SpeedRow(model=model, task=task, dataset=data, texts_per_s=number, p50_ms=number, rounds=3)  # type: ignore[arg-type]
        for model, task, data, number in rows
    ]
    return assemble(RUN, [Part(speed=speed)], ["a", "b"])


def test_each_data_set_has_its_own_speed_and_their_mean_is_geometric() -> None:
    found = report(
        ("a", "encode", "long", 10.0), ("a", "encode", "short", 90.0), ("b", "encode", "long", 1.0),
        ("b", "encode", "short", 4.0), ("a", "query", "long", 8.0),
    )  # fmt: skip
    assert rates(found, "long") == pytest.approx({"a": 10.0, "b": 1.0})
    assert rates(found, "other") == {}
    assert rates(found) == pytest.approx({"a": 30.0, "b": 2.0})
    assert latencies(found) == pytest.approx({"a": 8.0})


def test_a_data_set_that_one_model_lacks_does_not_shift_the_mean() -> None:
    found = report(("a", "encode", "long", 10.0), ("a", "encode", "short", 90.0), ("b", "encode", "long", 1.0))
    assert rates(found) == pytest.approx({"a": 10.0, "b": 1.0})


def test_a_report_that_does_not_name_the_data_set_is_read_too() -> None:
    assert rates(report(("a", "encode", None, 10.0)), "long") == pytest.approx({"a": 10.0})
