"""`pytest-embedeval search`: what models find for a query, side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_embedeval.cli import matrix
from pytest_embedeval.cli.parsers import Commands, command, wrapped
from pytest_embedeval.errors import UsageError

if TYPE_CHECKING:
    from pytest_embedeval.cli.answers import Answer
    from pytest_embedeval.datasets import RetrievalData
    from pytest_embedeval.retrieval import Ranker
    from pytest_embedeval.vectors import Encoded

_K = 5
_LIMIT = 10
_LONGEST = 240
_NAMED = 4
_EXAMPLES = """\
  pytest-embedeval search medical "tansiyon neden yükselir"
      the first 5 documents of each configured model
  pytest-embedeval search fixtures/products couch --models=minilm-en,bm25 --k=10
      a folder in BEIR's or WANDS' form, or a .json in SQuAD's
  pytest-embedeval search medical --query-id=hipertansiyon-1-1
      a query of the data set, with the grades of what is found
  pytest-embedeval search medical --lost=use-multilingual,bm25
      the queries that bm25 answers worse
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = command(commands, "search", run, summary="Show what models find for a query.", examples=_EXAMPLES)
    parser.add_argument("dataset", metavar="DATASET", help="a configured name, or a path")
    parser.add_argument("query", nargs="?", metavar="QUERY", help="any text")
    parser.add_argument("--query-id", metavar="ID", help="a query of the data set, in place of a text")
    parser.add_argument("--lost", metavar="A,B", help="list the queries that model B answers worse than model A")
    matrix.add_options(parser)
    parser.add_argument("--k", type=_count, metavar="K", help=f"documents of each model (default: {_K})")
    parser.add_argument("--limit", type=_count, metavar="N", help=f"with --lost: queries (default: {_LIMIT})")
    parser.add_argument("--language", metavar="CODE", help="language of the texts, such as tr: how bm25 reads them")


def run(arguments: argparse.Namespace) -> int:
    """Print what each model finds, or the queries lost.

    Raises
    ------
    UsageError
        No such data set, query or model, or options that do not go together.
    DatasetError
        The data set is malformed.
    ModelLoadError
        A model could not be loaded or did not search; the others are shown.
    """
    _check(arguments)
    settings = matrix.settings_of(arguments)
    if arguments.lost is not None:
        from pytest_embedeval.cli.lost import show_lost

        show_lost(arguments, settings, _LIMIT if arguments.limit is None else arguments.limit)
        return 0
    specs = matrix.specs_of(arguments, settings)
    from pytest_embedeval.cli.answers import answer_lines
    from pytest_embedeval.cli.display import terminal_width
    from pytest_embedeval.cli.given import given_data

    data = given_data(arguments.dataset, settings, arguments.language)
    asked = _by_id(data, arguments.query_id) if arguments.query is None else _by_text(data, arguments.query)
    k = _K if arguments.k is None else arguments.k
    answers, problems = matrix.each_of(specs, settings, lambda encoded: _answer(encoded, asked, k))
    if answers:
        print("\n".join([*wrapped(asked.described, 2), ""]))
        for line in answer_lines(list(answers.values()), asked.data, terminal_width()):
            print(line)
    matrix.raise_together(problems)
    return 0


def _count(text: str) -> int:
    """Read how many are wanted; the type of an option."""
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0, for example {_K}")
    return int(text)


def _check(arguments: argparse.Namespace) -> None:
    """Raise where there is not one thing to look for, or an option says nothing about it."""
    given = [name for name in ("query", "query_id", "lost") if getattr(arguments, name) is not None]
    if len(given) != 1:
        raise UsageError("search takes one of a query in quotes, --query-id=ID and --lost=A,B")
    if given == ["lost"] and arguments.k is not None:
        raise UsageError("search --lost takes no --k; --limit says how many queries are listed")
    if given != ["lost"] and arguments.limit is not None:
        raise UsageError("search takes --limit only with --lost; --k says how many documents are listed")
    if arguments.query is not None:
        from pytest_embedeval.datasets.text_files import is_whole

        if not arguments.query.strip():
            raise UsageError("the query is empty")
        if not is_whole(arguments.query):
            raise UsageError("the query is not UTF-8 text")


