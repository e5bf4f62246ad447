"""Texts of others in the columns of a terminal."""

from __future__ import annotations

import pytest

from pytest_embedeval.cli.display import columns_of, ends, padded, shortened, table, terminal_width, visible


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("", 0),
        ("kedi", 4),
        ("çğıİöşü", 7),
        ("日本", 4),
        ("한국", 4),
        ("ｗ", 2),
        ("😀", 2),
        ("q\u0323", 1),
        ("می\u200cخواهم", 7),
    ],
)
def test_signs_take_the_columns_that_a_terminal_gives_them(text: str, columns: int) -> None:
    assert columns_of(text) == columns
    assert padded(text, 9) == text + " " * (9 - columns)
    assert padded(text, 9, to_right=True) == " " * (9 - columns) + text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\r\nc\u2028d\u00a0e\x1cf", "a b c d e f"),
        ("\x1b[31m\x9b\x7f\x00", r"\x1b[31m\x9b\x7f\x00"),
        ("\u202eters\u2066", r"\u202eters\u2066"),
        ("\ud800\udcff", r"\ud800\udcff"),
        ("\ufeff\u200b\U000e0041", r"\ufeff\u200b\U000e0041"),
        ("I\u0307stanbul", "İstanbul"),
        ("👩\u200d🔬", "👩\u200d🔬"),
    ],
    ids=["white space", "control", "direction", "halves", "invisible", "composed", "joined"],
)
def test_what_steers_a_terminal_is_spelt_out(text: str, shown: str) -> None:
    assert visible(text) == shown
    visible(text).encode("utf-8")


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("kedi köpek", 10, "kedi köpek"),
        ("kedi köpek", 9, "kedi köp…"),
        ("kedi köpek", 6, "kedi…"),
        ("日本語の", 8, "日本語の"),
        ("日本語の", 7, "日本語…"),
        ("日本語の", 6, "日本…"),
        ("a " * 50, 5, "a a…"),
        ("  \n a", 1, "a"),
        ("x" * 1_000_000, 3, "xx…"),
    ],
)
def test_a_text_is_cut_to_columns(text: str, width: int, shown: str) -> None:
    assert shortened(text, width) == shown


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("Hipertansiyon#1", 15, "Hipertansiyon#1"),
        ("Hipertansiyon#1", 8, "Hipe…n#1"),
        ("Hipertansiyon#1", 9, "Hipe…on#1"),
        ("日本語の文章", 6, "日…章"),
    ],
)
def test_of_an_id_both_ends_are_kept(text: str, width: int, shown: str) -> None:
    assert ends(text, width) == shown
    assert columns_of(shown) <= width


def test_a_table_is_straight_and_ends_without_blanks() -> None:
    rows = [("日本", "1", "x"), ("ev", "10", "")]
    assert list(table(rows, (False, True, False))) == ["日本   1  x", "ev    10"]


@pytest.mark.parametrize(("given", "width"), [("160", 160), ("20", 40), (None, 80)])
def test_a_narrow_terminal_counts_as_40_columns_and_none_as_80(
    monkeypatch: pytest.MonkeyPatch, given: str | None, width: int
) -> None:
    if given is None:
        monkeypatch.delenv("COLUMNS", raising=False)
        monkeypatch.setattr("sys.__stdout__", None)
    else:
        monkeypatch.setenv("COLUMNS", given)
    assert terminal_width() == width
