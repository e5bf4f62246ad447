"""Values out of JSON, or out of the cells of a table, checked; every error begins with the place."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from pytest_embedeval.datasets.text_files import is_whole
from pytest_embedeval.errors import DatasetError

_SHORT = 200  # characters: a path of categories is shorter, a description longer
_HALF = "holds half a character (a lone surrogate); save the file anew"


def is_number(value: Any) -> bool:
    """Whether a value is a whole number; JSON's true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def json_object(value: Any, place: str) -> Mapping[str, Any]:
    """Return the value, which must be an object."""
    if not isinstance(value, Mapping):
        raise DatasetError(f"{place}: expected an object, found {type(value).__name__}")
    return value


def json_list(value: Any, key: str, place: str) -> list[Any]:
    """Return the list that an object holds under a key."""
    entries = json_object(value, place).get(key)
    if not isinstance(entries, list):
        found = "is missing" if entries is None else f"must be a list, not {type(entries).__name__}"
        raise DatasetError(f"{place}: key {key!r} {found}")
    return entries


def json_text(value: Mapping[str, Any], key: str, place: str, *, may_be_empty: bool = False) -> str:
    """Return the text that an object holds under a key."""
    text = value.get(key)
    if text is None:
        raise DatasetError(f"{place}: key {key!r} is missing")
    if not isinstance(text, str):
        raise DatasetError(f"{place}: key {key!r} must be text, not {type(text).__name__}")
    if not may_be_empty and not text.strip():
        raise DatasetError(f"{place}: key {key!r} is empty")
    if not is_whole(text):
        raise DatasetError(f"{place}: key {key!r} {_HALF}")
    return text


def json_id(value: Mapping[str, Any], key: str, place: str) -> str:
    """Return the id that an object holds under a key, as text; it may be a number there."""
    identity = value.get(key)
    if isinstance(identity, str) and identity and identity.isascii():
        return identity
    if identity in (None, ""):
        raise DatasetError(f"{place}: key {key!r} is missing or empty")
    if not is_number(identity) and not isinstance(identity, str):
        raise DatasetError(f"{place}: key {key!r} must be text or a number, not {type(identity).__name__}")
    if not is_whole(str(identity)):
        raise DatasetError(f"{place}: key {key!r} {_HALF}")
    return str(identity)


def grade_of(value: Any, key: str, place: str) -> int:
    """Return a grade, given as a whole number (`2`, `2.0`) or as its text."""
    try:
        number = float(value)
        if not isinstance(value, bool) and number.is_integer():
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise DatasetError(f"{place}: {key} must be a whole number such as 0, 1 or 2, not {value!r}")


def scalar_fields(values: Mapping[str, Any]) -> dict[str, str]:
    """Return as text what a mapping holds of texts, numbers, true and false."""
    fields = {}
    for key, value in values.items():
        if isinstance(value, bool):
            fields[key] = "true" if value else "false"
        elif isinstance(value, str | int | float) and is_whole(str(value)):
            fields[key] = str(value)
    return fields


def short_fields(values: Mapping[str, Any], known: Container[str]) -> dict[str, str]:
    """Return the scalar fields that no role is known for and that are short enough to name a kind of thing."""
    others = {key: value for key, value in values.items() if key not in known}
    return {key: text for key, text in scalar_fields(others).items() if len(text) <= _SHORT}
