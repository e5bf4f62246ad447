"""What a tracking server is told of a run: names that can be read back, and nothing that is not known."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest

from pytest_embedeval.gate import Measurement, Verdict
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.models.info import Prompts
from pytest_embedeval.report import DatasetRow, Part, Report, SpeedRow, assemble
from pytest_embedeval.report.schema import Git, Run, UsageRow
from pytest_embedeval.report.tracked import entries_of_models, entry_of_run, name_of, parts_of

_ACCEPTED = re.compile(r"[/\w.\- ]+")  # MLflow's rule on Windows, the strictest

HEAD = Run(
    started="2025-03-01T12:00:00+00:00",
    duration_s=61.5,
    git=Git(commit="0123abc", dirty=True),
    versions={"python": "3.11.7", "numpy": "2.4.6"},
    machine={"system": "Linux", "cores": 2, "processor": None},
    settings={"models": ["prod", "next"], "seed": 42, "tolerance": 0.02, "policy": "observed", "against": None},
)
PROD = ModelInfo(
    "prod",
    "intfloat/e5",
    revision="5617a9f",
    fingerprint="sha256:12",
    kind="dense",
    dimension=384,
    max_tokens=512,
    prompts=Prompts(query="query: "),
    device="cpu",
    load_s=1.25,
    dtype="float32",
)


def finished() -> Report:
    """A run of a good model, one that fails, one that could not be loaded, and one of which only a verdict is known."""
    rows = [
        Measurement("prod", "retrieval", "tıp", "mrr@10", 0.5, 9, 0.4, 0.6),
        Measurement("prod", "retrieval", "tıp", "recall@5", 0.0, 9),
        Measurement("prod", "morphology", "a@b: c/d", "morphology.auc", 0.9, 9, None, 0.95),
        Measurement("prod", "clustering", "tıp", "v_measure", None, 9),
        Measurement("next", "retrieval", "tıp", "mrr@10", -0.25, 9, -0.5, 0.0),
    ]
    place = "retrieval", "tıp", "mrr@10"
    verdicts = [
        Verdict("prod", *place, "min", 0.5, 0.4, "pass", ""),
        Verdict("next", *place, "min", -0.25, 0.4, "fail", "below"),
        replace(Verdict("next", *place, "against", -0.25, 0.5, "fail", "fell"), reference="prod", advisory=True),
        Verdict("late", *place, "baseline", None, 0.5, "error", "no scores"),
    ]
    data = [
        DatasetRow(name=name, fingerprint=f"sha256:{number}", language="tr", queries=9, documents=3, judgements=9)
        for number, name in enumerate(("tıp", "a@b: c/d"))
    ]
    part = Part(
        models=[PROD, ModelInfo("next", "./next"), ModelInfo("gone", "./gone", error="there is no folder ./gone")],
        datasets=data,
        measurements=rows,
        verdicts=verdicts,
        speed=[SpeedRow(model="prod", task="query", p50_ms=7.5, rounds=3)],
        usage=[UsageRow(model="prod", requests=2, retries=0, texts=10, tokens=None, cost_usd=0.5)],
    )
    return assemble(HEAD, [part], ["prod", "next", "gone"])


def test_names_are_those_of_the_report_where_the_server_takes_them() -> None:
    assert name_of("retrieval", "medical", "mrr@10") == "retrieval/medical/mrr_at_10"
    assert name_of("retrieval", "tıp", "hit_rate@10") == "retrieval/tıp/hit_rate_at_10"
    assert name_of("lexical", "a: b/c", "x") == "lexical/a_x3A_ b_x2F_c/x"


@pytest.mark.parametrize("alphabet", ["_at@", "_x5F", "_x4@", "./ a", "ı🫀:+"])
def test_every_name_is_accepted_and_can_be_read_back(alphabet: str) -> None:
    seen: set[str] = set()
    for length in range(1, 7):
        for letters in itertools.product(alphabet, repeat=length):
            name = name_of("suite", text := "".join(letters))
            assert parts_of(name) == ("suite", text)
            assert _ACCEPTED.fullmatch(name)
            assert name.partition("/")[2] not in ("", ".", "..")
            seen.add(name)
    assert len(seen) == sum(len(alphabet) ** length for length in range(1, 7))


def test_the_run_is_told_with_its_settings_versions_and_data() -> None:
    entry = entry_of_run(finished())
    assert entry.name == "embedeval 2025-03-01T12:00:00+00:00"
    assert entry.params == {"models": "prod, next", "seed": "42", "tolerance": "0.02", "policy": "observed"}
    assert entry.metrics == {
        "duration_s": 61.5,
        "models": 4.0,
        "models_failed": 3.0,
        "verdicts/pass": 1.0,
        "verdicts/fail": 1.0,
        "verdicts/inconclusive": 0.0,
        "verdicts/error": 1.0,
    }
    assert entry.tags == {
        "version.python": "3.11.7",
        "version.numpy": "2.4.6",
        "machine.system": "Linux",
        "machine.cores": "2",
        "embedeval.started": "2025-03-01T12:00:00+00:00",
        "embedeval.failed": "gone, late, next",
        "mlflow.source.git.commit": "0123abc",
        "embedeval.dirty": "true",
        "dataset.tıp": "sha256:0",
        "dataset.a_at_b_x3A_ c_x2F_d": "sha256:1",
    }
    assert entry_of_run(finished(), "v2").name == "v2"


def test_a_model_is_told_with_what_it_is_and_all_its_numbers() -> None:
    prod = next(entries_of_models(finished()))
    assert prod.params == {
        "source": "intfloat/e5",
        "revision": "5617a9f",
        "fingerprint": "sha256:12",
        "kind": "dense",
        "dimension": "384",
        "max_tokens": "512",
        "precision": "float32",
        "device": "cpu",
        "backend": "torch",
        "dtype": "float32",
        "prompts.query": "query: ",
    }
    assert prod.metrics == {
        "retrieval/tıp/mrr_at_10": 0.5,
        "retrieval/tıp/mrr_at_10.low": 0.4,
        "retrieval/tıp/mrr_at_10.high": 0.6,
        "retrieval/tıp/recall_at_5": 0.0,
        "morphology/a_at_b_x3A_ c_x2F_d/morphology.auc": 0.9,
        "morphology/a_at_b_x3A_ c_x2F_d/morphology.auc.high": 0.95,
        "load_s": 1.25,
        "speed/query/p50_ms": 7.5,
        "usage/requests": 2.0,
        "usage/retries": 0.0,
        "usage/texts": 10.0,
        "usage/cost_usd": 0.5,
        "verdicts/pass": 1.0,
        "verdicts/fail": 0.0,
        "verdicts/inconclusive": 0.0,
        "verdicts/error": 0.0,
    }
    assert prod.tags["embedeval.verdict"] == "passes 1 rule"
    assert {name for name in prod.tags if name.startswith("dataset.")} == {
        "dataset.tıp",
        "dataset.a_at_b_x3A_ c_x2F_d",
    }


def test_every_model_has_an_entry_with_its_verdict_or_its_error() -> None:
    entries = {entry.name: entry for entry in entries_of_models(finished())}
    assert list(entries) == ["prod", "next", "gone", "late"]
    assert entries["next"].tags["embedeval.verdict"] == "fails on mrr@10 of retrieval/tıp"
    assert entries["next"].metrics["verdicts/fail"] == 1.0  # the other one decides nothing
    assert entries["gone"].tags == {"embedeval.error": "there is no folder ./gone"}
    assert [entry.name for entry in entries.values() if entry.failed] == ["gone"]
    assert entries["late"].params == {}
    assert entries["late"].tags == {"embedeval.verdict": "fails on mrr@10 of retrieval/tıp"}
