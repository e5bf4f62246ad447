"""`pytest-embedeval gate`: a finished run is judged again, under other rules, without a model."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_embedeval.cli.parsers import Commands, command, threshold, wrapped
from pytest_embedeval.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from pytest_embedeval.gate import Comparison, Judge, Verdict
    from pytest_embedeval.models import ModelInfo
    from pytest_embedeval.report import Kept, Report
    from pytest_embedeval.settings import Settings

_EXAMPLES = """\
  pytest-embedeval gate .embedeval
  pytest-embedeval gate .embedeval --policy=strict --tolerance=0.01
  pytest-embedeval gate .embedeval --against=prod --baseline=off
  pytest-embedeval gate .embedeval --min=mrr@10=0.35

exit codes: 0 all pass, 1 a model does not pass, 2 nothing could be judged"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands,
        "gate",
        run,
        summary="Judge a finished run again, under another policy, tolerance or threshold.",
        examples=_EXAMPLES,
    )
    parser.add_argument("report", metavar="REPORT", help="the folder of a run, or its report.json")
    parser.add_argument("--policy", help="observed, strict or proven; default: that of the configuration")
    parser.add_argument("--tolerance", type=float, metavar="DROP", help="greatest drop that counts as none")
    parser.add_argument("--against", metavar="ALIAS", help="compare with this model, of the run or of the baselines")
    parser.add_argument("--baseline", metavar="DIR", help="folder of the baselines; off for none")
    parser.add_argument(
        "--min",
        type=threshold,
        action="append",
        default=[],
        metavar="METRIC=VALUE",
        help="a further bound, for every model and data set that has the metric; may be repeated",
    )


def run(arguments: argparse.Namespace) -> int:
    """Judge and print; 0 where every model passes, 1 where one does not.

    Raises
    ------
    UsageError
        No run, an option that does not fit it, a run that measured nothing, or no rule for anything that it measured.
    BaselineError
        The run cannot be read.
    """
    from pytest_embedeval.gate import Judge
    from pytest_embedeval.report import load_kept

    kept = load_kept(arguments.report)
    report = kept.report
    if report is None:
        raise UsageError(f"{arguments.report}: is a baseline, not a run; pytest-embedeval compare takes baselines")
    settings = _settings(arguments, report)
    judge = Judge(settings)
    if report.measurements:
        _check(arguments, report, judge)
        _check_fields(kept, settings)
    rules = settings.root / settings.file
    told = f"run of {report.run.started}, by {rules if rules.exists() else 'no configuration, here or above'}"
    print("\n".join(wrapped(told, 2)))
    said = [_say(model, kept, judge, arguments.min) for model in report.models]
    if not report.measurements:
        raise UsageError(f"{arguments.report}: the run measured nothing; there is nothing to judge")
    if False in said:
        return 1
    if True not in said:
        stored = f"no baseline is in {settings.baseline}" if settings.baseline else "baselines are off"
        raise UsageError(
            f"{arguments.report}: nothing was judged: {settings.file} has no threshold for what was "
            f"measured, {stored}, and no other model is compared with; --min=mrr@10=0.35 sets a threshold"
        )
    return 0


def _say(model: ModelInfo, kept: Kept, judge: Judge, minima: list[tuple[str, float]]) -> bool | None:
    """Judge one model and print what was found; return whether it passes, None where no rule applies to it."""
    if model.error:
        print("\n".join(wrapped(f"{model.alias}: not {model.failed}: {model.error}", 2)))
        return False
    verdicts, comparisons = _judged(model, kept, judge, minima)
    deciding = [verdict for verdict in verdicts if not verdict.advisory]
    passes = not any(verdict.blocks for verdict in verdicts) if deciding else None
    unjudged = "is the reference" if model.alias == judge.settings.against else "has no rule to be judged by"
    said = unjudged if passes is None else "passes" if passes else "does not pass"
    print(f"{model.alias} {said} ({judge.settings.policy}, tolerance {judge.settings.tolerance:g})")
    for line in _lines(deciding, comparisons):
        print(line)
    return passes


def _settings(arguments: argparse.Namespace, report: Report) -> Settings:
    """Lay the options over the configuration of this folder; `--against` is by default that of the run."""
    from dataclasses import replace

    from pytest_embedeval.folders import baseline_folder
    from pytest_embedeval.settings import load_settings, problem_with, project_root

    settings = load_settings(project_root(Path.cwd()))
    given: dict[str, Any] = {}
    for name in ("policy", "tolerance"):
        value = getattr(arguments, name)
        if value is not None:
            problem = problem_with(name, value)
            if problem:
                raise UsageError(f"--{name}: {problem}")
            given[name] = value
    if arguments.baseline is not None:
        given["baseline"] = baseline_folder(Path.cwd(), arguments.baseline)
    against = arguments.against or settings.against
    if against is None:
        of_run = report.run.settings.get("against")
        against = of_run if isinstance(of_run, str) else None
    return replace(settings, against=against, **given)


