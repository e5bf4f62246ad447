"""Two runs or baselines beside each other: what is paired, what is shown, what is refused."""

from __future__ import annotations

import json
import re
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.cli import main
from pytest_embedeval.gate import Baseline, Result
from pytest_embedeval.report import load_kept
from tests.cli.test_gate import MATRIX, edit_report, finished_run
from tests.gate.test_results import kept

PLACE = "retrieval/medical"
PROD = kept({"mrr@10": [1.0] * 40, "recall@10": [1.0] * 40})
NEXT = kept({"mrr@10": [0.5] * 4 + [1.0] * 36, "recall@10": [1.0] * 40}, model="org/next")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of all models; tests leave it as it is."""
    return finished_run(tmp_path_factory)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def store(alias: str, places: dict[str, Result], folder: str = ".") -> str:
    """Write a baseline and return its path."""
    path = Path(folder) / f"{alias}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(Baseline(alias=alias, results=places).text(), encoding="utf-8")
    return str(path)


def compared(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Return what is printed, with the line ends within a paragraph as blanks."""
    assert main(["compare", *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    assert not err
    words = [line.split() for line in out.splitlines() if len(line) > 80 or line != line.rstrip()]
    assert [line for line in words if len(line) > 1] == []  # a path is not broken
    return re.sub(r"\n? +", " ", out)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main(["compare", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert not out
    return err.strip()


def test_baselines_under_two_aliases_are_compared_and_decide_nothing(
    capsys: pytest.CaptureFixture[str], finished: Path
) -> None:
    said = compared(capsys, finished / "baselines" / "perfect.json", finished / "baselines" / "hurried.json")
    assert said.startswith(
        f"{PLACE}: perfect → hurried before: perfect, 48 dimensions after: hurried, 48 dimensions "
        "mrr@10 1.000 → 0.917 (−0.083), one-sided 95 % ["
    )
    assert said.endswith("REGRESSED by more than 0.02 on 144 queries (24 differ)\n")


def test_a_run_is_its_folder_or_its_report(capsys: pytest.CaptureFixture[str], finished: Path) -> None:
    said = compared(capsys, finished, finished)
    assert [line.partition(" ")[2].split()[0] for line in said.splitlines()] == list(MATRIX)
    assert compared(capsys, finished / "report.json", finished / "report.json") == said


def test_a_run_is_compared_with_the_baselines_of_its_aliases(
    capsys: pytest.CaptureFixture[str], finished: Path
) -> None:
    results = load_kept(finished).results
    store("prod", {PLACE: results["perfect", PLACE]}, "baselines")
    store("careful", {PLACE: results["perfect", PLACE], "retrieval/support": PROD}, "baselines")
    lines = compared(capsys, "baselines", finished).splitlines()
    assert lines[0].startswith(
        f"{PLACE}: careful before: perfect, 48 dimensions after: careful, 48 dimensions mrr@10 1."
    )
    assert lines[1:3] == [
        f"retrieval/support: careful has no counterpart in {finished}",
        f"{PLACE}: prod has no counterpart in {finished}",
    ]
    others = [alias for alias in sorted(MATRIX) if alias != "careful"]
    assert lines[3:] == [f"{PLACE}: {alias} has no counterpart in baselines" for alias in others]


def test_a_run_of_one_model_is_compared_with_one_baseline_of_any_name(
    capsys: pytest.CaptureFixture[str], finished: Path
) -> None:
    shutil.copytree(finished, "run")
    edit_report(Path("run"), lambda report: report.update(models=report["models"][2:3], verdicts=[]))
    said = compared(capsys, finished / "baselines" / "perfect.json", "run")
    assert said.startswith(f"{PLACE}: perfect → hasty ")


def test_other_data_sets_of_a_pair_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    old = store("prod", {PLACE: PROD, "retrieval/faq": PROD})
    new = store("next", {PLACE: NEXT, "retrieval/support": NEXT})
    assert compared(capsys, old, new).splitlines()[1:] == [
        "retrieval/faq: prod has no counterpart in next.json",
        "retrieval/support: next has no counterpart in prod.json",
    ]


def test_without_a_common_model_both_sides_are_named(capsys: pytest.CaptureFixture[str], finished: Path) -> None:
    store("prod", {PLACE: PROD}, "baselines")
    store("old", {PLACE: PROD}, "baselines")
    said = refusal(capsys, "baselines", finished)
    assert said.startswith(f"pytest-embedeval: baselines (old, prod) and {finished} (perfect, careful, ")
    assert said.endswith("have no model in common that was scored on the same data set")
    empty = store("empty", {})
    assert "empty.json (no scores) have no model in common" in refusal(capsys, "baselines", empty)
    elsewhere = store("next", {"retrieval/support": NEXT})
    assert "have no model in common" in refusal(capsys, store("prod", {PLACE: PROD}), elsewhere)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (kept({"mrr@10": [1.0] * 40}, data="sha256:" + "f" * 64), "the data has changed: sha256:ffffffffffff now, "),
        (kept({"mrr@10": [1.0] * 40}, parameters={"level": 2}), "the parameter level has changed: 2 now, 1 in the "),
        (kept({"mrr@10": [1.0] * 39}), "the queries differ: 1 only in the reference (q039)"),
    ],
    ids=["data", "parameters", "queries"],
)
def test_scores_of_other_questions_are_not_compared(
    capsys: pytest.CaptureFixture[str], other: Result, said: str
) -> None:
    shown = compared(capsys, store("prod", {PLACE: PROD}), store("next", {PLACE: other}), "--why", "--randomisation")
    assert said in shown
    assert "→ 1.000" not in shown
    assert "sign-flip" not in shown
    assert "lost" not in shown


def test_all_shows_every_metric(capsys: pytest.CaptureFixture[str], finished: Path) -> None:
    sides = [finished / "baselines" / f"{alias}.json" for alias in ("perfect", "hasty")]
    metrics = sorted(load_kept(sides[0]).results["perfect", PLACE].metrics)
    assert len(metrics) > 5
    assert _metrics(compared(capsys, *sides)) == ["mrr@10"]
    assert _metrics(compared(capsys, *sides, "--all")) == metrics


def test_where_no_metric_decides_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Without labels, clusters are judged by those that the vectors made themselves."""
    result = kept({"silhouette.kmeans": [0.25] * 40})
    sides = store("prod", {"clustering/medical": result}), store("next", {"clustering/medical": result})
    assert "no metric of it decides a comparison; --all shows every metric" in compared(capsys, *sides)
    assert _metrics(compared(capsys, *sides, "--all")) == ["silhouette.kmeans"]


def test_why_quotes_the_texts_of_the_run_on_either_side(capsys: pytest.CaptureFixture[str], finished: Path) -> None:
    results = load_kept(finished).results
    store("hasty", {PLACE: results["perfect", PLACE]}, "better")
    store("perfect", {PLACE: results["hasty", PLACE]}, "worse")
    quoted = r"8 lost, 0 won of 144; .* lost \(rank 1 → 2\) \w.*[?…] now first: Hipertansiyon#2: \w"
    for old, new in (("better", finished), (finished, "worse")):
        said = compared(capsys, old, new, "--why")
        assert re.search(quoted, said)
        assert said.count("lost (rank 1 → 2)") == 8
        assert "hipertansiyon-1-1" not in said


def test_why_gives_ids_where_there_are_no_texts(capsys: pytest.CaptureFixture[str], finished: Path) -> None:
    sides = [finished / "baselines" / f"{alias}.json" for alias in ("perfect", "hasty")]
    said = compared(capsys, *sides, "--why")
    assert "lost (rank 1 → 2) hipertansiyon-1-1 lost (rank 1 → 2) hipertansiyon-1-2 lost" in said
    assert "now first" not in said
    assert "lost (rank" not in compared(capsys, *sides)


def test_why_lists_all_that_was_lost(capsys: pytest.CaptureFixture[str]) -> None:
    """No report holds the rest of them."""
    lost = kept({"mrr@10": [0.0] * 10 + [0.5] * 25 + [1.0] * 5})
    said = compared(capsys, store("prod", {PLACE: PROD}), store("next", {PLACE: lost}), "--why")
    found = re.findall(r"lost \(rank 1 → (–|\d)\) (q\d+)", said)
    assert found == [("–", f"q{n:03}") for n in range(10)] + [("2", f"q{n:03}") for n in range(10, 35)]
    assert "report.json" not in said


def test_randomisation_adds_an_exact_p_value(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the 16 patterns of signs that 4 equal losses can have, 2 are as extreme."""
    sides = store("prod", {PLACE: PROD}), store("next", {PLACE: NEXT})
    said = compared(capsys, *sides, "--all", "--randomisation")
    assert re.search(r"mrr@10 1\.000 → 0\.950 .*; sign-flip p = 0\.1250 recall@10 .*; sign-flip p = 1\.0000$", said)
    assert "sign-flip" not in compared(capsys, *sides)


def test_a_tolerance_is_the_drop_that_counts_as_none(capsys: pytest.CaptureFixture[str]) -> None:
    sides = store("prod", {PLACE: PROD}), store("next", {PLACE: NEXT})
    assert "a drop of more than 0.02 on these 40 queries" in compared(capsys, *sides)
    assert "not worse by more than 0.3 on 40 queries" in compared(capsys, *sides, "--tolerance=0.3")


@pytest.mark.parametrize("tolerance", ["0", "1", "-0.1", "nan"])
def test_a_tolerance_out_of_range_is_refused(capsys: pytest.CaptureFixture[str], tolerance: str) -> None:
    side = store("prod", {PLACE: PROD})
    assert refusal(capsys, side, side, f"--tolerance={tolerance}").startswith(
        "pytest-embedeval: --tolerance: must lie between 0 and 1, for example 0.02, not "
    )


def test_a_changed_prompt_is_shown_where_the_names_are_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    prompted = PROD.model_copy(
        update={"model": PROD.model.model_copy(update={"query_prompt": "query: ", "max_tokens": 128})}
    )
    said = compared(capsys, store("prod", {PLACE: PROD}, "old"), store("prod", {PLACE: prompted}, "new"))
    assert said.startswith(f"{PLACE}: prod max_tokens: None → 128 query_prompt: '' → 'query: ' mrr@10 1.000 → 1.000 ")
    unchanged = compared(capsys, "old", store("prod", {PLACE: PROD}, "new"))
    assert unchanged.startswith(f"{PLACE}: prod mrr@10 1.000 → 1.000 ")


def test_a_side_that_cannot_be_read_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    good = store("prod", {PLACE: PROD})
    path = Path(store("next", {PLACE: NEXT}))
    content = json.loads(path.read_text(encoding="utf-8"))
    for damaged, said in (
        (path.read_text(encoding="utf-8")[:200], r"line \d+: not valid JSON"),
        (json.dumps({**content, "schema_version": 2}), "written by a newer pytest-embedeval .*pip install -U"),
        (json.dumps(content).replace("0.5", "NaN"), "holds NaN"),
        (json.dumps(content).replace("0.5", "0.75", 1), r".*metrics\.mrr@10\.value is 0.95, and the mean .* 0\.95625?"),
        (json.dumps({**content, "alias": "prod"}), "holds the baseline of 'prod', whose file is prod.json"),
    ):
        path.write_text(damaged, encoding="utf-8")
        for sides in ((good, path), (path, good)):
            assert re.match(f"pytest-embedeval: next.json: {said}", refusal(capsys, *sides))
    assert refusal(capsys, good, "nowhere").startswith("pytest-embedeval: nowhere: no such file or folder; ")
    Path("empty").mkdir()
    assert refusal(capsys, "empty", good) == (
        "pytest-embedeval: empty: neither report.json nor baselines are in this folder"
    )


def _metrics(said: str) -> list[str]:
    return re.findall(r"(\S+) -?\d\.\d{3} → ", said)


MORE = kept({"mrr@10": [1.0] * 40, "recall@10": [1.0] * 40}, model="org/third")
OTHER_DATA = kept({"mrr@10": [0.25] * 40}, data="sha256:" + "f" * 64)


def over_time(*places: Result) -> list[str]:
    """Write a folder of baselines for each moment."""
    for number, result in enumerate(places, start=1):
        store("prod", {PLACE: result}, f"day{number}")
    return [f"day{number}" for number in range(1, len(places) + 1)]


def test_three_runs_are_shown_over_time_with_the_changes_of_the_gate(
    capsys: pytest.CaptureFixture[str], finished: Path
) -> None:
    starts = {"a": "2026-03-03T10:00:00+00:00", "b": "2026-03-01T10:00:00+00:00", "c": "2026-03-02T10:00:00+00:00"}
    for name, start in starts.items():
        shutil.copytree(finished, name)
        edit_report(Path(name), partial(_give_start, start=start))
    results = load_kept(finished).results
    for name, alias in (("c", "hasty"), ("a", "hurried")):  # `perfect` becomes another model from day to day
        found = results[alias, PLACE]
        store("perfect", {PLACE: found}, f"{name}/baselines")
        edit_report(Path(name), partial(_give, alias="perfect", found=found))
    said = compared(capsys, "a", "b", "c", "--models=perfect")
    assert re.sub(r", \w+\+?", "", said).startswith(
        "3 runs in the order of their start (UTC):\n1 2026-03-01 10:00 b\n2 2026-03-02 10:00 c\n3 2026-03-03 10:00 a\n"
    )
    assert "perfect is another model in 2: perfect, 48 dimensions → hasty, 48 dimensions" in said
    assert "mrr@10 1.000 → 0.972 → 0.917 ▇▅▂" in said
    for name, old, new in (("first → last, 1 → 3", "perfect", "hurried"), ("last step, 2 → 3", "hasty", "hurried")):
        sides = [finished / "baselines" / f"{alias}.json" for alias in (old, new)]
        told = re.search(r"mrr@10 .*\)$", compared(capsys, *sides), flags=re.MULTILINE)
        assert told is not None
        assert f"{name}: {told[0]}" in said, "what two runs alone would show"


def test_baselines_have_no_date_and_stand_as_they_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    days = over_time(PROD, NEXT, MORE)
    said = compared(capsys, *days)
    assert said.startswith(
        "3 runs in the order in which they are named, since not all have a date:\n1 day1\n2 day2\n3 day3\n"
    )
    assert "mrr@10 1.000 → 0.950 → 1.000" in said
    assert "mrr@10 1.000 → 1.000 → 0.950" in compared(capsys, *[days[place] for place in (0, 2, 1)])


def test_other_data_break_the_line_and_this_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    said = compared(capsys, *over_time(PROD, PROD, OTHER_DATA, OTHER_DATA))
    assert "mrr@10 1.000 → 1.000 | 0.250 → 0.250 ██|▁▁" in said
    assert "since a break, 3 → 4: mrr@10 0.250 → 0.250" in said
    assert "3: the data has changed: sha256:ffffffffffff now, " in said
    assert "1.000 → 0.250" not in said


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([0.5, 0.5, 0.5], "▅▅▅"),
        ([0.5, 0.501, 0.499], "▅▅▄"),
        ([0.5, 0.53, 0.47], "▅▆▃"),
        ([0.0, 0.5, 1.0], "▁▅█"),
    ],
)
def test_a_trend_shows_no_drop_within_the_tolerance_as_a_fall(
    capsys: pytest.CaptureFixture[str], values: list[float], drawn: str
) -> None:
    said = compared(capsys, *over_time(*(kept({"mrr@10": [value] * 40}) for value in values)))
    assert re.findall("[▁▂▃▄▅▆▇█]+", said) == [drawn]


