"""A finished run is read back whole, or refused with the file and the way out."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.errors import BaselineError
from pytest_embedeval.gate import Baseline, Excerpts, Measurement, Result, Verdict
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report import Part, assemble, load_kept, load_report, write_run
from pytest_embedeval.report.schema import Git, Run
from tests.gate.test_results import kept

PLACE = "retrieval/medical"
PROD = kept({"mrr@10": [1.0, 0.5, 0.0], "recall@10": [1.0, 1.0, 0.0]})
NEXT = kept({"mrr@10": [1.0, 0.5, 1.0], "recall@10": [1.0, 1.0, 1.0]})
EARLIER = kept({"mrr@10": [0.25, 0.25, 0.25]})
TEXTS = Excerpts("medical", {"q000": "Tansiyonum neden yükseliyor?"}, {"d1": "Yüksek tansiyon …"}, {"q000": ["d1"]})


def measured(alias: str, result: Result) -> list[Measurement]:
    return [Measurement(alias, "retrieval", "medical", name, row.value, row.n) for name, row in result.metrics.items()]


def against(model: str, reference: str, state: Any = "pass") -> Verdict:
    verdict = Verdict(model, "retrieval", "medical", "mrr@10", "against", 0.8, 0.5, state, "")
    return Verdict(**{**vars(verdict), "reference": reference})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Write a run of three models: `next` has scores of an earlier run too, `gone` could not be loaded."""
    part = Part(
        models=[ModelInfo("prod", "org/a"), ModelInfo("next", "org/b"), ModelInfo("gone", "./gone", error="no folder")],
        measurements=[*measured("prod", PROD), *measured("next", NEXT)],
        verdicts=[against("next", "prod")],
        excerpts=[TEXTS],
    )
    head = Run(started="2025-01-01T00:00:00+00:00", duration_s=1.0, git=Git(), versions={}, machine={}, settings={})
    baselines = [
        Baseline(alias="prod", results={PLACE: PROD}),
        Baseline(alias="next", results={PLACE: NEXT, "retrieval/support": EARLIER}),
    ]
    folder = tmp_path / "run"
    write_run(assemble(head, [part], ["prod", "next", "gone"]), [part], baselines, folder)
    return folder


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Edit a JSON file as by hand."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BaselineError) as caught:
        load_kept(path)
    return str(caught.value)


@pytest.mark.parametrize("name", ["", "report.json"], ids=["folder", "file"])
def test_a_run_is_read_with_its_scores_and_texts(run: Path, name: str) -> None:
    found = load_kept(run / name)
    assert found.report is not None
    assert [(model.alias, model.error) for model in found.report.models] == [
        ("prod", None),
        ("next", None),
        ("gone", "no folder"),
    ]
    assert found.results[("prod", PLACE)] == PROD
    assert found.results[("next", PLACE)] == NEXT
    assert found.aliases == ["prod", "next"]
    assert found.texts == {"medical": TEXTS}


def test_scores_that_an_earlier_run_left_in_a_baseline_are_not_those_of_the_run(run: Path) -> None:
    assert ("next", "retrieval/support") not in load_kept(run).results


def test_a_baseline_and_a_folder_of_them_have_scores_and_no_report(run: Path) -> None:
    one = load_kept(run / "baselines" / "next.json")
    assert one.report is None
    assert dict(one.results) == {("next", PLACE): NEXT, ("next", "retrieval/support"): EARLIER}
    both = load_kept(run / "baselines")
    assert both.report is None
    assert both.aliases == ["next", "prod"]


