"""A model beside a reference: the same data, query by query, and one verdict per metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.gate.changes import Comparison, Excerpts, overlaps, query_changes
from pytest_embedeval.gate.differences import SAME, Differences, Slice, Terms, change_of, dropped, outcome, slices
from pytest_embedeval.gate.numbers import signed
from pytest_embedeval.gate.power import least_queries, queries_needed
from pytest_embedeval.gate.results import Result
from pytest_embedeval.gate.verdicts import Change, RuleName, Verdict
from pytest_embedeval.settings import Rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The metric of each suite that decides a comparison unless the configuration marks another as primary. A silhouette
# under k-means judges clusters that the vectors made themselves, so clustering needs labels to be gated.
PRIMARY = {
    "retrieval": "mrr@10",
    "morphology": "morphology.auc",
    "clustering": "silhouette.label",
    "triplets": "triplet.accuracy",
    "robustness": "robustness.score",
    "crosslingual": "crosslingual.score",
    "similarity": "similarity.spearman",
    "confusions": "confusions.accuracy",
}

# What has a score; elsewhere a query.
_UNITS = {"morphology": "items", "clustering": "documents", "similarity": "pairs", "confusions": "pairs"}


@dataclass(frozen=True)
class Place:
    """What is compared with what: alias, suite and data set, and the alias of the reference."""

    model: str
    suite: str
    dataset: str
    reference: str
    rule: RuleName


def primary_metrics(suite: str, measured: Iterable[str], rules: Mapping[str, Rule]) -> tuple[str, ...]:
    """Return the metrics that decide a comparison: those marked primary, else the suite's own, else the first."""
    marked = tuple(metric for metric, rule in rules.items() if rule.primary)
    if marked:
        return marked
    known = sorted(measured)
    own = PRIMARY.get(suite)
    if own in known:
        return (own,)
    return () if suite in ("clustering", "morphology") or not known else (known[0],)


def compare(
    candidate: Result,
    reference: Result,
    place: Place,
    *,
    terms: Terms,
    rules: Mapping[str, Rule] | None = None,
    by: Sequence[str] = (),
    clusters: str | None = None,
    excerpts: Excerpts | None = None,
) -> tuple[list[Verdict], list[Comparison]]:
    """Judge a model by a reference.

    Parameters
    ----------
    candidate, reference
        Scores on the same data under the same parameters; anything else is an error, never a comparison.
    rules
        Metric -> its rule, for `primary` and `tolerance`.
    by
        Fields to slice by; a slice that is shown to have regressed (Holm) fails too.
    clusters
        Field whose values are clusters of queries.
    excerpts
        Texts to explain with.

    Returns
    -------
    (verdicts, comparisons)
        A verdict per metric that both have, advisory unless the metric is primary; a comparison per primary metric.
    """
    rules = rules or {}
    primary = primary_metrics(place.suite, {*candidate.metrics, *reference.metrics}, rules)
    verdict = partial(_verdict, place, candidate, reference)
    refusal = mismatch(candidate, reference)
    if refusal:
        return [verdict(metric, "error", refusal) for metric in primary or sorted(candidate.metrics)[:1]], []
    verdicts: list[Verdict] = []
    comparisons: list[Comparison] = []
    for metric in sorted({*primary, *(candidate.metrics.keys() & reference.metrics.keys())}):
        rule = rules.get(metric, Rule())
        own = terms if rule.tolerance is None else replace(terms, tolerance=rule.tolerance)
        missing = next((side for side in (candidate, reference) if metric not in side.metrics), None)
        if missing is not None:
            other = "the baseline" if place.rule == "baseline" else place.reference
            who = f"{place.model}, or is not a finite number" if missing is candidate else other
            verdicts.append(verdict(metric, "error", f"{metric} was not measured for {who}"))
        elif metric not in candidate.columns or metric not in reference.columns:
            verdicts.append(_by_value(verdict, metric, candidate, reference, own))
        else:
            pairs = Pairs(place.suite, metric, candidate, reference, clusters)
            judged = pairs.judged(verdict, own)
            verdicts.append(judged)
            if metric in primary:
                parts = pairs.slices(by, own)
                if judged.change != "regressed":  # else the parts say no more than the whole
                    verdicts += [_regressed(judged, part, own, pairs.unit) for part in parts if part.regressed]
                comparisons.append(pairs.comparison(place, parts, excerpts))
    return [item if item.metric in primary else replace(item, advisory=True) for item in verdicts], comparisons


