"""Runs as GitHub Actions sees them. To be joined with tests/plugin/test_github.py once closing.py is wired."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plugin.conftest import configure

TEST = "suites/test_retrieval.py::test_retrieval"
_RULE = '[gates."retrieval/medical"]\n"mrr@10" = { min = 0.9 }\n'


@pytest.fixture
def on_github(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The step summary of a run within GitHub Actions."""
    summary = project.path / "summary.md"
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_WORKSPACE": str(project.path),
    }.items():
        monkeypatch.setenv(name, value)
    return summary


def test_a_run_leaves_a_summary_and_annotations(project: pytest.Pytester, on_github: Path) -> None:
    configure(project, _RULE)
    lines = (project.path / "embedeval.toml").read_text(encoding="utf-8").splitlines()
    line = lines.index('"mrr@10" = { min = 0.9 }') + 1
    result = project.runpytest_inprocess(TEST, "--models=letters", "-p", "no:benchmark")
    result.stdout.fnmatch_lines(
        [
            f"::error title=letters%3A mrr@10 of retrieval/medical,file=embedeval.toml,line={line}::mrr@10 * is below*",
            "report: *",
        ]
    )
    told = on_github.read_text(encoding="utf-8")
    assert told.splitlines()[1] == "## pytest-embedeval: 1 of 1 model fails"
    assert told == "\n" + (project.path / ".embedeval" / "summary.md").read_text(encoding="utf-8")


def test_a_comparison_is_annotated_at_its_test(project: pytest.Pytester, on_github: Path) -> None:
    result = project.runpytest_inprocess(TEST, "--models=letters,blind", "--against=letters", "-p", "no:benchmark")
    result.stdout.fnmatch_lines(
        ["::error title=blind%3A mrr@10 of retrieval/medical,file=suites/test_retrieval.py,line=8::mrr@10*"]
    )
    assert "| blind | retrieval/medical | mrr@10 | against letters |" in on_github.read_text(encoding="utf-8")


def test_only_the_controller_speaks(project: pytest.Pytester, on_github: Path) -> None:
    configure(project, _RULE)
    result = project.runpytest_inprocess(
        TEST, "--models=letters,blind", "-n", "2", "--dist", "loadgroup", "-p", "no:benchmark"
    )
    assert sum(line.startswith("::error ") for line in result.outlines) == 2
    assert on_github.read_text(encoding="utf-8").count("## pytest-embedeval: ") == 1


@pytest.mark.parametrize("switch", ["flag", "configuration", "elsewhere"])
def test_it_is_silent_where_it_is_not_wanted(
    project: pytest.Pytester, on_github: Path, switch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if switch == "configuration":
        path = project.path / "embedeval.toml"
        path.write_text('github = "off"\n' + path.read_text(encoding="utf-8"), encoding="utf-8")
    elif switch == "elsewhere":
        monkeypatch.delenv("GITHUB_ACTIONS")
    configure(project, _RULE)
    flag = ["--embedeval-github=off"] if switch == "flag" else []
    result = project.runpytest_inprocess(TEST, "--models=letters", "-p", "no:benchmark", *flag)
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("::*")
    assert not on_github.exists()


def test_a_summary_that_cannot_be_written_fails_nothing(
    project: pytest.Pytester, on_github: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path))
    result = project.runpytest_inprocess(TEST, "--models=letters", "-p", "no:benchmark")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([f"the step summary could not be written: {project.path}: Is a directory", "report: *"])


def test_a_run_without_our_fixtures_leaves_no_summary(pytester: pytest.Pytester, on_github: Path) -> None:
    pytester.makepyfile(test_plain="def test_plain(): assert False\n")
    result = pytester.runpytest_inprocess("test_plain.py")
    result.stdout.no_fnmatch_line("::*")
    assert not on_github.exists()