@dataclass(frozen=True)
class _Asked:
    """One query.

    Attributes
    ----------
    data
        The corpus, with this query alone and the judgements that it has.
    described
        The query in words.
    is_known
        Whether it is a query of the data set.
    """

    data: RetrievalData
    described: str
    is_known: bool


def _by_id(data: RetrievalData, identity: str) -> _Asked:
    places = [place for place, known in enumerate(data.query_ids) if known == identity]
    if not places:
        raise UsageError(f"{data.name} has no query {identity!r}; its ids are like {data.query_ids[0]!r}")
    return _known(data, places)


def _by_text(data: RetrievalData, text: str) -> _Asked:
    from pytest_embedeval.cli.display import visible
    from pytest_embedeval.datasets import Judgements
    from pytest_embedeval.datasets.duplicates import folded

    wanted = folded(text)
    places = [place for place, known in enumerate(data.queries) if folded(known) == wanted]
    if places:
        return _known(data, places)
    alone = replace(data, query_ids=["?"], queries=[text], query_fields={}, judgements=Judgements.of({}), findings=())
    described = f"{_quoted(text)} is no query of {visible(data.name)}: nothing is graded"
    return _Asked(alone, described, is_known=False)


def _known(data: RetrievalData, places: Sequence[int]) -> _Asked:
    """Return the first of the queries at these places, which have one text."""
    import numpy as np

    from pytest_embedeval.cli.display import visible
    from pytest_embedeval.datasets import Judgements

    place = places[0]
    of_query = data.judgements.query == place
    documents, grades = data.judgements.document[of_query], data.judgements.grade[of_query]
    alone = replace(
        data,
        query_ids=[data.query_ids[place]],
        queries=[data.queries[place]],
        query_fields={name: [column[place]] for name, column in data.query_fields.items()},
        judgements=Judgements(np.zeros_like(documents), documents, grades),
        findings=(),
    )
    described = f"{_quoted(data.queries[place])} is query {visible(data.query_ids[place])} of {visible(data.name)}"
    relevant = f"(relevant: {np.count_nonzero(grades > 0):,} of {len(grades):,} graded)"
    others = [visible(data.query_ids[other]) for other in places[1:_NAMED]]
    more = ", …" * (len(places) > _NAMED)
    also = f"; --query-id shows another with this text: {', '.join(others)}{more}" if others else ""
    return _Asked(alone, f"{described} {relevant}{also}", is_known=True)


def _quoted(text: str) -> str:
    from pytest_embedeval.cli.display import shortened

    return f'"{shortened(text, _LONGEST)}"'


def _answer(encoded: Encoded, asked: _Asked, k: int) -> Answer:
    from pytest_embedeval.cli.answers import Answer
    from pytest_embedeval.search import ranker

    model = encoded.model
    if model.info.kind == "run" and not asked.is_known:
        raise UsageError(f"model {model.alias!r}: a finished run knows only the queries of its data set")
    search = ranker(encoded, asked.data)
    found = search.search(k)
    documents = [document for document in found.documents[0].tolist() if document >= 0]
    return Answer(model.alias, documents, found.scores[0, : len(documents)].tolist(), _best(search, asked.data))


def _best(search: Ranker, data: RetrievalData) -> str:
    """Return in words where the best relevant document stands; nothing where none is known."""
    from pytest_embedeval.metrics import parse_metric, score_search

    if not (data.judgements.grade > 0).any():
        return ""
    found = score_search(search, data, [parse_metric("mrr")]).measured["mrr"]
    first = found.value if found.best is None else found.best
    last = found.value if found.worst is None else found.worst
    if not first:
        return "best relevant: not found"
    if not last:
        return f"best relevant: rank {round(1 / first):,} or not found, as ties fall"
    ranks = sorted({round(1 / first), round(1 / last)})
    return f"best relevant: rank {' to '.join(f'{rank:,}' for rank in ranks)}{', as ties fall' * (len(ranks) > 1)}"