def mismatch(candidate: Result, reference: Result) -> str | None:
    """Return why two results cannot be compared; None where they can."""
    if candidate.dataset.fingerprint != reference.dataset.fingerprint:
        return (
            f"the data has changed: {candidate.dataset.fingerprint[:19]} now, "
            f"{reference.dataset.fingerprint[:19]} in the reference; scores on other data cannot be compared"
        )
    by_vectors = all(side.model.kind == "dense" and side.model.precision != "binary" for side in (candidate, reference))
    for name in sorted({*candidate.parameters, *reference.parameters}):
        if name == "index" and not by_vectors:  # what has a search of its own was never searched through an index
            continue
        now, then = candidate.parameters.get(name), reference.parameters.get(name)
        if now != then:
            return f"the parameter {name} has changed: {now} now, {then} in the reference"
    return None


def paired(metric: str, candidate: Result, reference: Result) -> tuple[list[str], NDArray[np.float64]]:
    """Return the ids that both have, sorted, and score after minus score before, float64 array [n]."""
    old, new = dict(zip(*reference.each(metric), strict=True)), dict(zip(*candidate.each(metric), strict=True))
    ids = sorted(old.keys() & new.keys())
    return ids, np.array([new[identity] - old[identity] for identity in ids], dtype=np.float64)


class Pairs:
    """The scores of one metric, paired by query id."""

    def __init__(self, suite: str, metric: str, candidate: Result, reference: Result, clusters: str | None) -> None:
        self.metric, self.candidate, self.reference = metric, candidate, reference
        self.unit = f"clusters by {clusters}" if clusters else _UNITS.get(suite, "queries")
        now, then = ({*side.each(metric)[0]} for side in (candidate, reference))
        self.unpaired = {"now": sorted(now - then), "in the reference": sorted(then - now)}
        self.ids, self.each = paired(metric, candidate, reference)
        self.clusters = self._clusters(clusters) if clusters else None
        kept = candidate.metrics[metric]
        self.differences = Differences.of(self.each, self.clusters, kept.high - kept.low)

    @cached_property
    def shared(self) -> NDArray[np.float64] | None:
        """Share of the first documents that both searches found for each query; None without lists."""
        return overlaps(self.ids, self.reference, self.candidate)

    def judged(self, verdict: partial[Verdict], terms: Terms) -> Verdict:
        """Return the verdict on all queries."""
        if any(self.unpaired.values()) or not self.ids:
            some = (f"{len(ids)} only {side} ({_some(ids)})" for side, ids in self.unpaired.items() if ids)
            which = ", ".join(some) or "none at all"
            reason = f"{self.metric}: the queries differ: {which}; compare the same queries"
            return verdict(self.metric, "error", reason)
        differences = self.differences
        change = change_of(differences, terms)
        low, high = differences.interval if len(differences) >= terms.least else (None, None)
        found: Verdict = verdict(self.metric, outcome(change, differences.mean, terms), "")
        return replace(
            found,
            reason=self._reason(change, terms),
            delta=differences.mean,
            low=low,
            high=high,
            n=len(differences),
            differ=differences.differ,
            change=change,
        )

    def slices(self, by: Sequence[str], terms: Terms) -> list[Slice]:
        """Return the comparison by slice."""
        fields = {name: self._field(name) for name in by}
        return slices(
            self.each,
            fields,
            terms,
            clusters=self.clusters,
            span=self.differences.span,
            overlaps=self.shared,
        )

    def comparison(self, place: Place, parts: list[Slice], excerpts: Excerpts | None) -> Comparison:
        """Return what explains the verdict."""
        return Comparison(
            model=place.model,
            reference=place.reference,
            rule=place.rule,
            suite=place.suite,
            dataset=place.dataset,
            metric=self.metric,
            before=self.reference.model.label,
            after=self.candidate.model.label,
            n=len(self.ids),
            lost=int(np.count_nonzero(self.each < -SAME)),
            won=int(np.count_nonzero(self.each > SAME)),
            overlap=None if self.shared is None else float(self.shared.mean()),
            slices=parts,
            queries=query_changes(self.metric, self.ids, self.reference, self.candidate, excerpts),
        )

    def _field(self, name: str) -> list[str]:
        return [self.candidate.queries[identity].fields.get(name, "") for identity in self.ids]

    def _clusters(self, name: str) -> list[str]:
        """Return the cluster of each query; one without the field is a cluster of its own."""
        return [value or f"\0{identity}" for value, identity in zip(self._field(name), self.ids, strict=True)]

    def _reason(self, change: Change, terms: Terms) -> str:
        found = self.differences
        before, after = self.reference.metrics[self.metric].value, self.candidate.metrics[self.metric].value
        counted = f"{len(found)} {self.unit} ({found.differ} differ)"
        head = f"{self.metric} {before:.3f} → {after:.3f} ({signed(found.mean)})"
        fell = dropped(found.mean, terms.tolerance)
        if len(found) < terms.least:
            fact = f"a drop of more than {terms.tolerance:g} on these" if fell else "no verdict from"
            return f"{head}: {fact} {counted}; an interval needs at least {terms.least}"
        low, high = found.interval
        head = f"{head}, one-sided 95 % [{signed(low)}, {signed(high)}]"
        if change == "regressed":
            return f"{head}: REGRESSED by more than {terms.tolerance:g} on {counted}"
        if change == "improved":
            return f"{head}: IMPROVED on {counted}"
        if change == "non-inferior":
            return f"{head}: not worse by more than {terms.tolerance:g} on {counted}"
        if not found.differ:
            least = least_queries(terms.tolerance / found.span)
            same = f"none of {len(found)} {self.unit} differs"
            return f"{head}: {same}; it takes {least:,} such to show that it is not worse"
        settle = f"about {_settling(found, terms):,} would settle it"
        if fell:
            return (
                f"{head}: a drop of more than {terms.tolerance:g} on these {counted}, not shown beyond them; {settle}"
            )
        return f"{head}: a drop of {terms.tolerance:g} is neither shown nor refuted by {counted}; {settle}"


