"""The command as a whole: help that costs nothing, exit codes, and an output that may end early."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO

import pytest

from pytest_embedeval import __version__
from pytest_embedeval.cli import main
from tests.conftest import ROOT

COMMANDS = (
    "init",
    "doctor",
    "models",
    "search",
    "similarity",
    "compare",
    "gate",
    "report",
    "plan",
    "cache",
    "export",
    "mlflow",
)
HEAVY = {
    "faiss",
    "mlflow",
    "numpy",
    "pandas",
    "pydantic",
    "pytest",
    "rich",
    "scipy",
    "sklearn",
    "tabulate",
    "torch",
    "tqdm",
}

_HELP = f"""
import contextlib, io, json, sys

from pytest_embedeval.cli import main

for command in {COMMANDS!r}:
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        main([command, "--help"])
    assert said.getvalue().startswith(f"usage: pytest-embedeval {{command}} ")
print(json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")


def helped(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit, match=r"^0$"):
        main([*arguments, "--help"])
    return capsys.readouterr().out


def run(
    *arguments: str, stdout: IO[bytes] | int = subprocess.PIPE, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run the command in a process of its own, whose output is buffered."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [sys.executable, "-m", "pytest_embedeval", *arguments],
        cwd=ROOT,
        env={**kept, "PYTHONIOENCODING": "utf-8", **(environment or {})},
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )


@contextmanager
def closed_pipe() -> Iterator[IO[bytes]]:
    """A pipe whose reader is gone."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as stream:
        yield stream


def test_the_help_names_every_command_in_a_line_or_two(capsys: pytest.CaptureFixture[str]) -> None:
    said = helped(capsys)
    assert tuple(re.findall(r"^    (\w+)(?: |$)", said, flags=re.MULTILINE)) == COMMANDS
    assert "pytest-embedeval COMMAND --help shows examples" in said


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_into_80_columns(capsys: pytest.CaptureFixture[str], command: str) -> None:
    lines = helped(capsys, *filter(None, [command])).splitlines()
    assert [line for line in lines if len(line) > 80 or line != line.rstrip()] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples_that_can_be_pasted(capsys: pytest.CaptureFixture[str], command: str) -> None:
    before, _, examples = helped(capsys, command).partition("\nexamples:\n")
    shown = re.findall(r"^  pytest-embedeval (\w+)( .*)?$", examples, flags=re.MULTILINE)
    assert len(shown) >= 2
    assert {name for name, _ in shown} == {command}
    for option in {option for _, rest in shown for option in re.findall(r"--[a-z-]+", rest)}:
        assert option in before


def test_help_loads_no_heavy_library() -> None:
    done = subprocess.run([sys.executable, "-c", _HELP], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "pytest_embedeval" in loaded
    assert not loaded & HEAVY


def test_the_command_is_installed() -> None:
    (found,) = entry_points(group="console_scripts", name="pytest-embedeval")
    assert found.load() is main


def test_a_module_run_tells_its_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"pytest-embedeval {__version__}\n".encode(), b"")


def test_the_script_beside_the_interpreter_tells_its_version() -> None:
    script = Path(sys.executable).with_name("pytest-embedeval")
    if not script.exists():
        pytest.skip("the package is not installed beside this interpreter")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"pytest-embedeval {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("gat",), "invalid choice: 'gat'"),
        (("gate",), "the following arguments are required: REPORT"),
        (("compare", "one"), "the following arguments are required: NEW"),
        (("gate", "one", "--polisy=strict"), "unrecognized arguments: --polisy=strict"),
    ],
)
def test_a_command_line_that_is_not_understood_is_exit_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(arguments)
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("usage: pytest-embedeval ")
    assert said in err


def test_an_error_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["gate", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err == f"pytest-embedeval: {tmp_path}: neither report.json nor baselines are in this folder\n"


def test_a_path_that_the_system_refuses_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    path = "x" * 300
    assert main(["gate", path]) == 2
    assert capsys.readouterr().err.startswith(f"pytest-embedeval: {path}: ")


@pytest.mark.parametrize("arguments", [("--help",), ("gate", "--help"), ("models",)], ids=" ".join)
@pytest.mark.parametrize("environment", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["buffered", "unbuffered"])
def test_a_reader_that_stops_early_ends_it_quietly(arguments: tuple[str, ...], environment: dict[str, str]) -> None:
    with closed_pipe() as stream:
        done = run(*arguments, stdout=stream, environment=environment)
    assert (done.returncode, done.stderr) == (0, b"")


def test_head_gets_what_it_asked_for(tmp_path: Path) -> None:
    """The catalogue is longer than one line, and `head` waits for no more."""
    command = f"set -o pipefail; '{sys.executable}' -m pytest_embedeval models | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[:2] == ["Model", "Dim"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [("gate", "--help"), ("models",)], ids=" ".join)
def test_a_full_disk_is_exit_2(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as stream:
        done = run(*arguments, stdout=stream)
    assert (done.returncode, done.stderr) == (2, b"pytest-embedeval: No space left on device\n")


def test_a_code_page_without_arrows_costs_no_verdict() -> None:
    """A redirected output on a Turkish Windows is written as cp1254."""
    done = run("compare", "--help", environment={"PYTHONIOENCODING": "cp1254"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"old ? new" in done.stdout
