from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.datasets import RetrievalData, load_squad
from pytest_embedeval.datasets.duplicates import folded
from pytest_embedeval.datasets.squad import Target
from pytest_embedeval.errors import DatasetError, UsageError

MISSING = object()


def question(identity: object, answer: str, start: object = None, **more: object) -> dict[str, Any]:
    given = {} if start is None else {"answer_start": start}
    return {"id": identity, "question": f"{identity}?", "answers": [{"text": answer, **given}], **more}


def squad() -> dict[str, Any]:
    """A file of two articles, in which the last question is the 4th of all and the 2nd of its paragraph."""
    return {
        "data": [
            {"title": "Kalp", "paragraphs": [{"context": "Kalp kanı pompalar.", "qas": [question("k-1", "kanı", 5)]}]},
            {
                "title": "Böbrek",
                "paragraphs": [
                    {"context": "Böbrek kanı süzer.", "qas": [question("b-1", "kanı", 7)]},
                    {
                        "context": "İdrar mesanede toplanır.",
                        "qas": [question("b-2", "İdrar", 0), question("b-3", "mesanede", 6)],
                    },
                ],
            },
        ]
    }


ARTICLE = ("data", 1)
PARAGRAPH = (*ARTICLE, "paragraphs", 1)
QUESTION = (*PARAGRAPH, "qas", 1)
ANSWER = (*QUESTION, "answers", 0)


