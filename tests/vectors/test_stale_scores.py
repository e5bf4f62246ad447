"""No score from the vectors of another model, role, prompt, type, version or dimension, whatever was kept before.

Each test shows two things: that the model gets its own scores with a store that another one filled, and that it would
get the other one's if the key forgot what tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer

from pytest_embedeval import evaluate_retrieval
from pytest_embedeval.datasets import Judgements, RetrievalData
from pytest_embedeval.models import Model, ModelInfo, ModelSpec, Prompts, load_model
from pytest_embedeval.models.info import Recipe, Role
from pytest_embedeval.vectors import Encoded, Store, encode
from tests.conftest import letters
from tests.models.test_transformer import save_static_model, save_transformer

METRICS = ("mrr@10", "ndcg@10", "recall@3", "mrr")


def sentences(seed: int) -> list[str]:
    chance = np.random.default_rng(seed)
    return [" ".join(chance.choice(["kedi", "köpek", "ev", "query", "passage"], 5)) for _ in range(40)]


def data() -> RetrievalData:
    """Return texts that are queries and documents at once, judged at random."""
    texts = list(dict.fromkeys(sentences(1)))
    ids = [str(number) for number in range(len(texts))]
    answers = np.random.default_rng(2).permutation(len(texts))
    judged = Judgements.of({(query, int(document)): 1 for query, document in enumerate(answers)})
    return RetrievalData("tiny", ids, texts, ids, texts, judged)


DATA = data()


@dataclass
class Found:
    """What one model gets."""

    scores: dict[str, float]
    queries: NDArray[np.float32]
    documents: NDArray[np.float32]

    def equals(self, other: Found) -> bool:
        same = [np.array_equal(self.queries, other.queries), np.array_equal(self.documents, other.documents)]
        return self.scores == other.scores and all(same)


def judge(model: Model, store: Store | None = None) -> Found:
    encoded = Encoded(model, store=store)
    measured = evaluate_retrieval(encoded, DATA, metrics=METRICS).measured
    return Found(
        {name: measured[name].value for name in METRICS},
        np.array(encoded.vectors(DATA.queries, "query")),
        np.array(encoded.vectors(DATA.documents, "document")),
    )


@contextmanager
def forgetting(field: str) -> Iterator[None]:
    """Let the key forget one field."""
    whole = Recipe.digest.fget  # type: ignore[attr-defined]
    forgotten = {"role": "query", "dimension": 1, "max_tokens": None}.get(field, "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recipe, "digest", property(lambda self: whole(replace(self, **{field: forgotten}))))
        yield


Filled = Callable[[], Store]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Filled]:
    """Makes empty stores."""
    stores: list[Store] = []

    def make() -> Store:
        stores.append(Store(tmp_path / str(len(stores))))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def check_apart(fresh: Filled, field: str, first: Model, second: Model) -> None:
    """Judge each model with a store that the other one has filled."""
    alone = judge(first), judge(second)
    assert alone[0].scores != alone[1].scores
    for one, other, expected in ((first, second, alone[1]), (second, first, alone[0])):
        store = fresh()
        judge(one, store)
        assert judge(other, store).equals(expected)
        assert judge(other, store).equals(expected), "also from the store"
    with forgetting(field):
        store = fresh()
        judge(first, store)
        assert judge(second, store).scores == alone[0].scores, f"the key has {field} for nothing"


class Salted:
    """Encodes by character trigrams, otherwise for each salt."""

    def __init__(self, salt: str) -> None:
        self._salt = salt

    def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
        return letters([self._salt.join(text.split()) for text in texts])

    encode_documents = encode_queries


def salted(salt: str, **facts: Any) -> Model:
    info = ModelInfo("m", "m", fingerprint="sha256:m", kind="dense", dimension=256)
    return Model(replace(info, **facts), Salted(salt))


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("fingerprint", ("sha256:a", "sha256:b")),
        ("dtype", ("float32", "bfloat16")),
        ("backend", ("torch", "onnx")),
        ("max_tokens", (512, 128)),
        ("max_tokens", (512, None)),
        ("engine", ("torch 2.12.0", "torch 2.13.0")),
        ("device", ("cpu", "cuda")),
    ],
)
def test_models_that_differ_in_one_fact_share_no_vector(
    fresh: Filled, field: str, values: tuple[object, object]
) -> None:
    first, second = values
    check_apart(fresh, field, salted("?!", **{field: first}), salted("_#_", **{field: second}))


def test_the_alias_and_the_source_of_a_model_say_nothing_about_its_vectors(fresh: Filled) -> None:
    store = fresh()
    first = judge(salted("?!"), store)
    again = judge(salted("_#_", alias="other", source="elsewhere", revision="5617a9f"), store)
    assert again.equals(first)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders of one name, whose models differ in one weight."""
    folders = [save_static_model(tmp_path_factory.mktemp(name) / "checkpoint") for name in ("before", "after")]
    weights = load_file(folders[1] / "model.safetensors")
    weights["embedding.weight"][4, 0] += 1
    save_file(weights, folders[1] / "model.safetensors")
    return folders[0], folders[1]


def test_two_checkpoints_of_one_name_share_no_vector(fresh: Filled, checkpoints: tuple[Path, Path]) -> None:
    before, after = checkpoints
    models = load_model(str(before)), load_model(str(after))
    assert models[0].alias == models[1].alias == "checkpoint"
    check_apart(fresh, "fingerprint", *models)


