"""Files of vectors: what is written, what is left when writing fails, and what tells a damaged row."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.keys import text_keys
from pytest_embedeval.vectors.segments import SegmentWriter, is_damaged, map_segment, row_checks, set_aside

RECIPE = f"sha256:{'5a' * 32}"
KEY = text_keys(["kedi"])


def unit(rows: int, dimension: int, seed: int = 0) -> NDArray[np.float32]:
    vectors: NDArray[np.float32] = np.random.default_rng(seed).standard_normal((rows, dimension), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def check(vector: NDArray[np.float32]) -> int:
    return int(row_checks(vector.reshape(1, -1), KEY, RECIPE)[0])


@pytest.mark.parametrize("dimension", [1, 3, 384])
def test_rows_come_back_to_the_bit_and_cannot_be_changed(tmp_path: Path, dimension: int) -> None:
    writer = SegmentWriter(tmp_path / "new", "abc")
    parts = [unit(rows, dimension, seed) for seed, rows in enumerate([2, 1, 5])]
    assert [writer.append(part) for part in parts] == [0, 2, 3]
    writer.close()
    rows = map_segment(tmp_path / "new" / writer.name, dimension)
    np.testing.assert_array_equal(rows, np.concatenate(parts))
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 0


def test_rows_can_be_read_while_the_file_grows(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "abc")
    writer.append(unit(2, 3))
    before = map_segment(tmp_path / writer.name, 3)
    writer.append(unit(2, 3, seed=1))
    np.testing.assert_array_equal(before, unit(2, 3))
    assert len(map_segment(tmp_path / writer.name, 3)) == 4
    writer.close()


def test_each_writer_has_a_file_of_its_own(tmp_path: Path) -> None:
    writers = [SegmentWriter(tmp_path, "abc") for _ in range(3)]
    assert len({writer.name for writer in writers}) == 3
    for writer in writers:
        writer.close()


def test_rows_of_any_layout_are_written_as_they_read(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "abc")
    writer.append(np.asfortranarray(unit(4, 3))[::2])
    writer.close()
    np.testing.assert_array_equal(map_segment(tmp_path / writer.name, 3), unit(4, 3)[::2])


def test_a_row_that_is_cut_short_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.f32").write_bytes(unit(3, 5).tobytes()[:-1])
    np.testing.assert_array_equal(map_segment(tmp_path / "a.f32", 5), unit(3, 5)[:2])
    (tmp_path / "a.f32").write_bytes(b"")
    assert map_segment(tmp_path / "a.f32", 5).shape == (0, 5)
    with pytest.raises(FileNotFoundError):
        map_segment(tmp_path / "b.f32", 5)


class Failing(io.FileIO):
    """Writes at most seven bytes per call, and fails after some calls: as a full disk, or as Ctrl+C."""

    failure: BaseException = OSError(errno.ENOSPC, "No space left on device")
    calls_left = 10**6

    def write(self, content: object, /) -> int:
        self.calls_left -= 1
        if self.calls_left < 0:
            raise self.failure
        return super().write(memoryview(content)[:7])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=["full", "Ctrl+C"]
)
def test_what_follows_a_failed_write_stands_where_it_is_said_to(tmp_path: Path, failure: BaseException) -> None:
    writer = SegmentWriter(tmp_path, "abc")
    writer.append(unit(2, 3))
    writer._file.close()
    writer._file = file = Failing(tmp_path / writer.name, "r+b")
    file.failure, file.calls_left = failure, 4
    with pytest.raises(type(failure)):
        writer.append(unit(5, 3, seed=1))
    if isinstance(failure, OSError):
        assert (tmp_path / writer.name).read_bytes() == unit(2, 3).tobytes(), "the room is given back"
    file.calls_left = 10**6
    assert writer.append(unit(1, 3, seed=2)) == 2
    writer.close()
    np.testing.assert_array_equal(map_segment(tmp_path / writer.name, 3)[:3], [*unit(2, 3), *unit(1, 3, seed=2)])


def test_every_changed_bit_changes_the_check() -> None:
    vector = unit(1, 9)[0]
    found = {check(vector)}
    for bit in range(8 * vector.nbytes):
        content = np.frombuffer(vector.tobytes(), dtype=np.uint8).copy()
        content[bit // 8] ^= 1 << bit % 8
        found.add(check(content.view(np.float32)))
    assert len(found) == 8 * vector.nbytes + 1


def test_vectors_of_few_different_numbers_have_different_checks() -> None:
    # Equal numbers, round ones above all, are where a sum of products may fail to tell two rows apart.
    axes = np.eye(1024, dtype=np.float32)
    halves = np.zeros((1020, 1024), dtype=np.float32)
    for row in range(len(halves)):
        halves[row, row : row + 4] = 0.5
    signs = np.where(np.random.default_rng(0).random((2000, 1024)) < 0.5, np.float32(1 / 32), np.float32(-1 / 32))
    rows = np.concatenate([axes, halves, signs, np.zeros((1, 1024), dtype=np.float32)])
    checks = row_checks(rows, np.repeat(KEY, len(rows), axis=0), RECIPE)
    assert len(np.unique(checks)) == len(rows)


def test_numbers_in_another_order_change_the_check() -> None:
    vector = unit(1, 8)[0]
    assert len({check(np.roll(vector, shift)) for shift in range(8)} | {check(vector[::-1])}) == 9


def test_a_vector_of_another_text_or_another_recipe_does_not_pass() -> None:
    rows = np.repeat(unit(1, 4), 3, axis=0)
    by_text = row_checks(rows, text_keys(["a", "b", "c"]), RECIPE)
    assert len(set(by_text.tolist())) == 3
    by_recipe = [row_checks(unit(1, 4), KEY, f"sha256:{digit * 64}")[0] for digit in "01f"]
    assert len(set(by_recipe)) == 3


def test_checks_stay_the_same_for_good() -> None:
    # With any other number here, all that was ever kept would be taken for damaged.
    vector = np.array([[0.6, 0.8, 0.0]], dtype=np.float32)
    assert row_checks(vector, KEY, RECIPE).tolist() == [2956332019540272507]


def test_a_damaged_file_is_kept_under_a_name_of_its_own(tmp_path: Path) -> None:
    kept = []
    for content in ("first", "second", "third"):
        (tmp_path / "a.f32").write_text(content)
        kept.append(set_aside(tmp_path / "a.f32"))
    assert [path.name for path in kept] == ["a.f32.damaged", "a.f32.damaged-2", "a.f32.damaged-3"]
    assert [path.read_text() for path in kept] == ["first", "second", "third"]
    assert all(is_damaged(path) for path in kept)
    assert not is_damaged(tmp_path / "a.f32")
    assert not (tmp_path / "a.f32").exists()
