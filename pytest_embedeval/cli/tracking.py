"""`pytest-embedeval mlflow`: a finished run is logged to MLflow."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_embedeval.cli.parsers import Commands, command

_EXAMPLES = """\
  pytest-embedeval mlflow                   the last run, to MLFLOW_TRACKING_URI
  pytest-embedeval mlflow --tracking-uri=sqlite:///mlflow.db
  pytest-embedeval mlflow before/.embedeval --experiment=search --run-name=v2
  pytest-embedeval mlflow --no-artifacts    numbers and tags, no file

exit codes: 0 it is logged, now or already; 2 it could not be logged"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands,
        "mlflow",
        run,
        summary="Log a finished run to MLflow: a run for it, one for each model (extra `mlflow`).",
        examples=_EXAMPLES,
    )
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="that of a run; by default where runs are written")
    parser.add_argument("--tracking-uri", metavar="URI", help="server or database; by default as MLflow itself decides")
    parser.add_argument("--experiment", metavar="NAME", help="default: MLFLOW_EXPERIMENT_NAME, else embedeval")
    parser.add_argument("--run-name", metavar="NAME", help="default: after the time at which the run began")
    parser.add_argument(
        "--no-artifacts", action="store_true", help="store no files; some of them quote queries and documents"
    )


def run(arguments: argparse.Namespace) -> int:
    """Log the run and print the id under which MLflow has it.

    Raises
    ------
    BaselineError
        There is no finished run in the folder, or it is damaged.
    MissingExtraError
        MLflow is not installed.
    TrackingError
        The server cannot be reached, or refused something.
    """
    from pytest_embedeval.report.tracking import log_run
    from pytest_embedeval.settings import load_settings, project_root

    folder = Path(arguments.folder) if arguments.folder else load_settings(project_root(Path.cwd())).out
    logged = log_run(
        folder,
        tracking_uri=arguments.tracking_uri,
        experiment=arguments.experiment,
        run_name=arguments.run_name,
        artifacts=not arguments.no_artifacts,
    )
    if logged.is_new:
        counts = f"models: {len(logged.models)}, metrics: {logged.metrics}, files: {logged.files}"
        print(f"logged as {logged.run_id} in {logged.experiment!r} ({counts})")
    else:
        print(f"already logged as {logged.run_id} in {logged.experiment!r}")
    return 0
