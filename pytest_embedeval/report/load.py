"""A finished run is read back: the report, the scores behind it, and the texts to explain it with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pytest_embedeval.errors import BaselineError
from pytest_embedeval.gate import Excerpts, Result, load_baseline
from pytest_embedeval.gate.documents import read_json, validated
from pytest_embedeval.report.schema import Report

SCHEMA_VERSION = 1
_MEND = "restore the file, or run pytest again"


@dataclass(frozen=True)
class Kept:
    """Scores that were kept, by (alias, "suite/dataset").

    Attributes
    ----------
    report
        The report they belong to; None for baselines.
    texts
        Name of a data set -> its texts.
    """

    results: Mapping[tuple[str, str], Result]
    report: Report | None = None
    texts: Mapping[str, Excerpts] = field(default_factory=dict)

    @property
    def aliases(self) -> list[str]:
        """The models, in order."""
        return list(dict.fromkeys(alias for alias, _ in self.results))

    def primary(self, alias: str, place: str) -> list[str]:
        """Return the metrics that decided there in this run; none for a baseline, which does not know."""
        rows = self.report.measurements if self.report else ()
        there = (row for row in rows if (row.model, f"{row.suite}/{row.dataset}") == (alias, place))
        return [row.metric for row in there if row.primary]


def load_report(path: str | Path) -> Report:
    """Read `report.json`.

    Raises
    ------
    BaselineError
        Missing, truncated, of a newer schema or edited; the message names the file and the place.
    """
    path = _report_path(Path(path))
    mend = f"it is no report of this version; {_MEND}"
    return validated(_json(path), Report, path, version=SCHEMA_VERSION, mend=mend)


def load_kept(path: str | Path) -> Kept:
    """Read the scores of a finished run (its folder or its report.json), of one baseline, or of a folder of baselines.

    Raises
    ------
    BaselineError
        Nothing of the kind is there, or a file is damaged, or belongs to another run.
    """
    path = Path(path)
    if not path.exists():
        raise BaselineError(f"{path}: no such file or folder; name the folder of a run, its report.json, or a baseline")
    if _report_path(path).is_file() and _is_report(_json(_report_path(path))):
        return _load_run(_report_path(path))
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise BaselineError(f"{path}: neither report.json nor baselines are in this folder")
    baselines = [load_baseline(file) for file in files]
    return Kept({(kept.alias, place): result for kept in baselines for place, result in kept.results.items()})


def _load_run(path: Path) -> Kept:
    report = load_report(path)
    measured = {(row.model, f"{row.suite}/{row.dataset}", row.metric): row.value for row in report.measurements}
    results: dict[tuple[str, str], Result] = {}
    for model in report.models:
        file = path.parent / "baselines" / f"{model.alias}.json"
        if not file.exists():
            continue
        for place, result in load_baseline(file).results.items():
            known = {name: measured.get((model.alias, place, name)) for name in result.metrics}
            if all(value is None for value in known.values()):
                continue  # stored by an earlier run and carried along
            for name, value in known.items():
                if value is not None and abs(value - result.metrics[name].value) > 1e-5:
                    raise BaselineError(f"{file}: {place}: {name} is not that of {path}; the two are of different runs")
            results[model.alias, place] = result
    _check_complete(path, report, results)
    return Kept(results, report, _load_texts(path.parent / "texts.json"))


def _is_report(content: Any) -> bool:
    """Whether a file is meant as a report: a baseline named report.json is none, and a damaged report is one."""
    return isinstance(content, Mapping) and ("run" in content or not {"alias", "results"} & content.keys())


def _check_complete(path: Path, report: Report, results: Mapping[tuple[str, str], Result]) -> None:
    """Raise where scores that the report compares do not lie beside it: left out, they would go unjudged."""
    folder = path.parent / "baselines"
    keep = f"keep {path.name} in the folder that the run wrote, or run pytest again"
    if report.measurements and not results:
        raise BaselineError(
            f"{folder}: holds no scores of {path}; a run writes them where its tests call gate(); {keep}"
        )
    for row in report.verdicts:
        place = f"{row.suite}/{row.dataset}"
        if row.reference is not None and row.state != "error" and (row.model, place) not in results:
            raise BaselineError(
                f"{folder / row.model}.json: holds no scores for {place}, which {path} compares; {keep}"
            )


def _load_texts(path: Path) -> dict[str, Excerpts]:
    """Return the texts; a run without them is judged all the same, and explained by ids alone."""
    try:
        return TypeAdapter(dict[str, Excerpts]).validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return {}


def _report_path(path: Path) -> Path:
    return path / "report.json" if path.is_dir() else path


def _json(path: Path) -> Any:
    return read_json(path, number="number of a report", mend=_MEND)
