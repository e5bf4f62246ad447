"""A finished run is judged again: the same scores under other rules."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.cli import main
from pytest_embedeval.report import load_kept, load_report
from tests.conftest import ROOT

_CONFTEST = '''
"""Encoders that find the passage of every question first, but second where they slip."""

import json
from pathlib import Path

import numpy as np

from tests.conftest import letters

ARTICLES = json.loads(Path(__file__).with_name("medical.json").read_text(encoding="utf-8"))["data"]
PASSAGES = [passage for article in ARTICLES for passage in article["paragraphs"]]
ASKED = [(place, entry["question"]) for place, passage in enumerate(PASSAGES) for entry in passage["qas"]]


def slipping(slips):
    own = {passage["context"]: (place, False) for place, passage in enumerate(PASSAGES)}
    own |= {question: (place, number < slips) for number, (place, question) in enumerate(ASKED)}

    def encode(texts):
        vectors = np.zeros((len(texts), len(PASSAGES)), dtype=np.float32)
        for row, text in enumerate(texts):
            place, slips = own.get(text, (0, False))
            vectors[row, place] = 0.5
            if slips:
                vectors[row, (place + 1) % len(PASSAGES)] = 1.0
        return vectors

    return encode


def coarse(texts):
    # Tells texts of an even length from those of an odd one, so each document ties with about half of the others.
    return np.eye(2, dtype=np.float32)[[len(text) % 2 for text in texts]]


def holed(texts):
    vectors = letters(texts)
    vectors[0] = np.nan
    return vectors


def pytest_embedeval_models(config):
    slips = {"perfect": 0, "careful": 2, "hasty": 8, "hurried": 24}
    return {alias: slipping(number) for alias, number in slips.items()} | {
        "letters": letters, "coarse": coarse, "holed": holed
    }
'''

MATRIX = ("perfect", "careful", "hasty", "hurried", "letters", "coarse")


def finished_run(factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run on 144 questions, each model against `perfect`; made once per session.

    `careful`, `hasty` and `hurried` lose half a reciprocal rank on 2, 8 and 24 questions.
    """
    folder = factory.getbasetemp() / "judged-again"
    if folder.exists():
        return folder / ".embedeval"
    folder.mkdir()
    data = json.loads((ROOT / "fixtures" / "turkish_medical_qa.json").read_text(encoding="utf-8"))["data"][:24]
    for article in data:
        article["paragraphs"] = [{**p, "qas": p["qas"][:3]} for p in article["paragraphs"][:2]]
    (folder / "medical.json").write_text(json.dumps({"data": data}), encoding="utf-8")
    (folder / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
    (folder / "embedeval.toml").write_text(
        'pictures = "off"\n\n[datasets.medical]\npath = "medical.json"\nformat = "squad"\nlanguage = "tr"\n',
        encoding="utf-8",
    )
    shutil.copy(ROOT / "suites" / "test_retrieval.py", folder)
    models = ",".join((*MATRIX, "holed", "broken=./nowhere"))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "test_retrieval.py::test_retrieval",
            f"--models={models}",
            "--against=perfect",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "GITHUB_ACTIONS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "5 failed, 2 passed, 1 error" in done.stdout, done.stdout + done.stderr
    return folder / ".embedeval"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of all models; tests leave it as it is."""
    return finished_run(tmp_path_factory)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which holds no configuration."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(finished: Path, here: Path) -> Path:
    """A copy of the run of the models that were measured, as `.embedeval` of the current folder."""
    shutil.copytree(finished, here / ".embedeval", ignore=shutil.ignore_patterns("scores.csv"))
    folder = Path(".embedeval")
    edit_report(folder, lambda report: report.update(models=[r for r in report["models"] if r["alias"] in MATRIX]))
    return folder


def edit_report(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    change(report)
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")


def verdicts(capsys: pytest.CaptureFixture[str], code: int, *arguments: str | Path) -> dict[str, str]:
    """Judge, expect an exit code, and return alias -> what was said of it, with its line ends as blanks."""
    assert main(["gate", *map(str, arguments)]) == code
    out, err = capsys.readouterr()
    assert not err
    words = [line.split() for line in out.splitlines() if len(line) > 80 or line != line.rstrip()]
    assert [line for line in words if len(line) > 1] == []  # a path is not broken
    run, *blocks = re.split(r"\n(?=\S)", out.rstrip("\n"))
    assert run.startswith("run of 20")
    return {block.split()[0].rstrip(":"): " ".join(block.split()[1:]) for block in blocks}


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Expect that nothing is judged, and return why."""
    assert main(["gate", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert not re.search("^(  pass|  fail)", out, flags=re.MULTILINE)
    return err.strip()


def passing(said: dict[str, str]) -> set[str]:
    return {alias for alias, text in said.items() if text.startswith("passes")}


def failing(said: dict[str, str]) -> set[str]:
    return {alias for alias, text in said.items() if text.startswith("does not pass")}


def configure(text: str) -> None:
    Path("embedeval.toml").write_text(text, encoding="utf-8")


def test_the_verdicts_are_those_of_the_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, finished: Path
) -> None:
    monkeypatch.chdir(finished.parent)
    said = verdicts(capsys, 1, ".embedeval")
    report = load_report(finished)
    blocked = {verdict.model for verdict in report.verdicts if verdict.blocks}
    assert blocked == {"hasty", "hurried", "letters", "coarse"}
    assert failing(said) == blocked | {"holed"}  # whose test failed before there was a score to judge
    assert passing(said) == {"careful"}
    assert said["perfect"].startswith("is the reference")
    for verdict in report.verdicts:
        if not verdict.advisory:
            state = "warning" if verdict.state == "inconclusive" else verdict.state
            assert f" {state} retrieval/medical against perfect: {verdict.reason}" in said[verdict.model]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("observed", {"careful": "warning", "hasty": "fail", "hurried": "fail"}),
        ("strict", {"careful": "fail", "hasty": "fail", "hurried": "fail"}),
        ("proven", {"careful": "warning", "hasty": "warning", "hurried": "fail"}),
    ],
)
def test_a_policy_decides_what_an_inconclusive_drop_means(
    capsys: pytest.CaptureFixture[str], run: Path, policy: str, expected: dict[str, str]
) -> None:
    """Drops of 0.007, 0.028 and 0.083: only the last is shown beyond these questions."""
    said = verdicts(capsys, 1, run, f"--policy={policy}")
    for alias, state in expected.items():
        does = "does not pass" if state == "fail" else "passes"
        assert said[alias].startswith(f"{does} ({policy}, tolerance 0.02) {state} retrieval/medical against perfect: ")
        assert ("REGRESSED" in said[alias]) == (alias == "hurried")


