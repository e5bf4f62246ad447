"""Which model to choose for a scenario: the best by its weights, and the cheapest that is not told apart from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from pytest_embedeval.gate import Measurement, Result, Terms, signed
from pytest_embedeval.gate.comparison import Pairs
from pytest_embedeval.report.aspects import ASPECTS, aspect_scores, places
from pytest_embedeval.report.speed import latencies, rates
from pytest_embedeval.settings import Scenario

if TYPE_CHECKING:
    from pytest_embedeval.report.schema import Report

Outcome = Literal["clear", "unclear", "none"]

_ENOUGH = 0.5  # share of the weights that has to be measured
_TIMING = 0.1  # by which a timing may be off: it holds on one machine, at one moment


@dataclass(frozen=True)
class Choice:
    """One model in one scenario.

    Attributes
    ----------
    score
        Weighted mean of its aspects, from 0 (chance) to 1.
    aspects
        Weight -> what the model has there, from 0 to 1.
    passes
        No rule of the gate fails it.
    delta, low, high
        Score minus that of the best model that passes, with one-sided 95 % bounds; None for that model itself, and
        where none passes.
    """

    model: str
    score: float
    aspects: dict[str, float]
    passes: bool
    delta: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Decision:
    """What a scenario recommends.

    Attributes
    ----------
    weights
        Those that were used, with the sum 1.
    left_out
        Weights of what the run did not measure.
    unmeasured
        Models that lack one of the weights.
    outcome
        `clear`: one model is shown to be better than all others that pass; `unclear`: some are not told apart from
        the best; `none`: nothing can be recommended.
    best, cheapest
        Aliases; None where nothing can be recommended.
    choices
        Best first.
    metrics
        Suite among the weights -> the metrics that it is told by.
    """

    scenario: str
    title: str
    weights: dict[str, float]
    outcome: Outcome
    reason: str
    best: str | None = None
    cheapest: str | None = None
    left_out: list[str] = field(default_factory=list)
    unmeasured: list[str] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    metrics: dict[str, list[str]] = field(default_factory=dict)


def decide(
    report: Report,
    results: Mapping[tuple[str, str], Result],
    scenarios: Mapping[str, Scenario],
    clusters: Mapping[str, str] | None = None,
) -> list[Decision]:
    """Return a decision for each scenario; none where there are no two models to choose from.

    Parameters
    ----------
    results
        (alias, "suite/dataset") -> scores of each query, which the bounds of differences rest on.
    clusters
        Data set -> the field whose values are clusters of its queries.
    """
    if sum(not row.error for row in report.models) < 2:
        return []
    return [_Run(report, results, scenario, clusters or {}).decision(name) for name, scenario in scenarios.items()]


@dataclass(frozen=True)
class _Run:
    report: Report
    results: Mapping[tuple[str, str], Result]
    scenario: Scenario
    clusters: Mapping[str, str]

    def decision(self, name: str) -> Decision:
        values = {weight: self._values(weight) for weight in self.scenario.weights}
        left_out = [weight for weight, found in values.items() if not found]
        used = {weight: float(self.scenario.weights[weight]) for weight in values if weight not in left_out}
        total = sum(self.scenario.weights.values())
        if sum(used.values()) < _ENOUGH * total:
            reason = f"not judged: {' and '.join(left_out)} {'was' if len(left_out) == 1 else 'were'} not measured"
            return Decision(name, self.scenario.title, used, "none", reason, left_out=left_out)
        weights = {weight: share / sum(used.values()) for weight, share in used.items()}
        models = [row.alias for row in self.report.models if not row.error]
        measured = [alias for alias in models if all(alias in values[weight] for weight in weights)]
        choices = [self._choice(alias, weights, values) for alias in measured]
        choices.sort(key=lambda choice: (not choice.passes, -choice.score))
        best = next((choice for choice in choices if choice.passes), None)
        if best is not None:
            choices = [best, *(self._beside(best, each, weights) for each in choices if each is not best)]
        outcome, cheapest, reason = self._verdict(choices)
        return Decision(
            name,
            self.scenario.title,
            weights,
            outcome,
            reason,
            best.model if best else None,
            cheapest,
            left_out,
            [alias for alias in models if alias not in measured],
            choices,
            {suite: sorted({*places(self.report, suite).values()}) for suite in weights if suite in ASPECTS},
        )

    def _values(self, weight: str) -> dict[str, float]:
        """Return alias -> what it has of a weight, from 0 to 1."""
        if weight == "latency":
            return {alias: min(1.0, self.scenario.latency_ms / each) for alias, each in self._latency.items()}
        if weight == "throughput":
            return {alias: min(1.0, each / self.scenario.texts_per_s) for alias, each in self._rate.items()}
        return aspect_scores(self.report, weight)

    @cached_property
    def _latency(self) -> dict[str, float]:
        return latencies(self.report)

    @cached_property
    def _rate(self) -> dict[str, float]:
        return rates(self.report)

    def _choice(self, alias: str, weights: Mapping[str, float], values: Mapping[str, Mapping[str, float]]) -> Choice:
        aspects = {weight: values[weight][alias] for weight in weights}
        score = sum(share * aspects[weight] for weight, share in weights.items())
        failed = any(row.model == alias and row.blocks for row in self.report.verdicts)
        return Choice(alias, score, aspects, not failed)

    def _beside(self, best: Choice, other: Choice, weights: Mapping[str, float]) -> Choice:
        """Return the other model with its difference to the best one.

        The bounds of a sum are put together from those of its parts: their distances to the mean are added in squares
        across data sets (MOVER, Zou and Donner 2008, which takes them as independent), and plainly within one, whose
        suites share their queries, as if they depended wholly on each other.
        """
        delta = other.score - best.score
        below: dict[str, float] = {}
        above: dict[str, float] = {}
        for weight, share in weights.items():
            for group, (down, up) in self._reaches(weight, best, other):
                below[group] = below.get(group, 0.0) + share * down
                above[group] = above.get(group, 0.0) + share * up
        low, high = delta - math.hypot(*below.values()), delta + math.hypot(*above.values())
        return Choice(other.model, other.score, other.aspects, other.passes, delta, low, high)

    def _reaches(self, weight: str, best: Choice, other: Choice) -> Iterator[tuple[str, tuple[float, float]]]:
        """Yield, for each part of a weight, what it depends on, and how far its bounds lie below and above its mean."""
        if weight not in ASPECTS:
            reach = _TIMING * math.hypot(best.aspects[weight], other.aspects[weight])
            yield weight, (reach, reach)
            return
        datasets = places(self.report, weight)
        scale = 1 / (1 - ASPECTS[weight].chance) / len(datasets)
        for dataset, metric in datasets.items():
            down, up = self._reach((weight, dataset, metric), best.model, other.model)
            yield dataset, (scale * down, scale * up)

    def _reach(self, told: tuple[str, str, str], best: str, other: str) -> tuple[float, float]:
        """Return how far the bounds of a difference lie below and above it, in the units of the metric."""
        suite, dataset, metric = told
        sides = [self.results.get((alias, f"{suite}/{dataset}")) for alias in (other, best)]
        if sides[0] and sides[1] and all(metric in side.columns for side in sides if side):
            pairs = Pairs(suite, metric, sides[0], sides[1], self.clusters.get(dataset))
            if len(pairs.differences) < self._least:
                return 2.0, 2.0  # the gate gives no interval either: anything is possible
            low, high = pairs.differences.interval
            return pairs.differences.mean - low, high - pairs.differences.mean
        rows = {row.model: row for row in self.report.measurements if (row.dataset, row.metric) == (dataset, metric)}
        below, above = zip(*(_around(rows[alias]) for alias in (other, best)), strict=True)
        return math.hypot(below[0], above[1]), math.hypot(above[0], below[1])

    @property
    def _least(self) -> int:
        told = self.report.run.settings.get("min_queries")
        return told if isinstance(told, int) else Terms().least

    def _verdict(self, choices: Sequence[Choice]) -> tuple[Outcome, str | None, str]:
        passing = [choice for choice in choices if choice.passes]
        if not choices:
            return "none", None, "no model was measured on all of these weights"
        if not passing:
            first = choices[0]
            return "none", None, f"no model passes its gates; {first.model} has the highest score, {_shown(first)}"
        best, *others = passing
        near = [choice for choice in others if choice.high is None or choice.high >= 0]
        cheapest, why = self._cheapest([best, *near])
        head = f"{best.model} has {_shown(best)}"
        if not others:
            better = [choice for choice in choices if choice.score > best.score]
            alone = "is the only model that passes" if len(choices) > 1 else "is the only model measured on it"
            failed = "".join(f"; {each.model} has {_shown(each)} and fails its gates" for each in better)
            return "clear", cheapest, f"{head} and {alone}{failed}"
        if not near:
            told = "; ".join(f"{each.model} {_beside(each)}" for each in others)
            return "clear", cheapest, f"{head} and is shown to be better than the others: {told}"
        told = "; ".join(f"{each.model} {_beside(each)}" for each in near)
        cheap = f"; the cheapest of them is {cheapest}, {why}" if cheapest else ""
        return "unclear", cheapest, f"no clear winner: {head}, and is not told apart from {told}{cheap}"

    def _cheapest(self, choices: Sequence[Choice]) -> tuple[str | None, str]:
        """Return the model that takes the least, and by which measure."""
        aliases = [choice.model for choice in choices]
        infos = {row.alias: row for row in self.report.models}
        lexical = next((alias for alias in aliases if infos[alias].kind == "lexical"), None)
        if lexical:
            return lexical, "which needs no vectors"
        if all(alias in self._rate for alias in aliases):
            fastest = max(aliases, key=lambda alias: self._rate[alias])
            return fastest, f"which encodes {self._rate[fastest]:,.0f} texts per second"
        sizes = {alias: infos[alias].bytes_per_vector for alias in aliases}
        known = {alias: size for alias, size in sizes.items() if size}
        if len(known) < len(aliases):
            return None, ""
        smallest = min(known, key=lambda alias: known[alias])
        return smallest, f"whose vectors take {known[smallest]:,} bytes each; speed was not measured"


def _around(row: Measurement) -> tuple[float, float]:
    """Return how far the bounds of a value lie below and above it; without bounds, anything is possible."""
    if row.value is None or row.low is None or row.high is None:
        return 2.0, 2.0
    return row.value - row.low, row.high - row.value


def _shown(choice: Choice) -> str:
    return f"{choice.score:.3f}"


def _beside(choice: Choice) -> str:
    if choice.delta is None or choice.low is None or choice.high is None:
        return _shown(choice)
    return f"{signed(choice.delta)} [{signed(choice.low)}, {signed(choice.high)}]"
