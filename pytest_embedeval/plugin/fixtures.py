"""The fixtures; their docstrings are shown by `pytest --fixtures`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_embedeval.errors import EmbedevalError
from pytest_embedeval.plugin.state import KEY, Session

if TYPE_CHECKING:
    from pytest_embedeval.datasets import AnyData, RetrievalData
    from pytest_embedeval.gate import StageRow
    from pytest_embedeval.lexical import WithWords
    from pytest_embedeval.metrics import Scores
    from pytest_embedeval.models import Encoder, Model
    from pytest_embedeval.retrieval.retriever import Retriever
    from pytest_embedeval.robustness import Robustness
    from pytest_embedeval.vectors import Encoded

_Result = TypeVar("_Result")
_Scores = TypeVar("_Scores", bound="Scores")


@pytest.fixture(scope="session")
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    """One model of the matrix; the test runs once for each.

    Offers `encode_queries(texts)` and `encode_documents(texts)`, each `list[str] -> float32 array [n, d]`, and `info`.
    """
    session = request.config.stash[KEY]
    yield _or_fail(session.loading.load, request.param)
    session.loading.release(request.param)


@pytest.fixture
def dataset(request: pytest.FixtureRequest) -> AnyData:
    """One configured retrieval data set; the test runs once for each."""
    return _or_fail(request.config.stash[KEY].dataset, request.param)


@pytest.fixture
def words(request: pytest.FixtureRequest) -> AnyData:
    """One configured data set of word forms; the test runs once for each."""
    return _or_fail(request.config.stash[KEY].dataset, request.param)


@pytest.fixture
def sentences(request: pytest.FixtureRequest) -> AnyData:
    """One configured data set of graded sentence pairs; the test runs once for each."""
    return _or_fail(request.config.stash[KEY].dataset, request.param)


@pytest.fixture
def minimal_pairs(request: pytest.FixtureRequest) -> AnyData:
    """One configured data set of minimal pairs; the test runs once for each."""
    return _or_fail(request.config.stash[KEY].dataset, request.param)


@pytest.fixture
def parallel(request: pytest.FixtureRequest) -> AnyData:
    """One configured retrieval data set that has a translation (`parallel`); the test runs once for each."""
    return _or_fail(request.config.stash[KEY].dataset, request.param)


@pytest.fixture
def retrieval(request: pytest.FixtureRequest) -> Callable[..., Scores]:
    """Search and score: `retrieval(model, "support")["mrr@10"]`.

    Takes a data set or its name, and `metrics`, `level`, `ties` and `index` as `evaluate_retrieval` does.
    """
    from pytest_embedeval.evaluate import evaluate_retrieval

    return _evaluator(request, evaluate_retrieval, index=request.config.stash[KEY].settings.index)


@pytest.fixture
def morphology(request: pytest.FixtureRequest) -> Callable[..., Scores]:
    """Score word forms: `morphology(model, "morphology_tr")["morphology.auc"]`."""
    from pytest_embedeval.evaluate import evaluate_morphology

    return _evaluator(request, evaluate_morphology)


@pytest.fixture
def clustering(request: pytest.FixtureRequest) -> Callable[..., Scores]:
    """Score how documents cluster: `clustering(model, "support")["v_measure"]`."""
    from pytest_embedeval.evaluate import evaluate_clustering

    return _evaluator(request, evaluate_clustering, seed=request.config.stash[KEY].settings.seed)


@pytest.fixture
def triplets(request: pytest.FixtureRequest) -> Callable[..., Scores]:
    """Score queries against random and hard negatives: `triplets(model, "support")["triplet.accuracy.hard"]`."""
    from pytest_embedeval.evaluate import evaluate_triplets

    return _evaluator(request, evaluate_triplets, seed=request.config.stash[KEY].settings.seed)


@pytest.fixture
def similarity(request: pytest.FixtureRequest) -> Callable[..., Scores]:
    """Score graded sentence pairs: `similarity(model, "pairs")["similarity.spearman"]`."""
    from pytest_embedeval.pairs import evaluate_similarity

    return _evaluator(request, evaluate_similarity)


@pytest.fixture
def confusions(request: pytest.FixtureRequest) -> Callable[..., Scores]:
    """Score minimal pairs: `confusions(model, "pairs")["confusions.false_positives.negation"]`."""
    from pytest_embedeval.pairs import evaluate_confusions

    return _evaluator(request, evaluate_confusions)


@pytest.fixture
def crosslingual(request: pytest.FixtureRequest) -> Callable[..., Scores]:
    """Ask in two languages: `crosslingual(model, "support")["crosslingual.gap.en-tr"]`.

    Takes a data set with a translation (`parallel`) or its name, and `metric` as `lexical` does.
    """
    from pytest_embedeval.crosslingual import evaluate_crosslingual

    session = request.config.stash[KEY]

    def run(model: Encoded, data: RetrievalData, **parameters: Any) -> Scores:
        usual = {"metric": session.primary(data.name)}
        return evaluate_crosslingual(model, data, session.translation(data.name), **{**usual, **parameters})

    return _evaluator(request, run)


@pytest.fixture
def robustness(request: pytest.FixtureRequest) -> Callable[..., Robustness]:
    """Type the queries otherwise: `robustness(model, "support")["robustness.ascii"]`.

    Takes a data set or its name, `names` of perturbations, `seed`, and `metric` as `lexical` does.
    """
    from pytest_embedeval.report import Part
    from pytest_embedeval.robustness import evaluate_robustness

    session = request.config.stash[KEY]

    def run(model: Encoded, data: RetrievalData, **parameters: Any) -> Robustness:
        usual = {"metric": session.primary(data.name), "clusters": session.settings.clusters.get(data.name)}
        found = evaluate_robustness(model, data, **{"seed": session.settings.seed, **usual, **parameters})
        session.record(Part(robustness=list(found.rows)))
        return found

    return _evaluator(request, run)


@pytest.fixture
def lexical(request: pytest.FixtureRequest) -> Callable[..., WithWords]:
    """Compare with BM25 and with hybrids of both: `lexical(model, "support").assert_beats("bm25")`.

    Takes a data set or its name, and `metric`: unless set, the primary one of the gate on its retrieval, or `mrr@10`.
    """
    from pytest_embedeval.lexical import evaluate_lexical
    from pytest_embedeval.report import Part

    session = request.config.stash[KEY]

    def run(model: Model | Encoder, data: str | RetrievalData, **parameters: Any) -> WithWords:
        named = _named(session, data)
        encoded = _or_fail(session.loading.encoded, model)
        usual = {"clusters": session.settings.clusters.get(named.name), "metric": session.primary(named.name)}
        found: WithWords = _or_fail(evaluate_lexical, encoded, named, **{**usual, **parameters})
        session.record(Part(beside=list(found.beside.values()), fusion=list(found.fusion)))
        table = session.settings.datasets.get(named.name)
        return replace(found, to_beat=table.beats if table else ())

    return run


@pytest.fixture
def two_stage(request: pytest.FixtureRequest) -> Callable[..., list[StageRow]]:
    """Score a model with `rerank` by depth: `two_stage(model, "support")`.

    Takes a data set or its name, `depths`, and `metric` as `lexical` does.
    """
    from pytest_embedeval.report import Part
    from pytest_embedeval.stages import evaluate_stages

    session = request.config.stash[KEY]

    def run(model: Model, data: str | RetrievalData, **parameters: Any) -> list[StageRow]:
        named = _named(session, data)
        encoded = _or_fail(session.loading.encoded, model)
        usual = {"metric": session.primary(named.name)}
        rows: list[StageRow] = _or_fail(evaluate_stages, encoded, named, **{**usual, **parameters})
        session.record(Part(stages=rows))
        return rows

    return run


@pytest.fixture
def gate(request: pytest.FixtureRequest) -> Callable[[Scores], None]:
    """Judge scores: `gate(retrieval(model, "support"))`.

    By the thresholds of the configuration, by the stored baseline of the model's alias, and, with `--against=ALIAS`,
    by that model.
    """
    from pytest_embedeval.plugin.explain import gate_message

    session = request.config.stash[KEY]

    def judge(scores: Scores) -> None:
        part = _or_fail(session.gating.judge, scores, _without_parameters(request.node.nodeid))
        if any(verdict.blocks for verdict in part.verdicts):
            command = request.config.invocation_params.args
            pytest.fail(gate_message(session.settings, part, list(map(str, command))), pytrace=False)

    return judge


def _without_parameters(nodeid: str) -> str:
    return nodeid.partition("[")[0]


def _or_fail(call: Callable[..., _Result], *args: Any, **parameters: Any) -> _Result:
    """Return what `call` returns; an error of ours fails the test with its message alone."""
    try:
        return call(*args, **parameters)
    except EmbedevalError as error:
        message = str(error)
    pytest.fail(message, pytrace=False)  # outside the handler, so that no traceback is chained to it


def _named(session: Session, data: str | AnyData) -> Any:
    """Return a data set that may be given by its name."""
    return _or_fail(session.dataset, data) if isinstance(data, str) else data


def _evaluator(
    request: pytest.FixtureRequest, evaluate: Callable[..., _Scores], **defaults: Any
) -> Callable[..., _Scores]:
    """Return `evaluate` with data sets by name, errors without tracebacks, and the scores noted for the report."""
    session = request.config.stash[KEY]

    def run(model: Model | Encoder | Retriever, data: str | AnyData, **parameters: Any) -> _Scores:
        named = _named(session, data)
        encoded = _or_fail(session.loading.encoded, model)
        scores: _Scores = _or_fail(evaluate, encoded, named, **{**defaults, **parameters})
        request.node.user_properties.extend(_or_fail(session.gating.note, scores, named))
        return scores

    return run