def _check(arguments: argparse.Namespace, report: Report, judge: Judge) -> None:
    """Raise where an option asks for what is not there: a bound or a reference that is left out would pass."""
    measured = {row.metric for row in report.measurements}
    for metric, bound in arguments.min:
        if metric not in measured:
            raise UsageError(f"--min={metric}: the run did not measure it; {did_you_mean(metric, measured)}")
        if not math.isfinite(bound):
            raise UsageError(f"--min={metric}={bound}: the bound must be a finite number")
    folder = judge.settings.baseline
    if arguments.baseline is not None and folder is not None:
        if (folder / "baselines").is_dir():
            raise UsageError(f"--baseline={arguments.baseline}: its baselines are in {folder / 'baselines'}")
        if not judge.stored:
            raise UsageError(
                f"--baseline={arguments.baseline}: no baselines are in that folder; pytest --embedeval-update writes "
                "them, and --baseline=off judges without"
            )
    against = judge.settings.against
    known = {model.alias for model in report.models} | set(judge.stored)
    if against is not None and against not in known:
        stored = "" if folder is None else f" and no baseline in {folder}"
        raise UsageError(
            f"--against={against}: no model of the run{stored} has that alias; {did_you_mean(against, known)}"
        )


def _check_fields(kept: Kept, settings: Settings) -> None:
    """Raise where the configuration slices or clusters by a field that the run did not keep with its queries."""
    for (_, place), result in kept.results.items():
        suite, _, dataset = place.partition("/")
        table = settings.datasets.get(dataset)
        if table is None or suite == "clustering":  # its documents have no fields of queries, in the run either
            continue
        for name in table.kept_fields:
            if not any(name in query.fields for query in result.queries.values()):
                raise UsageError(
                    f"{settings.file}: datasets.{dataset}: the run was made without the field {name!r} (slices, "
                    "clusters); run pytest again"
                )


def _judged(
    model: ModelInfo, kept: Kept, judge: Judge, minima: list[tuple[str, float]]
) -> tuple[list[Verdict], list[Comparison]]:
    assert kept.report is not None
    verdicts: list[Verdict] = []
    comparisons: list[Comparison] = []
    for place in _places(model, kept.report):
        found, explained = _judged_at(place, model.alias, kept, judge, minima)
        verdicts += found
        comparisons += explained
    return verdicts, comparisons


def _places(model: ModelInfo, report: Report) -> list[str]:
    """Return where a model was measured, and where it was not although others of the matrix were and it applies."""
    matrix = report.run.settings.get("models")
    others = matrix if isinstance(matrix, list) and model.alias in matrix else []
    return list(
        dict.fromkeys(
            f"{row.suite}/{row.dataset}"
            for row in report.measurements
            if row.model == model.alias or (row.model in others and (model.kind == "dense" or row.suite == "retrieval"))
        )
    )


def _judged_at(
    place: str, alias: str, kept: Kept, judge: Judge, minima: list[tuple[str, float]]
) -> tuple[list[Verdict], list[Comparison]]:
    from pytest_embedeval.gate import judge_thresholds
    from pytest_embedeval.settings import Rule

    assert kept.report is not None
    suite, _, dataset = place.partition("/")
    there = [row for row in kept.report.measurements if (row.suite, row.dataset) == (suite, dataset)]
    rows = [row for row in there if row.model == alias]
    further = {name: Rule(min=bound) for name, bound in minima if any(row.metric == name for row in rows or there)}
    rules = {**judge.rules(alias, place), **further}
    against = judge.settings.against
    is_compared = bool(judge.stored) or against not in (None, alias)
    if not rows:
        is_judged = is_compared or any((rule.min, rule.max) != (None, None) for rule in rules.values())
        reason = f"not measured for {alias}, though for others; its test failed or was skipped"
        return [_error(alias, place, reason)] if is_judged else [], []
    verdicts = judge.thresholds(alias, place, rows)
    verdicts += judge_thresholds(rows, further, model=alias, suite=suite, dataset=dataset, policy=judge.terms.policy)
    comparisons: list[Comparison] = []
    result = kept.results.get((alias, place))
    if result is None:  # a test that calls no gate() leaves none; a model without any cannot be compared at all
        missing = is_compared and alias not in kept.aliases
        return [*verdicts, *([_error(alias, place, "the run kept no scores of it to compare")] if missing else [])], []
    reference = kept.results.get((against or "", place))
    texts = kept.texts.get(dataset)
    for found, explained in (
        judge.by_baseline(alias, place, result, texts),
        judge.against(alias, place, result, reference, texts),
    ):
        verdicts += found
        comparisons += explained
    return verdicts, comparisons


def _error(alias: str, place: str, reason: str) -> Verdict:
    from pytest_embedeval.gate import Verdict

    suite, _, dataset = place.partition("/")
    return Verdict(alias, suite, dataset, "scores", "min", None, None, "error", reason)


def _lines(verdicts: list[Verdict], comparisons: list[Comparison]) -> Iterator[str]:
    """Yield a paragraph per verdict, and below what fails the queries lost."""
    from pytest_embedeval.gate import why_lines

    unexplained = {(row.suite, row.dataset, row.metric, row.rule): row for row in comparisons}
    for verdict in verdicts:
        state = "warning" if verdict.state == "inconclusive" else verdict.state
        reference = "its baseline" if verdict.rule == "baseline" else verdict.reference
        against = "" if reference is None else f" against {reference}"
        head = f"  {state:<7}  "
        yield from wrapped(f"{head}{verdict.suite}/{verdict.dataset}{against}: {verdict.reason}", len(head))
        key = verdict.suite, verdict.dataset, verdict.metric, verdict.rule
        if verdict.blocks and verdict.state != "error" and key in unexplained:
            for line in why_lines(unexplained.pop(key)):
                yield from wrapped(f"    {line}", 12)
