from __future__ import annotations

from pathlib import Path

import pytest

from pytest_embedeval import memory
from pytest_embedeval.memory import default_bound, parse_size, shown_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4GiB", 4 * 1024**3),
        ("4GB", 4 * 1024**3),
        ("4G", 4 * 1024**3),
        ("512 MB", 512 * 1024**2),
        (" 1.5g ", 3 * 1024**3 // 2),
        ("2t", 2 * 1024**4),
        ("100k", 102_400),
        ("0.5K", 512),
        ("123", 123),
        ("123B", 123),
    ],
)
def test_sizes_are_read_in_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "0", "0.4", "GiB", "-1G", "1e3", "4 GiB RAM", "1,5G", "4X", "nan", "inf", "off", "4G4", "1.", "9" * 400],
)
def test_what_is_no_size_above_zero_is_none(text: str) -> None:
    assert parse_size(text) is None


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (28 * 1024, "28.0 KiB"),
        (100 * 1024, "100 KiB"),
        (1536 * 1024, "1.5 MiB"),
        (1024**3, "1.0 GiB"),
        (int(1.4 * 1024**3), "1.4 GiB"),
        (5000 * 1024**3, "5000.0 GiB"),
    ],
)
def test_sizes_are_shown_for_people(size: int, text: str) -> None:
    assert shown_size(size) == text


@pytest.mark.parametrize("text", ["512 MiB", "1.5 GiB", "100 KiB", "7 B"])
def test_what_is_shown_can_be_read_again(text: str) -> None:
    assert shown_size(parse_size(text) or 0) == text


def test_a_quarter_of_what_a_container_is_given_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_CGROUP", limit)
    machine = default_bound()
    assert machine > 2**20
    limit.write_text("1048576\n")
    assert default_bound() == 262_144
    for text in ("max\n", "", str(2**63)):
        limit.write_text(text)
        assert default_bound() == machine


def test_a_machine_that_does_not_tell_is_taken_for_a_small_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path / "none")
    monkeypatch.delattr("os.sysconf")
    assert default_bound() == 2 * 1024**3