def changed(place: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """Return the file with one value replaced or, where it is MISSING, taken out."""
    content: Any = squad()
    inner = content
    for step in place[:-1]:
        inner = inner[step]
    if value is MISSING:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return content  # type: ignore[no-any-return]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "medical.json"


def read(path: Path, content: object, **options: Any) -> RetrievalData:
    path.write_text(json.dumps(content), encoding="utf-8")
    return load_squad(path, **options)


def refused(path: Path, content: object, **options: Any) -> str:
    """Return the error's message: one line that begins with the file."""
    with pytest.raises(DatasetError) as caught:
        read(path, content, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def findings(data: RetrievalData) -> dict[str, int]:
    return {finding.kind: finding.count for finding in data.findings}


def gold(data: RetrievalData) -> dict[str, list[str]]:
    """Return the documents that answer each query, by id."""
    found: dict[str, list[str]] = {}
    pairs = zip(data.judgements.query.tolist(), data.judgements.document.tolist(), strict=True)
    for query, document in pairs:
        found.setdefault(data.query_ids[query], []).append(data.document_ids[document])
    return found


def test_each_question_asks_for_its_own_passage(path: Path) -> None:
    data = read(path, squad())
    assert data.documents == ["Kalp kanı pompalar.", "Böbrek kanı süzer.", "İdrar mesanede toplanır."]
    assert data.queries == ["k-1?", "b-1?", "b-2?", "b-3?"]
    assert gold(data) == {"k-1": ["Kalp#1"], "b-1": ["Böbrek#1"], "b-2": ["Böbrek#2"], "b-3": ["Böbrek#2"]}
    assert data.judgements.grade.tolist() == [1, 1, 1, 1]
    assert data.document_fields == {"title": ["Kalp", "Böbrek", "Böbrek"]}
    assert data.query_fields == {"title": ["Kalp", "Böbrek", "Böbrek", "Böbrek"]}
    assert (data.name, data.language, data.findings) == ("medical", None, ())


def test_name_and_language_are_the_callers(path: Path) -> None:
    data = read(path, squad(), name="turkish", language="tr")
    assert (data.name, data.language) == ("turkish", "tr")


def test_a_path_may_be_text(path: Path) -> None:
    path.write_text(json.dumps(squad()), encoding="utf-8")
    assert load_squad(str(path)).fingerprint == load_squad(path).fingerprint


def test_a_byte_order_mark_is_skipped(path: Path) -> None:
    path.write_text(json.dumps(squad()), encoding="utf-8-sig")
    assert len(load_squad(path).queries) == 4


def test_two_articles_of_one_title_keep_their_passages_apart(path: Path) -> None:
    data = read(path, changed((*ARTICLE, "title"), "Kalp"))
    assert data.document_ids == ["Kalp#1", "Kalp#2", "Kalp#3"]


def test_an_article_without_a_title_is_called_by_its_number(path: Path) -> None:
    data = read(path, changed((*ARTICLE, "title"), MISSING))
    assert data.document_ids == ["Kalp#1", "article 2#1", "article 2#2"]


def test_a_passage_without_questions_stays_to_be_told_apart(path: Path) -> None:
    data = read(path, changed((*PARAGRAPH, "qas"), []))
    assert (len(data.documents), len(data.queries)) == (3, 2)


def test_the_same_answer_listed_several_times_is_one(path: Path) -> None:
    content = changed((*QUESTION, "answers"), [{"text": "mesanede"}] * 3)
    assert len(read(path, content).judgements) == 4


def test_other_keys_of_a_question_slice_the_scores_where_all_have_them(path: Path) -> None:
    content = squad()
    entries = [entry for article in content["data"] for part in article["paragraphs"] for entry in part["qas"]]
    for number, entry in enumerate(entries):
        entry |= {"level": number, "topic": "organ", "tags": ["x"]}
    del entries[0]["topic"]
    assert read(path, content).query_fields == {
        "level": ["0", "1", "2", "3"],
        "title": ["Kalp", "Böbrek", "Böbrek", "Böbrek"],
    }


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("data",), MISSING, "key 'data' is missing"),
        (("data",), {}, "key 'data' must be a list, not dict"),
        (("data",), [], "no questions"),
        (ARTICLE, "x", "article 2: expected an object, found str"),
        ((*ARTICLE, "paragraphs"), MISSING, "article 2 ('Böbrek'): key 'paragraphs' is missing"),
        ((*ARTICLE, "paragraphs"), "x", "article 2 ('Böbrek'): key 'paragraphs' must be a list, not str"),
        (PARAGRAPH, [], "article 2 ('Böbrek'), paragraph 2: expected an object, found list"),
        ((*PARAGRAPH, "context"), MISSING, "article 2 ('Böbrek'), paragraph 2: key 'context' is missing"),
        ((*PARAGRAPH, "context"), 7, "article 2 ('Böbrek'), paragraph 2: key 'context' must be text, not int"),
        ((*PARAGRAPH, "context"), " \n", "article 2 ('Böbrek'), paragraph 2: key 'context' is empty"),
        ((*PARAGRAPH, "qas"), MISSING, "article 2 ('Böbrek'), paragraph 2: key 'qas' is missing"),
        ((*PARAGRAPH, "qas"), {}, "article 2 ('Böbrek'), paragraph 2: key 'qas' must be a list, not dict"),
        (QUESTION, "x", "article 2 ('Böbrek'), paragraph 2, question 2: expected an object, found str"),
        (
            (*QUESTION, "id"),
            MISSING,
            "article 2 ('Böbrek'), paragraph 2, question 2: key 'id' is missing or empty",
        ),
        ((*QUESTION, "id"), "", "article 2 ('Böbrek'), paragraph 2, question 2: key 'id' is missing or empty"),
        (
            (*QUESTION, "question"),
            MISSING,
            "article 2 ('Böbrek'), paragraph 2, question 2 (id 'b-3'): key 'question' is missing",
        ),
        (
            (*QUESTION, "question"),
            ["x"],
            "article 2 ('Böbrek'), paragraph 2, question 2 (id 'b-3'): key 'question' must be text, not list",
        ),
        (
            (*QUESTION, "question"),
            "",
            "article 2 ('Böbrek'), paragraph 2, question 2 (id 'b-3'): key 'question' is empty",
        ),
        (
            (*QUESTION, "answers"),
            MISSING,
            "article 2 ('Böbrek'), paragraph 2, question 2 (id 'b-3'): key 'answers' is missing",
        ),
        (
            (*QUESTION, "answers"),
            {"text": "mesanede"},
            "article 2 ('Böbrek'), paragraph 2, question 2 (id 'b-3'): key 'answers' must be a list, not dict",
        ),
        (
            (*QUESTION, "answers"),
            [],
            "article 2 ('Böbrek'), paragraph 2, question 2 (id 'b-3'): no answers, and not marked is_impossible",
        ),
        (
            ANSWER,
            "mesanede",
            "article 2 ('Böbrek'), paragraph 2, question 2 (id 'b-3'): expected an object, found str",
        ),
        (
            (*ANSWER, "text"),
            MISSING,
            "article 2 ('Böbrek'), paragraph 2, question 2 (id 'b-3'): key 'text' is missing",
        ),
        (
            (*ANSWER, "text"),
            7,
            "article 2 ('Böbrek'), paragraph 2, question 2 (id 'b-3'): key 'text' must be text, not int",
        ),
        ((*ANSWER, "text"), "", "article 2 ('Böbrek'), paragraph 2, question 2 (id 'b-3'): key 'text' is empty"),
        (
            (*ANSWER, "text"),
            "karaciğer",
            "article 2 ('Böbrek'), paragraph 2, question 2 (id 'b-3'): "
            "the answer 'karaciğer' does not stand in the paragraph's context",
        ),
        (
            (*ANSWER, "answer_start"),
            "six",
            "article 2 ('Böbrek'), paragraph 2, question 2 (id 'b-3'): answer_start must be a number, not 'six'",
        ),
        (
            (*ANSWER, "answer_start"),
            [6],
            "article 2 ('Böbrek'), paragraph 2, question 2 (id 'b-3'): answer_start must be a number, not [6]",
        ),
    ],
)
def test_a_malformed_file_names_file_article_paragraph_and_question(
    path: Path, place: tuple[str | int, ...], value: object, message: str
) -> None:
    assert refused(path, changed(place, value)) == message


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((*QUESTION, "id"), ["b-3"]),
        ((*QUESTION, "id"), True),
        ((*QUESTION, "is_impossible"), "false"),
        ((*ANSWER, "answer_start"), 6.9),
        ((*ANSWER, "answer_start"), True),
        ((*ANSWER, "answer_start"), float("inf")),
    ],
    ids=["id is a list", "id is a truth value", "is_impossible is text", "fraction", "truth value", "infinity"],
)
def test_a_value_of_the_wrong_type_is_refused(path: Path, place: tuple[str | int, ...], value: object) -> None:
    refused(path, changed(place, value))


