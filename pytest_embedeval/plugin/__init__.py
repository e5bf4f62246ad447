"""The pytest plugin: all that knows pytest.

This module and those it imports at the top stay light: a run that uses none of the fixtures pays nothing. Heavy
libraries are imported by the fixtures that need them.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import pytest

from pytest_embedeval.errors import EmbedevalError, UsageError
from pytest_embedeval.plugin import hookspecs, matrix
from pytest_embedeval.plugin.bench import (
    pytest_benchmark_compare_machine_info,
    pytest_benchmark_group_stats,
    pytest_benchmark_update_json,
)
from pytest_embedeval.plugin.closing import Closing
from pytest_embedeval.plugin.fixtures import (
    clustering,
    confusions,
    crosslingual,
    dataset,
    gate,
    lexical,
    minimal_pairs,
    model,
    morphology,
    parallel,
    retrieval,
    robustness,
    sentences,
    similarity,
    triplets,
    two_stage,
    words,
)
from pytest_embedeval.plugin.options import add_options
from pytest_embedeval.plugin.speed import WithoutBenchmark, latency, throughput
from pytest_embedeval.plugin.state import KEY, Session
from pytest_embedeval.plugin.workers import pytest_collection_finish, pytest_xdist_make_scheduler

__all__ = [
    "clustering",
    "confusions",
    "crosslingual",
    "dataset",
    "gate",
    "latency",
    "lexical",
    "minimal_pairs",
    "model",
    "morphology",
    "parallel",
    "pytest_benchmark_compare_machine_info",
    "pytest_benchmark_group_stats",
    "pytest_benchmark_update_json",
    "pytest_collection_finish",
    "pytest_xdist_make_scheduler",
    "retrieval",
    "robustness",
    "sentences",
    "similarity",
    "throughput",
    "triplets",
    "two_stage",
    "words",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the group `embedeval`."""
    add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Let a conftest bring its own models and data sets."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Prepare a session; nothing is read or imported before something asks for it."""
    config.addinivalue_line(
        "markers",
        "needs_vectors: the test needs an embedding model; it is deselected for bm25 (pytest-embedeval)",
    )
    config.addinivalue_line(
        "markers",
        "needs_second_stage: the test needs a model with `rerank`; it is deselected for others (pytest-embedeval)",
    )
    config.addinivalue_line(
        "markers",
        "needs_new_queries: the test asks queries of its own; it is deselected for finished runs (pytest-embedeval)",
    )
    config.stash[KEY] = Session(config)
    config.pluginmanager.register(Closing(config.stash[KEY]), "embedeval-closing")
    if not any(map(config.pluginmanager.hasplugin, ("benchmark", "pytest_benchmark.plugin"))):
        config.pluginmanager.register(WithoutBenchmark(), "embedeval-without-benchmark")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """End the run with exit 4 where the matrix is wrong, or a test asks for what is not configured."""
    state = session.config.stash[KEY]
    try:
        state.check()
        result = yield
        if state.usage_error is not None:
            raise state.usage_error
    except EmbedevalError as error:
        raise pytest.UsageError(str(error)) from None
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for `model`, or for data of some kind, once per entry of the matrix and data set."""
    state = metafunc.config.stash[KEY]
    try:
        matrix.parametrise(metafunc, state)
    except UsageError as error:  # raised again when all is collected: here it would be a mere error of this file
        state.usage_error = state.usage_error or error


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, object, object]:
    """Group the tests by model, so that each model is loaded once, and drop those that do not apply to it.

    After all others, such as --failed-first, have put the tests in their order.
    """
    result = yield
    matrix.arrange(config, items, config.stash[KEY])
    config.stash[KEY].selection.collect(items)
    return result


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the matrix where the command line asked for one."""
    return config.stash[KEY].header()


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str]:
    """Say what will be judged, where anything will."""
    return matrix.announce(items, config.stash[KEY])


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Explain a failed `assert score >= 0.55`."""
    from pytest_embedeval.plugin.explain import explain_comparison

    return explain_comparison(op, left, right)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where to put its part of the report."""
    node.workerinput["embedeval_parts"] = str(node.config.stash[KEY].parts.folder())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear from an xdist worker which tests it collected."""
    output = getattr(node, "workeroutput", {}).get("embedeval")
    if output is not None:
        node.config.stash[KEY].selection.add_output(output)
