"""Typed data and scores as rows of the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from pytest_embedeval.datasets import AnyData, RetrievalData
from pytest_embedeval.findings import Finding
from pytest_embedeval.gate import Excerpts, bounded_mean_interval
from pytest_embedeval.gate.power import queries_needed, smallest_drop
from pytest_embedeval.metrics import Scores
from pytest_embedeval.report.schema import DatasetRow, IndexRow, VectorsRow


def dataset_row(data: AnyData, findings: Iterable[Finding] = ()) -> DatasetRow:
    """Return the row of a data set; an item counts as a query with what it offers to choose from as documents.

    Parameters
    ----------
    findings
        Further ones, beside those of its loader.
    """
    if isinstance(data, RetrievalData):
        queries, documents, judgements = len(data.queries), len(data.documents), len(data.judgements)
    else:
        queries = len(data.items)
        judgements = documents = data.candidates
    return DatasetRow(
        name=data.name,
        fingerprint=data.fingerprint,
        language=data.language,
        queries=queries,
        documents=documents,
        judgements=judgements,
        findings=[*data.findings, *findings],
    )


def score_rows(scores: Scores) -> list[tuple[str, str, str, str, str, float]]:
    """Return one row per metric and query id, for `scores.csv`."""
    return [
        (scores.model, scores.suite, scores.dataset, metric, identity, score)
        for metric, found in scores.measured.items()
        if found.each is not None
        for identity, score in zip(found.ids, found.each.tolist(), strict=True)
    ]


def vectors_rows(scores: Scores) -> list[VectorsRow]:
    """Return one row per list of texts that was encoded."""
    place = {"model": scores.model, "suite": scores.suite, "dataset": scores.dataset}
    return [VectorsRow.model_validate(place | asdict(encoded)) for encoded in scores.encoded]


def index_rows(scores: Scores) -> list[IndexRow]:
    """Return the row of the approximate index that was searched; none for exact search."""
    facts = scores.index
    if facts is None:
        return []
    low, high = bounded_mean_interval(facts.shared, 0.0, 1.0)
    return [
        IndexRow(
            model=scores.model,
            suite=scores.suite,
            dataset=scores.dataset,
            index=facts.index,
            documents=facts.documents,
            recall=float(facts.shared.mean()),
            low=low,
            high=high,
            n=len(facts.shared),
            build_s=facts.build_s,
            p50_ms=facts.p50_ms,
            p95_ms=facts.p95_ms,
            exact_p50_ms=facts.exact_p50_ms,
            bytes=facts.bytes,
            findings=list(facts.findings),
        )
    ]


def search_warnings(scores: Scores) -> list[str]:
    """Return what a search engine, or a finished run, did that its owner should know."""
    return [f"{scores.model} {scores.suite}/{scores.dataset}: {finding.message}" for finding in scores.findings]


def encoding_rates(rows: Iterable[VectorsRow]) -> dict[tuple[str, str], float]:
    """Return (alias, "suite/dataset") -> distinct texts encoded per second, when their vectors were computed."""
    texts: dict[tuple[str, str], int] = {}
    seconds: dict[tuple[str, str], float] = {}
    for row in rows:
        place = row.model, f"{row.suite}/{row.dataset}"
        texts[place] = texts.get(place, 0) + row.encoded + row.reused
        seconds[place] = seconds.get(place, 0.0) + row.seconds
    return {place: texts[place] / spent for place, spent in seconds.items() if spent > 0}


_USUAL_SD = 0.17  # of the differences between two models of which some 30 % of the queries change


def power_finding(n: int, things: str, tolerance: float) -> Finding:
    """Return what a comparison on n queries can show, before any was made."""
    return Finding(
        "smallest-drop",
        n,
        f"{n:,} {things} show a drop of {smallest_drop(n, tolerance, _USUAL_SD):.3f} as larger than the tolerance "
        f'{tolerance:g}; to show "no worse" takes about {queries_needed(_USUAL_SD, tolerance):,} (80 % power, '
        f"differences with a standard deviation of {_USUAL_SD})",
    )


EXCERPT = 300  # characters of a document that an explanation may quote


def excerpts_of(data: AnyData, scores: Scores) -> Excerpts:
    """Return the texts that an explanation of these scores may quote."""
    if not isinstance(data, RetrievalData):
        return Excerpts(data.name, {item.id: item.label for item in data.items})
    judged = data.judgements
    relevant: dict[str, list[str]] = {}
    grades: dict[str, list[int]] = {}
    for query, document, grade in zip(*(column.tolist() for column in judged.columns), strict=True):
        if grade > 0:
            relevant.setdefault(data.query_ids[query], []).append(data.document_ids[document])
            grades.setdefault(data.query_ids[query], []).append(grade)
    graded = any(grade != 1 for each in grades.values() for grade in each)
    is_search = scores.suite == "retrieval"
    wanted = {*_all(relevant.values()), *_all(scores.top.values())}
    if not scores.top:  # then the scores may be those of documents
        wanted.update(data.document_ids)
    return Excerpts(
        name=data.name,
        queries=dict(zip(data.query_ids, data.queries, strict=True)),
        documents={
            identity: text[:EXCERPT]
            for identity, text in zip(data.document_ids, data.documents, strict=True)
            if identity in wanted
        },
        relevant=relevant,
        grades=grades if graded else {},
        found={scores.model: _rounded(scores.top_scores)} if is_search and scores.top_scores else {},
    )


def _rounded(found: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    return {query: [float(f"{value:.4g}") for value in values] for query, values in found.items()}


def _all(lists: Iterable[Iterable[str]]) -> Iterable[str]:
    return (entry for entries in lists for entry in entries)
