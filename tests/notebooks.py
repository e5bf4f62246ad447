"""Notebooks, executed without Jupyter: the code cells in one namespace, and the text that each leaves.

    python -m tests.notebooks examples/without_pytest.ipynb

executes a notebook where it lies and writes its outputs anew.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

Output = dict[str, Any]


def code_cells(path: Path) -> list[dict[str, Any]]:
    """Return the code cells of a notebook."""
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def executed(sources: list[str], folder: Path) -> list[list[Output]]:
    """Execute cells in `folder` and return the outputs of each, in the form in which a notebook keeps them."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with contextlib.chdir(folder):
        return [_outputs(source, number, namespace) for number, source in enumerate(sources, start=1)]


def text_of(outputs: list[Output]) -> list[str]:
    """Return what a cell printed and what its last line is, as text."""
    return ["".join(output.get("text") or output["data"]["text/plain"]) for output in outputs]


def _outputs(source: str, number: int, namespace: dict[str, Any]) -> list[Output]:
    body = ast.parse(source)
    end = body.body[-1] if body.body else None
    last = ast.Expression(end.value) if isinstance(end, ast.Expr) else None
    if last is not None:
        del body.body[-1]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(body, f"<cell {number}>", "exec"), namespace)
        value = None if last is None else eval(compile(last, f"<cell {number}>", "eval"), namespace)
    found: list[Output] = []
    if printed.getvalue():
        found.append({"name": "stdout", "output_type": "stream", "text": _lines(printed.getvalue())})
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        found.append({"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"})
    return found


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main(path: Path) -> None:
    """Execute a notebook where it lies and write its outputs anew."""
    content = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    found = executed(["".join(cell["source"]) for cell in cells], path.parent)
    for number, (cell, outputs) in enumerate(zip(cells, found, strict=True), start=1):
        cell.update(outputs=outputs, execution_count=number)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(Path(sys.argv[1]))
