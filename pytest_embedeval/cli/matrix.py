"""The models that a command names: each loaded, asked and let go before the next, with the vectors that are kept."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_embedeval.errors import EmbedevalError, ModelLoadError, UsageError

if TYPE_CHECKING:
    from pytest_embedeval.models import ModelSpec
    from pytest_embedeval.settings import Settings
    from pytest_embedeval.vectors import Encoded, Store
    from pytest_embedeval.vectors.encode import Progress

_WORTH_A_LINE = 200

Found = TypeVar("Found")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which models are asked, and where their vectors are kept."""
    parser.add_argument("--models", metavar="A,B", help="entries of the matrix; by default those of the configuration")
    parser.add_argument(
        "--cache", metavar="DIR", help="where vectors are kept; off for nowhere; default: as configured"
    )


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Return the configuration of this folder, or of one above, with `--cache` laid over it.

    Raises
    ------
    UsageError
        The configuration or the option is wrong.
    """
    from pytest_embedeval.folders import cache_folder
    from pytest_embedeval.settings import load_settings, problem_with, project_root

    settings = load_settings(project_root(Path.cwd()))
    if arguments.cache is None:
        return settings
    problem = problem_with("cache", arguments.cache)
    if problem:
        raise UsageError(f"--cache: {problem}")
    return replace(settings, cache=cache_folder(Path.cwd(), arguments.cache))


def specs_of(arguments: argparse.Namespace, settings: Settings) -> tuple[ModelSpec, ...]:
    """Return the models of the command line, else those of the configuration, else the offline trio.

    Raises
    ------
    UsageError
        The matrix is empty, unknown, doubled or malformed.
    """
    from pytest_embedeval.models import DEFAULT_MATRIX, parse_matrix

    entries = arguments.models if arguments.models is not None else settings.models
    return parse_matrix(DEFAULT_MATRIX if entries is None else entries, settings.model_tables)


def each_of(
    specs: Iterable[ModelSpec], settings: Settings, ask: Callable[[Encoded], Found], *, allow_collapse: bool = False
) -> tuple[dict[str, Found], list[EmbedevalError]]:
    """Ask each model; one that fails costs only its own answer.

    Parameters
    ----------
    ask
        What is wanted of a model with its vectors.
    allow_collapse
        Accept a model that gives all texts one and the same vector.

    Returns
    -------
    tuple
        Alias -> answer, and what went wrong with the others.
    """
    answers: dict[str, Found] = {}
    problems: list[EmbedevalError] = []
    for spec in specs:
        try:
            with encoded(spec, settings, allow_collapse=allow_collapse) as vectors:
                answers[spec.alias] = ask(vectors)
        except EmbedevalError as error:
            problems.append(error)
    return answers, problems


def raise_together(problems: list[EmbedevalError]) -> None:
    """Raise what went wrong with models, a line for each; nothing where nothing did."""
    if problems:
        raise ModelLoadError("\n".join(map(str, problems)))


@contextmanager
def encoded(spec: ModelSpec, settings: Settings, *, allow_collapse: bool = False) -> Iterator[Encoded]:
    """Load a model and open the vectors that are kept of it; both are let go at the end.

    Raises
    ------
    EmbedevalError
        The model could not be loaded, or does not answer.
    """
    from pytest_embedeval.memory import default_bound
    from pytest_embedeval.models import load_model
    from pytest_embedeval.vectors import Encoded

    if spec.device == "auto":
        spec = replace(spec, device=settings.device)
    with redirect_stdout(sys.stderr):  # what a library says of its loading is no part of a result
        model = load_model(spec, cache=settings.cache)
        with _store(settings.cache if model.is_kept else None) as store:
            memory = settings.memory or default_bound()
            vectors = Encoded(model, _progress(), store=store, memory=memory, allow_collapse=allow_collapse)
            try:
                yield vectors
            finally:
                vectors.close()


@contextmanager
def _store(folder: Path | None) -> Iterator[Store | None]:
    from pytest_embedeval.vectors import Store

    if folder is None:
        yield None
        return
    store = Store(folder, lambda problem: print(problem, file=sys.stderr))
    try:
        yield store
    finally:
        store.close()


def _progress() -> Callable[[str, int], Progress] | None:
    return _Counter if sys.stderr.isatty() else None


class _Counter:
    """Counts the texts of a long encoding on a line of the standard error, which it clears at the end."""

    def __init__(self, label: str, total: int) -> None:
        self._label = label
        self._total = total
        self._done = 0
        self._written = 0

    def update(self, n: int, /) -> None:
        self._done += n
        if self._total >= _WORTH_A_LINE:
            self._write(f"{self._label}: {self._done:,} of {self._total:,} texts")

    def close(self) -> None:
        if self._written:
            self._write("")
            self._write("")

    def _write(self, line: str) -> None:
        sys.stderr.write("\r" + line.ljust(self._written))
        sys.stderr.flush()
        self._written = len(line)
