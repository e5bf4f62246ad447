"""`pytest-embedeval export`: a data set, and the runs of models on it, in the files that other tools read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_embedeval.cli.parsers import Commands, command, wrapped
from pytest_embedeval.errors import EmbedevalError, ModelLoadError, UsageError, did_you_mean

if TYPE_CHECKING:
    from pytest_embedeval.datasets import RetrievalData
    from pytest_embedeval.models import ModelSpec
    from pytest_embedeval.retrieval import Rankings
    from pytest_embedeval.settings import Settings

_DEPTH = 100
_EXAMPLES = """\
  pytest-embedeval export medical out/medical
      corpus.jsonl, queries.jsonl and qrels/test.tsv, as BEIR has them
  pytest-embedeval export medical out/medical --models=minilm-en,bm25
      and out/medical/runs/minilm-en.trec, out/medical/runs/bm25.trec
"""


def add_parser(commands: Commands) -> None:
    """Add the command."""
    parser = command(
        commands, "export", run, summary="Write a data set in BEIR's form, and run files in TREC's.", examples=_EXAMPLES
    )
    parser.add_argument("dataset", metavar="DATASET", help="a configured name")
    parser.add_argument("folder", metavar="FOLDER", help="where to write; made where it is missing")
    parser.add_argument("--models", metavar="A,B", help="also write the run of each of these models")
    parser.add_argument(
        "--depth", type=_depth, default=_DEPTH, metavar="K", help=f"documents a query; default {_DEPTH}"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the files, and print a line for each.

    Raises
    ------
    UsageError
        No such data set or model, or the folder already holds data.
    DatasetError
        The data set is malformed.
    ModelLoadError
        A model could not be loaded or did not encode; the runs of the others are written.
    """
    from pytest_embedeval.datasets import RetrievalData, load_entry
    from pytest_embedeval.datasets.export import check_free, export_beir
    from pytest_embedeval.models import parse_matrix
    from pytest_embedeval.settings import load_settings, project_root

    settings = load_settings(project_root(Path.cwd()))
    if arguments.dataset not in settings.datasets:
        hint = did_you_mean(arguments.dataset, settings.datasets)
        raise UsageError(f"no data set {arguments.dataset!r} in {settings.file}; {hint}")
    specs = parse_matrix(arguments.models, settings.model_tables) if arguments.models is not None else ()
    folder = Path(arguments.folder)
    check_free(folder)
    data = load_entry(arguments.dataset, settings.datasets[arguments.dataset])
    if not isinstance(data, RetrievalData):
        raise UsageError(f"{data.name!r} holds no documents; only documents and queries can be exported")
    export_beir(data, folder)
    print(
        f"{folder}: {len(data.documents):,} documents, {len(data.queries):,} queries, {len(data.judgements):,} grades"
    )
    if specs:
        _write_runs(specs, data, folder / "runs", arguments.depth, settings)
    return 0


def _depth(text: str) -> int:
    """Read how long the lists are; the type of an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of documents, for example {_DEPTH}")
    return int(text)


def _write_runs(
    specs: tuple[ModelSpec, ...], data: RetrievalData, folder: Path, depth: int, settings: Settings
) -> None:
    from pytest_embedeval.retrieval.runs import write_run

    problems = []
    for spec in specs:
        path = folder / f"{spec.alias}.trec"
        try:
            write_run(path, data, _rankings(spec, data, depth, settings), spec.alias)
        except EmbedevalError as error:
            problems.append(str(error))
        else:
            print(path)
    if any(" " in identity for identity in (*data.query_ids, *data.document_ids)):
        for line in wrapped("Some ids hold spaces: between tabs this project reads them, and trec_eval does not."):
            print(line)
    if problems:
        raise ModelLoadError("\n".join(problems))


def _rankings(spec: ModelSpec, data: RetrievalData, depth: int, settings: Settings) -> Rankings:
    from pytest_embedeval.cli import matrix
    from pytest_embedeval.search import ranker

    with matrix.encoded(spec, settings) as vectors:
        return ranker(vectors, data).search(depth)
