"""`pytest-embedeval report`: pictures of a finished run."""

from __future__ import annotations

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


def test_the_last_run_is_drawn_and_its_page_shows_it(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        *(str(finished / "plots" / f"{name}.{form}") for name in NAMES for form in ("png", "svg")),
        str(finished / "language-tr.md"),
    ]
    assert "![söz](plots/morphology-söz.svg)" in (finished / "language-tr.md").read_text(encoding="utf-8")


def test_the_next_run_leaves_no_picture_of_the_last(finished: Path) -> None:
    main(["report", str(finished)])
    write_run(report(), [], [], finished)
    assert list((finished / "plots").iterdir()) == []
    assert "![" not in (finished / "language-tr.md").read_text(encoding="utf-8")


def test_a_folder_without_a_run_and_a_run_without_scores_are_refused(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
    write_run(assemble(RUN, [], ["a"]), [], [], finished)
    assert main(["report"]) == 2
    assert "the report holds no scores with bounds; there is nothing to draw" in capsys.readouterr().err
