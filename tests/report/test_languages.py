"""Pages by language: what was found, with n and bounds; foreign text stays text."""

from __future__ import annotations

import pytest

from pytest_embedeval.gate import Measurement, Perturbed, QueryChange
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report import DatasetRow, Part, Report, assemble
from pytest_embedeval.report.languages import language_pages
from tests.report.test_gather import RUN


def dataset(name: str, language: str | None) -> DatasetRow:
    return DatasetRow(name=name, fingerprint="sha256:0", language=language, queries=9, documents=3, judgements=9)


def measured(suite: str, data: str, metric: str, value: float | None = 0.5, model: str = "a") -> Measurement:
    return Measurement(model, suite, data, metric, value, 9, None if value is None else value - 0.1, 0.75)


def report(*rows: Measurement, typed: tuple[Perturbed, ...] = (), data: tuple[DatasetRow, ...] = ()) -> Report:
    models = [ModelInfo("a", "python"), ModelInfo("b", "python"), ModelInfo("gone", "x", error="missing")]
    part = Part(models=models, datasets=list(data), measurements=list(rows), robustness=list(typed))
    return assemble(RUN, [part], ["a", "b", "gone"])


def perturbed(text: str = "akciger", high: float = -0.01) -> Perturbed:
    largest = (QueryChange("q", text, 1.0, 0.5),)
    numbers = {"clean": 0.5, "value": 0.4, "delta": -0.1, "low": -0.2, "high": high}
    return Perturbed(
        "a", "tıp", "mrr@10", "ascii", **numbers, n=8, changed=8, queries=9, lost=2, won=1, largest=largest
    )


def test_there_is_a_page_for_each_language_that_was_asked() -> None:
    data = (dataset("tıp", "tr-TR"), dataset("recht", "de"), dataset("law", "en"), dataset("other", None))
    rows = (
        measured("robustness", "tıp", "robustness.clean"),
        measured("morphology", "recht", "morphology.auc"),
        measured("retrieval", "law", "mrr@10"),
        measured("robustness", "other", "robustness.clean"),
    )
    pages = language_pages(report(*rows, data=data, typed=(perturbed(),)))
    assert list(pages) == ["language-de.md", "language-tr.md"]
    assert pages["language-de.md"].startswith("# German\n")


def test_losses_have_bounds_n_and_a_star_where_they_are_shown() -> None:
    rows = [measured("robustness", "tıp", "robustness.clean")]
    for high, star in ((-0.01, "\\*"), (0.05, "")):
        (page,) = language_pages(report(*rows, data=(dataset("tıp", "tr"),), typed=(perturbed(high=high),))).values()
        signed = f"{high:+.3f}".replace("-", "−")
        assert f"| ascii | 8 | −0.100{star} [−0.200, {signed}] |" in page
        assert "| as written | 9 | 0.500 [0.40, 0.75] |" in page


def test_word_forms_have_a_table_and_bars_by_category() -> None:
    rows = [
        measured("morphology", "söz", metric, value, model)
        for model, value in (("a", 0.25), ("b", 0.75))
        for metric in (
            "morphology.similarity",
            "morphology.auc",
            "morphology.accuracy.case",
            "morphology.versus.harmony",
        )
    ]
    (page,) = language_pages(report(*rows, data=(dataset("söz", "tr"),))).values()
    assert "| similarity | 9 | 0.250 [0.15, 0.75] | 0.750 [0.65, 0.75] |" in page
    assert "| case | 9 | 0.250 " in page
    bars = f"case  a  {'█' * 6}{'·' * 18} 0.25\n      b  {'█' * 18}{'·' * 6} 0.75\n"
    assert bars in page
    assert "gone" not in page


def test_what_was_not_measured_is_a_dash() -> None:
    rows = [measured("similarity", "s", "similarity.spearman", None), measured("similarity", "s", "similarity.pearson")]
    (page,) = language_pages(report(*rows, data=(dataset("s", "tr"),))).values()
    assert "| spearman | 9 | – |" in page


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "a | b", "[x](http://evil) @someone", "`code`\nnew"])
def test_queries_are_shown_as_text(text: str) -> None:
    row = measured("robustness", "tıp", "robustness.clean")
    (page,) = language_pages(report(row, data=(dataset("tıp", "tr"),), typed=(perturbed(text),))).values()
    (line,) = (line for line in page.splitlines() if line.startswith("- ascii: "))
    assert line.count("<") == line.count("<code>") + line.count("</code>") == 2
    for markup in ("<script>", " | ", "](", "@s", "`"):
        assert markup not in line


def test_nothing_is_said_of_runs_without_such_suites() -> None:
    assert language_pages(report(measured("retrieval", "tıp", "mrr@10"), data=(dataset("tıp", "tr"),))) == {}


def test_no_category_ends_the_block_of_bars() -> None:
    row = measured("morphology", "söz", "morphology.accuracy.```")
    (page,) = language_pages(report(row, data=(dataset("söz", "tr"),))).values()
    assert [line for line in page.splitlines() if line.startswith("```")] == ["```text", "```"]
