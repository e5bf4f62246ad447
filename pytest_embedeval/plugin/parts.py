"""Parts of the report on their way from the tests to the process that reports, which under xdist is another one."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_embedeval.report import Part


class Parts:
    """A temporary folder with one file per part, made when it is first needed.

    Parameters
    ----------
    folder
        Where the reporting process wants the parts; None in that process itself.
    """

    def __init__(self, folder: str | None = None) -> None:
        self._folder = Path(folder) if folder else None
        self._numbers = itertools.count()
        self._read: dict[Path, Part] = {}  # a part does not change once it is there

    def folder(self) -> Path:
        """Return the folder."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="embedeval-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)  # where no one discards it
        return self._folder

    def add(self, part: Part) -> None:
        """Keep one part."""
        name = f"{os.getpid()}-{next(self._numbers):06d}"
        unfinished = self.folder() / f"{name}.tmp"
        unfinished.write_text(part.model_dump_json(), encoding="utf-8")
        unfinished.rename(self.folder() / f"{name}.json")

    def read(self) -> list[Part]:
        """Return all parts, those of one process in the order in which they came."""
        paths = sorted(self._folder.glob("*.json")) if self._folder else []
        if not paths:
            return []
        from pytest_embedeval.report import Part

        for path in paths:
            if path not in self._read:
                self._read[path] = Part.model_validate_json(path.read_text(encoding="utf-8"))
        return [self._read[path] for path in paths]

    def discard(self) -> None:
        """Remove the folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
            self._read.clear()
