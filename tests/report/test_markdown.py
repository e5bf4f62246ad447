"""The summary as GitHub renders it: what it says, and that no text of the data can be anything but text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser

import pytest

from pytest_embedeval.datasets import Finding
from pytest_embedeval.gate import Comparison, Cost, Excerpts, Measurement, Place, Result, Terms, Verdict, compare
from pytest_embedeval.gate.results import JudgedData, JudgedModel, KeptMetric, KeptQuery
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report import DatasetRow, Report, failure_line
from pytest_embedeval.report.markdown import escaped, markdown_lines
from pytest_embedeval.report.schema import Git, Run
from pytest_embedeval.settings import Rule

markdown_it = pytest.importorskip("markdown_it")

RENDERER = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"])
NOT_SEEN = re.compile("[\u200b\u2068\u2069]")

FOREIGN = [
    "<script>alert(1)</script>",
    "a | b || c",
    "`code` and ``` and ``",
    "tıkla](javascript:alert(1)) [x](http://evil.example)",
    "![x](http://evil.example/pixel.png) <img src=x onerror=alert(1)>",
    "first\nsecond\r\n\n# heading\n- item",
    "</code></details></summary><!-- hidden",
    "**bold** _it_ ~~gone~~ \\| \\",
    "@octocat and @org/team, write to doctor@hospital.example",
    "see https://evil.example or www.evil.example, HTTP://x.y and WWW.x.y",
    "thanks (@42), fixes #12",
    "&lt;b&gt; &#64;octocat &amp;copy;",
    "$x^2$ and $$ and [^1] and {{ secrets }}",
]


def test_a_sentence_says_what_became_of_each_model() -> None:
    verdicts = [
        _verdict("good", "pass", "fine"),
        _verdict("better", "pass", "rose", change="improved"),
        _verdict("bad", "fail", "mrr@10 0.3000 is below the minimum 0.4"),
        _verdict("open", "pass", "fine"),
        _verdict("open", "inconclusive", "neither shown nor refuted", metric="recall@10"),
    ]
    models = [ModelInfo(alias, alias) for alias in ("good", "better", "bad", "open", "seen")]
    models.append(ModelInfo("gone", "./gone", error="there is no folder\n./gone"))
    assert _text(_report(models, verdicts)).splitlines()[:8] == [
        "pytest-embedeval: 2 of 6 models fail",
        "✅ good passes 1 rule",
        "✅ better passes 1 rule; improved mrr@10 of retrieval/medical",
        "❌ bad fails on mrr@10 of retrieval/medical",
        "retrieval/medical: mrr@10 0.3000 is below the minimum 0.4",
        "⚠️ open passes; 1 of 2 rules inconclusive",
        "➖ seen was measured; no rule judges it",
        "❌ gone (./gone) could not be loaded: there is no folder ./gone",
    ]


def test_a_model_without_a_row_is_not_forgotten() -> None:
    assert "❌ late fails on mrr@10 of retrieval/medical" in _text(
        _report([], [_verdict("late", "error", "no scores")])
    )


def test_an_inconclusive_verdict_is_a_warning() -> None:
    report = _report([ModelInfo("a", "a")], [_verdict("a", "inconclusive", "about 569 would settle it")])
    lines = list(markdown_lines(report))
    start = lines.index("> [!WARNING]")
    assert lines[start + 2] == "> - a, retrieval/medical: about 569 would settle it"


def test_warnings_of_the_run_are_told() -> None:
    report = _report([ModelInfo("a", "a")], [])
    report.warnings.append("vector store: <b>locked</b>")
    lines = list(markdown_lines(report))
    assert lines[lines.index("> [!WARNING]") + 1] == "> - vector store: &#60;b&#62;locked&#60;/b&#62;"


def test_variants_stand_in_a_table_with_what_they_cost() -> None:
    report = _report([ModelInfo("b", "b")], [])
    place = ("b", "retrieval", "medical", "mrr@10", "int8")
    report.costs.append(Cost(*place, 0.6, 0.65, -0.05, -0.075, 0.01, 1200, 24, 384, 1536, 60.4, 60.4))
    (table,) = _tables(report)
    assert table[0] == ["Variant", "Suite/data", "Metric", "Whole → variant", "Δ", "One-sided 95 %", "Bytes", "Texts/s"]
    assert table[1] == [
        "b (int8)",
        "retrieval/medical",
        "mrr@10",
        "0.6500 → 0.6000",
        "−0.0500",
        "−0.0750 … +0.0100",
        "1,536 → 384",
        "60 → 60",
    ]


def test_what_informs_only_is_left_to_the_report() -> None:
    verdicts = [
        _verdict("a", state, "informs only", change="regressed", reference="prod", advisory=True)
        for state in ("fail", "inconclusive")
    ]
    text = _text(_report([ModelInfo("a", "a")], verdicts))
    assert "informs only" not in text
    assert "Comparisons" not in text
    assert "no failure" in text


def test_scores_stand_in_one_table_per_data_set() -> None:
    measurements = [
        Measurement("a", "retrieval", "medical", "mrr@10", 0.3754, 12),
        Measurement("a", "retrieval", "medical", "encode_s", 9.0, 12),
        Measurement("a", "retrieval", "medical", "recall@3", 0.5, 12),
        Measurement("a", "retrieval", "medical", "recall@7", 0.25, 12),
        Measurement("b", "retrieval", "medical", "mrr@10", None, 12),
        Measurement("b", "clustering", "medical", "silhouette.label", -0.0491, 12),
        Measurement("a", "own", "forms", "first", 0.1, 12),
    ]
    models = [ModelInfo(alias, alias) for alias in "ab"]
    report = _report(models, [_verdict("a", "pass", "fine", metric="recall@7")], measurements, ["forms", "medical"])
    assert _tables(report)[:2] == [
        [["Model", "first"], ["a", "0.100"], ["b", "–"]],
        [
            ["Model", "mrr@10", "silhouette.label", "recall@7"],
            ["a", "0.375", "–", "0.250"],
            ["b", "–", "−0.049", "–"],
        ],
    ]


def test_the_articles_protocol_is_named() -> None:
    finding = Finding("article-protocol", 1, "scored by the article's protocol")
    measured = [Measurement("a", "retrieval", "medical", "mrr@10", 0.1, 1)]
    report = _report([ModelInfo("a", "a")], [], measured)
    report.datasets[0].findings.append(finding)
    assert "scored by the article's protocol" in _text(report)


def test_the_table_of_comparisons_holds_the_numbers_of_the_gate() -> None:
    """The reference values of an unchanged run of 150 queries, and a drop of a half on 40 of 150."""
    same, worse = _compared([1.0] * 150, [1.0] * 150), _compared([1.0] * 150, [0.5] * 40 + [1.0] * 110)
    assert _tables(same)[-1][1:] == [
        [
            "next",
            "retrieval/medical",
            "mrr@10",
            "against prod",
            "1.0000 → 1.0000",
            "+0.0000",
            "−0.0198 … +0.0198",
            "150 (0)",
            "pass, non-inferior",
        ]
    ]
    low, high = worse.verdicts[0].low, worse.verdicts[0].high
    assert low is not None
    assert high is not None
    row = next(table for table in _tables(worse) if table[0][0] == "Model")[1]
    interval = f"{low:+.4f} … {high:+.4f}".replace("-", "−")
    assert row[4:] == ["1.0000 → 0.8667", "−0.1333", interval, "150 (40)", "fail, regressed"]


def test_a_missing_baseline_has_its_row() -> None:
    verdict = _verdict("a", "error", "no baseline of a", rule="baseline", reference="a", value=0.5, bound=None)
    assert _tables(_report([ModelInfo("a", "a")], [verdict]))[-1][1][3:] == [
        "baseline",
        "– → 0.5000",
        "–",
        "–",
        "–",
        "error",
    ]


def test_the_values_of_all_queries_are_not_given_for_a_slice() -> None:
    verdict = _verdict("a", "fail", "fell", reference="prod", delta=-0.4, n=31, change="regressed", slice="field=kalp")
    row = _tables(_report([ModelInfo("a", "a")], [verdict]))[-1][1]
    assert (row[2], row[4], row[7]) == ("mrr@10, field=kalp", "–", "31")


def test_a_comparison_that_an_update_made_advisory_is_shown_as_such() -> None:
    report = _compared([1.0] * 40, [0.5] * 40)
    (verdict,) = (row for row in report.verdicts if not row.advisory)
    given = {name: getattr(verdict, name) for name in verdict.__dataclass_fields__}
    report.verdicts[:] = [Verdict(**{**given, "advisory": True})]
    assert _tables(report)[-1][1][-1] == "fail, regressed, advisory"
    assert "<details>" not in "\n".join(markdown_lines(report))


def test_a_failed_comparison_shows_its_lost_queries_folded() -> None:
    report = _compared([*[1.0] * 39, 0.5], [0.5, 0.0, *[1.0] * 30, *[0.2] * 7, 1.0], tops=True)
    lines = list(markdown_lines(report))
    summary = "next, mrr@10 of retrieval/medical against prod: 9 lost, 1 won of 40"
    assert f"<details><summary>{summary}</summary>" in lines
    assert lines[-3] == "</details>"
    (table,) = (table for table in _tables(report) if table[0][0] == "Lost query")
    assert table[0] == ["Lost query", "Rank", "Now first"]
    assert table[1] == ["query 1?", "1 → –", "d9: Another passage."]
    assert table[2:] == [
        *([f"query {number}?", "1 → 5", "d9: Another passage."] for number in range(32, 39)),
        ["query 0?", "1 → 2", "d9: Another passage."],
    ]
    assert "before: old-model" in _text(report)
    assert "0% of the first ten documents are the same" in _text(report)


def test_only_slices_that_regressed_are_named() -> None:
    report = _compared([1.0] * 80, [*[0.0] * 40, *[1.0] * 40], fields=["kalp"] * 40 + ["göz"] * 40)
    text = _text(report)
    assert "regressed in field=kalp: −1.0000, n = 40" in text
    assert "field=göz" not in text


def test_without_ranks_the_scores_of_lost_queries_are_shown() -> None:
    report = _compared([1.0] * 40, [0.25] * 40, metric="accuracy", suite="own")
    (table,) = (table for table in _tables(report) if table[0][0] == "Lost query")
    assert table[:2] == [["Lost query", "Score"], ["query 0?", "1 → 0.25"]]


def test_only_the_first_twenty_lost_queries_are_quoted() -> None:
    report = _compared([1.0] * 40, [0.5] * 27 + [1.0] * 13)
    (table,) = (table for table in _tables(report) if table[0][0] == "Lost query")
    assert len(table) == 21
    assert "… 7 more in report.json" in _text(report)
    exactly = _compared([1.0] * 40, [0.5] * 20 + [1.0] * 20)
    assert "more in report.json" not in _text(exactly)


def test_a_comparison_that_passes_is_not_explained() -> None:
    assert "<details>" not in "\n".join(markdown_lines(_compared([1.0] * 150, [1.0] * 150)))


def test_faults_of_the_run_are_listed_unless_they_are_verdicts() -> None:
    verdict = _verdict("a", "fail", "fell", reference="prod", rule="against")
    report = _report([ModelInfo("a", "a")], [verdict])
    text = _text(report, [failure_line(verdict), "b: no test of it ran; it is not judged"])
    assert text.count("fell") == 1
    assert "❌ b: no test of it ran; it is not judged" in text
    alone = _text(_report([ModelInfo("a", "a")], []), ["b: no test of it ran"])
    assert alone.splitlines()[0] == "pytest-embedeval: the run fails"


@pytest.mark.parametrize("text", FOREIGN)
def test_foreign_text_is_shown_and_never_becomes_markup(text: str) -> None:
    """Wherever it stands: query, document, id, name of a data set, slice, reason, error of an encoder."""
    page, plain = (_page(_foreign(given)) for given in (text, "text"))
    assert page.tags == plain.tags
    shown = " ".join(text.split())
    assert page.text.count(shown) == plain.text.count("text")


@pytest.mark.parametrize("text", FOREIGN)
def test_foreign_text_is_no_link_and_mentions_nobody(text: str) -> None:
    """GitHub makes links of plain text after Markdown is done, so the rendered text must not hold one."""
    page = _page(_foreign(text), as_seen=False)
    assert not re.search(r"(^|\W)@\w|\w@[\w-]+\.\w|https?://|www\.", page.text, re.IGNORECASE)
    assert not re.search(r"#\d", page.outside_code)


def test_names_of_metrics_can_be_copied() -> None:
    assert escaped("mrr@10 0.3 is below the minimum, recall@5.") == "mrr@10 0.3 is below the minimum, recall@5."


def test_a_long_text_is_cut() -> None:
    assert escaped("uzun " * 1000, width=12) == "uzun uzun u…"
    page = _page(_foreign("ş" * 100_000))
    assert len(page.text) < 10_000


def test_right_to_left_text_stays_within_itself() -> None:
    shown = escaped("\u202eألم في الصدر\u2066")
    assert shown == "\u2068ألم في الصدر\u2069"


def test_emoji_and_turkish_letters_stay_whole() -> None:
    assert escaped("👩‍⚕️ 🫀 ığdır İĞÖŞÜÇ") == "👩‍⚕️ 🫀 ığdır İĞÖŞÜÇ"


def test_what_utf8_cannot_hold_is_replaced() -> None:
    report = _foreign("half \ud83d of an emoji\x00\x1b[31m")
    assert "half ? of an emoji&#91;31m" in "\n".join(markdown_lines(report)).encode("utf-8").decode("utf-8")


class _Page(HTMLParser):
    """The elements and the text of a page, also without what stands in `<code>`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[object] = []
        self.text = ""
        self.outside_code = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attributes))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(tag)
        if tag in ("td", "th"):
            self.text += "\t"

    def handle_data(self, data: str) -> None:
        self.text += data
        if not self.tags or self.tags[-1] != ("code", []):
            self.outside_code += data

    def handle_comment(self, data: str) -> None:
        self.tags.append(f"comment {data}")


