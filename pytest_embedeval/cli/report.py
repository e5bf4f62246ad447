"""`pytest-embedeval report`: the page of a finished run, and its pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_embedeval.cli.parsers import Commands, command

_EXAMPLES = """\
  pytest-embedeval report                   of the last run, into its own folder
  pytest-embedeval report before/.embedeval
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands,
        "report",
        run,
        summary="Write report.html of a finished run anew, and its pictures as SVG and PNG (extra `report`).",
        examples=_EXAMPLES,
    )
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="that of a run; by default where runs are written")


def run(arguments: argparse.Namespace) -> int:
    """Write the page, the pictures, and the pages of languages that show them; print the path of each file.

    The scenarios are those of the configuration as it is now. Without the extra `report` the page has its tables
    alone, and a line says what to install.

    Raises
    ------
    BaselineError
        There is no finished run in the folder, or it is damaged.
    """
    from pytest_embedeval.report import Kept, load_kept, load_report
    from pytest_embedeval.report.decision import decide
    from pytest_embedeval.report.pages import write_pages
    from pytest_embedeval.settings import load_settings, project_root

    settings = load_settings(project_root(Path.cwd()))
    folder = Path(arguments.folder) if arguments.folder else settings.out
    report = load_report(folder)
    gated = any((folder / "baselines").glob("*.json"))  # else no test called gate(), and no query has a score
    kept = load_kept(folder) if gated else Kept({}, report)
    report.decisions = decide(report, kept.results, settings.scenarios, settings.clusters)
    paths, note = write_pages(report, kept, folder)
    for path in paths:
        print(path)
    if note:
        print(note)
    return 0
