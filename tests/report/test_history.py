"""Scores over several runs: their order, what joins and breaks a line, and that every change is the gate's."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.errors import MissingExtraError
from pytest_embedeval.gate import Baseline, Measurement, Place, Result, Terms, bounded_mean_interval, compare
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.models.info import Prompts
from pytest_embedeval.report import Kept, Part, assemble, load_kept, write_run
from pytest_embedeval.report.charts.history import history_charts, history_pictures
from pytest_embedeval.report.history import Chosen, history
from pytest_embedeval.report.page import history_page
from pytest_embedeval.report.schema import DatasetRow, Git, Run
from pytest_embedeval.report.series import Series, gaps, model_changes
from pytest_embedeval.report.timeline import in_order, labels_of, moments, never_measured
from tests.gate.test_results import DATA, kept
from tests.report.test_page import drive, needs_browser

PLACE = "retrieval/medical"
OTHER = "sha256:" + "f" * 64
EVIL = '<img src=x onerror="alert(1)">'
FIRST = [1.0] * 20 + [0.5] * 20
LATER = [1.0] * 26 + [0.5] * 14


def scored(each: Sequence[float], model: str = "org/a", fingerprint: str | None = None, **more: Any) -> Result:
    """Return kept scores of two metrics."""
    found = kept({"mrr@10": each, "recall@10": [1.0] * len(each)}, model=model, **more)
    return found.model_copy(update={"model": found.model.model_copy(update={"fingerprint": fingerprint})})


def run(
    folder: Path,
    results: Mapping[str, Result],
    started: str = "2026-01-01T08:00:00+00:00",
    *,
    git: Git | None = None,
    errors: Mapping[str, str] | None = None,
    dropped: Sequence[str] = (),
    more: Sequence[Measurement] = (),
    gated: bool = True,
) -> Kept:
    """Write a run, as a session does, and read it back.

    Parameters
    ----------
    dropped
        Metrics that were not measured.
    gated
        Whether the scores of each query are kept.
    """
    rows, models = [*more], [ModelInfo(alias, "x", error=error) for alias, error in (errors or {}).items()]
    for alias, whole in results.items():
        result = whole.only([name for name in whole.metrics if name not in dropped])
        facts = result.model.model_dump(exclude={"query_prompt", "document_prompt"})
        models.append(ModelInfo(alias, **facts, prompts=Prompts(result.model.query_prompt)))
        for metric, found in result.metrics.items():
            bounds = bounded_mean_interval(result.each(metric)[1], found.low, found.high)
            rows.append(Measurement(alias, "retrieval", "medical", metric, found.value, found.n, *bounds))
    prints = {result.dataset.fingerprint for result in results.values()} or {DATA}
    data = DatasetRow(name="medical", fingerprint=prints.pop(), language="tr", queries=40, documents=9, judgements=40)
    head = Run(started=started, duration_s=1.0, git=git or Git(), versions={}, machine={}, settings={})
    baselines = [
        Baseline(alias=alias, results={PLACE: whole.only([m for m in whole.metrics if m not in dropped])})
        for alias, whole in results.items()
    ]
    part = Part(models=models, measurements=rows, datasets=[data])
    report = assemble(head, [part], [model.alias for model in models])
    if not gated:
        return Kept({}, report)
    write_run(report, [part], baselines, folder)
    return load_kept(folder)


def several(tmp_path: Path, *each: Result, alias: str = "prod", **more: Any) -> list[Kept]:
    return [
        run(tmp_path / str(day), {alias: result}, f"2026-01-{day:02}T08:00:00+00:00", **more)
        for day, result in enumerate(each, start=1)
    ]


def drawn(runs: Sequence[Kept], **options: Any) -> list[Series]:
    return history(runs, labels_of(runs, [str(place) for place in range(len(runs))]), **options)


def values(series: Series) -> list[float | None]:
    return [point.value for point in series.points]


def test_runs_stand_in_the_order_of_their_start_wherever_they_were_made(tmp_path: Path) -> None:
    starts = ("2026-01-02T00:30:00+00:00", "2026-01-02T03:00:00+03:00", "2026-01-01T23:30:00+00:00")
    runs = [run(tmp_path / str(place), {"a": scored(FIRST)}, start) for place, start in enumerate(starts)]
    assert in_order(runs) == [2, 1, 0]
    assert labels_of(runs, "xyz") == ["2026-01-02 00:30", "2026-01-02 00:00", "2026-01-01 23:30"]
    baseline = Kept({("a", PLACE): scored(FIRST)})
    assert in_order([*runs, baseline]) == [0, 1, 2, 3], "a baseline has no date"
    undated = run(tmp_path / "undated", {"a": scored(FIRST)}, "last week")
    assert in_order([*runs, undated]) == [0, 1, 2, 3]


def test_a_label_names_the_commit_and_whether_files_had_changed(tmp_path: Path) -> None:
    git = Git(commit="1a2b3c4d" * 5, dirty=True)
    once = run(tmp_path / "run", {"a": scored(FIRST)}, git=git)
    baseline = Kept({("a", PLACE): scored(FIRST)})
    assert labels_of([once, once, baseline, baseline], ["r", "r", "baselines", "other"]) == [
        "2026-01-01 08:00, 1a2b3c4+",
        "2026-01-01 08:00, 1a2b3c4+ (2)",
        "baselines",
        "other",
    ]


def test_points_are_those_of_the_reports_and_changes_those_of_the_gate(tmp_path: Path) -> None:
    each = [scored(FIRST), scored([1.0] * 10 + [0.5] * 30), scored(LATER)]
    runs = several(tmp_path, *each)
    (line,) = drawn(runs, terms=Terms(tolerance=0.05))
    assert (line.model, line.place, line.metric) == ("prod", PLACE, "mrr@10")
    for point, read in zip(line.points, runs, strict=True):
        assert read.report is not None
        row = next(row for row in read.report.measurements if row.metric == "mrr@10")
        assert (point.value, point.low, point.high, point.n) == (row.value, row.low, row.high, row.n)
    whole, last = line.steps
    assert [(step.name, step.first, step.last) for step in line.steps] == [("first → last", 0, 2), ("last step", 1, 2)]
    for step, before in ((whole, each[0]), (last, each[1])):
        place = Place("prod", "retrieval", "medical", "prod", "against")
        verdict = next(
            row for row in compare(each[2], before, place, terms=Terms(tolerance=0.05))[0] if row.metric == "mrr@10"
        )
        assert (step.delta, step.low, step.high, step.reason) == (
            verdict.delta,
            verdict.low,
            verdict.high,
            verdict.reason,
        )
    assert whole.delta == pytest.approx(3 / 40)
    assert last.reason.endswith("IMPROVED on 40 queries (16 differ)")


def test_a_baseline_has_the_bounds_of_its_run(tmp_path: Path) -> None:
    runs = several(tmp_path, scored([1.0, 0.333333] * 20))
    baselines = load_kept(tmp_path / "1" / "baselines")
    (line,) = drawn([runs[0], baselines])
    first, second = line.points
    assert (first.low, first.high) == pytest.approx((second.low, second.high), abs=1e-6)
    assert 0 < (first.low or 0) < 0.666666 < (first.high or 0) < 1


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (scored(LATER, data=OTHER), "the data has changed: sha256:ffffffffffff now"),
        (scored(LATER, parameters={"level": 2}), "the parameter level has changed: 2 now, 1 in the reference"),
    ],
    ids=["data", "parameters"],
)
def test_other_data_or_parameters_break_a_line(tmp_path: Path, other: Result, said: str) -> None:
    runs = several(tmp_path, scored(FIRST), scored(FIRST), other, other, scored(FIRST))
    (line,) = drawn(runs[:4])
    assert [[point.run for point in part] for part in line.parts] == [[0, 1], [2, 3]]
    assert [(step.name, step.first, step.last) for step in line.steps] == [("since a break", 2, 3)]
    ((why, found),) = gaps([line]).items()
    assert (why.startswith(said), found) == (True, [2])
    (back,) = drawn(runs)
    assert len(back.parts) == 3, "the last run is not joined to the first one over the others"
    assert back.steps == []


def test_first_and_last_are_not_compared_where_only_their_neighbours_can_be(tmp_path: Path) -> None:
    """Words are searched without an index, so they join what two different indexes found."""
    exact, approximate = (scored(FIRST, parameters={"index": name}) for name in ("exact", "HNSW32"))
    words = scored(FIRST).model_copy(update={"parameters": {}})
    words = words.model_copy(update={"model": words.model.model_copy(update={"kind": "lexical", "dimension": None})})
    (line,) = drawn(several(tmp_path, exact, words, approximate), chosen=Chosen(metrics=["recall@10"]))
    assert len(line.parts) == 1
    whole, last = line.steps
    assert (whole.delta, whole.reason) == (None, "the parameter index has changed: HNSW32 now, exact in the reference")
    assert last.delta == 0.0


def test_where_no_scores_of_queries_were_kept_other_data_break_a_line_too(tmp_path: Path) -> None:
    days = (scored(FIRST), scored(LATER), scored(LATER, data=OTHER))
    runs = several(tmp_path, *days, gated=False)
    (line,) = drawn(runs)
    assert [len(part) for part in line.parts] == [2, 1]
    assert f"the data has changed: {OTHER} now, {DATA} before" in gaps([line])
    (step,) = drawn(runs[:2])[0].steps
    assert step.delta == pytest.approx(3 / 40)
    assert (step.low, step.high) == (None, None)
    assert step.reason == ("mrr@10 0.750 → 0.825 (+0.075); no score of each query was kept, hence no interval")


def test_another_model_behind_a_name_is_marked_by_its_files(tmp_path: Path) -> None:
    one, two = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    prompted = scored(FIRST, "org/b", two)
    prompted = prompted.model_copy(update={"model": prompted.model.model_copy(update={"query_prompt": "query: "})})
    each = (scored(FIRST, "org/a", one), scored(FIRST, "./moved", one), scored(FIRST, "./moved", two), prompted)
    (line,) = drawn(several(tmp_path, *each))
    assert [bool(point.changed) for point in line.points] == [False, False, True, True]
    assert model_changes([line]) == [
        ("prod", 2, "./moved, 384 dimensions (sha256:111111111111) → ./moved, 384 dimensions (sha256:222222222222)"),
        ("prod", 3, "query_prompt: '' → 'query: '"),
    ]
    assert len(line.parts) == 1, "another model is what a line is for"


def test_each_reason_for_a_gap_is_told(tmp_path: Path) -> None:
    broken = Measurement("prod", "retrieval", "medical", "mrr@10", None, 0)
    runs = [
        run(tmp_path / "1", {"prod": scored(FIRST), "x": scored(FIRST)}),
        run(tmp_path / "2", {"prod": scored(FIRST), "x": scored(FIRST)}, dropped=["mrr@10"]),
        run(tmp_path / "3", {"x": scored(FIRST)}, errors={"prod": "no such folder", "gone": "never was"}),
        run(tmp_path / "4", {"x": scored(FIRST)}),
        run(tmp_path / "5", {"prod": scored(FIRST), "x": scored(FIRST)}, dropped=["mrr@10"], more=[broken]),
        run(tmp_path / "6", {"prod": scored(LATER), "x": scored(FIRST)}),
    ]
    line = next(line for line in drawn(runs) if line.model == "prod")
    assert [point.missing for point in line.points] == [
        "",
        "not measured",
        "could not be loaded: no such folder",
        "not in this run",
        "not a finite number",
        "",
    ]
    assert [(step.name, step.first, step.last) for step in line.steps] == [("first → last", 0, 5)]
    assert line.steps[0].delta == pytest.approx(3 / 40)
    assert never_measured(moments(runs)) == {"gone": "could not be loaded: never was"}


def test_runs_of_one_model_each_are_one_line_whatever_it_is_called(tmp_path: Path) -> None:
    runs = [
        run(tmp_path / "1", {"old": scored(FIRST)}),
        run(tmp_path / "2", {}, errors={"next": "no such folder"}),
        run(tmp_path / "3", {"new": scored(LATER)}),
    ]
    (line,) = drawn(runs)
    assert (line.model, [point.alias for point in line.points]) == ("new", ["old", "next", "new"])
    assert values(line) == [0.75, None, 0.825]
    assert drawn(runs, chosen=Chosen(models=["old"])) == [line]
    both = drawn([*runs, run(tmp_path / "4", {"old": scored(FIRST), "new": scored(LATER)})])
    assert [(line.model, values(line)) for line in both] == [
        ("old", [0.75, None, None, 0.75]),
        ("new", [None, None, 0.825, 0.825]),
    ]


def test_lines_are_chosen_by_model_and_metric_and_times_are_none(tmp_path: Path) -> None:
    time = Measurement("a", "retrieval", "medical", "encode_s", 3.0, 1)
    runs = [run(tmp_path / str(day), {"a": scored(FIRST), "b": scored(LATER)}, more=[time]) for day in (1, 2)]

    def names(**chosen: Any) -> list[str]:
        return [f"{line.model} {line.metric}" for line in drawn(runs, chosen=Chosen(**chosen))]

    assert names() == ["a mrr@10", "b mrr@10"]
    assert names(every=True) == ["a mrr@10", "b mrr@10", "a recall@10", "b recall@10"]
    assert names(models=["b"], metrics=["recall@10"]) == ["b recall@10"]
    (line,) = drawn(runs, chosen=Chosen(models=["b"], metrics=["recall@10"]))
    assert line in drawn(runs, chosen=Chosen(every=True)), "what else is shown changes no number"


def test_lines_are_those_of_the_metrics_that_decide_in_the_last_run_that_says_so(tmp_path: Path) -> None:
    runs = several(tmp_path, *[scored(FIRST)] * 3)
    for told, metric in zip(runs, ("mrr@10", "recall@10"), strict=False):
        assert told.report is not None
        told.report.measurements = [replace(row, primary=row.metric == metric) for row in told.report.measurements]
    assert [line.metric for line in drawn(runs)] == ["recall@10"]
    assert [line.metric for line in drawn([runs[0], runs[2]])] == ["mrr@10"], "the other one was not asked"


def timeline(tmp_path: Path) -> tuple[list[Kept], list[str], list[Series]]:
    """A name that is markup, another model in the second run, other data in the third."""
    one, two = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    each = (scored(FIRST, EVIL, one), scored(LATER, EVIL, two), scored(LATER, EVIL, two, data=OTHER))
    runs = several(tmp_path, *each, alias=EVIL, errors={"gone": f"{EVIL} is no folder"})
    labels = labels_of(runs, ["a", "b", EVIL])
    labels[2] = EVIL
    return runs, labels, history(runs, labels)


def fetched(markup: str) -> list[str]:
    """What a browser would run or ask for: scripts, handlers and addresses."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            names = [name for name, value in attrs if name.startswith("on") or "url(" in (value or "")]
            found.extend([*names, *({name for name, _ in attrs} & {"src", "href", "xlink:href", "style"})])
            found.extend({tag} & {"script", "img", "image", "a", "use", "iframe", "foreignobject"})

    Reader().feed(markup)
    return found


def test_a_chart_has_a_line_per_part_and_marks_another_model(tmp_path: Path) -> None:
    _, labels, series = timeline(tmp_path)
    (chart,) = history_charts(series, labels).values()
    spec = chart.to_dict()
    rows = spec["data"]["values"]
    assert [(row["run"], row["value"], row["changed"], row["alone"]) for row in rows] == [
        (0, 0.75, False, False),
        (1, 0.825, True, False),
        (2, 0.825, False, True),
    ]
    assert rows[0]["part"] == rows[1]["part"] != rows[2]["part"]
    assert all(row["low"] < row["value"] < row["high"] for row in rows)
    assert [layer["data"]["values"] for layer in spec["layer"] if "data" in layer] == [[{"run": 1.5}]]


def test_each_point_tells_its_numbers_and_names_are_text(tmp_path: Path) -> None:
    _, labels, series = timeline(tmp_path)
    ((key, svg),) = history_pictures(series, labels).items()
    assert key == (PLACE, "mrr@10")
    told = re.findall(r"<title>(.*?)</title>", svg)
    assert len(told) == 3
    assert EVIL not in svg
    assert "0.825 [" in told[1]
    for fact in ("2026-01-02 08:00", "n = 40", f"data: {DATA}", "sha256:222222222222", "another model: ", "&lt;img"):
        assert fact in told[1]
    assert f"data: {OTHER}" in told[2]
    assert not fetched(svg)


def test_the_page_holds_the_numbers_as_text_and_no_markup_of_others(tmp_path: Path) -> None:
    runs, labels, series = timeline(tmp_path)
    for pictures in ({}, history_pictures(series, labels)):
        page = history_page(series, runs, labels, ["r1", "r2", EVIL], pictures)
        assert EVIL not in page
        assert "<img" not in page
        assert "<script" not in page
        assert "default-src 'none'" in page
        assert not fetched(page)
        cells = re.sub(r"<[^>]+>", "", page.partition("of every run</summary>")[2])
        for point in series[0].points:
            assert f"{point.value:.3f} [{point.low:.3f}, {point.high:.3f}] n = 40" in cells
        assert series[0].steps[0].reason in page if series[0].steps else "no second score" in page
        assert "the data has changed: sha256:ffffffffffff now" in cells
        assert ("<svg" in page) == bool(pictures)


@pytest.mark.parametrize(("module", "name"), [("altair", "Altair"), ("vl_convert", "vl-convert")])
def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, name: str) -> None:
    _, labels, series = timeline(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"{name} is not installed.*pytest-embedeval\[report\]"):
        history_pictures(series, labels)


