"""`pytest-embedeval report`: pictures of a finished run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_embedeval.cli import main
from pytest_embedeval.report import assemble, write_run
from tests.report.test_charts import NAMES, report
from tests.report.test_gather import RUN


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "embedeval.toml").write_text('out = "found"\n')
    write_run(report(), [], [], tmp_path / "found")
    return tmp_path / "found"


def test_the_last_run_is_drawn_and_its_pages_show_it(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report"]) == 0
    said = capsys.readouterr().out.splitlines()
    drawn = {finished / "plots" / f"{name}.{form}" for name in NAMES for form in ("png", "svg")}
    assert {*map(Path, said)} == {*drawn, finished / "language-tr.md", finished / "report.html"}
    assert all(path.stat().st_size for path in map(Path, said))
    assert "![söz](plots/morphology-söz.svg)" in (finished / "language-tr.md").read_text(encoding="utf-8")
    assert '<div class="still"><svg' in (finished / "report.html").read_text(encoding="utf-8")


def test_the_next_run_leaves_nothing_of_the_last(finished: Path) -> None:
    main(["report", str(finished)])
    write_run(report(), [], [], finished)
    assert list((finished / "plots").iterdir()) == []
    assert not (finished / "report.html").exists()
    assert "![" not in (finished / "language-tr.md").read_text(encoding="utf-8")


def test_without_altair_the_page_has_its_tables_and_a_line_says_what_to_install(
    finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    assert main(["report"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    install = "add it with: pip install 'pytest-embedeval[report]'"
    assert last == f"report.html is without pictures: Altair is not installed; {install}"
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert "<figure" not in page
    assert "morphology.accuracy.case" in page


def test_a_folder_without_a_run_is_refused(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_an_empty_run_has_a_page_too(finished: Path) -> None:
    write_run(assemble(RUN, [], ["a"]), [], [], finished)
    assert main(["report"]) == 0
    assert "Which model, and why" in (finished / "report.html").read_text(encoding="utf-8")
