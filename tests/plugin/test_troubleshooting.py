"""The troubleshooting page: every message that it quotes is printed by the code, by its own cause."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants

from pytest_embedeval.errors import EmbedevalError
from pytest_embedeval.models import Prompts, load_model
from pytest_embedeval.models.prompts import prompt_findings
from pytest_embedeval.retrieval.bm25 import BM25Ranker
from pytest_embedeval.retrieval.words import Analyser
from pytest_embedeval.settings import load_settings
from pytest_embedeval.vectors import Store
from pytest_embedeval.vectors.checks import check_collapse
from tests.conftest import ROOT
from tests.plugin.conftest import RETRIEVAL, store

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = dict(re.findall(r"^<!-- made: (\w+) -->\n```text\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))


def said_by(call: Callable[[], object]) -> str:
    with pytest.raises(EmbedevalError) as caught:
        call()
    return str(caught.value)


def assert_quoted(name: str, printed: str) -> None:
    """Compare but for line breaks; `…` in a quotation stands for anything."""
    parts = (re.escape(" ".join(part.split())) for part in QUOTED[name].split("…"))
    assert re.search(".*".join(parts), " ".join(printed.split())), printed


def test_every_quotation_is_made_here() -> None:
    assert len(re.findall(r"^```text$", PAGE, flags=re.MULTILINE)) == len(QUOTED)
    source = Path(__file__).read_text(encoding="utf-8")
    assert set(QUOTED) == set(re.findall(r'assert_quoted\("(\w+)"', source))


def test_a_size_without_a_unit(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess("--embedeval-memory=lots")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_quoted("size", result.stderr.str())


def test_a_run_of_which_no_test_is_left(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess("suites/test_morphology.py", "--models=bm25")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert_quoted("left", result.stdout.str())


def test_a_model_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert_quoted("offline", said_by(lambda: load_model("bge-m3")))


def test_a_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    assert_quoted("extra", said_by(lambda: BM25Ranker(["a"], ["a"], Analyser("da"))))


def test_a_cache_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "vectors").write_text("a file stands in the way", encoding="utf-8")
    told: list[str] = []
    Store(tmp_path, told.append).close()
    assert_quoted("store", "\n".join(told))


def test_a_model_without_its_prompt() -> None:
    (finding,) = prompt_findings("e5-base", None, Prompts("", "passage: "), {}, alias="prod")
    assert_quoted("prompt", finding.message)


def test_a_model_that_gives_one_vector() -> None:
    texts = [f"text number {number}" for number in range(12)]
    ones = np.full((12, 4), 0.5, dtype=np.float32)
    assert_quoted("collapsed", said_by(lambda: check_collapse(ones, texts, model="ours")))


def test_a_list_and_tables_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "embedeval.toml").write_text('models = ["prod"]\n[models.prod]\nsource = "bm25"\n', encoding="utf-8")
    assert_quoted("twice", said_by(lambda: load_settings(tmp_path)))


def test_runs_beside_a_baseline(upgrades: pytest.Pytester) -> None:
    store(upgrades, "prod=perfect")
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=perfect,next=careful")
    result.assert_outcomes(passed=1, failed=1)
    assert_quoted("unchanged", result.stdout.str())
    assert_quoted("missing", result.stdout.str())
    data = upgrades.path / "medical.json"
    data.write_text(data.read_text(encoding="utf-8").replace("?", "??", 1), encoding="utf-8")
    result = upgrades.runpytest_inprocess(RETRIEVAL, "--models=prod=perfect")
    result.assert_outcomes(failed=1)
    assert_quoted("data", result.stdout.str())