def test_a_checkpoint_that_was_overwritten_gets_new_vectors(fresh: Filled, tmp_path: Path) -> None:
    folder = save_static_model(tmp_path / "checkpoint")
    store = fresh()
    before = judge(load_model(str(folder)), store)
    weights = load_file(folder / "model.safetensors")
    weights["embedding.weight"][4, 0] += 1
    save_file(weights, folder / "model.safetensors")
    after = judge(load_model(str(folder)), store)
    assert after.equals(judge(load_model(str(folder))))
    assert after.scores != before.scores


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Prompts(), Prompts("query: ", "")),
        (Prompts("query: ", "passage: "), Prompts("query: ", "query: ")),
        (Prompts("ev ", ""), Prompts("kedi ", "")),
    ],
    ids=["prompt of queries", "prompt of documents", "other words"],
)
def test_a_changed_prompt_gives_new_vectors(
    fresh: Filled, checkpoints: tuple[Path, Path], first: Prompts, second: Prompts
) -> None:
    def prompted(prompts: Prompts) -> Model:
        spec = ModelSpec("m", str(checkpoints[0]), query_prompt=prompts.query, document_prompt=prompts.document)
        return load_model(spec)

    check_apart(fresh, "prompt", prompted(first), prompted(second))


def by_role(model: Model, store: Store | None = None) -> dict[Role, NDArray[np.float32]]:
    """Encode the same texts as documents and as queries."""
    roles: tuple[Role, ...] = ("document", "query")
    return {role: np.array(Encoded(model, store=store).vectors(DATA.queries, role)) for role in roles}


class Asymmetric:
    """Reads queries and documents differently, without any prompt."""

    def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
        return letters([text[::-1] for text in texts])

    def encode_documents(self, texts: list[str]) -> NDArray[np.float32]:
        return letters(texts)


def test_a_text_that_is_query_and_document_has_a_vector_for_each(fresh: Filled) -> None:
    model = Model(ModelInfo("m", "m", fingerprint="sha256:m", kind="dense", dimension=256), Asymmetric())
    alone, store = by_role(model), fresh()
    assert not np.array_equal(alone["query"], alone["document"])
    for _ in range(2):
        np.testing.assert_equal(by_role(model, store), alone)
        assert judge(model, store).equals(judge(model))
    with forgetting("role"):
        np.testing.assert_array_equal(by_role(model, fresh())["query"], alone["document"])


def test_a_text_that_is_query_and_document_is_read_with_the_prompt_of_each(fresh: Filled, tmp_path: Path) -> None:
    folder = save_static_model(tmp_path / "prompted", {"query": "query: ", "passage": "passage: "})
    model = load_model(str(folder))
    alone, store = by_role(model), fresh()
    assert not np.array_equal(alone["query"], alone["document"])
    for _ in range(2):
        np.testing.assert_equal(by_role(model, store), alone)
    with forgetting("role"):
        np.testing.assert_equal(by_role(model, fresh()), alone)  # the prompt alone tells them apart
        with forgetting("prompt"):
            np.testing.assert_array_equal(by_role(model, fresh())["query"], alone["document"])


def test_weights_that_a_library_loads_in_another_type_give_new_vectors(
    fresh: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Half(SentenceTransformer):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.bfloat16()

    folder = save_transformer(tmp_path / "tiny")
    whole = load_model(str(folder))
    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", Half)
    half = load_model(str(folder))
    assert whole.info.fingerprint == half.info.fingerprint
    assert (whole.info.dtype, half.info.dtype) == ("float32", "bfloat16")
    check_apart(fresh, "dtype", whole, half)


def test_another_version_of_a_library_gives_new_vectors(
    fresh: Filled, checkpoints: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = fresh()
    judge(load_model(str(checkpoints[0])), store)
    version = sentence_transformers.__version__
    monkeypatch.setattr(
        "pytest_embedeval.models.reading.metadata.version", lambda name: f"{version}.post1" if "-" in name else "1"
    )
    upgraded = load_model(str(checkpoints[0]))
    assert Encoded(upgraded, store=store).about(DATA.documents, "document").encoded == len(DATA.documents)


@pytest.mark.parametrize("entries", [("", ":dim=3"), (":dim=3", ""), (":dim=3", ":dim=2"), ("", ":precision=int8")])
def test_a_shorter_dimension_and_a_whole_one_do_not_disturb_each_other(
    fresh: Filled, checkpoints: tuple[Path, Path], entries: tuple[str, str]
) -> None:
    first, second = (f"m={checkpoints[0]}{entry}" for entry in entries)
    alone = judge(load_model(second))
    store = fresh()
    before = judge(load_model(first), store)
    assert before.scores != alone.scores
    encoded = Encoded(load_model(second), store=store)
    assert judge(load_model(second), store).equals(alone)
    assert encoded.about(DATA.queries, "query").encoded == 0
    assert judge(load_model(first), store).equals(before)


def test_vectors_of_another_length_are_never_read_as_ones_own(fresh: Filled) -> None:
    class Cut:
        def __init__(self, dimension: int) -> None:
            self._dimension = dimension

        def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
            return letters(texts)[:, -self._dimension :] + np.float32(0.01)

        encode_documents = encode_queries

    def model(dimension: int) -> Model:
        info = ModelInfo("m", "m", fingerprint="sha256:m", kind="dense", dimension=dimension)
        return Model(info, Cut(dimension))

    store = fresh()
    for dimension in (128, 256, 64, 128):
        vectors = Encoded(model(dimension), store=store).vectors(DATA.queries, "query")
        np.testing.assert_array_equal(vectors, encode(model(dimension), DATA.queries, "query"))
    with forgetting("dimension"):
        store = fresh()
        Encoded(model(128), store=store).vectors(DATA.queries, "query")
        with pytest.raises(ValueError, match="does not match"):
            Encoded(model(256), store=store).vectors(DATA.queries, "query")
