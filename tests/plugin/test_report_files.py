"""report.json, scores.csv, the table and the other places where results go."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pytest_embedeval.cli import main
from pytest_embedeval.report import Report
from tests.plugin.conftest import configure, read_report, read_scores
from tests.report.test_page import CHROMIUM, PATIENT, drive

RETRIEVAL = "suites/test_retrieval.py::test_retrieval"


@pytest.mark.usefixtures("uncalibrated")
def test_the_report_has_the_keys_of_the_design(project: pytest.Pytester) -> None:
    configure(project, '[gates."retrieval/medical"]\n"mrr@10" = { min = 0.1 }\n')
    models = "--models=blind,small=blind:dim=16,bm25,two=bm25:rerank=blind,gone=./gone"
    project.runpytest_inprocess("suites", models, "--against=bm25", "-k", "not contract")
    report = read_report(project)
    assert [report.pop(name) for name in ("warnings", "usage", "indexes")] == [[], [], []]
    assert {key: _keys(value) for key, value in report.items()} == {
        "schema_version": set(),
        "run": {"started", "duration_s", "git", "versions", "machine", "settings", "command"},
        "models": {
            *("alias", "source", "revision", "fingerprint", "kind", "dimension", "max_tokens", "prompts"),
            *("precision", "device", "load_s", "error", "backend", "dtype", "engine", "native_dimension"),
            *("bytes_per_vector", "encoding", "findings", "search", "price"),
        },
        "datasets": {"name", "fingerprint", "language", "queries", "documents", "judgements", "findings"},
        "measurements": {
            *("model", "suite", "dataset", "metric", "value", "n", "low", "high", "worst", "best", "primary"),
        },
        "speed": {
            *("model", "task", "dataset", "texts_per_s", "tokens_per_s", "p50_ms", "p95_ms", "rounds"),
            *("peak_memory_mib", "calibration"),
        },
        "verdicts": {
            *("model", "suite", "dataset", "metric", "rule", "value", "bound", "delta", "low", "high", "n"),
            *("differ", "state", "reason", "reference", "change", "slice", "advisory"),
        },
        "comparisons": {
            *("model", "reference", "rule", "suite", "dataset", "metric", "before", "after", "n", "lost", "won"),
            *("overlap", "slices", "queries"),
        },
        "vectors": {
            *("model", "suite", "dataset", "role", "texts", "encoded", "reused", "seconds", "spent", "tokens"),
            *("truncated", "mean_cosine", "equal", "hubness", "findings"),
        },
        "costs": {
            *("model", "suite", "dataset", "metric", "variant", "value", "whole", "delta", "low", "high", "n"),
            *("differ", "bytes_per_vector", "whole_bytes_per_vector", "texts_per_s", "whole_texts_per_s"),
        },
        "beside": {
            *("model", "reference", "dataset", "metric", "value", "reference_value", "delta", "low", "high", "n"),
            *("won", "lost", "tied", "largest"),
        },
        "fusion": {
            *("model", "dataset", "metric", "fusion", "alpha", "queries", "n", "value", "low", "high"),
            *("chosen", "beside", "delta", "delta_low", "delta_high"),
        },
        "stages": {
            *("model", "second", "dataset", "metric", "depth", "n", "value", "low", "high"),
            *("delta", "delta_low", "delta_high", "p50_ms", "timed"),
        },
        "robustness": {
            *("model", "dataset", "metric", "perturbation", "clean", "value", "delta", "low", "high", "n"),
            *("changed", "queries", "lost", "won", "largest"),
        },
        "decisions": {
            *("scenario", "title", "weights", "outcome", "reason", "best", "cheapest", "left_out", "unmeasured"),
            *("choices", "metrics"),
        },
    }
    assert set(report["run"]["git"]) == {"commit", "dirty"}
    assert set(report["models"][0]["prompts"]) == {"query", "document"}
    assert report["schema_version"] == 1


def test_the_report_says_what_was_judged_and_on_what(project: pytest.Pytester) -> None:
    project.runpytest_inprocess("suites", "--models=letters,bm25", "-k", "not contract and not speed")
    report = read_report(project)
    Report.model_validate(report)
    assert [(row["alias"], row["kind"], row["dimension"]) for row in report["models"]] == [
        ("letters", "dense", 256),
        ("bm25", "lexical", None),
    ]
    sizes = {row["name"]: (row["language"], row["queries"], row["documents"]) for row in report["datasets"]}
    assert sizes == {"medical": ("tr", 12, 12), "forms": ("tr", 12, 51)}
    assert {(row["model"], row["suite"]) for row in report["measurements"]} == {
        *(("letters", suite) for suite in ("clustering", "morphology", "retrieval", "robustness", "triplets")),
        *(("bm25", suite) for suite in ("retrieval", "robustness")),
    }
    assert report["run"]["versions"]["pytest"] == pytest.__version__


def test_the_report_says_what_decides_and_compare_and_the_guide_go_by_it(
    project: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    own = '[gates."retrieval/medical".blind]\n"recall@3" = { primary = true }\n'
    configure(project, f'[gates."retrieval/medical"]\n"ndcg@10" = {{ primary = true }}\n{own}')
    project.runpytest_inprocess(RETRIEVAL, "suites/test_morphology.py", "--models=letters,blind")
    report = read_report(project)
    assert {(row["model"], row["metric"]) for row in report["measurements"] if row["primary"]} == {
        *(("letters", "ndcg@10"), ("blind", "ndcg@10"), ("blind", "recall@3")),
        *((alias, "morphology.auc") for alias in ("letters", "blind")),
    }
    (offline,) = (row for row in report["decisions"] if row["scenario"] == "offline")
    measured = {row["model"]: row["value"] for row in report["measurements"] if row["metric"] == "ndcg@10"}
    assert offline["metrics"] == {"retrieval": ["ndcg@10"]}
    assert {choice["model"]: choice["score"] for choice in offline["choices"]} == pytest.approx(measured)
    capsys.readouterr()
    folder = str(project.path / ".embedeval")
    for sides in ((folder, folder), (f"{folder}/baselines", folder), (folder, f"{folder}/baselines")):
        assert main(["compare", *sides, "--models=letters"]) == 0
        assert re.findall(r"\S+(?= \d\.\d+ →)", capsys.readouterr().out) == ["morphology.auc", "ndcg@10"]


def test_the_report_holds_the_line_that_started_it_without_keys(project: pytest.Pytester) -> None:
    project.runpytest_inprocess(
        RETRIEVAL, "--models=letters", "-k", "retrieval and medical", "-p", "no:token-auth=0815"
    )
    command = read_report(project)["run"]["command"]
    assert f"{RETRIEVAL} --models=letters -k 'retrieval and medical' -p no:token-auth=0815" in command


def test_every_run_has_a_page_that_says_what_the_report_says(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters,blind")
    page = (project.path / ".embedeval" / "report.html").read_text(encoding="utf-8")
    assert "<strong>letters</strong> was measured; no rule judges it" in page
    assert "12" in page
    assert "<figure" not in page, "pictures are off here"
    result.stdout.fnmatch_lines(["report: *report.json", f"page: {project.path / '.embedeval' / 'report.html'}"])


def test_a_run_draws_pictures_where_altair_is_installed(project: pytest.Pytester) -> None:
    models = "--models=letters,blind,bm25"
    result = project.runpytest_subprocess(RETRIEVAL, "suites/test_robustness.py", models, "--embedeval-pictures=auto")
    assert result.ret == pytest.ExitCode.OK
    folder = project.path / ".embedeval"
    drawn = [path.name for path in sorted((folder / "plots").iterdir())]
    assert drawn == [f"{kind}-medical.{form}" for kind in ("retrieval", "typed") for form in ("png", "svg")]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "vegaEmbed" in page
    if CHROMIUM is None:
        return
    found = drive(
        project.path, page, "await window.drawn; choose('kind', 'wrong'); return [charts(), count()];", PATIENT
    )
    assert found[0] == 2
    assert re.fullmatch(r"\d+ of 12 queries", found[1])


def test_without_altair_all_else_is_written_and_a_line_says_what_to_install(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters", "--embedeval-pictures=auto")
    assert result.ret == pytest.ExitCode.OK
    install = "Altair is not installed; add it with: pip install 'pytest-embedeval?report?'"
    result.stdout.fnmatch_lines([f"report.html is without pictures: {install}"])
    assert {"report.json", "report.html", "scores.csv"} <= {
        path.name for path in (project.path / ".embedeval").iterdir()
    }


def test_a_picture_that_fails_costs_no_score(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(report: Report) -> None:
        raise ValueError("no such colour")

    monkeypatch.setattr("pytest_embedeval.report.pages.pictures", broken)
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters", "--embedeval-pictures=auto")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["report.html could not be written: ValueError: no such colour", "report: *"])
    assert read_report(project)["measurements"]


def test_scores_csv_has_one_row_per_query_and_metric(project: pytest.Pytester) -> None:
    project.runpytest_inprocess("suites", "--models=letters,blind", "-k", "retrieval or morphology")
    rows = read_scores(project)
    assert list(rows[0]) == ["model", "suite", "dataset", "metric", "query_id", "score"]
    keys = [tuple(row.values())[:-1] for row in rows]
    assert len(set(keys)) == len(keys)
    means = {
        (row["model"], row["metric"]): row["value"]
        for row in read_report(project)["measurements"]
        if row["low"] is not None
    }
    for (model, metric), mean in means.items():
        scores = [float(row["score"]) for row in rows if (row["model"], row["metric"]) == (model, metric)]
        assert sum(scores) / len(scores) == pytest.approx(mean)


def test_two_tests_of_the_same_thing_give_one_row(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_own="""
        def test_gated(model, retrieval, gate):
            gate(retrieval(model, "medical"))


        def test_by_hand(model, retrieval):
            assert retrieval(model, "medical")["mrr@10"] > 0.1
        """
    )
    project.runpytest_inprocess("test_own.py", "--models=letters").assert_outcomes(passed=2)
    metrics = [row["metric"] for row in read_report(project)["measurements"]]
    assert len(metrics) == len(set(metrics))
    keys = [tuple(row.values())[:-1] for row in read_scores(project)]
    assert len(keys) == len(set(keys))


def test_any_name_survives_into_scores_csv(project: pytest.Pytester) -> None:
    ids = ["ağrı", 'çift "tırnak"', "virgül, noktalı; virgül", "boru|ters\\bölü", "sekme\tve\nsatır", "İıŞş 🫀"]
    questions = [
        {"id": identity, "question": f'Soru "{identity}", öyle | böyle?', "answers": [{"text": "şehir"}]}
        for identity in ids
    ]
    passages = [{"context": f"Bu {i} bir şehir, bir köy.", "qas": [q]} for i, q in enumerate(questions)]
    data = {"data": [{"title": 'Başlık, "bir"|iki', "paragraphs": passages}]}
    (project.path / "names.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    configure(project, '[datasets."ağrı, \\"iki\\"|üç"]\npath = "names.json"\nformat = "squad"\n')
    project.makepyfile(test_own="def test_names(model, retrieval):\n    retrieval(model, 'ağrı, \"iki\"|üç')")
    project.runpytest_inprocess("test_own.py", "--models=letters").assert_outcomes(passed=1)
    rows = [row for row in read_scores(project) if row["metric"] == "mrr@10"]
    assert [row["query_id"] for row in rows] == ids
    assert {row["dataset"] for row in rows} == {'ağrı, "iki"|üç'}
    assert all(0 < float(row["score"]) <= 1 for row in rows)


def test_both_files_are_written_when_tests_fail(project: pytest.Pytester) -> None:
    configure(project, '[gates."retrieval/medical"]\n"mrr@10" = { min = 1.0 }\n')
    result = project.runpytest_inprocess("suites/test_retrieval.py", "--models=letters", "-x")
    result.assert_outcomes(failed=1)
    assert {row["suite"] for row in read_report(project)["measurements"]} == {"retrieval"}
    assert len(read_scores(project)) == 11 * 12


def test_both_files_are_written_when_the_run_is_interrupted(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_own="""
        def test_scored(model, retrieval):
            retrieval(model, "medical")


        def test_interrupted(model):
            raise KeyboardInterrupt
        """
    )
    result = project.runpytest_inprocess("test_own.py", "--models=letters,blind", no_reraise_ctrlc=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    folder = ".embedeval/interrupted"  # so that the report of the last whole run stays
    assert {row["model"] for row in read_report(project, folder)["measurements"]} == {"letters"}
    assert len(read_scores(project, folder)) == 11 * 12
    result.stdout.fnmatch_lines([f"report: {project.path / folder / 'report.json'}"])


def test_a_folder_that_cannot_be_written_is_one_clear_line(project: pytest.Pytester) -> None:
    (project.path / "taken").write_text("a file, not a folder", encoding="utf-8")
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters", "--embedeval-out=taken")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["letters *", "the report could not be written: *taken*"])
    result.stdout.no_fnmatch_line("report: *")
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


def test_a_second_run_replaces_the_files(project: pytest.Pytester) -> None:
    for alias in ("letters", "blind"):
        project.runpytest_inprocess(RETRIEVAL, f"--models={alias}").assert_outcomes(passed=1)
    assert {row["alias"] for row in read_report(project)["models"]} == {"blind"}
    assert {row["model"] for row in read_scores(project)} == {"blind"}
    found = {str(path.relative_to(project.path / ".embedeval")) for path in (project.path / ".embedeval").rglob("*.*")}
    assert found - {".lock"} == {
        *("report.json", "report.html", "scores.csv", "summary.md", "texts.json", "baselines/blind.json"),
    }


@pytest.mark.parametrize("family", ["xunit1", "xunit2"])
def test_junit_xml_has_the_metrics_as_properties(project: pytest.Pytester, family: str) -> None:
    project.runpytest_inprocess(
        "suites/test_retrieval.py", "--models=letters", "--junit-xml=junit.xml", "-o", f"junit_family={family}"
    ).assert_outcomes(passed=2)
    cases = {case.get("name"): case for case in ElementTree.parse(project.path / "junit.xml").iter("testcase")}
    properties = {
        found.get("name"): found.get("value") for found in cases["test_retrieval[letters-medical]"].iter("property")
    }
    expected = {
        f"embedeval.retrieval.medical.{row['metric']}": str(row["value"])
        for row in read_report(project)["measurements"]
        if row["suite"] == "retrieval"
    }
    assert properties == expected


def test_user_properties_are_plain_builtins(project: pytest.Pytester) -> None:
    """A numpy scalar would break xdist and reportlog."""
    reports = project.inline_run("suites", "--models=letters", "-k", "not contract and not speed").getreports(
        "pytest_runtest_logreport"
    )
    values = [value for report in reports if report.when == "call" for _, value in report.user_properties]
    assert len(values) > 20
    assert {type(value) for value in values} == {float}


def test_the_table_fits_80_columns_without_colours_and_ends_with_the_path(project: pytest.Pytester) -> None:
    out = "--embedeval-out=out"
    result = project.runpytest_inprocess(
        "suites", "--models=letters,a-very-long-alias-of-a-model=blind,bm25", "-k", "not contract and not speed", out
    )
    lines = result.outlines
    section = lines[lines.index(" embedeval ".center(80, "=")) + 1 :]
    section = section[: next(i for i, line in enumerate(section) if line.startswith("report: ")) + 1]
    assert section[:2] == ["medical", "Model             Dim  Time  text/s  Silh  Morph   MRR   R@1   R@3   R@5  R@10"]
    assert [line.split()[0] for line in section[2:5]] == ["letters", "a-very-long-ali…", "bm25"]
    assert section[-1] == f"report: {project.path / 'out' / 'report.json'}"
    assert "\x1b" not in result.stdout.str()
    assert max(len(line) for line in section[:5]) <= 80


def test_the_table_shows_what_the_report_holds(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess("suites", "--models=letters", "-k", "not contract and not speed")
    found = {row["metric"]: f"{row['value']:.3f}".lstrip("0") for row in read_report(project)["measurements"]}
    metrics = ("silhouette.kmeans", "morphology.auc", "mrr@10", "recall@1", "recall@3", "recall@5", "recall@10")
    line = next(line for line in result.outlines if line.startswith("letters "))
    assert line.split()[4:] == [found[metric] for metric in metrics]


def test_the_table_stands_before_the_failure_of_benchmark_compare(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_own="""
        import os
        import time

        from tests.conftest import letters


        def test_speed(model, retrieval, benchmark):
            retrieval(model, "medical")
            benchmark.pedantic(time.sleep, args=(float(os.environ["PAUSE"]),), rounds=2)
        """
    )
    arguments = "test_own.py", "--models=letters", "--benchmark-storage=saved"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAUSE", "0.001")
        project.runpytest_inprocess(*arguments, "--benchmark-save=first").assert_outcomes(passed=1)
        patch.setenv("PAUSE", "0.05")
        result = project.runpytest_inprocess(
            *arguments, "--benchmark-compare=0001", "--benchmark-compare-fail=mean:100%"
        )
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["letters *", "report: *"])
    assert "Performance has regressed" in result.stdout.str() + result.stderr.str()


class _Bar:
    """Stands in for tqdm and keeps what it was told."""

    def __init__(self, **options: object) -> None:
        print(f"a bar of {options['total']} for {options['desc']}")

    def update(self, n: int) -> None:
        print(f"{n} more")

    def close(self) -> None:
        print("the bar is closed")


# pytest 8 asks `isatty`, pytest 9 `isatty()`.
_TERMINAL = """
import pytest


