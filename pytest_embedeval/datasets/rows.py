"""Files of one entry per line, read line by line: JSON objects, or cells below a header; every row has its number."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_embedeval.datasets.json_values import json_object
from pytest_embedeval.errors import DatasetError

Rows = Iterable[tuple[int, Mapping[str, Any]]]  # number of the line or row, from 1, and what stands in it

# A cell in quotes as CSV has them, up to the next tab or the end.
_QUOTED = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"(?=\t|\Z)')


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a UTF-8 file from 1, without their ends and without a byte order mark.

    Raises
    ------
    DatasetError
        No such file, not readable, or not UTF-8; the message names the line.
    """
    number = 0
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                text = line.decode("utf-8").rstrip("\r\n")
                yield number, text.removeprefix("\N{BYTE ORDER MARK}") if number == 1 else text
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 text (byte {error.start} of the line); save it as UTF-8"
        raise DatasetError(f"{path}, line {number}: {problem}") from None


def spaced_cells(line: str) -> list[str]:
    """Split at tabs and spaces, as trec_eval does: other white space, such as a no-break space, is part of an id."""
    return [cell for cell in line.replace("\t", " ").split(" ") if cell]


def json_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the objects of a JSONL file with their lines; blank lines are left out.

    Raises
    ------
    DatasetError
        The file cannot be read, or a line is no JSON object.
    """
    for number, line in numbered_lines(path):
        if line.strip():
            try:
                value = json.loads(line)
            except json.JSONDecodeError as error:
                place = f"{path}, line {number}, column {error.colno}"
                raise DatasetError(f"{place}: not valid JSON: {error.msg}") from None
            yield number, json_object(value, f"{path}, line {number}")


def delimited_rows(
    path: Path, columns: Sequence[str] = (), delimiters: str = "\t"
) -> Iterator[tuple[int, dict[str, str]]]:
    r"""Yield the rows below a header line, column -> cell, with the line in which each begins.

    Commas and semicolons are read as CSV says. In a tab-separated file a quote is only a quote where it encloses a
    whole cell (`"48"" table"`); anywhere else it is an inch mark (`48" table`), and every line stays a row.

    Parameters
    ----------
    columns
        Those that the header must have.
    delimiters
        What may stand between cells; the one that gives the header most cells does.

    Raises
    ------
    DatasetError
        The file cannot be read, a column is missing or stands twice, or a row has not as many cells as the header.
    """
    lines = numbered_lines(path)
    first = next(((number, line) for number, line in lines if line.strip()), None)
    if first is None:
        raise DatasetError(f"{path}: no header line; the file is empty")
    header, delimiter = max(((_header(first[1], each), each) for each in delimiters), key=lambda found: len(found[0]))
    place = f"{path}, line {first[0]}"
    for column in columns:
        if column not in header:
            raise DatasetError(f"{place}: column {column!r} is missing; found {', '.join(header)}")
    for column in header:
        if header.count(column) > 1:
            raise DatasetError(f"{place}: column {column!r} stands there twice")
    records = _tabbed(lines, len(header)) if delimiter == "\t" else _quoted(lines, delimiter, path, first[0])
    for number, cells in records:
        if len(cells) != len(header):
            found = f"{len(cells)} cells, and the header has {len(header)} columns"
            raise DatasetError(f"{path}, line {number}: {found}; a stray tab, quote or {delimiter!r}?")
        yield number, dict(zip(header, cells, strict=True))


def _header(line: str, delimiter: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]


def _quoted(
    lines: Iterator[tuple[int, str]], delimiter: str, path: Path, above: int
) -> Iterator[tuple[int, list[str]]]:
    rows = csv.reader((f"{line}\n" for _, line in lines), delimiter=delimiter, strict=True)
    number = above + 1
    try:
        for cells in rows:
            if cells:
                yield number, [cell.strip() for cell in cells]
            number = above + rows.line_num + 1
    except csv.Error as error:
        raise DatasetError(f"{path}, line {number}: {error}") from None


def _tabbed(lines: Iterator[tuple[int, str]], width: int) -> Iterator[tuple[int, list[str]]]:
    """Yield tab-separated records; a quoted cell may go on in the next line, unless that is a row of its own."""
    start, held = 0, ""
    for number, line in lines:
        begin, text = number, line
        if held:
            cells = _cells(held)[0]
            if len(cells) == width == len(_cells(line)[0]):
                yield start, cells
            else:
                begin, text = start, f"{held}\n{line}"
        cells, is_open = _cells(text)
        if is_open and len(cells) <= width:
            start, held = begin, text
            continue
        held = ""
        if text.strip():
            yield begin, cells
    if held:
        yield start, _cells(held)[0]


def _cells(text: str) -> tuple[list[str], bool]:
    """Split at tabs outside of quoted cells; tell too whether a quote begins a cell and nothing ends it."""
    if '"' not in text:
        return [cell.strip() for cell in text.split("\t")], False
    cells, start, is_open = [], 0, False
    while True:
        quoted = _QUOTED.match(text, start)
        if quoted:
            end = quoted.end()
            cells.append(quoted[1].replace('""', '"'))
        else:
            end = text.find("\t", start)
            end = len(text) if end < 0 else end
            cells.append(text[start:end].strip())
            is_open |= text.startswith('"', start) and text.count('"', start) % 2 == 1
        if end == len(text):
            return cells, is_open
        start = end + 1
