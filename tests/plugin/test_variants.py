"""Fewer dimensions and fewer bits as entries of the matrix: encoded once, and each says what it costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.gate.test_differences import by_hand
from tests.plugin.conftest import RETRIEVAL, configure, read_report, read_scores
from tests.plugin.test_cache import add_counted, counts, encoded

MATRIX = "a=counted,b=counted:dim=64,c=counted:precision=int8,d=counted:precision=binary"


@pytest.fixture
def counted(project: pytest.Pytester) -> pytest.Pytester:
    add_counted(project)
    return project


def mrr(project: pytest.Pytester, alias: str) -> dict[str, float]:
    """Return query -> mrr@10."""
    rows = (row for row in read_scores(project) if (row["model"], row["metric"]) == (alias, "mrr@10"))
    return {row["query_id"]: float(row["score"]) for row in rows}


def test_one_encoding_serves_all_variants(counted: pytest.Pytester) -> None:
    counted.runpytest_inprocess("suites/test_retrieval.py", f"--models={MATRIX}").assert_outcomes(passed=8)
    texts = encoded(counted)
    assert len(texts) == len(set(texts)) == 24
    assert counts(read_report(counted)) == [(12, 12, 0)] * 2 + [(12, 0, 12)] * 6


def test_without_a_store_each_variant_costs_the_same_but_encodes_for_itself(counted: pytest.Pytester) -> None:
    reports = []
    for option in ("kept", "off"):
        counted.runpytest_inprocess(RETRIEVAL, f"--models={MATRIX}", f"--embedeval-cache={option}")
        reports.append(read_report(counted))
    for report in reports:
        for row in report["costs"]:
            assert row.pop("texts_per_s") == row.pop("whole_texts_per_s") > 0
    assert reports[0]["costs"] == reports[1]["costs"]
    assert counts(reports[1]) == [(12, 12, 0)] * 8


def test_each_variant_reports_its_delta_with_an_interval_and_its_bytes(counted: pytest.Pytester) -> None:
    counted.runpytest_inprocess(RETRIEVAL, f"--models={MATRIX},e=counted:dim=8:precision=float16")
    report = read_report(counted)
    found = {row["model"]: row for row in report["costs"]}
    values = {row["model"]: row["value"] for row in report["measurements"] if row["metric"] == "mrr@10"}
    assert {alias: (row["variant"], row["bytes_per_vector"]) for alias, row in found.items()} == {
        "b": ("64 dimensions", 256),
        "c": ("int8", 256),
        "d": ("binary", 32),
        "e": ("8 dimensions, float16", 16),
    }
    for alias, row in found.items():
        before, after = mrr(counted, "a"), mrr(counted, alias)
        each = np.array([after[query] - before[query] for query in before])
        low, high = by_hand(each, 0.02)[:2] if each.any() else (0.05 ** (1 / 12) - 1, 1 - 0.05 ** (1 / 12))
        assert (row["suite"], row["dataset"], row["metric"]) == ("retrieval", "medical", "mrr@10")
        assert (row["value"], row["whole"]) == pytest.approx((values[alias], values["a"]))
        assert (row["delta"], row["low"], row["high"]) == pytest.approx((each.mean(), low, high))
        assert (row["n"], row["differ"]) == (12, np.count_nonzero(np.abs(each) > 1e-12))
        assert row["whole_bytes_per_vector"] == 1024
    assert found["e"]["delta"] < 0  # eight trigrams tell no passages apart
    assert {model["alias"]: model["bytes_per_vector"] for model in report["models"]} == {
        "a": 1024,
        **{alias: row["bytes_per_vector"] for alias, row in found.items()},
    }


def test_a_variant_has_its_line_and_a_whole_model_has_none(counted: pytest.Pytester) -> None:
    result = counted.runpytest_inprocess(RETRIEVAL, f"--models={MATRIX},bm25")
    lines = [line for line in result.outlines if line.startswith("variant ")]
    result.stdout.fnmatch_lines(
        [
            "variant     b retrieval/medical: 64 dimensions: mrr@10 0.* → 0.* (*, one-sided 95 % [[]*, *], * of 12 "
            "differ); 256 bytes per vector instead of 1,024",
            "variant     c retrieval/medical: int8: mrr@10 *; 256 bytes per vector instead of 1,024",
            "variant     d retrieval/medical: binary: mrr@10 *; 32 bytes per vector instead of 1,024",
        ]
    )
    assert len(lines) == len(read_report(counted)["costs"]) == 3


def test_the_metric_that_decides_is_the_one_that_costs(counted: pytest.Pytester) -> None:
    configure(counted, '[gates."retrieval/medical".b]\n"recall@3" = { primary = true }\n')
    counted.runpytest_inprocess(RETRIEVAL, f"--models={MATRIX}")
    assert [(row["model"], row["metric"]) for row in read_report(counted)["costs"]] == [
        ("b", "recall@3"),
        ("c", "mrr@10"),
        ("d", "mrr@10"),
    ]


def test_more_dimensions_than_there_are_is_an_error_of_that_model_alone(counted: pytest.Pytester) -> None:
    result = counted.runpytest_inprocess(RETRIEVAL, "--models=a=counted,b=counted:dim=257")
    result.assert_outcomes(passed=1, errors=1)
    message = "model 'b': dim=257, but its vectors have 256 numbers"
    assert f"not loaded  b: {message}" in result.outlines
    assert [model["error"] for model in read_report(counted)["models"]] == [None, message]
    assert read_report(counted)["costs"] == []


def save_tiny(folder: Path, limit: int) -> None:
    """Save a transformer to which every letter is a token, and which reads so many of them."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    folder.mkdir()
    letters = "abcdefghijklmnopqrstuvwxyzı0123456789"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    torch.manual_seed(7)
    sizes = BertConfig(
        vocab_size=len(vocabulary),
        max_position_embeddings=limit,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
    )
    BertModel(sizes).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt"), model_max_length=limit).save_pretrained(folder)
    model = SentenceTransformer(modules=[Transformer(str(folder), max_seq_length=limit), Pooling(8)], device="cpu")
    model.save(str(folder), create_model_card=False)


def test_texts_that_are_cut_off_are_counted_and_told(project: pytest.Pytester) -> None:
    save_tiny(project.path / "tiny", 64)
    passages = [p for article in read_data(project) for p in article["paragraphs"]]
    tokens = [len("".join(passage["qas"][0]["question"].split())) + 2 for passage in passages]  # and two at its ends
    long = sum(length > 64 for length in tokens)
    assert 0 < long < 12
    for _ in range(2):  # the second time, the counts are those that were kept
        result = project.runpytest_inprocess(RETRIEVAL, "--models=a=./tiny,b=./tiny:dim=4")
        result.assert_outcomes(passed=2)
        rows = read_report(project)["vectors"]
        assert [(row["model"], row["role"], row["truncated"]) for row in rows] == [
            ("a", "document", 12),
            ("a", "query", long),
            ("b", "document", 12),
            ("b", "query", long),
        ]
        assert rows[1]["tokens"] == sum(tokens)
        what = "are longer than 64 tokens, and only their beginning is read"
        assert [line for line in result.outlines if line.startswith("truncated ")] == [
            f"truncated   a retrieval/medical: {count} {what}"
            for count in ("12 of 12 documents", f"{long} of 12 queries")
        ]
    assert [row["encoded"] for row in rows] == [0] * 4


def read_data(project: pytest.Pytester) -> list[dict[str, Any]]:
    articles: list[dict[str, Any]] = json.loads((project.path / "medical.json").read_text(encoding="utf-8"))["data"]
    return articles
