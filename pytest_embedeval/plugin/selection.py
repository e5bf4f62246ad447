"""Which tests a run had, and whether it had all of them: an unused baseline can be told only then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.plugin import matrix


@dataclass
class Selection:
    """What was collected and what became of it, by node ids without parameters.

    Attributes
    ----------
    aliases
        Models that tests were collected for.
    files
        Files from which tests were collected, as they stand in node ids.
    ran
        Models of which a test ran to its end or failed; one that skips itself says nothing.
    need_vectors
        Tests with that mark, which do not apply to bm25.
    broken
        Tests that were left out, skipped or failed: they may have left no score where one was meant.
    """

    aliases: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    ran: set[str] = field(default_factory=set)
    need_vectors: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    def collect(self, items: Iterable[pytest.Item]) -> None:
        """Take note of the tests that will run."""
        for item in items:
            alias = matrix.alias_of(item)
            if alias is not None:
                self.aliases.add(alias)
            if item.get_closest_marker("needs_vectors"):
                self.need_vectors.add(_test_of(item.nodeid))
            self.files.add(item.nodeid.partition("::")[0])

    def leave_out(self, items: Iterable[pytest.Item]) -> None:
        """Take note of tests that will not run, by whosever wish."""
        self.broken.update(_test_of(item.nodeid) for item in items)

    def run(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Take note of a test that was called, in the process that called it."""
        alias = matrix.alias_of(item)
        if alias is not None and report.when == "call" and (not report.skipped or hasattr(report, "wasxfail")):
            self.ran.add(alias)

    def report(self, report: pytest.TestReport) -> None:
        """Take note of what became of a test."""
        if report.outcome != "passed":
            self.broken.add(_test_of(report.nodeid))

    def as_output(self) -> dict[str, list[str]]:
        """Return what a worker of xdist tells the process that reports."""
        return {name: sorted(found) for name, found in vars(self).items()}

    def add_output(self, output: dict[str, list[str]]) -> None:
        """Take in what a worker told."""
        for name, found in output.items():
            getattr(self, name).update(found)

    def had_all_of(self, tests: Iterable[str], root: Path) -> bool:
        """Whether every one of these tests had its chance to run: collected whole, or no longer there."""
        return not any(
            test in self.broken
            or (test.partition("::")[0] not in self.files and (root / test.partition("::")[0]).exists())
            for test in tests
        )


def _test_of(nodeid: str) -> str:
    path, _, name = nodeid.partition("[")[0].rpartition("::")
    return f"{path}::{name.partition('@')[0]}"  # xdist may write the group of a test behind its name


def is_partial(config: pytest.Config) -> bool:
    """Whether the command line asked for a part of what the files hold."""
    options: Any = config.option
    asked = any(getattr(options, name, None) for name in ("keyword", "markexpr", "lf", "stepwise", "deselect"))
    return bool(asked) or any("::" in str(argument) for argument in config.args)
