"""Pages of a mapped file are given back, and nothing that was written is lost."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_embedeval.retrieval.mapped import release

ROWS = np.arange(60_000 * 64, dtype=np.float32).reshape(-1, 64)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    ROWS.tofile(tmp_path / "vectors")
    return tmp_path / "vectors"


def mapped_kib() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssFile"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_pages_leave_the_process(file: Path, mode: str) -> None:
    mapped = np.memmap(file, dtype=np.float32, mode=mode, shape=ROWS.shape)  # type: ignore[call-overload]
    mapped.sum()
    before = mapped_kib()
    release(np.ascontiguousarray(mapped)[5:], slice(40_000, 50_000))
    dropped = before - mapped_kib()
    huge = 2048  # where the kernel maps so many KiB as one page, it drops them as one
    assert 0.9 * 2500 < dropped < 1.1 * 2500 + 2 * huge
    assert (mapped == ROWS).all()


@pytest.mark.parametrize("mode", ["r+", "c"])
def test_what_was_written_stays(file: Path, mode: str) -> None:
    mapped = np.memmap(file, dtype=np.float32, mode=mode, shape=ROWS.shape)  # type: ignore[call-overload]
    mapped[7] = -1
    release(mapped[:100], slice(0, 50))
    assert (mapped[7] == -1).all()


def test_arrays_in_memory_are_left_alone() -> None:
    release(ROWS, slice(0, 10))
    release(np.frombuffer(bytearray(4096 * 4), dtype=np.float32).reshape(-1, 64), slice(0, 64))
    assert ROWS[5, 3] == 5 * 64 + 3


def test_a_map_without_numpy_is_known_too(file: Path) -> None:
    with file.open("rb") as opened:
        mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
    rows = np.frombuffer(mapped, dtype=np.float32).reshape(-1, 64)
    release(rows, slice(3, 9_000))
    assert (rows == ROWS).all()
