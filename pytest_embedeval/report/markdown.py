"""A run as GitHub-flavoured Markdown, for a pull-request comment or a step summary.

What data files, encoders and error messages say is foreign text: it is shown as it stands and never becomes markup, a
link, an image or a mention.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence

from pytest_embedeval.gate import Comparison, Cost, QueryChange, Verdict
from pytest_embedeval.memory import shown_size
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report.schema import DatasetRow, IndexRow, Report
from pytest_embedeval.report.standing import Standing
from pytest_embedeval.report.table import counted, failure_line

_MAIN = {
    "retrieval": ("mrr@10", "recall@1", "recall@5", "recall@10", "ndcg@10"),
    "triplets": ("triplet.accuracy", "triplet.accuracy.hard"),
    "clustering": ("silhouette.label", "v_measure"),
    "morphology": ("morphology.auc", "morphology.accuracy"),
    "robustness": ("robustness.score",),
    "crosslingual": ("crosslingual.score",),
    "similarity": ("similarity.spearman", "similarity.contrast"),
    "confusions": ("confusions.accuracy",),
}
_LISTED = 20  # lost queries of a comparison, reasons of a model, warnings
_TEXT_WIDTH = 120
_REASON_WIDTH = 300

# A pipe or a bracket that is written as a character reference is text at every stage of rendering. Links and mentions
# are made of plain text, so that a space without width has to part them; `mrr@10` is neither.
_REFERENCES = {ord(character): f"&#{ord(character)};" for character in "\u200b&<>`*_~|\\[]"}
_LINKED = re.compile(r"(?<!\w)@|@(?!\d+(?!\w|[.-]\w))|:(?=//)|www(?=\.)", re.IGNORECASE)
_ISSUE = re.compile(r"#(?=\d)")
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def markdown_lines(report: Report, faults: Sequence[str] = ()) -> Iterator[str]:
    """Yield the summary of a run: a sentence per model, scores per data set, comparisons, and what failed ones lost.

    Parameters
    ----------
    faults
        What failed the run as a whole. Those that are verdicts of the report as well are left out.
    """
    yield from _sentences(report, faults)
    yield from _warnings(report)
    for dataset in report.datasets:
        yield from _scores(report, dataset)
    yield from _comparisons(report)
    yield from _guide(report)
    yield from _costs(report)
    yield from _indexes(report)
    failed = {_key(verdict) for verdict in report.verdicts if verdict.blocks}
    for comparison in report.comparisons:
        if _key(comparison) in failed:
            yield from _explanation(comparison)
    terms = [f"{name} {report.run.settings[name]}" for name in ("policy", "tolerance") if name in report.run.settings]
    said = f"Judged by {', '.join(terms)}. " if terms else ""
    yield from ("", f"{said}All numbers: `report.json`. Tests without a gate are not judged here, but in the log.")


def other_faults(report: Report, faults: Sequence[str]) -> list[str]:
    """Return the faults that are no verdict of the report."""
    known = set(map(failure_line, report.verdicts))
    return [fault for fault in faults if fault not in known]


def escaped(text: str, width: int = _REASON_WIDTH) -> str:
    """Return foreign text as Markdown of one line that shows at most `width` characters of it.

    Control characters are dropped, those that reorder text among them; right-to-left text is isolated from what
    stands around it.
    """
    return _shown(_ISSUE.sub("#\u200b", text), width)


def quoted(text: str) -> str:
    """Return a text of the data as a quotation: in code, GitHub sees neither emoji names nor numbers of issues."""
    shown = _shown(text, _TEXT_WIDTH)
    return f"<code>{shown}</code>" if shown else "–"


def _shown(text: str, width: int) -> str:
    line = " ".join(_UNSEEN.sub("", text.encode("utf-8", "replace").decode("utf-8")).split())
    line = line if len(line) <= width else f"{line[: width - 1]}…"
    shown = _LINKED.sub("\\g<0>\u200b", line).translate(_REFERENCES)
    is_rtl = any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in line)
    return f"\u2068{shown}\u2069" if is_rtl else shown


def _sentences(report: Report, faults: Sequence[str]) -> Iterator[str]:
    models = {row.alias: row for row in report.models}
    aliases = dict.fromkeys([*models, *(row.model for row in report.verdicts)])
    failed = {row.model for row in report.verdicts if row.blocks} | {row.alias for row in report.models if row.error}
    others = other_faults(report, faults)
    if failed:
        head = f"{len(failed)} of {counted(len(aliases), 'model')} {'fails' if len(failed) == 1 else 'fail'}"
    else:
        head = "the run fails" if others else f"{counted(len(aliases), 'model')}, no failure"
    yield from (f"## pytest-embedeval: {head}", "")
    for alias in aliases:
        yield from _judged(alias, models.get(alias), [row for row in report.verdicts if row.model == alias])
    yield from (f"- ❌ {escaped(fault)}" for fault in others)


def _judged(alias: str, model: ModelInfo | None, verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yield the sentence on one model, and below it why each rule failed."""
    name = f"**{escaped(alias)}**{_source(model)}"
    standing = Standing.of(verdicts)
    said = standing.sentence(_rule)
    if model is not None and model.error:
        yield f"- ❌ {name} could not be {model.failed}: {escaped(model.error)}"
    if standing.failed:
        yield f"- ❌ {name} {said}"
        for verdict in standing.failed[:_LISTED]:
            yield f"  - {_place(verdict)}: {escaped(verdict.reason)}"
        yield from _more(len(standing.failed), "  - ")
    elif standing.deciding:
        yield f"- {'⚠️' if standing.unsure else '✅'} {name} {said}"
    elif model is not None and not model.error:
        yield f"- ➖ {name} {said}"