def test_a_baseline_may_be_named_like_a_report(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(Baseline(alias="report", results={PLACE: PROD}).text(), encoding="utf-8")
    for given in (path, tmp_path):
        assert dict(load_kept(given).results) == {("report", PLACE): PROD}


@pytest.mark.parametrize("damage", ["", "{", '{"medical": 3}', "\udcff"], ids=["empty", "cut", "other", "bytes"])
def test_a_run_is_read_without_its_texts(run: Path, damage: str) -> None:
    (run / "texts.json").write_bytes(damage.encode("utf-8", "surrogateescape"))
    assert load_kept(run).texts == {}
    (run / "texts.json").unlink()
    found = load_kept(run)
    assert found.texts == {}
    assert found.results[("prod", PLACE)] == PROD


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere"
    expected = f"{path}: no such file or folder; name the folder of a run, its report.json, or a baseline"
    assert refusal(path) == expected
    assert refusal(tmp_path) == f"{tmp_path}: neither report.json nor baselines are in this folder"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[: len(text) // 2], r"line \d+: not valid JSON .*restore the file, or run pytest again"),
        (lambda text: "", r"line 1: not valid JSON .*restore the file, or run pytest again"),
        (lambda text: text.replace('"value": 0.5,', '"value": NaN,', 1), "holds NaN, .*run pytest again"),
        (lambda text: text.replace('"value": 0.5,', '"value": -Infinity,', 1), "holds -Infinity, .*run pytest again"),
        (lambda text: text.replace('"value": 0.5,', '"value": 1e999,', 1), r"measurements\.0\.value: .*finite"),
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 2'), "written by a newer .*pip install"),
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 0'), "schema_version: .*run pytest again"),
        (lambda text: text.replace('"alias": "prod"', '"name": "prod"'), r"models\.0\..*run pytest again"),
        (lambda text: text.replace('"run": {', '"ran": {'), "run: Field required; .*run pytest again"),
        (lambda text: text.replace("org/a", "org/\udcff"), "cannot be read: .*utf-8.*run pytest again"),
    ],
    ids=["cut", "empty", "nan", "inf", "1e999", "newer", "other schema", "key", "no run", "bytes"],
)
def test_a_damaged_report_is_refused_with_its_place(run: Path, damage: Callable[[str], str], said: str) -> None:
    path = run / "report.json"
    text = path.read_text(encoding="utf-8")
    assert damage(text) != text
    path.write_bytes(damage(text).encode("utf-8", "surrogateescape"))
    for given in (run, path):
        assert re.match(f"{re.escape(str(path))}: {said}", refusal(given))


@pytest.mark.parametrize("content", ["5", "null", "[]", '"run"'])
def test_json_that_is_neither_report_nor_baseline_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.json"
    path.write_text(content, encoding="utf-8")
    assert refusal(path).startswith(f"{path}: ")
    with pytest.raises(BaselineError, match="it is no report of this version"):
        load_report(path)


def test_a_folder_in_the_place_of_a_file_is_refused(run: Path) -> None:
    (run / "report.json").unlink()
    (run / "report.json").mkdir()
    assert refusal(run).startswith(f"{run / 'report.json'}: cannot be read: ")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[: len(text) // 2], r"line \d+: not valid JSON"),
        (lambda text: re.sub(r'"scores": \[[\d.]+', '"scores": [NaN', text, count=1), "holds NaN"),
        (lambda text: re.sub(r'"scores": \[1\.0', '"scores": [0.9', text, count=1), "the mean of its scores"),
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 2'), "written by a newer .*pip install"),
    ],
    ids=["cut", "nan", "edited", "newer"],
)
def test_a_damaged_baseline_of_the_run_is_refused(run: Path, damage: Callable[[str], str], said: str) -> None:
    path = run / "baselines" / "next.json"
    text = path.read_text(encoding="utf-8")
    assert damage(text) != text
    path.write_text(damage(text), encoding="utf-8")
    for given in (run, path):
        assert re.match(f"{re.escape(str(path))}: .*{said}", refusal(given))


def test_the_scores_of_another_run_are_refused(run: Path) -> None:
    path = run / "baselines" / "next.json"
    path.write_text(Baseline(alias="next", results={PLACE: EARLIER}).text(), encoding="utf-8")
    assert refusal(run) == (
        f"{path}: {PLACE}: mrr@10 is not that of {run / 'report.json'}; the two are of different runs"
    )


def test_a_report_without_its_baselines_is_refused(run: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone" / "report.json"
    alone.parent.mkdir()
    shutil.copy(run / "report.json", alone)
    assert refusal(alone).startswith(f"{alone.parent / 'baselines'}: holds no scores of {alone}; ")
    assert refusal(alone).endswith("keep report.json in the folder that the run wrote, or run pytest again")


def test_scores_that_the_report_compares_must_be_there(run: Path) -> None:
    """Left out, they would be judged by nothing and pass."""
    said = f"{run / 'baselines' / 'next.json'}: holds no scores for {PLACE}, which {run / 'report.json'} compares; "
    path = edited(run / "baselines" / "next.json", lambda content: content["results"].pop(PLACE))
    assert refusal(run).startswith(said)
    path.unlink()
    assert refusal(run).startswith(said)


def test_scores_that_were_not_gated_are_not_missed(run: Path) -> None:
    """A test that only asserts leaves a measurement, no scores to compare, and at most an error that says so."""
    edited(run / "report.json", lambda content: content["verdicts"][0].update(state="error"))
    (run / "baselines" / "next.json").unlink()
    assert load_kept(run).aliases == ["prod"]


def test_a_run_that_measured_nothing_has_no_scores_to_miss(run: Path) -> None:
    shutil.rmtree(run / "baselines")
    edited(run / "report.json", lambda content: content.update(measurements=[], verdicts=[]))
    found = load_kept(run)
    assert not found.results
    assert found.report is not None
