from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_embedeval.datasets import WordData, WordItem, load_words
from pytest_embedeval.datasets.words import COLUMNS
from pytest_embedeval.errors import DatasetError

HEADER = "\t".join(COLUMNS)
GEL = "1\ttense\tV;IND;PST;3;SG\tgelmek\tgeldi\tgüldü|bildi\tarticle"
EV = "2\tcase\tN;ABL;SG\tev\tevden\tdevden\t"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "words.tsv"


def read(path: Path, *lines: str, ending: str = "\n") -> WordData:
    path.write_text(ending.join(lines) + ending, encoding="utf-8", newline="")
    return load_words(path)


def refused(path: Path, *lines: str) -> str:
    """Return the error's message: one line that begins with the file."""
    with pytest.raises(DatasetError) as caught:
        read(path, *lines)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path))


def with_cell(column: str, value: str) -> str:
    cells = GEL.split("\t")
    cells[COLUMNS.index(column)] = value
    return "\t".join(cells)


@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["unix", "windows"])
def test_a_file_is_read(path: Path, ending: str) -> None:
    data = read(path, HEADER, GEL, EV, ending=ending)
    assert data.items == [
        WordItem("1", "tense", "V;IND;PST;3;SG", "gelmek", "geldi", ("güldü", "bildi"), "article"),
        WordItem("2", "case", "N;ABL;SG", "ev", "evden", ("devden",), ""),
    ]
    assert (data.name, data.language, data.findings) == ("words", None, ())


def test_name_and_language_are_the_callers(path: Path) -> None:
    path.write_text(f"{HEADER}\n{GEL}\n", encoding="utf-8")
    data = load_words(str(path), name="turkish", language="tr")
    assert (data.name, data.language) == ("turkish", "tr")


def test_columns_are_found_by_name(path: Path) -> None:
    line = "\t".join(reversed(GEL.split("\t")))
    data = read(path, "\t".join(reversed(COLUMNS)), line)
    assert data.items[0].lemma == "gelmek"
    assert data.items[0].distractors == ("güldü", "bildi")


def test_more_columns_than_needed_are_no_harm(path: Path) -> None:
    assert read(path, HEADER + "\tnote", GEL + "\tchecked").items == read(path, HEADER, GEL).items


def test_quotes_are_letters_like_others(path: Path) -> None:
    assert read(path, HEADER, with_cell("lemma", '"gelmek')).items[0].lemma == '"gelmek'


def test_blanks_around_cells_and_distractors_are_dropped(path: Path) -> None:
    item = read(path, HEADER, with_cell("form", " geldi "), "").items[0]
    assert item.form == "geldi"
    assert read(path, HEADER, with_cell("distractors", "güldü | bildi")).items[0].distractors == ("güldü", "bildi")


def test_a_byte_order_mark_is_skipped(path: Path) -> None:
    path.write_text(f"{HEADER}\n{GEL}\n", encoding="utf-8-sig")
    assert load_words(path).items[0].id == "1"


@pytest.mark.parametrize("column", COLUMNS)
def test_a_missing_column_is_named(path: Path, column: str) -> None:
    header = "\t".join(name for name in COLUMNS if name != column)
    assert refused(path, header, GEL).startswith(f", line 1: column '{column}' is missing; expected id, category")


def test_an_empty_file_has_no_columns(path: Path) -> None:
    path.touch()
    with pytest.raises(DatasetError, match=r"words\.tsv, line 1: column 'id' is missing"):
        load_words(path)


@pytest.mark.parametrize("lines", [[HEADER], [HEADER, "", ""]], ids=["header", "blank lines"])
def test_a_file_without_items_is_refused(path: Path, lines: list[str]) -> None:
    assert refused(path, *lines) == ": no items"


@pytest.mark.parametrize("column", ["id", "category", "lemma", "form", "distractors"])
@pytest.mark.parametrize("value", ["", "  "], ids=["empty", "blank"])
def test_an_empty_cell_names_line_and_column(path: Path, column: str, value: str) -> None:
    assert refused(path, HEADER, EV, with_cell(column, value)) == f", line 3: column '{column}' is empty"