def _source(model: ModelInfo | None) -> str:
    if model is None or (model.source == model.alias and model.revision is None):
        return ""
    revision = f"@{model.revision[:12]}" if model.revision else ""
    return f" ({escaped(f'{model.source[:_TEXT_WIDTH]}{revision}')})"


def _warnings(report: Report) -> Iterator[str]:
    unsure = [verdict for verdict in report.verdicts if verdict.state == "inconclusive" and not verdict.advisory]
    if unsure:
        yield from ("", "> [!WARNING]", "> Inconclusive:")
        for verdict in unsure[:_LISTED]:
            yield f"> - {escaped(verdict.model)}, {_place(verdict)}: {escaped(verdict.reason)}"
        yield from _more(len(unsure), "> - ")
    if report.warnings:
        yield from ("", "> [!WARNING]")
        yield from (f"> - {escaped(warning)}" for warning in report.warnings[:_LISTED])
        yield from _more(len(report.warnings), "> - ")


def _scores(report: Report, dataset: DatasetRow) -> Iterator[str]:
    """Yield the table of one data set: a row per model, a column per main metric and per metric that is judged."""
    rows = [row for row in report.measurements if row.dataset == dataset.name]
    values = {(row.suite, row.metric, row.model): row.value for row in rows}
    measured = dict.fromkeys(key[:2] for key in values)
    judged = {(row.suite, row.metric) for row in report.verdicts if row.dataset == dataset.name and not row.advisory}
    main = [(suite, metric) for suite, metrics in _MAIN.items() for metric in metrics]
    wanted = [column for column in main if column in measured]
    wanted += [column for column in measured if column in judged and column not in main]
    columns = wanted or list(measured)[:3]
    if not columns:
        return
    facts = [f"{dataset.queries:,} queries", f"{dataset.documents:,} documents", *filter(None, [dataset.language])]
    facts += [finding.message for finding in dataset.findings if finding.kind == "article-protocol"]
    yield from ("", f"### {escaped(dataset.name)}", "", escaped("; ".join(facts)), "")
    body = [
        [escaped(model.alias), *(_number(values.get((*column, model.alias)), 3) for column in columns)]
        for model in report.models
    ]
    yield from table_of(["Model", *(escaped(metric) for _, metric in columns)], body, right=range(1, len(columns) + 1))


def _comparisons(report: Report) -> Iterator[str]:
    """Yield the table of the primary comparisons; the others are in report.json."""
    primary = {_key(comparison) for comparison in report.comparisons}
    shown = [row for row in report.verdicts if row.reference and (not row.advisory or _key(row) in primary)]
    if shown:
        titles = ("Model", "Suite/data", "Metric", "Rule", "Old → new", "Δ", "One-sided 95 %", "n (differ)", "State")
        yield from ("", "### Comparisons", "")
        yield from table_of(titles, map(_compared, shown), right=(5, 7))


def _compared(row: Verdict) -> list[str]:
    differ = "" if row.differ is None else f" ({row.differ:,})"
    state = f"**{row.state}**" if row.blocks else row.state
    change = "" if row.change in (None, row.state) else f", {row.change}"
    return [
        escaped(row.model),
        escaped(f"{row.suite}/{row.dataset}"),
        escaped(row.metric if row.slice is None else f"{row.metric}, {row.slice}"),
        "baseline" if row.rule == "baseline" else f"against {escaped(row.reference or '')}",
        # A slice has no values of its own: those of its verdict are the values of all queries.
        f"{_number(row.bound)} → {_number(row.value)}" if row.slice is None else "–",
        _signed(row.delta),
        "–" if row.low is None or row.high is None else f"{_signed(row.low)} … {_signed(row.high)}",
        "–" if row.n is None else f"{row.n:,}{differ}",
        f"{state}{change}{', advisory' if row.advisory else ''}",
    ]


def _guide(report: Report) -> Iterator[str]:
    """Yield what each scenario recommends; those that the run did not measure are in the page alone."""
    judged = [row for row in report.decisions if row.choices]
    if judged:
        yield from ("", "### Which one for what", "")
    for row in judged:
        cheaper = f" or **{escaped(row.cheapest)}**" if row.cheapest and row.cheapest != row.best else ""
        chosen = f"**{escaped(row.best)}**{cheaper}" if row.best else "nothing to recommend"
        yield f"- {escaped(row.title)}: {chosen}. {escaped(row.reason)}"


