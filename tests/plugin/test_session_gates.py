"""What fails a run as a whole although no test failed, and what must not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.plugin.conftest import RETRIEVAL, read_report, store

_SKIPPED = "failed      blind: no test of it ran; it is not judged"


@pytest.mark.parametrize(
    "hook",
    [
        """
        def pytest_collection_modifyitems(items):
            for item in items:
                if "blind" in item.name:
                    item.add_marker(pytest.mark.skip)
        """,
        """
        @pytest.fixture(autouse=True)
        def not_here(model):
            if model.alias == "blind":
                pytest.skip("too slow")
        """,
    ],
    ids=["before it is loaded", "after it is loaded"],
)
def test_a_model_whose_tests_are_all_skipped_is_not_green(project: pytest.Pytester, hook: str) -> None:
    (project.path / "suites" / "conftest.py").write_text("import pytest\n" + _dedented(hook), encoding="utf-8")
    result = project.runpytest_inprocess("suites/test_retrieval.py", "--models=letters,blind")
    result.assert_outcomes(passed=2, skipped=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([_SKIPPED, "report: *"])
    result.stdout.no_fnmatch_line("*letters: no test of it ran*")
    summary = (project.path / ".embedeval" / "summary.md").read_text(encoding="utf-8")
    assert "❌ blind: no test of it ran; it is not judged" in summary


def test_a_run_that_skips_everything_is_not_green(project: pytest.Pytester) -> None:
    project.makepyfile(test_own="import pytest\n@pytest.mark.skip\ndef test_own(model): ...")
    result = project.runpytest_inprocess("test_own.py", "--models=blind")
    result.assert_outcomes(skipped=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*= embedeval =*", _SKIPPED])
    assert not (project.path / ".embedeval").exists()


@pytest.mark.parametrize(
    ("test", "failed"),
    [
        ("@pytest.mark.xfail\ndef test_own(model): assert False", 0),
        ("def test_own(model): assert model.alias == 'letters'", 1),
        ("def test_own(model): ...\n@pytest.mark.skip\ndef test_other(model): ...", 0),
    ],
    ids=["xfail", "failed", "one of two"],
)
def test_a_model_of_which_a_test_ran_is_judged(project: pytest.Pytester, test: str, failed: int) -> None:
    project.makepyfile(test_own=f"import pytest\n{test}")
    result = project.runpytest_inprocess("test_own.py", "--models=blind")
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if failed else pytest.ExitCode.OK)
    result.stdout.no_fnmatch_line("failed *")


def test_a_model_that_was_not_loaded_is_told_once(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters,gone=./gone")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["not loaded  gone: *"])
    result.stdout.no_fnmatch_line("failed *")


@pytest.mark.parametrize("flags", [("--collect-only",), ("--setup-plan",)], ids=" ".join)
def test_a_run_that_runs_no_test_is_not_judged(project: pytest.Pytester, flags: Sequence[str]) -> None:
    store(project, "old=letters")
    result = project.runpytest_inprocess(RETRIEVAL, "--models=blind", "--against=old", *flags, "--embedeval-update")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("failed *")
    assert [path.name for path in (project.path / "baselines").glob("*.json")] == ["old.json"]


def test_a_run_cut_short_is_not_judged_as_a_whole(project: pytest.Pytester) -> None:
    project.makepyfile(test_own="def test_own(model, retrieval): assert model.alias != 'letters'")
    result = project.runpytest_inprocess("test_own.py", "--models=letters,blind", "--against=letters", "-x")
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("failed *")


def test_without_a_terminal_the_exit_code_alone_speaks(project: pytest.Pytester) -> None:
    project.makepyfile(test_own="import pytest\ndef test_own(model): pytest.skip('not today')")
    result = project.runpytest_inprocess("test_own.py", "--models=blind", "-p", "no:terminal")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert not result.outlines
    assert not result.errlines


def test_without_a_terminal_a_worse_model_fails(upgrades: pytest.Pytester) -> None:
    store(upgrades, "prod=perfect")
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=careless", "-p", "no:terminal")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert {row["state"] for row in read_report(upgrades)["verdicts"] if not row["advisory"]} == {"fail"}


def test_tests_without_a_model_are_not_judged(project: pytest.Pytester) -> None:
    store(project, "letters")
    project.makepyfile(test_plain="import pytest\n@pytest.mark.skip\ndef test_skipped(): ...\ndef test_plain(): ...")
    result = project.runpytest_inprocess("test_plain.py")
    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*= embedeval =*")


def test_without_the_plugin_baselines_are_just_files(project: pytest.Pytester) -> None:
    store(project, "letters")
    project.makepyfile(test_plain="def test_plain(): ...")
    (project.path / "conftest.py").unlink()
    result = project.runpytest_inprocess("test_plain.py", "-p", "no:embedeval")
    result.assert_outcomes(passed=1)


def _dedented(text: str) -> str:
    return "\n".join(line.removeprefix("        ") for line in text.splitlines())
