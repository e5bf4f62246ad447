from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from pytest_embedeval.datasets import Finding
from pytest_embedeval.gate import Beside, Cost, Measurement, StageRow, Verdict
from pytest_embedeval.models import ModelInfo, Prompts
from pytest_embedeval.report import DatasetRow, Report, SpeedRow, failure_line, table_lines
from pytest_embedeval.report.schema import Git, Run, VectorsRow

HEADER = ["Model", "Dim", "Time", "text/s", "Silh", "Morph", "MRR", "R@1", "R@3", "R@5", "R@10"]
_SUITE = {"silhouette.kmeans": "clustering", "morphology.auc": "morphology"}


def test_each_column_shows_its_metric() -> None:
    values = {
        "encode_s": 12.34,
        "silhouette.kmeans": -0.0491,
        "morphology.auc": 0.9,
        "mrr@10": 0.3754,
        "recall@1": 0.0,
        "recall@3": 0.25,
        "recall@5": 0.9996,
        "recall@10": 1.0,
    }
    report = _report([ModelInfo("a", "a", dimension=1024)], _measured("a", values), speed=[_rate("a", 1234.5)])
    assert _cells(report) == [
        HEADER,
        ["a", "1024", "12.3", "1234", "-.049", ".900", ".375", ".000", ".250", "1.00", "1.00"],
    ]


def test_what_was_not_measured_is_a_dash() -> None:
    models = [ModelInfo("a", "a", dimension=8), ModelInfo("bm25", "bm25", kind="lexical"), ModelInfo("c", "c")]
    report = _report(models, _measured("a", {"mrr@10": None, "recall@1": 0.5}))
    assert _cells(report)[1:] == [
        ["a", "8", "-", "-", "-", "-", "-", ".500", "-", "-", "-"],
        ["bm25", *["-"] * 10],
        ["c", *["-"] * 10],
    ]


def test_models_keep_the_order_of_the_report() -> None:
    models = [ModelInfo(alias, alias) for alias in ("second", "first")]
    report = _report(models, [*_measured("first", {"mrr@10": 1.0}), *_measured("second", {"mrr@10": 0.1})])
    assert [(row[0], row[6]) for row in _cells(report)[1:]] == [("second", ".100"), ("first", "1.00")]


def test_each_searched_data_set_has_its_table() -> None:
    measured = [*_measured("a", {"mrr@10": 0.1}), *_measured("a", {"mrr@10": 0.9}, dataset="support")]
    lines = list(
        table_lines(_report([ModelInfo("a", "a")], [*measured, *_measured("a", {"morphology.auc": 0.8}, "tr")]))
    )
    starts = {name: lines.index(name) for name in ("medical", "support")}
    assert [lines[start + 2].split()[5:7] for start in starts.values()] == [[".800", ".100"], [".800", ".900"]]
    assert "tr" not in lines


def test_word_forms_are_those_of_the_language_of_the_table() -> None:
    words = {"de": 0.7, "tr": 0.8}
    measured = [*_measured("a", {"mrr@10": 0.1}), *_measured("a", {"mrr@10": 0.9}, dataset="products")]
    measured += [row for code, value in words.items() for row in _measured("a", {"morphology.auc": value}, code)]
    report = _report([ModelInfo("a", "a")], measured)
    named = {row.name: row for row in report.datasets}
    template = next(iter(named.values()))
    spoken = {"medical": "tr", "products": "en", "de": "de", "tr": "tr-TR"}
    report.datasets = [template.model_copy(update={"name": name, "language": code}) for name, code in spoken.items()]
    lines = list(table_lines(report))
    assert [lines[lines.index(name) + 2].split()[5] for name in ("medical", "products")] == [".800", "-"]


def test_the_articles_protocol_is_named_beside_its_data_set() -> None:
    finding = Finding("article-protocol", 1, "scored by the article's protocol")
    report = _report([ModelInfo("a", "a")], _measured("a", {"mrr@10": 0.1}), findings=[finding])
    assert next(table_lines(report)).startswith("medical (the article's protocol")


