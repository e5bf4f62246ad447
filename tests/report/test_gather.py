from __future__ import annotations

import csv
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from pytest_embedeval.gate import (
    Baseline,
    Beside,
    Comparison,
    Cost,
    Excerpts,
    FusionRow,
    Measurement,
    Result,
    StageRow,
    Verdict,
    load_baseline,
)
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report import (
    DatasetRow,
    Part,
    ResultRow,
    SpeedRow,
    assemble,
    gather_excerpts,
    gather_results,
    scores_text,
    write_run,
)
from pytest_embedeval.report.schema import Git, Run, VectorsRow
from tests.gate.test_results import kept

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
    assert len(_rows(_write(tmp_path, *parts) / "scores.csv")) == 2


def test_the_order_in_which_workers_finish_changes_nothing() -> None:
    parts = [
        part("a", "clustering"),
        part("a", "morphology", "forms"),
        part("a", "retrieval"),
        part("b", "retrieval", "support"),
    ]
    there = assemble(RUN, parts, ["b", "a"])
    back = assemble(RUN, parts[::-1], ["b", "a"])
    assert there == back
    assert scores_text(parts) == scores_text(parts[::-1])


def beside(model: str, reference: str, dataset: str = "medical", metric: str = "mrr@10") -> Beside:
    return Beside(model, reference, dataset, metric, 0.5, 0.4, 0.1, 0.0, 0.2, n=9, won=4, lost=3, tied=2)


def lexical(model: str, dataset: str = "medical", metric: str = "mrr@10") -> Part:
    """Make what one comparison with words adds."""
    hybrid = f"{model}+bm25:alpha=0.3"
    shares = [("weighted", 0.0, "all"), ("weighted", 0.3, "all"), ("rrf", None, "all"), ("weighted", 0.3, "held out")]
    return Part(
        beside=[beside(m, r, dataset, metric) for m, r in ((model, "bm25"), (hybrid, "bm25"), (hybrid, model))],
        fusion=[FusionRow(model, dataset, metric, *share, 9, 0.5, 0.4, 0.6) for share in shares],
        stages=[StageRow(model, "ce", dataset, metric, depth, 9, 0.5, 0.4, 0.6) for depth in (0, 10, 100)],
    )


def test_comparisons_with_words_stand_by_data_set_and_model_in_the_order_in_which_they_were_made() -> None:
    parts = [
        lexical("a"),
        lexical("a", "support"),
        lexical("a+b", "medical", "ndcg@10"),
        lexical("a+b"),
        lexical("b"),
    ]
    there, back = (assemble(RUN, order, ["b", "a+b", "a"]) for order in (parts, parts[::-1]))
    assert there == back
    assert [(row.dataset, row.model, row.reference, row.metric) for row in there.beside] == [
        (dataset, model, reference, metric)
        for dataset, alias, metric in (
            ("medical", "b", "mrr@10"),
            ("medical", "a+b", "mrr@10"),
            ("medical", "a+b", "ndcg@10"),
            ("medical", "a", "mrr@10"),
            ("support", "a", "mrr@10"),
        )
        for model, reference in (
            (alias, "bm25"),
            (f"{alias}+bm25:alpha=0.3", "bm25"),
            (f"{alias}+bm25:alpha=0.3", alias),
        )
    ]
    places = [("b", "medical"), ("a+b", "medical"), ("a+b", "medical"), ("a", "medical"), ("a", "support")]
    assert [(row.model, row.dataset) for row in there.fusion][::4] == places
    assert [(row.model, row.dataset) for row in there.stages][::3] == places
    assert [row.alpha for row in there.fusion] == [0.0, 0.3, None, 0.3] * 5
    assert [row.depth for row in there.stages] == [0, 10, 100] * 5
    metrics = ["mrr@10", "mrr@10", "ndcg@10", "mrr@10", "mrr@10"]
    assert [row.metric for row in there.stages][::3] == [row.metric for row in there.fusion][::4] == metrics


def test_a_comparison_with_words_made_twice_has_one_row() -> None:
    report = assemble(RUN, [lexical("a"), lexical("a")], ["a"])
    assert (len(report.beside), len(report.fusion), len(report.stages)) == (3, 4, 3)


def test_an_empty_run_is_a_report_too(tmp_path: Path) -> None:
    path = write_run(assemble(RUN, [], ["a"]), [], [], tmp_path)
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "schema_version": 1,
        "run": RUN.model_dump(),
        **{name: [] for name in ("models", "datasets", "measurements", "speed", "verdicts", "comparisons")},
        **{
            name: []
            for name in ("vectors", "costs", "beside", "fusion", "stages", "indexes", "usage", "warnings", "decisions")
        },
        "robustness": [],
    }


