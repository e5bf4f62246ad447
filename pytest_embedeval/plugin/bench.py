"""The bridge to pytest-benchmark's saved runs: quality is saved beside timings, and compared with what was saved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import pytest

from pytest_embedeval.errors import UsageError
from pytest_embedeval.plugin.state import KEY

if TYPE_CHECKING:
    from pytest_embedeval.report import Part, Report
    from pytest_embedeval.settings import Gate

BLOCK = "embedeval"
SCHEMA_VERSION: Final = 1
_TIMES = ("encode_s",)  # measured beside the scores, but no quality
_COMPARED: pytest.StashKey[list[object]] = pytest.StashKey()


@dataclass(frozen=True)
class SavedScore:
    """One measurement; `value` is None where it was not a finite number."""

    __pydantic_config__: ClassVar[Any] = {"allow_inf_nan": False}

    model: str
    suite: str
    dataset: str
    metric: str
    value: float | None
    n: int


@dataclass(frozen=True)
class SavedModel:
    """What an alias stood for."""

    source: str
    revision: str | None
    fingerprint: str | None


@dataclass(frozen=True)
class SavedDataset:
    """What the name of a data set stood for."""

    fingerprint: str


@dataclass(frozen=True)
class SavedQuality:
    """The block `embedeval` of a saved run; a reader of a later version may add to it, but renames nothing."""

    schema_version: Literal[1]
    measurements: list[SavedScore]
    models: dict[str, SavedModel]
    datasets: dict[str, SavedDataset]


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Add the quality of this run to what pytest-benchmark saves; what stands there stays, also when called again.

    pytest-benchmark saves around all other `pytest_sessionfinish`, so the report is still in parts.
    """
    parts = config.stash[KEY].parts.read()
    if not parts:
        return
    quality = quality_of(parts)
    for timed in output_json.get("benchmarks", ()):
        info = timed.get("extra_info", {})
        if {"model", "dataset", "task"} <= info.keys():
            timed["extra_info"] = info | quality_info(quality, info["model"], info["dataset"]) | info
    output_json.setdefault(BLOCK, asdict(quality))


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_compare_machine_info(config: pytest.Config, compared_benchmark: Mapping[str, object]) -> None:
    """Keep the quality of a saved run for the summary: this is the one hook that is given the whole file."""
    config.stash.setdefault(_COMPARED, []).append(compared_benchmark.get(BLOCK))


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_benchmark_group_stats(
    benchmarks: Iterable[dict[str, Any]], group_by: str
) -> list[tuple[str | None, list[dict[str, Any]]]] | None:
    """Group by the model that was timed, in the order of the matrix, where that is asked for."""
    if group_by != "model":
        return None
    groups: dict[str | None, list[dict[str, Any]]] = {}
    for timed in benchmarks:
        alias = timed.get("extra_info", {}).get("model")
        groups.setdefault(alias if isinstance(alias, str) else None, []).append(timed)
    for group in groups.values():
        group.sort(key=lambda timed: timed["name"])
    return list(groups.items())


def quality_of(found: Iterable[Part | Report]) -> SavedQuality:
    """Return what is saved of a report or its parts; of rows with one key, the last."""
    parts = list(found)
    rows = {_key(row): row for part in parts for row in part.measurements}
    return SavedQuality(
        schema_version=SCHEMA_VERSION,
        measurements=[SavedScore(*key, row.value, row.n) for key, row in rows.items()],
        models={
            row.alias: SavedModel(row.source, row.revision, row.fingerprint) for part in parts for row in part.models
        },
        datasets={row.name: SavedDataset(row.fingerprint) for part in parts for row in part.datasets},
    )


def quality_info(quality: SavedQuality, model: str, dataset: str) -> dict[str, float]:
    """Return `quality.mrr@10` and its like for one benchmark.

    Retrieval counts on the data set that was timed; word forms stand for the model as such. With several sets of
    them, the name of each stands at the end: `quality.morphology.auc.verbs`.
    """
    rows = [row for row in quality.measurements if row.model == model and row.metric not in _TIMES]
    several = len({row.dataset for row in rows if row.suite == "morphology"}) > 1
    info = {}
    for row in rows:
        if row.value is None:
            continue
        if (row.suite, row.dataset) == ("retrieval", dataset):
            info[f"quality.{row.metric}"] = row.value
        elif row.suite == "morphology":
            info[f"quality.{row.metric}.{row.dataset}" if several else f"quality.{row.metric}"] = row.value
    return info


def quality_lines(config: pytest.Config, report: Report) -> Iterator[str]:
    """Yield old → new of the primary metrics for each saved run of `--benchmark-compare`; nothing without one."""
    saved = config.stash.get(_COMPARED, [])
    if not saved or not report.measurements:
        return
    new = quality_of([report])
    for name, block in zip(_file_names(config, len(saved)), saved, strict=True):
        try:
            old = read_quality(name, block)
        except UsageError as error:
            yield f"quality is not compared: {error}"
        else:
            yield from compared_lines(name, old, new, config.stash[KEY].settings.gates)