def test_a_model_that_was_not_loaded_has_a_row_and_a_reason() -> None:
    models = [ModelInfo("a", "a", dimension=8), ModelInfo("gone", "./gone", error="there is no folder /gone")]
    report = _report(models, _measured("a", {"mrr@10": 0.5}))
    assert _cells(report)[2] == ["gone", *["-"] * 10]
    assert "not loaded  gone: there is no folder /gone" in list(table_lines(report))


def test_a_run_in_which_no_model_loads_still_names_each() -> None:
    report = _report([ModelInfo("gone", "./gone", error="there is no folder /gone")], [])
    assert "not loaded  gone: there is no folder /gone" in list(table_lines(report))


def test_a_run_of_speed_alone_shows_its_rates() -> None:
    report = _report([ModelInfo("a", "a", dimension=8)], [], speed=[_rate("a", 99.94)])
    assert ["a", "8", "-", "99.9", *["-"] * 7] in [line.split() for line in table_lines(report)]


def test_every_verdict_but_a_pass_has_its_line() -> None:
    verdicts = [
        Verdict("a", "retrieval", "medical", "mrr@10", "min", 0.5, 0.4, "pass", "fine"),
        Verdict("a", "retrieval", "medical", "mrr@10", "min", 0.3, 0.4, "fail", "mrr@10 0.3000 is below"),
        Verdict("b", "morphology", "tr", "morphology.acu", "min", None, 0.4, "error", "was not measured"),
    ]
    lines = list(table_lines(_report([ModelInfo("a", "a")], _measured("a", {"mrr@10": 0.3}), verdicts=verdicts)))
    assert lines[-2:] == [
        "fail        a retrieval/medical: mrr@10 0.3000 is below",
        "error       b morphology/tr: was not measured",
    ]
    assert not any("fine" in line for line in lines)


def test_comparisons_name_their_reference_and_what_they_found() -> None:
    verdict = Verdict("a", "retrieval", "medical", "mrr@10", "baseline", 0.5, 0.5, "pass", "better", reference="a")
    against = replace(verdict, rule="against", reference="prod")
    verdicts = [
        replace(verdict, change="improved"),
        replace(against, state="inconclusive", reason="too few queries"),
        replace(against, state="fail", reason="worse"),
        replace(against, state="fail", change="regressed", advisory=True, metric="recall@1", delta=-0.1),
        replace(verdict, change="non-inferior", reason="silent"),
        replace(verdict, change="improved", advisory=True, reason="silent"),
        replace(against, state="inconclusive", advisory=True, reason="silent"),
    ]
    lines = list(table_lines(_report([ModelInfo("a", "a")], _measured("a", {"mrr@10": 0.5}), verdicts=verdicts)))
    assert lines[-4:] == [
        "improved    a retrieval/medical: better",
        "warning     a retrieval/medical against prod: too few queries",
        "fail        a retrieval/medical against prod: worse",
        "advisory    a retrieval/medical against prod: REGRESSED too: recall@1 −0.100",
    ]
    assert not any("silent" in line for line in lines)


VECTORS = VectorsRow(
    model="a",
    suite="retrieval",
    dataset="medical",
    role="document",
    texts=1200,
    encoded=1200,
    reused=0,
    seconds=1.0,
    spent=1.0,
)


def test_texts_that_a_model_cuts_off_are_counted() -> None:
    rows = [
        VECTORS.model_copy(update={"truncated": 1100}),
        VECTORS.model_copy(update={"truncated": 3, "role": "query", "texts": 12}),
        VECTORS.model_copy(update={"truncated": 0, "dataset": "support"}),
        VECTORS.model_copy(update={"dataset": "faq"}),
    ]
    report = _report([ModelInfo("a", "a", max_tokens=256)], [], vectors=rows)
    assert list(table_lines(report))[-2:] == [
        "truncated   a retrieval/medical: 1,100 of 1,200 documents are longer than 256 tokens, and only their "
        "beginning is read",
        "truncated   a retrieval/medical: 3 of 12 queries are longer than 256 tokens, and only their beginning is read",
    ]


