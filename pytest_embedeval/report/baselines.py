"""Baselines are brought up to date, under a lock, one whole file after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_embedeval.gate import Baseline, Entry, Judge, Result, baseline_path, load_baseline, merged, plan_update
from pytest_embedeval.report.files import locked, write_atomically


def update_baselines(
    folder: Path,
    results: Mapping[tuple[str, str], Result],
    unused: Mapping[str, Sequence[str]],
    judge: Judge,
) -> list[str]:
    """Write the results into the baselines of their aliases and return lines that say what changed, old → new.

    Parameters
    ----------
    results
        (alias, "suite/dataset") -> scores.
    unused
        Alias -> entries to remove.

    Raises
    ------
    BaselineError
        A stored file cannot be read; none is overwritten.
    OSError
        The folder cannot be written.
    """
    lines: list[str] = []
    with locked(folder):
        stored = {alias: _stored(folder, alias) for alias in sorted({*(alias for alias, _ in results), *unused})}
        for alias, before in stored.items():
            planned = {place: found for (name, place), found in results.items() if name == alias}
            entries = [_plan(alias, place, found, before, judge) for place, found in planned.items()]
            written = {entry.place: planned[entry.place] for entry in entries if entry.goes_in}
            after = merged(before, alias, written)
            for place in unused.get(alias, ()):
                after.results.pop(place, None)
            lines += [_line(alias, entry) for entry in entries if entry.step != "kept"]
            lines += [f"removed     {alias} {place}" for place in unused.get(alias, ())]
            path = baseline_path(folder, alias)
            if not after.results:
                path.unlink(missing_ok=True)
            elif before is None or after.text() != before.text():
                write_atomically(path, after.text())
    return [*lines, f"baselines: {folder}"]


_STEPS = {"new": "stored", "written": "updated", "worse": "not written", "unchanged": "unchanged"}


def _line(alias: str, entry: Entry) -> str:
    advice = "; it fell: --embedeval-accept-worse writes it" if entry.step == "worse" else ""
    return f"{_STEPS[entry.step]:<11} {alias} {entry.place}: {entry.line}{advice}"


def _plan(alias: str, place: str, result: Result, stored: Baseline | None, judge: Judge) -> Entry:
    return plan_update(
        place,
        result,
        stored.results.get(place) if stored else None,
        judge.rules(alias, place),
        only_new=not judge.update.rewrite,
        accept_worse=judge.update.accept_worse,
    )


def _stored(folder: Path, alias: str) -> Baseline | None:
    path = baseline_path(folder, alias)
    return load_baseline(path) if path.exists() else None
