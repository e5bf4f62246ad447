"""Reading a data file whole, with one clear error where that fails."""

from __future__ import annotations

from pathlib import Path

from pytest_embedeval.errors import DatasetError


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, without a byte order mark.

    Raises
    ------
    DatasetError
        No such file, not a file, not readable, or not UTF-8 (with the position of the first wrong byte).
    """
    try:
        return path.read_bytes().decode("utf-8").removeprefix("\N{BYTE ORDER MARK}")
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None


def is_whole(text: str) -> bool:
    """Whether a text can be written as UTF-8; JSON may hold one half of an escaped pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
