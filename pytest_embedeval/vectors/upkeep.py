"""What a cache folder holds, and how it is made smaller."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pytest_embedeval.folders import EXPORTS
from pytest_embedeval.vectors.segments import SUFFIX, is_damaged
from pytest_embedeval.vectors.store import KEYS, Store

_DAY_S = 86_400.0


@dataclass(frozen=True)
class Holding:
    """The vectors of one recipe.

    Attributes
    ----------
    number
        Of the recipe, in this store.
    source
        What the model is called.
    used
        Seconds since the epoch.
    """

    number: int
    source: str
    role: str
    dimension: int
    backend: str
    engine: str | None
    texts: int
    size: int
    used: float


@dataclass(frozen=True)
class Leftovers:
    """Files that no run will use again: set aside as damaged, or never announced. `size` in bytes."""

    paths: tuple[Path, ...]
    size: int


def is_used(folder: Path) -> bool:
    """Whether anything was ever kept in a cache folder."""
    return any((folder / name).is_dir() for name in ("vectors", EXPORTS))


def holdings(store: Store) -> list[Holding]:
    """Return what is kept, the largest first."""
    rows = store.database.execute(
        "SELECT recipes.id, source, facts, used, coalesce(sum(length(texts)), 0) / 16 FROM recipes "
        "LEFT JOIN batches ON batches.recipe = recipes.id GROUP BY recipes.id"
    ).fetchall()
    found = []
    for number, source, facts, used, texts in rows:
        fact = json.loads(facts)
        said = fact["role"], fact["dimension"], fact["backend"], fact["engine"]
        found.append(Holding(number, source, *said, texts, texts * 4 * fact["dimension"], used))
    return sorted(found, key=lambda holding: (-holding.size, holding.source, holding.role))


def unused_for(held: Collection[Holding], days: float) -> list[Holding]:
    """Return what no run has asked for in the last `days`."""
    return [holding for holding in held if time.time() - holding.used > days * _DAY_S]


def remove(store: Store, held: Collection[Holding]) -> None:
    """Remove the vectors of these recipes, keys first, and give the room back."""
    if not held:
        return
    numbers = [(holding.number,) for holding in held]
    segments: set[str] = set()
    with store.transaction() as database:
        for number in numbers:
            segments.update(
                name for (name,) in database.execute("SELECT segment FROM batches WHERE recipe = ?", number)
            )
        for table, column in (("claims", "recipe"), ("batches", "recipe"), ("recipes", "id")):
            database.executemany(f"DELETE FROM {table} WHERE {column} = ?", numbers)  # noqa: S608 - our own names
    delete([store.segments / segment for segment in segments])
    store.database.execute("VACUUM")


def leftovers(store: Store) -> Leftovers:
    """Find files that no run will use again; a file of the last day may belong to a run that has announced nothing."""
    known = {segment for (segment,) in store.database.execute("SELECT DISTINCT segment FROM batches")}
    paths = [path for path in store.folder.iterdir() if path.name.startswith(KEYS) and is_damaged(path)]
    for path in store.segments.glob("*") if store.segments.is_dir() else ():
        is_old = time.time() - path.stat().st_mtime > _DAY_S
        if is_damaged(path) or (path.suffix == SUFFIX and path.name not in known and is_old):
            paths.append(path)
    return Leftovers(tuple(sorted(paths)), sum(path.stat().st_size for path in paths))


def exports(folder: Path) -> Leftovers:
    """Return the exported models of a cache folder, with their size."""
    paths = tuple(sorted((folder / EXPORTS).iterdir())) if (folder / EXPORTS).is_dir() else ()
    files = (file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file())
    return Leftovers(paths, sum(file.stat().st_size for file in files))


def delete(paths: Collection[Path]) -> None:
    """Delete files and folders."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
