"""What models are judged on: files become typed data, checked and with their oddities counted."""

from __future__ import annotations

from pytest_embedeval.datasets.export import export_beir
from pytest_embedeval.datasets.items import Item, ItemData
from pytest_embedeval.datasets.load import AnyData, load_dataset, load_entry, load_parallel
from pytest_embedeval.datasets.minimal_pairs import MinimalPair, MinimalPairs, load_minimal_pairs
from pytest_embedeval.datasets.retrieval import Judgements, RetrievalData
from pytest_embedeval.datasets.sentences import SentenceData, SentencePair, load_sentences
from pytest_embedeval.datasets.squad import load_squad
from pytest_embedeval.datasets.triplets import hard_triplets, random_triplets
from pytest_embedeval.datasets.turkmorfbench import load_turkmorfbench
from pytest_embedeval.datasets.variants import load_variants
from pytest_embedeval.datasets.words import WordData, WordItem, load_words
from pytest_embedeval.findings import Finding

__all__ = [
    "AnyData",
    "Finding",
    "Item",
    "ItemData",
    "Judgements",
    "MinimalPair",
    "MinimalPairs",
    "RetrievalData",
    "SentenceData",
    "SentencePair",
    "WordData",
    "WordItem",
    "export_beir",
    "hard_triplets",
    "load_dataset",
    "load_entry",
    "load_minimal_pairs",
    "load_parallel",
    "load_sentences",
    "load_squad",
    "load_turkmorfbench",
    "load_variants",
    "load_words",
    "random_triplets",
]