def _page(report: Report, faults: Sequence[str] = (), *, as_seen: bool = True) -> _Page:
    page = _Page()
    page.feed(RENDERER.render("\n".join(markdown_lines(report, faults))))
    page.close()
    if as_seen:
        page.text = NOT_SEEN.sub("", page.text)
    return page


def _text(report: Report, faults: Sequence[str] = ()) -> str:
    return re.sub(r"\n+", "\n", _page(report, faults).text).strip()


def _tables(report: Report) -> list[list[list[str]]]:
    """Return the cells of each table of the rendered page."""
    html = RENDERER.render("\n".join(markdown_lines(report)))
    found = []
    for table in re.findall(r"<table>.*?</table>", html, re.DOTALL):
        rows = []
        for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL):
            page = _Page()
            page.feed(row)
            page.close()
            rows.append([NOT_SEEN.sub("", cell).strip() for cell in page.text.split("\t")[:-1]])
        found.append(rows)
    return found


def _report(
    models: Sequence[ModelInfo],
    verdicts: Sequence[Verdict],
    measurements: Sequence[Measurement] = (),
    datasets: Sequence[str] = ("medical",),
    comparisons: Sequence[Comparison] = (),
) -> Report:
    settings: dict[str, str | int | float | list[str] | list[int] | None] = {"policy": "observed", "tolerance": 0.02}
    return Report(
        run=Run(started="2025-01-01", duration_s=1.0, git=Git(), versions={}, machine={}, settings=settings),
        models=list(models),
        datasets=[
            DatasetRow(name=name, fingerprint="f", language="tr", queries=12, documents=8, judgements=12)
            for name in datasets
        ],
        measurements=list(measurements),
        speed=[],
        verdicts=list(verdicts),
        comparisons=list(comparisons),
    )


