"""Why a comparison came out as it did: the queries lost and won, and what now stands above."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pytest_embedeval.gate.differences import SAME, Slice
from pytest_embedeval.gate.numbers import signed
from pytest_embedeval.gate.results import Result
from pytest_embedeval.gate.verdicts import RuleName

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LINE = 76  # characters of a line of an explanation, as far as ids let it
_NAMED = 3  # slices in one line of an explanation


@dataclass(frozen=True)
class Excerpts:
    """The texts of a data set that an explanation may quote.

    Attributes
    ----------
    queries, documents
        Id -> text; documents shortened, and only those that were found or are relevant.
    relevant
        Query id -> ids of its relevant documents.
    grades
        Query id -> their grades, in the same order; empty where all grades are 1.
    found
        Alias -> query id -> what its search gave each of the first ten documents.
    """

    name: str
    queries: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    relevant: Mapping[str, Sequence[str]] = field(default_factory=dict)
    grades: Mapping[str, Sequence[int]] = field(default_factory=dict)
    found: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)

    def joined(self, other: Excerpts) -> Excerpts:
        """Return the texts of both."""
        return Excerpts(
            self.name,
            {**self.queries, **other.queries},
            {**self.documents, **other.documents},
            {**self.relevant, **other.relevant},
            {**self.grades, **other.grades},
            {**self.found, **other.found},
        )


@dataclass(frozen=True)
class QueryChange:
    """One query whose score changed.

    Attributes
    ----------
    rank_before, rank_after
        Rank of the first relevant document, a mean over tied orders rounded; None beyond the lists or without lists.
    gold, above
        Id of a relevant document, and of the best document that now stands above it.
    """

    id: str
    text: str
    before: float
    after: float
    rank_before: int | None = None
    rank_after: int | None = None
    gold: str | None = None
    gold_text: str | None = None
    above: str | None = None
    above_text: str | None = None

    @property
    def lost(self) -> bool:
        """Whether the score fell."""
        return self.after < self.before


@dataclass(frozen=True)
class Comparison:
    """One primary metric of a model beside that of its reference.

    Attributes
    ----------
    before, after
        The two models in words.
    n, lost, won
        Queries compared, and how many scores fell and rose.
    overlap
        Mean share of the first ten documents that both searches have in common; None where there are no lists.
    slices
        The same comparison by the fields that the configuration names.
    queries
        Those that changed: lost ones first, each side by the size of the change.
    """

    model: str
    reference: str
    rule: RuleName
    suite: str
    dataset: str
    metric: str
    before: str
    after: str
    n: int
    lost: int
    won: int
    overlap: float | None
    slices: list[Slice]
    queries: list[QueryChange]

    @property
    def against(self) -> str:
        """The reference in words."""
        return "its baseline" if self.rule == "baseline" else self.reference


def query_changes(
    metric: str, ids: Sequence[str], before: Result, after: Result, excerpts: Excerpts | None
) -> list[QueryChange]:
    """Return the queries whose score changed, the largest loss first, then the largest gain first."""
    texts = excerpts or Excerpts("")
    old, new = dict(zip(*before.each(metric), strict=True)), dict(zip(*after.each(metric), strict=True))
    changed = [identity for identity in ids if abs(new[identity] - old[identity]) > SAME]
    changed.sort(
        key=lambda identity: (
            new[identity] > old[identity],
            -abs(new[identity] - old[identity]),
            -(_rank(after, metric, identity) or math.inf),
            identity,
        )
    )
    found = []
    for identity in changed:
        relevant = texts.relevant.get(identity, ())
        gold = relevant[0] if relevant else None
        above = _above(after, identity, relevant)
        found.append(
            QueryChange(
                id=identity,
                text=texts.queries.get(identity, texts.documents.get(identity, "")),
                before=float(old[identity]),
                after=float(new[identity]),
                rank_before=_rank(before, metric, identity),
                rank_after=_rank(after, metric, identity),
                gold=gold,
                gold_text=None if gold is None else texts.documents.get(gold),
                above=above,
                above_text=None if above is None else texts.documents.get(above),
            )
        )
    return found


def overlaps(ids: Sequence[str], before: Result, after: Result) -> NDArray[np.float64] | None:
    """Return for each query the share of its first ten documents that both lists hold; None without lists."""
    pairs = [(before.queries[identity].top, after.queries[identity].top) for identity in ids]
    if not any(old or new for old, new in pairs):
        return None
    shares = [1.0 if old == new else len({*old} & {*new}) / max(len(old), len(new)) for old, new in pairs]
    return np.array(shares, dtype=np.float64)


def _rank(result: Result, metric: str, identity: str) -> int | None:
    """Read the rank of the first relevant document from its reciprocal."""
    name = "mrr" if "mrr" in result.columns else metric
    if not name.startswith("mrr"):
        return None
    score = result.queries[identity].scores[result.columns.index(name)]
    return round(1 / score) if score else None


def _above(result: Result, identity: str, relevant: Sequence[str]) -> str | None:
    top = result.queries[identity].top
    return top[0] if top and relevant and top[0] not in relevant else None


def why_lines(comparison: Comparison, limit: int = 10) -> list[str]:
    """Return at most `limit` lines for people: how many were lost and won, where, and the worst of them."""
    quoted = [change for change in comparison.queries if change.lost]
    regressed = sorted((part for part in comparison.slices if part.regressed), key=lambda part: part.delta)
    shared = "" if comparison.overlap is None else f"; {comparison.overlap:.0%} of the first ten documents are the same"
    lines = [f"{comparison.lost} lost, {comparison.won} won of {comparison.n}{shared}"]
    if regressed:
        named = [f"{part.field}={part.value} ({signed(part.delta)}, n = {part.n})" for part in regressed[:_NAMED]]
        more = f" and {len(regressed) - _NAMED} more" if len(regressed) > _NAMED else ""
        lines.append(f"regressed in {', '.join(named)}{more}")
    for change in quoted:
        block = _quoted(change)
        if len(lines) + len(block) + (change is not quoted[-1]) > limit:
            lines.append(f"… and {len(quoted) - quoted.index(change)} more lost queries")
            break
        lines += block
    return lines


def _quoted(change: QueryChange) -> list[str]:
    if change.rank_before is None and change.rank_after is None:
        return [f"lost ({change.before:g} → {change.after:g}) {_short(change.text or change.id, 56)}"]
    ranks = f"rank {_place(change.rank_before)} → {_place(change.rank_after)}"
    lines = [f"lost ({ranks}) {_short(change.text or change.id, 56)}"]
    if change.above:
        lead = f"    now first: {change.above}: "
        lines.append(f"{lead}{_short(change.above_text or '', max(20, _LINE - len(lead)))}")
    return lines


def _place(rank: int | None) -> str:
    return "–" if rank is None else str(rank)


def _short(text: str, width: int) -> str:
    line = " ".join(text.split()).replace("##[", "# #[")  # GitHub's runner takes ##[…] for a command wherever it stands
    return line if len(line) <= width else line[: width - 1] + "…"
