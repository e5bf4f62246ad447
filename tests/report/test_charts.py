"""Pictures of a run: what they show, that they need no network, and what is said where Altair is missing."""

from __future__ import annotations

import re
import sys

import pytest

from pytest_embedeval.errors import MissingExtraError
from pytest_embedeval.gate import Comparison, FusionRow, Measurement, Perturbed, Slice
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report import Part, Report, SpeedRow, assemble
from pytest_embedeval.report.charts import charts, picture_name, pictures
from pytest_embedeval.report.charts.search import pareto
from pytest_embedeval.report.languages import language_pages
from tests.report.test_gather import RUN
from tests.report.test_languages import dataset

NAMES = ["morphology-söz", "radar", "retrieval-tıp", "typed-tıp"]


def report(name: str = "tıp") -> Report:
    models = [ModelInfo("a", "python"), ModelInfo("b<i>", "python"), ModelInfo("gone", "x", error="missing")]
    rows = [
        Measurement(model, suite, data, metric, value, 9, value - 0.1, value + 0.1)
        for model, value in (("a", 0.3), ("b<i>", 0.6))
        for suite, data, metric in (
            ("retrieval", name, "mrr@10"),
            ("robustness", name, "robustness.clean"),
            ("robustness", name, "robustness.score"),
            ("morphology", "söz", "morphology.accuracy.case"),
            ("morphology", "söz", "morphology.accuracy.vowel_drop"),
            ("morphology", "söz", "morphology.auc"),
        )
    ]
    rows.append(Measurement("a", "morphology", "söz", "morphology.accuracy.tense", None, 0, None, None))
    means = {"clean": 0.5, "value": 0.4, "delta": -0.1, "low": -0.2, "high": 0.0}
    counts = {"n": 8, "changed": 8, "queries": 9, "lost": 2, "won": 1}
    typed = [Perturbed("a", name, "mrr@10", "ascii", **means, **counts)]  # type: ignore[arg-type]
    data = [dataset(name, "tr"), dataset("söz", "tr")]
    part = Part(models=models, datasets=data, measurements=rows, robustness=typed)
    return assemble(RUN, [part], ["a", "b<i>", "gone"])


def test_there_is_a_picture_of_whatever_has_bounds() -> None:
    found = charts(report())
    assert sorted(found) == NAMES
    drawn = found["morphology-söz"].to_dict()
    values = drawn["data"]["values"]
    assert {(row["label"], row["model"]) for row in values} == {
        (label, model) for label in ("case", "vowel_drop") for model in ("a", "b<i>")
    }
    assert [row["value"] for row in values if row["model"] == "a"] == [0.3, 0.3]
    assert next((row["low"], row["high"]) for row in values if row["model"] == "a") == pytest.approx((0.2, 0.4))


def test_pictures_come_in_both_forms_and_show_names_as_text() -> None:
    drawn = pictures(report())
    assert sorted(drawn) == NAMES
    assert drawn["typed-tıp"].png.startswith(b"\x89PNG")
    picture = drawn["morphology-söz"].svg
    for text in ("vowel_drop", "case", "söz: accuracy by category of word form", "b&lt;i&gt;"):
        assert text in picture
    assert "gone" not in picture
    assert not re.findall(r"(?:href|src)=|url\(http", picture), "nothing is fetched"


def test_the_same_run_is_drawn_alike() -> None:
    one, two = pictures(report()), pictures(report())
    assert {name: picture.svg for name, picture in one.items()} == {name: two[name].svg for name in two}


def test_a_name_that_is_no_file_name_is_made_one() -> None:
    assert picture_name("typed", "a/b: ü") == "typed-a_b__ü"
    assert "typed-_etc_x" in charts(report("/etc/x"))


def test_pages_show_what_was_drawn_in_place_of_bars() -> None:
    found = report()
    plain, drawn = (language_pages(found, pictures)["language-tr.md"] for pictures in ((), charts(found)))
    assert "```text" in plain
    assert "![" not in plain
    assert "![söz](plots/morphology-söz.svg)" in drawn
    assert "![tıp](plots/typed-tıp.svg)" in drawn
    assert "```text" not in drawn


@pytest.mark.parametrize(("module", "name"), [("altair", "Altair"), ("vl_convert", "vl-convert")])
def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch, module: str, name: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"{name} is not installed.*pytest-embedeval\[report\]"):
        pictures(report())


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([(20.0, 0.6), (80.0, 0.1), (600.0, 0.4)], [True, False, True]),
        ([(1.0, 0.5), (1.0, 0.5)], [True, True]),
        ([(1.0, 0.5), (2.0, 0.5), (2.0, 0.4)], [False, True, False]),
        ([(1.0, 0.5)], [True]),
    ],
)
def test_the_front_is_what_no_other_model_beats(points: list[tuple[float, float]], front: list[bool]) -> None:
    assert pareto(points) == front


