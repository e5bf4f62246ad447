"""The end of a run: what no single test can judge, the files, the baselines, the summary."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_embedeval.errors import BaselineError
from pytest_embedeval.plugin import github, matrix
from pytest_embedeval.plugin.options import UPDATE
from pytest_embedeval.plugin.selection import is_partial
from pytest_embedeval.plugin.state import Session

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_embedeval.gate import Baseline, Result
    from pytest_embedeval.report import Kept, Part, Report


class Closing:
    """Judges the session as a whole and writes what it leaves. A plugin of its own, so that it may have state.

    Attributes
    ----------
    report
        The finished report, None where nothing was found.
    """

    def __init__(self, state: Session) -> None:
        self.state = state
        self.report: Report | None = None
        self.faults: list[str] = []
        self._late: list[str] = []
        self._updated: list[str] = []
        self._problems: list[str] = []
        self._unused: dict[str, list[str]] = {}
        self._path: Path | None = None
        self._page: Path | None = None
        self._tests: dict[tuple[str, str], list[str]] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, object, object]:
        """Take note of tests that others leave out, said or unsaid; one that does not apply has no scores to lose."""
        found = list(items)
        result = yield
        kept = {*items, *self.state.dropped}
        self.state.selection.leave_out(item for item in found if item not in kept)
        if not items:
            self.state.none_left = matrix.none_left(found, self.state)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Take note of the models of which a test ran."""
        report = yield
        self.state.selection.run(item, report)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of skipped and failed tests."""
        self.state.selection.report(report)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Compare what could not be compared earlier, and fail the session where something is missing.

        Adds to `session.testsfailed`; a run that was cut short is not judged.
        """
        result = yield
        cut_short = session.shouldstop or session.shouldfail
        asked = session.config.option
        if not (self.state.is_worker or asked.collectonly or getattr(asked, "setuponly", False) or cut_short):
            parts = self.state.parts.read()
            self.faults = [*self._compare_late(parts), *self._without_row(parts), *self._find_unused(parts)]
            session.testsfailed += len(self.faults)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, object, object]:
        """Write the report and the candidate baselines; update the stored ones if asked to and not interrupted.

        Before all others: pytest-benchmark raises in its own where a comparison of it fails.
        """
        self.state.loading.add_what_is_left()
        if self.state.is_worker:
            session.config.workeroutput["embedeval"] = self.state.selection.as_output()  # type: ignore[attr-defined]
        else:
            parts = self.state.parts.read()
            if parts:
                self._write(parts, complete=exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED))
            if self._problems and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return (yield)

    def pytest_unconfigure(self) -> None:
        """Close the store, and remove the parts, which pytest-benchmark has read by now."""
        self.state.loading.close()
        if not self.state.is_worker:
            self.state.parts.discard()

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, what was judged at the end, what became of baselines, and the path of the report."""
        if self.report is None and not self.faults:
            return
        terminalreporter.section("embedeval")
        faults = self.faults
        if self.report is not None:
            from pytest_embedeval.plugin.bench import quality_lines
            from pytest_embedeval.report import table_lines
            from pytest_embedeval.report.markdown import other_faults

            for line in (*table_lines(self.report), *quality_lines(self.state.config, self.report)):
                terminalreporter.line(line)
            faults = other_faults(self.report, faults)  # the others are verdicts, which the table has named
        for fault in faults:
            terminalreporter.line(f"failed      {fault}", red=True)
        for line in (*self._late, *self._updated):
            terminalreporter.line(line)
        for problem in self._problems:
            terminalreporter.line(problem, red=True)
        if self.report is not None:
            told = github.annotation_lines(self.report, self.state.settings, os.environ, self.faults, self._tests)
            for line in told:
                terminalreporter.line(line)
        if self._path is not None:
            terminalreporter.line(f"report: {self._path}")
        if self._page is not None:
            terminalreporter.line(f"page: {self._page}")

    def _compare_late(self, parts: list[Part]) -> Iterator[str]:
        """Make the comparisons with `--against` that no test could make: the reference came later or elsewhere."""
        against = self.state.settings.against if self.state.selection.aliases else None
        if against is None:
            return
        from pytest_embedeval.gate import why_lines
        from pytest_embedeval.report import Part, failure_line, gather_excerpts, gather_results

        results, excerpts = gather_results(parts), gather_excerpts(parts)
        made = {(v.model, f"{v.suite}/{v.dataset}") for part in parts for v in part.verdicts if v.rule == "against"}
        for (alias, place), result in results.items():
            if (alias, place) in made or alias == against or not self.state.gating.reference_takes(result.tests):
                continue
            _, _, dataset = place.partition("/")
            verdicts, comparisons = self.state.gating.by.against(
                alias, place, result, results.get((against, place)), excerpts.get(dataset)
            )
            self.state.record(Part(verdicts=verdicts, comparisons=comparisons))
            made.add((alias, place))
            failed = [verdict for verdict in verdicts if verdict.blocks]
            yield from map(failure_line, failed)
            if failed:
                self._late.append(f"failed      {alias} {place} against {against}, compared after its test had passed:")
                self._late += [f"  {line}" for comparison in comparisons for line in why_lines(comparison)]
        compared = {alias for alias, _ in made}
        for alias in sorted(self.state.selection.aliases - compared - {against}):
            if alias in {model for model, _ in results} or not self._failed_to_load(parts, alias):
                yield f"{alias} was compared with {against} on nothing; no gated scores of both were found"

    def _without_row(self, parts: list[Part]) -> Iterator[str]:
        """Find models whose tests were all skipped: a run that judged nothing of them is not green."""
        for alias in sorted(self.state.selection.aliases - self.state.selection.ran):
            if not self._failed_to_load(parts, alias):
                yield f"{alias}: no test of it ran; it is not judged"

    def _failed_to_load(self, parts: list[Part], alias: str) -> bool:
        return any(row.alias == alias and row.error for part in parts for row in part.models)

    def _find_unused(self, parts: list[Part]) -> Iterator[str]:
        """Find stored scores that no test asks for any more, where this run had every test that made them."""
        state = self.state
        if not state.selection.aliases or is_partial(state.config) or not state.gating.by.stored:
            return
        from pytest_embedeval.report import gather_results

        seen = set(gather_results(parts))
        matrix = {spec.alias for spec in state.specs}
        for alias in state.gating.by.stored:
            if alias not in matrix and state.config.getoption("models") is not None:
                continue
            try:
                stored = state.gating.by.baseline(alias)
            except BaselineError as error:
                if alias not in matrix:
                    yield str(error)
                continue
            if self._failed_to_load(parts, alias) or alias == state.settings.against:
                continue
            entries = stored.results if stored else {}
            unused = [
                place
                for place, result in entries.items()
                if (alias, place) not in seen and state.selection.had_all_of(result.tests, state.config.rootpath)
            ]
            if unused and state.gating.by.update.rewrite:
                self._unused[alias] = unused
            elif unused:
                yield (
                    f"{state.settings.baseline}/{alias}.json: {', '.join(unused)}: no test asks for these scores any "
                    "more; --embedeval-update removes them"
                )

    def _write(self, parts: list[Part], *, complete: bool) -> None:
        """Write the report; that of an interrupted run into a folder of its own, and no baseline."""
        from pytest_embedeval.report import Kept, assemble, gather_excerpts, gather_results, write_run
        from pytest_embedeval.report.decision import decide
        from pytest_embedeval.report.environment import describe_run

        state = self.state
        aliases = [spec.alias for spec in state.specs]
        spent = time.time() - state.started
        run = describe_run(state.settings, aliases, state.started, spent, state.config.invocation_params.args)
        results = gather_results(parts)
        self.report = assemble(run, [*parts, self._backends(parts, results)], aliases)
        self.report.decisions = decide(self.report, results, state.settings.scenarios, state.settings.clusters)
        try:
            state.config.hook.pytest_embedeval_report(report=self.report)
        except Exception as error:  # a conftest may fail in any way; the report is written all the same
            self._problems.append(f"pytest_embedeval_report: {type(error).__name__}: {error}")
        self._tests = {key: result.tests for key, result in results.items()}
        if github.is_wanted(state.settings, os.environ):
            problem = github.write_summary(self.report, os.environ, self.faults)
            self._updated += [problem] if problem else []
        try:
            folder = state.settings.out if complete else state.settings.out / "interrupted"
            self._path = write_run(self.report, parts, self._candidates(results), folder, self.faults)
        except OSError as error:
            self._problems.append(f"the report could not be written: {error}")
        else:
            self._draw(Kept(results, self.report, gather_excerpts(parts)), folder)
        if complete and any(map(state.config.getoption, UPDATE)):
            self._update(results)

    def _draw(self, kept: Kept, folder: Path) -> None:
        """Write the page; whatever goes wrong with a picture, the report stands."""
        from pytest_embedeval.report.pages import write_pages

        assert kept.report is not None
        try:
            paths, note = write_pages(kept.report, kept, folder, draw=self.state.settings.pictures == "auto")
        except Exception as error:
            self._updated.append(f"report.html could not be written: {type(error).__name__}: {error}")
            return
        self._page = paths[-1]
        self._updated += [note] if note else []

    def _backends(self, parts: list[Part], results: dict[tuple[str, str], Result]) -> Part:
        """Return what other backends than torch cost, where both were judged."""
        from pytest_embedeval.gate import costs_of_backends
        from pytest_embedeval.report import Part
        from pytest_embedeval.report.rows import encoding_rates

        models = list({info.alias: info for part in parts for info in part.models}.values())
        rules = {place: gate.rules for place, gate in self.state.settings.gates.items()}
        rates = encoding_rates(row for part in parts for row in part.vectors)
        return Part(costs=list(costs_of_backends(models, results, rules, self.state.settings.clusters, rates)))

    def _candidates(self, results: dict[tuple[str, str], Result]) -> Iterator[Baseline]:
        """Yield every alias's baseline as an update would leave it."""
        from pytest_embedeval.gate import merged

        for alias in dict.fromkeys(alias for alias, _ in results):
            try:
                stored = self.state.gating.by.baseline(alias)
            except BaselineError:
                stored = None
            yield merged(stored, alias, {place: found for (name, place), found in results.items() if name == alias})

    def _update(self, results: dict[tuple[str, str], Result]) -> None:
        from pytest_embedeval.report.baselines import update_baselines

        folder = self.state.settings.baseline
        if folder is None:  # refused at the start
            return
        try:
            self._updated += update_baselines(folder, results, self._unused, self.state.gating.by)
        except (OSError, BaselineError) as error:
            self._problems.append(f"the baselines could not be written: {error}")