def read_quality(name: str, block: object) -> SavedQuality:
    """Return the quality of a saved run.

    Raises
    ------
    UsageError
        `block` is None, of a newer version, or damaged.
    """
    from pydantic import TypeAdapter, ValidationError

    if block is None:
        raise UsageError(f"{name} holds none; runs saved from now on do, as far as they score models")
    version = block.get("schema_version") if isinstance(block, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise UsageError(
            f"{name} is of a newer pytest-embedeval ({BLOCK}.schema_version is {version}, this version reads "
            f"{SCHEMA_VERSION}); update pytest-embedeval"
        )
    try:
        return TypeAdapter(SavedQuality).validate_python(block)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, (BLOCK, *first["loc"])))
        raise UsageError(f"{name} is damaged: {place}: {first['msg']}; compare with another run") from None


def compared_lines(name: str, old: SavedQuality, new: SavedQuality, gates: Mapping[str, Gate]) -> Iterator[str]:
    """Yield a heading, a line per primary metric, and a line per model or data set that is another one now."""
    from tabulate import tabulate

    before = {_key(row): row for row in old.measurements}
    other_data = {key for key, data in new.datasets.items() if old.datasets.get(key, data) != data}
    yield f"Quality, {name} → now:"
    rows = [
        [row.model, f"{row.suite}/{row.dataset}", row.metric, _change(before.get(_key(row)), row, other_data)]
        for row in _primary_scores(new.measurements, gates)
    ]
    yield from tabulate(rows, tablefmt="plain", disable_numparse=True).splitlines()
    for alias, model in new.models.items():
        earlier = old.models.get(alias, model)
        if _differ(earlier, model):
            yield f"{alias} is another model: {_identity(earlier)} → {_identity(model)}"
    for key in sorted(other_data):
        fingerprints = " → ".join(_shortened(kept[key].fingerprint) for kept in (old.datasets, new.datasets))
        yield f"{key} holds other data: {fingerprints}; its scores cannot be compared"


def _key(row: Any) -> tuple[str, str, str, str]:
    return row.model, row.suite, row.dataset, row.metric


def _primary_scores(rows: Iterable[SavedScore], gates: Mapping[str, Gate]) -> Iterator[SavedScore]:
    """Yield per model and data set the metrics that decide a comparison."""
    from pytest_embedeval.gate import primary_metrics

    together: dict[tuple[str, str, str], list[SavedScore]] = {}
    for row in rows:
        if row.metric not in _TIMES:
            together.setdefault((row.model, row.suite, row.dataset), []).append(row)
    for (model, suite, dataset), measured in together.items():
        gate = gates.get(f"{suite}/{dataset}")
        rules = gate.for_model(model) if gate else {}
        chosen = primary_metrics(suite, [row.metric for row in measured], rules)
        yield from (row for row in measured if row.metric in chosen)


def _change(old: SavedScore | None, new: SavedScore, other_data: set[str]) -> str:
    before = None if old is None else old.value
    if before is None or new.value is None:
        note = " (not in that run)" if old is None else ""
    elif new.dataset in other_data:
        note = " (other data)"
    elif old is not None and old.n != new.n:
        note = f" (n {old.n} → {new.n})"
    else:
        note = f" ({_delta(new.value - before)})"
    return f"{_score(before)} → {_score(new.value)}{note}"


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _delta(delta: float) -> str:
    """Return a difference in four decimals; one that these would hide, in powers of ten."""
    rounded = round(delta, 9) + 0.0  # no -0.0
    return f"{rounded:+.4f}" if abs(rounded) >= 5e-5 or not rounded else f"{rounded:+.0e}"


def _differ(old: SavedModel, new: SavedModel) -> bool:
    """Whether two models differ: by what was loaded, or where that is not known, by what was asked for."""
    if old.fingerprint and new.fingerprint:
        return old.fingerprint != new.fingerprint
    return (old.source, old.revision) != (new.source, new.revision)


def _identity(model: SavedModel) -> str:
    source = f"{model.source}@{model.revision}" if model.revision else model.source
    return f"{source} ({_shortened(model.fingerprint)})" if model.fingerprint else source


def _shortened(fingerprint: str) -> str:
    """Return the first twelve digits of a commit, or of a hash that says which it is."""
    return fingerprint.rpartition(":")[2][:12]


def _file_names(config: pytest.Config, count: int) -> Sequence[str]:
    """Return the names of the saved runs; the hook is not told them, but pytest-benchmark keeps them in its order."""
    session = config.pluginmanager.get_plugin("pytest-benchmark")
    names = [Path(path).name for path in getattr(session, "compared_mapping", None) or ()]
    return names if len(names) == count else ["the saved run"] * count
