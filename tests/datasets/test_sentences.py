from __future__ import annotations

from pathlib import Path

import pytest

from pytest_embedeval.datasets import SentenceData, load_sentences
from pytest_embedeval.errors import DatasetError

HEADER = "id\tkind\tgrade\tanchor\tother\n"
ROWS = (
    "1\tparaphrase\t5\tÇay soğudu.\tÇay artık sıcak değil.\n"
    "2\tclose\t4.5\tÇay soğudu.\tÇay soğumuş.\n"
    "3\tclose\t3\tÇay soğudu.\tÇay biraz soğudu.\n"
    "4\tantonym\t1\tÇay soğudu.\tÇay ısındı.\n"
    "5\tnegation\t1\tDışarı çıktı.\tDışarı çıkmadı.\n"
)


def read(tmp_path: Path, text: str) -> SentenceData:
    path = tmp_path / "pairs.tsv"
    path.write_text(text, encoding="utf-8")
    return load_sentences(path, language="tr")


def test_pairs_are_read_with_their_grades(tmp_path: Path) -> None:
    data = read(tmp_path, HEADER + ROWS)
    assert (data.name, data.language, len(data.items)) == ("pairs", "tr", 5)
    assert data.items[1].grade == 4.5
    assert data.items[1].label == "Çay soğudu. | Çay soğumuş."
    assert data.fingerprint.startswith("sha256:")


def test_contrary_sentences_stand_beside_the_paraphrases_of_their_anchor(tmp_path: Path) -> None:
    """A pair below grade 4 is no paraphrase, whatever its kind; an anchor without any has no contrast."""
    assert read(tmp_path, HEADER + ROWS).contrasts() == [(3, 0), (3, 1)]


def test_order_does_not_change_the_fingerprint_and_a_grade_does(tmp_path: Path) -> None:
    lines = ROWS.splitlines(keepends=True)
    whole = read(tmp_path, HEADER + ROWS).fingerprint
    assert read(tmp_path, HEADER + "".join(lines[::-1])).fingerprint == whole
    assert read(tmp_path, HEADER + ROWS.replace("4.5", "4")).fingerprint != whole


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER, "no items"),
        ("id\tkind\tgrade\tanchor\n1\tx\t1\ta\n", "line 1: column 'other' is missing; expected id, kind, grade"),
        (HEADER + "1\tx\t6\ta\tb\n", "line 2: column 'grade' must be a number from 0 to 5, not '6'"),
        (HEADER + "1\tx\tnan\ta\tb\n", "line 2: column 'grade' must be a number from 0 to 5, not 'nan'"),
        (HEADER + "1\tx\thigh\ta\tb\n", "line 2: column 'grade' must be a number from 0 to 5, not 'high'"),
        (HEADER + "1\tx\t1\ta\ta\n", "line 2: both sentences are the same"),
        (HEADER + "1\tx\t1\ta\t\n", "line 2: column 'other' is empty"),
        (HEADER + "1\tx\t1\ta\tb\tc\n", "line 2: more cells than the header has columns; a stray tab?"),
        (HEADER + "1\tx\t1\ta\tb\n1\tx\t2\ta\tc\n", "line 3: id '1' is already used by "),
        (HEADER + "1\tx\t1\ta\tb\n2\tx\t1\ta\tc\n", "column 'grade': all 2 pairs have the same grade"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DatasetError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(str(tmp_path / "pairs.tsv"))
    assert message in str(error.value)
