from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest

from pytest_embedeval.gate import Measurement, Verdict
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report import DatasetRow, Part, SpeedRow, assemble, write_report, write_scores
from pytest_embedeval.report.schema import Git, Run

RUN = Run(started="2025-01-01T00:00:00+00:00", duration_s=1.0, git=Git(), versions={}, machine={}, settings={})


def part(model: str, suite: str = "retrieval", dataset: str = "medical", value: float = 0.5) -> Part:
    """Make what one test of one model adds."""
    return Part(
        models=[ModelInfo(model, model)],
        datasets=[
            DatasetRow(name=dataset, fingerprint="f", language="tr", queries=1, documents=2, judgements=1, findings=[])
        ],
        measurements=[Measurement(model, suite, dataset, metric, value, 1) for metric in ("mrr@10", "recall@10")],
        speed=[SpeedRow(model=model, task="encode", rounds=3)],
        verdicts=[Verdict(model, suite, dataset, "mrr@10", "min", value, 0.4, "pass", "")],
        scores=[(model, suite, dataset, metric, "q1", value) for metric in ("mrr@10", "recall@10")],
    )


def test_every_list_stands_in_the_order_of_the_matrix() -> None:
    report = assemble(RUN, [part("third"), part("first"), part("second")], ["first", "second", "third"])
    assert [row.alias for row in report.models] == ["first", "second", "third"]
    assert [row.model for row in report.speed] == ["first", "second", "third"]
    assert [row.model for row in report.verdicts] == ["first", "second", "third"]
    assert [(row.model, row.metric) for row in report.measurements] == [
        (model, metric) for model in ("first", "second", "third") for metric in ("mrr@10", "recall@10")
    ]


def test_a_model_beside_the_matrix_comes_last() -> None:
    report = assemble(RUN, [part("own"), part("first")], ["first"])
    assert [row.alias for row in report.models] == ["first", "own"]


def test_models_and_data_sets_have_one_row_each() -> None:
    report = assemble(RUN, [part("a"), part("a", "triplets"), part("b")], ["a", "b"])
    assert [row.alias for row in report.models] == ["a", "b"]
    assert [row.name for row in report.datasets] == ["medical"]


def test_a_measurement_made_by_two_tests_has_one_row(tmp_path: Path) -> None:
    parts = [part("a"), part("a")]
    assert [row.metric for row in assemble(RUN, parts, ["a"]).measurements] == ["mrr@10", "recall@10"]
    assert len(_rows(write_scores(parts, tmp_path))) == 2


def test_the_order_in_which_workers_finish_changes_nothing(tmp_path: Path) -> None:
    parts = [
        part("a", "clustering"),
        part("a", "morphology", "forms"),
        part("a", "retrieval"),
        part("b", "retrieval", "support"),
    ]
    there = assemble(RUN, parts, ["b", "a"])
    back = assemble(RUN, parts[::-1], ["b", "a"])
    assert there == back
    assert write_scores(parts, tmp_path / "there").read_bytes() == (
        write_scores(parts[::-1], tmp_path / "back").read_bytes()
    )


def test_an_empty_run_is_a_report_too(tmp_path: Path) -> None:
    report = assemble(RUN, [], ["a"])
    assert json.loads(write_report(report, tmp_path).read_text(encoding="utf-8")) == {
        "schema_version": 1,
        "run": RUN.model_dump(),
        **{name: [] for name in ("models", "datasets", "measurements", "speed", "verdicts")},
    }


def test_scores_keep_every_digit_and_every_letter(tmp_path: Path) -> None:
    score = 1 / 3
    names = ("model", "retrieval", 'ağrı, "iki"|üç', "mrr@10")
    ids = ["satır\nsonu\r\nİ", "boru|ters\\bölü;\tsekme"]
    part = Part(scores=[(*names, ids[0], score), (*names, ids[1], 1e-300)])
    path = write_scores([part], tmp_path / "new folder")
    assert path == tmp_path / "new folder" / "scores.csv"
    assert path.read_bytes().startswith(b"model,suite,dataset,metric,query_id,score\n")
    rows = _rows(path)
    assert [tuple(row.values())[:-1] for row in rows] == [(*names, identity) for identity in ids]
    assert [float(row["score"]) for row in rows] == [score, 1e-300]


def test_the_report_reads_well_and_ends_with_a_newline(tmp_path: Path) -> None:
    path = write_report(assemble(RUN, [part("ağrı-kesici")], []), tmp_path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith('{\n  "schema_version": 1,\n  "run": {')
    assert text.endswith("}\n")
    assert "ağrı-kesici" in text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_of_the_report_is_other_than_finite(tmp_path: Path, value: float) -> None:
    report = assemble(RUN, [part("a")], ["a"])
    report.measurements[:] = [Measurement("a", "retrieval", "medical", "mrr@10", value, 1, value, value)]
    text = write_report(report, tmp_path).read_text(encoding="utf-8")
    (row,) = json.loads(text, parse_constant=pytest.fail)["measurements"]
    assert (row["value"], row["low"], row["high"]) == (None, None, None)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
