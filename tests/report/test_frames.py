"""A finished run as tables of pandas."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pytest_embedeval.errors import UsageError
from pytest_embedeval.gate import Measurement
from pytest_embedeval.report import assemble, load_report, write_run
from tests.report.test_gather import RUN, part

FOUND = assemble(RUN, [part("a"), part("b", value=0.25)], ["a", "b"])


def test_measurements_are_a_table_with_a_column_per_field(tmp_path: Path) -> None:
    write_run(FOUND, [], [], tmp_path)
    table = load_report(tmp_path).to_frame()
    assert list(table.columns) == [field.name for field in dataclasses.fields(Measurement)]
    assert table.groupby("model")["value"].mean().to_dict() == {"a": 0.5, "b": 0.25}
    assert table["metric"].tolist() == ["mrr@10", "recall@10"] * 2


@pytest.mark.parametrize("name", [name for name, rows in FOUND if isinstance(rows, list) and name != "warnings"])
def test_every_list_is_a_table_also_an_empty_one(name: str) -> None:
    table = FOUND.to_frame(name)
    assert len(table) == len(getattr(FOUND, name))
    assert "model" in table.columns or {"alias", "name", "scenario"} & set(table.columns)


@pytest.mark.parametrize("name", ["measurement", "warnings", "run"])
def test_an_unknown_table_names_the_known(name: str) -> None:
    with pytest.raises(UsageError, match=f"the report has no table {name!r}; .*Known: .*measurements"):
        FOUND.to_frame(name)
