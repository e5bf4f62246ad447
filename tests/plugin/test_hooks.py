"""What a conftest may bring: encoders, data sets, a loader, a reader of the report."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import configure, read_report

TEST = "suites/test_retrieval.py::test_retrieval"

_DATA = """
import numpy as np

from pytest_embedeval.datasets import Judgements, RetrievalData, WordData, WordItem


def pytest_embedeval_datasets(config):
    data = RetrievalData(
        name="cities",
        document_ids=["ankara", "izmir"],
        documents=["Ankara başkenttir.", "İzmir deniz kıyısındadır."],
        query_ids=["q1"],
        queries=["İzmir nerede?"],
        judgements=Judgements.of({(0, 1): 1}),
    )
    word = WordItem("w1", "plural", "N;PL", "ev", "evler", ("devler",), "own")
    other = WordItem("w2", "plural", "N;PL", "göz", "gözler", ("sözler",), "own")
    return {"cities": data, "houses": WordData("houses", [word, other])}
"""


def test_encoders_of_a_conftest_are_the_matrix_where_none_is_named(project: pytest.Pytester) -> None:
    project.runpytest_inprocess(TEST, "-k", "not holed").assert_outcomes(passed=2, deselected=1)
    models = read_report(project)["models"]
    assert [(row["alias"], row["source"], row["dimension"]) for row in models] == [
        ("letters", "letters", 256),
        ("blind", "blind", 32),
    ]


def test_an_encoder_of_a_conftest_may_be_named_with_keys(project: pytest.Pytester) -> None:
    project.runpytest_inprocess(TEST, "--models=small=letters:dim=32:precision=float16").assert_outcomes(passed=1)
    (row,) = read_report(project)["models"]
    assert (row["source"], row["dimension"], row["precision"]) == ("letters", 32, "float16")


def test_an_encoder_may_differ_by_role_and_carry_a_fingerprint(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        from tests.conftest import letters


        class ByRole:
            fingerprint = "sha256:own"

            def encode_queries(self, texts):
                return letters(["query"] * len(texts))

            def encode_documents(self, texts):
                return letters(texts)


        def pytest_embedeval_models(config):
            return {"by-role": ByRole()}
        """
    )
    project.makepyfile(
        test_own="""
        import numpy as np


        def test_roles(model):
            assert np.array_equal(model.encode_queries(["a"]), model.encode_queries(["b"]))
            assert not np.array_equal(model.encode_documents(["a"]), model.encode_documents(["b"]))
        """
    )
    project.runpytest_inprocess("test_own.py").assert_outcomes(passed=1)
    assert read_report(project)["models"][0]["fingerprint"] == "sha256:own"


def test_data_sets_of_a_conftest_stand_beside_the_configured(project: pytest.Pytester) -> None:
    with (project.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(_DATA)
    configure(project, '[gates."retrieval/cities"]\n"mrr@10" = { min = 0.9 }\n')
    result = project.runpytest_inprocess(TEST, "suites/test_morphology.py", "--models=letters", "-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines_random(
        [f"*[[]letters-{name}] PASSED*" for name in ("medical", "cities", "forms", "houses")]
    )
    (verdict,) = read_report(project)["verdicts"]
    assert (verdict["dataset"], verdict["state"]) == ("cities", "pass")


def test_a_loader_of_a_conftest_takes_what_it_wants_and_leaves_the_rest(project: pytest.Pytester) -> None:
    project.runpytest_inprocess(TEST, "--models=own=acme/one@v2,letters").assert_outcomes(passed=2)
    models = read_report(project)["models"]
    assert [(row["alias"], row["source"], row["revision"], row["error"]) for row in models] == [
        ("own", "acme/one", "v2", None),
        ("letters", "letters", None, None),
    ]


def test_a_loader_may_return_a_model(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        from pytest_embedeval import load_model
        from tests.conftest import letters


        def pytest_embedeval_load_model(spec):
            return load_model(letters, alias=spec.alias)
        """
    )
    project.runpytest_inprocess(TEST, "--models=own=acme/one").assert_outcomes(passed=1)
    assert [row["alias"] for row in read_report(project)["models"]] == ["own"]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("3", "model 'own': int has no encode_queries and encode_documents*and cannot be called"),
        ("len", "model 'own' returned shape () for one text; expected (1, d)"),
        ("lambda texts: 1 / 0", "model 'own' cannot encode: ZeroDivisionError: division by zero"),
    ],
    ids=["no encoder", "shape", "error"],
)
def test_an_encoder_that_is_none_is_named_in_its_row(project: pytest.Pytester, returned: str, message: str) -> None:
    project.makeconftest(f"def pytest_embedeval_load_model(spec):\n    return {returned}")
    result = project.runpytest_inprocess(TEST, "--models=own=acme/one")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message, f"not loaded  own: {message}"])


def test_a_loader_that_raises_keeps_the_row_of_its_model(project: pytest.Pytester) -> None:
    project.makeconftest("def pytest_embedeval_load_model(spec):\n    raise OSError('the server is down')")
    result = project.runpytest_inprocess("suites/test_retrieval.py", "--models=own=acme/one")
    result.assert_outcomes(errors=2)
    (row,) = read_report(project)["models"]
    assert row["alias"] == "own"
    assert "OSError: the server is down" in row["error"]


def test_the_report_is_handed_over_before_it_is_written(project: pytest.Pytester) -> None:
    with (project.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(
            """
def pytest_embedeval_report(report):
    from pathlib import Path

    print("seen", [model.alias for model in report.models], Path(".embedeval").exists())
    report.models[:] = report.models[::-1]
"""
        )
    result = project.runpytest_inprocess(TEST, "--models=letters,blind", "-s")
    assert "seen ['letters', 'blind'] False" in result.stdout.str()
    assert [row["alias"] for row in read_report(project)["models"]] == ["blind", "letters"]


def test_the_report_hook_is_silent_where_nothing_was_judged(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_embedeval_report(report): raise AssertionError")
    pytester.makepyfile("def test_plain(): ...")
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.OK


def test_our_hooks_stand_pluggys_check_for_misspelt_ones(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        def pytest_embedeval_models(config): return {}
        def pytest_embedeval_datasets(config): return {}
        def pytest_embedeval_load_model(spec): return None
        def pytest_embedeval_report(report): ...
        def pytest_configure(config): config.pluginmanager.check_pending()
        """
    )
    assert pytester.runpytest_inprocess().ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_report_hook_that_fails_loses_no_report(project: pytest.Pytester) -> None:
    with (project.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write("\n\ndef pytest_embedeval_report(report):\n    raise ValueError('no such column')\n")
    result = project.runpytest_inprocess("suites/test_retrieval.py::test_retrieval", "--models=letters")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["pytest_embedeval_report: ValueError: no such column"])
    assert read_report(project)["measurements"]
