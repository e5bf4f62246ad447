"""`pytest-embedeval compare`: two runs, or baselines, beside each other; more than two, over time."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_embedeval.cli.parsers import Commands, command, names, wrapped
from pytest_embedeval.errors import UsageError

if TYPE_CHECKING:
    from pytest_embedeval.gate import Result, Verdict
    from pytest_embedeval.report import Kept

_EXAMPLES = """\
  pytest-embedeval compare baselines .embedeval
  pytest-embedeval compare before/report.json after/report.json --all
  pytest-embedeval compare baselines/prod.json baselines/next.json --why
  pytest-embedeval compare runs/* --html=history.html

It informs; `pytest-embedeval gate` decides."""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands,
        "compare",
        run,
        summary="Show two runs or baselines, old → new, or more of them over time.",
        examples=_EXAMPLES,
    )
    parser.add_argument("old", metavar="OLD", help="the folder of a run, report.json, a baseline, or their folder")
    parser.add_argument("new", metavar="NEW", help="likewise")
    parser.add_argument("more", metavar="MORE", nargs="*", help="likewise; runs are put in the order of their start")
    parser.add_argument("--tolerance", type=float, default=0.02, metavar="DROP", help="default: 0.02")
    parser.add_argument("--all", action="store_true", help="every metric, not only the primary ones")
    parser.add_argument("--metrics", type=names, default=(), metavar="METRIC,…", help="these alone")
    parser.add_argument("--models", type=names, default=(), metavar="ALIAS,…", help="these alone")
    parser.add_argument("--why", action="store_true", help="of two: list the queries lost, the largest loss first")
    parser.add_argument("--randomisation", action="store_true", help="of two: add the p-value of a sign-flip test")
    parser.add_argument("--html", metavar="FILE", help="write the scores over time as a page (charts: extra `report`)")


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison; 0 whatever it shows.

    Raises
    ------
    UsageError
        A tolerance out of range, an unknown name, or no model that two sides scored on one data set.
    BaselineError
        A side cannot be read.
    """
    from pytest_embedeval.cli.history import Timeline
    from pytest_embedeval.report import load_kept
    from pytest_embedeval.settings import problem_with

    problem = problem_with("tolerance", arguments.tolerance)
    if problem:
        raise UsageError(f"--tolerance: {problem}")
    paths = [arguments.old, arguments.new, *arguments.more]
    if arguments.more and (arguments.why or arguments.randomisation):
        raise UsageError(f"--why and --randomisation look into two runs; {len(paths)} are named")
    runs = [load_kept(path) for path in paths]
    timeline = Timeline.of(arguments, paths, runs)
    if arguments.more:
        timeline.show()
    else:
        _show_two(arguments, *runs)
    if arguments.html:
        timeline.write(arguments.html)
    return 0


def _show_two(arguments: argparse.Namespace, old: Kept, new: Kept) -> None:
    """Print what changed from one side to the other."""
    pairs = list(_pairs(old, new))
    if not pairs:
        raise UsageError(
            f"{arguments.old} ({', '.join(old.aliases) or 'no scores'}) and {arguments.new} "
            f"({', '.join(new.aliases) or 'no scores'}) have no model in common that was scored on the same data set"
        )
    wanted = [pair for pair in pairs if not arguments.models or {*pair[:2]} & {*arguments.models}]
    if not wanted:
        raise UsageError(f"--models: {', '.join(arguments.models)}: not scored on the same data set by both")
    for before, after, place in wanted:
        print(f"{place}: {before} → {after}" if before != after else f"{place}: {after}")
        for line in _lines(arguments, old, new, (before, after, place)):
            print(line)
    for side, other, name in ((old, new, arguments.new), (new, old, arguments.old)):
        for alias, place in sorted(set(side.results) - {(b if side is old else a, p) for b, a, p in pairs}):
            if other.results and (not arguments.models or alias in arguments.models):
                print("\n".join(wrapped(f"{place}: {alias} has no counterpart in {name}", 2)))


def _lines(arguments: argparse.Namespace, old: Kept, new: Kept, pair: tuple[str, str, str]) -> Iterator[str]:
    """Yield what changed between two results: the model, the metrics, and with --why the queries."""
    from pytest_embedeval.gate import Place, Terms, compare, why_lines
    from pytest_embedeval.settings import Rule

    before, after, place = pair
    suite, _, dataset = place.partition("/")
    reference, candidate = old.results[before, place], new.results[after, place]
    yield from _models(reference, candidate)
    where = Place(after, suite, dataset, before, "against")
    terms = Terms(tolerance=arguments.tolerance)
    texts = new.texts.get(dataset) or old.texts.get(dataset)
    primary = new.primary(after, place) or old.primary(before, place)
    rules = {metric: Rule(primary=True) for metric in primary}
    verdicts, comparisons = compare(candidate, reference, where, terms=terms, rules=rules, excerpts=texts)
    named = arguments.metrics
    shown = [row for row in verdicts if (row.metric in named if named else arguments.all or not row.advisory)]
    for verdict in shown:
        yield from wrapped(f"  {verdict.reason}{_p(arguments, verdict, candidate, reference)}", 4)
    if not shown:
        why = "has none of these metrics" if named else "no metric of it decides a comparison; --all shows every metric"
        yield f"  {why}"
    refused = {verdict.metric for verdict in verdicts if verdict.state == "error"}
    for comparison in comparisons if arguments.why else []:
        if comparison.metric in refused:
            continue
        for line in why_lines(comparison, limit=sys.maxsize):
            yield from wrapped(f"    {line}", 12)


def _models(reference: Result, candidate: Result) -> Iterator[str]:
    """Yield both models where they differ, or, where their names are the same, the facts that do."""
    then, now = reference.model, candidate.model
    if then.label != now.label:
        yield from wrapped(f"  before: {then.label}", 10)
        yield from wrapped(f"  after:  {now.label}", 10)
        return
    for fact in now.differing(then):
        yield from wrapped(f"  {fact}", 4)


def _pairs(old: Kept, new: Kept) -> Iterator[tuple[str, str, str]]:
    """Yield (alias before, alias after, place); single models are paired under whatever names they have."""
    single = len(old.aliases) == len(new.aliases) == 1
    for alias, place in new.results:
        before = old.aliases[0] if single else alias
        if (before, place) in old.results:
            yield before, alias, place


def _p(arguments: argparse.Namespace, verdict: Verdict, candidate: Result, reference: Result) -> str:
    if not arguments.randomisation or verdict.metric not in candidate.columns or verdict.state == "error":
        return ""
    from pytest_embedeval.gate import paired, sign_flip_p

    return f"; sign-flip p = {sign_flip_p(paired(verdict.metric, candidate, reference)[1]):.4f}"
