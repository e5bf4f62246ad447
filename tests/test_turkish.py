"""The Turkish suites on real models: what they tell apart, and the upgrade that an English check lets through."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_embedeval import evaluate_morphology, load_model, load_words
from pytest_embedeval.datasets import WordData
from pytest_embedeval.gate.differences import Differences
from pytest_embedeval.metrics import Measured, Scores
from pytest_embedeval.vectors import Encoded
from tests.conftest import ROOT, constant, letters

ALL = load_words(ROOT / "fixtures" / "morphology_tr.tsv", language="tr")
# The article's seven, and every second one: as many as the slowest model is asked for.
HALF = WordData("half", [*ALL.items[:7], *ALL.items[8::2]], "tr")
REAL = ("use-multilingual", "minilm-en", "e5-small-q4")
SEVEN_PAIRS = {"minilm-en": 0.666, "use-multilingual": 0.744, "e5-small-q4": 0.946}


@pytest.fixture(scope="module")
def scores() -> dict[str, Scores]:
    """A constant encoder, one that compares letters, and three real models."""
    found = {
        "constant": evaluate_morphology(Encoded(load_model(constant), allow_collapse=True), ALL),
        "letters": evaluate_morphology(load_model(letters), ALL),
    }
    return found | {name: evaluate_morphology(name, HALF if name == "e5-small-q4" else ALL) for name in REAL}


def test_the_articles_number_is_reproduced(scores: dict[str, Scores]) -> None:
    for model, similarity in SEVEN_PAIRS.items():
        assert scores[model]["morphology.similarity.article"] == pytest.approx(similarity, abs=0.001)


def test_auc_and_accuracy_put_the_constant_encoder_at_chance_and_tell_all_others_apart(
    scores: dict[str, Scores],
) -> None:
    chance = sum(1 / (1 + len(item.distractors)) for item in ALL.items) / len(ALL.items)
    assert scores["constant"]["morphology.auc"] == 0.5
    assert scores["constant"]["morphology.accuracy"] == pytest.approx(chance)
    for one, other in itertools.combinations(scores, 2):
        apart = [_shown_apart(scores[one], scores[other], f"morphology.{name}") for name in ("auc", "accuracy")]
        assert any(apart), (one, other)


def test_the_mean_cosine_puts_the_constant_encoder_first(scores: dict[str, Scores]) -> None:
    ranked = sorted(scores, key=lambda name: -scores[name]["morphology.similarity"])
    assert ranked[:2] == ["constant", "e5-small-q4"]
    by_auc = sorted(scores, key=lambda name: -scores[name]["morphology.auc"])
    assert by_auc[-1] == "constant"
    assert scores["letters"]["morphology.similarity"] < scores["minilm-en"]["morphology.similarity"]
    assert by_auc.index("letters") < by_auc.index("minilm-en"), "which its similarity would not let one guess"


def test_forms_that_break_harmony_are_hardly_told_from_right_ones(scores: dict[str, Scores]) -> None:
    for model in REAL:
        assert 0.5 < scores[model]["morphology.versus.harmony"] < 0.75
        assert scores[model]["morphology.versus.lemma"] > 0.9


def _shown_apart(one: Scores, other: Scores, metric: str) -> bool:
    """Whether the bounds of the paired difference, on the items that both were asked, leave zero out."""
    now, then = (_by_id(side.measured[metric]) for side in (one, other))
    change = np.array([now[identity] - then[identity] for identity in sorted(now.keys() & then.keys())])
    low, high = Differences.of(change).interval
    return low > 0 or high < 0


def _by_id(found: Measured) -> dict[str, float]:
    assert found.each is not None
    return dict(zip(found.ids, found.each.tolist(), strict=True))


CONFIGURATION = """
pictures = "off"

[datasets.english]
path = "{fixtures}/products"
format = "wands"
language = "en"
sample = 80

[datasets.similarity]
path = "{fixtures}/similarity_tr.tsv"
format = "similarity"
language = "tr"

[datasets.confusions]
path = "{fixtures}/confusions_tr.tsv"
format = "minimal_pairs"
language = "tr"
"""


@pytest.fixture(scope="module")
def upgrade(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """multilingual-e5-small, and the variant of it that has lost Turkish: an English search, and Turkish meaning."""
    folder = tmp_path_factory.mktemp("upgrade")
    text = CONFIGURATION.format(fixtures=ROOT / "fixtures")
    (folder / "embedeval.toml").write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "suites", folder / "suites", ignore=shutil.ignore_patterns("__pycache__"))
    suites = ["suites/test_retrieval.py::test_retrieval", "suites/test_meaning.py"]
    models = ["--models=e5=e5-small-q4,next=e5-small-q4-enpt", "--against=e5", "--embedeval-cache=off"]
    command = [sys.executable, "-m", "pytest", *suites, *models]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    report: dict[str, Any] = json.loads((Path(folder) / ".embedeval" / "report.json").read_text(encoding="utf-8"))
    return report


def test_an_english_check_lets_the_model_pass_that_lost_turkish(upgrade: dict[str, Any]) -> None:
    """50 queries cannot show that it is no worse, but on them it is not: the policy `observed` lets it pass."""
    (verdict,) = (row for row in upgrade["verdicts"] if row["dataset"] == "english" and not row["advisory"])
    assert verdict["metric"] == "mrr@10"
    assert verdict["state"] in ("pass", "inconclusive")
    assert verdict["delta"] > -0.02


def test_the_turkish_suites_stop_it(upgrade: dict[str, Any]) -> None:
    decided = {row["dataset"]: row for row in upgrade["verdicts"] if not row["advisory"]}
    assert {name for name, row in decided.items() if row["state"] == "fail"} == {"similarity", "confusions"}
    assert decided["similarity"]["delta"] < -0.1
    assert decided["confusions"]["delta"] < -0.05