def _costs(report: Report) -> Iterator[str]:
    """Yield the table of what smaller vectors and other backends cost."""
    if report.costs:
        titles = ("Variant", "Suite/data", "Metric", "Whole → variant", "Δ", "One-sided 95 %", "Bytes", "Texts/s")
        yield from ("", "### Variants", "")
        yield from table_of(titles, map(_cost, report.costs), right=(4, 6, 7))


def _cost(row: Cost) -> list[str]:
    def change(whole: float | None, now: float | None, digits: int = 0) -> str:
        return "–" if whole is None or now is None else f"{whole:,.{digits}f} → {now:,.{digits}f}"

    return [
        escaped(f"{row.model} ({row.variant})"),
        escaped(f"{row.suite}/{row.dataset}"),
        escaped(row.metric),
        change(row.whole, row.value, 4),
        _signed(row.delta),
        f"{_signed(row.low)} … {_signed(row.high)}",
        change(row.whole_bytes_per_vector, row.bytes_per_vector),
        change(row.whole_texts_per_s, row.texts_per_s),
    ]


def _indexes(report: Report) -> Iterator[str]:
    """Yield the table of approximate indexes beside exact search."""
    if report.indexes:
        titles = ("Index", "Suite/data", "Recall@10", "One-sided 95 %", "p50, p95 ms", "Exact p50", "Build s", "Size")
        yield from ("", "### Indexes", "")
        yield from table_of(titles, map(_index, report.indexes), right=(2, 4, 5, 6, 7))


def _index(row: IndexRow) -> list[str]:
    return [
        escaped(f"{row.model} ({row.index})"),
        escaped(f"{row.suite}/{row.dataset}"),
        _number(row.recall),
        f"{_number(row.low)} … {_number(row.high)}",
        f"{_number(row.p50_ms, 3)}, {_number(row.p95_ms, 3)}",
        _number(row.exact_p50_ms, 3),
        _number(row.build_s, 2),
        shown_size(row.bytes),
    ]


def _explanation(comparison: Comparison) -> Iterator[str]:
    """Yield a folded block: the two models, where the new one regressed, and the queries it lost."""
    named = f"{comparison.model}, {comparison.metric} of {comparison.suite}/{comparison.dataset}"
    head = f"{named} against {comparison.against}: {comparison.lost:,} lost, {comparison.won:,} won of {comparison.n:,}"
    yield from ("", f"<details><summary>{escaped(head)}</summary>", "")
    yield f"- before: {escaped(comparison.before)}"
    yield f"- after: {escaped(comparison.after)}"
    if comparison.overlap is not None:
        yield f"- {comparison.overlap:.0%} of the first ten documents are the same"
    for part in comparison.slices:
        if part.regressed:
            yield f"- regressed in {escaped(f'{part.field}={part.value}')}: {_signed(part.delta)}, n = {part.n:,}"
    lost = [change for change in comparison.queries if change.lost]
    if lost:
        has_ranks = any(change.rank_before is not None for change in lost)
        titles = ("Lost query", "Rank", "Now first") if has_ranks else ("Lost query", "Score")
        rows = (_lost(change)[: len(titles)] for change in lost[:_LISTED])
        yield from ("", *table_of(titles, rows), "", *_more(len(lost)))
    yield from ("", "</details>")


def _lost(change: QueryChange) -> list[str]:
    ranks = change.rank_before, change.rank_after
    if change.rank_before is None:
        moved = f"{change.before:.3g} → {change.after:.3g}"
    else:
        moved = " → ".join("–" if rank is None else f"{rank:,}" for rank in ranks)
    above = "–" if change.above is None else f"{quoted(change.above)}: {quoted(change.above_text or '')}"
    return [quoted(change.text or change.id), moved, above]


def table_of(titles: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[int] = ()) -> Iterator[str]:
    """Yield the lines of a table; titles and cells are Markdown already."""
    yield f"| {' | '.join(titles)} |"
    yield f"|{'|'.join('---:' if place in right else '---' for place in range(len(titles)))}|"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _more(number: int, mark: str = "") -> Iterator[str]:
    if number > _LISTED:
        yield f"{mark}… {number - _LISTED:,} more in `report.json`"


def _rule(verdict: Verdict) -> str:
    return f"{escaped(verdict.metric)} of {_place(verdict)}"


def _place(verdict: Verdict) -> str:
    part = f" ({verdict.slice})" if verdict.slice else ""
    against = f" against {verdict.reference}" if verdict.rule == "against" else ""
    return escaped(f"{verdict.suite}/{verdict.dataset}{part}{against}")


def _key(row: Verdict | Comparison) -> tuple[str, str, str, str, str]:
    return row.model, row.suite, row.dataset, row.metric, row.rule


def _number(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4f}".replace("-", "−")
