"""What a tracking server is told of a run: one entry for the run, one for each model, and names that it takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field

from pytest_embedeval.gate import Measurement, Verdict
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report.schema import Report
from pytest_embedeval.report.standing import Standing

_STATES = ("pass", "fail", "inconclusive", "error")
_OF_SPEED = ("texts_per_s", "tokens_per_s", "p50_ms", "p95_ms", "peak_memory_mib", "calibration")
_OF_USAGE = ("requests", "retries", "texts", "tokens", "cost_usd")
_NO_PARAMETERS = ("alias", "load_s", "error", "findings", "prompts")

# MLflow takes word characters, `-`, `.`, `/`, space and, but not on Windows, `:`. An underscore that would read as the
# beginning of an escape is escaped itself; so is a part that would read as a folder.
_REFUSED = re.compile(r"[^\w. -]|_(?=(?:at|x[0-9A-F]+)(?:_|[^\w. -]))|^\.(?=\.?$)")
_ESCAPE = re.compile(r"_(?:at|x([0-9A-F]+))_")


@dataclass(frozen=True)
class Entry:
    """One run of the tracking server.

    Attributes
    ----------
    failed
        Whether what it is about could not be measured at all.
    """

    name: str
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    failed: bool = False


def name_of(*parts: str) -> str:
    """Return the name under which a server files a number: the parts, joined by slashes.

    `@` becomes `_at_`; any other character that a server refuses becomes `_xHEX_`, its code point.

    >>> name_of("retrieval", "medical", "mrr@10")
    'retrieval/medical/mrr_at_10'
    """

    def escaped(found: re.Match[str]) -> str:
        return "_at_" if found[0] == "@" else f"_x{ord(found[0]):X}_"

    return "/".join(_REFUSED.sub(escaped, part) for part in parts)


def parts_of(name: str) -> tuple[str, ...]:
    """Return the parts of a name that `name_of` made.

    >>> parts_of("retrieval/medical/mrr_at_10")
    ('retrieval', 'medical', 'mrr@10')
    """

    def meant(found: re.Match[str]) -> str:
        return chr(int(found[1], 16)) if found[1] else "@"

    return tuple(_ESCAPE.sub(meant, part) for part in name.split("/"))


def entry_of_run(report: Report, name: str | None = None) -> Entry:
    """Return the entry of the whole run: its settings, its verdicts in numbers, versions, machine and data sets.

    Parameters
    ----------
    name
        What it is called; by default after the time at which the run began.
    """
    run = report.run
    aliases = aliases_of(report)
    errors = {model.alias for model in report.models if model.error}
    failed = errors | {row.model for row in report.verdicts if row.blocks}
    lists = {key: ", ".join(map(str, value)) for key, value in run.settings.items() if isinstance(value, list)}
    settings = run.settings | lists
    tags = {f"version.{key}": value for key, value in run.versions.items()}
    tags |= {f"machine.{key}": str(value) for key, value in run.machine.items() if value is not None}
    tags |= {"embedeval.started": run.started, "embedeval.failed": ", ".join(sorted(failed)) or "none"}
    if run.command:
        tags["embedeval.command"] = run.command
    if run.git.commit is not None:
        tags |= {"mlflow.source.git.commit": run.git.commit, "embedeval.dirty": str(bool(run.git.dirty)).lower()}
    return Entry(
        name=name or f"embedeval {run.started}",
        params={name_of(key): str(value) for key, value in settings.items() if value not in (None, "")},
        metrics={
            "duration_s": run.duration_s,
            "models": float(len(aliases)),
            "models_failed": float(len(failed)),
            **_counts(report.verdicts),
        },
        tags=tags | _data_sets(report, {row.name for row in report.datasets}),
    )


def entries_of_models(report: Report) -> Iterator[Entry]:
    """Yield the entry of each model: what it is, all its numbers, and what was judged."""
    models = {model.alias: model for model in report.models}
    for alias in aliases_of(report):
        model = models.get(alias)
        error = model.error if model is not None else None
        verdicts = [row for row in report.verdicts if row.model == alias]
        measured = [row for row in report.measurements if row.model == alias]
        tags = {"embedeval.verdict": Standing.of(verdicts).sentence()} if verdicts or not error else {}
        yield Entry(
            name=alias,
            params={} if model is None else dict(_parameters(model)),
            metrics={**_measured(measured), **dict(_other_numbers(report, alias, model)), **_counts(verdicts)},
            tags={
                **tags,
                **({"embedeval.error": error} if error else {}),
                **_data_sets(report, {row.dataset for row in measured}),
            },
            failed=bool(error),
        )


def aliases_of(report: Report) -> list[str]:
    """Return every model that the report says something about, in order."""
    named = [model.alias for model in report.models]
    measured = [row.model for row in report.measurements]
    return list(dict.fromkeys([*named, *measured, *(row.model for row in report.verdicts)]))


def _parameters(model: ModelInfo) -> Iterator[tuple[str, str]]:
    """Yield what makes the model; what is empty or unknown is left out."""
    facts = {name: value for name, value in asdict(model).items() if name not in _NO_PARAMETERS}
    facts |= {f"prompts.{role}": prompt for role, prompt in asdict(model.prompts).items()}
    yield from ((name, str(value)) for name, value in facts.items() if value not in (None, ""))


def _measured(rows: Iterable[Measurement]) -> dict[str, float]:
    """Return the value of every measurement that has one, with its bounds."""
    found: dict[str, float | None] = {}
    for row in rows:
        name = name_of(row.suite, row.dataset, row.metric)
        found |= {name: row.value, f"{name}.low": row.low, f"{name}.high": row.high}
    return {name: float(value) for name, value in found.items() if value is not None}


def _other_numbers(report: Report, alias: str, model: ModelInfo | None) -> Iterator[tuple[str, float]]:
    """Yield timings, and what a model behind an API was asked for."""
    if model is not None and model.load_s is not None:
        yield "load_s", model.load_s
    for timing in (row for row in report.speed if row.model == alias):
        for name in _OF_SPEED:
            if (value := getattr(timing, name)) is not None:
                yield name_of("speed", *filter(None, [timing.dataset]), timing.task, name), float(value)
    for used in (row for row in report.usage if row.model == alias):
        for name in _OF_USAGE:
            if (value := getattr(used, name)) is not None:
                yield f"usage/{name}", float(value)


def _counts(verdicts: Iterable[Verdict]) -> dict[str, float]:
    """Return how many verdicts that decide something ended in each state."""
    states: list[str] = [verdict.state for verdict in verdicts if not verdict.advisory]
    return {f"verdicts/{state}": float(states.count(state)) for state in _STATES}


def _data_sets(report: Report, names: set[str]) -> dict[str, str]:
    return {f"dataset.{name_of(row.name)}": row.fingerprint for row in report.datasets if row.name in names}
