"""Baselines: one file per alias with what it scored, written so that a change can be reviewed line by line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from pytest_embedeval.errors import BaselineError
from pytest_embedeval.gate.comparison import mismatch, primary_metrics
from pytest_embedeval.gate.documents import read_json, validated
from pytest_embedeval.gate.results import Result
from pytest_embedeval.settings import Rule

SCHEMA_VERSION = 1


class Baseline(BaseModel):
    """The stored scores of one alias, by "suite/dataset"; each names the model that made it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    schema_version: Literal[1] = 1
    alias: str
    results: dict[str, Result] = {}

    def text(self) -> str:
        """Return the file: sorted keys, one line per query, a newline at the end."""
        content = self.model_dump(exclude_defaults=True) | {"schema_version": self.schema_version}
        return "\n".join(_lines(content, depth=0)) + "\n"


def baseline_path(folder: Path, alias: str) -> Path:
    """Return where the baseline of an alias lies."""
    return folder / f"{alias}.json"


def load_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises
    ------
    BaselineError
        Not readable, truncated, of a newer schema, with NaN, or edited so that its numbers contradict each other;
        the message names the file, the place and what to do.
    """
    content = read_json(path, number="score", mend=_MEND)
    if isinstance(content, Mapping) and content.get("schema_version") is None:
        raise BaselineError(f"{path}: key 'schema_version' is missing; {_MEND}")
    found = validated(content, Baseline, path, version=SCHEMA_VERSION, mend=_MEND)
    if path.stem != found.alias:
        raise BaselineError(
            f"{path}: holds the baseline of {found.alias!r}, whose file is {found.alias}.json; to make these "
            f"the scores of {path.stem!r}, write that alias into it"
        )
    return found


_MEND = "restore it from version control, or delete it and run with --embedeval-update-new"


def _lines(value: Any, depth: int) -> Iterator[str]:
    """Yield JSON with sorted keys; each query, metric and other small object on a line of its own."""
    pad = "  " * (depth + 1)
    if not value:
        yield "{}"
        return
    yield "{"
    for place, key in enumerate(sorted(value), start=1):
        comma = "" if place == len(value) else ","
        entry = value[key]
        name = f"{pad}{json.dumps(key, ensure_ascii=False)}: "
        if isinstance(entry, Mapping) and not _fits_a_line(entry):
            first, *others = _lines(entry, depth + 1)
            yield f"{name}{first}" + ("" if others else comma)
            yield from others[:-1]
            if others:
                yield f"{others[-1]}{comma}"
        else:
            yield f"{name}{json.dumps(entry, ensure_ascii=False, sort_keys=True)}{comma}"
    yield "  " * depth + "}"


def _fits_a_line(entry: Mapping[str, Any]) -> bool:
    """Whether an object is a query, or holds a few plain values."""
    return isinstance(entry.get("scores"), list) or (
        0 < len(entry) <= 4 and not any(isinstance(v, Mapping | list) for v in entry.values())
    )


Step = Literal["new", "written", "worse", "unchanged", "kept"]


@dataclass(frozen=True)
class Entry:
    """What an update makes of one "suite/dataset" of an alias.

    Attributes
    ----------
    step
        `new` or `written`: it goes into the file. `unchanged`: the same scores were there. `worse`: a primary score
        fell, and only --embedeval-accept-worse writes it. `kept`: the stored one stays, since only missing ones were
        asked for.
    line
        One line for people, old → new.
    """

    place: str
    step: Step
    line: str

    @property
    def goes_in(self) -> bool:
        """Whether the new scores go into the file."""
        return self.step in ("new", "written", "unchanged")


def plan_update(
    place: str,
    result: Result,
    stored: Result | None,
    rules: Mapping[str, Rule],
    *,
    only_new: bool = False,
    accept_worse: bool = False,
) -> Entry:
    """Decide what an update does with one result, without doing it."""
    then = stored.metrics if stored else {}
    primary = primary_metrics(place.partition("/")[0], {*result.metrics, *then}, rules)
    values = {metric: result.metrics[metric].value for metric in primary if metric in result.metrics}
    if stored is None:
        return Entry(place, "new", ", ".join(f"{metric} {value:.4f}" for metric, value in values.items()) or "scores")
    if only_new:
        return Entry(place, "kept", "stored already")
    old = {metric: then[metric].value for metric in primary if metric in then}
    shown = {metric: f"{values[metric]:.4f}" if metric in values else "not measured" for metric in primary}
    steps = (
        f"{metric} {old[metric]:.4f} → {now}" if metric in old else f"{metric} {now}" for metric, now in shown.items()
    )
    line = ", ".join(steps) or "scores"
    changed = mismatch(result, stored)
    if changed:
        return Entry(place, "written", f"{line} ({changed})")
    if not accept_worse and any(values.get(metric, -math.inf) < value - 1e-6 for metric, value in old.items()):
        return Entry(place, "worse", line)
    same = result.metrics == stored.metrics and result.queries == stored.queries
    return Entry(place, "unchanged" if same else "written", line)


def merged(stored: Baseline | None, alias: str, results: Mapping[str, Result]) -> Baseline:
    """Return a baseline with new results in place of those of the same name; others stay as they are."""
    kept = stored.results if stored else {}
    return Baseline(alias=alias, results={**kept, **results})
