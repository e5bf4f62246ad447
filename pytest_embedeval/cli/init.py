"""`pytest-embedeval init`: suites, a small data set, configuration and a workflow in a repository of one's own."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_embedeval.cli.parsers import Commands, command
from pytest_embedeval.errors import UsageError

_EXAMPLES = """\
  pytest-embedeval init                  into the current folder
  pytest-embedeval init ../search        into another one
  pytest-embedeval init --dry-run        only print what would be done
"""
_FIXTURES = ("turkish_medical_qa.json", "turkish_medical_qa.md", "morphology_tr.tsv", "morphology_tr.md")
_OUTPUT = ".embedeval"
_ALWAYS_PYTEST = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini")
_PYTEST_TABLES = {
    "pyproject.toml": r"^\s*\[tool\.pytest(\.ini_options)?\]",
    "tox.ini": r"^\[pytest\]",
    "setup.cfg": r"^\[tool:pytest\]",
}


@dataclass(frozen=True)
class _Step:
    """What is done with one file, and the text that it gets where it is written."""

    state: str
    name: str
    text: str | None = None


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands,
        "init",
        run,
        summary="Write suites, a small data set, embedeval.toml and a workflow into a folder; edited files are kept.",
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "folder", nargs="?", default=".", metavar="FOLDER", help="root of your repository; default: here"
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and write nothing")


def run(arguments: argparse.Namespace) -> int:
    """Write what is missing, print a line per file, and the next two commands.

    Raises
    ------
    UsageError
        The folder, or a file that stands in the way, cannot be used; nothing was written.
    """
    folder = Path(arguments.folder)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; init needs a folder")
    settled = folder.resolve()
    steps = list(_plan(settled))
    if arguments.dry_run:
        print("--dry-run: nothing is written")
    for step in steps:
        if step.text is not None and not arguments.dry_run:
            _write(settled / step.name, step.text)
        print(f"{step.state:<10} {step.name}")
    for note in _notes(settled, steps):
        print(f"\n{note}")
    print("\nNext:")
    for line in _next_commands(folder):
        print(f"  {line}")
    return 0


def _plan(folder: Path) -> Iterator[_Step]:
    """Yield what is to be done with each file; nothing is written yet."""
    texts = _starter()
    if _has_own_table(folder) and not (folder / "embedeval.toml").exists():
        del texts["embedeval.toml"]
        yield _Step("left out", "embedeval.toml")
    if not (folder / "pytest.ini").exists() and (
        _pytest_configuration(folder) or (folder / "pyproject.toml").is_file()
    ):
        del texts["pytest.ini"]  # the root is known, and pytest.ini would hide what configures pytest
    for name, text in texts.items():
        yield _step(folder, name, text)
    if (folder / ".gitignore").exists() or _git_root(folder):
        yield _ignore_output(folder / ".gitignore")


def _starter() -> dict[str, str]:
    """Return the text of each file by its path in the user's repository.

    Suites and fixtures are copied beside the other files when the wheel is built; in a checkout they are at its root.
    """
    package = Path(__file__).parents[1]
    own = package / "starter"
    shared = own if (own / "suites").is_dir() else package.parent
    sources = {
        "embedeval.toml": own / "embedeval.toml",
        "pytest.ini": own / "pytest.ini",
        ".github/workflows/embedeval.yml": own / "embedeval.yml",
        **{f"suites/{path.name}": path for path in sorted((shared / "suites").glob("*.py"))},
        **{f"fixtures/{name}": shared / "fixtures" / name for name in _FIXTURES},
    }
    return {name: path.read_text(encoding="utf-8") for name, path in sources.items()}


def _step(folder: Path, name: str, text: str) -> _Step:
    path = folder / name
    for parent in path.relative_to(folder).parents:
        if os.path.lexists(folder / parent) and not (folder / parent).is_dir():
            raise UsageError(f"{folder / parent} is not a folder, and init needs one of that name; rename it")
    if path.is_dir():
        raise UsageError(f"{path} is a folder, and init needs a file of that name; rename it")
    if not os.path.lexists(path):
        return _Step("written", name, text)
    is_same = path.is_file() and path.read_bytes().replace(b"\r\n", b"\n") == text.encode()
    return _Step("unchanged" if is_same else "kept", name)


def _ignore_output(path: Path) -> _Step:
    if not path.exists():
        return _Step("written", path.name, f"{_OUTPUT}/\n")
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is not UTF-8; save it as UTF-8") from None
    if _OUTPUT in (line.strip().strip("/") for line in text.splitlines()):
        return _Step("unchanged", path.name)
    end = "\r\n" if "\r\n" in text else "\n"
    gap = end if text and not text.endswith("\n") else ""
    return _Step("extended", path.name, f"{text}{gap}{_OUTPUT}/{end}")


def _write(path: Path, text: str) -> None:
    from pytest_embedeval.report.files import write_atomically

    try:
        write_atomically(path.resolve(), text)  # resolved, so that a symbolic link stays one
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def _has_own_table(folder: Path) -> bool:
    """Whether pyproject.toml holds [tool.embedeval], which embedeval.toml would hide."""
    path = folder / "pyproject.toml"
    if not path.is_file():
        return False
    try:
        tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None
    return "embedeval" in tool


def _pytest_configuration(folder: Path) -> Path | None:
    """Return the file that configures pytest in `folder`, in the order in which pytest itself looks."""
    for place in (folder, *folder.parents):
        for name in (*_ALWAYS_PYTEST, *_PYTEST_TABLES):
            path = place / name
            if path.is_file() and (name in _ALWAYS_PYTEST or _matches(path, _PYTEST_TABLES[name])):
                return path
    return None


def _matches(path: Path, pattern: str) -> bool:
    return re.search(pattern, path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE) is not None


def _git_root(folder: Path) -> Path | None:
    return next((place for place in (folder, *folder.parents) if (place / ".git").exists()), None)


def _root_above(folder: Path) -> Path | None:
    """Return the configuration of a folder above that makes pytest take that folder as its root."""
    configuration = _pytest_configuration(folder)
    return configuration if configuration and configuration.parent != folder else None


def _notes(folder: Path, steps: list[_Step]) -> Iterator[str]:
    """Yield what the user should know about this folder, a sentence or two each."""
    states = {step.state for step in steps}
    if "kept" in states:
        yield "kept: yours differs from the starter's and was left as it is. Rename it and run init again to see both."
    if "left out" in states:
        yield (
            "embedeval.toml is left out: it would hide [tool.embedeval] in pyproject.toml. Its tables can be copied\n"
            f"from {Path(__file__).parents[1] / 'starter' / 'embedeval.toml'}, as [tool.embedeval.…]."
        )
    if above := _root_above(folder):
        yield (
            f"pytest takes {above.parent} as its root, because of {above.name} there.\n"
            "Only with --rootdir=. does it read embedeval.toml here; the workflow needs it too."
        )
    git_root = _git_root(folder)
    if git_root and git_root != folder:
        yield (
            f"GitHub reads workflows from {git_root / '.github' / 'workflows'} only: move embedeval.yml there,\n"
            f"add `working-directory: {folder.relative_to(git_root).as_posix()}` to its steps and correct its paths."
        )
    configuration = _pytest_configuration(folder) or _unwritten_configuration(folder)
    has_paths = configuration.is_file() and _matches(configuration, r"^\s*testpaths\s*[=:]")
    if (folder / "tests").is_dir() and not has_paths:
        yield (
            "A plain `pytest` now runs suites/ beside tests/, and fails where both have a file of one name;\n"
            f"testpaths in {configuration} keeps them apart."
        )


def _unwritten_configuration(folder: Path) -> Path:
    """Return the file in which pytest's configuration would begin."""
    shared = folder / "pyproject.toml"
    return shared if shared.is_file() else folder / "pytest.ini"


def _next_commands(folder: Path) -> Iterator[str]:
    """Yield the installation where it is missing, a run, and the run that makes it the standard."""
    if not _offline_models_are_there():
        yield "pip install 'pytest-embedeval[offline]'"
    if folder.resolve() != Path.cwd():
        yield f"cd {shlex.quote(str(folder))}"
    rootdir = " --rootdir=." if _root_above(folder.resolve()) else ""
    yield f"pytest suites/{rootdir}"
    yield f"pytest suites/{rootdir} --embedeval-update    # writes baselines/; commit it"


def _offline_models_are_there() -> bool:
    from importlib.util import find_spec

    from pytest_embedeval.models import DEFAULT_MATRIX
    from pytest_embedeval.models.packaged import LOADERS, is_installed

    dense = [name for name in DEFAULT_MATRIX if name in LOADERS]
    return all(map(is_installed, dense)) and find_spec("bm25s") is not None