def _settling(found: Differences, terms: Terms) -> int:
    """Return how many queries would settle it: as many as show a model that is as good to be no worse.

    Where there are that many already, as many as tell the mean that was seen from the tolerance.
    """
    deviation, tolerance = found.deviation / found.span, terms.tolerance / found.span
    needed = queries_needed(deviation, tolerance)
    if needed <= len(found):
        margin = max(abs(found.mean / found.span + tolerance), 1e-4)
        needed = max(queries_needed(deviation, tolerance, tolerance - margin), len(found) + 1)
    return needed


def _by_value(verdict: partial[Verdict], metric: str, candidate: Result, reference: Result, terms: Terms) -> Verdict:
    """Judge a metric without scores per query by its value alone: there is no interval."""
    before, after = reference.metrics[metric], candidate.metrics[metric]
    delta = after.value - before.value
    fell = dropped(delta, terms.tolerance)
    state = "pass" if not fell else "inconclusive" if terms.policy == "proven" else "fail"
    said = "dropped by more than" if fell else "not worse by more than"
    reason = (
        f"{metric} {before.value:.3f} → {after.value:.3f} ({signed(delta)}): {said} {terms.tolerance:g}; "
        "it has no score per query, hence no interval"
    )
    found: Verdict = verdict(metric, state, reason)
    return replace(found, delta=delta, n=after.n)


def _regressed(whole: Verdict, part: Slice, terms: Terms, unit: str) -> Verdict:
    named = f"{part.field}={part.value}"
    reason = (
        f"{whole.metric} {signed(part.delta)} in {named}: REGRESSED by more than {terms.tolerance:g} on {part.n} "
        f"{unit} (Holm)"
    )
    return replace(
        whole,
        state="fail",
        reason=reason,
        delta=part.delta,
        low=part.low,
        high=part.high,
        n=part.n,
        differ=None,
        change="regressed",
        slice=named,
    )


def _verdict(place: Place, candidate: Result, reference: Result, metric: str, state: str, reason: str) -> Verdict:
    value, bound = (side.metrics.get(metric) for side in (candidate, reference))
    return Verdict(
        model=place.model,
        suite=place.suite,
        dataset=place.dataset,
        metric=metric,
        rule=place.rule,
        value=value.value if value else None,
        bound=bound.value if bound else None,
        state=state,  # type: ignore[arg-type]
        reason=reason,
        reference=place.reference,
    )


def _some(ids: Sequence[str]) -> str:
    return ", ".join((*ids[:3], "…") if len(ids) > 3 else ids)
