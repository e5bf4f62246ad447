"""A finished run in MLflow: all of it, once, and read back with MLflow's own client."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.cli import main
from pytest_embedeval.errors import BaselineError, MissingExtraError, TrackingError, UsageError
from pytest_embedeval.report import write_run
from pytest_embedeval.report.tracked import entries_of_models, entry_of_run, parts_of
from pytest_embedeval.report.tracking import Logged, log_run
from tests.report.test_tracked import finished

SECRET = "tok-4711-do-not-tell"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run in the folder where runs are written, in a project of its own."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_") and name != "MLFLOW_DISABLE_TELEMETRY"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "embedeval.toml").write_text('out = "found"\n', encoding="utf-8")
    write_run(finished(), [], [], tmp_path / "found")
    plots = tmp_path / "found" / "plots"
    plots.mkdir()
    (plots / "retrieval-tıp.svg").write_text("<svg/>", encoding="utf-8")
    (tmp_path / "found" / "report.html").write_text("<p>", encoding="utf-8")
    return tmp_path / "found"


class Kept:
    """An experiment as MLflow's client reads it."""

    def __init__(self, uri: str, name: str) -> None:
        from mlflow import MlflowClient

        self.client: Any = MlflowClient(tracking_uri=uri)
        self.uri = uri
        self.name = name

    def log(self, folder: Path, **options: Any) -> Logged:
        return log_run(folder, tracking_uri=self.uri, experiment=self.name, **options)

    def runs(self) -> list[Any]:
        found = self.client.get_experiment_by_name(self.name)
        return list(self.client.search_runs([found.experiment_id]))

    def run(self, identity: str) -> Any:
        return self.client.get_run(identity)

    def files(self, identity: str, folder: str | None = None) -> set[str]:
        found = self.client.list_artifacts(identity, folder)
        inner = (self.files(identity, each.path) for each in found if each.is_dir)
        return {each.path for each in found if not each.is_dir}.union(*inner)


