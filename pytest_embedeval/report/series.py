"""One score over several runs: its points, the changes between them, and what is odd about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_embedeval.gate.results import JudgedModel


@dataclass(frozen=True)
class Point:
    """One score of a model in one run.

    Attributes
    ----------
    run, label
        Position of the run, from 0, and what it is called.
    alias
        What the model is called there.
    value, low, high, n
        The score, one-sided 95 % bounds of the mean, and what it rests on.
    model, data
        Which model it was, and the fingerprint of the data set; None where nobody knows.
    missing
        Why there is no value; empty where there is one.
    changed
        What is another model than at the point before, old → new.
    broken
        Why it is not joined to the point before: other data, or other parameters.
    """

    run: int
    label: str
    alias: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    model: JudgedModel | None = None
    data: str | None = None
    missing: str = ""
    changed: str = ""
    broken: str = ""


@dataclass(frozen=True)
class Step:
    """The change between two points.

    Attributes
    ----------
    name
        `first → last`; `since a break` where the data or parameters changed before; `last step`.
    first, last
        Positions of the two runs.
    delta, low, high
        Mean of the paired differences with its one-sided 95 % bounds, as the gate has them. Where a side has no score
        of each query: the difference of the values, without bounds. None where the two cannot be compared.
    reason
        The same in words.
    """

    name: str
    first: int
    last: int
    delta: float | None
    low: float | None
    high: float | None
    reason: str


@dataclass(frozen=True)
class Series:
    """One metric of one model on one data set, over all runs.

    Attributes
    ----------
    points
        One per run.
    steps
        Of the points that are joined at the end: first → last, then the last step where that is another one.
    """

    model: str
    suite: str
    dataset: str
    metric: str
    points: Sequence[Point]
    steps: Sequence[Step] = ()

    @property
    def place(self) -> str:
        """The name of the gate: "suite/dataset"."""
        return f"{self.suite}/{self.dataset}"

    @property
    def parts(self) -> list[list[Point]]:
        """The points that have a value, in the parts within which they are joined."""
        found: list[list[Point]] = []
        for point in self.points:
            if point.value is not None:
                if point.broken or not found:
                    found.append([])
                found[-1].append(point)
        return found


def gaps(lines: Sequence[Series]) -> dict[str, list[int]]:
    """Return why some lines have no score in a run, or are broken there -> the positions of these runs."""
    found: dict[str, list[int]] = {}
    for point in _by_run(lines):
        for text in filter(None, (point.missing, point.broken)):
            runs = found.setdefault(text, [])
            if point.run not in runs:
                runs.append(point.run)
    return found


def model_changes(lines: Sequence[Series]) -> list[tuple[str, int, str]]:
    """Return model, position of the run, and what is another model there, old → new, each once."""
    changed = [(line.model, point.run, point.changed) for line in lines for point in line.points if point.changed]
    return list(dict.fromkeys(sorted(changed, key=lambda change: change[1])))


def _by_run(lines: Sequence[Series]) -> list[Point]:
    return sorted((point for line in lines for point in line.points), key=lambda point: point.run)
