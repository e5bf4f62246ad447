"""The gate on real upgrades: a model that lost Turkish, half precision, fewer dimensions, and a better model.

Every run is made once; what other policies make of it is asked of the finished run, which needs no model. The larger
model reads every second article of XQuAD, which spares minutes.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.cli import main
from tests.conftest import ROOT

# MRR without cutoff, hit@1, hit@10 on xquad.tr: every question against every distinct passage.
REFERENCE = {
    "minilm-en": (0.3731, 0.2874, 0.5319),
    "multi": (0.7729, 0.6723, 0.9412),
}
E5 = 0.9221  # MRR on the whole; among fewer passages the right one is found as high or higher


@dataclass(frozen=True)
class Run:
    """A finished run: its folder, what it printed, and how it ended."""

    folder: Path
    printed: str
    code: int

    @property
    def out(self) -> Path:
        return self.folder / ".embedeval"

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.out / "report.json").read_text(encoding="utf-8"))
        return found

    def verdict(self, alias: str) -> dict[str, Any]:
        """The verdict on mrr@10 against the other model."""
        row: dict[str, Any]
        (row,) = (
            row
            for row in self.report["verdicts"]
            if (row["model"], row["metric"], row["rule"], row["slice"]) == (alias, "mrr@10", "against", None)
        )
        return row


def judge(folder: Path, data: Path, models: str, against: str) -> Run:
    """Run the retrieval suite on a SQuAD file as a user would."""
    (folder / "embedeval.toml").write_text(
        f'pictures = "off"\n\n[datasets.xquad]\npath = "{data}"\nformat = "squad"\nlanguage = "tr"\n'
        'slices = ["title"]\n',
        encoding="utf-8",
    )
    shutil.copytree(ROOT / "suites", folder / "suites", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "suites/test_retrieval.py::test_retrieval", f"--models={models}", against],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return Run(folder, done.stdout, done.returncode)


@pytest.fixture(scope="module")
def lost_turkish(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Run:
    """multilingual-e5-small, and the variant of it that has lost Turkish."""
    folder = tmp_path_factory.mktemp("lost")
    articles = json.loads((shared_data / "xquad.tr.json").read_text(encoding="utf-8"))["data"]
    half = folder / "half.json"
    half.write_text(json.dumps({"data": articles[1::2]}), encoding="utf-8")
    return judge(folder, half, "e5=e5-small-q4,next=e5-small-q4-enpt", "--against=e5")


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Run:
    """all-MiniLM-L6-v2, the same weights in half precision and cut to 128 dimensions, and a multilingual model."""
    models = "minilm-en,half=minilm-en:precision=float16,short=minilm-en:dim=128,multi=use-multilingual"
    return judge(tmp_path_factory.mktemp("variants"), shared_data / "xquad.tr.json", models, "--against=minilm-en")


def test_the_scores_are_those_of_the_reference_table(variants: Run, lost_turkish: Run) -> None:
    found = {(row["model"], row["metric"]): row["value"] for row in variants.report["measurements"]}
    for alias, expected in REFERENCE.items():
        scores = [found[alias, metric] for metric in ("mrr", "recall@1", "hit_rate@10")]
        assert scores == pytest.approx(expected, abs=0.01)
    rows = lost_turkish.report["measurements"]
    (half,) = (row["value"] for row in rows if (row["model"], row["metric"]) == ("e5", "mrr"))
    assert E5 - 0.02 < half < E5 + 0.04


def test_a_model_that_lost_the_language_is_stopped_and_the_lost_queries_are_shown(lost_turkish: Run) -> None:
    assert lost_turkish.code == pytest.ExitCode.TESTS_FAILED
    verdict = lost_turkish.verdict("next")
    assert (verdict["change"], verdict["state"]) == ("regressed", "fail")
    assert verdict["high"] < -0.02
    assert "REGRESSED by more than 0.02 on 578 queries" in lost_turkish.printed
    assert "now first: " in lost_turkish.printed
    (comparison,) = lost_turkish.report["comparisons"]
    lost = [change for change in comparison["queries"] if change["after"] < change["before"]]
    assert len(lost) == comparison["lost"] > comparison["won"]
    worst = lost[0]
    assert (worst["before"], worst["rank_before"]) == (1.0, 1)
    assert worst["rank_after"] is None or worst["rank_after"] > 10
    assert worst["above"] != worst["gold"]
    assert all(change["text"] and change["gold_text"] and change["above_text"] for change in lost if change["above"])
    assert comparison["overlap"] < 0.5
    named = {part["value"] for part in comparison["slices"] if part["regressed"]}
    assert {"Ctenophora", "European_Union_law"} <= named


@pytest.mark.parametrize("policy", ["observed", "strict", "proven"])
def test_it_fails_under_every_policy(
    lost_turkish: Run, policy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(lost_turkish.folder)
    assert main(["gate", ".embedeval", f"--policy={policy}"]) == 1
    assert f"next does not pass ({policy}, tolerance 0.02)" in capsys.readouterr().out


def test_half_precision_passes_under_every_policy(
    variants: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert variants.verdict("half")["change"] == "non-inferior"
    monkeypatch.chdir(variants.folder)
    for policy in ("observed", "strict", "proven"):
        main(["gate", ".embedeval", f"--policy={policy}"])
        assert f"half passes ({policy}" in capsys.readouterr().out


def test_fewer_dimensions_get_what_the_arithmetic_says_and_it_is_explained(variants: Run) -> None:
    verdict = variants.verdict("short")
    low, high, delta = verdict["low"], verdict["high"], verdict["delta"]
    expected = (
        "regressed" if high < -0.02 else "improved" if low > 0 else "non-inferior" if low >= -0.02 else "inconclusive"
    )
    assert verdict["change"] == expected
    assert verdict["state"] == ("fail" if high < -0.02 or (low < -0.02 and delta < -0.02) else verdict["state"])
    for number in (verdict["bound"], verdict["value"]):
        assert f"{number:.3f}" in verdict["reason"]
    assert f"{verdict['n']} queries ({verdict['differ']} differ)" in verdict["reason"]
    (comparison,) = (row for row in variants.report["comparisons"] if row["model"] == "short")
    assert comparison["after"].startswith("minilm-en, 128 dimensions")
    assert comparison["lost"] + comparison["won"] == verdict["differ"]


def test_a_better_model_is_an_improvement_and_says_so(variants: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert variants.verdict("multi")["change"] == "improved"
    assert "IMPROVED on 1190 queries" in variants.printed
    old, new = (variants.out / "baselines" / f"{alias}.json" for alias in ("minilm-en", "multi"))
    assert main(["compare", str(old), str(new)]) == 0
    printed = capsys.readouterr().out
    assert "retrieval/xquad: minilm-en → multi" in printed
    assert "IMPROVED on 1190 queries" in " ".join(printed.split())
