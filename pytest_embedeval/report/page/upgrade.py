"""What changes where one model takes the place of another: quality, speed, size, time and money."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pytest_embedeval.gate import Verdict, signed
from pytest_embedeval.memory import shown_size
from pytest_embedeval.models import ModelInfo
from pytest_embedeval.report.schema import IndexRow, Report
from pytest_embedeval.report.speed import rates

Line = tuple[str, str, str, str]  # label, before, after, and the change in words

_CORPORA = (1_000_000, 10_000_000)
_UNITS = ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


@dataclass(frozen=True)
class Upgrade:
    """The card of one model beside the reference of `--against`; `note` says what the numbers rest on."""

    model: str
    reference: str
    quality: Sequence[Line]
    costs: Sequence[Line]
    note: str


def upgrades(report: Report) -> Iterator[Upgrade]:
    """Yield a card for each model that was compared with the reference of `--against`.

    Time, money and memory are told for the largest corpus that was searched, for the sizes of the setting
    `documents`, and for 1 and 10 million.
    """
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
        before, after = Side(report, reference), Side(report, alias)
        yield Upgrade(alias, reference, quality, list(_costs(report, before, after)), after.note)


@dataclass(frozen=True)
class Side:
    """A model, and what was measured of it in this run."""

    report: Report
    alias: str

    @cached_property
    def info(self) -> ModelInfo | None:
        """What the report says of the model itself."""
        return next((row for row in self.report.models if row.alias == self.alias), None)

    @property
    def bytes_per_vector(self) -> int | None:
        """What an index keeps of a document."""
        return self.info.bytes_per_vector if self.info else None

    @cached_property
    def rate(self) -> float | None:
        """Texts per second, timed in this run alone: when vectors were kept, the machine may have been another."""
        return rates(self.report, _largest(self.report)).get(self.alias)

    @cached_property
    def tokens(self) -> float | None:
        """Mean tokens of a document of the largest corpus that was searched."""
        rows = [
            row
            for row in self.report.vectors
            if (row.model, row.suite, row.role) == (self.alias, "retrieval", "document") and row.tokens
        ]
        largest = max(rows, key=lambda row: row.texts, default=None)
        return largest.tokens / largest.texts if largest and largest.tokens else None

    def dollars(self, documents: int) -> float | None:
        """Return what it takes to encode so many documents; None where nobody told a price."""
        if self.info and self.info.price is not None:
            return None if self.tokens is None else documents * self.tokens * self.info.price / 1e6
        hour = self.report.run.settings.get("machine_price")
        if not isinstance(hour, int | float) or self.rate is None:
            return None
        return documents / self.rate / 3600 * hour

    def index_bytes(self) -> Iterator[tuple[str, float]]:
        """Yield each approximate index that was built, and what it takes for a document."""
        largest = {row.index: row for row in sorted(self._indexes, key=lambda row: row.documents)}
        yield from ((name, row.bytes / row.documents) for name, row in largest.items())

    @property
    def note(self) -> str:
        """What time and money rest on."""
        if self.info and self.info.kind == "lexical":
            return "It needs no vectors: its index holds words."
        if self.rate is None:
            return f"Speed was not measured on {_largest(self.report)}: run suites/test_speed.py for time and money."
        paid = f"{self.tokens:,.0f} tokens each" if self.info and self.info.price is not None and self.tokens else ""
        hour = self.report.run.settings.get("machine_price")
        rented = f"{hour:,.2f} US dollars an hour" if isinstance(hour, int | float) else ""
        told = paid or rented or "set machine_price (US dollars an hour) for money"
        measured = f"as measured here on the documents of {_largest(self.report)}"
        return f"At {self.rate:,.0f} texts per second, {measured}; {told}."

    @property
    def _indexes(self) -> list[IndexRow]:
        return [row for row in self.report.indexes if row.model == self.alias and row.documents]


def _quality(row: Verdict) -> Line:
    change = "" if row.delta is None else signed(row.delta)
    if row.low is not None and row.high is not None:
        change += f" [{signed(row.low)}, {signed(row.high)}]"
    before, after = ("–" if value is None else f"{value:.3f}" for value in (row.bound, row.value))
    said = (row.change or row.state).upper() if row.blocks else (row.change or row.state)
    return f"{row.metric}, {row.suite}/{row.dataset}", before, after, f"{change} {said}".strip()


def _costs(report: Report, before: Side, after: Side) -> Iterator[Line]:
    if before.rate and after.rate:
        yield "texts per second", f"{before.rate:,.0f}", f"{after.rate:,.0f}", _ratio(before.rate, after.rate)
    old, new = before.bytes_per_vector, after.bytes_per_vector
    if old and new:
        yield "bytes per vector", f"{old:,}", f"{new:,}", _ratio(old, new)
    indexes = dict(before.index_bytes()), dict(after.index_bytes())
    for documents in _sizes(report):
        named = f"{documents:,} documents"
        if after.rate:
            dollars = after.dollars(documents)
            price = "" if dollars is None else f", {money(dollars)}"
            yield f"{named}: encode once", "–", f"{duration(documents / after.rate)}{price}", ""
        if old and new:
            yield f"{named}: vectors", shown_size(documents * old), shown_size(documents * new), ""
        for name in indexes[1]:
            sizes = (side.get(name) for side in indexes)
            held = ["–" if each is None else shown_size(round(documents * each)) for each in sizes]
            yield f"{named}: index {name}", held[0], held[1], ""


def _largest(report: Report) -> str | None:
    """Return the name of the largest corpus that was searched."""
    searched = {row.dataset for row in report.measurements if row.suite == "retrieval"}
    rows = [row for row in report.datasets if row.name in searched]
    return max(rows, key=lambda row: row.documents).name if rows else None


def _sizes(report: Report) -> list[int]:
    largest = _largest(report)
    own = next((row.documents for row in report.datasets if row.name == largest), 0)
    told = report.run.settings.get("documents")
    asked = [size for size in told if isinstance(size, int)] if isinstance(told, list) else []
    return sorted({own, *asked, *_CORPORA} - {0})


def _ratio(before: float, after: float) -> str:
    return f"× {after / before:.2f}"


def duration(seconds: float) -> str:
    """Return a time for people: `3.5 hours`."""
    unit, name = next(((unit, name) for unit, name in _UNITS if seconds >= 2 * unit), _UNITS[-1])
    return f"{seconds / unit:,.1f} {name}"


def money(dollars: float) -> str:
    """Return US dollars for people."""
    return f"${dollars:,.2f}" if dollars >= 0.01 else "less than $0.01"
