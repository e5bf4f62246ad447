"""The store as a whole: opened, shared, closed, and found in every bad state its files can be in."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.memory import shown_size
from pytest_embedeval.models import Model, ModelInfo
from pytest_embedeval.models.info import Recipe
from pytest_embedeval.vectors import Encoded, EncodedList, Store, StoreWarning, encode, segments, shelf
from pytest_embedeval.vectors import store as stores
from pytest_embedeval.vectors.segments import SegmentWriter
from pytest_embedeval.vectors.store import KEYS
from pytest_embedeval.vectors.upkeep import holdings, remove
from tests.conftest import letters

TEXTS = [f"{'kedi ' * (number % 7)}{number}" for number in range(40)]
RECIPE = Recipe("sha256:letters", "document", "", 256, None, "python", None, None)
NOBODY = 65534


class Letters:
    """Encodes by character trigrams, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    @property
    def texts(self) -> list[str]:
        """All texts that were encoded, one after another."""
        return [text for texts in self.asked for text in texts]

    def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
        self.asked.append(texts)
        return letters(texts)

    encode_documents = encode_queries


def kept_model(encoder: Letters, **facts: object) -> Model:
    """Return a model whose vectors are kept."""
    info = ModelInfo("letters", "letters", fingerprint="sha256:letters", kind="dense", dimension=256, backend="python")
    return Model(replace(info, **facts), encoder)  # type: ignore[arg-type]


@dataclass
class Run:
    """What one run got, and what it had to do for it."""

    vectors: NDArray[np.float32]
    about: EncodedList
    asked: list[str]
    problems: list[str]


def run(folder: Path, texts: list[str] = TEXTS) -> Run:
    """Encode texts with a store that is opened and closed as in a run of its own."""
    encoder, problems = Letters(), list[str]()
    store = Store(folder, problems.append)
    encoded = Encoded(kept_model(encoder), store=store)
    vectors = np.array(encoded.vectors(texts, "document"))
    about = encoded.about(texts, "document")
    store.close()
    return Run(vectors, about, encoder.texts, problems)


EXPECTED = encode(kept_model(Letters()), TEXTS, "document")


def keys(folder: Path) -> Path:
    return folder / "vectors" / KEYS


def segment(folder: Path) -> Path:
    """Return the one file of vectors."""
    (found,) = (folder / "vectors" / "segments").glob("*.f32")
    return found


def aside(folder: Path) -> list[Path]:
    """Return the files that were set aside."""
    return sorted((folder / "vectors").rglob("*.damaged*"))


@contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the keys as somebody else would."""
    connection = sqlite3.connect(keys(folder), isolation_level=None)
    yield connection
    connection.close()


def integrity(folder: Path) -> str:
    with database(folder) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


@pytest.fixture(scope="module")
def filled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    assert run(folder).asked
    return folder


@pytest.fixture
def filled(filled_once: Path, tmp_path: Path) -> Path:
    """A folder in which the vectors of `TEXTS` are kept."""
    return shutil.copytree(filled_once, tmp_path / "cache")


def test_what_one_run_computed_the_next_one_finds(tmp_path: Path) -> None:
    first, second = run(tmp_path / "new" / "cache"), run(tmp_path / "new" / "cache")
    assert sorted(first.asked) == sorted(TEXTS)
    assert second.asked == []
    np.testing.assert_array_equal(first.vectors, EXPECTED)
    np.testing.assert_array_equal(second.vectors, EXPECTED)
    assert (first.about.encoded, first.about.reused) == (40, 0)
    assert (second.about.encoded, second.about.reused) == (0, 40)
    assert second.about.seconds == pytest.approx(first.about.seconds)
    assert first.problems == second.problems == []
    assert integrity(tmp_path / "new" / "cache") == "ok"


def test_two_stores_on_one_folder_see_what_the_other_adds(tmp_path: Path) -> None:
    with_one = Encoded(kept_model(Letters()), store=(one := Store(tmp_path)))
    with_other = Encoded(kept_model(late := Letters()), store=(other := Store(tmp_path)))
    with_one.vectors(TEXTS[:30], "document")
    np.testing.assert_array_equal(with_other.vectors(TEXTS, "document"), EXPECTED)
    assert sorted(late.texts) == sorted(TEXTS[30:])
    one.close()
    other.close()


def test_a_recipe_has_one_shelf(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.shelf(RECIPE, "m") is store.shelf(replace(RECIPE), "another name")
    assert store.shelf(RECIPE, "m") is not store.shelf(replace(RECIPE, role="query"), "m")
    store.close()


def test_a_source_of_any_bytes_is_no_problem(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.shelf(replace(RECIPE, prompt="\ud800"), os.fsdecode(b"/models/\xff")) is not None
    store.close()


def test_a_closed_store_says_once_that_it_keeps_no_more(tmp_path: Path) -> None:
    problems: list[str] = []
    store = Store(tmp_path, problems.append)
    encoded = Encoded(kept_model(Letters()), store=store)
    encoded.vectors(TEXTS[:20], "document")
    assert store.is_open
    store.close()
    store.close()
    assert not store.is_open
    np.testing.assert_array_equal(encoded.vectors(TEXTS, "document"), EXPECTED)
    encoded.vectors(TEXTS[:7], "document")
    assert problems == [
        f"vector store {tmp_path / 'vectors'}: cannot be used as it should (the store is closed); "
        "vectors computed from now on are not kept"
    ]
    again = run(tmp_path)
    assert sorted(again.asked) == sorted(TEXTS[20:])
    assert len(list((tmp_path / "vectors" / "segments").iterdir())) == 2


def test_a_store_that_is_closed_in_the_middle_of_a_list_leaves_the_rest_to_the_model(tmp_path: Path) -> None:
    class Closing(Letters):
        def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
            if self.asked:
                store.close()
            return super().encode_queries(texts)

        encode_documents = encode_queries

    problems: list[str] = []
    store = Store(tmp_path, problems.append)
    texts = TEXTS + [f"{text} daha" for text in TEXTS]
    vectors = Encoded(kept_model(Closing()), store=store).vectors(texts, "document")
    np.testing.assert_array_equal(vectors, encode(kept_model(Letters()), texts, "document"))
    assert len(problems) == 1
    assert "the store is closed" in problems[0]
    assert len(run(tmp_path, texts).asked) == len(texts) - 32, "the first chunk was kept"


def test_without_a_listener_problems_are_warnings(filled: Path) -> None:
    keys(filled).write_bytes(b"garbage" * 1000)
    with pytest.warns(StoreWarning, match=r"cache/vectors: keys.sqlite3 is damaged \(file is not a database\)"):
        Store(filled).close()


def drop_table(name: str) -> Callable[[Path], None]:
    def drop(folder: Path) -> None:
        with database(folder) as connection:
            connection.execute(f"DROP TABLE {name}")

    return drop


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scramble_pages(path: Path) -> None:
    """Overwrite all but the first page."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + np.random.default_rng(0).bytes(len(content) - 4096))


def put_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "notes").write_text("somebody's")


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: keys(folder).write_bytes(b"no database" * 500), "file is not a database"),
        (lambda folder: keys(folder).write_text("short"), "file is not a database"),
        (lambda folder: cut_in_half(keys(folder)), "database disk image is malformed"),
        (lambda folder: scramble_pages(keys(folder)), "database disk image is malformed"),
        (lambda folder: put_a_folder(keys(folder)), "unable to open database file"),
        (drop_table("recipes"), "no such table: recipes"),
        (drop_table("batches"), "no such table: batches"),
        (drop_table("claims"), "no such table: claims"),
    ],
    ids=["garbage", "short garbage", "cut in half", "scrambled", "a folder", "no recipes", "no batches", "no claims"],
)
def test_damaged_keys_are_kept_aside_and_the_next_run_starts_afresh(
    filled: Path, damage: Callable[[Path], None], problem: str
) -> None:
    damage(filled)
    size = keys(filled).stat().st_size
    texts = [*TEXTS, "one more"]  # whoever claims nothing needs no claims
    expected = encode(kept_model(Letters()), texts, "document")
    first = run(filled, texts)
    np.testing.assert_array_equal(first.vectors, expected)
    assert len(first.problems) == 1, first.problems
    assert first.problems[0] == (
        f"vector store {filled / 'vectors'}: keys.sqlite3 is damaged ({problem}); "
        f"its {shown_size(size)} are kept as keys.sqlite3.damaged, and vectors computed anew"
    )
    (bad,) = aside(filled)
    assert bad.stat().st_size == size
    assert not bad.is_dir() or (bad / "notes").read_text() == "somebody's"
    second, third = run(filled, texts), run(filled, texts)
    assert second.problems == third.problems == []
    assert third.asked == []
    np.testing.assert_array_equal(third.vectors, expected)
    assert integrity(filled) == "ok"


def test_a_file_that_is_empty_is_a_new_one(filled: Path) -> None:
    keys(filled).write_bytes(b"")
    again = run(filled)
    np.testing.assert_array_equal(again.vectors, EXPECTED)
    assert (len(again.asked), again.problems) == (40, [])
    assert run(filled).asked == []


