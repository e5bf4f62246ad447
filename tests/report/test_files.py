from __future__ import annotations

from pathlib import Path

import pytest

from pytest_embedeval.report.files import write_atomically


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
