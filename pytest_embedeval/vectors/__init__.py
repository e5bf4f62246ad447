"""Texts become checked vectors, each computed once and kept."""

from __future__ import annotations

from pytest_embedeval.vectors.checks import check_vectors
from pytest_embedeval.vectors.encode import encode
from pytest_embedeval.vectors.encoded import Encoded, EncodedList
from pytest_embedeval.vectors.store import Store, StoreWarning
from pytest_embedeval.vectors.unit import normalised

__all__ = ["Encoded", "EncodedList", "Store", "StoreWarning", "check_vectors", "encode", "normalised"]
