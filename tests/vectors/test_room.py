"""Where arrays of vectors are made."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from pytest_embedeval.vectors.room import Room

SHAPE = 30, 4


def test_small_arrays_are_held_and_large_ones_lie_in_a_file() -> None:
    assert not isinstance(Room().empty(SHAPE), np.memmap)
    assert not isinstance(Room(480).empty(SHAPE), np.memmap)
    assert isinstance(Room(479).empty(SHAPE), np.memmap)


def test_a_file_that_others_read_goes_with_its_array(tmp_path: Path) -> None:
    expected = np.arange(120, dtype=np.float32).reshape(SHAPE)
    array = Room(0, tmp_path / "new").filled(SHAPE, lambda rows: expected[rows])
    (path,) = (tmp_path / "new").iterdir()
    part = array[3:]
    del array
    gc.collect()
    assert isinstance(part, np.memmap)
    part.flush()
    np.testing.assert_array_equal(np.fromfile(path, dtype=np.float32).reshape(SHAPE), expected)
    np.testing.assert_array_equal(part, expected[3:])
    del part
    gc.collect()
    assert not path.exists()


def test_a_disk_without_room_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises((OSError, OverflowError)):
        Room(0, tmp_path).empty((2**40, 2**10))
    assert list(tmp_path.iterdir()) == []
