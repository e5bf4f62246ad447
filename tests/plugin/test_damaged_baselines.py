"""Baselines that cannot be read or written: a clear line, a failed run, and nothing half-written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugin.conftest import RETRIEVAL, read_verdicts, store

MODELS = "--models=a=perfect,b=careful"
MEND = "; restore it from version control, or delete it and run with --embedeval-update-new"


def _rewritten(old: str, new: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")


def _replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


_DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "NaN": (_rewritten('"value": 1.0', '"value": NaN'), f"holds NaN, which is no score{MEND}"),
    "truncated": (lambda path: os.truncate(path, 5000), f"line *: not valid JSON (*){MEND}"),
    "no text": (lambda path: path.write_bytes(b"\xff\xfe"), f"cannot be read: *{MEND}"),
    "a folder": (_replaced_by_a_folder, f"cannot be read: *{MEND}"),
    "newer schema": (
        _rewritten('"schema_version": 1', '"schema_version": 2'),
        "written by a newer pytest-embedeval (schema 2, this one reads 1); upgrade: pip install -U pytest-embedeval",
    ),
    "unknown key": (_rewritten('"alias"', '"color": "red", "alias"'), f"color: *{MEND}"),
    "edited score": (
        _rewritten('"mrr@10": {"n": 144, "value": 1.0}', '"mrr@10": {"n": 144, "value": 0.5}'),
        f"results.retrieval/medical: *metrics.mrr@10.value is 0.5, and the mean of its scores 1.000000{MEND}",
    ),
    "lost query": (
        lambda path: path.write_text(
            re.sub(r'\n +"astim-1-1": .*', "", path.read_text(encoding="utf-8"), count=1), encoding="utf-8"
        ),
        f"results.retrieval/medical: *n is 144, and 143 queries have a score{MEND}",
    ),
    "that of another": (
        _rewritten('"alias": "a"', '"alias": "b"'),
        "holds the baseline of 'b', whose file is b.json; *",
    ),
}


@pytest.mark.parametrize(("damage", "message"), _DAMAGES.values(), ids=_DAMAGES.keys())
def test_a_damaged_baseline_fails_the_tests_of_its_alias_and_the_others_go_on(
    upgrades: pytest.Pytester, damage: Callable[[Path], object], message: str
) -> None:
    store(upgrades, "a=perfect,b=careful")
    damage(upgrades.path / "baselines" / "a.json")
    result = upgrades.runpytest_inprocess(RETRIEVAL, MODELS, "-v")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*[[]a-medical] FAILED*", "*[[]b-medical] PASSED*", f"  error: *baselines/a.json: {message}"]
    )
    result.stdout.no_fnmatch_line("To accept these scores*")  # no flag mends it
    assert [(row["model"], row["state"]) for row in read_verdicts(upgrades, "baseline")] == [
        ("a", "error"),
        ("b", "inconclusive"),
    ]


@pytest.mark.parametrize("flag", ["--embedeval-update", "--embedeval-update-new"])
def test_no_update_overwrites_a_damaged_baseline(upgrades: pytest.Pytester, flag: str) -> None:
    store(upgrades, "a=perfect,b=careful")
    damaged, other = (upgrades.path / "baselines" / f"{alias}.json" for alias in "ab")
    os.truncate(damaged, 5000)
    before = damaged.read_bytes(), other.read_bytes()
    result = upgrades.runpytest_inprocess(RETRIEVAL, MODELS, flag)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"the baselines could not be written: {damaged}: *{MEND}", "report: *"])
    assert (damaged.read_bytes(), other.read_bytes()) == before


def test_a_report_that_cannot_be_written_is_one_clear_line(upgrades: pytest.Pytester) -> None:
    taken = upgrades.path / ".embedeval"
    taken.write_text("a file, not a folder", encoding="utf-8")
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=a=perfect", "--embedeval-update")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["the report could not be written: *.embedeval*"])
    assert "the baselines could not be written" not in result.stdout.str()
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert taken.read_text(encoding="utf-8") == "a file, not a folder"


@pytest.mark.parametrize("flag", ["--embedeval-update", "--embedeval-baseline=baselines"])
def test_a_file_in_place_of_the_baselines_ends_the_run_before_it_begins(upgrades: pytest.Pytester, flag: str) -> None:
    taken = upgrades.path / "baselines"
    taken.write_text("a file, not a folder", encoding="utf-8")
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=a=perfect", flag)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*baselines: is no folder of baselines; *"])
    assert taken.read_text(encoding="utf-8") == "a file, not a folder"


def test_a_mistyped_folder_of_baselines_is_not_a_run_without_them(upgrades: pytest.Pytester) -> None:
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=a=perfect", "--embedeval-baseline=basellines")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*basellines: is no folder of baselines; --embedeval-update makes it, off uses none"])


def test_a_full_disk_leaves_the_old_files_and_nothing_half_written(
    upgrades: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(upgrades, "a=careless")
    upgrades.runpytest_inprocess(RETRIEVAL, "--models=a=careless").assert_outcomes(passed=1)
    before = _files(upgrades)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=a=perfect", "--embedeval-update")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [f"the {what} could not be written: *No space left on device" for what in ("report", "baselines")]
    )
    result.stdout.no_fnmatch_line("report: *")
    assert _files(upgrades) == before


def _files(project: pytest.Pytester) -> dict[str, bytes]:
    """Return what stands in the folders of baselines and report, but for locks."""
    folders = (project.path / "baselines", project.path / ".embedeval")
    paths = (path for folder in folders for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(project.path)): path.read_bytes() for path in paths}