def test_scores_keep_every_digit_and_every_letter(tmp_path: Path) -> None:
    score = 1 / 3
    names = ("model", "retrieval", 'ağrı, "iki"|üç', "mrr@10")
    ids = ["satır\nsonu\r\nİ", "boru|ters\\bölü;\tsekme"]
    part = Part(scores=[(*names, ids[0], score), (*names, ids[1], 1e-300)])
    path = _write(tmp_path / "new folder", part) / "scores.csv"
    assert path.read_bytes().startswith(b"model,suite,dataset,metric,query_id,score\n")
    rows = _rows(path)
    assert [tuple(row.values())[:-1] for row in rows] == [(*names, identity) for identity in ids]
    assert [float(row["score"]) for row in rows] == [score, 1e-300]


def test_the_report_reads_well_and_ends_with_a_newline(tmp_path: Path) -> None:
    text = (_write(tmp_path, part("ağrı-kesici")) / "report.json").read_text(encoding="utf-8")
    assert text.startswith('{\n  "schema_version": 1,\n  "run": {')
    assert text.endswith("}\n")
    assert "ağrı-kesici" in text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_of_the_report_is_other_than_finite(tmp_path: Path, value: float) -> None:
    report = assemble(RUN, [part("a")], ["a"])
    report.measurements[:] = [Measurement("a", "retrieval", "medical", "mrr@10", value, 1, value, value)]
    text = write_run(report, [], [], tmp_path).read_text(encoding="utf-8")
    (row,) = json.loads(text, parse_constant=pytest.fail)["measurements"]
    assert (row["value"], row["low"], row["high"]) == (None, None, None)


def result(model: str, found: Result, suite: str = "retrieval") -> Part:
    return Part(results=[ResultRow(model=model, suite=suite, dataset="medical", result=found)])


def test_results_stand_by_alias_and_place() -> None:
    one, two = kept({"mrr@10": [0.5]}), kept({"triplet.accuracy": [1.0]})
    found = gather_results([result("b", one), result("a", two, "triplets"), result("a", one)])
    assert list(found.items()) == [
        (("a", "retrieval/medical"), one),
        (("a", "triplets/medical"), two),
        (("b", "retrieval/medical"), one),
    ]


def test_metrics_of_a_data_set_that_is_gated_twice_stand_together() -> None:
    one, two = kept({"mrr@10": [0.5]}, tests=["a.py::one"]), kept({"recall@10": [1.0]}, tests=["a.py::two"])
    both = kept({"mrr@10": [0.5], "recall@10": [1.0]}, tests=["a.py::one", "a.py::two"])
    for parts in ([one, two], [two, one]):
        assert gather_results([result("a", found) for found in parts]) == {("a", "retrieval/medical"): both}


def test_texts_of_a_data_set_stand_together() -> None:
    parts = [
        Part(excerpts=[Excerpts("medical", {"q1": "Ağrı?"}, {"d1": "bir"}, {"q1": ["d1"]})]),
        Part(excerpts=[Excerpts("support", {"q1": "Fatura?"})]),
        Part(excerpts=[Excerpts("medical", {"q2": "Ateş?"}, {"d2": "iki"}, {"q2": ["d2"]})]),
    ]
    assert gather_excerpts(parts) == {
        "medical": Excerpts(
            "medical", {"q1": "Ağrı?", "q2": "Ateş?"}, {"d1": "bir", "d2": "iki"}, {"q1": ["d1"], "q2": ["d2"]}
        ),
        "support": Excerpts("support", {"q1": "Fatura?"}),
    }


def test_verdicts_on_slices_and_rules_are_rows_of_their_own() -> None:
    whole = Verdict("a", "retrieval", "medical", "mrr@10", "baseline", 0.4, 0.5, "pass", "")
    rows = [
        replace(whole, rule="min"),
        whole,
        replace(whole, slice="category=kalp", state="fail"),
        replace(whole, slice="category=göz", state="fail"),
        replace(whole, rule="against", reference="prod"),
    ]
    report = assemble(RUN, [Part(verdicts=rows[4:]), Part(verdicts=rows[:4]), Part(verdicts=[whole])], ["a"])
    assert report.verdicts == rows  # in this order, whichever process was first


