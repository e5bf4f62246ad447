"""The options and their twins in the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.models import parse_entry
from tests.plugin.conftest import configure, read_report

ONE_TEST = "suites/test_retrieval.py::test_retrieval"


@pytest.mark.parametrize(
    "flag",
    [
        "--models",
        "--against",
        *(f"--embedeval-{name}" for name in ("out", "device", "seed", "baseline", "policy", "tolerance", "github")),
        "--embedeval-cache",
        "--embedeval-memory",
    ],
)
def test_no_option_goes_without_its_value(pytester: pytest.Pytester, flag: str) -> None:
    """An option with an optional value swallows the path that follows it."""
    result = pytester.runpytest_inprocess(flag)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*argument {flag}: expected one argument"])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--embedeval-device=tpu", "*--embedeval-device: must be one of auto, cpu, cuda, mps, not 'tpu'"),
        ("--embedeval-seed=many", "*--embedeval-seed: invalid int value: 'many'"),
        ("--embedeval-seed=-1", "*--embedeval-seed: must be at least 0, and is -1"),
        ("--embedeval-github=on", "*--embedeval-github: must be one of auto, off, not 'on'"),
        ("--embedeval-cache=", "*--embedeval-cache: must be a folder, or off for none"),
        ("--embedeval-memory=lots", "*--embedeval-memory: must be a size such as 4GiB or 512MiB, not 'lots'"),
    ],
)
def test_a_wrong_value_is_a_usage_error(pytester: pytest.Pytester, option: str, message: str) -> None:
    result = pytester.runpytest_inprocess(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_help_shows_the_group(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--help")
    result.stdout.fnmatch_lines(
        ["judging text-embedding models (pytest-embedeval):", "*--models=*", "*--embedeval-out=DIR*"]
    )


@pytest.mark.parametrize(
    ("head", "tables", "message"),
    [
        ("sead = 1", "", "sead: unknown key; did you mean 'seed'?"),
        ('seed = "x"', "", "seed: must be of type int"),
        ('device = "tpu"', "", "device: must be one of auto, cpu, cuda, mps, not 'tpu'"),
        ('memory = "lots"', "", "memory: must be a size such as 4GiB or 512MiB, not 'lots'"),
        ('matrix = "letters"', "", "matrix: must be a list of entries"),
        ("matrix = [", "", "not valid TOML"),
        (
            "",
            '[datasets.other]\npath = "x"\nformat = "bear"',
            "datasets.other.format: must be one of squad, beir,",
        ),
        ("", '[datasets.other]\nformat = "squad"', "datasets.other: needs path"),
        ("", '[models.own]\nsource = "bm25"\nsize = 3', "models.own.size: unknown key"),
        ("", "[gates.retrieval]", 'a gate is named "suite/dataset"'),
        ("", '[gates."retrieval/medical"]\n"mrr@10" = { mim = 0.5 }', "mrr@10.mim: unknown key; did you mean 'min'?"),
        ("", '[gates."retrieval/medical"]\n"mrr@10" = {}', "mrr@10: needs min, max, tolerance or primary = true"),
        ("", '[gates."retreival/medical"]', "unknown suite 'retreival'; did you mean 'retrieval'?"),
        ("", '[gates."retrieval/medicla"]', "unknown data set 'medicla'; did you mean 'medical'?"),
    ],
    ids=[
        "key",
        "type",
        "device",
        "memory",
        "matrix",
        "toml",
        "format",
        "path",
        "model key",
        "gate name",
        "rule key",
        "empty rule",
        "suite",
        "data set",
    ],
)
def test_a_mistake_in_the_configuration_is_a_usage_error(
    project: pytest.Pytester, head: str, tables: str, message: str
) -> None:
    path = project.path / "embedeval.toml"
    path.write_text(f"{head}\n{path.read_text(encoding='utf-8')}\n{tables}\n", encoding="utf-8")
    result = project.runpytest_inprocess("suites", "--models=letters")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()
    assert "Traceback" not in result.stderr.str()
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


def test_in_pyproject_the_message_names_the_whole_key(project: pytest.Pytester) -> None:
    _move_to_pyproject(project, "sead = 1")
    result = project.runpytest_inprocess("suites", "--models=letters")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{project.path / 'pyproject.toml'}: tool.embedeval.sead: unknown key" in result.stderr.str()


def test_pyproject_configures_as_embedeval_toml_does(project: pytest.Pytester) -> None:
    _move_to_pyproject(project, 'out = "found"\nseed = 7')
    project.runpytest_inprocess(ONE_TEST, "--models=letters").assert_outcomes(passed=1)
    assert read_report(project, "found")["run"]["settings"]["seed"] == 7


def test_embedeval_toml_wins_over_pyproject(project: pytest.Pytester) -> None:
    (project.path / "pyproject.toml").write_text("[tool.embedeval]\nseed = 7\n", encoding="utf-8")
    project.runpytest_inprocess(ONE_TEST, "--models=letters").assert_outcomes(passed=1)
    assert read_report(project)["run"]["settings"]["seed"] == 42


def test_the_command_line_wins_over_the_configuration(project: pytest.Pytester) -> None:
    path = project.path / "embedeval.toml"
    written = 'seed = 7\ndevice = "cuda"\nout = "a"\ncache = "off"\nmemory = "1GiB"\n'
    path.write_text(written + path.read_text(encoding="utf-8"), encoding="utf-8")
    options = "--embedeval-seed=8", "--embedeval-device=cpu", "--embedeval-out=b", "--embedeval-cache=kept"
    more = "--embedeval-memory=2GiB", "--models=letters"
    project.runpytest_inprocess(ONE_TEST, *options, *more).assert_outcomes(passed=1)
    settings = read_report(project, "b")["run"]["settings"]
    assert {key: settings[key] for key in ("models", "device", "seed", "cache", "memory")} == {
        "models": ["letters"],
        "device": "cpu",
        "seed": 8,
        "cache": str(project.path / "kept"),
        "memory": 2 * 1024**3,
    }
    assert not (project.path / "a").exists()


@pytest.mark.parametrize("option", ["out", "results/out", "{tmp}/elsewhere"])
def test_out_is_relative_to_where_pytest_is_called(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, option: str
) -> None:
    monkeypatch.chdir(project.path / "suites")
    out = option.format(tmp=tmp_path)
    result = project.runpytest_inprocess(
        "test_retrieval.py::test_retrieval", "--models=letters", f"--embedeval-out={out}", "--rootdir", project.path
    )
    result.assert_outcomes(passed=1)
    folder = project.path / "suites" / out
    assert {path.name for path in folder.glob("*.*")} == {
        *("report.json", "report.html", "scores.csv", "summary.md", "texts.json"),
    }
    assert f"report: {folder / 'report.json'}" in result.outlines


def test_the_seed_draws_the_random_negatives(project: pytest.Pytester) -> None:
    drawn = [_triplets(project, seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def _triplets(project: pytest.Pytester, seed: int) -> Any:
    """Return the score of each question, which depends on the negative that was drawn for it."""
    project.runpytest_inprocess(
        "suites/test_retrieval.py::test_negatives", "--models=letters", f"--embedeval-seed={seed}"
    )
    return (project.path / ".embedeval" / "scores.csv").read_text(encoding="utf-8")


def _move_to_pyproject(project: pytest.Pytester, head: str) -> None:
    tables = (
        (project.path / "embedeval.toml").read_text(encoding="utf-8").replace("[datasets", "[tool.embedeval.datasets")
    )
    (project.path / "embedeval.toml").unlink()
    (project.path / "pyproject.toml").write_text(f"[tool.embedeval]\n{head}\n{tables}", encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--embedeval-update", "--embedeval-update-new"], "*--embedeval-update-new only adds; give one of them"),
        (["--embedeval-update", "--embedeval-baseline=off"], "*no folder of baselines to update*"),
    ],
    ids=["both updates", "an update of none"],
)
def test_updates_that_contradict_each_other_are_usage_errors(
    project: pytest.Pytester, options: list[str], message: str
) -> None:
    result = project.runpytest_inprocess("suites/test_retrieval.py", "--models=letters", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_bounds_for_an_alias_that_nothing_has_are_a_usage_error(project: pytest.Pytester) -> None:
    """They would never be applied, and the run would be green."""
    configure(project, '[gates."retrieval/medical".lettres]\n"mrr@10" = { min = 0.9 }\n')
    result = project.runpytest_inprocess("suites/test_retrieval.py", "--models=letters")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no model has the alias 'lettres'; did you mean 'letters'?*"])


def test_bounds_may_stand_for_a_model_of_the_file_that_the_command_line_leaves_out(project: pytest.Pytester) -> None:
    path = project.path / "embedeval.toml"
    written = 'models = ["letters", "acme/own@1234567:dim=64"]\n' + path.read_text(encoding="utf-8")
    path.write_text(written, encoding="utf-8")
    alias = parse_entry("acme/own@1234567:dim=64").alias
    configure(project, f'[gates."retrieval/medical".{alias!r}]\n"mrr@10" = {{ min = 0.9 }}\n')
    project.runpytest_inprocess(ONE_TEST, "--models=letters").assert_outcomes(passed=1)
