from __future__ import annotations

import gc
import json
import shutil
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers
import torch
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from pytest_embedeval.errors import ModelLoadError
from pytest_embedeval.models import ModelSpec, Prompts, load_model
from pytest_embedeval.models.transformer import load

WORDS = ["[UNK]", "query", "passage", ":", "kedi", "köpek", "ev"]
DIMENSION = 6


def save_static_model(folder: Path, prompts: dict[str, str] | None = None, dense: bool = False) -> Path:
    """Save a real model: one vector per word, and their mean for a text."""
    tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    weights = np.random.default_rng(7).normal(size=(len(WORDS), DIMENSION)).astype(np.float32)
    modules: list[torch.nn.Module] = [StaticEmbedding(tokenizer, embedding_weights=weights)]
    if dense:
        modules.append(Dense(DIMENSION, 3))
    model = SentenceTransformer(modules=modules, prompts=prompts, device="cpu")
    model.save(str(folder), create_model_card=False)
    return folder


def vector(folder: Path, text: str) -> Any:
    """Compute what the model must return, from its weights alone."""
    weights = load_file(folder / "model.safetensors")["embedding.weight"]
    words = text.replace(":", " :").split()
    return weights[[WORDS.index(word) for word in words]].mean(axis=0)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_static_model(tmp_path_factory.mktemp("plain") / "tiny")


@pytest.fixture(scope="module")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prompts = {"query": "query: ", "passage": "passage: "}
    return save_static_model(tmp_path_factory.mktemp("prompted") / "tiny", prompts)


@pytest.fixture
def copied(plain: Path, tmp_path: Path) -> Path:
    return shutil.copytree(plain, tmp_path / "copy")


def test_a_folder_is_loaded_and_described(plain: Path) -> None:
    model = load_model(str(plain))
    np.testing.assert_allclose(model.encode_queries(["kedi", "ev köpek"])[1], vector(plain, "ev köpek"), rtol=1e-6)
    info = model.info
    assert (info.alias, info.source, info.kind, info.dimension) == ("tiny", str(plain), "dense", DIMENSION)
    assert (info.revision, info.max_tokens, info.device, info.prompts) == (None, None, "cpu", Prompts())
    assert str(info.fingerprint).startswith("sha256:")


def test_tokens_are_counted_by_the_models_own_tokenizer(plain: Path) -> None:
    assert load_model(str(plain)).count_tokens(["kedi: köpek", "ev bilinmeyen"]) == 5


def test_the_prompts_of_its_configuration_are_used_by_role(prompted: Path) -> None:
    model = load_model(str(prompted))
    assert model.info.prompts == Prompts("query: ", "passage: ")
    np.testing.assert_allclose(model.encode_queries(["kedi"])[0], vector(prompted, "query: kedi"), rtol=1e-6)
    np.testing.assert_allclose(model.encode_documents(["kedi"])[0], vector(prompted, "passage: kedi"), rtol=1e-6)


def test_the_catalogues_prompts_win_over_the_configuration(prompted: Path) -> None:
    model = load(ModelSpec("m", "m"), prompted, Prompts("ev ", ""))
    assert model.info.prompts == Prompts("ev ", "")
    np.testing.assert_allclose(model.encode_queries(["kedi"])[0], vector(prompted, "ev kedi"), rtol=1e-6)
    np.testing.assert_allclose(model.encode_documents(["kedi"])[0], vector(prompted, "kedi"), rtol=1e-6)


def test_the_users_prompts_win_over_all_even_when_empty(prompted: Path) -> None:
    model = load(ModelSpec("m", "m", query_prompt="", document_prompt="ev "), prompted, Prompts("köpek ", "köpek "))
    assert model.info.prompts == Prompts("", "ev ")
    np.testing.assert_allclose(model.encode_queries(["kedi"])[0], vector(prompted, "kedi"), rtol=1e-6)
    np.testing.assert_allclose(model.encode_documents(["kedi"])[0], vector(prompted, "ev kedi"), rtol=1e-6)


def test_dim_keeps_the_first_numbers_at_unit_length(plain: Path) -> None:
    model = load_model(f"{plain}:dim=2")
    first = vector(plain, "kedi")[:2]
    assert model.info.dimension == 2
    np.testing.assert_allclose(model.encode_queries(["kedi"])[0], first / np.linalg.norm(first), rtol=1e-6)


def test_a_dim_beyond_the_model_is_refused(plain: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"'m': dim=7, but its vectors have 6 numbers"):
        load_model(f"m={plain}:dim=7")


def test_half_precision_rounds_the_vectors(plain: Path) -> None:
    vectors = load_model(f"{plain}:precision=float16").encode_queries(["kedi"])
    assert vectors.dtype == np.float32
    assert vectors[0].tolist() == vector(plain, "kedi").astype(np.float16).astype(np.float32).tolist()
    assert vectors[0].tolist() != vector(plain, "kedi").tolist()


