"""What the plugin knows during one run, from the configuration to the report."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from pytest_embedeval.cluster import check_engine
from pytest_embedeval.errors import UsageError, did_you_mean
from pytest_embedeval.plugin.loading import Loading
from pytest_embedeval.plugin.options import UPDATE, is_configured, settings_from
from pytest_embedeval.plugin.parts import Parts
from pytest_embedeval.plugin.selection import Selection

if TYPE_CHECKING:
    from pytest_embedeval.datasets import AnyData, RetrievalData
    from pytest_embedeval.models import ModelSpec
    from pytest_embedeval.plugin.gating import Gating
    from pytest_embedeval.report import Part
    from pytest_embedeval.settings import Settings

SUITES = (
    "retrieval",
    "morphology",
    "clustering",
    "triplets",
    "robustness",
    "crosslingual",
    "similarity",
    "confusions",
)


class Session:
    """One run: settings, matrix, data sets, the loaded model, and what was found.

    Attributes
    ----------
    dropped
        Test -> why it does not apply to its model or to the data.
    none_left
        What is said where tests were collected, and none of them is left.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        worker_input: Mapping[str, Any] | None = getattr(config, "workerinput", None)
        self.is_worker = worker_input is not None
        self.parts = Parts(worker_input["embedeval_parts"] if worker_input else None)
        self.started = time.time()
        self.dropped: dict[pytest.Item, str] = {}
        self.none_left: list[str] = []
        self.selection = Selection()
        self.usage_error: UsageError | None = None
        self.loading = Loading(self)
        self._datasets: dict[str, AnyData] = {}
        self._translations: dict[str, RetrievalData] = {}
        self._described: set[str] = set()

    @cached_property
    def settings(self) -> Settings:
        """The configuration, read when it is first needed.

        Raises
        ------
        UsageError
            The configuration file is wrong.
        """
        return settings_from(self.config)

    @cached_property
    def specs(self) -> tuple[ModelSpec, ...]:
        """The model matrix, in order.

        Raises
        ------
        UsageError
            The matrix is empty, unknown, doubled or malformed.
        """
        from pytest_embedeval.models import DEFAULT_MATRIX

        entries = self.settings.models
        if entries is None:
            entries = tuple(self.encoders) or DEFAULT_MATRIX
        default = self.settings.device
        return tuple(
            dataclasses.replace(
                spec, device=default if spec.device == "auto" else spec.device, is_engine=self._is_engine(spec)
            )
            for spec in self._parsed(entries)
        )

    def _is_engine(self, spec: ModelSpec) -> bool:
        """Whether a conftest provides a search engine for an entry; none is asked that was not asked before."""
        provided = self.__dict__.get("encoders", {}).get(spec.source)
        if provided is None:
            return False
        from pytest_embedeval.retrieval.retriever import is_retriever

        return is_retriever(provided)

    def _parsed(self, entries: tuple[str, ...]) -> tuple[ModelSpec, ...]:
        """Read entries of the matrix; conftests are asked for encoders only where an entry needs one."""
        from pytest_embedeval.models import parse_matrix

        try:
            return parse_matrix(entries, self.settings.model_tables)
        except UsageError:
            if not self.encoders:
                raise
            return parse_matrix(entries, self.settings.model_tables, self.encoders)

    @cached_property
    def gating(self) -> Gating:
        """What judges scores in this run."""
        from pytest_embedeval.plugin.gating import Gating

        return Gating(self)

    @cached_property
    def encoders(self) -> dict[str, object]:
        """Encoders by alias that conftests provide."""
        found: dict[str, object] = {}
        for provided in self.config.hook.pytest_embedeval_models(config=self.config):
            found |= provided
        return found

    @cached_property
    def provided_datasets(self) -> dict[str, AnyData]:
        """Data sets by name that conftests provide."""
        found: dict[str, AnyData] = {}
        for provided in self.config.hook.pytest_embedeval_datasets(config=self.config):
            found |= provided
        return found

    def check(self) -> None:
        """Raise a UsageError where matrix or gates are wrong; asks conftests for nothing that is not named."""
        if not is_configured(self.config):
            return
        self._check_folders()
        check_engine(self.settings.engine)
        if self.settings.models is not None:
            _ = self.specs
        for name in self.settings.gates:
            suite, _, dataset = name.partition("/")
            if suite not in SUITES:
                raise UsageError(f"gates.{name!r}: unknown suite {suite!r}; {did_you_mean(suite, SUITES)}")
            if dataset not in self.settings.datasets and dataset not in self.provided_datasets:
                known = (*self.settings.datasets, *self.provided_datasets)
                raise UsageError(f"gates.{name!r}: unknown data set {dataset!r}; {did_you_mean(dataset, known)}")

        self._check_aliases()
        if self.config.getoption("against") is not None:
            self.check_against()

    def _check_aliases(self) -> None:
        """Raise where a gate names an alias that nothing else knows: its bounds would never be applied."""
        from pytest_embedeval.folders import stored_aliases
        from pytest_embedeval.models import known_names
        from pytest_embedeval.settings import load_settings

        named = {alias: place for place, gate in self.settings.gates.items() for alias in gate.by_alias}
        if not named:
            return
        written = load_settings(self.config.rootpath).models or ()  # the command line may ask for some of them only
        known = {*stored_aliases(self.settings.baseline), *known_names(), *self.settings.model_tables}
        if known.issuperset(named):
            return
        known |= {spec.alias for spec in (*self.specs, *(self._parsed(written) if written else ()))}
        known |= self.encoders.keys()
        for alias, place in named.items():
            if alias not in known:
                raise UsageError(f"gates.{place!r}: no model has the alias {alias!r}; {did_you_mean(alias, known)}")

    def _check_folders(self) -> None:
        """Raise where the scores of a run would be written over the baselines, be these in use or off."""
        stored = self.settings.baseline or self.settings.root / "baselines"
        if stored.resolve() == (self.settings.out / "baselines").resolve():
            raise UsageError(
                f"{stored}: each run would write its own scores over the baselines; choose another folder with "
                "--embedeval-out or --embedeval-baseline"
            )
        folder = self.settings.baseline
        if folder is None or not (folder.exists() or self.config.getoption("embedeval_baseline")):
            return
        if not folder.is_dir() and not (any(map(self.config.getoption, UPDATE)) and not folder.exists()):
            raise UsageError(f"{folder}: is no folder of baselines; --embedeval-update makes it, off uses none")

    def check_against(self) -> None:
        """Raise where `--against`, or its twin in TOML, names neither a model of the matrix nor a stored baseline."""
        from pytest_embedeval.folders import stored_aliases

        against, folder = self.settings.against, self.settings.baseline
        if against is None:
            return
        known = {*(spec.alias for spec in self.specs), *stored_aliases(folder)}
        if against not in known:
            stored_in = f"and no baseline in {folder}" if folder is not None else "(baselines are off)"
            raise UsageError(
                f"--against={against}: no model of the matrix {stored_in} has that alias; "
                f"{did_you_mean(against, known)}"
            )

    def header(self) -> list[str]:
        """Return the line of the run's header, if `--models` was given."""
        if self.config.getoption("models") is None or self.is_worker:
            return []
        return [f"embedeval: --models={self.config.getoption('models')}"]

    def dataset_names(self, argument: str) -> list[str]:
        """Return the data sets for an argument of a test: `dataset`, `parallel`, or one of `ITEM_FORMATS`."""
        tables = self.settings.datasets.items()
        if argument == "parallel":
            return [name for name, table in tables if table.parallel is not None]
        configured = [name for name, table in tables if table.argument == argument]
        if not self.provided_datasets:
            return configured
        from pytest_embedeval.datasets import MinimalPairs, RetrievalData, SentenceData, WordData

        kind = {
            "dataset": RetrievalData,
            "words": WordData,
            "sentences": SentenceData,
            "minimal_pairs": MinimalPairs,
        }[argument]
        provided = [name for name, data in self.provided_datasets.items() if isinstance(data, kind)]
        return [*configured, *(name for name in provided if name not in configured)]

    def translation(self, name: str) -> RetrievalData:
        """Return the translation of a configured data set, read once.

        Raises
        ------
        UsageError
            No data set has that name, or it has none.
        DatasetError
            Its file is missing or malformed.
        """
        if name not in self._translations:
            from pytest_embedeval.datasets import load_parallel

            tables = self.settings.datasets
            if name not in tables:
                raise UsageError(f"unknown data set {name!r}; {did_you_mean(name, tables)}")
            self._translations[name] = load_parallel(name, tables[name])
        return self._translations[name]

    def dataset(self, name: str) -> AnyData:
        """Return a data set, read once.

        Raises
        ------
        UsageError
            No data set has that name.
        DatasetError
            Its file is missing or malformed.
        """
        if name in self._datasets:
            return self._datasets[name]
        if name in self.settings.datasets:
            from pytest_embedeval.datasets import load_entry

            self._datasets[name] = load_entry(name, self.settings.datasets[name])
        elif name in self.provided_datasets:
            self._datasets[name] = self.provided_datasets[name]
        else:
            known = (*self.settings.datasets, *self.provided_datasets)
            raise UsageError(f"unknown data set {name!r}; {did_you_mean(name, known)}")
        return self._datasets[name]

    def primary(self, dataset: str) -> str:
        """Return the metric that decides on the search of a data set."""
        from pytest_embedeval.gate import primary_metrics

        gate = self.settings.gates.get(f"retrieval/{dataset}")
        return primary_metrics("retrieval", ["mrr@10"], gate.rules if gate else {})[0]

    def record(self, part: Part) -> None:
        """Keep what one test found for the report."""
        self.parts.add(part)


KEY: pytest.StashKey[Session] = pytest.StashKey()