def test_a_line_that_ends_early_names_the_first_missing_cell(path: Path) -> None:
    assert refused(path, HEADER, EV, "1\ttense\tV") == ", line 3: column 'lemma' is empty"


def test_features_and_source_may_be_empty(path: Path) -> None:
    item = read(path, HEADER, "1\ttense\t\tgelmek\tgeldi\tgüldü").items[0]
    assert (item.features, item.source) == ("", "")


@pytest.mark.parametrize("value", ["güldü||bildi", "güldü|", "|", "güldü|bildi|güldü", "güldü| güldü"])
def test_an_empty_or_repeated_distractor_is_refused(path: Path, value: str) -> None:
    message = refused(path, HEADER, with_cell("distractors", value))
    assert message == ", line 2: column 'distractors' has an empty or a repeated word"


@pytest.mark.parametrize("word", ["gelmek", "geldi"])
def test_lemma_and_form_are_no_distractors(path: Path, word: str) -> None:
    message = refused(path, HEADER, with_cell("distractors", f"güldü|{word}"))
    assert message == f", line 2: distractor '{word}' is the lemma or the form itself"


def test_an_id_used_twice_names_both_lines(path: Path) -> None:
    assert refused(path, HEADER, GEL, EV, GEL) == f", line 4: id '1' is already used by {path}, line 2"


def test_blank_lines_do_not_shift_the_line_of_a_repeated_id(path: Path) -> None:
    assert refused(path, HEADER, GEL, "", "", GEL) == f", line 5: id '1' is already used by {path}, line 2"


def test_a_line_with_too_many_cells_is_refused(path: Path) -> None:
    assert refused(path, HEADER, GEL.replace("V;IND", "V\tIND")).startswith(", line 2: ")


def test_a_cell_without_end_is_refused(path: Path) -> None:
    assert refused(path, HEADER, with_cell("lemma", "gel" * 50_000)).startswith(", line 2: ")


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        load_words(path)
    assert str(caught.value) == f"{path}: no such file"


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        load_words(tmp_path)


def test_a_file_in_another_encoding_names_the_first_wrong_byte(path: Path) -> None:
    path.write_bytes(f"{HEADER}\n{GEL}\n".encode("iso8859-9"))
    wrong = f"{HEADER}\n{GEL}".index("ü")
    with pytest.raises(DatasetError) as caught:
        load_words(path)
    assert str(caught.value) == f"{path}: not UTF-8 text (byte {wrong}); save it as UTF-8"


def test_a_wrong_byte_far_into_a_file_is_counted_from_its_beginning(path: Path) -> None:
    start = f"{HEADER}\n{GEL}\n".encode() + "".join(f"n{i}{EV[1:]}\n" for i in range(2000)).encode()
    path.write_bytes(start + b"\xfc")
    with pytest.raises(DatasetError, match=rf"\(byte {len(start)}\)"):
        load_words(path)


@pytest.mark.parametrize(
    "change",
    [
        {"id": "9"},
        {"category": "case"},
        {"features": "V"},
        {"lemma": "gitmek"},
        {"form": "gelir"},
        {"distractors": ("bildi",)},
        {"distractors": ("bildi", "güldü")},
        {"source": "wiktionary"},
    ],
    ids=str,
)
def test_any_cell_decides_the_fingerprint(path: Path, change: dict[str, object]) -> None:
    data = read(path, HEADER, GEL, EV)
    other = replace(data, items=[replace(data.items[0], **change), data.items[1]])  # type: ignore[arg-type]
    assert other.fingerprint != data.fingerprint


def test_order_name_and_language_do_not(path: Path) -> None:
    data = read(path, HEADER, GEL, EV)
    other = WordData("again", [data.items[1], data.items[0]], language="tr")
    assert other.fingerprint == data.fingerprint
    assert data.fingerprint.startswith("sha256:")


def test_the_shipped_file_holds_the_articles_seven_pairs(fixtures: Path) -> None:
    file = fixtures / "morphology_tr.tsv"
    data = load_words(file)
    assert len(data.items) == len(file.read_text(encoding="utf-8").splitlines()) - 1
    assert sum(item.source == "article" for item in data.items) == 7
