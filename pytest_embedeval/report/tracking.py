"""A finished run is logged to MLflow: one run for it, and one within it for each model.

Every call names the run that it is about, so that nothing stays set or active in the process that logs.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_embedeval.errors import EmbedevalError, MissingExtraError, TrackingError, UsageError
from pytest_embedeval.models.secrecy import scrubbed
from pytest_embedeval.report.charts import PLOTS
from pytest_embedeval.report.load import load_report
from pytest_embedeval.report.schema import Report
from pytest_embedeval.report.tracked import Entry, entries_of_models, entry_of_run

EXPERIMENT = "embedeval"
LOGGED = "embedeval.report"  # the tag that holds the digest of report.json

_FILES = ("report.json", "report.html", "scores.csv", "summary.md", "language-*.md")
_BATCH = 100  # parameters, tags or metrics in one request; MLflow's own limit for the first two
_LONGEST = 5_000  # characters of a parameter or a tag
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_SHOWN = 600  # characters of a foreign error message
# What decides how long MLflow tries: minutes, unless it is told otherwise.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
_OF_SQLALCHEMY = r"The ``noload`` loader strategy is deprecated"  # of MLflow's own models, by SQLAlchemy 2.1


@dataclass(frozen=True)
class Logged:
    """Where a run was logged.

    Attributes
    ----------
    run_id
        Of the run as a whole.
    models
        Alias -> id of the run within it; empty where an earlier call has logged it.
    metrics, files
        How many were logged, now.
    is_new
        Whether it was logged now.
    """

    run_id: str
    experiment: str
    models: Mapping[str, str]
    metrics: int = 0
    files: int = 0
    is_new: bool = True


def log_run(
    folder: str | Path,
    *,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    run_name: str | None = None,
    artifacts: bool = True,
) -> Logged:
    """Log a finished run to MLflow, unless the experiment has it already.

    Parameters
    ----------
    folder
        That of the run.
    tracking_uri
        A server or a database, by default what MLflow's own environment variable says, else `mlflow.db` here.
    experiment
        Its name, made where there is none; by default what `MLFLOW_EXPERIMENT_NAME` says, else `embedeval`.
    run_name
        By default after the time at which the run began.
    artifacts
        Whether the files of the run are stored too. Some of them quote queries and documents.

    Raises
    ------
    BaselineError
        There is no finished run in the folder, or it is damaged.
    MissingExtraError
        MLflow, or what it needs for a database, is not installed.
    TrackingError
        The server cannot be reached, or refused something. What was begun is marked as failed and is not taken for
        logged.
    """
    report = load_report(folder)
    folder = Path(folder).parent if Path(folder).is_file() else Path(folder)
    digest = f"sha256:{hashlib.sha256((folder / 'report.json').read_bytes()).hexdigest()}"
    name = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    with _told_plainly():
        client = _client(tracking_uri)
        with _hurried():
            identity = _experiment(client, name)
        known = client.search_runs([identity], f"tags.`{LOGGED}` = '{digest}'", max_results=1)
        if known:
            return Logged(known[0].info.run_id, name, {}, is_new=False)
        logging = _Logging(client, identity, report)
        with logging.marked_if_it_fails():
            return logging.log(name, entry_of_run(report, run_name), _files(folder) if artifacts else [], digest)


class _Logging:
    """One run that is being logged, and the runs within it."""

    def __init__(self, client: Any, experiment: str, report: Report) -> None:
        self._client = client
        self._experiment = experiment
        self._report = report
        self._started = round(datetime.fromisoformat(report.run.started).timestamp() * 1000)
        self._ended = self._started + round(report.run.duration_s * 1000)
        self._begun: list[str] = []

    def log(self, experiment: str, entry: Entry, files: Sequence[tuple[Path, str | None]], digest: str) -> Logged:
        """Log everything; the digest last, by which the run is known as logged."""
        run_id = self._begin(entry)
        models = {}
        count = len(entry.metrics)
        for model in entries_of_models(self._report):
            models[model.name] = self._begin(model, within=run_id)
            self._end(models[model.name], failed=model.failed)
            count += len(model.metrics)
        for path, place in files:
            self._client.log_artifact(run_id, str(path), place)
        self._client.set_tag(run_id, LOGGED, digest)
        self._end(run_id)
        return Logged(run_id, experiment, models, count, len(files))

    @contextmanager
    def marked_if_it_fails(self) -> Iterator[None]:
        """Mark what was begun as failed where it is not completed."""
        try:
            yield
        except BaseException:
            with suppress(Exception), _hurried():
                for run_id in self._begun:
                    self._end(run_id, failed=True)
            raise

    def _begin(self, entry: Entry, within: str | None = None) -> str:
        from mlflow.entities import Metric, Param, RunTag

        tags = {"mlflow.source.name": "pytest-embedeval"} | ({"mlflow.parentRunId": within} if within else {})
        run = self._client.create_run(self._experiment, self._started, tags, entry.name)
        run_id: str = run.info.run_id
        self._begun.append(run_id)
        metrics = [Metric(name, value, self._ended, 0) for name, value in entry.metrics.items()]
        params = [Param(name, value[:_LONGEST]) for name, value in entry.params.items()]
        for batch in _batches(metrics):
            self._client.log_batch(run_id, metrics=batch, synchronous=True)
        for batch in _batches(params):
            self._client.log_batch(run_id, params=batch, synchronous=True)
        for batch in _batches([RunTag(name, value[:_LONGEST]) for name, value in entry.tags.items()]):
            self._client.log_batch(run_id, tags=batch, synchronous=True)
        return run_id

    def _end(self, run_id: str, *, failed: bool = False) -> None:
        with redirect_stdout(io.StringIO()):  # where a server keeps it, MLflow prints two lines about each run
            self._client.set_terminated(run_id, "FAILED" if failed else "FINISHED", self._ended)


def _client(uri: str | None) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a run is nobody's business but its owner's
    try:
        import mlflow
    except ImportError:
        raise MissingExtraError("MLflow", "mlflow") from None
    scheme = re.split("[:+]", uri or mlflow.get_tracking_uri(), maxsplit=1)[0]
    if scheme in _DATABASES and not (find_spec("sqlalchemy") and find_spec("alembic")):
        raise MissingExtraError("SQLAlchemy", "mlflow")
    return mlflow.MlflowClient(tracking_uri=uri)


def _experiment(client: Any, name: str) -> str:
    """Return the id of an experiment, which is made where there is none."""
    found = client.get_experiment_by_name(name)
    if found is None:
        made: str = client.create_experiment(name)
        return made
    if found.lifecycle_stage != "active":
        raise UsageError(f"the experiment {name!r} is deleted; restore it in MLflow, or name another with --experiment")
    identity: str = found.experiment_id
    return identity


def _files(folder: Path) -> list[tuple[Path, str | None]]:
    """Return the files of a run that are stored, each with its folder; not `texts.json`, which holds whole texts."""
    found: list[tuple[Path, str | None]] = [
        (path, None) for pattern in _FILES for path in sorted(folder.glob(pattern)) if path.is_file()
    ]
    return found + [(path, PLOTS) for path in sorted((folder / PLOTS).glob("[!.]*.*"))]


def _batches(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    yield from (rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH))


@contextmanager
def _hurried() -> Iterator[None]:
    """Let requests to a server that does not answer fail within seconds, unless the environment says otherwise."""
    added = {name: value for name, value in _PATIENCE.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _told_plainly() -> Iterator[None]:
    """Turn whatever MLflow, its database or its server raises into one line without keys."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", _OF_SQLALCHEMY, DeprecationWarning)
            yield
    except EmbedevalError:
        raise
    except Exception as error:  # of MLflow, requests, SQLAlchemy, a driver or a store of files: whatever they raise
        said = scrubbed(" ".join(str(error).split()) or type(error).__name__)
        raise TrackingError(f"MLflow did not take the run: {said[:_SHOWN]}") from None
