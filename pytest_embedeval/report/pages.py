"""What people look at: `report.html`, its pictures, and the pages of languages that show them."""

from __future__ import annotations

from pathlib import Path

from pytest_embedeval.errors import MissingExtraError
from pytest_embedeval.report.charts import PLOTS, pictures, vega_script
from pytest_embedeval.report.files import locked, write_together
from pytest_embedeval.report.languages import language_pages
from pytest_embedeval.report.load import Kept
from pytest_embedeval.report.page import page_of
from pytest_embedeval.report.schema import Report

PAGE = "report.html"


def write_pages(report: Report, kept: Kept, folder: Path, *, draw: bool = True) -> tuple[list[Path], str]:
    """Write the page of a run, its pictures, and the pages of languages that show them, as one.

    Parameters
    ----------
    kept
        The scores of each query, and the texts they are shown with.
    draw
        False leaves pictures out.

    Returns
    -------
    (paths, note)
        The files, the page last; and what to install where pictures are missing, else "".
    """
    drawn, script, note = {}, "", ""
    if draw:
        try:
            drawn = pictures(report)
            script = vega_script() if drawn else ""
        except MissingExtraError as error:
            note = f"report.html is without pictures: {error}"
    files: dict[Path, str | bytes] = {}
    for name, picture in drawn.items():
        files |= {folder / PLOTS / f"{name}.svg": picture.svg, folder / PLOTS / f"{name}.png": picture.png}
    files |= {folder / name: text for name, text in language_pages(report, drawn).items()}
    files[folder / PAGE] = page_of(report, kept, drawn, script)
    with locked(folder):
        write_together(files)
    return list(files), note
