"""Names of ranking metrics: `mrr@10`, `ndcg_exp@5`, `r_precision`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_embedeval.errors import UsageError, did_you_mean

_WITH_CUTOFF = ("hit_rate", "recall", "precision", "mrr", "map", "ndcg", "ndcg_exp", "judged")
_WITHOUT = ("mrr", "r_precision", "bpref")
_NAME = re.compile(r"([a-z_]+)(?:@(-?\w+))?")


@dataclass(frozen=True)
class RankingMetric:
    """A measure and its cutoff; `cutoff` is None where the whole list counts."""

    measure: str
    cutoff: int | None = None

    def __str__(self) -> str:
        return self.measure if self.cutoff is None else f"{self.measure}@{self.cutoff}"


def parse_metric(name: str) -> RankingMetric:
    """Read the name of a ranking metric.

    >>> parse_metric("ndcg@10")
    RankingMetric(measure='ndcg', cutoff=10)

    Raises
    ------
    UsageError
        Unknown measure, a cutoff below 1, or one that is missing or too many.
    """
    match = _NAME.fullmatch(name)
    measure, cutoff = (match[1], match[2]) if match else (name, None)
    if measure not in {*_WITH_CUTOFF, *_WITHOUT}:
        known = (*(f"{known}@k" for known in _WITH_CUTOFF), *_WITHOUT)
        raise UsageError(f"unknown metric {name!r}; {did_you_mean(name, known)}")
    if cutoff is None:
        if measure not in _WITHOUT:
            raise UsageError(f"metric {name!r} needs a cutoff, for example {measure}@10")
        return RankingMetric(measure)
    if measure not in _WITH_CUTOFF:
        raise UsageError(f"metric {name!r}: {measure} takes no cutoff")
    if not cutoff.isdecimal() or int(cutoff) < 1:
        raise UsageError(f"metric {name!r}: the cutoff must be a whole number of at least 1, not {cutoff!r}")
    return RankingMetric(measure, int(cutoff))
