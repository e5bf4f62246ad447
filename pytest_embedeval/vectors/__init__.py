"""Texts become checked vectors, each computed once and kept."""

from __future__ import annotations

from pytest_embedeval.vectors.checks import check_vectors
from pytest_embedeval.vectors.encode import Encoded, encode, normalised

__all__ = ["Encoded", "check_vectors", "encode", "normalised"]
