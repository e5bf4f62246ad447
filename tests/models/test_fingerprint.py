from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from pytest_embedeval.models.fingerprint import of_file, of_files, of_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    (root / "1_Pooling").mkdir(parents=True)
    (root / "model.safetensors").write_bytes(b"weights")
    (root / "tokenizer.json").write_text("{}")
    (root / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean"}')
    return root


def test_a_file_is_known_by_its_sha256(folder: Path) -> None:
    assert of_file(folder / "model.safetensors") == hashlib.sha256(b"weights").hexdigest()


def test_the_same_files_elsewhere_are_the_same_model(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "elsewhere" / "copy")
    assert of_folder(copy) == of_folder(folder)
    assert of_folder(folder).startswith("sha256:")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "1_Pooling/config.json", "modules.json"])
def test_weights_tokenizer_and_configuration_decide(folder: Path, name: str) -> None:
    before = of_folder(folder)
    (folder / name).write_bytes(b"changed")
    assert of_folder(folder) != before


def test_the_name_of_a_file_decides(folder: Path) -> None:
    before = of_folder(folder)
    (folder / "tokenizer.json").rename(folder / "vocabulary.json")
    assert of_folder(folder) != before


@pytest.mark.parametrize(
    "name",
    ["README.md", "LICENSE", "pytorch_model.bin", ".gitattributes", ".cache/huggingface/x.json", "onnx/model.onnx"],
)
def test_cards_and_other_formats_of_the_weights_do_not(folder: Path, name: str) -> None:
    before = of_folder(folder)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"new")
    assert of_folder(folder) == before


def test_a_hidden_folder_above_the_model_hides_nothing(folder: Path, tmp_path: Path) -> None:
    hidden = shutil.copytree(folder, tmp_path / ".cache" / "model")
    assert of_folder(hidden) == of_folder(folder)


def test_the_order_of_the_files_does_not_matter(folder: Path) -> None:
    files = [folder / "model.safetensors", folder / "tokenizer.json"]
    assert of_files(files, folder) == of_files(files[::-1], folder)