def test_a_comparison_made_again_replaces_the_first() -> None:
    first = Comparison("b", "a", "against", "retrieval", "medical", "mrr@10", "x", "y", 10, 3, 1, None, [], [])
    again, other = replace(first, lost=2), replace(first, model="a", reference="b")
    stored = replace(first, reference="b", rule="baseline")
    report = assemble(RUN, [Part(comparisons=[first]), Part(comparisons=[other, again, stored])], ["a", "b"])
    assert report.comparisons == [other, stored, again]


def vectors(model: str, role: Literal["query", "document"], suite: str = "retrieval", **numbers: int) -> VectorsRow:
    row = VectorsRow(
        model=model, suite=suite, dataset="medical", role=role, texts=2, encoded=2, reused=0, seconds=1.0, spent=1.0
    )
    return row.model_copy(update=numbers)


def test_vectors_stand_by_model_suite_and_role_whichever_worker_was_first() -> None:
    rows = [
        vectors("b", "query", "morphology"),
        vectors("b", "document"),
        vectors("b", "query"),
        vectors("a", "query"),
    ]
    for parts in (rows, rows[::-1]):
        assert assemble(RUN, [Part(vectors=[row]) for row in parts], ["b", "a"]).vectors == rows


def test_vectors_that_a_second_test_asked_for_replace_the_first() -> None:
    again = vectors("a", "query", encoded=0, reused=2)
    assert assemble(RUN, [Part(vectors=[vectors("a", "query")]), Part(vectors=[again])], ["a"]).vectors == [again]


def test_each_variant_and_metric_has_one_cost() -> None:
    cost = Cost("a", "retrieval", "medical", "mrr@10", "int8", 0.4, 0.5, -0.1, -0.2, 0.1, 40, 3)
    rows = [
        replace(cost, model="b"),
        cost,
        replace(cost, metric="recall@10"),
        replace(cost, variant="onnx"),
        replace(cost, dataset="support"),
    ]
    parts = [Part(costs=rows[:2]), Part(costs=rows[1:]), Part(costs=[cost])]
    assert assemble(RUN, parts, ["b", "a"]).costs == rows


def test_what_several_workers_warn_of_is_said_once() -> None:
    parts = [Part(warnings=["the store is damaged"]), Part(warnings=["a file is gone", "the store is damaged"])]
    assert assemble(RUN, parts, []).warnings == ["a file is gone", "the store is damaged"]


def test_a_run_leaves_candidate_baselines_and_texts(tmp_path: Path) -> None:
    texts = Excerpts("medical", {"q1": "Ağrı?"}, {"d1": "bir"}, {"q1": ["d1"]})
    baselines = [Baseline(alias=alias, results={"retrieval/tıp": kept({"mrr@10": [0.5]})}) for alias in ("v1.5", "b")]
    path = write_run(assemble(RUN, [], []), [Part(excerpts=[texts])], baselines, tmp_path)
    assert path == tmp_path / "report.json"
    files = sorted(str(found.relative_to(tmp_path)) for found in tmp_path.rglob("*") if found.is_file())
    assert files == ["baselines/b.json", "baselines/v1.5.json", "report.json", "scores.csv", "summary.md", "texts.json"]
    for baseline in baselines:
        assert load_baseline(tmp_path / "baselines" / f"{baseline.alias}.json") == baseline
    text = (tmp_path / "texts.json").read_text(encoding="utf-8")
    assert "Ağrı?" in text
    assert json.loads(text)["medical"]["relevant"] == {"q1": ["d1"]}


def test_candidates_of_an_earlier_run_go(tmp_path: Path) -> None:
    """Somebody who copies the folder may not store scores that this run did not find."""
    old, new = (Baseline(alias=alias, results={"retrieval/tıp": kept({"mrr@10": [0.5]})}) for alias in ("old", "new"))
    write_run(assemble(RUN, [], []), [], [old], tmp_path)
    write_run(assemble(RUN, [], []), [], [new], tmp_path)
    assert [path.name for path in (tmp_path / "baselines").iterdir()] == ["new.json"]


def test_a_run_that_cannot_be_written_leaves_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    baseline = Baseline(alias="a", results={"retrieval/tıp": kept({"mrr@10": [0.5]})})
    write_run(assemble(RUN, [part("a")], ["a"]), [part("a")], [baseline], tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    synced: list[int] = []

    def full(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == len(before):
            raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_run(assemble(RUN, [part("b", value=0.1)], ["b"]), [part("b", value=0.1)], [baseline], tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def _write(folder: Path, *parts: Part) -> Path:
    return write_run(assemble(RUN, parts, []), parts, [], folder).parent


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
