"""Runs that are interrupted or killed: what was there before is still there, and whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.plugin.conftest import RETRIEVAL, read_report, store

UPDATE = "--embedeval-update"

# Stands for Ctrl-C in the terminal, or for a machine that goes down, at the moment that the variable names.
_SIGNAL = """

import os
import signal
from pathlib import Path

_sent, _moment = os.environ["SENT"].split(" at ")
_rename = Path.replace


def send():
    os.kill(os.getpid(), getattr(signal, _sent))


signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored


class Interrupted(Knowing):
    def encode_queries(self, texts):
        if _moment == "encoding":
            send()
        return super().encode_queries(texts)


def rename(path, target):
    if _moment == f"renaming {Path(target).name}":
        send()
    return _rename(path, target)


Path.replace = rename
_known = pytest_embedeval_models


def pytest_embedeval_models(config):
    return {**_known(config), "interrupted": Interrupted(0)}
"""


@pytest.fixture
def stored(upgrades: pytest.Pytester) -> pytest.Pytester:
    """A project with the report and the baselines of a complete run."""
    store(upgrades, "first=careless,prod=careless")
    upgrades.runpytest_inprocess(RETRIEVAL, "--models=first=careless,prod=careless").assert_outcomes(passed=2)
    with (upgrades.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(_SIGNAL)
    return upgrades


def test_an_interrupted_update_writes_no_baseline(stored: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _files(stored.path / "baselines")
    result = _run(stored, monkeypatch, "SIGINT at encoding")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert _files(stored.path / "baselines") == before
    result.stdout.no_fnmatch_line("updated *")
    result.stdout.no_fnmatch_line("failed *")
    report = read_report(stored, ".embedeval/interrupted")  # what it found; the last whole report stays
    assert {row["model"] for row in report["measurements"]} == {"first"}


@pytest.mark.parametrize("moment", ["encoding", "renaming report.json"])
def test_a_killed_run_leaves_report_and_baselines_as_they_were(
    stored: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    before = _files(stored.path / "baselines"), (stored.path / ".embedeval" / "report.json").read_bytes()
    result = _run(stored, monkeypatch, f"SIGKILL at {moment}")
    assert result.ret < 0
    assert (_files(stored.path / "baselines"), (stored.path / ".embedeval" / "report.json").read_bytes()) == before


def test_a_run_killed_between_two_baselines_leaves_both_whole_and_the_next_run_goes_on(
    stored: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stored.path / "baselines"
    before = _files(folder)
    with (stored.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        # The candidate is a file of that name too; only the second rename is that of the baseline.
        conftest.write(
            "\n_names = []\n\n\ndef twice(path, target):\n    _names.append(Path(target).name)\n"
            "    if _names.count('prod.json') == 2:\n        send()\n    return _rename(path, target)\n\n\n"
            "Path.replace = twice\n"
        )
    result = _run(stored, monkeypatch, "SIGKILL at the second")
    assert result.ret < 0
    after = _files(folder)
    assert after["first.json"] != before["first.json"]
    assert after["prod.json"] == before["prod.json"]
    for text in after.values():
        json.loads(text)
    (stored.path / "conftest.py").write_text(
        (stored.path / "conftest.py").read_text(encoding="utf-8").replace("\nPath.replace = ", "\n_ = "),
        encoding="utf-8",
    )
    models = "--models=first=perfect,prod=perfect"
    stored.runpytest_inprocess(RETRIEVAL, models, UPDATE).stdout.fnmatch_lines(
        ["unchanged   first *", "updated     prod *"]
    )


def _run(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, sent: str) -> pytest.RunResult:
    monkeypatch.setenv("SENT", sent)
    source = "interrupted" if sent.endswith("encoding") else "perfect"
    return project.runpytest_subprocess(RETRIEVAL, f"--models=first=perfect,prod={source}", UPDATE)


def _files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