@needs_browser
def test_a_browser_shows_it_without_complaint_and_without_scrolling_sideways(tmp_path: Path) -> None:
    runs, labels, series = timeline(tmp_path)
    page = history_page(series, runs, labels, ["r1", "r2", "r3"], history_pictures(series, labels))
    policy = "style-src 'unsafe-inline'"
    found = drive(
        tmp_path,
        page.replace(policy, f"script-src 'unsafe-inline'; {policy}"),
        """
        document.body.style.width = "360px";
        const edge = document.body.getBoundingClientRect().right;
        const wide = [...document.querySelectorAll("body *")].filter((part) =>
          !part.closest(".scroll table, svg, #result") && part.getBoundingClientRect().right > edge);
        const titles = [...document.querySelectorAll("figure path > title")].map((title) => title.textContent);
        return {wide: wide.map((part) => part.tagName), titles, images: document.images.length};
        """,
    )
    assert found["wide"] == []
    assert found["images"] == 0
    assert len(found["titles"]) == 3
    assert found["titles"][0].splitlines()[0] == f"{EVIL}, 2026-01-01 08:00"


def test_a_line_knows_its_parts() -> None:
    (line,) = drawn([Kept({("a", PLACE): scored(FIRST)})])
    assert line.place == PLACE
    first = line.points[0]
    points = [first, replace(first, run=1, value=None, missing="not measured"), replace(first, run=2, broken="other")]
    assert [[point.run for point in part] for part in replace(line, points=points).parts] == [[0], [2]]
