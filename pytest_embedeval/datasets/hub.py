"""Data sets of the Hugging Face Hub, or local folders in their form, through the library `datasets` (extra `hub`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_embedeval.datasets.beir import documents_of, judged_of, queries_of
from pytest_embedeval.datasets.collection import Collection, NoRelevant, Texts, check_policies
from pytest_embedeval.datasets.duplicates import Policy
from pytest_embedeval.datasets.pairs import Columns, collection_of
from pytest_embedeval.datasets.retrieval import RetrievalData
from pytest_embedeval.errors import DatasetError, MissingExtraError

_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_BATCH = 1000
_TIMEOUT_S = 5.0
_QRELS = ("qrels", "default")  # BEIR's name and MTEB's for the configuration of the judgements


def load_hub(
    path: str | Path,
    *,
    name: str | None = None,
    language: str | None = None,
    split: str | None = None,
    revision: str | None = None,
    query: str | None = None,
    document: str | None = None,
    grade: str | None = None,
    duplicates: Policy = "merge",
    no_relevant: NoRelevant = "error",
) -> RetrievalData:
    """Read a data set of the hub. No code of its repository is run.

    A repository with the configurations `corpus`, `queries` and `qrels` (or `default`) is read as BEIR's; any other
    must hold one table of pairs, with the columns that `load_jsonl` tells.

    Parameters
    ----------
    path
        `owner/name`, or a folder of parquet, JSONL or CSV files.
    name
        Name of the data set; the last part of `path` by default.
    language
        BCP 47 code, such as `tr`.
    split
        Of the pairs or judgements; `test` by default, or the only one.
    revision
        Branch, tag or commit.
    query, document, grade
        Names of the columns of pairs, where they are others.
    duplicates
        Documents of equal text: `merge`, `keep` or `error`.
    no_relevant
        Queries without a relevant document: `error`, `zero` or `skip`.

    Raises
    ------
    DatasetError
        The hub is out of reach, has no such data set, or its tables are of another form.
    MissingExtraError
        The library `datasets` is not installed.
    """
    check_policies(duplicates, no_relevant)
    repository = _Repository(str(path), revision)
    names = Columns(query, document, grade)
    collection, split = _collection(repository, split, names)
    return collection.data(
        name or Path(path).name,
        language=language,
        duplicates=duplicates,
        no_relevant=no_relevant,
        protocol={"format": "hub", "split": split, **names.protocol()},
    )


def _collection(repository: _Repository, split: str | None, names: Columns) -> tuple[Collection, str]:
    qrels = next((each for each in _QRELS if each in repository.configurations), None)
    if qrels and {"corpus", "queries"} <= set(repository.configurations):
        corpus, queries, judged = (
            _Table(repository, configuration, wanted)
            for configuration, wanted in (("corpus", None), ("queries", None), (qrels, split))
        )
        parts = (
            documents_of(corpus.rows(), Texts(corpus.place, "row")),
            queries_of(queries.rows(), Texts(queries.place, "row")),
            judged_of(judged.rows(), judged.place, "row"),
        )
        return Collection(*parts, only_judged=True), judged.split
    if len(repository.configurations) > 1 and "default" not in repository.configurations:
        found = ", ".join(repository.configurations)
        raise DatasetError(f"{repository.path}: neither one table of pairs nor BEIR's; its configurations: {found}")
    table = _Table(repository, "default" if "default" in repository.configurations else None, split)
    return collection_of(table.rows(), names, table.place, "row"), table.split


class _Repository:
    """A repository, and what the library says is in it."""

    def __init__(self, path: str, revision: str | None) -> None:
        if not Path(path).is_dir() and not _ID.fullmatch(path):
            raise DatasetError(f"{path}: neither a folder nor a data set of the hub, owner/name")
        self.path = path
        self.revision = revision
        self.library = _library()
        config = self.library.config
        self._switched_off = config.HF_HUB_OFFLINE
        self._offline = self._switched_off or not (Path(path).is_dir() or _answers(config.HF_ENDPOINT))
        with self.errors():
            self.configurations: Sequence[str] = self.library.get_dataset_config_names(path, revision=revision)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Silence the library's bars, keep it from a hub out of reach, and turn whatever it raises into one error."""
        config, silent = self.library.config, self.library.utils.are_progress_bars_disabled()
        before, config.HF_HUB_OFFLINE = config.HF_HUB_OFFLINE, self._offline
        self.library.disable_progress_bars()
        try:
            yield
        except Exception as error:  # of the library, of what reads its files, or of the HTTP client of the day
            raise DatasetError(self._problem(error)) from error
        finally:
            config.HF_HUB_OFFLINE = before
            if not silent:
                self.library.enable_progress_bars()

    def _problem(self, error: Exception) -> str:
        lines = str(error).strip().splitlines() or [""]
        wanted = f"{self.path}@{self.revision}" if self.revision else self.path
        if isinstance(error, ConnectionError):
            switch = " (HF_HUB_OFFLINE is set)" if self._switched_off else ""
            return (
                f"{wanted}: not in the local cache, and the hub is out of reach{switch}. Without a network: a folder "
                "of its parquet files as path"
            )
        return f"{wanted}: cannot be read: {type(error).__name__}: {lines[0]}"


class _Table:
    """One split of one configuration."""

    def __init__(self, repository: _Repository, configuration: str | None, split: str | None) -> None:
        load = repository.library.load_dataset
        with repository.errors():
            splits = load(repository.path, configuration, revision=repository.revision)
        within = f"{repository.path}, configuration {configuration}" if configuration else repository.path
        found = list(splits)
        if split is None:
            split = "test" if "test" in found else found[0]
            if split != "test" and len(found) > 1:
                raise DatasetError(f'{within}: several splits and no "test"; choose split = one of {", ".join(found)}')
        if split not in found:
            raise DatasetError(f"{within}: no split {split!r}; its splits: {', '.join(found)}")
        self.split = split
        self.place = f"{within}, split {split}"
        self._repository = repository
        self._rows = splits[split]

    def rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield the rows with their numbers from 1."""
        number = 0
        for batch in self._rows.iter(batch_size=_BATCH):
            for cells in zip(*batch.values(), strict=True):
                number += 1
                yield number, dict(zip(batch, cells, strict=True))


def _answers(endpoint: str) -> bool:
    """Whether the hub answers at all, be it with an error; the library itself would try for half a minute."""
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        urlopen(endpoint, timeout=_TIMEOUT_S).close()  # noqa: S310 - the hub's own address
    except HTTPError:
        return True
    except OSError:
        return False
    return True


def _library() -> Any:
    try:
        import datasets  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise MissingExtraError("datasets", "hub") from None
    if int(datasets.__version__.split(".")[0]) < 4:
        raise DatasetError(
            f"datasets {datasets.__version__} may run code of a repository; pip install 'pytest-embedeval[hub]' brings "
            "a version that cannot"
        )
    return datasets
