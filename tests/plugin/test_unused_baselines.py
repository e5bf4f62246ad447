"""Stored scores that no test asks for any more: told only by runs that had every test, removed only on request."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.plugin.conftest import configure, read_baseline

_TESTS = """
def test_search(model, dataset, retrieval, gate):
    gate(retrieval(model, dataset))


def test_draw(model, triplets, gate):
    gate(triplets(model, "medical"))
"""

_OTHER_DATA = '\n[datasets.other]\npath = "medical.json"\nformat = "squad"\n'
UNUSED = (
    "failed      *baselines/old.json: retrieval/other: no test asks for these scores any more; --embedeval-update *"
)


@pytest.fixture
def shrunk(project: pytest.Pytester) -> pytest.Pytester:
    """A project whose two models have a baseline each, also for a data set that is configured no longer."""
    project.makepyfile(test_own=_TESTS, test_other="def test_plain(): ...\ndef test_model(model): ...")
    path = project.path / "embedeval.toml"
    text = 'matrix = ["old=letters", "new=blind"]\n' + path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    folder = project.path / "baselines"
    if not _baselines:  # one run serves all tests: what it stores depends on nothing else
        configure(project, _OTHER_DATA)
        project.runpytest_inprocess("test_own.py", "--embedeval-update").assert_outcomes(passed=6)
        _baselines.update((file.name, file.read_text(encoding="utf-8")) for file in folder.glob("*.json"))
    folder.mkdir(exist_ok=True)
    for name, stored in _baselines.items():
        (folder / name).write_text(stored, encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    return project


_baselines: dict[str, str] = {}


def test_a_data_set_that_is_gone_fails_a_complete_run_until_it_is_removed(shrunk: pytest.Pytester) -> None:
    result = shrunk.runpytest_inprocess("test_own.py")
    result.assert_outcomes(passed=4)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([UNUSED.replace("old.json", "new.json"), UNUSED])
    assert _places(shrunk, "old") == ["retrieval/medical", "retrieval/other", "triplets/medical"]
    result = shrunk.runpytest_inprocess("test_own.py", "--embedeval-update")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["removed     new retrieval/other", "removed     old retrieval/other"])
    assert _places(shrunk, "old") == _places(shrunk, "new") == ["retrieval/medical", "triplets/medical"]
    assert shrunk.runpytest_inprocess("test_own.py").ret == pytest.ExitCode.OK


def test_update_new_removes_nothing(shrunk: pytest.Pytester) -> None:
    result = shrunk.runpytest_inprocess("test_own.py", "--embedeval-update-new")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([UNUSED])
    assert "retrieval/other" in _places(shrunk, "old")


@pytest.mark.parametrize(
    "arguments",
    [
        ("test_own.py", "-k", "search or draw"),
        ("test_own.py", "-m", "not needs_vectors"),
        ("test_own.py", "--deselect", "test_own.py::test_draw[new]"),
        ("test_own.py::test_search", "test_own.py::test_draw"),
        ("test_own.py", "--lf"),
        ("test_own.py", "--stepwise"),
        ("test_other.py",),
        ("test_own.py", "--setup-plan"),
        ("test_own.py", "--collect-only"),
    ],
    ids=lambda arguments: " ".join(arguments[1:2]) or arguments[0],
)
def test_a_run_of_a_part_tells_nothing_and_removes_nothing(shrunk: pytest.Pytester, arguments: Sequence[str]) -> None:
    result = shrunk.runpytest_inprocess(*arguments, "--embedeval-update")
    assert result.ret == pytest.ExitCode.OK
    _assert_nothing_unused(shrunk, result)


def test_a_run_by_keyword_does_not_fail_either(shrunk: pytest.Pytester) -> None:
    result = shrunk.runpytest_inprocess("test_own.py", "-k", "search or draw")
    assert result.ret == pytest.ExitCode.OK
    _assert_nothing_unused(shrunk, result)


@pytest.mark.parametrize(
    "change",
    [
        "@pytest.mark.skip\ndef test_search(model): ...",
        "@pytest.mark.xfail\ndef test_search(model): assert False",
        "def test_search(model): pytest.skip('not today')",
        "def test_search(model): pytest.skip('not today') if model.alias == 'new' else None",
        "@pytest.fixture(autouse=True)\ndef needed(): pytest.skip('not here')",
    ],
    ids=["mark", "xfail", "in the test", "one model", "fixture"],
)
def test_a_skipped_test_leaves_no_score_unused(shrunk: pytest.Pytester, change: str) -> None:
    path = shrunk.path / "test_own.py"
    path.write_text(f"import pytest\n{path.read_text(encoding='utf-8')}\n{change}\n", encoding="utf-8")
    _assert_nothing_unused(shrunk, shrunk.runpytest_inprocess("test_own.py", "test_other.py", "--embedeval-update"))


@pytest.mark.parametrize("told", [True, False], ids=["told", "in silence"])
def test_a_conftest_that_leaves_tests_out_makes_a_part(shrunk: pytest.Pytester, told: bool) -> None:
    """A "quick" mode of the user's must not cost the baselines of the full run."""
    with (shrunk.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(
            "def pytest_collection_modifyitems(config, items):\n"
            "    left_out = [item for item in items if 'search' in item.name]\n"
            f"    if {told}: config.hook.pytest_deselected(items=left_out)\n"
            "    items[:] = [item for item in items if item not in left_out]\n"
        )
    result = shrunk.runpytest_inprocess("test_own.py", "--embedeval-update")
    result.assert_outcomes(passed=2, deselected=4 - 2 if told else 0)
    _assert_nothing_unused(shrunk, result)


@pytest.mark.parametrize("stop", [("-x",), ("--maxfail=1",), ()], ids=["-x", "maxfail", "to the end"])
def test_a_failed_test_leaves_no_score_unused(shrunk: pytest.Pytester, stop: Sequence[str]) -> None:
    path = shrunk.path / "test_own.py"
    path.write_text(f"{path.read_text(encoding='utf-8')}\ndef test_search(model): assert False\n", encoding="utf-8")
    result = shrunk.runpytest_inprocess("test_own.py", *stop)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    _assert_nothing_unused(shrunk, result)


def test_a_model_that_is_gone_from_the_configuration_fails_the_run(shrunk: pytest.Pytester) -> None:
    path = shrunk.path / "embedeval.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(', "new=blind"', "") + _OTHER_DATA, encoding="utf-8")
    result = shrunk.runpytest_inprocess("test_own.py")
    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["failed      *new.json: retrieval/medical, retrieval/other, triplets/medical: no test*"]
    )
    shrunk.runpytest_inprocess("test_own.py", "--embedeval-update").stdout.fnmatch_lines(["removed     new *"] * 3)
    assert not (shrunk.path / "baselines" / "new.json").exists()


