"""The vectors of one recipe: found, read, added, taken on by one process at a time, and never wrong."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.keys import text_keys
from pytest_embedeval.models.info import Recipe
from pytest_embedeval.vectors import Store, encode, shelf
from pytest_embedeval.vectors.shelf import Shelf
from tests.vectors.test_segments import unit
from tests.vectors.test_store import EXPECTED, TEXTS, Letters, aside, cut_in_half, database, kept_model, run, segment

RECIPE = Recipe("sha256:m", "query", "", 5, None, "python", None, None)
WORDS = [f"word {number}" for number in range(12)]
VECTORS = unit(len(WORDS), 5)


class Opened:
    """A store with one shelf."""

    def __init__(self, folder: Path, recipe: Recipe = RECIPE) -> None:
        self.problems: list[str] = []
        self.store = Store(folder, self.problems.append)
        found = self.store.shelf(recipe, "m")
        assert found is not None
        self.shelf: Shelf = found

    def add(self, chosen: slice) -> None:
        rows = VECTORS[chosen]
        self.shelf.add(text_keys(WORDS[chosen]), rows, np.arange(len(WORDS), dtype=np.int32)[chosen], 0.5 * len(rows))

    def read(self, texts: list[str]) -> tuple[NDArray[np.float32], list[bool]]:
        into = np.zeros((len(texts), 5), dtype=np.float32)
        places = self.shelf.find(text_keys(texts))
        return into, self.shelf.read(places, into, np.arange(len(texts))).tolist()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], Opened]]:
    """Opens the same folder, each time as another process would."""
    stores: list[Store] = []

    def open_again() -> Opened:
        one = Opened(tmp_path)
        stores.append(one.store)
        return one

    yield open_again
    for store in stores:
        store.close()


def test_what_was_added_is_found_wherever_it_stands(opened: Callable[[], Opened]) -> None:
    first = opened()
    assert first.shelf.find(text_keys(WORDS)).tolist() == [-1] * 12
    first.add(slice(0, 5))
    first.add(slice(8, 12))
    for one in (first, opened()):
        asked = [WORDS[i] for i in (11, 0, 6, 4, 8, 4)]
        places = one.shelf.find(text_keys(asked))
        assert (places >= 0).tolist() == [True, True, False, True, True, True]
        about = one.shelf.about(places[places >= 0])
        assert about.tokens.tolist() == [11, 0, 4, 8, 4]
        assert about.seconds.tolist() == [0.5] * 5
        vectors, whole = one.read([word for word in asked if word != WORDS[6]])
        assert all(whole)
        np.testing.assert_array_equal(vectors, VECTORS[[11, 0, 4, 8, 4]])


def test_rows_are_put_where_they_are_asked_for_and_nowhere_else(opened: Callable[[], Opened]) -> None:
    one = opened()
    one.add(slice(0, 12))
    into = np.full((4, 5), 7, dtype=np.float32)
    one.shelf.read(one.shelf.find(text_keys([WORDS[3], WORDS[9]])), into, np.array([2, 0]))
    np.testing.assert_array_equal(into, [VECTORS[9], np.full(5, 7), VECTORS[3], np.full(5, 7)])


def test_vectors_that_lie_as_asked_for_are_not_copied(opened: Callable[[], Opened], tmp_path: Path) -> None:
    one = opened()
    one.add(slice(0, 4))
    one.add(slice(4, 12))
    stored = one.shelf.as_stored(one.shelf.find(text_keys(WORDS[2:9])))
    assert isinstance(stored, np.memmap)
    assert str(stored.filename).startswith(str(tmp_path))
    np.testing.assert_array_equal(stored, VECTORS[2:9])
    for asked in (WORDS[8:2:-1], WORDS[2:9:2], [*WORDS[2:5], WORDS[4]], []):
        assert one.shelf.as_stored(one.shelf.find(text_keys(asked))) is None


def test_vectors_of_two_files_are_put_together(opened: Callable[[], Opened]) -> None:
    first, second = opened(), opened()
    first.add(slice(0, 6))
    second.add(slice(6, 12))
    assert second.shelf.as_stored(second.shelf.find(text_keys(WORDS))) is None
    vectors, whole = first.read(WORDS)
    assert all(whole)
    np.testing.assert_array_equal(vectors, VECTORS)


def test_texts_that_share_half_a_key_never_share_a_vector(opened: Callable[[], Opened]) -> None:
    one = opened()
    keys = np.array([[7, 1], [7, 2], [9, 1]], dtype=np.uint64)
    one.shelf.add(keys, VECTORS[:3], np.zeros(3, dtype=np.int32), 1.0)
    asked = np.array([[7, 1], [7, 3], [7, 2], [9, 2], [9, 1], [8, 1]], dtype=np.uint64)
    places = one.shelf.find(asked)
    assert (places >= 0).tolist() == [True, False, False, False, True, False], "the hidden one is computed again"
    into = np.zeros((2, 5), dtype=np.float32)
    assert one.shelf.read(places[places >= 0], into, np.arange(2)).all()
    np.testing.assert_array_equal(into, VECTORS[[0, 2]])


def test_lists_of_many_blocks_are_read_as_a_whole(tmp_path: Path) -> None:
    texts, vectors = [f"text {number}" for number in range(1500)], unit(1500, 5)
    one = Opened(tmp_path)
    one.shelf.add(text_keys(texts), vectors, np.zeros(1500, dtype=np.int32), 1.0)
    np.testing.assert_array_equal(one.shelf.as_stored(one.shelf.find(text_keys(texts))), vectors)
    into, whole = one.read(texts[::-1])
    np.testing.assert_array_equal(into, vectors[::-1])
    assert all(whole)
    path = segment(tmp_path)
    path.write_bytes(path.read_bytes()[: 1100 * 20 + 7])
    assert one.shelf.as_stored(one.shelf.find(text_keys(texts))) is None
    assert one.read(texts)[1] == [True] * 1100 + [False] * 400
    one.store.close()


def test_recipes_share_nothing(opened: Callable[[], Opened], tmp_path: Path) -> None:
    opened().add(slice(0, 12))
    other = Opened(tmp_path, replace(RECIPE, role="document"))
    assert other.shelf.find(text_keys(WORDS)).tolist() == [-1] * 12
    other.store.close()


def test_what_another_process_added_is_noticed(opened: Callable[[], Opened]) -> None:
    mine, others = opened(), opened()
    mine.add(slice(0, 3))
    assert not mine.shelf.others_added()
    others.add(slice(3, 6))
    assert mine.shelf.others_added()
    assert (mine.shelf.find(text_keys(WORDS)) >= 0).sum() == 6
    assert not mine.shelf.others_added()


def test_a_text_that_is_taken_is_left_to_whoever_took_it(opened: Callable[[], Opened]) -> None:
    one, other = opened(), opened()
    keys = text_keys(WORDS)
    assert one.shelf.claim(keys, 5).tolist() == [0, 1, 2, 3, 4]
    assert other.shelf.claim(keys, 4).tolist() == [5, 6, 7, 8]
    assert one.shelf.claim(keys[3:], 100).tolist() == [6, 7, 8], "places in the list that was given"
    assert other.shelf.claim(keys, 3).tolist() == [0, 1, 2], "where all are taken, whoever took them may be dead"


def test_whoever_works_beside_others_takes_less_at_a_time(opened: Callable[[], Opened]) -> None:
    keys = text_keys([str(number) for number in range(400)])
    one, other = opened(), opened()
    assert len(one.shelf.claim(keys, 100)) == 100
    assert len(other.shelf.claim(keys, 200)) == 50
    assert len(other.shelf.claim(keys, 30)) == 30
    assert len(other.shelf.claim(keys[200:], 200)) == 25
    assert len(other.shelf.claim(keys[:40], 200)) == 16


def test_a_text_that_was_kept_is_taken_by_nobody(opened: Callable[[], Opened]) -> None:
    one = opened()
    one.shelf.claim(text_keys(WORDS), 12)
    one.add(slice(0, 12))
    count = one.store.database.execute("SELECT count(*) FROM claims").fetchone()
    assert count == (0,)


def test_rows_that_were_written_and_not_announced_are_no_vectors(opened: Callable[[], Opened], tmp_path: Path) -> None:
    one = opened()
    one.add(slice(0, 4))
    with segment(tmp_path).open("ab") as file:
        file.write(VECTORS.tobytes()[:-3])  # killed in the middle of the next batch
    again = opened()
    assert (again.shelf.find(text_keys(WORDS)) >= 0).sum() == 4
    again.add(slice(4, 12))
    vectors, whole = opened().read(WORDS)
    assert all(whole)
    np.testing.assert_array_equal(vectors, VECTORS)


def test_damage_in_one_file_leaves_the_others_right(opened: Callable[[], Opened], tmp_path: Path) -> None:
    for part in (slice(0, 4), slice(4, 8), slice(8, 12)):
        opened().add(part)
    one = opened()
    places = one.shelf.find(text_keys(WORDS))
    bad, *_ = one.shelf._segments
    path = tmp_path / "vectors" / "segments" / bad
    content = path.read_bytes()
    path.write_bytes(content[:25] + bytes(1) + content[26:])
    into = np.zeros((12, 5), dtype=np.float32)
    whole = one.shelf.read(places, into, np.arange(12))
    assert whole.tolist() == [True, False, *[True] * 10]
    np.testing.assert_array_equal(into[whole], VECTORS[whole])
    for again in (one, opened()):
        assert (again.shelf.find(text_keys(WORDS)) >= 0).tolist() == [False] * 4 + [True] * 8
    assert [path.name for path in aside(tmp_path)] == [f"{bad}.damaged"]


def test_a_file_that_is_not_readable_now_is_not_taken_for_damaged(
    opened: Callable[[], Opened], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened().add(slice(0, 12))
    one = opened()

    def fail(path: Path, dimension: int) -> NDArray[np.float32]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)

    monkeypatch.setattr(shelf, "map_segment", fail)
    assert one.shelf.as_stored(one.shelf.find(text_keys(WORDS))) is None
    assert one.read(WORDS)[1] == [False] * 12
    monkeypatch.undo()
    name = segment(tmp_path).name
    assert one.problems == [
        f"vector store {tmp_path / 'vectors'}: {name} cannot be read (Too many open files); its vectors are computed "
        "anew"
    ]
    assert all(opened().read(WORDS)[1])


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 8
    path.write_bytes(content)


def swap(path: Path) -> None:
    """Put each vector in the place of another: all of them are unit vectors of this model."""
    rows = np.fromfile(path, dtype=np.float32).reshape(len(TEXTS), -1)
    rows[::-1].tofile(path)


def cut_within_a_row(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "lost"),
    [(cut_in_half, 20), (cut_within_a_row, 1), (Path.unlink, 40), (zeros, 40), (flip, 1), (swap, 40)],
    ids=["cut in half", "cut in a row", "missing", "zeros", "one bit", "other vectors"],
)
@pytest.mark.parametrize("order", ["as kept", "another"])
def test_a_damaged_file_costs_its_vectors_and_never_a_score(
    tmp_path: Path, damage: Callable[[Path], None], lost: int, order: str
) -> None:
    texts = sorted(TEXTS, key=len, reverse=order == "as kept")
    expected = encode(kept_model(Letters()), texts, "document")
    run(tmp_path, texts)
    path = segment(tmp_path)
    damage(path)
    bad = path.read_bytes() if path.exists() else None
    first = run(tmp_path, texts)
    np.testing.assert_array_equal(first.vectors, expected)
    assert len(first.asked) == lost
    told = f"vector store {tmp_path / 'vectors'}: {path.name} is damaged or missing (vectors to compute anew: {lost})"
    assert first.problems == [told if bad is None else f"{told}; the file is kept as {path.name}.damaged"]
    assert [file.read_bytes() for file in aside(tmp_path)] == ([bad] if bad is not None else [])
    second, third = run(tmp_path, texts), run(tmp_path, texts)
    assert (second.problems, third.problems, third.asked) == ([], [], [])
    np.testing.assert_array_equal(second.vectors, expected)
    np.testing.assert_array_equal(third.vectors, expected)


@pytest.mark.parametrize(
    "change",
    [
        "texts = substr(texts, 17)",
        "checks = substr(checks, 1, length(checks) - 8)",
        "tokens = x'00'",
        "texts = 'kedi'",
        "first = 'kedi'",
        "first = -1",
        f"first = {2**62}",
        "seconds = 'kedi'",
    ],
)
def test_an_entry_that_makes_no_sense_is_told_and_taken_back(tmp_path: Path, change: str) -> None:
    run(tmp_path)
    with database(tmp_path) as connection:
        connection.execute(f"UPDATE batches SET {change} WHERE id = 1")
    first = run(tmp_path)
    np.testing.assert_array_equal(first.vectors, EXPECTED)
    assert first.problems == [
        f"vector store {tmp_path / 'vectors'}: damaged batches: 1; their vectors are computed anew"
    ]
    assert len(first.asked) == 32
    second = run(tmp_path)
    assert (second.problems, second.asked) == ([], [])
    np.testing.assert_array_equal(second.vectors, EXPECTED)


@pytest.mark.parametrize("change", ["recipe = 2", "segment = 'none.f32'", "first = first + 1", "segment = x'6B656469'"])
def test_an_entry_that_points_to_other_vectors_gives_none(tmp_path: Path, change: str) -> None:
    backwards = [text[::-1] for text in TEXTS]
    model = kept_model(Letters(), fingerprint="sha256:other")
    run(tmp_path)
    store = Store(tmp_path)
    other = store.shelf(replace(_recipe(), fingerprint="sha256:other"), "other")
    assert other is not None
    other.add(text_keys(TEXTS), encode(model, backwards, "document"), np.full(40, -1, dtype=np.int32), 1.0)
    store.close()
    with database(tmp_path) as connection:
        connection.execute(f"UPDATE batches SET {change} WHERE recipe = 1")
        connection.execute("UPDATE batches SET recipe = 1 WHERE recipe = 2")
    np.testing.assert_array_equal(run(tmp_path).vectors, EXPECTED)
    np.testing.assert_array_equal(run(tmp_path).vectors, EXPECTED)


def _recipe() -> Recipe:
    recipe = kept_model(Letters()).recipe("document")
    assert recipe is not None
    return recipe
