"""Vectors or words become ranked lists."""

from __future__ import annotations

from pytest_embedeval.retrieval.ranked import Ranker, Rankings

__all__ = ["Ranker", "Rankings"]
