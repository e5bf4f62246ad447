"""The pages that explain numbers: every metric that the code can give, and every list of a report, stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import get_origin

import numpy as np
import pytest

from pytest_embedeval import (
    evaluate_clustering,
    evaluate_confusions,
    evaluate_crosslingual,
    evaluate_morphology,
    evaluate_retrieval,
    evaluate_robustness,
    evaluate_similarity,
    evaluate_triplets,
    load_dataset,
    load_minimal_pairs,
    load_model,
    load_sentences,
    load_variants,
    load_words,
)
from pytest_embedeval.datasets import Judgements
from pytest_embedeval.evaluate import RETRIEVAL_METRICS
from pytest_embedeval.gate.comparison import PRIMARY
from pytest_embedeval.metrics import Measured, Scores, parse_metric
from pytest_embedeval.metrics.names import _WITH_CUTOFF, _WITHOUT
from pytest_embedeval.metrics.ranking import score_rankings
from pytest_embedeval.report.schema import Report, SpeedRow, VectorsRow
from pytest_embedeval.retrieval import Rankings
from tests.conftest import ROOT, blind

METRICS = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
REPORT = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
_ANY = {"KIND": r"\w+", "CATEGORY": r"\w+", "NAME": r"\w+", "AA-BB": "[a-z]+-[a-z]+", "@k": r"@\d+"}


def rows() -> Iterator[tuple[str, str]]:
    """Yield each name in the first column of a table of metrics.md, and its row."""
    for row in re.findall(r"^\| `.*$", METRICS, flags=re.MULTILINE):
        yield from ((name, row) for name in re.findall(r"`([^`]+)`", row.split("|")[1]))


def documented(metric: str) -> str | None:
    """Return the row of a metric, the most literal one; None where there is none."""
    found = [(name == metric, len(name), row) for name, row in rows() if re.fullmatch(_pattern(name), metric)]
    return max(found)[2] if found else None


def _pattern(name: str) -> str:
    pattern = re.escape(name).replace(r"\-", "-")
    for capitals, anything in _ANY.items():
        pattern = pattern.replace(capitals, anything)
    return pattern


@cache
def measured() -> Mapping[str, Measured]:
    """Return all that the suites give on the data that is shipped, and every ranking metric."""
    folder, model = ROOT / "fixtures", load_model(blind)
    data = load_dataset(folder / "turkish_medical_qa.json", language="tr")
    english = load_dataset(folder / "turkish_medical_qa.en.json", language="en")
    article = load_dataset(folder / "turkish_medical_qa.json", target="answer", duplicates="keep")
    ranking = [*RETRIEVAL_METRICS, *(f"{name}@10" for name in _WITH_CUTOFF), *_WITHOUT]
    varied = load_variants(folder / "turkish_medical_qa.inflected.tsv", data)
    found: list[Scores] = [
        evaluate_retrieval(model, data, metrics=ranking),
        evaluate_triplets(model, data),
        evaluate_clustering(model, data),
        evaluate_clustering(model, article),
        evaluate_robustness(model, varied, names=["ascii", "typo"]),
        evaluate_crosslingual(model, data, english),
        evaluate_morphology(model, load_words(folder / "morphology_tr.tsv")),
        evaluate_similarity(model, load_sentences(folder / "similarity_tr.tsv")),
        evaluate_confusions(model, load_minimal_pairs(folder / "confusions_tr.tsv")),
    ]
    return {name: each for scores in found for name, each in scores.measured.items()}


def test_every_metric_is_explained() -> None:
    assert [name for name in measured() if documented(name) is None] == []


def test_every_explained_metric_is_given() -> None:
    timings = {*SpeedRow.model_fields, *VectorsRow.model_fields}
    names = [name for name, _ in rows() if name not in timings]
    assert [name for name in names if not any(re.fullmatch(_pattern(name), given) for given in measured())] == []


def test_a_metric_that_is_never_compared_is_marked() -> None:
    wrong = {name for name, each in measured().items() if ("*Informs*" in str(documented(name))) == each.is_compared}
    assert wrong == set()


def test_ranges_are_those_of_the_code() -> None:
    ranged = re.compile(r"\| (−?\d) … (\d) \|")
    said = {name: ranged.search(documented(name) or "") for name, each in measured().items() if each.each is not None}
    found = {name: (float(m[1].replace("−", "-")), float(m[2])) for name, m in said.items() if m}
    assert len(found) > 40
    assert found == {name: measured()[name].bounds for name in found}


def test_the_metric_that_decides_is_marked_in_each_suite() -> None:
    marked = re.findall(r"^\| `([^`]+)` \|.*\*\*Primary\*\*", METRICS, flags=re.MULTILINE)
    assert sorted(marked) == sorted("mrr@k" if metric == "mrr@10" else metric for metric in PRIMARY.values())
    assert all(f"Suite `{suite}`" in METRICS for suite in PRIMARY)


def test_timings_and_facts_of_vectors_are_explained() -> None:
    names = {name for name, _ in rows()}
    assert set(SpeedRow.model_fields) - {"model", "task", "dataset", "rounds"} <= names
    assert {"truncated", "mean_cosine", "equal", "hubness"} == names & set(VectorsRow.model_fields)


def test_chance_is_what_equal_scores_get() -> None:
    n = 96
    rankings = Rankings(np.arange(n)[None, :], np.zeros((1, n), dtype=np.float32))
    metrics = [parse_metric(name) for name in ("mrr@10", "recall@10", "ndcg@10")]
    found = score_rankings(rankings, Judgements.of({(0, 5): 1}), metrics)
    shown = [f"{float(each[0]):.3f} for `{name}`" for name, each in found.items()]
    assert all(each in " ".join(METRICS.split()) for each in shown), shown


def test_what_random_directions_score_is_said() -> None:
    data = load_dataset(ROOT / "fixtures" / "turkish_medical_qa.json", language="tr")
    scores = evaluate_clustering(load_model(blind), data)
    for name in ("silhouette.kmeans", "silhouette.label", "v_measure"):
        shown = f"{scores[name]:.2f}".replace("-", "−")
        assert f"{shown} for random directions" in str(documented(name))


@pytest.mark.parametrize("name", [*Report.model_fields])
def test_every_part_of_a_report_is_explained(name: str) -> None:
    is_list = get_origin(Report.model_fields[name].annotation) is list
    assert (f"| `{name}` |" if is_list else f"`{name}`") in REPORT
