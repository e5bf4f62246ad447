"""`pytest-embedeval plan`: time, memory, money and network of larger corpora on more machines, from one report."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_embedeval.cli.parsers import Commands, command, names, wrapped
from pytest_embedeval.errors import UsageError, did_you_mean
from pytest_embedeval.memory import parse_size, shown_size

if TYPE_CHECKING:
    from pytest_embedeval.report.plan import Machine, Measured, Plan

_DOCUMENTS = (1_000_000, 10_000_000, 100_000_000)
_NODES = (1, 8, 64)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}
_COUNT = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)([KMG]?)", re.ASCII | re.IGNORECASE)
_EXAMPLES = """\
  pytest-embedeval plan .embedeval/report.json
      1, 10 and 100 million documents on 1, 8 and 64 machines like this one
  pytest-embedeval plan report.json --documents=100M --nodes=64 --price=1.20
  pytest-embedeval plan gpu/report.json --model=bge-m3 --latency-ms=20
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    summary = "Reckon what more documents take on more machines."
    parser = command(commands, "plan", run, summary=summary, examples=_EXAMPLES)
    parser.add_argument("report", metavar="REPORT", help="report.json of a run, or its folder")
    parser.add_argument("--documents", type=_counts, default=_DOCUMENTS, metavar="N,N", help="such as 500K,10M")
    parser.add_argument("--nodes", type=_counts, default=_NODES, metavar="N,N", help="machines like that of the report")
    parser.add_argument("--model", type=names, default=(), metavar="A,B", help="these models only")
    parser.add_argument(
        "--price", type=_number, metavar="USD", help="an hour of a node; default: machine_price of the report"
    )
    parser.add_argument("--memory", type=_size, metavar="SIZE", help="of a node, for vectors; default: 48GiB")
    parser.add_argument(
        "--network-gbit", type=_number, default=10.0, metavar="GBIT", help="a second, of the driver; default: 10"
    )
    parser.add_argument(
        "--latency-ms", type=_number, default=100.0, metavar="MS", help="what a query may take; default: 100"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print a table for each model.

    Raises
    ------
    BaselineError
        The report is missing or damaged.
    UsageError
        It has no model of that name, or of none of them is known what it takes.
    """
    from pytest_embedeval.report.load import load_report
    from pytest_embedeval.report.plan import Machine, measured, plans

    report = load_report(arguments.report)
    found = {each.alias: each for each in measured(report)}
    for alias in arguments.model:
        if alias not in found:
            raise UsageError(f"{arguments.report}: nothing was timed of {alias!r}; {did_you_mean(alias, found)}")
    if not found:
        raise UsageError(f"{arguments.report}: no vectors were computed or timed; run suites/test_retrieval.py")
    told = report.run.settings.get("machine_price")
    machine = Machine(
        price=arguments.price or (float(told) if isinstance(told, int | float) else None),
        network=arguments.network_gbit * 1e9 / 8,
        latency=arguments.latency_ms / 1000,
    )
    if arguments.memory is not None:
        machine = replace(machine, memory=arguments.memory)
    for alias in arguments.model or found:
        lines = list(plans(found[alias], machine, arguments.documents, arguments.nodes))
        for line in _table(found[alias], machine, lines):
            print(line)
    return 0


def _table(found: Measured, machine: Machine, lines: list[Plan]) -> Iterator[str]:
    from pytest_embedeval.cli.display import table, visible
    from pytest_embedeval.report.page.upgrade import duration, money
    from pytest_embedeval.report.plan import most_for_flat

    yield visible(found.alias)
    heads = ("texts", "nodes", "encode", "money", "a node", "network", "query", "bottleneck")
    rows = [
        (
            _shown(line.documents),
            f"{line.nodes:,}",
            duration(line.seconds),
            "–" if line.dollars is None else money(line.dollars),
            shown_size(line.memory),
            shown_size(line.moved),
            f"{line.query:,.2g} s",
            f"{line.bottleneck} *" if line.needs_index else line.bottleneck,
        )
        for line in lines
    ]
    yield from table([heads, *rows], [True] * 7 + [False])
    yield ""
    price = "no price told (--price)" if machine.price is None else f"{machine.price:,.2f} US dollars an hour of a node"
    assumed = f"{shown_size(machine.memory)} of a node for vectors, {machine.network * 8 / 1e9:g} Gbit/s, {price}"
    for note in (*found.notes, assumed):
        yield from wrapped(f"- {visible(note)}", 2)
    for nodes in dict.fromkeys(line.nodes for line in lines):
        most, limit = most_for_flat(found, machine, nodes), machine.latency * 1000
        who = "1 node searches" if nodes == 1 else f"{nodes:,} nodes search"
        yield from wrapped(f"- {who} up to {most:,} documents flat, a query within {limit:g} ms", 2)
    if any(line.needs_index for line in lines):
        yield "* an approximate index has to replace flat search"
    yield ""


def _shown(count: int) -> str:
    """Return a number as the option takes it, where that loses nothing: 10M."""
    units = (
        (unit, size) for unit, size in reversed(_UNITS.items()) if count % (size // 10 or 1) == 0 and count >= size
    )
    unit, size = next(units)
    return f"{count / size:,.10g}{unit}"


def _counts(text: str) -> tuple[int, ...]:
    """Read numbers such as 1M,500K; the type of an option."""
    return tuple(map(_count, text.split(",")))


def _count(text: str) -> int:
    match = _COUNT.fullmatch(text.strip())
    count = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number such as 64 or 10M")
    return count


def _number(text: str) -> float:
    """Read a number above 0; the type of an option."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def _size(text: str) -> int:
    size = parse_size(text)
    if size is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 48GiB")
    return size
