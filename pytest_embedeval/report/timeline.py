"""Several finished runs, or baselines, put in order, called by date and commit, and read by model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pytest_embedeval.gate import Result
from pytest_embedeval.gate.results import JudgedModel
from pytest_embedeval.report.load import Kept

_COMMIT = 7  # signs of a commit that a label shows


def started(run: Kept) -> datetime | None:
    """Return when a run was started, in UTC; None for baselines, and where the report gives no date."""
    try:
        found = datetime.fromisoformat(run.report.run.started) if run.report else None
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC) if found else None


def in_order(runs: Sequence[Kept]) -> list[int]:
    """Return the positions of the runs by their start; as they were given where one of them has no date."""
    dates = [date for date in map(started, runs) if date is not None]
    return sorted(range(len(runs)), key=dates.__getitem__) if len(dates) == len(runs) else list(range(len(runs)))


def labels_of(runs: Sequence[Kept], names: Sequence[str]) -> list[str]:
    """Return what each run is called: date, time (UTC) and commit, with + where files had changes; else its name.

    Runs that would be called alike are numbered.
    """
    found: list[str] = []
    counts: dict[str, int] = {}
    for run, name in zip(runs, names, strict=True):
        date, label = started(run), name
        if run.report is not None and date is not None:
            git = run.report.run.git
            commit = f", {git.commit[:_COMMIT]}{'+' if git.dirty else ''}" if git.commit else ""
            label = f"{date:%Y-%m-%d %H:%M}{commit}"
        counts[label] = counts.get(label, 0) + 1
        found.append(f"{label} ({counts[label]})" if counts[label] > 1 else label)
    return found


@dataclass(frozen=True)
class Score:
    """A value with its one-sided 95 % bounds, and what it rests on; None where it is not finite.

    Attributes
    ----------
    primary
        It decided comparisons in that run; a baseline does not know.
    """

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None
    primary: bool = False


@dataclass(frozen=True)
class Moment:
    """What one run says, by the names under which models are followed.

    Attributes
    ----------
    scores
        (model, "suite/dataset", metric) -> score; times are none.
    results
        (model, "suite/dataset") -> the scores of each query.
    models, errors
        Model -> what it was, or that it could not be loaded or run, and why; neither for a baseline.
    aliases
        Model -> what it is called in this run.
    data
        Name of a data set -> fingerprint.
    """

    scores: Mapping[tuple[str, str, str], Score]
    results: Mapping[tuple[str, str], Result]
    models: Mapping[str, JudgedModel] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)


def moments(runs: Sequence[Kept]) -> list[Moment]:
    """Read runs by model. Where each holds one model alone, it is the same line, under the last of its names."""
    each = [_aliases(run) for run in runs]
    names = [found[0] for found in each if found]
    single = names[-1] if names and all(len(found) <= 1 for found in each) else None
    return [_moment(run, {alias: single or alias for alias in found}) for run, found in zip(runs, each, strict=True)]


def measured_in(timeline: Sequence[Moment]) -> tuple[list[str], list[str]]:
    """Return the models that have a score, in order, and the metrics."""
    keys = [key for moment in timeline for key in moment.scores]
    return list(dict.fromkeys(model for model, _, _ in keys)), sorted({metric for *_, metric in keys})


def never_measured(timeline: Sequence[Moment]) -> dict[str, str]:
    """Return model -> why, the last time, for those that have no score since they could not be loaded or run."""
    models, _ = measured_in(timeline)
    return {model: why for moment in timeline for model, why in moment.errors.items() if model not in models}


def _aliases(run: Kept) -> list[str]:
    return run.aliases if run.report is None else [row.alias for row in run.report.models]


def _moment(run: Kept, names: Mapping[str, str]) -> Moment:
    results = {(names.get(alias, alias), place): result for (alias, place), result in run.results.items()}
    aliases = {name: alias for alias, name in names.items()}
    if run.report is None:
        return Moment(dict(_of_results(results)), results, aliases=aliases)
    report = run.report
    scores = {
        (names.get(row.model, row.model), f"{row.suite}/{row.dataset}", row.metric): Score(
            row.value, row.n, row.low, row.high, row.primary
        )
        for row in report.measurements
        if not row.metric.endswith("_s")
    }
    return Moment(
        scores,
        results,
        models={names[row.alias]: JudgedModel.of(row) for row in report.models if not row.error},
        errors={names[row.alias]: f"could not be {row.failed}: {row.error}" for row in report.models if row.error},
        aliases=aliases,
        data={row.name: row.fingerprint for row in report.datasets},
    )


def _of_results(results: Mapping[tuple[str, str], Result]) -> Iterator[tuple[tuple[str, str, str], Score]]:
    """Yield the scores of baselines; bounds are left to whoever needs them."""
    for (name, place), result in results.items():
        for metric, kept in result.metrics.items():
            yield (name, place, metric), Score(kept.value, kept.n)
