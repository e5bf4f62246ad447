"""Files of one entry per line: numbers of lines, quotes and inch marks, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.datasets.rows import delimited_rows, json_rows, numbered_lines
from pytest_embedeval.errors import DatasetError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rows.tsv"


def cells(path: Path, text: str, **options: Any) -> list[tuple[int, list[str]]]:
    path.write_text(text, encoding="utf-8")
    return [(number, list(row.values())) for number, row in delimited_rows(path, **options)]


def refused(path: Path, text: str, **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        cells(path, text, **options)
    return str(caught.value).removeprefix(str(path))


def test_lines_are_numbered_and_lose_their_ends_and_the_byte_order_mark(path: Path) -> None:
    path.write_bytes("\ufeffbir\r\n\nüç\u2028dört\x85".encode())
    assert list(numbered_lines(path)) == [(1, "bir"), (2, ""), (3, "üç\u2028dört\x85")]


def test_a_line_in_another_encoding_is_named(path: Path) -> None:
    path.write_bytes("id\tname\n1\tmasa\n2\tşifonyer\n".encode("iso8859-9"))
    with pytest.raises(DatasetError, match=r"rows\.tsv, line 3: not UTF-8 text \(byte 2 of the line\)"):
        list(delimited_rows(path))


@pytest.mark.parametrize("make", [None, Path.mkdir], ids=["missing", "a folder"])
def test_what_is_no_file_is_named(path: Path, make: Any) -> None:
    if make:
        make(path)
    with pytest.raises(DatasetError, match=r"rows\.tsv: (no such file|cannot be read: Is a directory)$"):
        list(json_rows(path))


def test_blank_lines_between_objects_count_as_lines(path: Path) -> None:
    path.write_text('{"a": 1}\n\n{"a": 2}\n')
    assert list(json_rows(path)) == [(1, {"a": 1}), (3, {"a": 2})]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"a": 1', ", line 2, column 8: not valid JSON: Expecting ',' delimiter"),
        ("[1]", ", line 2: expected an object, found list"),
    ],
)
def test_a_line_that_is_no_object_is_named(path: Path, line: str, message: str) -> None:
    path.write_text(f'{{"a": 0}}\n{line}\n')
    with pytest.raises(DatasetError) as caught:
        list(json_rows(path))
    assert str(caught.value) == f"{path}{message}"


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ('"48"" table"', '48" table'),
        ('48" table', '48" table'),
        ('table, 48"', 'table, 48"'),
        ('"L" shaped sofa', '"L" shaped sofa'),
        ('"L shaped sofa', '"L shaped sofa'),
        ('""', ""),
        ('"a\tb"', "a\tb"),
        ('" kept "', " kept "),
        (" stripped ", "stripped"),
        ('"ends with an inch 5"""', 'ends with an inch 5"'),
    ],
)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_quote_encloses_a_cell_or_is_an_inch_mark(path: Path, cell: str, read: str, place: str) -> None:
    others = {"first": [cell, "b", "c"], "middle": ["a", cell, "c"], "last": ["a", "b", cell]}[place]
    expected = [read if each == cell else each for each in others]
    rows = cells(path, "x\ty\tz\n" + "\t".join(others) + '\n7\tchair 32"\tseats\n')
    assert rows == [(2, expected), (3, ["7", 'chair 32"', "seats"])]


def test_what_the_csv_module_writes_is_read_back(path: Path) -> None:
    rows = [["1", 'a "quoted" word', "two\nlines"], ["2", '"', "tab\tin it"], ["3", '5" x 7"', "\n\nafter blanks"]]
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter="\t").writerows([["x", "y", "z"], *rows])
    found = list(delimited_rows(path))
    assert [list(row.values()) for _, row in found] == rows
    assert [number for number, _ in found] == [2, 4, 5]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_header_tells_the_delimiter(path: Path, delimiter: str) -> None:
    text = f'query{delimiter}"document"\nwhat; where, when{delimiter}"a, b; c"\n'
    text = text if delimiter == "\t" else text.replace("what; where, when", '"what; where, when"')
    assert cells(path, text, delimiters="\t;,") == [(2, ["what; where, when", "a, b; c"])]


def test_rows_of_a_comma_file_are_called_by_the_line_in_which_they_begin(path: Path) -> None:
    text = 'q,d\none,"first\nsecond, with a comma"\n\ntwo,last\n'
    assert cells(path, text, delimiters=",") == [(2, ["one", "first\nsecond, with a comma"]), (5, ["two", "last"])]


@pytest.mark.parametrize(
    ("text", "delimiters", "message"),
    [
        ("", "\t", ": no header line; the file is empty"),
        ("id\tclass\n1\t2\n", "\t", ", line 1: column 'name' is missing; found id, class"),
        ("\nid\tname\tid\n", "\t", ", line 2: column 'id' stands there twice"),
        ("id\tname\n1\n", "\t", ", line 2: 1 cells, and the header has 2 columns; a stray tab, quote or '\\t'?"),
        ("id\tname\n1\ta\n\n2\tb\tc\n", "\t", ", line 4: 3 cells, and the header has 2 columns"),
        ('id\tname\n1\ta\n2"\n3\tc', "\t", ", line 3: 1 cells, and the header has 2 columns"),
        ("id,name\n1,a\n2,b,c\n", ",", ", line 3: 3 cells, and the header has 2 columns"),
        ('id,name\n1,a\n2,"b" c\n', ",", ", line 3: ',' expected after '\"'"),
        ('id,name\n1,a\n2,"b\n3,c\n', ",", ", line 3: unexpected end of data"),
    ],
)
def test_a_malformed_table_is_refused_with_its_line(path: Path, text: str, delimiters: str, message: str) -> None:
    assert refused(path, text, columns=("id", "name"), delimiters=delimiters).startswith(message)


def test_a_quote_that_nothing_closes_takes_no_other_rows_with_it(path: Path) -> None:
    rows = [(number, [str(number), f'"open {number}', f'{number}" wide']) for number in range(2, 40)]
    assert cells(path, "x\ty\tz\n" + "".join("\t".join(row) + "\n" for _, row in rows)) == rows