def test_speed_stands_against_quality_where_two_models_were_timed() -> None:
    found = report()
    rates = {"a": 100.0, "b<i>": 50.0}
    speed = [SpeedRow(model=alias, task="encode", texts_per_s=rate, rounds=3) for alias, rate in rates.items()]
    assert "speed-tıp" not in charts(found.model_copy(update={"speed": speed[:1]}))
    drawn = charts(found.model_copy(update={"speed": speed}))["speed-tıp"].to_dict()
    layers = drawn["layer"]
    scales = [layer["encoding"].get("x", {}).get("scale") for layer in layers]
    assert [scale["type"] for scale in scales if scale] == ["log", "log"], "of bounds and points, for all"
    front = next(layer for layer in layers if layer["mark"].get("type") == "line")["data"]["values"]
    assert [(row["model"], row["rate"], row["value"]) for row in front] == [("b<i>", 50.0, 0.6), ("a", 100.0, 0.3)]
    halves = [layer["data"]["values"][0] for layer in layers if layer["mark"].get("opacity") == 0.5]
    assert halves == [{"rate": pytest.approx(5_000**0.5)}, {"value": pytest.approx(0.45)}]
    names = [layer["mark"]["text"] for layer in layers if "text" in layer["mark"]]
    assert names == ["slow, but better", "fast and better", "slow and worse", "fast, but worse"]


def test_search_is_two_by_two_bars_from_zero() -> None:
    drawn = charts(report())["retrieval-tıp"].to_dict()
    assert drawn["columns"] == 2
    bars, bounds = drawn["spec"]["layer"]
    assert bars["mark"]["type"] == "bar"
    assert "scale" not in bars["encoding"]["x"], "bars begin at zero unless they are told otherwise"
    assert (bounds["encoding"]["x"]["field"], bounds["encoding"]["x2"]["field"]) == ("low", "high")


def test_the_radar_has_an_axis_for_each_aspect_from_chance_to_perfect() -> None:
    drawn = charts(report())["radar"].to_dict()
    line = next(layer for layer in drawn["layer"] if "order" in layer["encoding"] and "tooltip" in layer["encoding"])
    found = {(row["model"], row["axis"]): row["value"] for row in line["data"]["values"]}
    assert found["a", "search"] == 0.3
    assert found["a", "word forms"] == 0.0, "0.3 is below chance, 0.5"
    assert found["b<i>", "word forms"] == pytest.approx(0.2)
    assert len(line["data"]["values"]) == 8, "three axes and back to the first, of two models"
    assert drawn["title"]["subtitle"] == [
        "0 is chance, 1 a perfect score: (score - chance) / (1 - chance); below chance it is drawn at 0"
    ]


def test_a_model_without_an_axis_is_left_out_of_the_radar_in_words() -> None:
    found = report()
    found.models.append(ModelInfo("bm25", "bm25", kind="lexical"))
    found.measurements.append(Measurement("bm25", "retrieval", "tıp", "mrr@10", 0.4, 9, 0.3, 0.5))
    drawn = charts(found)["radar"].to_dict()
    assert drawn["title"]["subtitle"][-1] == "not measured on all of them: bm25"
    few = [row for row in found.measurements if row.suite != "robustness"]
    assert "radar" not in charts(found.model_copy(update={"measurements": few})), "two axes are no area"


def test_slices_of_a_comparison_are_drawn_with_their_bounds() -> None:
    parts = [Slice("title", name, 40, -0.1, -0.2, 0.0, regressed=False) for name in ("kalp", "göz")]
    parts.append(Slice("title", "few", 3, -0.1, None, None, regressed=False))
    compared = Comparison("a", "b<i>", "against", "retrieval", "tıp", "mrr@10", "x", "y", 83, 9, 1, None, parts, [])
    drawn = charts(report().model_copy(update={"comparisons": [compared]}))[
        "slices-retrieval-mrr_10-against-tıp"
    ].to_dict()
    rows = next(layer for layer in drawn["layer"] if "x2" in layer["encoding"])
    values = (drawn.get("data") or rows["data"])["values"]
    assert [(row["label"], row["value"], row["low"], row["high"]) for row in values] == [
        ("title=kalp", -0.1, -0.2, 0.0),
        ("title=göz", -0.1, -0.2, 0.0),
    ]
    assert drawn["title"]["text"] == "tıp: change of mrr@10 by slice, beside b<i>"


def test_a_curve_over_alpha_is_drawn_for_all_queries_alone() -> None:
    rows = [
        FusionRow("a", "tıp", "mrr@10", fusion, alpha, queries, 9, 0.5, 0.4, 0.6)
        for fusion, alpha, queries in (
            ("weighted", 0.0, "all"),
            ("weighted", 1.0, "all"),
            ("weighted", 0.5, "held out"),
            ("rrf", None, "all"),
        )
    ]
    drawn = charts(report().model_copy(update={"fusion": rows}))["hybrid-tıp"].to_dict()
    assert [row["alpha"] for row in drawn["data"]["values"]] == [0.0, 1.0]
