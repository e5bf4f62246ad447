"""The terminal table: models in rows, the article's columns, one block per data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tabulate import tabulate

from pytest_embedeval.gate import Cost, StageRow, Verdict, signed
from pytest_embedeval.languages import primary
from pytest_embedeval.memory import shown_size
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report.schema import IndexRow, Report, UsageRow
from pytest_embedeval.report.speed import rates

_Cell = Callable[[Report, ModelInfo, str], float | None]
_Form = Callable[[float | None], str]
_ALIAS_WIDTH = 16  # with it, eleven columns fit into 80 characters
_REASON_WIDTH = 300


def table_lines(report: Report) -> Iterator[str]:
    """Yield the lines of the summary: a table per data set, what its columns mean, and a line per failed gate."""
    for dataset in _searched(report) or ["no data set was searched"]:
        yield f"{dataset}{_ARTICLE if _is_article(report, dataset) else ''}"
        rows = [["Model", *(name for name, _, _ in _COLUMNS)]]
        for model in report.models:
            cells = (form(cell(report, model, dataset)) for _, cell, form in _COLUMNS)
            rows.append([_shortened(model.alias), *cells])
        alignment = ("left", *("right" for _ in _COLUMNS))
        # Headers go in as a row: tabulate pads real headers by two characters, and there are eleven of them.
        yield from tabulate(rows, tablefmt="plain", colalign=alignment, disable_numparse=True).splitlines()
        yield ""
    yield from _LEGEND
    for model in report.models:
        if model.error:
            yield f"{f'not {model.failed}':<10}  {model.alias}: {model.error}"
    yield from _notes(report)
    for where, verdicts in _by_place(report.verdicts):
        deciding = [verdict for verdict in verdicts if not verdict.advisory]
        for verdict in deciding:
            if verdict.change == "improved":
                yield f"{'improved':<10}  {where}: {verdict.reason}"
            elif verdict.state != "pass":
                yield failure_line(verdict)
        regressed = [verdict for verdict in verdicts if verdict.advisory and verdict.change == "regressed"]
        if regressed:
            fallen = ", ".join(f"{verdict.metric} {signed(verdict.delta or 0.0)}" for verdict in regressed)
            yield f"{'advisory':<10}  {where}: REGRESSED too: {fallen}"


def _notes(report: Report) -> Iterator[str]:
    """Yield what a reader of the table should know of the vectors behind it."""
    told = _one_of_each(report.models)
    for model in told.values():
        for finding in model.findings:
            yield f"{'note':<10}  {finding.message}"
    for row in report.vectors:
        if row.model not in told:
            continue
        for finding in row.findings:
            yield f"{'note':<10}  {row.suite}/{row.dataset}: {finding.message}"
        if row.truncated:
            count = f"{row.truncated:,} of {row.texts:,} {'queries' if row.role == 'query' else 'documents'}"
            yield (
                f"{'truncated':<10}  {row.model} {row.suite}/{row.dataset}: {count} "
                f"are longer than {told[row.model].max_tokens} tokens, and only their beginning is read"
            )
    yield from map(_cost_line, report.costs)
    for index in report.indexes:
        yield _index_line(index)
        yield from (f"{'note':<10}  {index.suite}/{index.dataset}: {finding.message}" for finding in index.findings)
    yield from map(_usage_line, report.usage)
    for beside in report.beside:
        if beside.is_model:
            yield f"{'beside':<10}  {beside.line}"
    yield from _robustness_lines(report)
    yield from _crosslingual_lines(report)
    yield from (f"{'hybrid':<10}  {fused.line}" for fused in report.fusion if fused.chosen)
    yield from _stage_lines(report.stages)
    for warning in report.warnings:
        yield f"{'warning':<10}  {warning}"


def _one_of_each(models: Iterable[ModelInfo]) -> dict[str, ModelInfo]:
    """Return alias -> model, of several that shorten the same vectors the first alone: the others tell the same."""
    first: dict[object, ModelInfo] = {}
    for model in models:
        vectors = (model.fingerprint, model.prompts, model.backend) if model.fingerprint else model.alias
        first.setdefault(vectors, model)
    return {model.alias: model for model in first.values()}


def _cost_line(cost: Cost) -> str:
    bounds = f"one-sided 95 % [{signed(cost.low)}, {signed(cost.high)}]"
    change = (
        f"{cost.whole:.3f} → {cost.value:.3f} ({signed(cost.delta)}, {bounds}, {cost.differ:,} of {cost.n:,} differ)"
    )
    line = f"{'variant':<10}  {cost.model} {cost.suite}/{cost.dataset}: {cost.variant}: {cost.metric} {change}"
    if cost.bytes_per_vector and cost.whole_bytes_per_vector:
        line += f"; {cost.bytes_per_vector:,} bytes per vector instead of {cost.whole_bytes_per_vector:,}"
    if cost.texts_per_s and cost.whole_texts_per_s and cost.texts_per_s != cost.whole_texts_per_s:
        line += f"; {_amount(cost.texts_per_s)} texts/s instead of {_amount(cost.whole_texts_per_s)}"
    return line


def _index_line(row: IndexRow) -> str:
    p95 = "" if row.p95_ms is None else f", p95 {row.p95_ms:.2g} ms"
    return (
        f"{'index':<10}  {row.model} {row.suite}/{row.dataset}: {row.index}: {row.recall:.1%} of the exact top ten "
        f"(one-sided 95 % [{row.low:.1%}, {row.high:.1%}]); p50 {row.p50_ms:.2g} ms instead of {row.exact_p50_ms:.2g} "
        f"ms{p95}; built in {row.build_s:.1f} s; {shown_size(row.bytes)}"
    )


def _stage_lines(rows: Iterable[StageRow]) -> Iterator[str]:
    """Yield a line per two-stage search: the first stage alone, then by depth."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        at = f"{row.value:.3f} at {row.depth:,}" if row.depth else f"{row.metric} {row.value:.3f} without"
        waited = "" if row.p50_ms is None else f" ({_amount(row.p50_ms)} ms)"
        places.setdefault((row.model, row.dataset, row.metric), []).append(f"{at}{waited}")
    for (model, dataset, _), said in places.items():
        yield f"{'stages':<10}  {model} on {dataset}: {', '.join(said)}"


