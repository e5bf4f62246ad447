"""The same queries as people type them: what a search loses to missing marks, capitals, typos, other inflections."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.datasets import Judgements, RetrievalData
from pytest_embedeval.datasets.fields import clusters_of
from pytest_embedeval.errors import UsageError
from pytest_embedeval.evaluate import Judged, as_encoded
from pytest_embedeval.gate import Perturbed, QueryChange
from pytest_embedeval.gate.differences import Differences, lost_and_won
from pytest_embedeval.metrics import Measured, Scores, score_each
from pytest_embedeval.perturbations import perturbations
from pytest_embedeval.search import ranker
from pytest_embedeval.vectors import Encoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Each = NDArray[np.float64]

LARGEST = 5


@dataclass(frozen=True)
class Robustness(Scores):
    """Scores of a search whose queries are typed otherwise; `rows` has one entry per perturbation that changes any."""

    rows: Sequence[Perturbed] = field(default_factory=list)


def evaluate_robustness(
    model: Judged,
    data: RetrievalData,
    *,
    metric: str = "mrr@10",
    names: Sequence[str] | None = None,
    seed: int = 42,
    clusters: str | None = None,
) -> Robustness:
    """Search with the queries of a data set, and again with each of them typed otherwise.

    `robustness.NAME` is the mean change of the metric over the queries whose text the perturbation changes: negative is
    a loss. `robustness.score.NAME` is the metric over all queries as they were typed, `robustness.score` the mean of
    all these over the perturbations that are made by rule, `robustness.clean` the metric as they are written. Variants
    of the data set (`variants`) count as perturbations of their own, on the queries that have one.

    Parameters
    ----------
    metric
        A ranking metric with a cutoff.
    names
        Perturbations to apply; all that the language of the data has by default.
    seed
        Of typos and blanks.
    clusters
        Field whose values make queries one, for the bounds of `rows`.

    Raises
    ------
    UsageError
        A finished run, which cannot be asked anew, or a name that the language does not have.
    """
    encoded = as_encoded(model)
    if encoded.model.info.kind == "run":
        raise UsageError(f"model {encoded.model.alias!r} is a finished run; it cannot be asked other queries")
    made = perturbations(data.language, names, seed=seed)
    by_rule = {each.name: [each(text) for text in data.queries] for each in made}
    together = None if clusters is None else list(clusters_of(data, clusters).values())
    asked = _Asked(encoded.model.alias, data, metric, together, _changes(data, {**by_rule, **_written(data)}))
    clean, typed = asked.scores(encoded)
    ruled = [typed[name] for name in by_rule if name in typed]
    measured = {"robustness.clean": asked.mean(clean)}
    if ruled:
        measured["robustness.score"] = asked.mean(np.mean(ruled, axis=0))
    for name, scores in typed.items():
        changed = np.zeros(len(clean), dtype=np.bool_)
        changed[list(asked.changes[name])] = True
        measured[f"robustness.{name}"] = asked.mean(scores - clean, (-1.0, 1.0), is_compared=False).part(changed)
        measured[f"robustness.score.{name}"] = asked.mean(scores).part(changed | (name in by_rule))
    rows = [asked.row(name, clean, scores) for name, scores in typed.items()]
    parameters: dict[str, str | int] = {"metric": metric, "seed": seed}
    return Robustness("robustness", data.name, encoded.model.alias, measured, _fingerprint(data), parameters, rows=rows)


Changes = Mapping[str, Mapping[int, str]]


def _written(data: RetrievalData) -> dict[str, list[str]]:
    """Return kind of variant -> the queries, in its words where it has some."""
    pairs = list(zip(data.query_ids, data.queries, strict=True))
    return {kind: [texts.get(identity, query) for identity, query in pairs] for kind, texts in data.variants.items()}


def _changes(data: RetrievalData, wordings: Mapping[str, Sequence[str]]) -> Changes:
    """Return name -> position of a query -> its text, for those that are worded otherwise; no name without any."""
    changes = {
        name: {place: text for place, text in enumerate(texts) if text != data.queries[place]}
        for name, texts in wordings.items()
    }
    return {name: changed for name, changed in changes.items() if changed}


def _fingerprint(data: RetrievalData) -> str:
    """Return that of the data where nothing was written by hand, else one that the variants change too."""
    if not data.variants:
        return data.fingerprint
    written: Mapping[str, Mapping[str, str]] = {kind: dict(texts) for kind, texts in data.variants.items()}
    text = data.fingerprint + json.dumps(written, sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode('ascii')).hexdigest()}"


@dataclass(frozen=True)
class _Asked:
    """The queries of a data set and all that is asked in their place."""

    model: str
    data: RetrievalData
    metric: str
    together: Sequence[str] | None
    changes: Changes

    def scores(self, encoded: Encoded) -> tuple[Each, dict[str, Each]]:
        """Return the score of each query as it is written, and as each perturbation words it, float64 arrays [n].

        All wordings are asked in one search, so that what is searched is prepared once.
        """
        n = len(self.data.queries)
        asked = [(name, place) for name, changed in self.changes.items() for place in changed]
        origin = np.array([*range(n), *(place for _, place in asked)], dtype=np.int64)
        data = replace(
            self.data,
            query_ids=[*self.data.query_ids, *(f"{self.data.query_ids[place]} ({name})" for name, place in asked)],
            queries=[*self.data.queries, *(self.changes[name][place] for name, place in asked)],
            query_fields={},
            judgements=_repeated(self.data.judgements, origin),
        )
        each = score_each(ranker(encoded, data), data, self.metric)
        clean, typed = each[:n], {name: each[:n].copy() for name in self.changes}
        for (name, place), score in zip(asked, each[n:].tolist(), strict=True):
            typed[name][place] = score
        return clean, typed

    def mean(self, each: Each, bounds: tuple[float, float] = (0.0, 1.0), *, is_compared: bool = True) -> Measured:
        return Measured.mean_of(each, self.data.query_ids, bounds, is_compared=is_compared)

    def row(self, name: str, clean: Each, scores: Each) -> Perturbed:
        """Return what the report says of one perturbation."""
        texts = self.changes[name]
        changed = np.array(list(texts), dtype=np.int64)
        change = (scores - clean)[changed]
        together = None if self.together is None else [self.together[i] for i in changed.tolist()]
        differences = Differences.of(change, together)
        low, high = differences.interval
        lost, won = lost_and_won(change)
        worst = changed[lost[:LARGEST]].tolist()
        return Perturbed(
            self.model,
            self.data.name,
            self.metric,
            name,
            clean=float(clean[changed].mean()),
            value=float(scores[changed].mean()),
            delta=differences.mean,
            low=low,
            high=high,
            n=len(differences),
            changed=len(changed),
            queries=len(clean),
            lost=len(lost),
            won=len(won),
            largest=tuple(
                QueryChange(self.data.query_ids[i], texts[i], float(clean[i]), float(scores[i])) for i in worst
            ),
        )


def _repeated(judged: Judgements, origin: NDArray[np.int64]) -> Judgements:
    """Return the judgements of queries that stand for others: query i has those of query `origin[i]`."""
    counts = np.bincount(judged.query, minlength=int(origin.max()) + 1)
    first = np.concatenate([[0], np.cumsum(counts)])[origin]
    many = counts[origin]
    query = np.repeat(np.arange(len(origin)), many)
    rows = np.arange(len(query)) - np.repeat(np.cumsum(many) - many, many) + np.repeat(first, many)
    return Judgements(query, judged.document[rows], judged.grade[rows])
