from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pytest_embedeval.datasets import Judgements, RetrievalData, hard_triplets, load_squad, random_triplets
from pytest_embedeval.datasets.duplicates import folded
from pytest_embedeval.errors import DatasetError


def data(documents: list[str], grades: dict[tuple[int, int], int]) -> RetrievalData:
    queries = 1 + max((query for query, _ in grades), default=0)
    return RetrievalData(
        name="organs",
        document_ids=[f"d{i}" for i in range(len(documents))],
        documents=documents,
        query_ids=[f"q{i}" for i in range(queries)],
        queries=["?"] * queries,
        judgements=Judgements.of(grades),
    )


def test_a_row_is_query_relevant_document_and_another() -> None:
    triplets = random_triplets(data(["kalp", "böbrek"], {(0, 0): 1, (1, 1): 1}))
    assert triplets.tolist() == [[0, 0, 1], [1, 1, 0]]
    assert triplets.dtype == np.int64


def test_a_copy_of_the_answer_is_never_a_negative() -> None:
    copies = ["kalp", *["kalp", " kalp\n"] * 20, "mide"]
    for seed in range(20):
        assert random_triplets(data(copies, {(0, 0): 1}), seed).tolist() == [[0, 0, 41]]


def test_no_relevant_document_is_a_negative() -> None:
    several = data(["a", "b", "c", "d"], {(0, 0): 1, (0, 1): 3, (0, 2): 1})
    for seed in range(20):
        assert random_triplets(several, seed).tolist() == [[0, 0, 3]]


def test_a_document_judged_as_not_relevant_may_be_one() -> None:
    assert random_triplets(data(["a", "b"], {(0, 0): 0, (0, 1): 1})).tolist() == [[0, 1, 0]]


def test_queries_without_a_relevant_document_have_no_row() -> None:
    assert random_triplets(data(["a", "b"], {(0, 0): 0, (2, 1): 1})).tolist() == [[2, 1, 0]]


def test_no_judgements_make_no_rows() -> None:
    assert random_triplets(data(["a", "b"], {})).shape == (0, 3)


@pytest.mark.parametrize("documents", [["a"], ["a", "a "]], ids=["one document", "one text"])
def test_a_query_that_everything_answers_is_an_error(documents: list[str]) -> None:
    with pytest.raises(DatasetError, match="organs: query 'q0': every document is relevant"):
        random_triplets(data(documents, {(0, 0): 1}))


def test_the_seed_decides_the_draw() -> None:
    many = data([str(i) for i in range(200)], {(i, i): 1 for i in range(100)})
    first = random_triplets(many, 1).tolist()
    assert random_triplets(many, 1).tolist() == first
    assert random_triplets(many, 2).tolist() != first


def test_every_other_document_can_be_drawn() -> None:
    many = data([str(i) for i in range(5)], {(i, 0): 1 for i in range(200)})
    assert set(random_triplets(many)[:, 2].tolist()) == {1, 2, 3, 4}


def test_no_global_generator_is_touched() -> None:
    many = data([str(i) for i in range(20)], {(i, i): 1 for i in range(20)})
    plain, numpys = random.getstate(), np.random.get_state(legacy=False)
    first = random_triplets(many).tolist()
    assert random.getstate() == plain
    np.testing.assert_equal(np.random.get_state(legacy=False), numpys)
    np.random.seed(5)
    assert random_triplets(many).tolist() == first
    np.random.set_state(numpys)


def test_real_answers_that_are_repeated_are_never_their_own_negatives(shared_data: Path) -> None:
    answers = load_squad(shared_data / "tquad-dev.json", target="answer", duplicates="keep")
    triplets = random_triplets(answers)
    assert len(triplets) == len(answers.queries)
    texts = [folded(text) for text in answers.documents]
    assert [row for row in triplets.tolist() if texts[row[1]] == texts[row[2]]] == []


def titled(documents: list[str], titles: list[str], grades: dict[tuple[int, int], int]) -> RetrievalData:
    return replace(data(documents, grades), document_fields={"title": titles})


def test_hard_negatives_share_the_topic() -> None:
    found = hard_triplets(titled(list("abcde"), ["x", "x", "y", "x", "y"], {(0, 0): 1, (1, 2): 1}))
    assert found.tolist() == [[0, 0, 1], [0, 0, 3], [1, 2, 4]]
    assert found.dtype == np.int64


def test_documents_that_were_judged_not_relevant_are_the_hard_ones() -> None:
    found = hard_triplets(titled(list("abcd"), ["x"] * 4, {(0, 0): 2, (0, 3): 0, (1, 1): 1}))
    assert found.tolist() == [[0, 0, 3], [1, 1, 0], [1, 1, 2], [1, 1, 3]]


def test_no_copy_of_the_answer_is_hard() -> None:
    assert hard_triplets(titled(["a", "a ", "b"], ["x"] * 3, {(0, 0): 1})).tolist() == [[0, 0, 2]]


def test_documents_without_a_title_share_no_topic() -> None:
    assert hard_triplets(titled(list("abc"), ["", "", "x"], {(0, 0): 1, (1, 2): 1})).shape == (0, 3)
    assert hard_triplets(data(list("abc"), {(0, 0): 1})).shape == (0, 3)


def test_of_many_hard_negatives_some_are_taken_evenly() -> None:
    documents = [str(number) for number in range(101)]
    found = hard_triplets(titled(documents, ["x"] * 101, {(0, 0): 1}))
    assert len(found) == 20
    assert found[:, 2].tolist() == list(range(1, 101, 5))


def test_every_medical_question_has_the_three_other_passages_on_its_topic(fixtures: Path) -> None:
    medical = load_squad(fixtures / "turkish_medical_qa.json")
    found = hard_triplets(medical)
    assert len(found) == 3 * 288
    titles = medical.document_fields["title"]
    assert all(titles[right] == titles[wrong] for _, right, wrong in found.tolist())
