"""Files that are either the old one or the new one, never half of either."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_PATIENCE_S = 30.0
_OURS = ("*.json", "scores.csv", "summary.md", "language-*.md", "report.html")


def write_atomically(path: Path, text: str) -> None:
    """Write UTF-8 text to a file beside `path` and rename it into place.

    A run that is killed at any moment leaves the last complete file.
    """
    write_together({path: text})


def write_together(contents: Mapping[Path, str | bytes]) -> None:
    """Write several files as one: all are complete beside their places before the first is renamed, in order.

    Text is written as UTF-8.
    """
    ready: list[tuple[Path, Path]] = []
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
            ready.append((Path(name), path))
            with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor
                stream.write(content.encode("utf-8") if isinstance(content, str) else content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(0o644)
        for unfinished, path in ready:
            unfinished.replace(path)
    except BaseException:
        for unfinished, _ in ready:
            unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder alone, so that two runs at once do not lose each other's work.

    Raises
    ------
    OSError
        The folder cannot be written, or another run has held it for half a minute.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    user = os.getuid() if hasattr(os, "getuid") else ""
    lock = Path(tempfile.gettempdir()) / f"pytest-embedeval-{user}-{name}.lock"  # in the folder it would be committed
    try:
        with FileLock(lock, timeout=_PATIENCE_S):
            for left in (file for kind in _OURS for file in folder.glob(f".{kind}.*.tmp")):
                left.unlink(missing_ok=True)  # by a run that was killed; nobody else is writing here now
            yield
    except Timeout:
        raise TimeoutError(errno.ETIMEDOUT, "another run holds this folder", str(folder)) from None