def test_all_and_named_metrics_are_shown_of_two_and_of_more(capsys: pytest.CaptureFixture[str]) -> None:
    days = over_time(PROD, NEXT, MORE)
    for sides in (days[:2], days):
        assert {*_metrics(compared(capsys, *sides, "--all"))} == {"mrr@10", "recall@10"}
        assert {*_metrics(compared(capsys, *sides, "--metrics=recall@10"))} == {"recall@10"}
        assert "no run has 'recal@10'; did you mean 'recall@10'?" in refusal(capsys, *sides, "--metrics=recal@10")
        assert "--models: no run has 'prd'; did you mean 'prod'?" in refusal(capsys, *sides, "--models=prd")


def test_named_models_alone_are_shown_of_two(capsys: pytest.CaptureFixture[str], finished: Path) -> None:
    said = compared(capsys, finished, finished, "--models=hasty,careful")
    assert [line.partition(" ")[2].split()[0] for line in said.splitlines()] == ["careful", "hasty"]


def test_named_models_and_metrics_that_a_pair_lacks_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    both = {PLACE: PROD, "retrieval/faq": kept({"mrr@10": [1.0] * 40})}
    old, new = store("prod", both, "old"), store("prod", both, "new")
    assert "retrieval/faq: prod has none of these metrics" in compared(capsys, old, new, "--metrics=recall@10")
    store("only", {PLACE: PROD}, "old")
    said = refusal(capsys, "old", "new", "--models=only")
    assert said == "pytest-embedeval: --models: only: not scored on the same data set by both"


