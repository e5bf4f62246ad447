"""A user's small project, on which the plugin is run as a user would run it."""

from __future__ import annotations

import csv
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
    "sklearn.cluster",
    "sklearn.metrics",
    "Stemmer",
    "tqdm",
    "pytest_embedeval.evaluate",
    "pytest_embedeval.plugin.explain",
    "pytest_embedeval.report.environment",
    "pytest_embedeval.retrieval.bm25",
    "pytest_embedeval.retrieval.exact",
):
    importlib.import_module(_heavy)

_CONFTEST = '''
"""Encoders of a user: good, useless, broken for some texts, and one whose loads are written down."""

import weakref

import numpy as np

from tests.conftest import constant, letters

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
    return {"letters": letters, "constant": constant, "holed": holed}


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

_CONFIGURATION = """
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
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, fixtures: Path) -> pytest.Pytester:
    """Lay out twelve Turkish passages with a question each, a few word forms, encoders, and copies of our suites."""
    for name in ("CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # so that a run in a process of its own finds tests.conftest
    folder = pytester.path
    (folder / "conftest.py").write_text(_CONFTEST, encoding="utf-8")
    (folder / "embedeval.toml").write_text(_CONFIGURATION, encoding="utf-8")
    (folder / "pytest.ini").write_text(_INI, encoding="utf-8")
    (folder / "medical.json").write_text(_few_passages(fixtures / "turkish_medical_qa.json"), encoding="utf-8")
    lines = (fixtures / "morphology_tr.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "forms.tsv").write_text("".join(lines[:13]), encoding="utf-8")
    suites = folder / "suites"
    suites.mkdir()
    for path in (ROOT / "suites").glob("test_*.py"):
        (suites / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    return pytester


@pytest.fixture
def uncalibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare a speed test the matrix products beside which it is timed."""
    monkeypatch.setattr("pytest_embedeval.plugin.speed._calibration", lambda: 50.0)


def _few_passages(path: Path) -> str:
    articles = json.loads(path.read_text(encoding="utf-8"))["data"][:4]
    few = [
        {"title": article["title"], "paragraphs": [{**p, "qas": p["qas"][:1]} for p in article["paragraphs"][:3]]}
        for article in articles
    ]
    return json.dumps({"data": few}, ensure_ascii=False)


def configure(project: pytest.Pytester, text: str) -> None:
    """Add tables to the project's embedeval.toml."""
    with (project.path / "embedeval.toml").open("a", encoding="utf-8") as configuration:
        configuration.write(text)


def read_report(project: pytest.Pytester, folder: str = ".embedeval") -> dict[str, Any]:
    """Return report.json, which may hold no NaN and no infinity."""
    text = (project.path / folder / "report.json").read_text(encoding="utf-8")
    report: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    return report


def read_scores(project: pytest.Pytester, folder: str = ".embedeval") -> list[dict[str, str]]:
    """Return the rows of scores.csv."""
    with (project.path / folder / "scores.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
