"""Baseline files: what stands in them, what they refuse, and what an update makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_embedeval import evaluate_morphology, evaluate_retrieval, load_dataset, load_model, load_words
from pytest_embedeval.errors import BaselineError
from pytest_embedeval.gate import (
    Baseline,
    Place,
    Result,
    Terms,
    baseline_path,
    compare,
    load_baseline,
    merged,
    plan_update,
)
from pytest_embedeval.metrics import Measured, Scores
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.settings import Rule
from tests.conftest import letters
from tests.gate.test_results import DATA, kept

SMALL = kept(
    {"mrr@10": [1 / 3, 1.0], "recall@10": [1.0, 1.0]},
    ["ağrı", "ışık"],
    top={"ağrı": ["d2", "d1"]},
    fields={"ağrı": {"category": "göğüs"}},
    tests=["suites/test_retrieval.py::test_retrieval"],
)
TEXT = """\
{
  "alias": "prod",
  "results": {
    "retrieval/medical": {
      "columns": ["mrr@10", "recall@10"],
      "dataset": {"fingerprint": "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
      "metrics": {
        "mrr@10": {"n": 2, "value": 0.666667},
        "recall@10": {"n": 2, "value": 1.0}
      },
      "model": {"dimension": 384, "source": "org/model"},
      "parameters": {"level": 1},
      "queries": {
        "ağrı": {"fields": {"category": "göğüs"}, "scores": [0.333333, 1.0], "top": ["d2", "d1"]},
        "ışık": {"scores": [1.0, 1.0]}
      },
      "tests": ["suites/test_retrieval.py::test_retrieval"]
    }
  },
  "schema_version": 1
}
"""


def stored(folder: Path, text: str, alias: str = "prod") -> Path:
    path = baseline_path(folder, alias)
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    """Return what is wrong with a file: one line that begins with it and ends with the mend."""
    with pytest.raises(BaselineError) as caught:
        load_baseline(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_the_file_reads_well() -> None:
    assert Baseline(alias="prod", results={"retrieval/medical": SMALL}).text() == TEXT


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    baseline = Baseline(alias="prod", results={"retrieval/medical": SMALL})
    assert load_baseline(stored(tmp_path, baseline.text())) == baseline


@pytest.fixture(scope="module")
def real(fixtures: Path) -> Baseline:
    """The stored scores of a real run on the data that the project ships."""
    model = load_model(letters)
    medical = load_dataset(fixtures / "turkish_medical_qa.json", language="tr")
    words = load_words(fixtures / "morphology_tr.tsv")
    scores = {
        "retrieval/medical": evaluate_retrieval(model, medical),
        "morphology/tr": evaluate_morphology(model, words),
    }
    return Baseline(
        alias="letters",
        results={place: Result.of(found, model.info, language="tr") for place, found in scores.items()},
    )


def test_a_real_run_is_read_again(real: Baseline, tmp_path: Path) -> None:
    assert load_baseline(stored(tmp_path, real.text(), "letters")) == real


def test_each_query_has_a_line(real: Baseline) -> None:
    """A change of one query is a change of one line."""
    lines = real.text().split("\n")
    for result in real.results.values():
        for identity, query in result.queries.items():
            name = json.dumps(identity, ensure_ascii=False)
            (line,) = (line for line in lines if line.startswith(f"        {name}: "))
            assert json.loads(line.strip().rstrip(",").removeprefix(f"{name}: "))["scores"] == query.scores


def test_keys_are_sorted_throughout(real: Baseline) -> None:
    unsorted: list[list[str]] = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if names != sorted(names):
            unsorted.append(names)
        return dict(pairs)

    json.loads(real.text(), object_pairs_hook=note)
    assert unsorted == []


def test_the_same_scores_make_the_same_text(real: Baseline, tmp_path: Path) -> None:
    again = load_baseline(stored(tmp_path, real.text(), "letters"))
    backwards = Baseline(alias="letters", results=dict(reversed(real.results.items())))
    assert real.text() == again.text() == backwards.text()
    assert real.text().endswith("\n}\n")


def test_letters_stay_readable() -> None:
    text = Baseline(alias="prod", results={"retrieval/tıp": kept({"mrr@10": [1.0]}, ["İçgüdü?"])}).text()
    assert '"retrieval/tıp"' in text
    assert '"İçgüdü?"' in text
    assert "\\u" not in text


@pytest.mark.parametrize(
    "identity", ["scores", 'a "quoted" one', "back\\slash", "line\nbreak", "tab\t", "{}", "", "\x85 "]
)
def test_ids_of_any_kind_have_a_line_of_their_own(identity: str, tmp_path: Path) -> None:
    baseline = Baseline(alias="prod", results={"retrieval/medical": kept({"mrr@10": [1.0, 0.5]}, [identity, "other"])})
    path = stored(tmp_path, baseline.text())
    assert load_baseline(path) == baseline
    (other,) = (line for line in baseline.text().split("\n") if line.strip().startswith('"other"'))
    assert other.strip().rstrip(",") == '"other": {"scores": [0.5]}'


def test_a_rerun_differs_nowhere(tmp_path: Path) -> None:
    """Kept scores are rounded, and so are those that are compared with them."""
    scores = np.random.default_rng(0).random(200)
    first = Baseline(alias="prod", results={"retrieval/medical": kept({"mrr@10": scores.tolist()})})
    again = kept({"mrr@10": (scores + 1e-12).tolist()})
    before = load_baseline(stored(tmp_path, first.text())).results["retrieval/medical"]
    place = Place("prod", "retrieval", "medical", "prod", "baseline")
    ((verdict,), _) = compare(again, before, place, terms=Terms())
    assert (verdict.differ, verdict.delta, verdict.state) == (0, 0.0, "pass")


def test_an_empty_baseline_is_one_too(tmp_path: Path) -> None:
    baseline = Baseline(alias="prod")
    assert load_baseline(stored(tmp_path, baseline.text())) == baseline


_EDITS: dict[str, tuple[Callable[[str], str], str]] = {
    "NaN": (lambda text: text.replace("0.666667", "NaN"), "holds NaN, which is no score"),
    "infinity": (lambda text: text.replace("0.666667", "-Infinity"), "holds -Infinity, which is no score"),
    "beyond a float": (
        lambda text: text.replace("0.666667", "1e999"),
        "metrics.mrr@10.value: Input should be a finite",
    ),
    "NaN of a query": (lambda text: text.replace("0.333333", "NaN"), "holds NaN, which is no score"),
    "truncated": (lambda text: text[:500], "not valid JSON"),
    "empty": (lambda text: "", "line 1: not valid JSON"),
    "conflict": (
        lambda text: text.replace('      "tests"', '<<<<<<< HEAD\n      "tests"'),
        "line 17: not valid JSON",
    ),
    "no object": (lambda text: f"[{text}]", "the file: Input should be a valid dictionary"),
    "deep": (lambda text: "[" * 100_000, "recursion"),
    "older": (lambda text: text.replace('version": 1', 'version": 0'), "schema_version: Input should be 1"),
    "unknown key": (
        lambda text: text.replace('"alias"', '"extra": 1, "alias"'),
        "extra: Extra inputs are not permitted",
    ),
    "unknown key of a result": (
        lambda text: text.replace('"columns"', '"colums": [], "columns"'),
        "results.retrieval/medical.colums: Extra inputs are not permitted",
    ),
    "missing key": (
        lambda text: text.replace('"source": "org/model"', '"kind": "dense"'),
        "results.retrieval/medical.model.source: Field required",
    ),
    "edited value": (
        lambda text: text.replace("0.666667", "0.9"),
        "results.retrieval/medical: Value error, metrics.mrr@10.value is 0.9, and the mean of its scores 0.666667",
    ),
    "edited query": (
        lambda text: text.replace("0.333333", "0.5"),
        "metrics.mrr@10.value is 0.666667, and the mean of its scores 0.75",
    ),
    "removed query": (
        lambda text: text.replace(',\n        "ışık": {"scores": [1.0, 1.0]}', ""),
        "metrics.mrr@10.n is 2, and 1 queries have a score",
    ),
    "text for a score": (
        lambda text: text.replace("0.333333", '"high"'),
        "queries.ağrı.scores.0: Input should be a valid",
    ),
}


@pytest.mark.parametrize(("edit", "problem"), _EDITS.values(), ids=_EDITS)
def test_a_damaged_file_is_named_with_its_place_and_the_mend(
    edit: Callable[[str], str], problem: str, tmp_path: Path
) -> None:
    assert edit(TEXT) != TEXT
    message = refusal(stored(tmp_path, edit(TEXT)))
    assert problem in message
    assert message.endswith("restore it from version control, or delete it and run with --embedeval-update-new")


def test_a_newer_file_asks_for_an_upgrade(tmp_path: Path) -> None:
    message = refusal(
        stored(tmp_path, TEXT.replace('version": 1', 'version": 2').replace('"alias"', '"names": [], "alias"'))
    )
    assert message == (
        "written by a newer pytest-embedeval (schema 2, this one reads 1); upgrade: pip install -U pytest-embedeval"
    )


def test_a_file_under_another_name_is_refused(tmp_path: Path) -> None:
    """Copied by hand, it would be compared as if its scores were those of the other alias."""
    message = refusal(stored(tmp_path, TEXT, "next"))
    assert message == (
        "holds the baseline of 'prod', whose file is prod.json; to make these the scores of 'next', write that alias "
        "into it"
    )


@pytest.mark.parametrize("alias", ["v1.5", "a+b_c-d", "..", "x.json"])
def test_an_alias_with_dots_has_its_file(alias: str, tmp_path: Path) -> None:
    baseline = Baseline(alias=alias, results={"retrieval/medical": SMALL})
    assert load_baseline(stored(tmp_path, baseline.text(), alias)) == baseline


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = baseline_path(tmp_path, "prod")
    path.write_bytes(TEXT.encode("iso8859-9"))
    assert refusal(path).startswith("cannot be read: 'utf-8' codec")


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    baseline_path(tmp_path, "prod").mkdir()
    assert refusal(baseline_path(tmp_path, "prod")).startswith("cannot be read: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(baseline_path(tmp_path, "prod")) == "no such file"


def plan(
    after: Mapping[str, list[float]],
    before: Mapping[str, list[float]] | None,
    rules: Mapping[str, Rule] | None = None,
    **how: bool,
) -> tuple[str, str, bool]:
    """Return step, line, and whether the new scores are written."""
    entry = plan_update(
        "retrieval/medical", kept(after), kept(before) if before is not None else None, rules or {}, **how
    )
    assert entry.place == "retrieval/medical"
    return entry.step, entry.line, entry.goes_in


OLD = {"mrr@10": [0.5, 0.5], "recall@10": [1.0, 1.0]}
BETTER = {"mrr@10": [0.5, 1.0], "recall@10": [0.0, 0.0]}
WORSE = {"mrr@10": [0.5, 0.4], "recall@10": [1.0, 1.0]}


def test_missing_scores_are_new() -> None:
    for only_new in (False, True):
        assert plan(OLD, None, only_new=only_new) == ("new", "mrr@10 0.5000", True)


def test_better_scores_are_written_whatever_advisory_metrics_do() -> None:
    assert plan(BETTER, OLD) == ("written", "mrr@10 0.5000 → 0.7500", True)


def test_worse_scores_are_written_only_when_accepted() -> None:
    assert plan(WORSE, OLD) == ("worse", "mrr@10 0.5000 → 0.4500", False)
    assert plan(WORSE, OLD, accept_worse=True) == ("written", "mrr@10 0.5000 → 0.4500", True)


def test_the_same_scores_are_unchanged() -> None:
    assert plan(OLD, OLD) == ("unchanged", "mrr@10 0.5000 → 0.5000", True)


def test_other_scores_of_the_same_mean_are_written() -> None:
    assert plan({**OLD, "mrr@10": [0.25, 0.75]}, OLD) == ("written", "mrr@10 0.5000 → 0.5000", True)


def test_stored_scores_are_kept_where_only_new_ones_are_asked_for() -> None:
    for after in (OLD, BETTER, WORSE):
        assert plan(after, OLD, only_new=True) == ("kept", "stored already", False)


def test_a_suite_without_a_primary_metric_is_stored_all_the_same() -> None:
    low, high = (kept({"silhouette.kmeans": [value] * 2}, bounds=(-1.0, 1.0)) for value in (0.1, 0.2))
    for before, step in ((None, "new"), (low, "unchanged"), (high, "written")):
        entry = plan_update("clustering/medical", low, before, {})
        assert (entry.step, entry.line, entry.goes_in) == (step, "scores", True)


def test_marked_metrics_decide_what_is_worse() -> None:
    rules = {"recall@10": Rule(primary=True)}
    assert plan(BETTER, OLD, rules) == ("worse", "recall@10 1.0000 → 0.0000", False)
    both = {"mrr@10": Rule(primary=True), **rules}
    assert plan(BETTER, OLD, both) == ("worse", "mrr@10 0.5000 → 0.7500, recall@10 1.0000 → 0.0000", False)


def test_a_primary_score_that_is_gone_is_worse() -> None:
    """Else a run with NaN would quietly take the gate out of the file."""
    without = {"recall@10": [1.0, 1.0]}
    assert plan(without, OLD) == ("worse", "mrr@10 0.5000 → not measured", False)
    assert plan(without, OLD, accept_worse=True) == ("written", "mrr@10 0.5000 → not measured", True)
    rules = {"mrr@10": Rule(primary=True), "recall@10": Rule(primary=True)}
    assert plan(without, OLD, rules)[1] == "mrr@10 0.5000 → not measured, recall@10 1.0000 → 1.0000"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"data": "sha256:other"}, "the data has changed: sha256:other now, sha256:0123456789ab in the reference"),
        ({"parameters": {"level": 2}}, "the parameter level has changed: 2 now, 1 in the reference"),
    ],
    ids=["data", "parameters"],
)
def test_scores_on_other_data_are_written_and_say_so(other: dict[str, Any], said: str) -> None:
    entry = plan_update("retrieval/medical", kept(WORSE, **other), kept(OLD), {})
    assert (entry.step, entry.goes_in) == ("written", True)
    assert entry.line.startswith("mrr@10 0.5000 → 0.4500 (")
    assert said in entry.line


def test_scores_that_fell_by_a_rounding_error_did_not_fall() -> None:
    value = Measured(0.500001, 2)
    low, high = (
        Result.of(Scores("triplets", "medical", "prod", {"triplet.accuracy": found}, DATA), ModelInfo("prod", "x"))
        for found in (Measured(0.5, 2), value)
    )
    assert plan_update("triplets/medical", low, high, {}).step == "written"


def test_merging_replaces_what_has_the_same_name_and_keeps_the_rest() -> None:
    one, two, three = (kept({"mrr@10": [value]}) for value in (0.1, 0.2, 0.3))
    before = Baseline(alias="prod", results={"retrieval/a": one, "retrieval/b": one})
    after = merged(before, "prod", {"retrieval/b": two, "retrieval/c": three})
    assert after.results == {"retrieval/a": one, "retrieval/b": two, "retrieval/c": three}
    assert before.results == {"retrieval/a": one, "retrieval/b": one}
    assert merged(None, "next", {"retrieval/b": two}) == Baseline(alias="next", results={"retrieval/b": two})
