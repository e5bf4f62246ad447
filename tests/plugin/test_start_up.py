"""What the plugin costs and changes where nobody uses it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from pytest_embedeval.plugin.parts import Parts
from tests.conftest import ROOT

HEAVY = {"bm25s", "faiss", "numpy", "pandas", "pydantic", "rich", "scipy", "sklearn", "tabulate", "torch", "tqdm"}

_PLAIN = f"""
import os
import sys
import warnings

import pytest


def test_heavy_libraries_stay_out():
    assert not {HEAVY!r} & set(sys.modules)


def test_environment():
    print(sorted(os.environ))
    warnings.warn("seen", stacklevel=1)


@pytest.mark.parametrize("number", [1, 2])
def test_numbers(number):
    assert {{"a": number}} == {{"a": 1}}
"""


def test_the_entry_point_is_called_embedeval() -> None:
    (found,) = entry_points(group="pytest11", name="embedeval")
    assert found.value == "pytest_embedeval.plugin"


@pytest.mark.parametrize("module", ["pytest_embedeval", "pytest_embedeval.plugin"])
def test_importing_loads_no_heavy_library(module: str) -> None:
    loaded = _python(f"import sys, {module}; print(*sys.modules)").split()
    assert not HEAVY & {name.partition(".")[0] for name in loaded}


def test_importing_costs_a_fraction_of_pytest_itself(tmp_path: Path) -> None:
    """Bare pytest takes about 100 ms; a quarter of that is the 20 ms we allow ourselves, on machines of any speed."""
    code = (
        "import time; start = time.process_time(); import pytest; middle = time.process_time();"
        "import pytest_embedeval.plugin; print((time.process_time() - middle) / (middle - start))"
    )
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    _python(code, environment=compiled)
    assert min(float(_python(code, environment=compiled)) for _ in range(2)) < 0.25


@pytest.mark.parametrize("arguments", [("-vs", "-ra"), ("-n", "1")], ids=" ".join)
def test_a_run_without_our_fixtures_is_the_same_without_the_plugin(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    if "-n" in arguments:
        pytest.importorskip("xdist")
    pytester.makepyfile(_PLAIN)
    temporary = pytester.mkdir("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    without = _run_plain(pytester, "-p", "no:embedeval", *arguments)
    files = _files(pytester.path)
    assert _run_plain(pytester, *arguments) == without
    assert _files(pytester.path) == files
    assert not list(temporary.iterdir())


def test_a_controller_of_xdist_with_nothing_to_report_stays_light(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a folder for the parts of its workers in every run; importing the report takes a second."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pytest_embedeval.report", None)
    parts = Parts()
    assert parts.folder().is_dir()
    assert parts.read() == []


def test_collect_only_loads_no_model(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess("suites/test_retrieval.py", "--models=own=acme/own", "--collect-only", "-q")
    assert "suites/test_retrieval.py::test_retrieval[own-medical]" in result.outlines
    assert not (project.path / "loads.txt").exists()
    assert not (project.path / ".embedeval").exists()


def test_without_a_terminal_reporter_the_report_is_written_in_silence(project: pytest.Pytester) -> None:
    result = project.runpytest_inprocess("suites/test_retrieval.py", "--models=letters", "-p", "no:terminal")
    assert result.ret == pytest.ExitCode.OK
    assert not result.outlines
    assert not result.errlines
    assert (project.path / ".embedeval" / "report.json").is_file()


def test_two_runs_in_one_process_share_nothing(project: pytest.Pytester) -> None:
    arguments = "suites/test_retrieval.py", "--models=own=acme/own"
    first = project.runpytest_inprocess(*arguments, "--embedeval-out=one")
    second = project.runpytest_inprocess(*arguments, "--embedeval-out=two")
    first.assert_outcomes(passed=2)
    second.assert_outcomes(passed=2)
    assert len((project.path / "loads.txt").read_text(encoding="utf-8").splitlines()) == 2
    assert _scores(project, "one") == _scores(project, "two")


def test_the_root_conftest_can_be_imported_outside_pytest() -> None:
    """The `pytest-benchmark` command imports it."""
    assert _python("import conftest; print(conftest.pytest_plugins)", cwd=ROOT).strip() == "['pytester']"


def _python(code: str, *, cwd: Path | None = None, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _run_plain(pytester: pytest.Pytester, *arguments: str) -> tuple[int, str, list[str]]:
    # The workers of xdist are new processes already; without them, this one has loaded too much to be a witness.
    run = pytester.runpytest_inprocess if "-n" in arguments else pytester.runpytest_subprocess
    result = run("-p", "no:cacheprovider", *arguments)
    lines = [line for line in result.outlines if not line.startswith("plugins: ")]
    return int(result.ret), re.sub(r"in \d+\.\d+s", "in 0s", "\n".join(lines)), result.errlines


def _files(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


def _scores(project: pytest.Pytester, folder: str) -> str:
    return (project.path / folder / "scores.csv").read_text(encoding="utf-8")
