"""TurkMorfBench: 1,836 Turkish stems with a suffix, each beside wrong spellings of it (eCloud Tech., CC BY 4.0).

Read as data from the installed package `turkmorfbench`, whose code is not run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytest_embedeval.datasets.json_values import json_list, json_object, json_text
from pytest_embedeval.datasets.text_files import read_text
from pytest_embedeval.datasets.words import WordData, WordItem
from pytest_embedeval.errors import DatasetError, MissingExtraError
from pytest_embedeval.findings import Finding

PACKAGE = "turkmorfbench"
_CORE = Path("veri") / "cekirdek.json"


def load_turkmorfbench(path: str | Path = PACKAGE, *, name: str | None = None, language: str | None = "tr") -> WordData:
    """Read the items that the package `turkmorfbench` carries, or a file of its form.

    The stem is the lemma, the correct suffixed word the form, and its wrong spellings the distractors, whose kinds
    are those of the benchmark (`uyum`: vowel harmony). Categories are its buckets (`kova`).

    Parameters
    ----------
    path
        `turkmorfbench` for the installed package, else a JSON file.

    Raises
    ------
    MissingExtraError
        The package is not installed.
    DatasetError
        The file is missing or malformed; the message names file and item.
    """
    source = _installed() if Path(path).name == PACKAGE else Path(path)
    try:
        content = json.loads(read_text(source))
    except json.JSONDecodeError as error:
        raise DatasetError(f"{source}: line {error.lineno}: not valid JSON: {error.msg}") from None
    entries = json_list(content, "maddeler", str(source))
    items = list(_items(entries, source))
    if not items:
        raise DatasetError(f"{source}: no items")
    return WordData(name or PACKAGE, items, language, _left_out(len(entries) - len(items), len(entries)))


def _installed() -> Path:
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise MissingExtraError(PACKAGE, PACKAGE)
    return Path(found.origin).parent / _CORE


def _items(entries: list[Any], source: Path) -> Iterator[WordItem]:
    for number, entry in enumerate(entries, start=1):
        place = f"{source}: item {number}"
        item: Mapping[str, Any] = json_object(entry, place)
        lemma, form = json_text(item, "govde", place), json_text(item, "altin", place)
        wrong = json_object(item.get("celdirici"), f"{place}, key 'celdirici'")
        kinds = {str(text): kind for kind, text in wrong.items() if text and text not in (lemma, form)}
        if form == lemma or not kinds:
            continue
        yield WordItem(
            id=json_text(item, "kimlik", place),
            category=json_text(item, "kova", place),
            features=str(item.get("gorev") or ""),
            lemma=lemma,
            form=form,
            distractors=tuple(kinds),
            source=PACKAGE if item.get("gercek", True) else f"{PACKAGE}, invented stem",
            kinds=tuple(kinds.values()),
        )


def _left_out(number: int, of: int) -> tuple[Finding, ...]:
    if not number:
        return ()
    message = f"{number} of {of:,} items have no distractor beside stem and form and were left out"
    return (Finding("items-without-distractors", number, message),)