def test_a_file_that_holds_a_list_is_refused(path: Path) -> None:
    assert refused(path, []) == "expected an object, found list"


def test_broken_json_names_line_and_column(path: Path) -> None:
    path.write_text('{"data": [\n  {"title": "Kalp",,}\n]}', encoding="utf-8")
    with pytest.raises(DatasetError) as caught:
        load_squad(path)
    assert str(caught.value).startswith(f"{path}: line 2, column 20: not valid JSON: ")


def test_an_empty_file_is_not_json(path: Path) -> None:
    path.touch()
    with pytest.raises(DatasetError, match=r"medical\.json: line 1, column 1: not valid JSON"):
        load_squad(path)


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        load_squad(path)
    assert str(caught.value) == f"{path}: no such file"


def test_a_file_in_another_encoding_names_the_first_wrong_byte(path: Path) -> None:
    path.write_bytes('{"data": "Böbrek"}'.encode("iso8859-9"))
    with pytest.raises(DatasetError) as caught:
        load_squad(path)
    assert str(caught.value) == f"{path}: not UTF-8 text (byte 11); save it as UTF-8"


def test_a_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        load_squad(tmp_path)


def test_an_id_used_twice_names_both_places(path: Path) -> None:
    assert refused(path, changed((*QUESTION, "id"), "k-1")) == (
        f"article 2 ('Böbrek'), paragraph 2, question 2 (id 'k-1'): id 'k-1' is already used by "
        f"{path}: article 1 ('Kalp'), paragraph 1, question 1 (id 'k-1')"
    )


def test_numeric_ids_become_text(path: Path) -> None:
    content = changed((*QUESTION, "id"), 959)
    content["data"][0]["paragraphs"][0]["qas"][0]["id"] = 0
    assert read(path, content).query_ids == ["0", "b-1", "b-2", "959"]


def test_a_number_and_its_text_are_one_id(path: Path) -> None:
    content = changed((*QUESTION, "id"), 959)
    content["data"][0]["paragraphs"][0]["qas"][0]["id"] = "959"
    assert "id '959' is already used by" in refused(path, content)


