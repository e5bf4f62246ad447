"""The Markdown summary as a text of limited size: as a comment, `summary.md`, and as GitHub's step summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_embedeval.report.markdown import markdown_lines
from pytest_embedeval.report.schema import Report

COMMENT_LIMIT = 65_536  # characters that GitHub takes as a comment; counted in bytes here, which are never fewer
ROOM = 1024  # bytes kept for the end of a shortened summary

_OF_A_COMMENT = "a comment on GitHub holds at most 65,536 characters"


def comment_text(report: Report, faults: Sequence[str] = ()) -> str:
    """Return the summary of a run, shortened from its end where a comment on GitHub could not hold it.

    Parameters
    ----------
    faults
        What failed the run as a whole.
    """
    return fitting_text(markdown_lines(report, faults), COMMENT_LIMIT, _OF_A_COMMENT)


def fitting_text(lines: Iterable[str], limit: int, reason: str) -> str:
    """Return lines as text of at most `limit` bytes; where some are left out, the last one says so and why.

    Parameters
    ----------
    limit
        At least `ROOM`.
    """
    kept: list[str] = []
    size, is_open = 0, False
    for line in lines:
        size += len(line.encode("utf-8")) + 1
        if size > limit - ROOM:
            end = ["", "</details>"] if is_open else []
            return _text([*kept, *end, "", f"Shortened: {reason}. The rest is in `report.json`."])
        is_open = (is_open or line.startswith("<details>")) and line != "</details>"
        kept.append(line)
    return _text(kept)


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
