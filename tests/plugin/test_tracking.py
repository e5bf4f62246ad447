"""A real run, logged to MLflow."""

from __future__ import annotations

import pytest

from pytest_embedeval.report.tracked import parts_of
from pytest_embedeval.report.tracking import log_run
from tests.plugin.conftest import configure, read_report


@pytest.mark.usefixtures("uncalibrated")
def test_a_run_of_the_suites_is_logged_whole(
    mlflow_store: str, project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    configure(project, '[gates."retrieval/medical"]\n"mrr@10" = { min = 0.3 }\n')
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    client = MlflowClient(tracking_uri=mlflow_store)
    client.create_experiment("suites", artifact_location=str(project.path / "stored"))
    project.runpytest_inprocess("suites", "--models=letters,blind,bm25,gone=./gone", "-k", "retrieval or morphology")
    logged = log_run(project.path / ".embedeval", tracking_uri=mlflow_store, experiment="suites")
    runs = {alias: client.get_run(identity) for alias, identity in logged.models.items()}
    found = {(alias, *parts_of(name)): value for alias, run in runs.items() for name, value in run.data.metrics.items()}
    report = read_report(project)
    expected = {
        (row["model"], row["suite"], row["dataset"], f"{row['metric']}{end}"): row[key]
        for row in report["measurements"]
        for key, end in (("value", ""), ("low", ".low"), ("high", ".high"))
        if row[key] is not None
    }
    assert len(expected) > 100
    assert expected.items() <= found.items()
    verdicts = {alias: run.data.tags.get("embedeval.verdict") for alias, run in runs.items()}
    assert verdicts == {
        "letters": "passes 1 rule",
        "blind": "fails on mrr@10 of retrieval/medical",
        "bm25": "passes 1 rule",
        "gone": None,
    }
    assert {alias for alias, run in runs.items() if run.info.status == "FAILED"} == {"gone"}
    assert "gone" in runs["gone"].data.tags["embedeval.error"]
    parent = client.get_run(logged.run_id)
    assert parent.data.params["models"] == "letters, blind, bm25, gone"
    assert parent.data.tags["dataset.medical"] == next(
        row["fingerprint"] for row in report["datasets"] if row["name"] == "medical"
    )
    assert {each.path for each in client.list_artifacts(logged.run_id)} == {
        *("report.json", "report.html", "scores.csv", "summary.md", "language-tr.md"),
    }
