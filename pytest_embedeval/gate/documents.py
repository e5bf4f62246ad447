"""JSON documents that were kept: read with one clear error where a file is not what it should be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pytest_embedeval.errors import BaselineError

_Document = TypeVar("_Document", bound=BaseModel)


def read_json(path: Path, *, number: str, mend: str) -> Any:
    """Return the content of a JSON file.

    Parameters
    ----------
    number
        What NaN and infinity are not, for the message: `score`.
    mend
        The end of every message: what to do about a damaged file.

    Raises
    ------
    BaselineError
        Missing, not readable, truncated, or with NaN or infinity.
    """

    def refuse(constant: str) -> float:
        raise ValueError(f"holds {constant}, which is no {number}")

    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    except FileNotFoundError:
        raise BaselineError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BaselineError(f"{path}: cannot be read: {error}; {mend}") from None
    except json.JSONDecodeError as error:
        raise BaselineError(f"{path}: line {error.lineno}: not valid JSON ({error.msg}); {mend}") from None
    except (ValueError, RecursionError) as error:
        raise BaselineError(f"{path}: {error}; {mend}") from None


def validated(content: Any, kind: type[_Document], path: Path, *, version: int, mend: str) -> _Document:
    """Return the content as a document of this version.

    Raises
    ------
    BaselineError
        Of a newer schema, or not of this kind; the message names the place.
    """
    found = content.get("schema_version") if isinstance(content, Mapping) else None
    if isinstance(found, int) and found > version:
        raise BaselineError(
            f"{path}: written by a newer pytest-embedeval (schema {found}, this one reads {version}); "
            "upgrade: pip install -U pytest-embedeval"
        )
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BaselineError(f"{path}: {place}: {first['msg']}; {mend}") from None
