"""A user's small project, on which the plugin is run as a user would run it."""

from __future__ import annotations

import csv
import gc
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

# A run within this process drops the modules it was first to import, and numpy's kin cannot be imported twice.
for _heavy in (
    "bm25s",
    "faiss",
    "filelock",
    "sklearn.cluster",
    "sklearn.metrics",
    "Stemmer",
    "tqdm",
    "pytest_embedeval.evaluate",
    "pytest_embedeval.lexical",
    "pytest_embedeval.models.callables",
    "pytest_embedeval.plugin.explain",
    "pytest_embedeval.plugin.gating",
    "pytest_embedeval.plugin.progress",
    "pytest_embedeval.report.baselines",
    "pytest_embedeval.report.environment",
    "pytest_embedeval.report.markdown",
    "pytest_embedeval.report.pages",
    "jinja2",
    "pytest_embedeval.retrieval.binary",
    "pytest_embedeval.retrieval.bm25",
    "pytest_embedeval.retrieval.exact",
    "pytest_embedeval.retrieval.hybrid",
    "pytest_embedeval.retrieval.two_stage",
    "pytest_embedeval.stages",
):
    importlib.import_module(_heavy)
gc.freeze()  # each load of a model collects garbage, and would look through all of these

RETRIEVAL = "suites/test_retrieval.py::test_retrieval"

_CONFTEST = '''
"""Encoders of a user: good, useless, broken for some texts, and one whose loads are written down."""

import weakref

import numpy as np

from tests.conftest import blind, letters

_loaded = []


def holed(texts):
    vectors = letters(texts)
    vectors[["ağrı" in text for text in texts], 0] = np.nan
    return vectors


class Tracked:
    def encode_queries(self, texts):
        if texts == ["out of memory"]:
            raise RuntimeError("out of memory")
        return letters(texts)

    encode_documents = encode_queries


def pytest_embedeval_models(config):
    return {"letters": letters, "blind": blind, "holed": holed}


def pytest_embedeval_load_model(spec):
    if not spec.source.startswith("acme/"):
        return None
    alive = sum(encoder() is not None for encoder in _loaded)
    with open("loads.txt", "a", encoding="utf-8") as log:
        print(spec.alias, f"alive={alive}", file=log)
    encoder = Tracked()
    _loaded.append(weakref.ref(encoder))
    return encoder
'''

_UPGRADES = '''

import json
from pathlib import Path


class Knowing:
    """Finds the passage of every question, but as its second where it slips: in clinical wording first."""

    def __init__(self, slips):
        self.slips = slips

    def encode_documents(self, texts):
        return self.encode(texts)

    def encode_queries(self, texts):
        return self.encode(texts)

    def encode(self, texts):
        articles = json.loads(Path(__file__).with_name("medical.json").read_text(encoding="utf-8"))["data"]
        passages = [passage for article in articles for passage in article["paragraphs"]]
        asked = [(place, entry) for place, passage in enumerate(passages) for entry in passage["qas"]]
        asked.sort(key=lambda found: (found[1]["phrasing"] != "clinical", found[1]["id"]))
        own = {passage["context"]: (place, False) for place, passage in enumerate(passages)}
        own |= {entry["question"]: (place, n < self.slips) for n, (place, entry) in enumerate(asked)}
        vectors = np.zeros((len(texts), len(passages)), dtype=np.float32)
        for row, text in enumerate(texts):
            place, slips = own.get(text, (0, False))
            vectors[row, place] = 0.5
            if slips:
                vectors[row, (place + 1) % len(passages)] = 1.0
        return vectors


_provided = pytest_embedeval_models


def pytest_embedeval_models(config):
    slips = {"perfect": 0, "careful": 2, "hasty": 8, "hurried": 24, "careless": 72}
    return {**_provided(config), **{alias: Knowing(number) for alias, number in slips.items()}}
'''

_CONFIGURATION = """
pictures = "off"

[datasets.medical]
path = "medical.json"
format = "squad"
language = "tr"

[datasets.forms]
path = "forms.tsv"
format = "morphology"
language = "tr"
"""

_INI = """
[pytest]
addopts = --strict-markers --strict-config
filterwarnings = error
"""


