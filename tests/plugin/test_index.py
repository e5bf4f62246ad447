"""`--embedeval-index`, and search engines of a user's own as entries of the matrix."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.gate.test_differences import by_hand
from tests.plugin.conftest import RETRIEVAL, configure, read_baseline, read_report, read_scores

FEW = "IVF4,Flat"  # of the twelve passages, a query looks at those of one cell


def mrr(project: pytest.Pytester, alias: str, folder: str = ".embedeval") -> dict[str, float]:
    """Return query -> mrr@10."""
    rows = (row for row in read_scores(project, folder) if (row["model"], row["metric"]) == (alias, "mrr@10"))
    return {row["query_id"]: float(row["score"]) for row in rows}


def index_lines(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("index ")]


@pytest.mark.usefixtures("project")
def test_an_index_is_reported_beside_exact_search(project: pytest.Pytester) -> None:
    project.runpytest_inprocess(RETRIEVAL, "--models=letters", "--embedeval-out=exact").assert_outcomes(passed=1)
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters", f"--embedeval-index={FEW}")
    result.assert_outcomes(passed=1)
    (row,) = read_report(project)["indexes"]
    assert {key: row[key] for key in ("model", "suite", "dataset", "index", "documents", "n", "p95_ms")} == {
        "model": "letters",
        "suite": "retrieval",
        "dataset": "medical",
        "index": FEW,
        "documents": 12,
        "n": 12,
        "p95_ms": None,
    }
    assert 0 < row["low"] < row["recall"] < row["high"] < 1
    assert min(row[key] for key in ("build_s", "p50_ms", "exact_p50_ms", "bytes")) > 0
    assert [finding["kind"] for finding in row["findings"]] == ["few-for-training", "short-lists"]
    assert len(index_lines(result)) == 1
    assert index_lines(result)[0].startswith(
        f"index       letters retrieval/medical: {FEW}: {row['recall']:.1%} of the"
    )
    assert read_report(project, "exact")["indexes"] == []


def test_the_quality_lost_is_a_cost_with_its_interval(project: pytest.Pytester) -> None:
    project.runpytest_inprocess(RETRIEVAL, "--models=letters", "--embedeval-out=exact")
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters", f"--embedeval-index={FEW}")
    (cost,) = read_report(project)["costs"]
    before, after = mrr(project, "letters", "exact"), mrr(project, "letters")
    each = np.array([after[query] - before[query] for query in before])
    low, high = by_hand(each, 0.02)[:2]
    assert (cost["variant"], cost["metric"]) == (FEW, "mrr@10")
    assert (cost["delta"], cost["low"], cost["high"]) == pytest.approx((each.mean(), low, high))
    assert (cost["n"], cost["differ"]) == (12, np.count_nonzero(each))
    assert cost["delta"] < 0
    assert cost["whole"] == pytest.approx(np.mean(list(before.values())))
    result.stdout.fnmatch_lines([f"variant     letters retrieval/medical: {FEW}: mrr@10 *"])


def test_what_an_index_costs_is_told_apart_from_what_fewer_dimensions_cost(project: pytest.Pytester) -> None:
    options = "--models=a=letters,b=letters:dim=8", "--embedeval-index=Flat"
    project.runpytest_inprocess(RETRIEVAL, *options).assert_outcomes(passed=2)
    costs = {(row["model"], row["variant"]): row["delta"] for row in read_report(project)["costs"]}
    assert costs.keys() == {("a", "Flat"), ("b", "8 dimensions"), ("b", "Flat")}
    assert costs["a", "Flat"] == costs["b", "Flat"] == pytest.approx(0, abs=1e-9)
    assert costs["b", "8 dimensions"] < 0


def test_the_configuration_may_name_an_index_and_the_command_line_another(project: pytest.Pytester) -> None:
    path = project.path / "embedeval.toml"
    path.write_text('index = "HNSW16"\n' + path.read_text(encoding="utf-8"), encoding="utf-8")
    found = []
    for options in ((), ("--embedeval-index=Flat",), ("--embedeval-index=flat",)):
        project.runpytest_inprocess(RETRIEVAL, "--models=letters", *options).assert_outcomes(passed=1)
        found.append([row["index"] for row in read_report(project)["indexes"]])
    assert found == [["HNSW16"], ["Flat"], []]


@pytest.mark.parametrize(
    ("index", "problem"),
    [
        ("HNSV32", "*--embedeval-index=HNSV32: FAISS knows no such index (*HNSV32); take a factory string of FAISS*"),
        ("lancedb:HNSW", "*--embedeval-index=lancedb:HNSW: LanceDB has no index 'HNSW'; *"),
        ("Flat:nprobe=2", "*--embedeval-index=Flat:nprobe=2: Flat has no parameter 'nprobe'*"),
        ("", "*--embedeval-index: must be flat, a factory string of FAISS such as HNSW32, or lancedb*"),
    ],
)
def test_an_index_that_no_vectors_could_fit_ends_the_run_at_its_start(
    project: pytest.Pytester, index: str, problem: str
) -> None:
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters", f"--embedeval-index={index}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([problem])
    assert not (project.path / ".embedeval").exists()


def test_an_index_that_needs_more_documents_fails_the_tests_of_the_models_that_it_searches(
    project: pytest.Pytester,
) -> None:
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters,bm25", "--embedeval-index=IVF256,Flat")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*--embedeval-index=IVF256,Flat: is trained on at least 256 documents, and there are 12; take a smaller one*"]
    )


def test_models_with_a_search_of_their_own_are_named_once(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess(
        "suites/test_retrieval.py", "--models=letters,bits=letters:precision=binary,bm25", "--embedeval-index=HNSW16"
    )
    report = read_report(project)
    assert [row["model"] for row in report["indexes"]] == ["letters"]
    told = [
        f"--embedeval-index=HNSW16 does not apply to {alias}, which has a search of its own"
        for alias in ("bits", "bm25")
    ]
    assert report["warnings"] == told
    assert [line for line in result.outlines if "does not apply" in line] == [f"warning     {line}" for line in told]


def test_scores_of_an_index_are_not_compared_with_those_of_another(project: pytest.Pytester) -> None:
    project.runpytest_inprocess(RETRIEVAL, "--models=letters", "--embedeval-update").assert_outcomes(passed=1)
    assert "index" not in read_baseline(project, "letters")["results"]["retrieval/medical"]["parameters"]
    result = project.runpytest_inprocess(RETRIEVAL, "--models=letters", "--embedeval-index=HNSW16")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the parameter index has changed: HNSW16 now, None in the reference*"])


_ENGINE = """