def test_a_model_that_the_command_line_leaves_out_keeps_its_scores(shrunk: pytest.Pytester) -> None:
    configure(shrunk, _OTHER_DATA)
    result = shrunk.runpytest_inprocess("test_own.py", "--models=old=letters", "--embedeval-update")
    assert result.ret == pytest.ExitCode.OK
    _assert_nothing_unused(shrunk, result)


def test_a_model_that_the_command_line_names_is_told(shrunk: pytest.Pytester) -> None:
    result = shrunk.runpytest_inprocess("test_own.py", "--models=old=letters")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([UNUSED])
    result.stdout.no_fnmatch_line("*new.json*")


def test_a_model_that_fails_to_load_keeps_its_scores(shrunk: pytest.Pytester) -> None:
    result = shrunk.runpytest_inprocess("test_own.py", "--models=old=./gone", "--embedeval-update")
    result.assert_outcomes(errors=2)
    _assert_nothing_unused(shrunk, result)


def test_the_baseline_of_the_reference_alone_is_in_use(shrunk: pytest.Pytester) -> None:
    path = shrunk.path / "embedeval.toml"
    text = path.read_text(encoding="utf-8").replace(', "new=blind"', "") + _OTHER_DATA
    path.write_text('against = "new"\n' + text, encoding="utf-8")
    result = shrunk.runpytest_inprocess("test_own.py")
    assert result.ret == pytest.ExitCode.OK
    _assert_nothing_unused(shrunk, result)


def test_a_renamed_test_keeps_its_scores(shrunk: pytest.Pytester) -> None:
    configure(shrunk, _OTHER_DATA)
    path = shrunk.path / "test_own.py"
    path.write_text(path.read_text(encoding="utf-8").replace("test_search", "test_find"), encoding="utf-8")
    assert shrunk.runpytest_inprocess("test_own.py").ret == pytest.ExitCode.OK


def test_a_removed_test_leaves_its_scores_unused(shrunk: pytest.Pytester) -> None:
    configure(shrunk, _OTHER_DATA)
    shrunk.makepyfile(test_own=_TESTS.partition("def test_draw")[0])
    result = shrunk.runpytest_inprocess("test_own.py")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["failed      *old.json: triplets/medical: no test asks for these scores any more;*"])


def test_a_file_that_holds_no_baseline_is_named(shrunk: pytest.Pytester) -> None:
    configure(shrunk, _OTHER_DATA)
    (shrunk.path / "baselines" / "notes.json").write_text("{}", encoding="utf-8")
    result = shrunk.runpytest_inprocess("test_own.py")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["failed      *notes.json: key 'schema_version' is missing; *"])


def _places(project: pytest.Pytester, alias: str) -> list[str]:
    return list(read_baseline(project, alias)["results"])


def _assert_nothing_unused(project: pytest.Pytester, result: pytest.RunResult) -> None:
    result.stdout.no_fnmatch_line("*no test asks*")
    result.stdout.no_fnmatch_line("removed *")
    for alias in ("old", "new"):
        assert {"retrieval/other", "retrieval/medical", "triplets/medical"} <= set(_places(project, alias))
