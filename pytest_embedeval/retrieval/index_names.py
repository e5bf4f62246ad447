"""Names of indexes, as `--embedeval-index` gives them; reading one imports nothing that would build it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_embedeval.errors import UsageError

FLAT = "flat"
FLAG = "--embedeval-index"
_LANCEDB = "lancedb"
_LANCEDB_TYPE = "IVF_HNSW_SQ"  # takes any number of documents, where LanceDB's own default, IVF_PQ, needs 256
_EMPTY_PART = re.compile(r"[A-Za-z]0(?!\d)|(?:HNSW|NSG)1(?!\d)")  # such indexes end the process, or never finish


@dataclass(frozen=True)
class IndexName:
    """What `--embedeval-index` asks for: `NAME[:key=value]…`, NAME being FAISS's own or `lancedb[:TYPE]`.

    Attributes
    ----------
    text
        As it was given, that of LanceDB with its type.
    kind
        The factory string of FAISS, or the type of index of LanceDB.
    options
        Parameters of the search, such as `nprobe`, and for LanceDB also of the index; at least 1.
    """

    text: str
    kind: str
    is_lancedb: bool = False
    options: Mapping[str, int] = field(default_factory=dict)

    def error(self, problem: str) -> UsageError:
        """Return an error that names the flag."""
        return UsageError(f"{FLAG}={self.text}: {problem}")


def parse_index(text: str) -> IndexName | None:
    """Read the name of an index, without importing what would build it; None for `flat`, exact search.

    >>> parse_index("IVF256,Flat:nprobe=16").options
    {'nprobe': 16}

    Raises
    ------
    UsageError
        It is malformed.
    """
    if text == FLAT:
        return None
    kind, *rest = (part.strip() for part in text.split(":"))
    is_lancedb = kind == _LANCEDB
    if is_lancedb:
        kind = rest.pop(0).upper() if rest and "=" not in rest[0] else _LANCEDB_TYPE
    options = {}
    for part in rest:
        key, _, value = part.partition("=")
        if not key or not value.isdecimal() or int(value) < 1:
            raise UsageError(
                f"{FLAG}={text}: {part!r} must be a parameter with a whole number from 1 on, such as nprobe=16"
            )
        options[key] = int(value)
    if not kind:
        raise UsageError(f"{FLAG}={text}: names no index; take flat, HNSW32, IVF256,Flat or lancedb")
    if not is_lancedb and _EMPTY_PART.search(kind):
        raise UsageError(f"{FLAG}={text}: {kind} has too few cells, links or codes to hold anything")
    parts = [_LANCEDB, kind] if is_lancedb else [kind]
    return IndexName(":".join([*parts, *rest]), kind, is_lancedb, options)


def check_index(text: str) -> None:
    """Raise a UsageError, or a MissingExtraError, where no index of that name could be built on any vectors."""
    name = parse_index(text)
    if name is None:
        return
    if name.is_lancedb:
        from pytest_embedeval.retrieval import lance

        lance.check(name)
    else:
        from pytest_embedeval.retrieval import engine

        engine.check(name)