class Shop:
    \"\"\"Finds by the share of a question's words that a passage holds.\"\"\"

    def index(self, ids, documents):
        self.words = {identity: set(text.lower().split()) for identity, text in zip(ids, documents)}

    def search(self, queries, k):
        found = []
        for query in queries:
            words = set(query.lower().split())
            scores = {identity: len(words & own) / len(words) for identity, own in self.words.items()}
            found.append(sorted(scores.items(), key=lambda hit: -hit[1])[:k])
        return [[hit[0] for hit in hits] for hits in found], [[hit[1] for hit in hits] for hits in found]


class Strange(Shop):
    def search(self, queries, k):
        ids, scores = super().search(queries, k)
        ids[0][1] = "elsewhere"
        scores[2][0] = STRANGE
        return ids, scores


_before_engines = pytest_embedeval_models


def pytest_embedeval_models(config):
    return {**_before_engines(config), "shop": Shop(), "strange": Strange()}
"""


@pytest.fixture
def shop(project: pytest.Pytester) -> pytest.Pytester:
    with (project.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(_ENGINE.replace("STRANGE", "2.0"))
    return project


def test_an_engine_of_a_conftest_is_judged_by_the_retrieval_suite(shop: pytest.Pytester) -> None:
    configure(shop, '[gates."retrieval/medical".shop]\n"mrr@10" = { min = 0.3 }\n')
    result = shop.runpytest_inprocess(RETRIEVAL, "--models=prod=shop,shop,letters")
    result.assert_outcomes(passed=3)
    report = read_report(shop)
    infos = {row["alias"]: (row["source"], row["kind"], row["dimension"]) for row in report["models"]}
    assert infos["prod"] == ("shop", "engine", None)
    scores = {(row["model"], row["metric"]): row["value"] for row in report["measurements"]}
    assert 0.3 < scores["shop", "mrr@10"] < 1
    assert scores["prod", "mrr@10"] == scores["shop", "mrr@10"]
    assert ("shop", "encode_s") not in scores
    assert [row["model"] for row in report["verdicts"] if row["rule"] == "min"] == ["shop"]


def test_an_engine_is_stored_and_compared_as_a_model(shop: pytest.Pytester) -> None:
    shop.runpytest_inprocess(RETRIEVAL, "--models=prod=shop", "--embedeval-update").assert_outcomes(passed=1)
    assert read_baseline(shop, "prod")["results"]["retrieval/medical"]["model"]["kind"] == "engine"
    shop.runpytest_inprocess(RETRIEVAL, "--models=prod=shop,letters", "--against=prod")
    verdicts = [row for row in read_report(shop)["verdicts"] if row["metric"] == "mrr@10" and row["rule"] == "against"]
    assert [(row["model"], row["reference"]) for row in verdicts] == [("letters", "prod")]
    assert verdicts[0]["state"] != "error"


def test_what_was_dropped_from_its_lists_is_told(shop: pytest.Pytester) -> None:
    result = shop.runpytest_inprocess(RETRIEVAL, "--models=strange")
    result.assert_outcomes(passed=1)
    expected = "strange retrieval/medical: 1 times it returned an id that the data does not know, which was dropped"
    assert read_report(shop)["warnings"] == [expected]
    result.stdout.fnmatch_lines([f"warning     {expected}"])


def test_lists_that_cannot_be_scored_fail_the_test_of_the_engine_alone(project: pytest.Pytester) -> None:
    with (project.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(_ENGINE.replace("STRANGE", "float('nan')"))
    result = project.runpytest_inprocess(RETRIEVAL, "--models=strange,shop")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["engine 'strange' on medical: query '*': the score of '*' is nan; scores are finite*"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_keys_about_vectors_are_refused_for_an_engine(shop: pytest.Pytester) -> None:
    result = shop.runpytest_inprocess(RETRIEVAL, "--models=shop:dim=8")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*model 'shop-dim8': dim does not apply to a search engine; remove it*"])


def test_a_test_may_give_an_engine_itself(shop: pytest.Pytester) -> None:
    shop.makepyfile(
        test_own="""
        from conftest import Shop

        def test_shop(retrieval):
            assert retrieval(Shop(), "medical")["recall@10"] > 0.5
        """
    )
    shop.runpytest_inprocess("test_own.py").assert_outcomes(passed=1)
    assert [row["kind"] for row in read_report(shop)["models"]] == ["engine"]


def test_the_step_summary_shows_the_index(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = project.path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    project.runpytest_inprocess(RETRIEVAL, "--models=letters", f"--embedeval-index={FEW}")
    lines = summary.read_text(encoding="utf-8").splitlines()
    start = lines.index("### Indexes")
    cells = [cell.strip() for cell in lines[start + 4].strip("|").split("|")]
    assert cells[:3] == [f"letters ({FEW})", "retrieval/medical", f"{recall(project):.4f}"]


def recall(project: pytest.Pytester) -> float:
    row: dict[str, Any] = json.loads((project.path / ".embedeval" / "report.json").read_text(encoding="utf-8"))
    value: float = row["indexes"][0]["recall"]
    return value


def test_tests_that_need_vectors_are_deselected_for_an_engine(shop: pytest.Pytester) -> None:
    result = shop.runpytest_inprocess("suites/test_retrieval.py", "--models=shop,letters")
    result.assert_outcomes(passed=3, deselected=1)
    result.stdout.fnmatch_lines(["embedeval: 2 models (shop, letters); not applicable to shop: 1 test"])


def test_an_index_does_not_keep_models_from_being_compared_with_words(project: pytest.Pytester) -> None:
    project.runpytest_inprocess(RETRIEVAL, "--models=letters,bm25", "--against=bm25", "--embedeval-index=HNSW16")
    assert {row["state"] for row in read_report(project)["verdicts"]} <= {"pass", "inconclusive", "fail"}