def test_what_was_found_of_models_and_their_vectors_is_told() -> None:
    missing = Finding("missing-prompt", 1, "model 'a' puts no prompt before queries")
    narrow = Finding("anisotropy", 1200, "a: the cosines of unrelated documents average 0.90")
    rows = [VECTORS.model_copy(update={"findings": [narrow]})]
    report = _report([ModelInfo("a", "a", findings=(missing,)), ModelInfo("b", "b")], [], vectors=rows)
    assert list(table_lines(report))[-2:] == [
        "note        model 'a' puts no prompt before queries",
        "note        retrieval/medical: a: the cosines of unrelated documents average 0.90",
    ]


def test_of_the_variants_of_one_model_the_first_alone_is_told_of() -> None:
    missing = Finding("missing-prompt", 1, "a prompt is missing")
    whole = ModelInfo("a", "a", fingerprint="sha256:1", max_tokens=256, findings=(missing,))
    models = [whole, replace(whole, alias="b", dimension=64), replace(whole, alias="c", prompts=Prompts("query: ", ""))]
    rows = [VECTORS.model_copy(update={"model": alias, "truncated": 3}) for alias in ("a", "b", "c")]
    lines = list(table_lines(_report(models, [], vectors=rows)))
    assert [line.split()[0:2] for line in lines[-4:]] == [
        ["note", "a"],
        ["note", "a"],
        ["truncated", "a"],
        ["truncated", "c"],
    ]


def test_a_variant_says_what_it_costs_and_what_it_saves() -> None:
    cost = Cost(
        "b", "retrieval", "medical", "mrr@10", "64 dimensions", 0.6, 0.65, -0.05, -0.075, 0.01, 1200, 24, 256, 4096
    )
    onnx = replace(cost, model="c", variant="onnx", bytes_per_vector=None, whole_bytes_per_vector=None)
    onnx = replace(onnx, texts_per_s=91.25, whole_texts_per_s=60.0)
    lines = list(table_lines(_report([ModelInfo("a", "a")], [], costs=[cost, onnx])))
    change = "mrr@10 0.650 → 0.600 (−0.050, one-sided 95 % [−0.075, +0.010], 24 of 1,200 differ)"
    assert lines[-2:] == [
        f"variant     b retrieval/medical: 64 dimensions: {change}; 256 bytes per vector instead of 4,096",
        f"variant     c retrieval/medical: onnx: {change}; 91.2 texts/s instead of 60.0",
    ]


def test_warnings_come_before_the_verdicts() -> None:
    verdict = Verdict("a", "retrieval", "medical", "mrr@10", "min", 0.3, 0.4, "fail", "below")
    report = _report([ModelInfo("a", "a")], [], verdicts=[verdict], warnings=["vector store: cannot be opened"])
    assert list(table_lines(report))[-2:] == [
        "warning     vector store: cannot be opened",
        "fail        a retrieval/medical: below",
    ]


def test_a_long_reason_is_cut() -> None:
    line = failure_line(Verdict("a", "retrieval", "medical", "mrr@10", "min", 0.3, 0.4, "fail", "long " * 100))
    assert len(line) < 350
    assert line.endswith("…")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0"), (0.06, "0.1"), (99.94, "99.9"), (99.96, "100"), (9999.0, "9999")],
)
def test_a_time_takes_four_characters(seconds: float, shown: str) -> None:
    report = _report([ModelInfo("a", "a")], _measured("a", {"encode_s": seconds, "mrr@10": 0.5}))
    assert _cells(report)[1][2] == shown


def test_the_widest_rows_and_the_legend_fit_80_columns() -> None:
    values = {
        "encode_s": 9999.0,
        "silhouette.kmeans": -0.999,
        **dict.fromkeys(("morphology.auc", "mrr@10", "recall@1", "recall@3", "recall@5", "recall@10"), 0.999),
    }
    alias = "a-very-long-alias-of-a-model"
    report = _report([ModelInfo(alias, "a", dimension=4096)], _measured(alias, values), speed=[_rate(alias, 99999.0)])
    assert max(map(len, table_lines(report))) <= 80


