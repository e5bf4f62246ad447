from __future__ import annotations

from pathlib import Path

import pytest

from pytest_embedeval.datasets import Judgements, RetrievalData, load_variants
from pytest_embedeval.errors import DatasetError

DATA = RetrievalData(
    "towns", ["d"], ["Isparta"], ["q1", "q2"], ["gül", "lavanta"], Judgements.of({(0, 0): 1, (1, 0): 1})
)
HEADER = "query_id\tkind\ttext\n"


def read(tmp_path: Path, rows: str, header: str = HEADER) -> RetrievalData:
    path = tmp_path / "variants.tsv"
    path.write_text(header + rows, encoding="utf-8")
    return load_variants(path, DATA, taken=["typo"])


def test_variants_stand_by_kind_and_query(tmp_path: Path) -> None:
    data = read(tmp_path, "q2\tplural\tlavantalar\nq1\tplural\tgüller\nq1\tslang\tgülüm\n")
    assert data.variants == {"plural": {"q1": "güller", "q2": "lavantalar"}, "slang": {"q1": "gülüm"}}
    assert data.fingerprint == DATA.fingerprint, "scores of the search itself stay comparable"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("q3\tplural\tgüller\n", "line 2: towns has no query 'q3'"),
        ("q1\tplural\tgül\n", "line 2: the variant is the query itself"),
        ("q1\tplural\tgüller\nq1\tplural\tgülleri\n", "line 3: query 'q1' has a variant of kind 'plural' already"),
        ("q1\ttypo\tgil\n", "line 2: column 'kind': 'typo' is the name of a perturbation; choose another"),
        ("q1\t\tgüller\n", "line 2: column 'kind' is empty"),
        ("", "no items"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(DatasetError) as error:
        read(tmp_path, rows)
    assert str(error.value).startswith(str(tmp_path / "variants.tsv"))
    assert message in str(error.value)