class Answer(int):
    def __call__(self):
        return bool(self)


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    config.pluginmanager.get_plugin("terminalreporter").isatty = Answer({terminal})
"""


@pytest.mark.parametrize(
    ("terminal", "arguments", "ci", "shown"),
    [(True, (), "", True), (False, (), "", False), (True, ("-q",), "", False), (True, (), "true", False)],
    ids=["terminal", "no terminal", "quiet", "CI"],
)
def test_progress_is_shown_on_a_terminal_alone(
    project: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
    arguments: tuple[str, ...],
    ci: str,
    shown: bool,
) -> None:
    monkeypatch.setattr("tqdm.tqdm", _Bar)
    monkeypatch.setenv("CI", ci)
    with (project.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(_TERMINAL.format(terminal=terminal))
    passages = [
        {"context": f"Passage {i}.", "qas": [{"id": str(i), "question": f"{i}?", "answers": [{"text": "Passage"}]}]}
        for i in range(300)
    ]
    data = {"data": [{"title": "Many", "paragraphs": passages}]}
    (project.path / "medical.json").write_text(json.dumps(data), encoding="utf-8")
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters", "-s", *arguments)
    result.assert_outcomes(passed=1)
    if shown:
        lines = ["*a bar of 300 for letters: query", "* more", "the bar is closed", "*a bar * document"]
        result.stdout.fnmatch_lines(lines)
        assert sum(int(line.split()[0]) for line in result.outlines if line.endswith(" more")) == 600
    else:
        result.stdout.no_fnmatch_line("*bar*")


def test_nothing_is_left_in_the_temporary_folder(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    project.runpytest_inprocess(RETRIEVAL, "--models=letters").assert_outcomes(passed=1)
    assert not list(tmp_path.glob("embedeval-*"))


def _keys(value: object) -> set[str]:
    rows = value if isinstance(value, list) else [value]
    assert rows
    return {key for row in rows if isinstance(row, dict) for key in row}


def test_the_report_holds_what_the_doctor_finds(project: pytest.Pytester) -> None:
    project.runpytest_inprocess(RETRIEVAL, "--models=bm25,minilm-en", "-k", "bm25").assert_outcomes(
        passed=1, deselected=1
    )
    (row,) = read_report(project)["datasets"]
    found = {finding["kind"]: finding for finding in row["findings"]}
    assert {"document-lengths", "query-lengths", "unjudged-pairs"} <= found.keys()
    assert found["truncation-risk"]["message"] == (
        "minilm-en reads 256 tokens; by their characters, 12 of 12 documents are longer and would be cut off"
    )
    assert "smallest-drop" not in found  # twelve questions have no interval