@pytest.fixture
def kept(mlflow_store: str, folder: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Kept:
    experiment = Kept(mlflow_store, request.node.name)
    experiment.client.create_experiment(experiment.name, artifact_location=str(tmp_path / "stored"))
    return experiment


def test_every_number_parameter_and_tag_can_be_read_back(kept: Kept, folder: Path) -> None:
    logged = kept.log(folder)
    report = finished()
    parent = kept.run(logged.run_id)
    entries = [(entry_of_run(report), parent)]
    entries += [(entry, kept.run(logged.models[entry.name])) for entry in entries_of_models(report)]
    for entry, run in entries:
        assert run.info.run_name == entry.name
        assert run.data.params == entry.params
        assert run.data.metrics == entry.metrics
        assert entry.tags.items() <= run.data.tags.items()
    assert logged.metrics == sum(len(run.data.metrics) for _, run in entries)
    found = {
        (alias, *parts_of(name)): value
        for alias, identity in logged.models.items()
        for name, value in kept.run(identity).data.metrics.items()
    }
    for row in report.measurements:
        assert found.get((row.model, row.suite, row.dataset, row.metric)) == row.value
        assert found.get((row.model, row.suite, row.dataset, f"{row.metric}.low")) == row.low


def test_models_stand_within_the_run_and_one_that_could_not_be_loaded_has_failed(kept: Kept, folder: Path) -> None:
    logged = kept.log(folder, run_name="v2")
    assert list(logged.models) == ["prod", "next", "gone", "late"]
    states = {}
    for alias, identity in logged.models.items():
        run = kept.run(identity)
        states[alias] = run.info.status
        assert run.data.tags["mlflow.parentRunId"] == logged.run_id
    assert states == {"prod": "FINISHED", "next": "FINISHED", "gone": "FAILED", "late": "FINISHED"}
    parent = kept.run(logged.run_id)
    assert (parent.info.run_name, parent.info.status) == ("v2", "FINISHED")
    assert (parent.info.start_time, parent.info.end_time) == (1_740_830_400_000, 1_740_830_461_500)
    assert len(kept.runs()) == 5


@pytest.mark.parametrize("artifacts", [True, False])
def test_the_files_of_the_run_are_stored_but_not_its_texts(kept: Kept, folder: Path, artifacts: bool) -> None:
    logged = kept.log(folder, artifacts=artifacts)
    expected = {"report.json", "report.html", "scores.csv", "summary.md", "language-tr.md", "plots/retrieval-tıp.svg"}
    assert kept.files(logged.run_id) == (expected if artifacts else set())
    assert logged.files == len(kept.files(logged.run_id))
    assert (folder / "texts.json").exists()
    if artifacts:
        stored = Path(kept.client.download_artifacts(logged.run_id, "report.json"))
        assert stored.read_bytes() == (folder / "report.json").read_bytes()


def test_a_run_is_logged_once(kept: Kept, folder: Path) -> None:
    first, second = kept.log(folder), kept.log(folder / "report.json", run_name="again")
    assert (first.is_new, second.is_new, second.run_id) == (True, False, first.run_id)
    assert len(kept.runs()) == 5
    write_run(finished().model_copy(update={"warnings": ["another run"]}), [], [], folder)
    assert kept.log(folder).is_new
    assert len(kept.runs()) == 10


def test_what_was_begun_and_broke_off_is_marked_and_logged_anew(
    kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("mlflow.MlflowClient.log_artifact", full)
        with pytest.raises(TrackingError, match="did not take the run: no space left"):
            kept.log(folder)
    assert {run.info.status for run in kept.runs()} == {"FAILED"}
    assert kept.log(folder).is_new


def test_nothing_stays_set_in_the_process(kept: Kept, folder: Path) -> None:
    import mlflow

    before = dict(os.environ), mlflow.get_tracking_uri()
    kept.log(folder)
    assert (dict(os.environ), mlflow.get_tracking_uri()) == before
    assert mlflow.active_run() is None


def test_keys_of_the_environment_are_not_logged(
    kept: Kept, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, SECRET)
    kept.log(folder)
    written = [Path(kept.uri.removeprefix("sqlite:///")), *(tmp_path / "stored").rglob("*.*")]
    assert len(written) > 6
    assert not any(SECRET.encode() in path.read_bytes() for path in written if path.is_file())


def test_an_experiment_is_made_where_there_is_none_and_refused_where_it_was_deleted(
    mlflow_store: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "from the environment")
    logged = log_run(folder, tracking_uri=mlflow_store, artifacts=False)
    made = Kept(mlflow_store, logged.experiment)
    assert logged.experiment == "from the environment"
    assert len(made.runs()) == 5
    made.client.delete_experiment(made.client.get_experiment_by_name(made.name).experiment_id)
    with pytest.raises(UsageError, match="'from the environment' is deleted; restore it in MLflow, or name another"):
        made.log(folder)


@pytest.mark.usefixtures("mlflow_store")
def test_a_server_out_of_reach_is_one_line_without_the_password(folder: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"http://me:{SECRET}@127.0.0.1:{closed.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(TrackingError, match=r"^MLflow did not take the run: .*refused") as caught:
            log_run(folder, tracking_uri=uri)
    assert time.monotonic() - began < 10
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("mlflow_store")
def test_a_folder_as_a_store_is_refused_with_what_mlflow_says(folder: Path) -> None:
    with pytest.raises(TrackingError, match=r"maintenance mode .* 'sqlite:///mlflow.db'"):
        log_run(folder, tracking_uri=str(folder.parent / "mlruns"))


def test_without_mlflow_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"MLflow is not installed; .*\[mlflow\]"):
        log_run(folder)


@pytest.mark.usefixtures("mlflow_store")
def test_without_sqlalchemy_a_database_needs_the_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_embedeval.report.tracking.find_spec", lambda name: None)
    for uri in ("sqlite:///mlflow.db", "postgresql+psycopg://db/mlflow", None):
        with pytest.raises(MissingExtraError, match=r"SQLAlchemy is not installed; .*\[mlflow\]"):
            log_run(folder, tracking_uri=uri)


def test_a_folder_without_a_run_is_refused_before_mlflow_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(BaselineError, match=r"report\.json"):
        log_run(tmp_path)


def test_the_command_says_where_the_run_is(
    kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", kept.uri)
    options = [f"--experiment={kept.name}", "--run-name=v3", "--no-artifacts"]
    assert main(["mlflow", *options]) == main(["mlflow", str(folder), *options]) == 0
    first, second = capsys.readouterr().out.splitlines()
    (parent,) = (run for run in kept.runs() if "mlflow.parentRunId" not in run.data.tags)
    assert parent.info.run_name == "v3"
    assert first.startswith(f"logged as {parent.info.run_id} in '{kept.name}' (models: 4, metrics: ")
    assert first.endswith(", files: 0)")
    assert second == f"already logged as {parent.info.run_id} in '{kept.name}'"


def test_the_command_ends_with_2_and_one_line_where_nothing_could_be_logged(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert main(["mlflow"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "pytest-embedeval: MLflow is not installed; add it with: pip install 'pytest-embedeval[mlflow]'\n"