def _verdict(model: str, state: str, reason: str, **others: object) -> Verdict:
    given = {"metric": "mrr@10", "rule": "against" if "reference" in others else "min", "value": 0.3, "bound": 0.4}
    return Verdict(model, "retrieval", "medical", state=state, reason=reason, **{**given, **others})  # type: ignore[arg-type]


def _compared(
    before: Sequence[float],
    after: Sequence[float],
    *,
    metric: str = "mrr@10",
    suite: str = "retrieval",
    dataset: str = "medical",
    texts: Mapping[str, str] | None = None,
    tops: bool = False,
    fields: Sequence[str] = (),
) -> Report:
    """Return the report of a comparison that the gate itself made; d0 is relevant, and d9 is what is found now."""
    ids = [f"q{number:03d}" for number in range(len(before))]
    old, new = (
        Result(
            model=JudgedModel(source=source),
            dataset=JudgedData(fingerprint="f"),
            metrics={metric: KeptMetric(value=round(sum(each) / len(each), 6), n=len(each))},
            columns=[metric],
            queries={
                identity: KeptQuery(scores=[score], top=[top] if tops else [], fields={"field": field})
                for identity, score, field in zip(ids, each, fields or [""] * len(ids), strict=True)
            },
        )
        for source, each, top in (("old-model", before, "d0"), ("new-model", after, "d9"))
    )
    quoted = texts or {"query": "query {}?", "document": "Another passage."}
    excerpts = Excerpts(
        dataset,
        {identity: quoted["query"].replace("{}", str(number)) for number, identity in enumerate(ids)},
        {"d9": quoted["document"]},
        {identity: ["d0"] for identity in ids},
    )
    place = Place("next", suite, dataset, "prod", "against")
    verdicts, comparisons = compare(
        new,
        old,
        place,
        terms=Terms(),
        rules={metric: Rule(primary=True)},
        by=["field"] if fields else [],
        excerpts=excerpts,
    )
    models = [ModelInfo("prod", "old-model"), ModelInfo("next", "new-model")]
    return _report(models, verdicts, [], [dataset], comparisons)


def _foreign(text: str) -> Report:
    """Return a report in which the text stands wherever a text can come from outside."""
    report = _compared([1.0] * 40, [0.5] * 40, dataset=text, texts={"query": text, "document": text}, tops=True)
    change = report.comparisons[0].queries[0]
    object.__setattr__(change, "above", text)
    report.comparisons[0].queries[1:] = []
    report.measurements.append(Measurement("next", "own", text, text, 0.5, 40))
    report.models.append(ModelInfo("gone", text, revision="main", error=text))
    report.verdicts.append(_verdict("next", "fail", text, reference=text, slice=text))
    report.verdicts.append(_verdict("next", "inconclusive", text, metric=text))
    report.costs.append(Cost("next", "own", text, text, text, 0.5, 0.5, 0.0, -0.1, 0.1, 40, 0))
    report.warnings.append(text)
    return report
