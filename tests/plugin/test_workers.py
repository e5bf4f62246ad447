"""`--dist loadgroup`: all tests of a model on one worker of xdist, whatever ids look like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.plugin.state import KEY
from pytest_embedeval.plugin.workers import note_models, noted_models

pytest.importorskip("xdist")

_TWO_WORKERS = "-n", "2", "--dist", "loadgroup"

_USERS_OWN = """
import os

import pytest


@pytest.mark.parametrize("part", ["small", "large", "small-2"])
def test_parts(model, part):
    with open(f"workers-{model.alias}.txt", "a", encoding="utf-8") as log:
        print(os.environ["PYTEST_XDIST_WORKER"], file=log)


@pytest.mark.xdist_group("database")
@pytest.mark.parametrize("number", range(4))
def test_without_model(number):
    pass
"""

_PLAIN = """
import pytest


@pytest.mark.parametrize("model", ["bm25", "bm25-x", "other@2"])
def test_numbers(model):
    assert model != "bm25-x"


@pytest.mark.xdist_group("database")
def test_grouped():
    pass
"""

_OWN_SCHEDULER = """
from xdist.scheduler import LoadScopeScheduling


class Own(LoadScopeScheduling):
    pass


def pytest_xdist_make_scheduler(config, log):
    return Own(config, log)
"""


@pytest.fixture
def controller(pytester: pytest.Pytester) -> Iterator[pytest.Config]:
    """The configuration of a run with two workers, which are not started."""
    config = pytester.parseconfigure("--tx=2*popen", "--dist=loadgroup")
    yield config
    config.stash[KEY].parts.discard()


def test_each_model_is_loaded_once_by_one_worker(project: pytest.Pytester) -> None:
    """Also where ids could be read two ways: `[own-query]` is a test of `own` or the test of `own-query`."""
    aliases = ["own", "own-query", "own.b", "own+c"]
    result = project.runpytest_inprocess(
        "suites/test_contract.py",
        "-k=unit_length or same_text or order",
        "--models=" + ",".join(f"{alias}=acme/own" for alias in aliases),
        "-p",
        "no:benchmark",
        *_TWO_WORKERS,
    )
    result.assert_outcomes(passed=16)
    loads = (project.path / "loads.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(loads) == sorted(f"{alias} alive=0" for alias in aliases)


def test_models_of_a_conftest_are_grouped_without_any_configuration(project: pytest.Pytester) -> None:
    (project.path / "embedeval.toml").unlink()
    project.makepyfile(test_own=_USERS_OWN)
    result = project.runpytest_inprocess("test_own.py", "-p", "no:benchmark", *_TWO_WORKERS)
    result.assert_outcomes(passed=13)
    for alias in ("letters", "blind", "holed"):
        workers = (project.path / f"workers-{alias}.txt").read_text(encoding="utf-8").split()
        assert len(workers) == 3
        assert len(set(workers)) == 1


def test_a_run_without_our_fixtures_is_distributed_as_without_the_plugin(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(_PLAIN)
    with_plugin, without = (
        pytester.runpytest_inprocess(*_TWO_WORKERS, "-v", "-p", "no:cacheprovider", *more)
        for more in ((), ("-p", "no:embedeval"))
    )
    assert with_plugin.ret == without.ret == pytest.ExitCode.TESTS_FAILED
    assert _unordered(with_plugin) == _unordered(without)
    assert "scheduling tests via LoadGroupScheduling" in with_plugin.outlines


def test_a_worker_notes_only_tests_with_a_model(project: pytest.Pytester, tmp_path: Path) -> None:
    project.makepyfile(test_plain=_PLAIN)
    items, _ = project.inline_genitems("suites/test_retrieval.py", "test_plain.py", "--models=letters")
    note_models(tmp_path, items)
    assert noted_models(tmp_path) == {
        "suites/test_retrieval.py::test_retrieval[letters-medical]": "letters",
        "suites/test_retrieval.py::test_negatives[letters-medical]": "letters",
    }


def test_a_worker_without_such_tests_writes_no_file(pytester: pytest.Pytester, tmp_path: Path) -> None:
    items = pytester.getitems(_PLAIN)
    note_models(tmp_path, items)
    assert not list(tmp_path.iterdir())


def test_a_worker_that_does_not_see_the_folder_goes_on(project: pytest.Pytester, tmp_path: Path) -> None:
    items, _ = project.inline_genitems("suites/test_retrieval.py", "--models=letters")
    note_models(tmp_path / "on another machine", items)
    assert noted_models(tmp_path / "on another machine") == {}


def test_what_all_workers_noted_is_known_to_the_controller(tmp_path: Path) -> None:
    (tmp_path / "1.models").write_text('{"a.py::test[x]": "x"}', encoding="utf-8")
    (tmp_path / "2.models").write_text('{"a.py::test[x]": "x", "a.py::test[y]": "y"}', encoding="utf-8")
    (tmp_path / "2-000000.json").write_text("a part of the report", encoding="utf-8")
    assert noted_models(tmp_path) == {"a.py::test[x]": "x", "a.py::test[y]": "y"}


def test_a_group_that_xdist_knows_goes_before_the_model(controller: pytest.Config) -> None:
    folder = controller.stash[KEY].parts.folder()
    (folder / "1.models").write_text('{"test_a.py::test_a[x-1]": "x", "test_a.py::test_a[x-2]@x_database": "x"}')
    groups = {
        "test_a.py::test_a[x-1]": "x",
        "test_a.py::test_a[x-2]@x_database": "x_database",
        "test_a.py::test_b@database": "database",
        "test_a.py::test_b": "test_a.py::test_b",
        "test_a.py::test_c[x-1]": "test_a.py::test_c[x-1]",
    }
    scheduler = _scheduler(controller)
    assert {nodeid: scheduler._split_scope(nodeid) for nodeid in groups} == groups


def test_other_distributions_are_xdists_own(controller: pytest.Config) -> None:
    for dist in ("load", "loadscope", "loadfile", "worksteal", "each"):
        controller.option.dist = dist
        assert type(_scheduler(controller)).__module__ == f"xdist.scheduler.{dist}"


def test_a_scheduler_of_the_user_comes_first(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(_OWN_SCHEDULER)
    config = pytester.parseconfigure("--tx=2*popen", "--dist=loadgroup")
    assert type(_scheduler(config)).__name__ == "Own"


def _scheduler(config: pytest.Config) -> Any:
    from xdist.remote import Producer

    return config.hook.pytest_xdist_make_scheduler(config=config, log=Producer("test", enabled=False))


def _unordered(result: pytest.RunResult) -> list[str]:
    """Return the lines of a run without what differs from run to run: times, progress, and which worker was faster."""
    lines = (line for line in result.outlines if not line.startswith("plugins: "))
    return sorted(re.sub(r"in \d+\.\d+s|gw\d|\[ *\d+%\]", "", line) for line in lines)
