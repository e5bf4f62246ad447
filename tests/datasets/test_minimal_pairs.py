from __future__ import annotations

from pathlib import Path

import pytest

from pytest_embedeval.datasets import load_minimal_pairs
from pytest_embedeval.errors import DatasetError

HEADER = "id\tkind\tquery\tpositive\tnegative\n"


def test_pairs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text(HEADER + "1\torgan\tböbrek taşı\tBöbrekte taş.\tKesede taş.\n", encoding="utf-8")
    data = load_minimal_pairs(path, name="p", language="tr")
    (pair,) = data.items
    assert (data.name, data.language, data.candidates, data.ids) == ("p", "tr", 2, ["1"])
    assert (pair.kind, pair.positive, pair.negative) == ("organ", "Böbrekte taş.", "Kesede taş.")
    assert pair.label == "böbrek taşı | Kesede taş."


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1\torgan\ta\tb\tb", "line 2: query, positive and negative must be three different texts"),
        ("1\t\ta\tb\tc", "line 2: column 'kind' is empty"),
        ("\torgan\ta\tb\tc", "line 2: column 'id' is empty"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, row: str, message: str) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text(f"{HEADER}{row}\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=message):
        load_minimal_pairs(path)
