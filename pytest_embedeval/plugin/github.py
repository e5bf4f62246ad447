"""GitHub Actions: the step summary, and annotations beside the lines of configuration and tests that they are about.

Both formats are those of https://docs.github.com/actions/reference/workflow-commands-for-github-actions; values are
escaped as GitHub's own toolkit escapes them (`packages/core/src/command.ts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_embedeval.gate import Verdict
    from pytest_embedeval.report import Report
    from pytest_embedeval.settings import Settings

Tests = Mapping[tuple[str, str], Sequence[str]]

SUMMARY_LIMIT = 1024 * 1024  # bytes; a larger summary is not shown at all
_TOO_LARGE = "GitHub shows no summary of more than 1 MiB"
SHOWN = 10  # annotations of one kind that GitHub shows for a step
_TITLE_WIDTH = 250
_MESSAGE_WIDTH = 2000


@dataclass(frozen=True)
class _Annotation:
    kind: str
    title: str
    message: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        places = {"title": self.title[:_TITLE_WIDTH], "file": self.file, "line": self.line}
        given = ",".join(f"{name}={_property(str(value))}" for name, value in places.items() if value)
        return f"::{self.kind} {given}::{_data(self.message[:_MESSAGE_WIDTH])}"


def is_wanted(settings: Settings, environ: Mapping[str, str]) -> bool:
    """Whether the run is one of GitHub Actions, and the configuration lets it speak there."""
    return environ.get("GITHUB_ACTIONS") == "true" and settings.github != "off"


def write_summary(report: Report, environ: Mapping[str, str], faults: Sequence[str] = ()) -> str | None:
    """Append the report to the step summary, shortened where GitHub would refuse it.

    Parameters
    ----------
    faults
        What failed the run as a whole.

    Returns
    -------
    str or None
        One line that says why it could not be written; None where it was, or where there is no summary.
    """
    target = environ.get("GITHUB_STEP_SUMMARY")
    if not target:
        return None
    from pytest_embedeval.report.markdown import markdown_lines
    from pytest_embedeval.report.summary import ROOM, fitting_text

    path = Path(target)
    try:
        with path.open("a", encoding="utf-8", newline="\n") as stream:
            room = SUMMARY_LIMIT - stream.tell()
            if room < ROOM:
                return f"the step summary was left as it is: {path} is full, GitHub shows at most 1 MiB"
            stream.write("\n" + fitting_text(markdown_lines(report, faults), room, _TOO_LARGE))
    except OSError as error:
        return f"the step summary could not be written: {path}: {error.strerror or error}"
    return None


def annotation_lines(
    report: Report,
    settings: Settings,
    environ: Mapping[str, str],
    faults: Sequence[str] = (),
    tests: Tests | None = None,
) -> Iterator[str]:
    """Yield workflow commands: errors for what blocks, warnings for what is inconclusive, notices for improvements.

    At most ten of a kind, since GitHub shows no more; the last then says how many there are besides.

    Parameters
    ----------
    faults
        What failed the run as a whole.
    tests
        (alias, "suite/dataset") -> node ids of the tests that asked for the verdict; a comparison is annotated there,
        a threshold in the configuration file.
    """
    if not is_wanted(settings, environ):
        return
    places = _Places(settings, environ, tests or {})
    found = list(_annotations(report, faults, places))
    for kind in ("error", "warning", "notice"):
        of_kind = [annotation for annotation in found if annotation.kind == kind]
        if len(of_kind) > SHOWN:
            rest = len(of_kind) - SHOWN + 1
            message = f"{rest} more {kind}s are in the log, the step summary and {settings.out.name}/report.json"
            of_kind[SHOWN - 1 :] = [_Annotation(kind, f"embedeval: {rest} more", message)]
        yield from map(str, of_kind)


def _annotations(report: Report, faults: Sequence[str], places: _Places) -> Iterator[_Annotation]:
    from pytest_embedeval.report.markdown import other_faults

    for model in report.models:
        if model.error:
            yield _Annotation("error", f"{model.alias} could not be {model.failed}", model.error, places.configuration)
    for fault in other_faults(report, faults):
        yield _Annotation("error", "embedeval", fault, places.configuration)
    for verdict in report.verdicts:
        kind = _kind(verdict)
        if kind is not None:
            part = f" ({verdict.slice})" if verdict.slice else ""
            title = f"{verdict.model}: {verdict.metric} of {verdict.suite}/{verdict.dataset}{part}"
            yield _Annotation(kind, title, verdict.reason, *places.of(verdict))


def _kind(verdict: Verdict) -> str | None:
    if verdict.advisory:
        return None
    if verdict.blocks:
        return "error"
    if verdict.state == "inconclusive":
        return "warning"
    return "notice" if verdict.change == "improved" else None


class _Places:
    """Finds the file and the line that a verdict is about, as GitHub wants them: relative to the checkout."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], tests: Tests) -> None:
        self.settings = settings
        self.tests = tests
        self._roots = [Path(root).resolve() for root in (environ.get("GITHUB_WORKSPACE"), settings.root) if root]
        self._texts: dict[Path, list[str]] = {}

    @property
    def configuration(self) -> str | None:
        """The configuration file; None where there is none."""
        return self._relative(self.settings.root / self.settings.file)

    def of(self, verdict: Verdict) -> tuple[str | None, int | None]:
        """Return file and line of a verdict; None where they are not known."""
        if verdict.reference is not None:
            for test in self.tests.get((verdict.model, f"{verdict.suite}/{verdict.dataset}"), ()):
                name, _, function = test.partition("::")
                file = self._relative(self.settings.root / name)
                if file is not None:
                    return file, self._line_of_function(self.settings.root / name, function.rpartition("::")[2])
        return self.configuration, self._line_of_rule(verdict)

    def _relative(self, path: Path) -> str | None:
        found = path.resolve()
        if not found.is_file():
            return None
        return next((found.relative_to(root).as_posix() for root in self._roots if found.is_relative_to(root)), None)

    def _lines(self, path: Path) -> list[str]:
        if path not in self._texts:
            try:
                self._texts[path] = path.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError):
                self._texts[path] = []
        return self._texts[path]

    def _line_of_function(self, path: Path, function: str) -> int | None:
        head = re.compile(rf"\s*(async\s+)?def\s+{re.escape(function)}\b")
        return next((number for number, line in enumerate(self._lines(path), 1) if head.match(line)), None)

    def _line_of_rule(self, verdict: Verdict) -> int | None:
        """Return the line of a metric under the heading of its gate, that of the alias before the common one."""
        gate = "gates", f"{verdict.suite}/{verdict.dataset}"
        lines = self._lines(self.settings.root / self.settings.file)
        for keys in ((*gate, verdict.model), gate):
            heading, is_under = self.settings.heading(*keys), False
            for number, line in enumerate(map(str.strip, lines), 1):
                if line.startswith("["):
                    is_under = line.startswith(heading) and line[len(heading) :].lstrip()[:1] in ("", "#")
                elif is_under and line.partition("=")[0].strip().strip("\"'") == verdict.metric:
                    return number
        return None


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
