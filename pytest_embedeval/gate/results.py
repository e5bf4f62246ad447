"""What one model scored in one suite on one data set, in the form in which it is kept and compared."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pytest_embedeval.metrics import Measured, Scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_embedeval.models import ModelInfo

DIGITS = 6  # of every score that is kept; both sides of a comparison are rounded alike


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)


class JudgedModel(_Strict):
    """Which model it was."""

    source: str
    revision: str | None = None
    fingerprint: str | None = None
    kind: str = "dense"
    dimension: int | None = None
    max_tokens: int | None = None
    precision: str = "float32"
    query_prompt: str = ""
    document_prompt: str = ""

    @classmethod
    def of(cls, info: ModelInfo) -> JudgedModel:
        """Take the facts that decide the scores."""
        facts = {name: getattr(info, name) for name in cls.model_fields if not name.endswith("_prompt")}
        return cls(**facts, query_prompt=info.prompts.query, document_prompt=info.prompts.document)

    @property
    def label(self) -> str:
        """Source, revision and fingerprint in one line."""
        at = f"@{self.revision[:12]}" if self.revision else ""
        known = f" ({self.fingerprint[:19]})" if self.fingerprint and self.fingerprint != self.revision else ""
        variant = "" if self.precision == "float32" else f" in {self.precision}"
        return f"{self.source}{at}{variant}, {self.dimension} dimensions{known}" if self.dimension else self.source

    def differing(self, then: JudgedModel) -> Iterator[str]:
        """Yield each fact that is another one in `then`, old → new."""
        for name in type(self).model_fields:
            was, is_now = getattr(then, name), getattr(self, name)
            if was != is_now:
                yield f"{name}: {was!r} → {is_now!r}"


class JudgedData(_Strict):
    """Which data it was: a comparison on other data is refused."""

    fingerprint: str
    language: str | None = None


class KeptMetric(_Strict):
    """The value of a metric; `low` and `high` bound the score of one query."""

    value: float
    n: int
    low: float = 0.0
    high: float = 1.0


class KeptQuery(_Strict):
    """One query or item: its score in each column, the first ten documents found, and the fields to slice by."""

    scores: list[float | None]
    top: list[str] = []
    fields: dict[str, str] = {}


class Result(_Strict):
    """Scores of one model in one suite on one data set.

    Attributes
    ----------
    parameters
        What the metrics depend on beside the data (level, ties, seed): a comparison under others is refused.
    tests
        The tests that made it, by file and function.
    columns
        The metrics that have a score per query, in the order of `KeptQuery.scores`.
    """

    model: JudgedModel
    dataset: JudgedData
    parameters: dict[str, str | int | float] = {}
    versions: dict[str, str] = {}
    tests: list[str] = []
    metrics: dict[str, KeptMetric]
    columns: list[str] = []
    queries: dict[str, KeptQuery] = Field(default={}, repr=False)

    @model_validator(mode="after")
    def _holds_together(self) -> Result:
        for identity, query in self.queries.items():
            if len(query.scores) != len(self.columns):
                raise ValueError(f"query {identity!r} has {len(query.scores)} scores for {len(self.columns)} columns")
        for metric in self.columns:
            if metric not in self.metrics:
                raise ValueError(f"column {metric!r} is not among the metrics")
            kept, (ids, each) = self.metrics[metric], self.each(metric)
            if len(ids) != kept.n:
                raise ValueError(f"metrics.{metric}.n is {kept.n}, and {len(ids)} queries have a score")
            if kept.n and not math.isclose(float(each.mean()), kept.value, abs_tol=2e-6):
                raise ValueError(
                    f"metrics.{metric}.value is {kept.value}, and the mean of its scores {each.mean():.6f}"
                )
        return self

    @classmethod
    def of(
        cls,
        scores: Scores,
        info: ModelInfo,
        *,
        language: str | None = None,
        fields: Mapping[str, Mapping[str, str]] | None = None,
        versions: Mapping[str, str] | None = None,
        tests: Sequence[str] = (),
    ) -> Result:
        """Keep scores; numbers that are not finite, times, and what is not compared are left out.

        Parameters
        ----------
        fields
            Query id -> field -> value, for slices and clusters.
        """
        measured = {name: found for name, found in scores.measured.items() if is_kept(name, found)}
        columns = sorted(name for name, found in measured.items() if found.each is not None)
        cells: dict[str, list[float | None]] = {}
        for place, name in enumerate(columns):
            found = measured[name]
            each = np.round(found.each, DIGITS) + 0.0  # type: ignore[arg-type]  # zero has one sign
            for identity, score in zip(found.ids, each.tolist(), strict=True):
                cells.setdefault(identity, [None] * len(columns))[place] = score
        return cls(
            model=JudgedModel.of(info),
            dataset=JudgedData(fingerprint=scores.fingerprint, language=language),
            parameters=dict(scores.parameters),
            versions=dict(versions or {}),
            tests=list(tests),
            metrics={name: _kept(found) for name, found in sorted(measured.items())},
            columns=columns,
            queries={
                identity: KeptQuery(
                    scores=row, top=list(scores.top.get(identity, ())), fields=dict((fields or {}).get(identity, {}))
                )
                for identity, row in sorted(cells.items())
            },
        )

    def joined(self, other: Result) -> Result:
        """Return the scores of both, where they rest on the same data and parameters; else the other's alone."""
        if (self.dataset, self.parameters, self.model) != (other.dataset, other.parameters, other.model):
            return other
        columns = sorted({*self.columns, *other.columns})
        queries = {}
        for identity in sorted({*self.queries, *other.queries}):
            rows = [side.queries.get(identity) for side in (self, other)]
            cells: dict[str, float | None] = {}
            for side, row in zip((self, other), rows, strict=True):
                named = zip(side.columns, row.scores, strict=True) if row else ()
                cells.update(cell for cell in named if side is other or cell[0] not in other.columns)
            last = next(row for row in reversed(rows) if row is not None)
            queries[identity] = last.model_copy(update={"scores": [cells.get(name) for name in columns]})
        return self.model_copy(
            update={
                "metrics": dict(sorted({**self.metrics, **other.metrics}.items())),
                "columns": columns,
                "queries": queries,
                "tests": sorted({*self.tests, *other.tests}),
            }
        )

    def only(self, metrics: Collection[str]) -> Result:
        """Return the result with these metrics alone."""
        places = [place for place, name in enumerate(self.columns) if name in metrics]
        queries = {
            identity: query.model_copy(update={"scores": [query.scores[place] for place in places]})
            for identity, query in self.queries.items()
        }
        kept = {name: found for name, found in self.metrics.items() if name in metrics}
        columns = [self.columns[place] for place in places]
        return self.model_copy(update={"metrics": kept, "columns": columns, "queries": queries})

    def each(self, metric: str) -> tuple[list[str], NDArray[np.float64]]:
        """Return the ids of the queries that have a score, and their scores, float64 array [n]."""
        place = self.columns.index(metric)
        rows = [(identity, query.scores[place]) for identity, query in self.queries.items()]
        found = [(identity, score) for identity, score in rows if score is not None]
        return [identity for identity, _ in found], np.array([score for _, score in found], dtype=np.float64)


def is_kept(name: str, found: Measured) -> bool:
    """Whether a metric is kept and compared: a finite number, no time, and no mere information."""
    finite = math.isfinite(found.value) and (found.each is None or bool(np.isfinite(found.each).all()))
    return finite and found.is_compared and not name.endswith("_s")


def _kept(found: Measured) -> KeptMetric:
    low, high = found.bounds
    return KeptMetric(value=round(found.value, DIGITS) + 0.0, n=found.n, low=low, high=high)
