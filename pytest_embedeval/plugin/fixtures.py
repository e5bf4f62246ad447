"""The fixtures; their docstrings are shown by `pytest --fixtures`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from pytest_embedeval.errors import EmbedevalError
from pytest_embedeval.plugin.state import KEY, Session

if TYPE_CHECKING:
    from pytest_embedeval.datasets import RetrievalData, WordData
    from pytest_embedeval.metrics import Scores
    from pytest_embedeval.models import Encoder, Model

_Result = TypeVar("_Result")


@pytest.fixture(scope="session")
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    """One model of the matrix; the test runs once for each.

    Offers `encode_queries(texts)` and `encode_documents(texts)`, each `list[str] -> float32 array [n, d]`, and `info`.
    """
    session = request.config.stash[KEY]
    yield _or_fail(session.load, request.param)
    session.release(request.param)


@pytest.fixture
def dataset(request: pytest.FixtureRequest) -> RetrievalData | WordData:
    """One configured retrieval data set; the test runs once for each."""
    return _or_fail(request.config.stash[KEY].dataset, request.param)


@pytest.fixture
def words(request: pytest.FixtureRequest) -> RetrievalData | WordData:
    """One configured morphology data set; the test runs once for each."""
    return _or_fail(request.config.stash[KEY].dataset, request.param)


@pytest.fixture
def retrieval(request: pytest.FixtureRequest) -> Callable[..., Scores]:
    """Search and score: `retrieval(model, "support")["mrr@10"]`.

    Takes a data set or its name, and `metrics`, `level` and `ties` as `evaluate_retrieval` does.
    """
    from pytest_embedeval.evaluate import evaluate_retrieval

    return _evaluator(request, evaluate_retrieval)


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
    """Score queries against random negatives: `triplets(model, "support")["triplet.accuracy"]`."""
    from pytest_embedeval.evaluate import evaluate_triplets

    return _evaluator(request, evaluate_triplets, seed=request.config.stash[KEY].settings.seed)


@pytest.fixture
def gate(request: pytest.FixtureRequest) -> Callable[[Scores], None]:
    """Judge scores by the thresholds of the configuration: `gate(retrieval(model, "support"))`."""
    from pytest_embedeval.evaluate import measurements
    from pytest_embedeval.gate import judge_thresholds
    from pytest_embedeval.plugin.explain import gate_message
    from pytest_embedeval.report import Part
    from pytest_embedeval.settings import Gate

    session = request.config.stash[KEY]

    def judge(scores: Scores) -> None:
        rows = measurements(scores)
        rules = session.settings.gates.get(f"{scores.suite}/{scores.dataset}", Gate()).for_model(scores.model)
        verdicts = judge_thresholds(rows, rules, model=scores.model, suite=scores.suite, dataset=scores.dataset)
        session.record(Part(verdicts=verdicts))
        if any(verdict.state != "pass" for verdict in verdicts):
            pytest.fail(gate_message(session.settings, verdicts, rows), pytrace=False)

    return judge


def _or_fail(call: Callable[..., _Result], *args: Any, **parameters: Any) -> _Result:
    """Return what `call` returns; an error of ours fails the test with its message alone."""
    try:
        return call(*args, **parameters)
    except EmbedevalError as error:
        message = str(error)
    pytest.fail(message, pytrace=False)  # outside the handler, so that no traceback is chained to it


def _evaluator(
    request: pytest.FixtureRequest, evaluate: Callable[..., Scores], **defaults: Any
) -> Callable[..., Scores]:
    """Return `evaluate` with data sets by name, errors without tracebacks, and the scores noted for the report."""
    session = request.config.stash[KEY]

    def run(model: Model | Encoder, data: str | RetrievalData | WordData, **parameters: Any) -> Scores:
        named = _or_fail(session.dataset, data) if isinstance(data, str) else data
        encoded = _or_fail(session.encoded, model)
        scores = _or_fail(evaluate, encoded, named, **{**defaults, **parameters})
        _note(request.node, session, scores, named)
        return scores

    return run


def _note(node: pytest.Item, session: Session, scores: Scores, data: RetrievalData | WordData) -> None:
    from pytest_embedeval.evaluate import measurements
    from pytest_embedeval.report import Part
    from pytest_embedeval.report.rows import dataset_row, score_rows

    rows = measurements(scores)
    session.record(Part(datasets=[dataset_row(data)], measurements=rows, scores=score_rows(scores)))
    place = f"embedeval.{scores.suite}.{scores.dataset}"
    node.user_properties.extend((f"{place}.{row.metric}", row.value) for row in rows)
