from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pytest_embedeval.report import files
from pytest_embedeval.report.files import locked, write_atomically, write_together


def test_the_text_is_written_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "report.json"
    write_atomically(path, "ağrı\n\r\nİ 🫀")
    assert path.read_bytes() == "ağrı\n\r\nİ 🫀".encode()


def test_an_old_file_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("a much longer text than the new one", encoding="utf-8")
    write_atomically(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"], ids=["writing", "renaming"])
@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_failure_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    path = tmp_path / "report.json"
    path.write_text("old", encoding="utf-8")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(step, fail)
    with pytest.raises(type(error)):
        write_atomically(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_that_is_no_unicode_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "half a pair: \ud83e")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_the_file(tmp_path: Path) -> None:
    """A temporary file is private to its owner; a report in a shared CI folder is not."""
    path = tmp_path / "report.json"
    write_atomically(path, "{}")
    assert path.stat().st_mode & 0o444 == 0o444


def test_a_folder_that_is_a_file_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="taken"):
        write_atomically(tmp_path / "taken" / "report.json", "{}")


def test_several_files_are_written_in_order(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("b.json", "a.csv", "deep/er/c.json")]
    write_together({path: f"text of {path.name}\n" for path in paths})
    assert [path.read_text(encoding="utf-8") for path in paths] == [
        "text of b.json\n",
        "text of a.csv\n",
        "text of c.json\n",
    ]
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path not in paths] == []


@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_where_the_second_file_cannot_be_written_the_first_stays_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    paths = [tmp_path / "scores.csv", tmp_path / "report.json"]
    write_together(dict.fromkeys(paths, "old"))
    synced: list[int] = []

    def fail_at_the_second(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 2:
            raise error

    monkeypatch.setattr(os, "fsync", fail_at_the_second)
    with pytest.raises(type(error)):
        write_together(dict.fromkeys(paths, "new"))
    assert [path.read_text(encoding="utf-8") for path in paths] == ["old", "old"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_a_folder_that_cannot_be_made_leaves_the_other_files_old(tmp_path: Path) -> None:
    path, taken = tmp_path / "scores.csv", tmp_path / "taken"
    write_together({path: "old", taken: "a file"})
    with pytest.raises(OSError, match="taken"):
        write_together({path: "new", taken / "report.json": "new"})
    assert path.read_text(encoding="utf-8") == "old"
    assert sorted(tmp_path.iterdir()) == [path, taken]


_KILLED = """
import os, runpy, signal, sys
from pathlib import Path

write_together = runpy.run_path(sys.argv[3])["write_together"]
calls = 0
def die(*_):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*_)

owner = os if sys.argv[1] == "fsync" else Path
original = getattr(owner, sys.argv[1])
setattr(owner, sys.argv[1], die)
write_together({Path("scores.csv"): "new " * 9999, Path("report.json"): "new " * 9999})
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system knows no SIGKILL")
@pytest.mark.parametrize(("step", "call"), [("fsync", 2), ("replace", 1)], ids=["second file", "first rename"])
def test_a_run_that_is_killed_leaves_the_old_files(tmp_path: Path, step: str, call: int) -> None:
    paths = [tmp_path / "scores.csv", tmp_path / "report.json"]
    write_together(dict.fromkeys(paths, "old"))
    process = subprocess.run(
        [sys.executable, "-c", _KILLED, step, str(call), files.__file__],
        cwd=tmp_path,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL
    assert [path.read_text(encoding="utf-8") for path in paths] == ["old", "old"]
    write_together(dict.fromkeys(paths, "next"))
    assert [path.read_text(encoding="utf-8") for path in paths] == ["next", "next"]


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    """Four threads read a number, wait, and write it back one higher."""
    path = tmp_path / "number"
    path.write_text("0", encoding="utf-8")

    def count() -> None:
        for _ in range(5):
            with locked(tmp_path):
                number = int(path.read_text(encoding="utf-8"))
                write_atomically(path, str(number + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text(encoding="utf-8") == "20"


def test_a_folder_that_stays_held_is_an_os_error_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PATIENCE_S", 0.01)
    with locked(tmp_path), pytest.raises(OSError, match="another run holds this folder") as caught, locked(tmp_path):
        pass
    assert str(tmp_path) in str(caught.value)
    with locked(tmp_path):
        pass


def test_a_lock_leaves_nothing_that_could_be_committed(tmp_path: Path) -> None:
    with locked(tmp_path / "baselines"):
        pass
    assert list((tmp_path / "baselines").iterdir()) == []


def test_an_error_lets_the_folder_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PATIENCE_S", 0.01)
    with pytest.raises(ValueError, match="mine"), locked(tmp_path):
        raise ValueError("mine")
    with locked(tmp_path):
        pass


def test_one_folder_has_one_lock_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PATIENCE_S", 0.01)
    monkeypatch.chdir(tmp_path)
    with locked(tmp_path / "baselines"), pytest.raises(TimeoutError), locked(Path("baselines") / ".." / "baselines"):
        pass
