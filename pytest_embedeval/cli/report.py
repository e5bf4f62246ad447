"""`pytest-embedeval report`: the pictures of a finished run, and the pages that show them."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_embedeval.cli.parsers import Commands, command
from pytest_embedeval.errors import UsageError

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
        summary="Draw the pictures of a finished run, as SVG and PNG, and show them in its pages (extra `report`).",
        examples=_EXAMPLES,
    )
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="that of a run; by default where runs are written")


def run(arguments: argparse.Namespace) -> int:
    """Draw, write the pages of languages anew, and print the path of each file.

    Raises
    ------
    BaselineError
        There is no report in the folder, or it is damaged.
    UsageError
        The report holds nothing that could be drawn.
    MissingExtraError
        The extra `report` is not installed.
    """
    from pytest_embedeval.report import load_report
    from pytest_embedeval.report.charts import draw
    from pytest_embedeval.report.files import locked, write_together
    from pytest_embedeval.report.languages import language_pages
    from pytest_embedeval.settings import load_settings, project_root

    folder = Path(arguments.folder) if arguments.folder else load_settings(project_root(Path.cwd())).out
    report = load_report(folder)
    with locked(folder):
        drawn = draw(report, folder)
        if not drawn:
            raise UsageError(f"{folder}: the report holds no scores with bounds; there is nothing to draw")
        pages = language_pages(report, {path.stem for path in drawn})
        write_together({folder / name: text for name, text in pages.items()})
    for path in (*drawn, *(folder / name for name in pages)):
        print(path)
    return 0