@pytest.mark.parametrize(
    ("tolerance", "policy", "expected"),
    [
        ("0.005", "observed", {"perfect"}),
        ("0.02", "observed", {"perfect", "careful"}),
        ("0.05", "observed", {"perfect", "careful", "hasty"}),
        ("0.03", "strict", {"perfect", "careful"}),
        ("0.06", "strict", {"perfect", "careful", "hasty"}),
        ("0.15", "strict", {"perfect", "careful", "hasty", "hurried"}),
    ],
)
def test_a_tolerance_is_the_drop_that_counts_as_none(
    capsys: pytest.CaptureFixture[str], run: Path, tolerance: str, policy: str, expected: set[str]
) -> None:
    """0.005, 0.02 and 0.05 lie beside the drops themselves; under strict the lower bounds −0.028 and −0.054 count."""
    said = verdicts(capsys, 1, run, f"--tolerance={tolerance}", f"--policy={policy}")
    assert passing(said) | {"perfect"} == expected


def test_a_better_model_passes_against_another_reference(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    said = verdicts(capsys, 1, run, "--against=hurried", "--policy=strict")
    assert passing(said) == {"perfect", "careful", "hasty"}
    assert "pass retrieval/medical against hurried: mrr@10 0.917 → 1.000" in said["perfect"]
    assert "IMPROVED" in said["perfect"]
    assert said["hurried"] == "is the reference (strict, tolerance 0.02)"


def test_lost_queries_stand_below_the_verdict_that_they_explain(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    said = verdicts(capsys, 1, run, "--min=recall@1=0.99")
    lost = said["hasty"].index("8 lost, 0 won of 144; ")
    assert said["hasty"].index("fail retrieval/medical: recall@1 0.9444 is below the minimum 0.99") < lost
    assert said["hasty"].index("fail retrieval/medical against perfect: ") < lost
    assert re.search(
        r"lost \(rank 1 → 2\) \w.* now first: Hipertansiyon#2: \w.* … and \d more lost queries", said["hasty"]
    )
    assert "lost" not in said["careful"]  # whose drop fails nothing


def test_a_slice_that_regressed_fails_alone_or_with_the_whole_and_is_explained_once(
    capsys: pytest.CaptureFixture[str], run: Path
) -> None:
    """Of 40 questions, `hurried` slips on 24."""
    configure('[datasets.medical]\npath = "medical.json"\nformat = "squad"\nslices = ["asked"]\n')
    _rename(run, {"perfect": "perfect", "hurried": "hurried"})
    slipped = load_kept(run).results["hurried", "retrieval/medical"].each("mrr@10")
    first = [identity for _, identity in sorted(zip(slipped[1], slipped[0], strict=True))][:40]
    for path in (run / "baselines").iterdir():
        content = json.loads(path.read_text(encoding="utf-8"))
        for identity, query in content["results"]["retrieval/medical"]["queries"].items():
            query["fields"] = {"asked": "first" if identity in first else "later"}
        path.write_text(json.dumps(content), encoding="utf-8")
    part = "fail retrieval/medical against perfect: mrr@10 −0.300 in asked=first: REGRESSED by more than 0.06 on 40 "
    for policy, whole in (("observed", "fail"), ("proven", "warning")):
        said = verdicts(capsys, 1, run, "--tolerance=0.06", f"--policy={policy}")["hurried"]
        assert part in said
        assert f"{whole} retrieval/medical against perfect: mrr@10 1.000 → 0.917" in said
        assert said.count("24 lost, 0 won of 144") == 1


def test_minima_are_added_to_the_comparison(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    said = verdicts(capsys, 1, run, "--min=mrr@10=0.98", "--min=recall@10=0.6", "--policy=proven")
    assert passing(said) == {"perfect", "careful"}
    assert "fail retrieval/medical: mrr@10 0.9722 is below the minimum 0.98" in said["hasty"]
    assert "pass retrieval/medical: recall@10 1.0000 keeps the minimum 0.6" in said["hasty"]
    assert "warning retrieval/medical against perfect: " in said["hasty"]
    assert "fail retrieval/medical: recall@10 0.5278 is below the minimum 0.6" in said["letters"]
    assert "pass retrieval/medical: mrr@10 1.0000 keeps the minimum 0.98" in said["perfect"]


@pytest.mark.parametrize(("policy", "said"), [("observed", "passes"), ("strict", "does not pass")])
def test_a_minimum_among_the_orders_of_tied_documents_goes_by_the_policy(
    capsys: pytest.CaptureFixture[str], run: Path, policy: str, said: str
) -> None:
    _rename(run, {"coarse": "coarse"})
    found = verdicts(capsys, int(policy == "strict"), run, "--min=recall@1=0.01", f"--policy={policy}")["coarse"]
    assert found.startswith(f"{said} ({policy}")
    assert found.endswith("the minimum 0.01 lies there too: inconclusive (ties)")


def test_a_minimum_does_not_replace_that_of_the_configuration(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    configure('[gates."retrieval/medical"]\n"mrr@10" = { min = 0.98 }\n')
    said = verdicts(capsys, 1, run, "--min=mrr@10=0.1", "--policy=proven")
    assert "fail retrieval/medical: mrr@10 0.9722 is below the minimum 0.98" in said["hasty"]
    assert "pass retrieval/medical: mrr@10 0.9722 keeps the minimum 0.1" in said["hasty"]


def test_the_configuration_of_the_current_folder_counts(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    configure(
        'policy = "proven"\ntolerance = 0.2\n[gates."retrieval/medical"]\n"mrr@10" = { min = 0.9, tolerance = 0.01 }\n'
        '[gates."retrieval/medical".letters]\n"mrr@10" = { min = 0.1, tolerance = 0.9 }\n'
    )
    said = verdicts(capsys, 1, run)
    assert passing(said) == {"perfect", "careful", "hasty", "letters"}
    assert said["letters"].startswith("passes (proven, tolerance 0.2) pass retrieval/medical: mrr@10 0.")
    assert "REGRESSED by more than 0.01" in said["hurried"]
    assert "coarse does not pass (strict" in _printed(capsys, 1, run, "--policy=strict")


def test_with_too_few_queries_no_interval_decides(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    configure("min_queries = 145\n")
    said = verdicts(capsys, 1, run, "--policy=strict")
    assert "fail retrieval/medical against perfect: " in said["careful"]
    assert "an interval needs at least 145" in said["careful"]


def test_the_metric_marked_primary_decides(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    configure('[gates."retrieval/medical"]\n"recall@10" = { primary = true }\n')
    said = verdicts(capsys, 1, run)
    assert passing(said) == {"careful", "hasty", "hurried"}  # all find the passage among the first ten
    assert "recall@10 1.000 → 1.000" in said["hurried"]


def test_stored_baselines_are_compared_with(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    _store("prod", "perfect")
    _rename(run, {"hasty": "prod"})
    said = verdicts(capsys, 1, run, "--against=prod")
    assert "fail retrieval/medical against its baseline: mrr@10 1.000 → 0.972" in said["prod"]
    assert failing(verdicts(capsys, 0, run, "--against=prod", "--tolerance=0.1")) == set()


def test_another_folder_of_baselines_or_none_can_be_named(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    _store("prod", "perfect")
    Path("baselines").rename("elsewhere")
    _store("prod", "hasty")
    _rename(run, {"hasty": "prod"})
    assert "none of 144 queries differs" in verdicts(capsys, 0, run)["prod"]
    assert "8 differ" in verdicts(capsys, 1, run, "--baseline=elsewhere")["prod"]
    said = verdicts(capsys, 0, run, "--baseline=off", "--min=mrr@10=0.5")
    assert said["prod"] == (
        "passes (observed, tolerance 0.02) pass retrieval/medical: mrr@10 0.9722 keeps the minimum 0.5"
    )


def test_the_reference_may_be_a_stored_baseline(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    _store("prod", "perfect")
    _rename(run, {"hasty": "next"})
    said = verdicts(capsys, 1, run, "--against=prod")
    assert set(said) == {"next"}
    assert "fail retrieval/medical against prod: mrr@10 1.000 → 0.972" in said["next"]


def test_a_model_without_a_baseline_fails_where_others_have_one(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    edit_report(run, lambda report: report["run"]["settings"].update(against=None))
    _store("perfect", "perfect")
    said = verdicts(capsys, 1, run)
    assert passing(said) == {"perfect"}
    assert "error retrieval/medical against its baseline: no baseline of hasty for retrieval/medical" in said["hasty"]


def test_a_damaged_stored_baseline_fails_its_model_alone(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    _store("careful", "careful")
    stored = Path("baselines/careful.json")
    stored.write_text(stored.read_text(encoding="utf-8")[:200], encoding="utf-8")
    said = verdicts(capsys, 1, run, "--policy=proven")
    assert re.search(
        r"error retrieval/medical against its baseline: .*careful\.json: line \d+: not val", said["careful"]
    )
    assert passing(said) == {"hasty"}


def test_a_baseline_on_other_data_is_no_reference(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    _store("prod", "perfect")
    _rename(run, {"perfect": "next"})
    path = Path("baselines/prod.json")
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r'"fingerprint": "sha256:.{8}', '"fingerprint": "sha256:00000000', text), encoding="utf-8")
    said = verdicts(capsys, 1, run, "--against=prod")
    assert "error retrieval/medical against prod: the data has changed: " in said["next"]


def test_a_model_that_was_not_loaded_does_not_pass(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    _rename(run, {"perfect": "perfect", "careful": "careful"})
    assert passing(verdicts(capsys, 0, run)) == {"careful"}
    edit_report(
        run, lambda report: report["models"][0].update(kind="unknown", error=f"there is no folder {'x' * 30} " * 4)
    )
    said = verdicts(capsys, 1, run)
    assert said["perfect"].startswith("not loaded: there is no folder")
    assert passing(said) == {"careful"}


@pytest.mark.usefixtures("here")
def test_a_model_whose_tests_failed_does_not_pass_unjudged(capsys: pytest.CaptureFixture[str], finished: Path) -> None:
    """It returned NaN, so that there is no score that a rule could fail."""
    said = verdicts(capsys, 1, finished, "--against=letters", "--tolerance=0.9")
    why = "error retrieval/medical: not measured for holed, though for others; its test failed or was skipped"
    assert said["holed"] == f"does not pass (observed, tolerance 0.9) {why}"
    assert failing(said) == {"holed"}
    said = verdicts(capsys, 1, finished, "--against=holed", "--min=recall@10=0.1")
    assert said["holed"] == f"does not pass (observed, tolerance 0.02) {why}"
    assert "holed has no scores for retrieval/medical" in said["perfect"]


def test_a_model_whose_tests_failed_is_missed_where_baselines_are_stored(
    capsys: pytest.CaptureFixture[str], run: Path
) -> None:
    _store("careful", "careful")
    _rename(run, {"careful": "careful", "hasty": "holed"})
    assert failing(verdicts(capsys, 1, run)) == {"holed"}  # which has no baseline
    edit_report(run, lambda r: r.update(measurements=[row for row in r["measurements"] if row["model"] == "careful"]))
    assert "error retrieval/medical: not measured for holed" in verdicts(capsys, 1, run)["holed"]


@pytest.mark.parametrize(("kind", "code"), [("dense", 1), ("lexical", 0)])
def test_only_what_applies_to_a_model_is_missed(
    capsys: pytest.CaptureFixture[str], run: Path, kind: str, code: int
) -> None:
    """Without vectors there are no word forms to compare."""
    _rename(run, {"perfect": "perfect", "careful": "bm25"})

    def change(report: dict[str, Any]) -> None:
        report["models"][1]["kind"] = kind
        row = {**report["measurements"][0], "model": "perfect", "suite": "morphology", "metric": "morphology.auc"}
        report["measurements"].append(row)

    edit_report(run, change)
    said = verdicts(capsys, code, run)
    assert ("not measured for bm25" in said["bm25"]) == bool(code)
    assert "morphology" not in said["perfect"]


def test_an_encoder_beside_the_matrix_is_judged_where_it_was_measured(
    capsys: pytest.CaptureFixture[str], run: Path
) -> None:
    """A test may score an encoder of its own on one data set, and nobody expects it on the others."""
    _rename(run, {"perfect": "perfect", "careful": "own"})

    def change(report: dict[str, Any]) -> None:
        report["run"]["settings"]["models"] = ["perfect"]
        report["measurements"].append({**report["measurements"][0], "model": "perfect", "dataset": "support"})

    edit_report(run, change)
    assert passing(verdicts(capsys, 0, run)) == {"own"}


def test_a_model_whose_scores_were_not_kept_cannot_be_compared(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    _rename(run, {"perfect": "perfect", "careful": "careful"})
    (run / "baselines" / "careful.json").unlink()
    said = verdicts(capsys, 1, run, "--min=mrr@10=0.5")
    assert "pass retrieval/medical: mrr@10 0.9931 keeps the minimum 0.5" in said["careful"]
    assert "error retrieval/medical: the run kept no scores of it to compare" in said["careful"]


def test_a_run_that_measured_nothing_is_not_judged(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    shutil.rmtree(run / "baselines")
    edit_report(run, lambda report: report.update(measurements=[], verdicts=[]))
    assert refusal(capsys, run, "--min=mrr@10=0.5") == (
        "pytest-embedeval: .embedeval: the run measured nothing; there is nothing to judge"
    )
    edit_report(run, lambda report: report["models"][0].update(kind="unknown", error="no such folder"))
    assert main(["gate", str(run)]) == 2
    assert "perfect: not loaded: no such folder" in capsys.readouterr().out


def test_a_run_that_no_rule_applies_to_is_not_judged(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    """In the wrong folder there is neither threshold nor baseline; that must not be green."""
    edit_report(run, lambda report: report["run"]["settings"].update(against=None))
    said = refusal(capsys, run)
    assert said.startswith("pytest-embedeval: .embedeval: nothing was judged: pyproject.toml has no ")
    assert said.endswith("--min=mrr@10=0.35 sets a threshold")


def test_a_baseline_is_not_a_run(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    for path in (run / "baselines", run / "baselines" / "hasty.json"):
        assert refusal(capsys, path) == (
            f"pytest-embedeval: {path}: is a baseline, not a run; pytest-embedeval compare takes baselines"
        )


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--policy=lenient", "--policy: must be one of observed, strict, proven, not 'lenient'"),
        ("--tolerance=0", "--tolerance: must lie between 0 and 1, for example 0.02, not 0"),
        ("--tolerance=-0.1", "--tolerance: must lie between 0 and 1, for example 0.02, not -0.1"),
        ("--tolerance=nan", "--tolerance: must lie between 0 and 1, for example 0.02, not nan"),
        ("--against=perfekt", "--against=perfekt: no model of the run and no baseline in .* did you mean 'perfect'"),
        ("--min=mrr@1O=0.5", "--min=mrr@1O: the run did not measure it; did you mean 'mrr@10'"),
        ("--min=mrr@10=nan", "--min=mrr@10=nan: the bound must be a finite number"),
        ("--min=mrr@10=-inf", "--min=mrr@10=-inf: the bound must be a finite number"),
        ("--baseline=nowhere", "--baseline=nowhere: no baselines are in that folder; .*--baseline=off"),
        ("--baseline=.embedeval", r"--baseline=\.embedeval: its baselines are in .*/\.embedeval/baselines"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(
    capsys: pytest.CaptureFixture[str], run: Path, option: str, said: str
) -> None:
    assert re.match(f"pytest-embedeval: {said}", refusal(capsys, run, option))


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--tolerance=much", "argument --tolerance: invalid float value: 'much'"),
        ("--min=0.5", "argument --min: '0.5' is not METRIC=VALUE, for example mrr@10=0.35"),
        ("--min=mrr@10=", "argument --min: 'mrr@10=' is not METRIC=VALUE, for example mrr@10=0.35"),
    ],
)
def test_an_option_that_cannot_be_read_is_refused(capsys: pytest.CaptureFixture[str], option: str, said: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["gate", ".embedeval", option])
    assert said in capsys.readouterr().err


def test_a_wrong_configuration_is_refused(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    configure("tolerence = 0.1\n")
    assert re.search(r"embedeval\.toml: tolerence: unknown key; did you mean 'tolerance'", refusal(capsys, run))


@pytest.mark.parametrize("setting", ['slices = ["title"]', 'clusters = "title"'])
def test_a_field_that_the_run_did_not_keep_is_refused(
    capsys: pytest.CaptureFixture[str], run: Path, setting: str
) -> None:
    """Without it, questions on one topic would count as independent of each other."""
    configure(f'[datasets.medical]\npath = "medical.json"\nformat = "squad"\n{setting}\n')
    said = "embedeval.toml: datasets.medical: the run was made without the field 'title' (slices, clusters); "
    assert said in refusal(capsys, run, "--policy=proven")


def test_a_run_that_cannot_be_read_is_refused(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    assert refusal(capsys, "nowhere").startswith("pytest-embedeval: nowhere: no such file or folder; ")
    text = (run / "report.json").read_text(encoding="utf-8")
    (run / "report.json").write_text(text[:-100], encoding="utf-8")
    assert re.match(r"pytest-embedeval: \.embedeval/report\.json: line \d+: not valid JSON", refusal(capsys, run))
    (run / "report.json").write_text(text, encoding="utf-8")
    shutil.rmtree(run / "baselines")
    said = refusal(capsys, run, "--min=mrr@10=0.1")
    assert said.startswith("pytest-embedeval: .embedeval/baselines: holds no scores of .embedeval/report.json; ")


def test_nothing_is_written(capsys: pytest.CaptureFixture[str], run: Path) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}

    before = files()
    verdicts(capsys, 1, run)
    assert files() == before


def test_a_reader_that_stops_early_changes_no_verdict(finished: Path) -> None:
    """With `pipefail`, `gate | head` is as red as `gate`."""
    read, write = os.pipe()
    os.close(read)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "pytest_embedeval", "gate", str(finished)]
    with os.fdopen(write, "wb") as stream:
        done = subprocess.run(
            command, stdout=stream, stderr=subprocess.PIPE, env=environment, cwd=finished.parent, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"")


def _printed(capsys: pytest.CaptureFixture[str], code: int, *arguments: str | Path) -> str:
    assert main(["gate", *map(str, arguments)]) == code
    return capsys.readouterr().out


def _store(alias: str, model: str) -> None:
    """Store the scores that a model of the run had as the baseline of an alias."""
    kept = json.loads(Path(f".embedeval/baselines/{model}.json").read_text(encoding="utf-8"))
    Path("baselines").mkdir(exist_ok=True)
    Path(f"baselines/{alias}.json").write_text(json.dumps({**kept, "alias": alias}), encoding="utf-8")


def _rename(run: Path, aliases: dict[str, str]) -> None:
    """Leave the models that are named in the run, as it was before it was judged."""
    for path in (run / "baselines").iterdir():
        if path.stem not in aliases:
            path.unlink()
        elif path.stem != aliases[path.stem]:
            kept = json.loads(path.read_text(encoding="utf-8"))
            path.unlink()
            path = path.with_stem(aliases[path.stem])
            path.write_text(json.dumps({**kept, "alias": path.stem}), encoding="utf-8")

    def change(report: dict[str, Any]) -> None:
        for rows, key in (("models", "alias"), ("measurements", "model")):
            report[rows] = [{**row, key: aliases[row[key]]} for row in report[rows] if row[key] in aliases]
        report.update(verdicts=[], comparisons=[])
        settings = report["run"]["settings"]
        settings.update(models=list(aliases.values()), against=aliases.get(settings["against"]))

    edit_report(run, change)
