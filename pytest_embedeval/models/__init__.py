"""What is judged: an entry such as `bge-m3:dim=256` becomes a model that encodes queries and documents."""

from __future__ import annotations

from pytest_embedeval.models.encoder import EncodeFunction, Encoder, Model
from pytest_embedeval.models.entries import parse_entry, parse_matrix
from pytest_embedeval.models.info import ModelInfo, Prompts
from pytest_embedeval.models.load import failed, load_model
from pytest_embedeval.models.spec import DEFAULT_MATRIX, ModelSpec, known_names

__all__ = [
    "DEFAULT_MATRIX",
    "EncodeFunction",
    "Encoder",
    "Model",
    "ModelInfo",
    "ModelSpec",
    "Prompts",
    "failed",
    "known_names",
    "load_model",
    "parse_entry",
    "parse_matrix",
]