def test_what_cannot_be_shown_over_time_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    days = over_time(PROD, NEXT, MORE)
    assert "look into two runs; 3 are named" in refusal(capsys, *days, "--why")
    assert "look into two runs; 3 are named" in refusal(capsys, *days, "--randomisation")
    (Path("day3") / "prod.json").write_text("{", encoding="utf-8")
    assert refusal(capsys, *days).startswith(f"pytest-embedeval: {Path('day3', 'prod.json')}: line 1: not valid JSON")
    alone = [store(alias, {f"retrieval/{alias}": PROD}, "apart") for alias in ("a", "b", "c")]
    assert "no model has two scores on one data set; --all takes every metric" in refusal(capsys, *alone)


def test_names_of_others_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = PROD.model_copy(update={"model": PROD.model.model_copy(update={"source": "\x1b[2J/m"})})
    said = compared(capsys, *over_time(PROD, NEXT, evil))
    assert "\x1b" not in said
    assert r"org/next, 384 dimensions → \x1b[2J/m, 384 dimensions" in said


def test_a_page_is_written_of_two_runs_and_changes_nothing_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    days = over_time(PROD, NEXT)
    plain = compared(capsys, *days)
    assert compared(capsys, *days, "--html=out/history.html") == f"{plain}out/history.html\n"
    page = Path("out/history.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert "first → last, 1 → 2: mrr@10 1.000 → 0.950 (−0.050)" in page


def test_without_altair_the_page_has_tables_and_a_line_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    said = compared(capsys, *over_time(PROD, NEXT, MORE), "--html=history.html")
    assert "without charts: Altair is not installed; add it with: pip install 'pytest-embedeval[report]'" in said
    page = Path("history.html").read_text(encoding="utf-8")
    assert "<svg" not in page
    assert page.count("n = 40") == 3


def _give_start(report: dict[str, Any], start: str) -> None:
    report["run"]["started"] = start


def _give(report: dict[str, Any], alias: str, found: Result) -> None:
    """Put other scores of a model into a report."""
    for row in report["measurements"]:
        if row["model"] == alias and row["metric"] in found.metrics:
            row["value"] = found.metrics[row["metric"]].value
