"""Each score over several runs, and the change between two of them, as the gate finds it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_embedeval.gate import (
    Place,
    Result,
    Terms,
    Verdict,
    bounded_mean_interval,
    compare,
    mismatch,
    primary_metrics,
    signed,
)
from pytest_embedeval.gate.results import JudgedModel
from pytest_embedeval.report.load import Kept
from pytest_embedeval.report.series import Point, Series, Step
from pytest_embedeval.report.timeline import Moment, measured_in, moments


@dataclass(frozen=True)
class Chosen:
    """Which lines are wanted: all models unless some are named; the primary metrics unless named, or every one."""

    models: Collection[str] = ()
    metrics: Collection[str] = ()
    every: bool = False


def history(
    runs: Sequence[Kept], labels: Sequence[str], *, terms: Terms | None = None, chosen: Chosen | None = None
) -> list[Series]:
    """Return the score of each model, suite, data set and metric over the runs.

    Parameters
    ----------
    runs
        In their order. Where each holds one model alone, they are one line, whatever the model is called.
    labels
        What each run is called.
    terms
        How two points are compared.
    chosen
        Which lines are wanted; by default the metrics that are primary in the last run that says so.

    Returns
    -------
    series
        By suite and data set, metric and model; lines without any value are left out.
    """
    terms, chosen = terms or Terms(), chosen or Chosen()
    timeline = moments(runs)
    models, _ = measured_in(timeline)
    found: list[Series] = []
    for place in sorted({place for moment in timeline for _, place, _ in moment.scores}):
        metrics = _wanted(timeline, place, chosen)
        for model in models:
            called = {model, *(moment.aliases.get(model, model) for moment in timeline)}
            if not chosen.models or called & {*chosen.models}:
                found += _Line(timeline, labels, model, place, metrics, terms).series()
    order = {model: position for position, model in enumerate(models)}
    return sorted(found, key=lambda series: (series.place, series.metric, order[series.model]))


def _wanted(timeline: Sequence[Moment], place: str, chosen: Chosen) -> list[str]:
    """Return the metrics of one place that are wanted, sorted."""
    measured = {metric for moment in timeline for _, there, metric in moment.scores if there == place}
    if chosen.metrics:
        return sorted(measured & {*chosen.metrics})
    if chosen.every:
        return sorted(measured)
    for moment in reversed(timeline):
        marked = {metric for (_, there, metric), score in moment.scores.items() if there == place and score.primary}
        if marked:
            return sorted(marked)
    kept = {
        metric
        for moment in timeline
        for (_, there), result in moment.results.items()
        if there == place
        for metric in result.metrics
    }
    return sorted(primary_metrics(place.partition("/")[0], kept or measured, {}))


@dataclass
class _Line:
    """One model on one data set: two runs are compared once for all metrics."""

    timeline: Sequence[Moment]
    labels: Sequence[str]
    model: str
    place: str
    metrics: Sequence[str]
    terms: Terms

    def __post_init__(self) -> None:
        self.suite, _, self.dataset = self.place.partition("/")
        self.results = [moment.results.get((self.model, self.place)) for moment in self.timeline]
        self.compared: dict[tuple[int, int], Mapping[str, Verdict]] = {}

    def series(self) -> Iterator[Series]:
        """Yield a line per metric."""
        for metric in self.metrics:
            points: list[Point] = []
            before: Point | None = None
            for run in range(len(self.timeline)):
                point = self._point(run, metric)
                if point.value is not None:
                    point = self._beside(before, point) if before else point
                    before = point
                points.append(point)
            if before is not None:
                found = Series(self.model, self.suite, self.dataset, metric, points)
                yield replace(found, steps=list(self._steps(found)))

    def _point(self, run: int, metric: str) -> Point:
        moment, result = self.timeline[run], self.results[run]
        alias = moment.aliases.get(self.model, self.model)
        score = moment.scores.get((self.model, self.place, metric))
        if score is None or score.value is None:
            return Point(run, self.labels[run], alias, missing=self._missing(moment, score is None))
        low, high = score.low, score.high
        if low is None and result is not None and metric in result.columns:  # a baseline keeps no bounds
            kept = result.metrics[metric]
            low, high = bounded_mean_interval(result.each(metric)[1], kept.low, kept.high)
        model = result.model if result else moment.models.get(self.model)
        data = result.dataset.fingerprint if result else moment.data.get(self.dataset)
        return Point(run, self.labels[run], alias, score.value, low, high, score.n, model, data)

    def _missing(self, moment: Moment, unknown: bool) -> str:
        if self.model in moment.errors:
            return moment.errors[self.model]
        if self.model not in moment.aliases:
            return "not in this run"
        return "not measured" if unknown else "not a finite number"

    def _beside(self, before: Point, point: Point) -> Point:
        """Return the point with what is not as it was at the one before."""
        then, now = self.results[before.run], self.results[point.run]
        if then is not None and now is not None:
            broken = mismatch(now, then) or ""
        else:
            broken = (
                f"the data has changed: {point.data} now, {before.data} before" if before.data != point.data else ""
            )
        return replace(point, changed=_model_change(before.model, point.model), broken=broken)

    def _steps(self, series: Series) -> Iterator[Step]:
        *earlier, joined = series.parts
        if len(joined) > 1:
            yield self._step("since a break" if earlier else "first → last", series.metric, joined[0], joined[-1])
        if len(joined) > 2:
            yield self._step("last step", series.metric, joined[-2], joined[-1])

    def _step(self, name: str, metric: str, before: Point, point: Point) -> Step:
        verdict = self._verdicts(before, point).get(metric)
        if verdict is not None:
            return Step(name, before.run, point.run, verdict.delta, verdict.low, verdict.high, verdict.reason)
        old, new = self.results[before.run], self.results[point.run]
        refusal = mismatch(new, old) if old is not None and new is not None else None
        if refusal:
            return Step(name, before.run, point.run, None, None, None, refusal)
        then, now = before.value or 0.0, point.value or 0.0
        change = f"{metric} {then:.3f} → {now:.3f} ({signed(now - then)})"
        reason = f"{change}; no score of each query was kept, hence no interval"
        return Step(name, before.run, point.run, now - then, None, None, reason)

    def _verdicts(self, before: Point, point: Point) -> Mapping[str, Verdict]:
        """Return metric -> what the gate finds; empty where a side kept no scores."""
        pair = before.run, point.run
        if pair not in self.compared:
            then, now = (self._only(run) for run in pair)
            place = Place(point.alias, self.suite, self.dataset, before.alias, "against")
            verdicts = compare(now, then, place, terms=self.terms)[0] if then and now else []
            both = {*then.metrics} & {*now.metrics} if then and now else set()
            self.compared[pair] = {row.metric: row for row in verdicts if row.metric in both}
        return self.compared[pair]

    def _only(self, run: int) -> Result | None:
        result = self.results[run]
        return result.only(self.metrics) if result is not None else None


def _model_change(then: JudgedModel | None, now: JudgedModel | None) -> str:
    """Return what is another model, old → new; the same files under another name are the same model."""
    if then is None or now is None:
        return ""
    if now.fingerprint and now.fingerprint == then.fingerprint:
        then = then.model_copy(update={"source": now.source, "revision": now.revision})
    return f"{then.label} → {now.label}" if then.label != now.label else ", ".join(now.differing(then))
