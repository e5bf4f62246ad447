"""`pytest-embedeval cache`: what is kept between runs, by model, and how to be rid of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_embedeval.cli.parsers import Commands, command, wrapped
from pytest_embedeval.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from pytest_embedeval.vectors import Store
    from pytest_embedeval.vectors.upkeep import Holding, Leftovers

_UNUSED_DAYS = 30.0
_EXAMPLES = """\
  pytest-embedeval cache info                     vectors by model, with sizes
  pytest-embedeval cache prune                    what no run used for 30 days
  pytest-embedeval cache prune --unused-for=7 --dry-run
  pytest-embedeval cache clear minilm-en          the vectors of one model
  pytest-embedeval cache clear                    everything
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = command(commands, "cache", run, summary="Show or remove kept vectors.", examples=_EXAMPLES)
    parser.add_argument("action", choices=("info", "prune", "clear"))
    parser.add_argument("model", nargs="?", metavar="MODEL", help="with clear: only this one, as info calls it")
    parser.add_argument("--cache", metavar="DIR", help="the cache folder; by default the configured one")
    parser.add_argument(
        "--unused-for",
        type=_days,
        metavar="DAYS",
        help=f"with prune: remove what no run used for so long (default: {_UNUSED_DAYS:g})",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def run(arguments: argparse.Namespace) -> int:
    """Print what is kept, or remove it.

    Raises
    ------
    UsageError
        No cache is configured, its files cannot be used, or the model named is not in it.
    """
    if arguments.model and arguments.action != "clear":
        raise UsageError(f"cache {arguments.action} takes no model; cache clear does")
    if arguments.unused_for is not None and arguments.action != "prune":
        raise UsageError(f"cache {arguments.action} takes no --unused-for; cache prune does")
    folder = _folder(arguments)
    from pytest_embedeval.vectors import Store
    from pytest_embedeval.vectors.upkeep import is_used

    if not is_used(folder):
        print(f"{folder}: nothing is kept here")
        return 0
    problems: list[str] = []
    store = Store(folder, problems.append)
    if not store.is_open:
        raise UsageError(problems[-1])
    for problem in problems:
        print(problem)
    problems.clear()
    try:
        with store.using():
            _ACTIONS[arguments.action](store, folder, arguments)
    finally:
        store.close()
    if problems:
        raise UsageError(problems[-1])
    return 0


def _days(text: str) -> float:
    """Read a number of days; the type of an option."""
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not days >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days, for example 30")
    return days


def _folder(arguments: argparse.Namespace) -> Path:
    from pytest_embedeval.folders import cache_folder
    from pytest_embedeval.settings import load_settings, project_root

    if arguments.cache:
        folder = cache_folder(Path.cwd(), arguments.cache)
    else:
        folder = load_settings(project_root(Path.cwd())).cache
    if folder is None:
        raise UsageError("the cache is off; name a folder with --cache=DIR")
    return folder


def _info(store: Store, folder: Path, _: argparse.Namespace) -> None:
    from pytest_embedeval.memory import shown_size
    from pytest_embedeval.vectors.upkeep import exports, holdings, leftovers

    held = holdings(store)
    print(f"{folder}\n")
    for line in _table(held):
        print(line)
    print(f"vectors: {sum(h.texts for h in held):,}, {shown_size(sum(h.size for h in held))}")
    for what, files in (("exported models", exports(folder)), (_LEFT, leftovers(store))):
        if files.paths:
            print(f"{what}: {len(files.paths)}, {shown_size(files.size)}")


def _table(held: Sequence[Holding]) -> Iterator[str]:
    """Yield a line per model, dimension and engine, and what computed the vectors; nothing where there are none."""
    from tabulate import tabulate

    from pytest_embedeval.memory import shown_size

    if not held:
        return
    kinds: dict[tuple[str, int, str | None], list[Holding]] = {}
    for holding in held:
        kinds.setdefault((holding.source, holding.dimension, holding.engine), []).append(holding)
    rows = [["Dim", "Queries", "Documents", "Size", "Last used", "Model"]]
    for (source, dimension, _), parts in kinds.items():
        texts = (sum(part.texts for part in parts if part.role == role) for role in ("query", "document"))
        used = max(part.used for part in parts)
        size = shown_size(sum(part.size for part in parts))
        rows.append([str(dimension), *(f"{count:,}" for count in texts), size, _day(used), source])
    alignment = (*["right"] * 5, "left")  # a model may be a long path: it stands last, and whole
    yield from tabulate(rows, tablefmt="plain", colalign=alignment, disable_numparse=True).splitlines()
    yield ""
    engines = dict.fromkeys((source, engine) for source, _, engine in kinds if engine)
    for source, engine in engines:
        yield from wrapped(f"{source}: computed by {engine}", hang=2)
    if engines:
        yield ""


def _prune(store: Store, folder: Path, arguments: argparse.Namespace) -> None:
    from pytest_embedeval.vectors.upkeep import delete, holdings, leftovers, remove, unused_for

    days = _UNUSED_DAYS if arguments.unused_for is None else arguments.unused_for
    held, left = unused_for(holdings(store), days), leftovers(store)
    if not arguments.dry_run:
        remove(store, held)
        delete(left.paths)
    removed = [*map(_vectors, held), *_files(_LEFT, left)]
    _say(removed, arguments)
    if not removed:
        print(f"{folder}: nothing to remove; all that is kept was used in the last {days:g} days")


def _clear(store: Store, folder: Path, arguments: argparse.Namespace) -> None:
    from pytest_embedeval.vectors.upkeep import delete, exports, holdings, leftovers, remove

    held = holdings(store)
    if arguments.model:
        known = {holding.source for holding in held}
        if arguments.model not in known:
            raise UsageError(f"nothing is kept of {arguments.model!r}; {did_you_mean(arguments.model, known)}")
        held = [holding for holding in held if holding.source == arguments.model]
    files = {} if arguments.model else {"exported models": exports(folder), _LEFT: leftovers(store)}
    if not arguments.dry_run:
        remove(store, held)
        for found in files.values():
            delete(found.paths)
    removed = [*map(_vectors, held), *(line for what, found in files.items() for line in _files(what, found))]
    _say(removed, arguments)
    if not removed:
        print(f"{folder}: nothing is kept here")


def _say(removed: Iterable[str], arguments: argparse.Namespace) -> None:
    done = "would be removed" if arguments.dry_run else "removed"
    for what in removed:
        print(f"{done}: {what}")


def _vectors(holding: Holding) -> str:
    from pytest_embedeval.memory import shown_size

    what = f"{holding.source} ({holding.role}), {holding.texts:,} vectors, {shown_size(holding.size)}"
    return f"{what}, last used {_day(holding.used)}"


def _files(what: str, found: Leftovers) -> Iterator[str]:
    from pytest_embedeval.memory import shown_size

    if found.paths:
        yield f"{len(found.paths)} {what}, {shown_size(found.size)}"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).date().isoformat()


_LEFT = "damaged or orphaned files"
_ACTIONS: dict[str, Callable[[Store, Path, argparse.Namespace], None]] = {
    "info": _info,
    "prune": _prune,
    "clear": _clear,
}