def test_the_batch_size_does_not_change_the_vectors(plain: Path) -> None:
    texts = ["kedi", "köpek ev", "ev"]
    expected = load_model(str(plain)).encode_queries(texts)
    np.testing.assert_allclose(load_model(f"{plain}:batch_size=1").encode_queries(texts), expected, rtol=1e-6)


def test_no_texts_make_no_vectors(plain: Path) -> None:
    assert load_model(str(plain)).encode_queries([]).shape == (0, DIMENSION)


def test_a_changed_weight_is_another_model(copied: Path) -> None:
    before = load_model(str(copied)).info.fingerprint
    weights = load_file(copied / "model.safetensors")
    weights["embedding.weight"][0, 0] += 1
    save_file(weights, copied / "model.safetensors")
    assert load_model(str(copied)).info.fingerprint != before


def test_a_changed_card_is_the_same_model(copied: Path) -> None:
    before = load_model(str(copied)).info.fingerprint
    (copied / "README.md").write_text("# Better than all others")
    assert load_model(str(copied)).info.fingerprint == before


def test_a_known_fingerprint_is_kept(plain: Path) -> None:
    assert load(ModelSpec("m", "m"), plain, None, fingerprint="c0ffee").info.fingerprint == "c0ffee"


def test_pickled_weights_are_refused(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    torch.save({name: torch.tensor(array) for name, array in weights.items()}, copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    with pytest.raises(
        ModelLoadError, match=r"no \*\.safetensors weights, only pytorch_model\.bin; pickled weights .* are not loaded"
    ):
        load_model(str(copied))


def test_pickled_weights_of_one_module_are_refused(tmp_path: Path) -> None:
    folder = save_static_model(tmp_path / "tiny", dense=True)
    weights = load_file(folder / "1_Dense" / "model.safetensors")
    torch.save({name: torch.tensor(array) for name, array in weights.items()}, folder / "1_Dense" / "pytorch_model.bin")
    (folder / "1_Dense" / "model.safetensors").unlink()
    with pytest.raises(ModelLoadError):
        load_model(str(folder))


def test_weights_for_another_backend_are_no_pickles(copied: Path) -> None:
    (copied / "openvino").mkdir()
    (copied / "openvino" / "openvino_model.bin").write_bytes(b"not a pickle")
    assert load_model(str(copied)).has_vectors


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"no \*\.safetensors weights"):
        load_model(f"m={tmp_path}")


def test_broken_weights_are_refused_with_the_folder(copied: Path) -> None:
    (copied / "model.safetensors").write_bytes(b"not a tensor")
    with pytest.raises(ModelLoadError, match=r"model 'm' \(.*copy\): SafetensorError"):
        load_model(f"m={copied}")


def test_a_folder_of_model2vec_is_loaded(plain: Path, tmp_path: Path) -> None:
    weights = load_file(plain / "model.safetensors")["embedding.weight"]
    save_file({"embeddings": weights}, tmp_path / "model.safetensors")
    shutil.copy(plain / "tokenizer.json", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "model2vec", "normalize": True}))
    model = load_model(f"m={tmp_path}")
    assert model.info.dimension == DIMENSION
    np.testing.assert_allclose(model.encode_queries(["kedi köpek"])[0], vector(plain, "kedi köpek"), rtol=1e-6)


def test_a_module_of_the_folder_itself_is_not_run(copied: Path) -> None:
    modules = json.loads((copied / "modules.json").read_text())
    modules[0]["type"] = "custom.Module"
    (copied / "modules.json").write_text(json.dumps(modules))
    refuse_without_running(copied)


def test_a_configuration_that_points_to_code_is_not_run(copied: Path) -> None:
    (copied / "modules.json").unlink()
    (copied / "config.json").write_text(
        json.dumps({"model_type": "custom", "auto_map": {"AutoConfig": "custom.Module", "AutoModel": "custom.Module"}})
    )
    refuse_without_running(copied)


def refuse_without_running(folder: Path) -> None:
    """Load a folder whose `custom.py` leaves a trace when it is imported."""
    trace = folder / "it ran"
    (folder / "custom.py").write_text(f"open({str(trace)!r}, 'w').close()\nclass Module: ...\n")
    with pytest.raises(ModelLoadError):
        load_model(str(folder))
    assert not trace.exists()


def test_remote_code_is_never_trusted(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched(SentenceTransformer):
        def __init__(self, *args: Any, **options: Any) -> None:
            seen.append(options)
            super().__init__(*args, **options)

    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", Watched)
    load_model(str(plain))
    assert [options.get("trust_remote_code", False) for options in seen] == [False]


def test_closing_frees_the_weights(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched(SentenceTransformer):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            alive.append(weakref.ref(self))

    alive: list[weakref.ref[SentenceTransformer]] = []
    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", Watched)
    model = load_model(str(plain))
    assert alive[0]() is not None
    model.close()
    gc.collect()
    assert alive[0]() is None


def test_a_device_that_is_not_there_is_a_model_that_cannot_be_loaded(plain: Path) -> None:
    if torch.backends.mps.is_available():
        pytest.skip("this machine has the device")
    with pytest.raises(ModelLoadError, match="model 'm'"):
        load_model(f"m={plain}:device=mps")