@pytest.mark.parametrize("start", ["6", 6, None, MISSING], ids=["text", "number", "null", "none"])
def test_an_answer_that_stands_where_it_should_is_no_finding(path: Path, start: object) -> None:
    assert findings(read(path, changed((*ANSWER, "answer_start"), start))) == {}


@pytest.mark.parametrize("start", [5, "7", 1000, -18])
def test_an_answer_elsewhere_in_its_passage_is_counted(path: Path, start: object) -> None:
    data = read(path, changed((*ANSWER, "answer_start"), start))
    assert findings(data) == {"wrong-answer-start": 1}
    assert len(data.queries) == 4


def test_impossible_questions_are_left_out_and_counted(path: Path) -> None:
    content = squad()
    questions = content["data"][1]["paragraphs"][1]["qas"]
    questions[0] |= {"is_impossible": False}
    questions[1] |= {"is_impossible": True, "answers": [], "plausible_answers": [{"text": "İdrar", "answer_start": 0}]}
    questions.append({"id": "b-4", "question": "?", "is_impossible": True})
    data = read(path, content)
    assert data.query_ids == ["k-1", "b-1", "b-2"]
    assert len(data.documents) == 3
    assert findings(data) == {"impossible-questions": 2}


def test_a_file_of_impossible_questions_only_is_refused(path: Path) -> None:
    content = squad()
    for article in content["data"]:
        for paragraph in article["paragraphs"]:
            for entry in paragraph["qas"]:
                entry |= {"is_impossible": True, "answers": []}
    assert refused(path, content) == "no question has an answer"


def test_an_unanswered_question_can_score_zero(path: Path) -> None:
    data = read(path, changed((*QUESTION, "answers"), []), no_relevant="zero")
    assert data.query_ids == ["k-1", "b-1", "b-2", "b-3"]
    assert sorted(gold(data)) == ["b-1", "b-2", "k-1"]
    assert findings(data) == {"unanswered-questions": 1}


def test_an_unanswered_question_can_be_left_out(path: Path) -> None:
    data = read(path, changed((*QUESTION, "answers"), []), no_relevant="skip")
    assert data.query_ids == ["k-1", "b-1", "b-2"]
    assert findings(data) == {"unanswered-questions": 1}


def test_an_unanswered_question_is_no_answer_to_find(path: Path) -> None:
    data = read(path, changed((*QUESTION, "answers"), []), no_relevant="zero", target="answer")
    assert list(data.documents) == ["kanı", "İdrar"]


def repeated_passage() -> dict[str, Any]:
    """The second article repeats the first article's passage, broken into lines."""
    content = squad()
    content["data"][1]["paragraphs"][0] = {"context": "Kalp  kanı\npompalar. ", "qas": [question("b-1", "kanı")]}
    return content


def test_equal_passages_are_merged_and_still_answer_their_questions(path: Path) -> None:
    data = read(path, repeated_passage())
    assert data.documents == ["Kalp kanı pompalar.", "İdrar mesanede toplanır."]
    assert gold(data) == {"k-1": ["Kalp#1"], "b-1": ["Kalp#1"], "b-2": ["Böbrek#2"], "b-3": ["Böbrek#2"]}
    assert data.document_fields == {"title": ["Kalp", "Böbrek"]}
    assert findings(data) == {"duplicate-documents": 1}


def test_equal_passages_can_be_kept_apart(path: Path) -> None:
    data = read(path, repeated_passage(), duplicates="keep")
    assert gold(data) == {"k-1": ["Kalp#1"], "b-1": ["Böbrek#1"], "b-2": ["Böbrek#2"], "b-3": ["Böbrek#2"]}
    assert findings(data) == {"duplicate-documents": 1}


def test_equal_passages_can_be_an_error_that_names_both(path: Path) -> None:
    assert refused(path, repeated_passage(), duplicates="error") == (
        f"article 2 ('Böbrek'), paragraph 1 has the same text as {path}: article 1 ('Kalp'), paragraph 1"
    )


def test_the_same_question_about_two_passages_is_counted(path: Path) -> None:
    data = read(path, changed((*QUESTION, "question"), "k-1?"))
    assert findings(data) == {"repeated-questions": 1}
    assert len(data.queries) == 4