@pytest.fixture
def project(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, fixtures: Path, tmp_path: Path
) -> pytest.Pytester:
    """Lay out twelve Turkish passages with a question each, a few word forms, encoders, and copies of our suites.

    Vectors are kept in a cache folder of the test's own.
    """
    for name in ("CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("pytest_benchmark.plugin.get_tag", lambda: "unversioned")  # it would ask git and Mercurial
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # so that a run in a process of its own finds tests.conftest
    folder = pytester.path
    (folder / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
    (folder / "embedeval.toml").write_text(_CONFIGURATION, encoding="utf-8")
    (folder / "pytest.ini").write_text(_INI, encoding="utf-8")
    (folder / "medical.json").write_text(_part_of(fixtures / "turkish_medical_qa.json", 4, 3, 1), encoding="utf-8")
    lines = (fixtures / "morphology_tr.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "forms.tsv").write_text("".join(lines[:13]), encoding="utf-8")
    suites = folder / "suites"
    suites.mkdir()
    for path in (ROOT / "suites").glob("test_*.py"):
        (suites / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    return pytester


@pytest.fixture
def upgrades(project: pytest.Pytester, fixtures: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Give the project 144 questions on 48 passages, and encoders whose scores are known.

    `perfect` finds every passage first; `careful`, `hasty`, `hurried` and `careless` find it second for 2, 8, 24 and
    72 questions, which costs half a reciprocal rank each. Of the first 41, all are worded clinically. The doctor, who
    reads every text, is not called.
    """
    monkeypatch.setattr("pytest_embedeval.plugin.gating.examine", lambda data: ())
    with (project.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(_UPGRADES)
    questions = _part_of(fixtures / "turkish_medical_qa.json", 24, 2, 3)
    (project.path / "medical.json").write_text(questions, encoding="utf-8")
    return project


@pytest.fixture
def uncalibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare a speed test the matrix products beside which it is timed."""
    monkeypatch.setattr("pytest_embedeval.plugin.speed._calibration", lambda: 50.0)


def _part_of(path: Path, articles: int, passages: int, questions: int) -> str:
    """Return the first articles of a SQuAD file, with so many passages of each and questions on each passage."""
    part = [
        {**article, "paragraphs": [{**p, "qas": p["qas"][:questions]} for p in article["paragraphs"][:passages]]}
        for article in json.loads(path.read_text(encoding="utf-8"))["data"][:articles]
    ]
    return json.dumps({"data": part}, ensure_ascii=False)


def configure(project: pytest.Pytester, text: str) -> None:
    """Add tables to the project's embedeval.toml."""
    with (project.path / "embedeval.toml").open("a", encoding="utf-8") as configuration:
        configuration.write(text)


def read_report(project: pytest.Pytester, folder: str = ".embedeval") -> dict[str, Any]:
    """Return report.json, which may hold no NaN and no infinity."""
    text = (project.path / folder / "report.json").read_text(encoding="utf-8")
    report: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    return report


_stored: dict[tuple[str, str], dict[str, str]] = {}


def store(project: pytest.Pytester, models: str) -> None:
    """Store what `test_retrieval` finds; one real update serves all tests, since its files depend on nothing else."""
    folder = project.path / "baselines"
    key = models, (project.path / "medical.json").read_text(encoding="utf-8")
    if key not in _stored:
        result = project.runpytest_inprocess(RETRIEVAL, f"--models={models}", "--embedeval-update")
        assert result.ret == pytest.ExitCode.OK
        _stored[key] = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    folder.mkdir(exist_ok=True)
    for name, text in _stored[key].items():
        (folder / name).write_text(text, encoding="utf-8")


def read_verdicts(project: pytest.Pytester, rule: str, folder: str = ".embedeval") -> list[dict[str, Any]]:
    """Return the verdicts of one rule that decide something."""
    return [row for row in read_report(project, folder)["verdicts"] if row["rule"] == rule and not row["advisory"]]


def read_baseline(project: pytest.Pytester, alias: str, folder: str = "baselines") -> dict[str, Any]:
    """Return the stored baseline of an alias, which may hold no NaN and no infinity."""
    text = (project.path / folder / f"{alias}.json").read_text(encoding="utf-8")
    baseline: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    return baseline


def read_scores(project: pytest.Pytester, folder: str = ".embedeval") -> list[dict[str, str]]:
    """Return the rows of scores.csv."""
    with (project.path / folder / "scores.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
