"""A data set and the runs of models on it, written for other tools."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval

from pytest_embedeval.cli import main
from pytest_embedeval.datasets import RetrievalData, load_dataset, load_entry
from pytest_embedeval.evaluate import evaluate_retrieval
from pytest_embedeval.metrics import parse_metric, score_search
from pytest_embedeval.retrieval.runs import RunRanker
from pytest_embedeval.settings import load_settings
from tests.datasets.test_export import same
from tests.models.test_transformer import save_static_model

ANIMALS = ["kedi", "köpek", "balık", "kuş", "at"]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with pairs about animals, morphology items, a static model, and a cache of its own."""
    project = tmp_path / "project"
    project.mkdir()
    rows = [
        {
            "query": f"{name} nedir",
            "document": f"{name} bir hayvandır",
            "query_id": f"q-{name}",
            "document_id": f"d-{name}",
        }
        for name in ANIMALS
    ]
    (project / "animals.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (project / "embedeval.toml").write_text(
        'cache = "kept"\n[models.tiny]\nsource = "./tiny"\n'
        '[datasets.animals]\npath = "animals.jsonl"\nformat = "jsonl"\nlanguage = "tr"\n'
        '[datasets.words]\npath = "words.tsv"\nformat = "morphology"\n'
    )
    header = "id\tcategory\tfeatures\tlemma\tform\tdistractors\tsource\n"
    (project / "words.tsv").write_text(header + "w1\ttense\tV\tgel\tgeldi\tgeldik\tx\n")
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def animals(project: Path) -> RetrievalData:
    data = load_entry("animals", load_settings(project).datasets["animals"])
    assert isinstance(data, RetrievalData)
    return data


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["export", *arguments]) == 2
    return capsys.readouterr().err.removeprefix("pytest-embedeval: ").strip()


def test_a_data_set_becomes_a_folder_in_beirs_form(
    project: Path, animals: RetrievalData, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "animals", "out/animals"]) == 0
    assert capsys.readouterr().out == "out/animals: 5 documents, 5 queries, 5 grades\n"
    assert same(load_dataset("out/animals", format="beir"), animals)
    assert sorted(path.name for path in (project / "out" / "animals").iterdir()) == [
        "corpus.jsonl",
        "qrels",
        "queries.jsonl",
    ]
    assert not (project / "kept").exists()


def test_each_model_leaves_a_run_that_scores_as_the_model_does(
    project: Path, animals: RetrievalData, capsys: pytest.CaptureFixture[str]
) -> None:
    save_static_model(project / "tiny")
    assert main(["export", "animals", "out", "--models=tiny,words=bm25", "--depth=3"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["out/runs/tiny.trec", "out/runs/words.trec"]
    metrics = [parse_metric(name) for name in ("mrr@3", "recall@1", "ndcg@3")]
    for alias, entry in (("tiny", f"tiny={project / 'tiny'}"), ("words", "bm25")):
        run = RunRanker(project / "out" / "runs" / f"{alias}.trec", animals)
        assert (run.tag, run.search(5).documents.shape[1] <= 3) == (alias, True)
        found = score_search(run, animals, metrics).measured
        expected = evaluate_retrieval(entry, animals, metrics=[str(metric) for metric in metrics]).measured
        for metric in metrics:
            np.testing.assert_allclose(found[str(metric)].value, expected[str(metric)].value, atol=1e-9)
    assert (project / "kept" / "vectors").is_dir()


def test_trec_eval_reads_what_is_written(project: Path) -> None:
    assert main(["export", "animals", "out", "--models=bm25"]) == 0
    with (project / "out" / "runs" / "bm25.trec").open(encoding="utf-8") as stream:
        run = pytrec_eval.parse_run(stream)
    assert set(run) == {f"q-{name}" for name in ANIMALS}
    assert max(run["q-at"], key=run["q-at"].__getitem__) == "d-at"


def test_ids_with_spaces_are_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (project / "animals.jsonl").read_text()
    (project / "animals.jsonl").write_text(text.replace("d-at", "d at"))
    assert main(["export", "animals", "out", "--models=bm25"]) == 0
    assert "Some ids hold spaces" in capsys.readouterr().out


def test_a_model_that_fails_costs_only_its_own_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = refused(capsys, "animals", "out", "--models=./nowhere,bm25")
    assert "there is no folder" in message
    assert [path.name for path in (project / "out" / "runs").iterdir()] == ["bm25.trec"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("animal", "out"), "no data set 'animal' in embedeval.toml; did you mean 'animals'? Known: animals, words"),
        (("words", "out"), "'words' holds no documents; only documents and queries can be exported"),
        (("animals", "out", "--models="), "the model matrix is empty"),
        (("animals", "out", "--models=minilm-eng"), "did you mean 'minilm-en'?"),
        (("animals", "out", "--models=bm25,bm25"), "2 models are called 'bm25'"),
    ],
)
def test_a_wrong_command_writes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert message in refused(capsys, *arguments)
    assert not (project / "out").exists()


def test_a_folder_that_holds_data_is_left_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "animals", "out"]) == 0
    before = (project / "out" / "corpus.jsonl").stat()
    assert refused(capsys, "animals", "out").endswith(
        "corpus.jsonl exists, and is not overwritten; name another folder, or remove it"
    )
    assert (project / "out" / "corpus.jsonl").stat() == before


@pytest.mark.parametrize("depth", ["0", "-1", "ten", "1.5"])
def test_a_depth_that_is_no_number_of_documents_is_refused(capsys: pytest.CaptureFixture[str], depth: str) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["export", "animals", "out", f"--depth={depth}"])
    assert f"'{depth}' is no number of documents" in capsys.readouterr().err