def _robustness_lines(report: Report) -> Iterator[str]:
    """Yield a line per model and data set: what queries lose that are typed otherwise; a star where that is shown."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for row in report.robustness:
        places.setdefault((row.model, row.dataset, row.metric), []).append(row.short)
    for (model, dataset, metric), said in places.items():
        yield f"{'typed':<10}  {model} on {dataset}: {metric} {', '.join(said)}"


def _crosslingual_lines(report: Report) -> Iterator[str]:
    """Yield a line per model and data set: both directions, and the gap to one language."""
    gap = "crosslingual.gap."
    found = {(row.model, row.dataset, row.metric): row.value for row in report.measurements}
    places: dict[tuple[str, str], list[str]] = {}
    for model, dataset, metric in found:
        if metric.startswith(gap):
            way = metric.removeprefix(gap)
            value, change = (found.get((model, dataset, f"crosslingual.{kind}{way}")) for kind in ("", "gap."))
            if value is not None and change is not None:
                places.setdefault((model, dataset), []).append(f"{way} {value:.3f} ({signed(change)})")
    for (model, dataset), said in places.items():
        yield f"{'crossing':<10}  {model} on {dataset}: {', '.join(said)} beside one language"


def _usage_line(usage: UsageRow) -> str:
    again = f" ({usage.retries:,} of them again)" if usage.retries else ""
    tokens = "unknown tokens" if usage.tokens is None else f"{usage.tokens:,} tokens"
    cost = "price unknown" if usage.cost_usd is None else _dollars(usage.cost_usd)
    line = f"{'usage':<10}  {usage.model}: {counted(usage.requests, 'request')}{again}, "
    return line + f"{counted(usage.texts, 'text')}, {tokens}, {cost}"


def _dollars(amount: float) -> str:
    return "less than $0.0001" if 0 < amount < 0.0001 else f"${amount:.4f}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which takes an s: `1 model`, `2,000 models`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _by_place(verdicts: Iterable[Verdict]) -> Iterator[tuple[str, list[Verdict]]]:
    """Yield what is said of each model on each data set together, in the order of the report."""
    places: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        places.setdefault(_where(verdict), []).append(verdict)
    yield from places.items()


def failure_line(verdict: Verdict) -> str:
    """Return one line for a verdict that is not a pass."""
    reason = verdict.reason if len(verdict.reason) <= _REASON_WIDTH else verdict.reason[: _REASON_WIDTH - 1] + "…"
    state = "advisory" if verdict.advisory else "warning" if verdict.state == "inconclusive" else verdict.state
    return f"{state:<10}  {_where(verdict)}: {reason}"


def _where(verdict: Verdict) -> str:
    against = f" against {verdict.reference}" if verdict.rule == "against" else ""
    return f"{verdict.model} {verdict.suite}/{verdict.dataset}{against}"


_ARTICLE = " (the article's protocol: every answer string is a document)"
_LEGEND = (
    "Time: seconds to encode all queries and documents. text/s: median of rounds.",
    "Silh: silhouette.kmeans. Morph: morphology.auc of its language, .5 is chance.",
    "MRR: mrr@10. R@k: recall@k. -: not applicable or not measured.",
)


def _searched(report: Report) -> list[str]:
    names = dict.fromkeys(row.dataset for row in report.measurements if row.suite == "retrieval")
    if not names and report.models and report.measurements:
        names = dict.fromkeys(row.dataset for row in report.measurements)
    return list(names)


def _is_article(report: Report, dataset: str) -> bool:
    return any(
        row.name == dataset and finding.kind == "article-protocol"
        for row in report.datasets
        for finding in row.findings
    )


def _shortened(alias: str) -> str:
    return alias if len(alias) <= _ALIAS_WIDTH else alias[: _ALIAS_WIDTH - 1] + "…"


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _amount(value: float | None) -> str:
    """Return a time or a rate in at most four characters, up to 9,999."""
    return "-" if value is None else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def _score(value: float | None) -> str:
    """Return a score without its leading zero: .375, -.049, 1.00."""
    if value is None:
        return "-"
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 0.9995 else f"{value:.2f}"


def _metric(suite: str, metric: str) -> _Cell:
    def cell(report: Report, model: ModelInfo, dataset: str) -> float | None:
        wanted = model.alias, suite, dataset, metric
        rows = (row for row in report.measurements if (row.model, row.suite, row.dataset, row.metric) == wanted)
        return next((row.value for row in rows), None)

    return cell


def _word_forms(report: Report, model: ModelInfo, dataset: str) -> float | None:
    """Return what a model knows of the words of the data set's language, as far as languages are told."""
    spoken = {row.name: primary(row.language) for row in report.datasets}
    own = spoken.get(dataset)
    rows = (row for row in report.measurements if (row.model, row.metric) == (model.alias, "morphology.auc"))
    return next((row.value for row in rows if own is None or spoken.get(row.dataset) in (None, own)), None)


def _silhouette(report: Report, model: ModelInfo, dataset: str) -> float | None:
    """Return the article's own number where its protocol was asked for."""
    exact = _metric("clustering", "silhouette.kmeans.article")(report, model, dataset)
    return _metric("clustering", "silhouette.kmeans")(report, model, dataset) if exact is None else exact


def _dimension(_: Report, model: ModelInfo, __: str) -> int | None:
    return model.dimension


def _texts_per_s(report: Report, model: ModelInfo, dataset: str) -> float | None:
    return rates(report, dataset).get(model.alias)


_COLUMNS: tuple[tuple[str, _Cell, _Form], ...] = (
    ("Dim", _dimension, _whole),
    ("Time", _metric("retrieval", "encode_s"), _amount),
    ("text/s", _texts_per_s, _amount),
    ("Silh", _silhouette, _score),
    ("Morph", _word_forms, _score),
    ("MRR", _metric("retrieval", "mrr@10"), _score),
    ("R@1", _metric("retrieval", "recall@1"), _score),
    ("R@3", _metric("retrieval", "recall@3"), _score),
    ("R@5", _metric("retrieval", "recall@5"), _score),
    ("R@10", _metric("retrieval", "recall@10"), _score),
)
