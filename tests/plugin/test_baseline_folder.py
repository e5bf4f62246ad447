"""Where baselines are kept, that they can be off, and which flags go together."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import RETRIEVAL, read_baseline, read_report, store

UPDATE, NEW, WORSE = "--embedeval-update", "--embedeval-update-new", "--embedeval-accept-worse"


@pytest.mark.parametrize("by", ["flag", "configuration"])
def test_baselines_can_be_off(upgrades: pytest.Pytester, by: str) -> None:
    store(upgrades, "prod=perfect")
    before = (upgrades.path / "baselines" / "prod.json").read_bytes()
    off = ["--embedeval-baseline=off"] if by == "flag" else []
    if by == "configuration":
        path = upgrades.path / "embedeval.toml"
        path.write_text('baseline = "off"\n' + path.read_text(encoding="utf-8"), encoding="utf-8")
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=careless", *off)
    result.assert_outcomes(passed=1)
    assert read_report(upgrades)["verdicts"] == []
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=careless", *off, UPDATE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*there is no folder of baselines to update (--embedeval-baseline=off)"])
    assert (upgrades.path / "baselines" / "prod.json").read_bytes() == before


def test_the_folder_of_the_flag_is_relative_to_where_pytest_is_called(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.path / "suites")
    arguments = "test_retrieval.py::test_retrieval", "--models=letters", "--embedeval-baseline=kept/here"
    project.runpytest_inprocess(*arguments, UPDATE).assert_outcomes(passed=1)
    assert set(read_baseline(project, "letters", "suites/kept/here")["results"]) == {"retrieval/medical"}
    assert not (project.path / "baselines").exists()


@pytest.mark.parametrize("flags", [(WORSE,), (WORSE, NEW)], ids=["alone", "with update-new"])
def test_accept_worse_is_for_an_update(project: pytest.Pytester, flags: tuple[str, ...]) -> None:
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters", *flags)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {WORSE} only says what {UPDATE} may write; give both"])


@pytest.mark.parametrize(
    "flags",
    [
        ("--embedeval-out=.",),
        ("--embedeval-baseline=.embedeval/baselines",),
        ("--embedeval-out=.", "--embedeval-baseline=off"),
    ],
    ids=" ".join,
)
def test_a_run_may_not_write_its_scores_over_the_baselines(project: pytest.Pytester, flags: tuple[str, ...]) -> None:
    """Each run would otherwise be compared with the one before, and a slow decline would pass."""
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters", *flags)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *baselines: each run would write its own scores over the baselines; *"])
    assert not (project.path / "report.json").exists()
