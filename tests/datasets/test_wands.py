"""Product search in WANDS form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pytest_embedeval.datasets import RetrievalData, load_dataset
from pytest_embedeval.errors import DatasetError, UsageError
from tests.datasets.test_collection import findings, grades

DESCRIPTION = "A long description. " * 20
PRODUCTS = f"""product_id\tproduct_name\tproduct_class\tcategory hierarchy\tproduct_description
0\tsolid wood platform bed\tBeds\tFurniture / Beds\t"{DESCRIPTION}
with ""quotes"" and a second line"
1\t"48"" round table"\tTables\tFurniture / Tables\t{DESCRIPTION}
2\t32" bar stool\t\tFurniture / Seating\t
"""
QUERIES = "query_id\tquery\tquery_class\n0\tbed of wood\tBeds\n1\tsomewhere to sit\tSeating\n"
LABELS = "id\tquery_id\tproduct_id\tlabel\n0\t0\t0\tExact\n1\t0\t1\tIrrelevant\n2\t1\t2\tPartial\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "products"
    folder.mkdir()
    for name, text in (("product", PRODUCTS), ("query", QUERIES), ("label", LABELS)):
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def read(folder: Path, **options: Any) -> RetrievalData:
    return load_dataset(folder, format="wands", **options)


def refused(folder: Path, **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        read(folder, **options)
    return str(caught.value).removeprefix(f"{folder}")


def test_a_product_is_its_name_and_class(folder: Path) -> None:
    data = read(folder, language="en")
    assert data.documents == ["solid wood platform bed Beds", '48" round table Tables', '32" bar stool']
    assert data.queries == ["bed of wood", "somewhere to sit"]
    assert grades(data) == [("0", "0", 2), ("0", "1", 0), ("1", "2", 1)]
    assert (data.name, data.language, data.findings) == ("products", "en", ())


def test_short_columns_are_fields_and_descriptions_are_not(folder: Path) -> None:
    data = read(folder)
    assert data.document_fields == {
        "category hierarchy": ["Furniture / Beds", "Furniture / Tables", "Furniture / Seating"],
        "product_class": ["Beds", "Tables", ""],
    }
    assert data.query_fields == {"query_class": ["Beds", "Seating"]}


def test_other_columns_can_make_up_the_text(folder: Path) -> None:
    data = read(folder, fields=["category hierarchy", "product_name"])
    assert data.documents[2] == 'Furniture / Seating 32" bar stool'
    assert data.fingerprint != read(folder).fingerprint


def test_products_without_any_of_the_chosen_texts_are_counted(folder: Path) -> None:
    data = read(folder, fields=["product_description"])
    assert data.documents[0].endswith('\nwith "quotes" and a second line')
    assert findings(data) == {"empty-documents": 1, "unknown-judgements": 1, "queries-without-relevant": 1}


def test_another_file_of_queries_can_be_asked(folder: Path) -> None:
    (folder / "query_tr.csv").write_text("query_id\tquery\n1\toturacak yer\n0\tahşap yatak\n", encoding="utf-8")
    data = read(folder, queries="query_tr.csv")
    assert (data.queries, data.query_ids) == (["oturacak yer", "ahşap yatak"], ["1", "0"])
    assert data.fingerprint != read(folder).fingerprint


def many(folder: Path, products: int = 200) -> None:
    """Products p0 … of which every tenth belongs to a query."""
    names = "".join(f"p{i}\tproduct {i}\tc\n" for i in range(products))
    (folder / "product.csv").write_text("product_id\tproduct_name\tproduct_class\n" + names)
    (folder / "query.csv").write_text("query_id\tquery\n" + "".join(f"{i}\tquery {i}\n" for i in range(products // 10)))
    labels = "".join(f"{i}\tp{10 * i}\tExact\n{i}\tp{10 * i + 1}\tIrrelevant\n" for i in range(products // 10))
    (folder / "label.csv").write_text("query_id\tproduct_id\tlabel\n" + labels)


@pytest.mark.parametrize(("sample", "seed"), [(50, 42), (120, 7), (200, 42)])
def test_the_sample_is_the_one_of_pandas(folder: Path, sample: int, seed: int) -> None:
    many(folder)
    data = read(folder, sample=sample, seed=seed)
    expected = pd.read_csv(folder / "product.csv", sep="\t").sample(sample, random_state=seed)
    assert sorted(data.document_ids) == sorted(expected["product_id"])
    labels = pd.read_csv(folder / "label.csv", sep="\t")
    inside = labels[labels["product_id"].isin(expected["product_id"])]
    answered = inside[inside["label"] == "Exact"]["query_id"].astype(str).tolist()
    assert data.query_ids == answered
    assert len(data.judgements) == len(inside[inside["query_id"].astype(str).isin(answered)])
    counts = {"labels-outside-the-sample": 40 - len(inside), "queries-without-relevant": 20 - len(answered)}
    assert findings(data) == {kind: count for kind, count in counts.items() if count}


def test_without_a_seed_the_sample_is_that_of_42(folder: Path) -> None:
    many(folder)
    assert read(folder, sample=50).fingerprint == read(folder, sample=50, seed=42).fingerprint
    assert read(folder, sample=50).fingerprint != read(folder, sample=50, seed=43).fingerprint


@pytest.mark.parametrize("sample", [0, 4])
def test_a_sample_that_cannot_be_drawn_is_the_callers_mistake(folder: Path, sample: int) -> None:
    with pytest.raises(UsageError, match=rf"sample = {sample}: .*product\.csv has 3 products"):
        read(folder, sample=sample)


def test_queries_that_a_sample_leaves_without_a_product_can_be_refused_or_score_zero(folder: Path) -> None:
    many(folder)
    assert "the query has no relevant document" in refused(folder, sample=50, no_relevant="error")
    assert len(read(folder, sample=50, no_relevant="zero").queries) == 20


def test_labels_for_unknown_products_and_queries_are_counted(folder: Path) -> None:
    (folder / "label.csv").write_text(LABELS + "3\t0\t99\tExact\n4\t9\t0\tExact\n")
    assert findings(read(folder)) == {"unknown-judgements": 2}
    assert findings(read(folder, sample=3)) == {"unknown-judgements": 2}


def test_labels_that_fit_no_product_are_refused(folder: Path) -> None:
    (folder / "label.csv").write_text("query_id\tproduct_id\tlabel\n0\tSKU-0\tExact\n")
    assert "no judgement names both" in refused(folder)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "product",
            "product_class",
            "class",
            "line 1: column 'product_class' is missing; found product_id, product_name, ",
        ),
        ("query", "query_id\t", "id\t", "line 1: column 'query_id' is missing; found id, query, query_class"),
        ("label", "label\n", "grade\n", "line 1: column 'label' is missing; found id, query_id, product_id, grade"),
        ("product", '32" bar stool', "", "line 5: column 'product_name' is empty"),
        ("product", "\n2\t", "\n\t", "line 5: column 'product_id' is empty"),
        ("product", "\n2\t", "\n1\t", "line 5 (id '1'): id '1' is already used by "),
        ("query", "somewhere to sit", " ", "line 3: column 'query' is empty"),
        ("label", "Partial", "Parital", "line 4: unknown label 'Parital' in column 'label'; did you mean 'Partial'?"),
        ("label", "\tPartial", "", "line 4: 3 cells, and the header has 4 columns"),
    ],
)
def test_a_malformed_file_is_refused_with_line_and_column(
    folder: Path, file: str, old: str, new: str, message: str
) -> None:
    path = folder / f"{file}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert refused(folder).startswith(f"/{file}.csv, {message}")


@pytest.mark.parametrize("file", ["product.csv", "query.csv", "label.csv"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    assert refused(folder) == f"/{file}: no such file"


def test_a_missing_folder_is_told_what_belongs_into_it(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere").startswith(
        ": no such folder; WANDS form is product.csv, query.csv and label.csv"
    )
