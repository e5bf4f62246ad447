"""`pytest-embedeval report`: the page of a finished run, and its pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_embedeval.cli.parsers import Commands, command
from pytest_embedeval.errors import MissingExtraError

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
        summary="Write report.html of a finished run, and its pictures as SVG and PNG (extra `report`).",
        examples=_EXAMPLES,
    )
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="that of a run; by default where runs are written")


def run(arguments: argparse.Namespace) -> int:
    """Write the page, the pictures, and the pages of languages that show them; print the path of each file.

    Without the extra `report` the page has its tables alone, and a line says what to install.

    Raises
    ------
    BaselineError
        There is no finished run in the folder, or it is damaged.
    """
    from pytest_embedeval.report import Kept, load_kept, load_report
    from pytest_embedeval.report.charts import PLOTS, pictures
    from pytest_embedeval.report.files import locked, write_together
    from pytest_embedeval.report.languages import language_pages
    from pytest_embedeval.report.page import page_of
    from pytest_embedeval.settings import load_settings, project_root

    folder = Path(arguments.folder) if arguments.folder else load_settings(project_root(Path.cwd())).out
    report = load_report(folder)
    gated = any((folder / "baselines").glob("*.json"))  # else no test called gate(), and no query has a score
    kept = load_kept(folder) if gated else Kept({}, report)
    missing = None
    try:
        drawn = pictures(report)
    except MissingExtraError as error:
        drawn, missing = {}, error
    files: dict[Path, str | bytes] = {}
    for name, picture in drawn.items():
        files |= {folder / PLOTS / f"{name}.svg": picture.svg, folder / PLOTS / f"{name}.png": picture.png}
    files |= {folder / name: text for name, text in language_pages(report, drawn).items()}
    files[folder / "report.html"] = page_of(report, kept, {name: picture.svg for name, picture in drawn.items()})
    with locked(folder):
        write_together(files)
    for path in files:
        print(path)
    if missing is not None:
        print(f"without pictures: {missing}")
    return 0
