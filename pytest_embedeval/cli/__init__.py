"""The command `pytest-embedeval`: everything that needs no test run.

Each command is a module with `add_parser(commands)`, which names its `run(arguments) -> int`; modules import what
they need inside `run`, so that `--help` costs nothing. Exit codes: 0 fine, 1 judged and failed, 2 could not be done.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

from pytest_embedeval import __version__
from pytest_embedeval.cli import (
    cache,
    compare,
    doctor,
    export,
    gate,
    init,
    models,
    plan,
    report,
    search,
    similarity,
    tracking,
)
from pytest_embedeval.errors import EmbedevalError

_COMMANDS = (init, doctor, models, search, similarity, compare, gate, report, plan, cache, export, tracking)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    What a command prints is written when its code is known, so that a reader that stops early changes no verdict.
    """
    said = io.StringIO()
    try:
        try:
            with redirect_stdout(said):
                given = _parser().parse_args(arguments)
                code: int = given.run(given)
        finally:
            _write(said.getvalue())
    except EmbedevalError as error:
        print(f"pytest-embedeval: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"pytest-embedeval: {place}{error.strerror or error}", file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-embedeval",
        description="Judge text-embedding models; the suites themselves run with pytest.",
        epilog="pytest-embedeval COMMAND --help shows examples.",
    )
    parser.add_argument("--version", action="version", version=f"pytest-embedeval {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


def _write(text: str) -> None:
    """Write to the standard output; `| head` may have read enough, and a code page may lack an arrow."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is not tried again at exit
        if not isinstance(error, BrokenPipeError):
            raise
