"""What can be configured, typed: one class per table of `[tool.embedeval]`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_embedeval.settings.scenarios import SCENARIOS, Scenario

DEVICES = ("auto", "cpu", "cuda", "mps")
_POLICIES_OF_DATA = ("duplicates", "no_relevant")
_OF_PAIRS = ("query", "document", "grade")
# The keys that each format of a data set knows, besides those of all formats (`_OF_ALL_FORMATS` in read.py).
FORMATS: Mapping[str, tuple[str, ...]] = {
    "squad": ("target", *_POLICIES_OF_DATA),
    "beir": ("split", *_POLICIES_OF_DATA),
    "trec": ("corpus", "topics", "qrels", *_POLICIES_OF_DATA),
    "wands": ("fields", "queries", "sample", "seed", *_POLICIES_OF_DATA),
    "jsonl": (*_OF_PAIRS, *_POLICIES_OF_DATA),
    "csv": (*_OF_PAIRS, *_POLICIES_OF_DATA),
    "hub": ("split", "revision", *_OF_PAIRS, *_POLICIES_OF_DATA),
    "morphology": (),
    "turkmorfbench": (),
    "similarity": (),
    "minimal_pairs": (),
}
# The argument of a test -> the formats it runs on; `dataset` runs on all others, `parallel` on what has a translation.
ITEM_FORMATS: Mapping[str, tuple[str, ...]] = {
    "words": ("morphology", "turkmorfbench"),
    "sentences": ("similarity",),
    "minimal_pairs": ("minimal_pairs",),
}
BEATEN = ("bm25", "hybrid:bm25", "hybrid:vectors")
POLICIES = ("observed", "strict", "proven")
SWITCHES = ("auto", "off")
RULE_KEYS = ("min", "max", "tolerance", "primary")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def argument_of(format: str) -> str:
    """Return the argument of tests that run on data of this format."""
    return next((name for name, formats in ITEM_FORMATS.items() if format in formats), "dataset")


@dataclass(frozen=True)
class ModelTable:
    """One `[tool.embedeval.models.NAME]`: a model that needs more than one line of `--models`."""

    source: str
    revision: str | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None
    dim: int | None = None
    precision: str | None = None
    backend: str | None = None
    device: str | None = None
    batch_size: int | None = None
    devices: tuple[str, ...] = ()
    num_gpus: float | None = None
    memory: int | None = None
    fusion: str | None = None
    alpha: float | None = None
    rerank: str | None = None
    depth: int | None = None
    k1: float | None = None
    b: float | None = None
    stemmer: str | None = None
    stop_words: str | None = None
    api_base: str | None = None
    api_key_env: str | None = None
    timeout: float | None = None
    retries: int | None = None
    concurrency: int | None = None
    max_tokens: int | None = None
    price: float | None = None
    query_input_type: str | None = None
    document_input_type: str | None = None


@dataclass(frozen=True)
class DatasetTable:
    """One `[tool.embedeval.datasets.NAME]`; `path` is absolute once read, unless it is the id of a data set.

    `FORMATS` says which keys a format knows. None, and no fields, stand for what its loader takes without the key; an
    empty `no_relevant` becomes what the format has: in WANDS a sample leaves queries without a product, which are
    left out, and elsewhere they are an error. `beats` names what the suite `lexical` requires of each embedding model.
    `variants` is a file of other wordings of the queries, `parallel` the same data in the language `parallel_language`.
    """

    path: str
    format: str
    language: str | None = None
    target: str = "context"
    duplicates: str = "merge"
    no_relevant: str = ""
    split: str | None = None
    corpus: str | None = None
    topics: str | None = None
    qrels: str | None = None
    fields: tuple[str, ...] = ()
    queries: str | None = None
    sample: int | None = None
    seed: int | None = None
    revision: str | None = None
    query: str | None = None
    document: str | None = None
    grade: str | None = None
    slices: tuple[str, ...] = ()
    clusters: str | None = None
    beats: tuple[str, ...] = ()
    variants: str | None = None
    parallel: str | None = None
    parallel_language: str | None = None

    def __post_init__(self) -> None:
        if not self.no_relevant:
            object.__setattr__(self, "no_relevant", "skip" if self.format == "wands" else "error")

    @property
    def argument(self) -> str:
        """The argument of tests that run on this data set."""
        return argument_of(self.format)

    @property
    def kept_fields(self) -> tuple[str, ...]:
        """Fields that have to be kept with each query: those to slice by, and that of the clusters."""
        return tuple(dict.fromkeys((*self.slices, *filter(None, [self.clusters]))))


@dataclass(frozen=True)
class Rule:
    """What is asked of one metric.

    Attributes
    ----------
    min, max
        The value may not leave these bounds.
    tolerance
        Greatest drop against a baseline, in place of the common one.
    primary
        Comparisons are decided by this metric.
    """

    min: float | None = None
    max: float | None = None
    tolerance: float | None = None
    primary: bool = False


@dataclass(frozen=True)
class Gate:
    """The rules of one "suite/dataset": for every model, and those that override them for one alias."""

    rules: Mapping[str, Rule] = field(default_factory=dict)
    by_alias: Mapping[str, Mapping[str, Rule]] = field(default_factory=dict)

    def for_model(self, alias: str) -> dict[str, Rule]:
        """Return metric -> rule for one model; its own rules replace the common ones."""
        return {**self.rules, **self.by_alias.get(alias, {})}


@dataclass(frozen=True)
class Settings:
    """Everything a run can be told, with its defaults.

    Attributes
    ----------
    pictures
        `auto` draws those of the report where Altair is installed; `off` spares their seconds.
    index
        What searches vectors: `flat` for all of them, else the name of an approximate index.
    engine
        Where texts are encoded and vectors searched: `local`, or the Ray cluster of `ray` or `ray://HOST:PORT`.
    cache
        Folder of vectors and exported models; None for none.
    memory
        Bytes that vectors may take before they are read from disk as they are needed; None for a quarter of the RAM.
    documents
        Sizes of a corpus for which the report tells what an upgrade takes, beside its own, 1 and 10 million.
    machine_price
        US dollars for an hour of a machine like this one; None to tell no price.
    """

    root: Path
    file: str = field(default="pyproject.toml", compare=False)
    models: tuple[str, ...] | None = None
    out: Path = Path(".embedeval")
    device: str = "auto"
    seed: int = 42
    baseline: Path | None = Path("baselines")
    against: str | None = None
    policy: str = "observed"
    tolerance: float = 0.02
    min_queries: int = 30
    github: str = "auto"
    pictures: str = "auto"
    index: str = "flat"
    engine: str = "local"
    cache: Path | None = None
    memory: int | None = None
    documents: tuple[int, ...] = ()
    machine_price: float | None = None
    model_tables: Mapping[str, ModelTable] = field(default_factory=dict)
    datasets: Mapping[str, DatasetTable] = field(default_factory=dict)
    gates: Mapping[str, Gate] = field(default_factory=dict)
    scenarios: Mapping[str, Scenario] = field(default_factory=lambda: SCENARIOS)

    @property
    def clusters(self) -> dict[str, str]:
        """Data set -> the field whose values are clusters of its queries."""
        return {name: table.clusters for name, table in self.datasets.items() if table.clusters}

    def heading(self, *keys: str) -> str:
        """Return the heading of a table as it has to stand in the configuration file, quoted where TOML wants it."""
        prefix = [] if self.file == "embedeval.toml" else ["tool", "embedeval"]
        quoted = (key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False) for key in (*prefix, *keys))
        return f"[{'.'.join(quoted)}]"
