from __future__ import annotations

import gc
import json
import multiprocessing
import shutil
import weakref
from collections.abc import Iterator
from importlib import metadata
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
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from pytest_embedeval.errors import ModelLoadError, VectorError
from pytest_embedeval.models import Model, ModelSpec, Prompts, load_model
from pytest_embedeval.models.transformer import load

WORDS = ["[UNK]", "query", "passage", ":", "kedi", "köpek", "ev"]
DIMENSION = 6
LIMIT = 48


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


def save_transformer(folder: Path, prompts: dict[str, str] | None = None, default: str | None = None) -> Path:
    """Save a real transformer of two layers with random weights; it reads `LIMIT` tokens, two of them special."""
    words = [*WORDS, "[PAD]", "[CLS]", "[SEP]"]
    tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    ends = [(word, words.index(word)) for word in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", model_max_length=LIMIT
    ).save_pretrained(folder)
    torch.manual_seed(7)
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=LIMIT, **sizes)).save_pretrained(folder)
    model = SentenceTransformer(str(folder), prompts=prompts, default_prompt_name=default, device="cpu")
    model.save(str(folder), create_model_card=False)
    return folder


def mixed_texts(n: int = 60) -> list[str]:
    """Return distinct texts of one word to three times what the transformer reads, in no order."""
    rng = np.random.default_rng(3)
    sizes = np.concatenate([rng.integers(1, 6, n - n // 3), rng.integers(20, 3 * LIMIT, n // 3)])
    rng.shuffle(sizes)
    return [" ".join(rng.choice(WORDS[4:], size)) + f" : metin{place}" for place, size in enumerate(sizes)]


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


@pytest.fixture(scope="module")
def transformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_transformer(tmp_path_factory.mktemp("transformer") / "tiny")


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


def test_it_says_what_computes_its_vectors(plain: Path) -> None:
    info = load_model(str(plain)).info
    torch_version = metadata.version("torch").split("+")[0]
    assert (info.backend, info.dtype) == ("torch", "float32")
    assert str(info.engine).startswith(f"sentence-transformers {sentence_transformers.__version__}, transformers ")
    assert str(info.engine).endswith(f", torch {torch_version}")


def test_the_type_of_the_weights_in_memory_is_told_and_their_vectors_are_float32(transformer: Path) -> None:
    folder = transformer
    exact = load_model(f"m={folder}")
    configuration = folder / "sentence_bert_config.json"
    saved = configuration.read_text() if configuration.is_file() else None
    try:
        configuration.write_text(json.dumps({"model_args": {"dtype": "bfloat16"}}))
        half = load_model(f"m={folder}")
    finally:
        configuration.unlink() if saved is None else configuration.write_text(saved)
    assert (exact.info.dtype, half.info.dtype) == ("float32", "bfloat16")
    vectors = half.encode_queries(["kedi"])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, exact.encode_queries(["kedi"]), atol=0.05)
    assert half.info.encoding != exact.info.encoding


def test_tokens_are_counted_by_the_models_own_tokenizer(plain: Path) -> None:
    assert load_model(str(plain)).count_tokens(["kedi: köpek", "ev bilinmeyen"]) == [3, 2]


def test_tokens_are_counted_with_special_tokens_and_uncut(transformer: Path) -> None:
    model = load_model(str(transformer))
    assert model.info.max_tokens == LIMIT
    assert model.count_tokens(["ev " * 3, "ev " * 100, ""]) == [5, 102, 2]
    assert model.count_tokens([f"ev{i}" for i in range(3000)]) == [3] * 3000
    assert model.count_tokens([]) == []
    assert model.encode_queries(["ev " * 100]).shape == (1, 16), "counting leaves the limit of the model in place"


def test_a_static_model_whose_tokenizer_cuts_says_so_and_counts_uncut(copied: Path) -> None:
    tokenizer = Tokenizer.from_file(str(copied / "tokenizer.json"))
    tokenizer.enable_truncation(4)
    tokenizer.save(str(copied / "tokenizer.json"))
    model = load_model(str(copied))
    assert model.info.max_tokens == 4
    assert model.count_tokens(["kedi " * 4 + "ev " * 4, "ev"]) == [8, 1]
    np.testing.assert_allclose(model.encode_queries(["kedi " * 4 + "ev " * 4])[0], vector(copied, "kedi"), rtol=1e-6)


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


@pytest.mark.parametrize("kind", ["static", "transformer"])
@pytest.mark.parametrize("default", ["query", "passage"])
def test_an_empty_prompt_means_none_also_where_the_model_has_one_for_all_texts(
    kind: str, default: str, plain: Path, transformer: Path, tmp_path: Path
) -> None:
    shutil.copytree(plain if kind == "static" else transformer, folder := tmp_path / "defaults")
    configuration = folder / "config_sentence_transformers.json"
    facts = json.loads(configuration.read_text())
    facts |= {"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": default}
    configuration.write_text(json.dumps(facts))
    empty = load(ModelSpec("m", "m", query_prompt="", document_prompt=""), folder, None)
    bare = SentenceTransformer(str(folder), device="cpu")
    assert empty.info.prompts == Prompts("", "")
    for encode in (empty.encode_queries, empty.encode_documents):
        np.testing.assert_allclose(encode(["kedi"]), bare.encode(["kedi"], prompt=""), atol=1e-6)
        assert not np.allclose(encode(["kedi"]), bare.encode(["kedi"]), atol=1e-3), "the default prompt changes it"


@pytest.mark.parametrize("kind", ["static", "transformer"])
def test_the_prompts_that_are_told_are_those_put_before_the_texts(kind: str, plain: Path, transformer: Path) -> None:
    folder = plain if kind == "static" else transformer
    without = load(ModelSpec("m", "m"), folder, Prompts())
    prompted = load(ModelSpec("m", "m"), folder, Prompts("köpek ev ", "ev : "))
    texts = mixed_texts(6)
    for role in ("query", "document"):
        by_hand = [prompted.info.prompts.of(role) + text for text in texts]
        np.testing.assert_allclose(prompted.encode(texts, role), without.encode(by_hand, role), atol=1e-6)
        assert prompted.count_tokens(texts, role) == without.count_tokens(by_hand)


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


def test_the_batch_size_of_the_entry_limits_the_texts_of_a_batch(
    transformer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = watch(monkeypatch)
    load_model(f"m={transformer}:batch_size=7").encode_queries(mixed_texts())
    assert sum(rows for rows, _ in seen) == 60
    assert max(rows for rows, _ in seen) == 7


def test_batches_hold_texts_of_like_length(transformer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watch(monkeypatch)
    model = load_model(f"m={transformer}:batch_size=8")
    counts = model.count_tokens(texts := mixed_texts(240))
    assert counts
    model.encode_queries(texts)
    padded = sum(rows * longest for rows, longest in seen)
    assert padded <= 1.1 * sum(min(count, LIMIT) for count in counts)


def test_order_and_company_of_a_text_do_not_change_its_vector(transformer: Path) -> None:
    texts = mixed_texts()
    model = load_model(f"m={transformer}")
    vectors = model.encode_documents(texts)
    np.testing.assert_allclose(model.encode_documents(texts[::-1])[::-1], vectors, atol=1e-4)
    np.testing.assert_allclose(np.concatenate([model.encode_documents([text]) for text in texts]), vectors, atol=1e-4)
    np.testing.assert_allclose(SentenceTransformer(str(transformer), device="cpu").encode(texts), vectors, atol=1e-4)


def watch(monkeypatch: pytest.MonkeyPatch, most: int | None = None) -> list[tuple[int, int]]:
    """Note texts and padded length of each forward pass; refuse more than `most` tokens, as a full device does."""
    seen: list[tuple[int, int]] = []

    class Watched(SentenceTransformer):
        def forward(self, input: dict[str, Any], **options: Any) -> dict[str, torch.Tensor]:
            rows, length = input["input_ids"].shape
            if most is not None and rows * length > most:
                raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {rows * length} KiB")
            seen.append((rows, length))
            return super().forward(input, **options)

    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", Watched)
    return seen


def test_a_device_that_is_full_gets_smaller_batches_from_then_on(
    transformer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = mixed_texts()
    expected = load_model(f"m={transformer}").encode_queries(texts)
    seen = watch(monkeypatch, most=5 * LIMIT)
    model = load_model(f"m={transformer}")
    for _ in range(2):
        seen.clear()
        np.testing.assert_allclose(model.encode_queries(texts), expected, atol=1e-4)
        assert sum(rows for rows, _ in seen) == 60, "nothing is encoded twice"


def test_a_text_too_large_for_the_device_is_named(transformer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(monkeypatch, most=LIMIT - 1)
    with pytest.raises(VectorError, match=rf"model 'm' runs out of memory on a single text of {LIMIT} tokens, 'ev ev"):
        load_model(f"m={transformer}").encode_documents(["kedi", "ev " * LIMIT])


def test_a_static_model_takes_many_texts_at_once_and_counts_none(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    tokenized = StaticEmbedding.preprocess

    def preprocess(self: StaticEmbedding, inputs: list[str], **options: Any) -> Any:
        sizes.append(len(inputs))
        return tokenized(self, inputs, **options)

    model = load_model(str(plain))
    monkeypatch.setattr(StaticEmbedding, "preprocess", preprocess)
    monkeypatch.setattr(model, "count_tokens", None)
    model.encode_queries(["kedi"] * 1500)
    assert len(sizes) <= 2


@pytest.fixture
def shared_out(transformer: Path) -> Iterator[Model]:
    model = load(ModelSpec("m", str(transformer), devices=("cpu", "cpu")), transformer, Prompts("ev ", ""))
    yield model
    close_encoder(model)


def close_encoder(model: Model) -> None:
    encoder: Any = model._encoder
    if encoder is not None:
        encoder.close()
    model.close()


def test_several_devices_share_the_texts_and_end_with_the_model(shared_out: Model, transformer: Path) -> None:
    texts = mixed_texts()
    assert shared_out.info.device == "cpu, cpu"
    assert multiprocessing.active_children() == [], "they start with the first texts"
    alone = load(ModelSpec("m", "m"), transformer, Prompts("ev ", ""))
    for role in ("query", "document"):
        np.testing.assert_allclose(shared_out.encode(texts, role), alone.encode(texts, role), atol=1e-4)
    assert len(multiprocessing.active_children()) == 2, "one pool for all that the model encodes"
    close_encoder(shared_out)
    assert multiprocessing.active_children() == []


def test_a_device_among_several_that_is_not_there_is_named(transformer: Path) -> None:
    there = torch.cuda.device_count()
    with pytest.raises(ModelLoadError, match=f"model 'm': there is no device 'cuda:{there}'; torch sees {there} cuda"):
        load(ModelSpec("m", "m", devices=("cpu", f"cuda:{there}")), transformer, None)


def test_another_backend_is_not_put_on_the_cpu_in_silence(transformer: Path) -> None:
    pytest.importorskip("onnxruntime", reason="it comes with pytest-embedeval[onnx]")
    pytest.importorskip("onnxscript", reason="it comes with pytest-embedeval[onnx]")
    with pytest.raises(ModelLoadError, match=r"runs on the CPU, but the model is on meta; add device=cpu"):
        load(ModelSpec("m", str(transformer), device="meta", backend="onnx"), transformer, None)


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
