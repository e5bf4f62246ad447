"""What a larger corpus takes on more machines, reckoned from what one report measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_embedeval.report.page.upgrade import Side
from pytest_embedeval.report.schema import Report

TEXT_BYTES = 1024  # of a document, where nobody counted its tokens
TOKEN_BYTES = 4
SCAN_BYTES_PER_S = 8e9  # of vectors that one node reads in a flat search, where none was timed


@dataclass(frozen=True)
class Measured:
    """What is known of one model.

    Attributes
    ----------
    texts_per_s
        Of one machine.
    native, dimension
        Numbers per vector that the model gives, and those that are searched; in float32.
    text_bytes
        Of a document.
    scanned_per_s
        Documents per second that a flat search for one query goes through.
    notes
        What these numbers rest on, a sentence each.
    """

    alias: str
    texts_per_s: float
    native: int
    dimension: int
    text_bytes: float
    scanned_per_s: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Machine:
    """What a node and its cluster are taken to be.

    Attributes
    ----------
    price
        US dollars for an hour of a node; None to tell no money.
    memory
        Bytes of RAM of a node that vectors may take.
    network
        Bytes per second between the machine that drives the run and all nodes together.
    latency
        Seconds that a search for one query may take.
    """

    price: float | None = None
    memory: float = 48 * 1024**3
    network: float = 10e9 / 8
    latency: float = 0.1


@dataclass(frozen=True)
class Plan:
    """One line: so many documents on so many nodes.

    Attributes
    ----------
    seconds
        To encode all documents, or to move them where that takes longer.
    dollars
        For that time; None where nobody told a price.
    memory
        Bytes of vectors on each node while they are searched.
    moved
        Bytes over the network: texts to the nodes, and their vectors back.
    query
        Seconds of a flat search for one query, on all nodes at once.
    bottleneck
        `memory` where the vectors do not fit, `search` where a query takes too long, else what takes the time:
        `encoding` or `network`.
    """

    documents: int
    nodes: int
    seconds: float
    dollars: float | None
    memory: float
    moved: float
    query: float
    bottleneck: str

    @property
    def needs_index(self) -> bool:
        """Whether an approximate index has to replace flat search."""
        return self.bottleneck in ("memory", "search")


def plans(found: Measured, machine: Machine, documents: Sequence[int], nodes: Sequence[int]) -> Iterator[Plan]:
    """Yield a line for each number of documents and of nodes."""
    for count in documents:
        for number in nodes:
            yield plan(found, machine, count, number)


def plan(found: Measured, machine: Machine, documents: int, nodes: int) -> Plan:
    """Reckon one line.

    Texts are independent of each other, so that n nodes encode n times as many in a second; what it takes to load the
    model is left out. All texts and vectors pass the network of the one machine that drives the run.
    """
    encoding = documents / found.texts_per_s / nodes
    moved = documents * (found.text_bytes + 4 * found.native)
    seconds = max(encoding, moved / machine.network)
    memory = documents * 4 * found.dimension / nodes
    query = documents / nodes / found.scanned_per_s
    if memory > machine.memory:
        bottleneck = "memory"
    elif query > machine.latency:
        bottleneck = "search"
    else:
        bottleneck = "encoding" if encoding >= moved / machine.network else "network"
    dollars = None if machine.price is None else nodes * seconds / 3600 * machine.price
    return Plan(documents, nodes, seconds, dollars, memory, moved, query, bottleneck)


def most_for_flat(found: Measured, machine: Machine, nodes: int) -> int:
    """Return up to how many documents flat search does: they fit into the memory, and a query is fast enough."""
    return int(nodes * min(machine.memory / (4 * found.dimension), machine.latency * found.scanned_per_s))


def measured(report: Report) -> Iterator[Measured]:
    """Yield what a report knows of each model whose vectors were computed or timed; an API has machines of its own."""
    for info in report.models:
        side = Side(report, info.alias)
        rate, source = _rate(report, side)
        if rate is None or info.native_dimension is None or info.dimension is None or info.price is not None:
            continue
        notes = [f"{rate:,.0f} texts per second on {info.device or 'an unknown device'}, {source}"]
        if side.tokens:
            notes.append(f"{side.tokens:,.0f} tokens a document, at {TOKEN_BYTES} bytes each")
        else:
            notes.append(f"{TEXT_BYTES:,} bytes a document, for want of a count of tokens")
        scanned, said = _scanned(report, info.alias, info.dimension)
        yield Measured(
            alias=info.alias,
            texts_per_s=rate,
            native=info.native_dimension,
            dimension=info.dimension,
            text_bytes=side.tokens * TOKEN_BYTES if side.tokens else TEXT_BYTES,
            scanned_per_s=scanned,
            notes=(*notes, said),
        )


def _rate(report: Report, side: Side) -> tuple[float | None, str]:
    """Return the texts per second of a model, and where they were measured."""
    if side.rate is not None:
        return side.rate, "by suites/test_speed.py"
    rows = [
        row
        for row in report.vectors
        if (row.model, row.role) == (side.alias, "document") and row.seconds and (row.encoded or row.reused)
    ]
    largest = max(rows, key=lambda row: row.encoded + row.reused, default=None)
    if largest is None:
        return None, ""
    texts = largest.encoded + largest.reused
    return texts / largest.seconds, f"as {texts:,} documents of {largest.dataset} were encoded"


def _scanned(report: Report, alias: str, dimension: int) -> tuple[float, str]:
    """Return how many documents a flat search reads in a second, and how that is known."""
    rows = [row for row in report.indexes if row.model == alias and row.exact_p50_ms > 0 and row.documents]
    largest = max(rows, key=lambda row: row.documents, default=None)
    if largest is None:
        said = (
            f"flat search reads {SCAN_BYTES_PER_S / 1e9:g} GB of vectors a second, assumed: --embedeval-index times it"
        )
        return SCAN_BYTES_PER_S / (4 * dimension), said
    rate = largest.documents / largest.exact_p50_ms * 1000
    return rate, f"flat search reads {rate:,.0f} vectors a second, timed on {largest.documents:,} of {largest.dataset}"
