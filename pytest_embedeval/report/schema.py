"""The report: what a run found, as a document that other tools read.

Long form throughout, so that pandas loads each list as a table. Numbers are finite or null.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from pytest_embedeval.errors import UsageError, did_you_mean
from pytest_embedeval.findings import Finding
from pytest_embedeval.gate import (
    Beside,
    Comparison,
    Cost,
    Excerpts,
    FusionRow,
    Measurement,
    Perturbed,
    Result,
    StageRow,
    Verdict,
)
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report.decision import Decision

if TYPE_CHECKING:
    from pandas import DataFrame

    from pytest_embedeval.models.remote import Usage


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Git(_Strict):
    """The state of the checkout; both null outside one."""

    commit: str | None = None
    dirty: bool | None = None


class Run(_Strict):
    """When, where and how the run was made; `command` is that line, without what looks like a key."""

    started: str
    duration_s: float
    git: Git
    versions: dict[str, str]
    machine: dict[str, str | int | None]
    settings: dict[str, str | int | float | list[str] | list[int] | None]
    command: str = ""


class DatasetRow(_Strict):
    """A data set as it was used; `findings` are what its loader noticed."""

    name: str
    fingerprint: str
    language: str | None
    queries: int
    documents: int
    judgements: int
    findings: list[Finding] = []


class SpeedRow(_Strict):
    """A timing. It holds on its machine only: compare across runs by the ratio to `calibration`.

    Attributes
    ----------
    task
        `encode`: many documents at once; `query`: one query at a time, from its text to ten documents.
    dataset
        Whose texts were timed: longer ones take longer.
    rounds
        Timed repetitions.
    calibration
        GFLOP/s of a fixed float32 matrix product, the mean of one just before and one just after.
    peak_memory_mib
        Highest resident memory of the process during the timing; null where the system does not tell.
    """

    model: str
    task: Literal["encode", "query"]
    dataset: str | None = None
    texts_per_s: float | None = None
    tokens_per_s: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    rounds: int
    peak_memory_mib: float | None = None
    calibration: float | None = None


class VectorsRow(_Strict):
    """The vectors of one list of texts: what they cost and how they lie.

    Attributes
    ----------
    encoded, reused
        Distinct texts that this run computed, and those that were kept from another run.
    seconds
        What it took to compute all of them, be it now or when they were kept.
    spent
        Seconds that this run took to have them.
    tokens
        All their tokens, prompts included; null where nobody counted.
    truncated
        Texts of which the model reads only the beginning; null where nobody counted.
    mean_cosine
        Of all pairs of texts (anisotropy); null where it was not asked for, as for queries.
    equal
        Distinct texts whose vector equals that of another one.
    hubness
        Skewness of the number of queries for which each document is among the first ten.
    """

    model: str
    suite: str
    dataset: str
    role: Literal["query", "document"]
    texts: int
    encoded: int
    reused: int
    seconds: float
    spent: float
    tokens: int | None = None
    truncated: int | None = None
    mean_cosine: float | None = None
    equal: int | None = None
    hubness: float | None = None
    findings: list[Finding] = []


class IndexRow(_Strict):
    """An approximate index beside exact search of the same vectors; what it costs in quality is among `costs`.

    Attributes
    ----------
    index
        Its name: a factory string of FAISS, or `lancedb:TYPE`.
    documents
        How many it holds.
    recall
        Share of the exact top ten that it returned in its top ten, mean over queries.
    low, high
        One-sided 95 % bounds of that mean.
    n
        Queries.
    build_s
        Seconds to train and fill it.
    p50_ms, p95_ms
        A search for one query, top ten; `p95_ms` is null for fewer than 100 queries.
    exact_p50_ms
        Exact search of the same queries.
    bytes
        What it takes, serialised or on disk.
    """

    model: str
    suite: str
    dataset: str
    index: str
    documents: int
    recall: float
    low: float
    high: float
    n: int
    build_s: float
    p50_ms: float
    p95_ms: float | None = None
    exact_p50_ms: float
    bytes: int
    findings: list[Finding] = []


class UsageRow(_Strict):
    """What a model behind an API was asked for in this run, and what that costs.

    Attributes
    ----------
    requests
        All that were made, retries among them.
    retries
        Those that were made again, since the one before had failed.
    texts
        Texts whose vectors came back.
    tokens
        What the provider counted; null where an answer did not tell.
    cost_usd
        US dollars for these tokens; null where tokens or price are not known.
    """

    model: str
    requests: int
    retries: int
    texts: int
    tokens: int | None = None
    cost_usd: float | None = None

    @classmethod
    def of(cls, alias: str, used: Usage) -> UsageRow:
        """Return the row of one model."""
        return cls(model=alias, **{name: getattr(used, name) for name in cls.model_fields if name != "model"})


class Report(_Strict):
    """The whole of `report.json`; `warnings` are what went wrong without stopping the run."""

    schema_version: Literal[1] = 1
    run: Run
    models: list[ModelInfo]
    datasets: list[DatasetRow]
    measurements: list[Measurement]
    speed: list[SpeedRow]
    verdicts: list[Verdict]
    comparisons: list[Comparison] = []
    vectors: list[VectorsRow] = []
    costs: list[Cost] = []
    beside: list[Beside] = []
    fusion: list[FusionRow] = []
    stages: list[StageRow] = []
    robustness: list[Perturbed] = []
    indexes: list[IndexRow] = []
    usage: list[UsageRow] = []
    decisions: list[Decision] = []
    warnings: list[str] = []

    def to_frame(self, table: str = "measurements") -> DataFrame:
        """Return one of the lists as a table of pandas, a row per entry; nested values stay as they are.

        Parameters
        ----------
        table
            `measurements`, `verdicts`, `models`, `speed`, `robustness`, or any other list of the report.

        Raises
        ------
        UsageError
            The report has no list of that name.
        """
        import pandas

        known = {name: field.annotation for name, field in type(self).model_fields.items() if name != "warnings"}
        tables = [name for name, kind in known.items() if get_origin(kind) is list]
        if table not in tables:
            raise UsageError(f"the report has no table {table!r}; {did_you_mean(table, tables)}")
        (row,) = get_args(known[table])
        columns = [each.name for each in fields(row)] if is_dataclass(row) else list(row.model_fields)
        return pandas.DataFrame(self.model_dump(mode="json", include={table})[table], columns=columns)


class ResultRow(_Strict):
    """Gated scores of one model, in the form in which baselines keep them."""

    model: str
    suite: str
    dataset: str
    result: Result

    @property
    def place(self) -> str:
        """The name of the gate: "suite/dataset"."""
        return f"{self.suite}/{self.dataset}"


class Part(_Strict):
    """What one test adds to the report; written by the process that ran it, gathered by the one that reports."""

    models: list[ModelInfo] = []
    datasets: list[DatasetRow] = []
    measurements: list[Measurement] = []
    speed: list[SpeedRow] = []
    verdicts: list[Verdict] = []
    comparisons: list[Comparison] = []
    scores: list[tuple[str, str, str, str, str, float]] = []
    results: list[ResultRow] = []
    excerpts: list[Excerpts] = []
    vectors: list[VectorsRow] = []
    costs: list[Cost] = []
    beside: list[Beside] = []
    fusion: list[FusionRow] = []
    stages: list[StageRow] = []
    robustness: list[Perturbed] = []
    indexes: list[IndexRow] = []
    usage: list[UsageRow] = []
    warnings: list[str] = []
