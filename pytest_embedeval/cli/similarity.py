"""`pytest-embedeval similarity`: how near a model puts each of some texts to each other."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_embedeval.cli import matrix
from pytest_embedeval.cli.parsers import Commands, command, wrapped
from pytest_embedeval.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_embedeval.models import ModelSpec
    from pytest_embedeval.settings import Settings
    from pytest_embedeval.vectors import Encoded

_NEAR = 0.7
_CELL = 5  # columns of -0.12
_EXAMPLES = """\
  pytest-embedeval similarity kedi köpek otomobil --models=use-multilingual
  pytest-embedeval similarity couch sofa "place to sit" --models=minilm-en
  pytest-embedeval similarity --file=words.txt --role=document
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands, "similarity", run, summary="Show the cosine of each text with each other.", examples=_EXAMPLES
    )
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="a word, or several in quotes")
    parser.add_argument("--file", metavar="FILE", help="further texts, one a line")
    parser.add_argument(
        "--role", choices=("query", "document"), default="query", help="what they are encoded as (default: query)"
    )
    matrix.add_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print a matrix for each model.

    Raises
    ------
    UsageError
        Fewer than two texts, an empty one, no such model, or one without vectors.
    DatasetError
        The file cannot be read.
    ModelLoadError
        A model could not be loaded or did not encode; the others are shown.
    """
    settings = matrix.settings_of(arguments)
    texts = _texts(arguments)
    specs = _specs(arguments, settings)
    from pytest_embedeval.cli.display import terminal_width

    def ask(encoded: Encoded) -> NDArray[np.float32]:
        return _cosines(encoded, texts, arguments.role)

    found, problems = matrix.each_of(specs, settings, ask, allow_collapse=True)
    for number, (alias, cosines) in enumerate(found.items()):
        if number:
            print()
        for line in _lines(alias, texts, cosines, terminal_width()):
            print(line)
    matrix.raise_together(problems)
    return 0


def _texts(arguments: argparse.Namespace) -> list[str]:
    from pytest_embedeval.datasets.text_files import is_whole, read_text

    texts = list(arguments.texts)
    for text in texts:
        if not text.strip():
            raise UsageError("one of the texts is empty")
        if not is_whole(text):
            raise UsageError("one of the texts is not UTF-8")
    if arguments.file is not None:
        texts += [line.strip() for line in read_text(Path(arguments.file)).splitlines() if line.strip()]
    if len(texts) < 2:
        raise UsageError("similarity takes two texts or more, as words or one a line with --file=FILE")
    return texts


def _specs(arguments: argparse.Namespace, settings: Settings) -> Sequence[ModelSpec]:
    """Return the models that are asked: all that the command line names, else those of the configuration with vectors.

    Raises
    ------
    UsageError
        One that is named has no vectors, or none has.
    """
    specs = matrix.specs_of(arguments, settings)
    without = [spec.alias for spec in specs if not spec.has_vectors]
    if without and (arguments.models is not None or len(without) == len(specs)):
        raise UsageError(
            f"similarity compares vectors, and {', '.join(without)} only searches; name an embedding model, "
            "for example --models=minilm-en"
        )
    return [spec for spec in specs if spec.has_vectors]


def _cosines(encoded: Encoded, texts: Sequence[str], role: str) -> NDArray[np.float32]:
    """Return the cosine of each text with each other; float32 array [n, n]."""
    from pytest_embedeval.vectors import normalised

    vectors = normalised(encoded.vectors(texts, "query" if role == "query" else "document"))
    return vectors @ vectors.T


def _lines(alias: str, texts: Sequence[str], cosines: NDArray[np.float32], width: int) -> Iterator[str]:
    import numpy as np

    pairs = cosines[np.triu_indices(len(texts), k=1)]
    mean = float(pairs.mean(dtype=np.float64))
    yield f"{alias}: mean of the pairs {mean:.2f}"
    yield from _matrix(texts, np.round(cosines, 2) + 0.0, width)  # + 0.0: no -0.00
    if mean > _NEAR:
        yield from wrapped(
            "Unless these texts are alike: in this model unrelated texts are near, too; compare ranks, not values."
        )


def _matrix(texts: Sequence[str], cosines: NDArray[np.float32], width: int) -> Iterator[str]:
    """Yield the table under the texts themselves, or under their numbers where these take too much room."""
    from pytest_embedeval.cli.display import GAP, columns_of, padded, shortened, table, visible

    n = len(texts)
    heads = labels = [visible(text) for text in texts]
    at_once = n
    if sum(max(columns_of(head), _CELL) + len(GAP) for head in heads) + max(map(columns_of, labels)) > width:
        heads = [str(number) for number in range(1, n + 1)]
        labels = [f"{number} {shortened(text, width // 2)}" for number, text in enumerate(texts, start=1)]
        at_once = max((width - max(map(columns_of, labels))) // (_CELL + len(GAP)), 1)
    left = max(map(columns_of, labels))
    for start in range(0, n, at_once):
        if start:
            yield ""
        columns = range(start, min(start + at_once, n))
        rows = [["", *(heads[column].rjust(_CELL) for column in columns)]]
        rows += [[labels[row], *(f"{cosines[row, column]:.2f}" for column in columns)] for row in range(n)]
        rows = [[padded(cells[0], left), *cells[1:]] for cells in rows]
        yield from table(rows, [False, *(True for _ in columns)])
