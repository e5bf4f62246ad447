"""How each model stands by the verdicts on it, in words that the page and the Markdown summary share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_embedeval.gate import Verdict
from pytest_embedeval.report.table import counted

_NAMED = 3  # rules that one sentence names


@dataclass(frozen=True)
class Standing:
    """The verdicts on one model that decide something, and those of them that failed, are unsure, or improved."""

    deciding: Sequence[Verdict]
    failed: Sequence[Verdict]
    unsure: Sequence[Verdict]
    improved: Sequence[Verdict]

    @classmethod
    def of(cls, verdicts: Sequence[Verdict]) -> Standing:
        """Sort the verdicts on one model; those that only inform are left out."""
        deciding = [verdict for verdict in verdicts if not verdict.advisory]
        return cls(
            deciding,
            failed=[verdict for verdict in deciding if verdict.blocks],
            unsure=[verdict for verdict in deciding if verdict.state == "inconclusive"],
            improved=[verdict for verdict in deciding if verdict.change == "improved"],
        )

    def sentence(self, name: Callable[[Verdict], str] | None = None) -> str:
        """Return what is said of the model, without its name.

        Parameters
        ----------
        name
            How a rule is called; by default its metric, suite and data set.
        """
        name = name or _name
        gained = f"; improved {_names(self.improved, name)}" if self.improved else ""
        if self.failed:
            return f"fails on {_names(self.failed, name)}{gained}"
        rules = counted(len(self.deciding), "rule")
        if self.unsure:
            return f"passes; {len(self.unsure)} of {rules} inconclusive{gained}"
        return f"passes {rules}{gained}" if self.deciding else "was measured; no rule judges it"


def _name(verdict: Verdict) -> str:
    return f"{verdict.metric} of {verdict.suite}/{verdict.dataset}"


def _names(verdicts: Sequence[Verdict], name: Callable[[Verdict], str]) -> str:
    names = list(dict.fromkeys(map(name, verdicts)))
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{rest}"
