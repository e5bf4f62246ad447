"""All rules of a configuration on one result: thresholds, the stored baseline of its alias, another model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from pytest_embedeval.errors import BaselineError
from pytest_embedeval.folders import stored_aliases
from pytest_embedeval.gate.baseline import Baseline, baseline_path, load_baseline, plan_update
from pytest_embedeval.gate.changes import Comparison, Excerpts
from pytest_embedeval.gate.comparison import Place, compare, primary_metrics
from pytest_embedeval.gate.differences import Terms
from pytest_embedeval.gate.results import Result
from pytest_embedeval.gate.thresholds import judge_thresholds
from pytest_embedeval.gate.verdicts import Measurement, RuleName, Verdict
from pytest_embedeval.settings import DatasetTable, Gate, Rule, Settings


@dataclass(frozen=True)
class Update:
    """What the command line wants done to baselines."""

    rewrite: bool = False
    only_new: bool = False
    accept_worse: bool = False

    @property
    def wanted(self) -> bool:
        """Whether baselines are written at all."""
        return self.rewrite or self.only_new


MISSING = "no baseline of"  # how the reason of a verdict begins that storing these scores would mend

FELL = "the score fell, and is not written without --embedeval-accept-worse"  # how that of a refused update ends

Judgement = tuple[list[Verdict], list[Comparison]]


class Judge:
    """Judges results as the settings say; reads each stored baseline once.

    Parameters
    ----------
    update
        What becomes of baselines at the end of the run.
    """

    def __init__(self, settings: Settings, update: Update = Update()) -> None:
        self.settings = settings
        self.update = update
        self._baselines: dict[str, Baseline | None] = {}

    @cached_property
    def terms(self) -> Terms:
        """Tolerance, policy and least number of queries."""
        settings = self.settings
        return Terms(settings.tolerance, settings.policy, settings.min_queries)  # type: ignore[arg-type]

    @cached_property
    def stored(self) -> list[str]:
        """Aliases that have a baseline; with none at all, none is missing."""
        return stored_aliases(self.settings.baseline)

    def baseline(self, alias: str) -> Baseline | None:
        """Return the stored baseline of an alias, None where there is none.

        Raises
        ------
        BaselineError
            It cannot be read.
        """
        if alias not in self._baselines:
            folder = self.settings.baseline
            self._baselines[alias] = (
                load_baseline(baseline_path(folder, alias)) if folder is not None and alias in self.stored else None
            )
        return self._baselines[alias]

    def rules(self, alias: str, place: str) -> dict[str, Rule]:
        """Return metric -> rule of one gate for one alias."""
        return self.settings.gates.get(place, Gate()).for_model(alias)

    def thresholds(self, alias: str, place: str, measured: Sequence[Measurement]) -> list[Verdict]:
        """Judge by the bounds of the configuration."""
        suite, _, dataset = place.partition("/")
        return judge_thresholds(
            measured, self.rules(alias, place), model=alias, suite=suite, dataset=dataset, policy=self.terms.policy
        )

    def by_baseline(self, alias: str, place: str, result: Result, excerpts: Excerpts | None = None) -> Judgement:
        """Judge by the stored baseline of the alias; a missing one is an error where others are stored."""
        where = self._place(alias, place, "baseline", alias)
        try:
            kept = self.baseline(alias)
        except BaselineError as error:
            return [self._error(where, result, str(error))], []
        reference = kept.results.get(place) if kept else None
        if reference is None:
            if not self.stored or self.update.wanted or self.settings.against is not None:
                return [], []
            reason = f"{MISSING} {alias} for {place} in {self.settings.baseline}"
            return [
                self._error(
                    where,
                    result,
                    f"{reason}; store these scores with --embedeval-update-new, or look at them without one with "
                    "--embedeval-baseline=off",
                )
            ], []
        if len(reference.tests) > 1:  # several tests made it, each with metrics of its own
            reference = reference.only(result.metrics)
        verdicts, comparisons = self._compare(where, result, reference, excerpts)
        if not self.update.rewrite:
            return verdicts, comparisons
        step = plan_update(place, result, reference, self.rules(alias, place), accept_worse=self.update.accept_worse)
        informing = [replace(verdict, advisory=True) for verdict in verdicts]
        if step.step == "worse":
            reason = f"{step.line}: {FELL}"
            refused = self._error(where, result, reason)
            before = reference.metrics.get(refused.metric)
            refused = replace(refused, bound=before.value if before else None)
            informing = [refused, *(verdict for verdict in informing if verdict.metric != refused.metric)]
        return informing, comparisons

    def against(
        self, alias: str, place: str, result: Result, reference: Result | None, excerpts: Excerpts | None = None
    ) -> Judgement:
        """Judge by the reference of `--against`: its scores of this run, or else its stored ones."""
        other = self.settings.against
        if other is None or other == alias:
            return [], []
        where = self._place(alias, place, "against", other)
        if reference is None:
            try:
                kept = self.baseline(other)
            except BaselineError as error:
                return [self._error(where, result, str(error))], []
            reference = kept.results.get(place) if kept else None
        if reference is None:
            stored = f"in {self.settings.baseline}" if self.settings.baseline else "in baselines, which are off"
            reason = f"{other} has no scores for {place}, neither in this run nor {stored}"
            return [self._error(where, result, reason)], []
        return self._compare(where, result, reference, excerpts)

    def _compare(self, where: Place, result: Result, reference: Result, excerpts: Excerpts | None) -> Judgement:
        table = self.settings.datasets.get(where.dataset, DatasetTable("", ""))
        return compare(
            result,
            reference,
            where,
            terms=self.terms,
            rules=self.rules(where.model, f"{where.suite}/{where.dataset}"),
            by=table.slices,
            clusters=table.clusters,
            excerpts=excerpts,
        )

    @staticmethod
    def _place(alias: str, place: str, rule: RuleName, reference: str) -> Place:
        suite, _, dataset = place.partition("/")
        return Place(alias, suite, dataset, reference, rule)

    def _error(self, where: Place, result: Result, reason: str) -> Verdict:
        rules = self.rules(where.model, f"{where.suite}/{where.dataset}")
        primary = primary_metrics(where.suite, result.metrics, rules) or (*result.metrics, "scores")
        metric = primary[0]
        found = result.metrics.get(metric)
        return Verdict(
            model=where.model,
            suite=where.suite,
            dataset=where.dataset,
            metric=metric,
            rule=where.rule,
            value=found.value if found else None,
            bound=None,
            state="error",
            reason=reason,
            reference=where.reference,
        )