def test_answers_as_target_are_the_first_of_each_question(path: Path) -> None:
    content = changed((*QUESTION, "answers"), [{"text": "mesanede"}, {"text": "mesanede toplanır"}])
    data = read(path, content, target="answer")
    assert data.documents == ["kanı", "İdrar", "mesanede"]
    assert gold(data) == {"k-1": ["k-1"], "b-1": ["k-1"], "b-2": ["b-2"], "b-3": ["b-3"]}
    assert findings(data) == {"duplicate-documents": 1}


def test_the_articles_protocol_keeps_equal_answers_apart_and_says_so(path: Path) -> None:
    data = read(path, squad(), target="answer", duplicates="keep")
    assert data.documents == ["kanı", "kanı", "İdrar", "mesanede"]
    assert gold(data) == {"k-1": ["k-1"], "b-1": ["b-1"], "b-2": ["b-2"], "b-3": ["b-3"]}
    assert findings(data) == {"duplicate-documents": 1, "article-protocol": 4}


def test_how_a_file_was_read_is_part_of_its_fingerprint(path: Path) -> None:
    path.write_text(json.dumps(squad()), encoding="utf-8")
    read_as = [
        load_squad(path),
        load_squad(path, duplicates="keep"),
        load_squad(path, no_relevant="zero"),
        load_squad(path, target="answer"),
    ]
    assert len({data.fingerprint for data in read_as}) == 4


@pytest.mark.parametrize("option", [{"target": "contexts"}, {"duplicates": "merg"}, {"no_relevant": "ignore"}])
def test_an_unknown_option_is_refused(path: Path, option: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        read(path, squad(), **option)


@pytest.mark.parametrize(
    ("file", "questions", "passages", "articles"),
    [
        ("tquad-dev.json", 892, 275, 72),
        ("xquad.tr.json", 1190, 240, 48),
        ("xquad.en.json", 1190, 240, 48),
    ],
)
def test_real_files_hold_what_their_card_says(
    shared_data: Path, file: str, questions: int, passages: int, articles: int
) -> None:
    data = load_squad(shared_data / file, duplicates="keep")
    assert (len(data.queries), len(data.documents)) == (questions, passages)
    assert len(set(data.document_fields["title"])) == articles
    assert len(data.judgements) == questions
    assert "wrong-answer-start" not in findings(data)


@pytest.mark.parametrize(
    ("file", "target", "sharing"),
    [("tquad-dev.json", "context", 8), ("tquad-dev.json", "answer", 146), ("xquad.tr.json", "answer", 161)],
)
def test_real_duplicates_are_those_of_the_card_but_for_case(
    shared_data: Path, file: str, target: Target, sharing: int
) -> None:
    kept = load_squad(shared_data / file, target=target, duplicates="keep")
    counts = Counter(folded(text).lower() for text in kept.documents)  # the card takes "Adet" for "adet"
    assert sum(count for count in counts.values() if count > 1) == sharing
    merged = load_squad(shared_data / file, target=target)
    different = len(set(map(folded, kept.documents)))
    assert len(merged.documents) == different
    assert findings(merged)["duplicate-documents"] == len(kept.documents) - different


def test_real_questions_in_two_languages_share_their_ids(shared_data: Path) -> None:
    turkish, english = load_squad(shared_data / "xquad.tr.json"), load_squad(shared_data / "xquad.en.json")
    assert turkish.query_ids == english.query_ids
    assert gold(turkish) == gold(english)


def test_the_shipped_file_is_clean(fixtures: Path) -> None:
    data = load_squad(fixtures / "turkish_medical_qa.json", duplicates="error")
    assert data.findings == ()
    assert len(data.judgements) == len(data.queries) > 100


@pytest.mark.parametrize("place", [(*PARAGRAPH, "context"), (*QUESTION, "question"), (*QUESTION, "id")])
def test_half_a_character_is_refused_where_it_stands(path: Path, place: tuple[str | int, ...]) -> None:
    """JSON can escape one half of a pair; no UTF-8 file can hold it, so no report could."""
    assert f"key {place[-1]!r} holds half a character" in refused(path, changed(place, "İdrar \ud83e"))