def test_a_file_that_another_process_has_replaced_is_not_set_aside(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys(filled).write_bytes(b"no database" * 500)
    set_aside = segments.set_aside

    def late(error: object) -> None:
        set_aside(keys(filled))
        run(filled)
        Store._set_aside(slow, error)  # type: ignore[arg-type]

    slow = Store.__new__(Store)
    monkeypatch.setattr(slow, "_set_aside", late)
    problems: list[str] = []
    Store.__init__(slow, filled, problems.append)
    assert slow.is_open
    slow.close()
    assert (problems, len(aside(filled))) == ([], 1)
    assert run(filled).asked == [], "the work of the faster process is not lost"


def test_a_file_of_a_newer_version_is_left_as_it_is(filled: Path) -> None:
    with database(filled) as connection:
        connection.execute("PRAGMA user_version = 2")
    before = {path: path.read_bytes() for path in filled.rglob("*") if path.is_file()}
    found = run(filled)
    np.testing.assert_array_equal(found.vectors, EXPECTED)
    assert len(found.asked) == 40
    assert found.problems == [
        f"vector store {filled / 'vectors'}: was written by a newer pytest-embedeval (schema 2, this one reads 1); it "
        "is left as it is, and vectors are computed anew: upgrade, or name another folder with --embedeval-cache"
    ]
    assert {path: path.read_bytes() for path in filled.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("place", ["", "vectors"])
def test_a_file_in_place_of_the_folder_is_left_alone(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "cache"
    if place:
        folder.mkdir()
    (folder / place).write_text("a file")
    found = run(folder)
    np.testing.assert_array_equal(found.vectors, EXPECTED)
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f"vector store {folder / 'vectors'}: cannot be opened (")
    assert found.problems[0].endswith("); vectors are computed anew and not kept")
    assert (folder / place).read_text() == "a file"


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take the right to write from a folder, and the privilege to write all the same."""
    everything = [folder, *folder.rglob("*")]
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path in everything:
            path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="embedeval-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_read_only_folder_gives_what_it_has_and_keeps_nothing(filled: Path, public: Path) -> None:
    folder = shutil.copytree(filled, public / "cache")
    texts = [*TEXTS, "one more", "and another"]
    with read_only(folder):
        found = run(folder, texts)
    np.testing.assert_array_equal(found.vectors, encode(kept_model(Letters()), texts, "document"))
    assert sorted(found.asked) == ["and another", "one more"]
    assert found.problems == [
        f"vector store {folder / 'vectors'}: cannot be used as it should (attempt to write a readonly database); "
        "vectors computed from now on are not kept"
    ]
    assert run(folder, texts).problems == []


def test_a_read_only_folder_without_a_store_costs_a_warning(public: Path) -> None:
    with read_only(public):
        found = run(public / "cache")
    np.testing.assert_array_equal(found.vectors, EXPECTED)
    assert found.problems == [
        f"vector store {public / 'cache' / 'vectors'}: cannot be opened (Permission denied); "
        "vectors are computed anew and not kept"
    ]


def test_damage_in_a_read_only_folder_is_told_and_left_there(filled: Path, public: Path) -> None:
    folder = shutil.copytree(filled, public / "cache")
    content = bytearray(segment(folder).read_bytes())
    content[5000] ^= 1
    segment(folder).write_bytes(content)
    with read_only(folder):
        found = run(folder)
    np.testing.assert_array_equal(found.vectors, EXPECTED)
    assert len(found.asked) == 1
    assert [problem.removeprefix(f"vector store {folder / 'vectors'}: ") for problem in found.problems] == [
        "cannot be used as it should (attempt to write a readonly database); vectors computed from now on are not kept",
        f"{segment(folder).name} is damaged or missing (vectors to compute anew: 1)",
    ]
    assert segment(folder).read_bytes() == content


def test_a_store_that_another_process_holds_for_too_long_is_done_without(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "_PATIENCE_S", 0.05)
    problems: list[str] = []
    store = Store(filled, problems.append)
    encoded = Encoded(kept_model(encoder := Letters()), store=store)
    with locked(filled):
        np.testing.assert_array_equal(encoded.vectors(TEXTS, "document"), EXPECTED)
        late = run(filled)
    store.close()
    assert problems == [
        f"vector store {filled / 'vectors'}: cannot be used as it should (database is locked); "
        "vectors computed from now on are not kept"
    ]
    assert late.problems == [
        f"vector store {filled / 'vectors'}: cannot be opened (database is locked); "
        "vectors are computed anew and not kept"
    ]
    np.testing.assert_array_equal(late.vectors, EXPECTED)
    assert len(encoder.texts) == len(late.asked) == 40
    assert (run(filled).asked, aside(filled)) == ([], [])


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the keys as a process does that was stopped while it wrote."""
    with database(folder) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def test_who_waited_once_in_vain_waits_no_more(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_PATIENCE_S", 0.2)
    store = Store(filled, list[str]().append)
    encoded = Encoded(kept_model(Letters()), store=store)
    encoded.vectors(TEXTS[:5], "document")
    with locked(filled):
        started = time.perf_counter()
        for number in range(10):
            encoded.vectors([f"new {number}"], "document")
        assert 0.2 <= time.perf_counter() - started < 1.0
    store.close()


def test_a_full_disk_costs_what_comes_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(SegmentWriter):
        def append(self, vectors: NDArray[np.float32]) -> int:
            if self.rows:
                self._file.write(vectors.tobytes()[:100])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().append(vectors)

    monkeypatch.setattr(shelf, "SegmentWriter", Full)
    texts = [f"{number} {text}" for text in TEXTS for number in range(3)]
    expected = encode(kept_model(Letters()), texts, "document")
    first = run(tmp_path, texts)
    monkeypatch.undo()
    np.testing.assert_array_equal(first.vectors, expected)
    assert first.problems == [
        f"vector store {tmp_path / 'vectors'}: cannot be used as it should (No space left on device); "
        "vectors computed from now on are not kept"
    ]
    second = run(tmp_path, texts)
    np.testing.assert_array_equal(second.vectors, expected)
    assert (len(second.asked), second.problems) == (len(texts) - 32, [])


def test_keys_that_find_no_room_are_taken_back(filled: Path) -> None:
    problems: list[str] = []
    store = Store(filled, problems.append)
    encoded = Encoded(kept_model(Letters()), store=store)
    pages = store.database.execute("PRAGMA page_count").fetchone()[0]
    store.database.execute(f"PRAGMA max_page_count = {pages}")
    texts = [f"{number} {text}" for text in TEXTS for number in range(10)]
    expected = encode(kept_model(Letters()), texts, "document")
    np.testing.assert_array_equal(encoded.vectors(texts, "document"), expected)
    store.close()
    assert problems == [
        f"vector store {filled / 'vectors'}: cannot be used as it should (database or disk is full); "
        "vectors computed from now on are not kept"
    ]
    np.testing.assert_array_equal(run(filled, texts).vectors, expected)
    assert integrity(filled) == "ok"


def test_a_transaction_is_all_or_nothing(filled: Path) -> None:
    store = Store(filled)
    with pytest.raises(KeyboardInterrupt), store.transaction() as connection:  # noqa: PT012
        connection.execute("DELETE FROM batches")
        raise KeyboardInterrupt
    with database(filled) as other:
        other.execute("BEGIN EXCLUSIVE")
        other.execute("ROLLBACK")
    store.close()
    assert run(filled).asked == []


def test_vectors_of_a_model_that_was_removed_meanwhile_never_become_those_of_another(tmp_path: Path) -> None:
    class Backwards(Letters):
        def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
            return super().encode_queries([text[::-1] for text in texts])

        encode_documents = encode_queries

    problems: list[str] = []
    running = Store(tmp_path, problems.append)
    encoded = Encoded(kept_model(Letters()), store=running)
    encoded.vectors(TEXTS[:10], "document")
    other = Store(tmp_path)
    remove(other, holdings(other))
    model = kept_model(Backwards(), fingerprint="sha256:backwards")
    vectors = Encoded(model, store=other)
    vectors.vectors(TEXTS[:10], "document")
    encoded.vectors(TEXTS, "document")
    np.testing.assert_array_equal(vectors.vectors(TEXTS, "document"), encode(model, TEXTS, "document"))
    assert problems == [
        f"vector store {tmp_path / 'vectors'}: cannot be used as it should (another process removed the entry of the "
        "model); vectors computed from now on are not kept"
    ]
    running.close()
    other.close()
    assert len(run(tmp_path).asked) == len(TEXTS)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_bit_is_wrong_the_vectors_are_right(filled: Path, seed: int) -> None:
    chance = np.random.default_rng(seed)
    path = [keys(filled), segment(filled)][seed % 2]
    content = bytearray(path.read_bytes())
    for place in chance.integers(len(content), size=1 + seed % 5):
        content[place] ^= 1 << int(chance.integers(8))
    path.write_bytes(content)
    for _ in range(2):
        np.testing.assert_array_equal(run(filled).vectors, EXPECTED)
