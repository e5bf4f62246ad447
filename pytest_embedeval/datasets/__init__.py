"""What models are judged on: files become typed data, checked and with their oddities counted."""

from __future__ import annotations

from pytest_embedeval.datasets.export import export_beir
from pytest_embedeval.datasets.load import load_dataset, load_entry
from pytest_embedeval.datasets.retrieval import Judgements, RetrievalData
from pytest_embedeval.datasets.squad import load_squad
from pytest_embedeval.datasets.triplets import random_triplets
from pytest_embedeval.datasets.words import WordData, WordItem, load_words
from pytest_embedeval.findings import Finding

__all__ = [
    "Finding",
    "Judgements",
    "RetrievalData",
    "WordData",
    "WordItem",
    "export_beir",
    "load_dataset",
    "load_entry",
    "load_squad",
    "load_words",
    "random_triplets",
]
