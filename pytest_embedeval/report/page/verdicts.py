"""The verdict on each model in one sentence, and what changes with an upgrade."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_embedeval.gate import Verdict, signed
from pytest_embedeval.memory import shown_size
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report.schema import Report
from pytest_embedeval.report.standing import Standing

Outcome = Literal["fails", "unsure", "passes", "measured"]

_CORPORA = (1_000_000, 10_000_000)
_UNITS = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


@dataclass(frozen=True)
class Sentence:
    """What is to be said first of a model; `reasons` say why, one each."""

    alias: str
    outcome: Outcome
    text: str
    reasons: Sequence[str] = ()


def sentences(report: Report) -> list[Sentence]:
    """Return one sentence per model, in the order of the matrix."""
    return [_sentence(model, [row for row in report.verdicts if row.model == model.alias]) for model in report.models]


def _sentence(model: ModelInfo, verdicts: Sequence[Verdict]) -> Sentence:
    if model.error:
        return Sentence(model.alias, "fails", "could not be loaded", [model.error])
    standing = Standing.of(verdicts)
    told = standing.failed or standing.unsure
    outcome: Outcome = (
        "fails" if standing.failed else "unsure" if standing.unsure else "passes" if standing.deciding else "measured"
    )
    return Sentence(model.alias, outcome, standing.sentence(_rule), [row.reason for row in told])


def _rule(verdict: Verdict) -> str:
    return f"{verdict.metric} of {verdict.suite}/{verdict.dataset}"


@dataclass(frozen=True)
class Upgrade:
    """What changes where one model takes the place of another: label, before, after, and the change in words."""

    model: str
    reference: str
    quality: Sequence[tuple[str, str, str, str]]
    costs: Sequence[tuple[str, str, str, str]]


def upgrades(report: Report, documents: Sequence[int] = ()) -> Iterator[Upgrade]:
    """Yield a card for each model that was compared with the reference of `--against`.

    Parameters
    ----------
    documents
        Sizes of a corpus for which time and memory are told, beside the largest of this run, 1 and 10 million.
    """
    models = {model.alias: model for model in report.models}
    # Timed in this run alone: when vectors were kept, the machine may have been another, or busy.
    speed = {row.model: row.texts_per_s for row in report.speed if row.task == "encode" and row.texts_per_s}
    searched = {row.dataset for row in report.measurements if row.suite == "retrieval"}
    own = max((row.documents for row in report.datasets if row.name in searched), default=0)
    sizes = sorted({*documents, *_CORPORA, own} - {0})
    pairs = dict.fromkeys(
        (row.model, row.reference) for row in report.verdicts if row.rule == "against" and row.reference is not None
    )
    for alias, reference in pairs:
        quality = [
            _quality(row)
            for row in report.verdicts
            if (row.model, row.reference, row.rule, row.slice) == (alias, reference, "against", None)
            and not row.advisory
        ]
        sides = models.get(reference), models.get(alias)
        yield Upgrade(alias, reference, quality, list(_costs(sides, (speed.get(reference), speed.get(alias)), sizes)))


def _quality(row: Verdict) -> tuple[str, str, str, str]:
    change = "" if row.delta is None else signed(row.delta)
    if row.low is not None and row.high is not None:
        change += f" [{signed(row.low)}, {signed(row.high)}]"
    before, after = ("–" if value is None else f"{value:.3f}" for value in (row.bound, row.value))
    said = (row.change or row.state).upper() if row.blocks else (row.change or row.state)
    return f"{row.metric}, {row.suite}/{row.dataset}", before, after, f"{change} {said}".strip()


def _costs(
    sides: tuple[ModelInfo | None, ModelInfo | None], speed: tuple[float | None, float | None], sizes: Sequence[int]
) -> Iterator[tuple[str, str, str, str]]:
    if speed[0] and speed[1]:
        yield "texts per second", f"{speed[0]:,.0f}", f"{speed[1]:,.0f}", f"× {speed[1] / speed[0]:.2f}"
    size = [side.bytes_per_vector if side else None for side in sides]
    if size[0] and size[1]:
        yield "bytes per vector", f"{size[0]:,}", f"{size[1]:,}", f"× {size[1] / size[0]:.2f}"
    for documents in sizes:
        if speed[1]:
            once = _duration(documents / speed[1])
            yield f"encode {documents:,} documents anew, on this machine", "–", once, "once"
        if size[0] and size[1]:
            held = [shown_size(documents * each) for each in (size[0], size[1])]
            yield f"vectors of {documents:,} documents", held[0], held[1], ""


def _duration(seconds: float) -> str:
    unit, name = next(((unit, name) for unit, name in _UNITS if seconds >= 2 * unit), _UNITS[-1])
    return f"{seconds / unit:,.1f} {name}"
