"""Suites of wordings and meaning as a user runs them: data by format, gates, baselines, pages, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.plugin.conftest import configure, read_baseline, read_report, read_scores

FEW = 12


@pytest.fixture
def speaking(project: pytest.Pytester, fixtures: Path) -> pytest.Pytester:
    """Give the project sentence pairs, minimal pairs, a translation and variants."""
    for name in ("similarity_tr", "confusions_tr"):
        lines = (fixtures / f"{name}.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
        (project.path / f"{name}.tsv").write_text("".join(lines[: 1 + FEW]), encoding="utf-8")
    text = (fixtures / "turkish_medical_qa.en.json").read_text(encoding="utf-8")
    (project.path / "medical.en.json").write_text(text, encoding="utf-8")
    ids = [row["id"] for row in _questions(project.path / "medical.json")]
    rows = _rows(fixtures / "turkish_medical_qa.inflected.tsv")
    kept = [row for row in rows if row["query_id"] in ids]
    lines = ["query_id\tkind\ttext", *("\t".join(row.values()) for row in kept)]
    (project.path / "inflected.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    configuration = (project.path / "embedeval.toml").read_text(encoding="utf-8")
    with_more = configuration.replace(
        'path = "medical.json"',
        'path = "medical.json"\nparallel = "medical.en.json"\nparallel_language = "en"\nvariants = "inflected.tsv"',
    )
    (project.path / "embedeval.toml").write_text(with_more, encoding="utf-8")
    configure(project, '[datasets.meaning]\npath = "similarity_tr.tsv"\nformat = "similarity"\nlanguage = "tr"\n')
    configure(project, '[datasets.confused]\npath = "confusions_tr.tsv"\nformat = "minimal_pairs"\nlanguage = "tr"\n')
    return project


def _questions(path: Path) -> list[dict[str, str]]:
    import json

    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    return [question for article in articles for passage in article["paragraphs"] for question in passage["qas"]]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


SUITES = [f"suites/test_{name}.py" for name in ("robustness", "crosslingual", "meaning", "morphology")]


def test_each_suite_runs_on_data_of_its_kind_and_stands_in_the_report(speaking: pytest.Pytester) -> None:
    result = speaking.runpytest_inprocess(*SUITES, "--models=letters,bm25")
    result.assert_outcomes(passed=6, deselected=4)
    report = read_report(speaking)
    assert {(row["model"], row["suite"], row["dataset"]) for row in report["measurements"]} == {
        ("letters", "robustness", "medical"),
        ("letters", "crosslingual", "medical"),
        ("letters", "similarity", "meaning"),
        ("letters", "confusions", "confused"),
        ("letters", "morphology", "forms"),
        ("bm25", "robustness", "medical"),
    }
    assert {row["perturbation"] for row in report["robustness"]} >= {"ascii", "capitals", "typo", "inflection"}
    row = next(row for row in report["robustness"] if (row["model"], row["perturbation"]) == ("letters", "inflection"))
    assert (row["n"], row["changed"], row["queries"]) == (12, 12, 12)
    metrics = {row["metric"] for row in read_scores(speaking)}
    assert {"robustness.typo", "crosslingual.gap.en-tr", "similarity.contrast", "confusions.accuracy"} <= metrics
    sizes = {row["name"]: (row["queries"], row["documents"]) for row in report["datasets"]}
    assert (sizes["meaning"], sizes["confused"]) == ((FEW, FEW), (FEW, 2 * FEW))
    result.stdout.fnmatch_lines(
        ["typed       letters on medical: mrr@10 *inflection*", "crossing    letters on medical: en-tr *tr-en *"]
    )


def test_the_page_of_the_language_says_what_each_model_loses(speaking: pytest.Pytester) -> None:
    speaking.runpytest_inprocess(*SUITES, "--models=letters,bm25")
    page = (speaking.path / ".embedeval" / "language-tr.md").read_text(encoding="utf-8")
    assert page.startswith("# Turkish\n")
    for heading in (
        "## medical: queries as people type them",
        "## forms: word forms",
        "## confused: what is taken for the answer",
        "## medical: two languages",
        "## meaning: graded sentence pairs",
    ):
        assert f"\n{heading}\n" in page
    assert "| capitals | 12 | " in page
    assert not list((speaking.path / ".embedeval").glob("language-en.md"))


def test_a_page_of_an_earlier_run_goes(speaking: pytest.Pytester) -> None:
    stale = speaking.path / ".embedeval" / "language-de.md"
    stale.parent.mkdir()
    stale.write_text("old")
    speaking.runpytest_inprocess("suites/test_morphology.py", "--models=letters")
    assert not stale.exists()
    assert (stale.parent / "language-tr.md").exists()


@pytest.mark.parametrize(
    ("place", "metric", "test"),
    [
        ("robustness/medical", '"robustness.ascii" = { min = 0.5 }', "test_robustness.py"),
        ("crosslingual/medical", '"crosslingual.gap.en-tr" = { min = 0.9 }', "test_crosslingual.py"),
        ("similarity/meaning", '"similarity.spearman" = { min = 0.99 }', "test_meaning.py"),
        ("confusions/confused", '"confusions.false_positives" = { max = -0.1 }', "test_meaning.py"),
        ("morphology/forms", '"morphology.versus.lemma" = { min = 1.1 }', "test_morphology.py"),
    ],
)
def test_each_can_be_gated(speaking: pytest.Pytester, place: str, metric: str, test: str) -> None:
    configure(speaking, f'[gates."{place}"]\n{metric}\n')
    result = speaking.runpytest_inprocess(f"suites/{test}", "--models=letters")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"letters does not pass {place}:"])


def test_baselines_keep_scores_and_no_changes(speaking: pytest.Pytester) -> None:
    assert speaking.runpytest_inprocess(*SUITES, "--models=letters", "--embedeval-update").ret == 0
    places = read_baseline(speaking, "letters")["results"]
    assert set(places) == {
        "robustness/medical",
        "crosslingual/medical",
        "similarity/meaning",
        "confusions/confused",
        "morphology/forms",
    }
    kept = set(places["robustness/medical"]["metrics"])
    assert {"robustness.score", "robustness.score.inflection"} <= kept
    assert "robustness.ascii" not in kept
    assert "confusions.false_positives" not in places["confusions/confused"]["metrics"]
    assert speaking.runpytest_inprocess(*SUITES, "--models=letters").ret == 0


def test_another_wording_of_a_variant_is_other_data(speaking: pytest.Pytester) -> None:
    speaking.runpytest_inprocess(*SUITES[:1], "--models=letters", "--embedeval-update")
    path = speaking.path / "inflected.tsv"
    path.write_text(path.read_text(encoding="utf-8").replace("?", " acaba?", 1), encoding="utf-8")
    result = speaking.runpytest_inprocess(*SUITES[:1], "--models=letters")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*the data has changed*"])


def test_a_model_against_another_is_decided_by_the_suites_own_metric(speaking: pytest.Pytester) -> None:
    result = speaking.runpytest_inprocess(*SUITES, "--models=letters,blind", "--against=letters")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    decided = {
        (row["suite"], row["metric"])
        for row in read_report(speaking)["verdicts"]
        if row["rule"] == "against" and not row["advisory"]
    }
    assert decided == {
        ("robustness", "robustness.score"),
        ("crosslingual", "crosslingual.score"),
        ("similarity", "similarity.spearman"),
        ("confusions", "confusions.accuracy"),
        ("morphology", "morphology.auc"),
    }


def test_a_finished_run_is_not_asked_anew(speaking: pytest.Pytester) -> None:
    (speaking.path / "kept.run").write_text("hipertansiyon-1-1 Q0 Hipertansiyon#1 1 0.9 kept\n")
    result = speaking.runpytest_inprocess("suites/test_robustness.py", "--models=kept=run:kept.run,letters")
    result.assert_outcomes(passed=1, deselected=1)


def test_two_workers_give_the_report_of_one_process(speaking: pytest.Pytester) -> None:
    reports = []
    for arguments in ([], ["-n", "2", "--dist", "loadgroup"]):
        result = speaking.runpytest_subprocess(*SUITES, "--models=letters,blind", *arguments)
        assert result.ret == 0
        report = read_report(speaking)
        reports.append({name: report[name] for name in ("measurements", "robustness", "verdicts", "datasets")})
    assert reports[0] == reports[1]


def test_a_perturbation_can_be_chosen_by_hand(speaking: pytest.Pytester) -> None:
    speaking.makepyfile(
        """
        def test_it(model, robustness):
            found = robustness(model, "medical", names=["ascii"])
            assert [row.perturbation for row in found.rows] == ["ascii", "inflection"]
            assert found["robustness.ascii"] <= 0.5


        def test_crossed(model, crosslingual):
            assert crosslingual(model, "medical", metric="ndcg@10")["crosslingual.tr-en"] > 0


        def test_without(model, crosslingual):
            crosslingual(model, "forms")
        """
    )
    name = "test_a_perturbation_can_be_chosen_by_hand.py"
    result = speaking.runpytest_inprocess(name, "--models=letters")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*data set 'forms' has no translation; give it parallel and parallel_language*"])


def test_data_of_another_kind_deselects(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess(*SUITES, "--models=letters")
    result.assert_outcomes(passed=2, deselected=3)


def test_a_missing_translation_fails_its_test_alone(speaking: pytest.Pytester) -> None:
    (speaking.path / "medical.en.json").unlink()
    result = speaking.runpytest_inprocess(*SUITES[:2], "--models=letters")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*medical.en.json*"])


def test_a_conftest_may_bring_pairs(project: pytest.Pytester) -> None:
    with (project.path / "conftest.py").open("a", encoding="utf-8") as conftest:
        conftest.write(
            """

from pytest_embedeval.datasets import MinimalPair, MinimalPairs, SentenceData, SentencePair


def pytest_embedeval_datasets(config):
    pairs = [SentencePair(str(n), "related", n / 2, f"çay {n}", f"kahve {n * n}") for n in range(9)]
    confused = [MinimalPair("1", "organ", "böbrek taşı", "böbrekte taş", "kesede taş")]
    return {"own": SentenceData("own", pairs, "tr"), "confused": MinimalPairs("confused", confused, "tr")}
"""
        )
    result = project.runpytest_inprocess("suites/test_meaning.py", "--models=letters")
    result.assert_outcomes(passed=2)
