"""The table of `pytest-embedeval plan`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_embedeval.cli import main
from pytest_embedeval.report.schema import Report
from tests.report.test_plan import report, vectors


@pytest.fixture
def path(tmp_path: Path) -> str:
    made: Report = report(vectors=[vectors(3000, 3.0)])
    (tmp_path / "report.json").write_text(made.model_dump_json(), encoding="utf-8")
    return str(tmp_path / "report.json")


def test_a_line_for_each_size_and_number_of_nodes(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", path, "--documents=1M,3.6M,100M", "--nodes=1,64", "--price=1.5", "--memory=64GiB"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "a"
    assert [line.split()[:2] for line in out[2:8]] == [
        [documents, nodes] for documents in ("1M", "3.6M", "100M") for nodes in ("1", "64")
    ]
    assert out[4].split()[2:5] == ["60.0", "minutes", "$1.50"]
    assert out[6].endswith("memory *")
    assert "- 1,000 texts per second on cpu, as 3,000 documents of d were encoded" in out
    assert any("64.0 GiB of a node for vectors, 10 Gbit/s, 1.50 US dollars an hour of a node" in line for line in out)


def test_the_default_is_three_sizes_on_three_clusters(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", path]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert sum("M " in line for line in out.splitlines()) == 9
    assert "no price told (--price)" in out
    assert "- 8 nodes search up to" in out


@pytest.mark.parametrize("option", ["--documents=0", "--documents=ten", "--nodes=1,", "--price=0", "--memory=much"])
def test_a_value_that_is_none_is_refused(path: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["plan", path, option])
    assert option.partition("=")[0] in capsys.readouterr().err


def test_a_model_that_is_not_there_names_those_that_are(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", path, "--model=b"]) == 2
    assert "nothing was timed of 'b'; Known: a" in capsys.readouterr().err


def test_a_report_without_vectors_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.json").write_text(report().model_dump_json(), encoding="utf-8")
    assert main(["plan", str(tmp_path)]) == 2
    assert "run suites/test_retrieval.py" in capsys.readouterr().err
