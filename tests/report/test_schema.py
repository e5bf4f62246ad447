from __future__ import annotations

import json
import math
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_embedeval.datasets import Finding
from pytest_embedeval.gate import Cost, Measurement, Verdict
from pytest_embedeval.models import ModelInfo, Prompts
from pytest_embedeval.report import DatasetRow, Part, Report, SpeedRow
from pytest_embedeval.report.schema import Git, Run, VectorsRow


@pytest.fixture
def report() -> Report:
    """Return a report with a row in every list."""
    return Report(
        run=Run(
            started="2025-01-01T00:00:00+00:00",
            duration_s=1.5,
            git=Git(commit="04e9c2e", dirty=True),
            versions={"python": "3.11.7"},
            machine={"system": "Linux", "cores": 2, "processor": None},
            settings={"models": ["prod", "bm25"], "device": "auto", "seed": 42},
        ),
        models=[ModelInfo("prod", "BAAI/bge-m3", kind="dense", dimension=1024, prompts=Prompts("soru: ", ""))],
        datasets=[
            DatasetRow(
                name="ağrı",
                fingerprint="sha256:0",
                language=None,
                queries=1,
                documents=2,
                judgements=1,
                findings=[Finding("duplicate-documents", 1, "one")],
            )
        ],
        measurements=[Measurement("prod", "retrieval", "ağrı", "mrr@10", 0.5, 12, 0.25, 0.75)],
        speed=[SpeedRow(model="prod", task="query", p50_ms=1.0, rounds=100)],
        verdicts=[Verdict("prod", "retrieval", "ağrı", "mrr@10", "min", 0.5, 0.4, "pass", "", 0.1, 0.25, 0.75, 12)],
        vectors=[
            VectorsRow(
                model="prod",
                suite="retrieval",
                dataset="ağrı",
                role="document",
                texts=2,
                encoded=1,
                reused=1,
                seconds=0.5,
                spent=0.25,
                findings=[Finding("equal-vectors", 2, "two")],
            )
        ],
        costs=[Cost("prod", "retrieval", "ağrı", "mrr@10", "int8", 0.4, 0.5, -0.1, -0.2, 0.1, 12, 3, 256, 1024)],
        warnings=["the store is damaged"],
    )


def test_a_report_survives_its_json(report: Report) -> None:
    assert Report.model_validate_json(report.model_dump_json()) == report


@pytest.mark.parametrize("place", ["models", "datasets", "measurements", "speed", "verdicts", "vectors", "costs"])
def test_an_unknown_key_is_refused_in_every_list(report: Report, place: str) -> None:
    content = json.loads(report.model_dump_json())
    content[place][0]["surprise"] = 1
    with pytest.raises(ValidationError, match="surprise"):
        Report.model_validate(content)


@pytest.mark.parametrize(
    ("place", "key"),
    [
        ("measurements", "value"),
        ("measurements", "low"),
        ("verdicts", "bound"),
        ("speed", "p50_ms"),
        ("models", "load_s"),
        ("vectors", "seconds"),
        ("vectors", "mean_cosine"),
        ("costs", "delta"),
    ],
)
@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_refused(report: Report, place: str, key: str, number: float) -> None:
    content = report.model_dump()
    content[place][0][key] = number
    with pytest.raises(ValidationError, match="finite"):
        Report.model_validate(content)


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ("verdicts", "state", "maybe"),
        ("verdicts", "rule", "about"),
        ("speed", "task", "sleep"),
        ("vectors", "role", "passage"),
    ],
)
def test_a_word_that_the_design_does_not_name_is_refused(report: Report, place: str, key: str, value: str) -> None:
    content = json.loads(report.model_dump_json())
    content[place][0][key] = value
    with pytest.raises(ValidationError, match=key):
        Report.model_validate(content)


def test_another_version_of_the_schema_is_refused(report: Report) -> None:
    content: dict[str, Any] = json.loads(report.model_dump_json()) | {"schema_version": 2}
    with pytest.raises(ValidationError, match="schema_version"):
        Report.model_validate(content)


def test_the_schema_can_be_published() -> None:
    schema = Report.model_json_schema()
    assert set(schema["required"]) == {"run", "models", "datasets", "measurements", "speed", "verdicts"}
    assert schema["additionalProperties"] is False


def test_a_report_of_an_earlier_version_without_these_lists_is_read(report: Report) -> None:
    content = json.loads(report.model_dump_json())
    for name in ("comparisons", "vectors", "costs", "warnings"):
        del content[name]
    assert Report.model_validate(content) == report.model_copy(update={"vectors": [], "costs": [], "warnings": []})


def test_pandas_loads_each_list_as_a_table(report: Report) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(json.loads(report.model_dump_json())["measurements"])
    assert table.groupby(["model", "metric"])["value"].mean().to_dict() == {("prod", "mrr@10"): 0.5}


def test_a_part_survives_the_way_between_processes() -> None:
    part = Part(
        models=[ModelInfo("a", "./ağrı", error="no such folder")],
        measurements=[Measurement("a", "retrieval", "medical", "v_measure", None, 3)],
        scores=[("a", "retrieval", "medical", "mrr@10", 'q "1", 2|3\n', 1 / 3)],
    )
    assert Part.model_validate_json(part.model_dump_json()) == part
