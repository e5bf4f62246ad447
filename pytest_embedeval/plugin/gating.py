"""Scores on their way to a verdict: results and texts of this run, kept until others are compared with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_embedeval.datasets import AnyData, RetrievalData
from pytest_embedeval.datasets.doctor import examine, truncation
from pytest_embedeval.datasets.fields import clusters_of, fields_by_id, judged_apart
from pytest_embedeval.errors import BaselineError, UsageError
from pytest_embedeval.evaluate import measurements
from pytest_embedeval.findings import Finding
from pytest_embedeval.gate import (
    Cost,
    Excerpts,
    Judge,
    Result,
    Update,
    costs_of_index,
    costs_of_vectors,
    primary_metrics,
)
from pytest_embedeval.gate.results import is_kept
from pytest_embedeval.metrics import Scores
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.models.catalogue import catalogue
from pytest_embedeval.plugin.options import UPDATE
from pytest_embedeval.report import Part, ResultRow
from pytest_embedeval.report.environment import library_versions
from pytest_embedeval.report.rows import (
    dataset_row,
    encoding_rates,
    excerpts_of,
    index_rows,
    power_finding,
    score_rows,
    search_warnings,
    vectors_rows,
)
from pytest_embedeval.search import takes_index

if TYPE_CHECKING:
    from pytest_embedeval.plugin.state import Session


class Gating:
    """Notes and judges the scores of one run.

    Attributes
    ----------
    by
        The rules: thresholds, baselines, `--against`.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.by = Judge(session.settings, Update(*(session.config.getoption(name) for name in UPDATE)))
        self._results: dict[tuple[str, str], Result] = {}
        self._excerpts: dict[str, Excerpts] = {}
        self._findings: dict[str, tuple[Finding, ...]] = {}

    def note(self, scores: Scores, data: AnyData) -> list[tuple[str, float | None]]:
        """Record scores for the report, and return what JUnit and others are told: (name, value)."""
        primary = self._primary(scores)
        rows = [replace(row, primary=row.metric in primary) for row in measurements(scores)]
        excerpts = excerpts_of(data, scores)
        known = self._excerpts.get(data.name)
        self._excerpts[data.name] = known.joined(excerpts) if known else excerpts
        self.session.record(
            Part(
                datasets=[dataset_row(data, self._examined(data))],
                measurements=rows,
                scores=score_rows(scores),
                excerpts=[excerpts],
                vectors=vectors_rows(scores),
                costs=list(self._costs(scores)),
                indexes=index_rows(scores),
                warnings=[*search_warnings(scores), *self._without_index(scores)],
            )
        )
        return [(f"embedeval.{scores.suite}.{scores.dataset}.{row.metric}", row.value) for row in rows]

    def _primary(self, scores: Scores) -> tuple[str, ...]:
        compared = [name for name, found in scores.measured.items() if is_kept(name, found)]
        return primary_metrics(scores.suite, compared, self.by.rules(scores.model, f"{scores.suite}/{scores.dataset}"))

    def _costs(self, scores: Scores) -> Iterator[Cost]:
        if not scores.whole and scores.index is None:
            return
        gate = self.session.settings.gates.get(f"{scores.suite}/{scores.dataset}")
        rules = gate.for_model(scores.model) if gate else {}
        field = self.session.settings.clusters.get(scores.dataset)
        rate = next(iter(encoding_rates(vectors_rows(scores)).values()), None)
        together = None
        if field is not None:
            data = self.session.dataset(scores.dataset)
            together = clusters_of(data, field) if isinstance(data, RetrievalData) else None
        yield from costs_of_vectors(scores, self._info(scores.model), rules, together, rate)
        yield from costs_of_index(scores, rules, together)

    def _without_index(self, scores: Scores) -> Iterator[str]:
        """Say of a model that has a search of its own that the index does not apply to it."""
        index = self.session.settings.index
        if index != "flat" and scores.suite == "retrieval" and not takes_index(self._info(scores.model)):
            yield f"--embedeval-index={index} does not apply to {scores.model}, which has a search of its own"

    def _info(self, alias: str) -> ModelInfo:
        return self.session.loading.infos.get(alias, ModelInfo(alias, "python"))

    def judge(self, scores: Scores, test: str) -> Part:
        """Judge scores by every rule that applies, and record it.

        Under xdist the reference of `--against` may be on another worker: that comparison is then made at the end.

        Parameters
        ----------
        test
            File and function of the test that asks.

        Raises
        ------
        DatasetError
            A field of `slices` or `clusters` does not exist.
        """
        alias, place = scores.model, f"{scores.suite}/{scores.dataset}"
        result = self._keep(scores, test)
        excerpts = self._excerpts.get(scores.dataset)
        rows = measurements(scores)
        judgements = [self.by.by_baseline(alias, place, result, excerpts)]
        if not self.session.is_worker and self.reference_takes([test]):
            reference = self._results.get((self.session.settings.against or "", place))
            judgements.append(self.by.against(alias, place, result, reference, excerpts))
        part = Part(
            verdicts=[*self.by.thresholds(alias, place, rows), *(v for verdicts, _ in judgements for v in verdicts)],
            comparisons=[comparison for _, comparisons in judgements for comparison in comparisons],
            results=[ResultRow(model=alias, suite=scores.suite, dataset=scores.dataset, result=result)],
        )
        self.session.record(part)
        return part.model_copy(update={"measurements": rows})

    def reference_takes(self, tests: Sequence[str]) -> bool:
        """Whether the reference of `--against` can take these tests; bm25 takes none that needs vectors."""
        against = self.session.settings.against
        if against is None or not self.session.selection.need_vectors.issuperset(tests):
            return True
        for spec in self.session.specs:
            if spec.alias == against:
                return spec.has_vectors
        try:
            stored = self.by.baseline(against)
        except BaselineError:
            return True
        return stored is None or all(result.model.kind == "dense" for result in stored.results.values())

    def _examined(self, data: AnyData) -> tuple[Finding, ...]:
        """Return what the doctor finds, once per data set and process."""
        if data.fingerprint not in self._findings:
            settings = self.session.settings
            table = settings.datasets.get(data.name)
            n, things = judged_apart(data, table.clusters if table else None)
            shown = power_finding(n, things, settings.tolerance) if n >= settings.min_queries else None
            self._findings[data.fingerprint] = (*examine(data), *self._cut_off(data), *filter(None, [shown]))
        return self._findings[data.fingerprint]

    def _cut_off(self, data: AnyData) -> Iterator[Finding]:
        """Yield the models of the matrix that would cut documents off, as far as the catalogue knows their limits."""
        if not isinstance(data, RetrievalData):
            return
        cut = truncation(data)
        for spec in self.session.specs:
            if cut.get(spec.source):
                message = (
                    f"{spec.alias} reads {catalogue()[spec.source].max_tokens} tokens; by their characters, "
                    f"{cut[spec.source]:,} of {len(data.documents):,} documents are longer and would be cut off"
                )
                yield Finding("truncation-risk", cut[spec.source], message)

    def _keep(self, scores: Scores, test: str) -> Result:
        table = self.session.settings.datasets.get(scores.dataset)
        fields: dict[str, dict[str, str]] = {}
        if table is not None and table.kept_fields:
            fields = fields_by_id(self.session.dataset(scores.dataset), table.kept_fields)
        result = Result.of(
            scores,
            self._info(scores.model),
            language=table.language if table else None,
            fields=fields,
            versions=library_versions(),
            tests=[test],
        )
        key = scores.model, f"{scores.suite}/{scores.dataset}"
        known = self._results.get(key)
        if known is not None and (known.dataset, known.parameters) != (result.dataset, result.parameters):
            raise UsageError(
                f"{key[1]} is gated twice with other data or parameters ({known.parameters} and {result.parameters}, "
                f"{test}); give one of them a data set of its own name"
            )
        self._results[key] = known.joined(result) if known else result
        return result
