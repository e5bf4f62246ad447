"""Which test runs for which model, in which order, and what a wrong matrix says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plugin.conftest import configure, read_report

# What a worker of xdist does for --dist loadgroup, at the time when it does it.
_SHOW_GROUPS = """
def pytest_collection_modifyitems(items):
    for item in items:
        print(item.name, [mark.args[0] for mark in item.iter_markers("xdist_group")])
"""


def test_ids_name_the_model_then_the_data_set(project: pytest.Pytester) -> None:
    project.makepyfile(test_own="def test_all(words, dataset, model): ...")
    result = project.runpytest_inprocess("--models=letters,blind", "--collect-only", "-q", "test_own.py")
    ids = [line for line in result.outlines if "test_all" in line]
    assert [line.partition("::")[2] for line in ids] == [
        "test_all[letters-medical-forms]",
        "test_all[blind-medical-forms]",
    ]


def test_tests_are_grouped_by_model_in_the_order_of_the_matrix(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_own="""
        def test_one(model): ...
        def test_plain(): ...
        def test_two(model): ...
        """
    )
    result = project.runpytest_inprocess("--models=letters,bm25,blind", "-v", "test_own.py")
    assert [line.split()[0].partition("::")[2] for line in result.outlines if "PASSED" in line] == [
        "test_plain",
        *(f"test_{number}[{alias}]" for alias in ("letters", "bm25", "blind") for number in ("one", "two")),
    ]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ("lettres", "unknown model 'lettres'; did you mean 'letters'?"),
        ("", "the model matrix is empty"),
        ("letters,,blind", "empty entry in the model matrix"),
        ("letters,letters", "2 models are called 'letters'; give each its own alias"),
        ("a=letters,a=blind", "2 models are called 'a'; give each its own alias"),
        ("letters:dimm=3", "unknown key 'dimm'; did you mean 'dim'?"),
        ("letters:dim=0", "dim must be at least 1, not 0"),
        ("my model=letters", "'my model' is not a usable alias"),
        ("=letters", "the alias before '=' is empty"),
    ],
)
def test_a_wrong_matrix_is_a_usage_error(project: pytest.Pytester, entries: str, message: str) -> None:
    result = project.runpytest_inprocess("suites", f"--models={entries}")
    _assert_usage_error(result, message)


def test_an_empty_matrix_in_the_configuration_is_a_usage_error(project: pytest.Pytester) -> None:
    configuration = project.path / "embedeval.toml"
    configuration.write_text("matrix = []\n" + configuration.read_text(encoding="utf-8"), encoding="utf-8")
    _assert_usage_error(project.runpytest_inprocess("suites", "--collect-only"), "the model matrix is empty")


def test_an_unusable_alias_from_a_conftest_is_a_usage_error(project: pytest.Pytester) -> None:
    project.makeconftest("def pytest_embedeval_models(config): return {'my model': len}")
    _assert_usage_error(project.runpytest_inprocess("suites"), "'my model' is not a usable alias")


@pytest.mark.parametrize(
    ("suite", "format"),
    [("test_retrieval.py", "squad"), ("test_morphology.py", "morphology")],
    ids=["dataset", "words"],
)
def test_no_configured_data_set_is_a_usage_error(project: pytest.Pytester, suite: str, format: str) -> None:
    (project.path / "embedeval.toml").write_text("", encoding="utf-8")
    result = project.runpytest_inprocess(f"suites/{suite}", "--models=letters")
    _assert_usage_error(
        result, f"none is configured; add [datasets.NAME] with path and format = '{format}' to embedeval.toml"
    )


def test_suites_without_data_of_their_kind_are_deselected_and_the_header_says_so(project: pytest.Pytester) -> None:
    """A user who has questions and no word forms runs the other suites all the same."""
    configuration = (project.path / "embedeval.toml").read_text(encoding="utf-8").partition("[datasets.forms]")[0]
    (project.path / "embedeval.toml").write_text(configuration, encoding="utf-8")
    result = project.runpytest_inprocess("suites", "--models=letters,bm25", "-k", "retrieval or morphology")
    result.assert_outcomes(passed=3, deselected=result.parseoutcomes()["deselected"])
    result.stdout.fnmatch_lines(
        ["embedeval: 2 models (letters, bm25); not applicable to bm25: * no data set of their kind: 2 tests"]
    )


def test_tests_that_need_vectors_are_deselected_for_bm25_and_the_header_says_so(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess("suites", "--models=letters,words=bm25", "-k", "not speed and not contract")
    result.assert_outcomes(passed=8, deselected=result.parseoutcomes()["deselected"])
    told = "not applicable to words: 4 tests; no data set of their kind: 6 tests"
    result.stdout.fnmatch_lines([f"embedeval: 2 models (letters, words); {told}"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["suites/test_retrieval.py", "-k", "nothing"], "letters, bm25 on medical; deselected by options: 4 tests"),
        (
            ["suites/test_morphology.py", "suites/test_two_stage.py", "suites/test_meaning.py", "-k", "bm25"],
            "letters, bm25 on forms, medical; needs_vectors: 1 test; needs_second_stage: 1 test; no data set: 2 tests; "
            "deselected by options: 4 tests",
        ),
    ],
    ids=["options", "marks"],
)
def test_where_no_test_is_left_a_line_says_for_what_and_why(
    project: pytest.Pytester, arguments: list[str], told: str
) -> None:
    result = project.runpytest_inprocess("--models=letters,bm25", *arguments)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines([f"embedeval: no test is left for {told}"])


def test_a_missing_folder_keeps_its_row(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess("suites/test_retrieval.py", "--models=letters,gone=./gone,blind")
    result.assert_outcomes(passed=4, errors=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    message = f"model 'gone': there is no folder {project.path / 'gone'}"
    rows = read_report(project)["models"]
    assert [(row["alias"], row["error"]) for row in rows] == [("letters", None), ("gone", message), ("blind", None)]
    result.stdout.re_match_lines([r"gone( +-){10}$", f"not loaded  gone: {message}"])
    result.stdout.no_fnmatch_line("*def test_*")  # the message says it all


def test_a_model_that_fails_to_load_is_tried_once(project: pytest.Pytester) -> None:
    project.makepyfile(
        conftest="""
        from pathlib import Path

        from pytest_embedeval.errors import ModelLoadError


        def pytest_embedeval_load_model(spec):
            with Path("tries.txt").open("a") as tries:
                tries.write("once ")
            raise ModelLoadError("the disk is full")
        """
    )
    result = project.runpytest_inprocess("suites/test_retrieval.py", "--models=own=acme/own")
    result.assert_outcomes(errors=2)
    assert (project.path / "tries.txt").read_text(encoding="utf-8") == "once "


def test_two_models_and_four_suites_load_each_model_once(project: pytest.Pytester) -> None:
    suites = [f"suites/test_{name}.py" for name in ("retrieval", "contract", "clustering", "morphology")]
    project.runpytest_inprocess(*suites, "--models=first=acme/one,second=acme/two").assert_outcomes(
        passed=38, warnings=2
    )
    assert _loads(project) == ["first alive=0", "second alive=0"]


def test_a_failed_last_test_does_not_keep_the_weights_alive(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_own="""
        def test_last(model, retrieval):
            if model.alias == "score":
                assert retrieval(model, "medical")["mrr@10"] > 1
            if model.alias == "encoder":
                model.encode_queries(["out of memory"])
            assert not model.alias
        """
    )
    # In a process of its own: within this one, pytester records every call of a hook, failures included.
    result = project.runpytest_subprocess(
        "test_own.py", "--models=assertion=acme/one,score=acme/two,encoder=acme/three,last=acme/four"
    )
    result.assert_outcomes(failed=4)
    assert _loads(project) == ["assertion alive=0", "score alive=0", "encoder alive=0", "last alive=0"]


@pytest.mark.parametrize(
    ("arguments", "groups"),
    [
        pytest.param((), ["letters"], id="with xdist"),
        pytest.param(("-p", "no:xdist"), [], id="without xdist"),
    ],
)
def test_xdist_finds_each_test_in_the_group_of_its_model(
    project: pytest.Pytester, arguments: tuple[str, ...], groups: list[str]
) -> None:
    pytest.importorskip("xdist")
    with (project.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(_SHOW_GROUPS)
    project.makepyfile(test_own="def test_judged(model): ...\ndef test_plain(): ...")
    result = project.runpytest_inprocess("--models=letters", "-s", *arguments, "test_own.py")
    assert f"test_judged[letters] {groups}" in result.outlines
    assert "test_plain []" in result.outlines


@pytest.mark.parametrize(
    ("configuration", "arguments", "aliases"),
    [
        ('matrix = ["blind", "bm25"]', (), "blind, bm25"),
        ('models = ["blind", "bm25"]', (), "blind, bm25"),
        ('matrix = ["blind", "bm25"]', ("--models=letters",), "letters"),
        ("", (), "letters, blind, holed"),
        ("", ("--models=new=letters,old=blind:dim=4",), "new, old"),
    ],
    ids=["matrix", "models", "command line first", "conftest", "aliases"],
)
def test_where_the_matrix_comes_from(
    project: pytest.Pytester, configuration: str, arguments: tuple[str, ...], aliases: str
) -> None:
    path = project.path / "embedeval.toml"
    path.write_text(f"{configuration}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    result = project.runpytest_inprocess("suites/test_retrieval.py", "--collect-only", *arguments)
    result.stdout.fnmatch_lines([f"embedeval: {len(aliases.split())} model* ({aliases})*"])


def test_a_model_of_the_configuration_is_named_by_its_table(project: pytest.Pytester) -> None:
    configure(project, '[models.short]\nsource = "letters"\ndim = 64\nquery_prompt = "soru: "\n')
    project.runpytest_inprocess("suites/test_retrieval.py", "--models=short,long=short:dim=128").assert_outcomes(
        passed=4
    )
    facts: list[dict[str, Any]] = read_report(project)["models"]
    assert [(row["alias"], row["source"], row["dimension"], row["prompts"]["query"]) for row in facts] == [
        ("short", "letters", 64, "soru: "),
        ("long", "letters", 128, "soru: "),
    ]


def _assert_usage_error(result: pytest.RunResult, message: str) -> None:
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()
    assert "Traceback" not in result.stderr.str()
    assert "INTERNALERROR" not in result.stdout.str()


def _loads(project: pytest.Pytester) -> list[str]:
    return (project.path / "loads.txt").read_text(encoding="utf-8").splitlines()