def test_a_line_says_who_wins_beside_words() -> None:
    found = Beside("a", "bm25", "medical", "mrr@10", 0.5, 0.4, 0.1, 0.02, 0.18, n=12, won=6, lost=5, tied=1)
    lines = list(table_lines(_report([ModelInfo("a", "a")], [], beside=[found], warnings=["the disk is full"])))
    assert lines[-2:] == [
        "beside      a beside bm25 on medical: mrr@10 0.400 → 0.500 (+0.100, one-sided 95 % [+0.020, +0.180]); 6 won, "
        "5 lost, 1 tied",
        "warning     the disk is full",
    ]


def test_two_stages_have_a_line_by_depth() -> None:
    alone = StageRow("a", "ce", "medical", "mrr@10", 0, 12, 0.4004, 0.3, 0.5)
    rows = [
        alone,
        replace(alone, depth=10, value=0.45, p50_ms=3.14159, timed=12),
        replace(alone, depth=1000, value=0.5, p50_ms=123.4, timed=12),
        replace(alone, model="b", value=0.9),
        replace(alone, dataset="support", value=0.1),
    ]
    assert list(table_lines(_report([ModelInfo("a", "a")], [], stages=rows)))[-3:] == [
        "stages      a on medical: mrr@10 0.400 without, 0.450 at 10 (3.1 ms), 0.500 at 1,000 (123 ms)",
        "stages      b on medical: mrr@10 0.900 without",
        "stages      a on support: mrr@10 0.100 without",
    ]


def test_two_metrics_of_two_stages_have_a_line_each() -> None:
    rows = [
        StageRow("a", "ce", "medical", metric, depth, 12, value, 0.1, 0.9)
        for metric, values in (("mrr@10", (0.4, 0.5)), ("ndcg@10", (0.6, 0.7)))
        for depth, value in zip((0, 20), values, strict=True)
    ]
    assert list(table_lines(_report([ModelInfo("a", "a")], [], stages=rows)))[-2:] == [
        "stages      a on medical: mrr@10 0.400 without, 0.500 at 20",
        "stages      a on medical: ndcg@10 0.600 without, 0.700 at 20",
    ]


def _report(
    models: Sequence[ModelInfo],
    measurements: Sequence[Measurement],
    *,
    speed: Sequence[SpeedRow] = (),
    verdicts: Sequence[Verdict] = (),
    findings: Sequence[Finding] = (),
    vectors: Sequence[VectorsRow] = (),
    costs: Sequence[Cost] = (),
    beside: Sequence[Beside] = (),
    stages: Sequence[StageRow] = (),
    warnings: Sequence[str] = (),
) -> Report:
    run = Run(started="2025-01-01", duration_s=1.0, git=Git(), versions={}, machine={}, settings={})
    dataset = DatasetRow(
        name="medical", fingerprint="f", language="tr", queries=1, documents=1, judgements=1, findings=list(findings)
    )
    return Report(
        run=run,
        models=list(models),
        datasets=[dataset],
        measurements=list(measurements),
        speed=list(speed),
        verdicts=list(verdicts),
        vectors=list(vectors),
        costs=list(costs),
        beside=list(beside),
        stages=list(stages),
        warnings=list(warnings),
    )


def _measured(
    model: str, values: dict[str, float | None] | dict[str, float], dataset: str = "medical"
) -> list[Measurement]:
    return [
        Measurement(model, _SUITE.get(metric, "retrieval"), dataset, metric, value, 12)
        for metric, value in values.items()
    ]


def _rate(model: str, texts_per_s: float) -> SpeedRow:
    return SpeedRow(model=model, task="encode", texts_per_s=texts_per_s, rounds=3)


def _cells(report: Report) -> list[list[str]]:
    """Return the cells of the first table, header first."""
    lines = list(table_lines(report))
    start = next(i for i, line in enumerate(lines) if line.startswith("Model"))
    return [line.split() for line in lines[start : lines.index("", start)]]
