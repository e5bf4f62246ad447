"""What models find for a query, side by side, and the queries that one of them loses."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.cli import main
from pytest_embedeval.datasets import load_dataset
from pytest_embedeval.evaluate import as_encoded
from pytest_embedeval.models import Model
from pytest_embedeval.search import ranker
from tests.models.test_transformer import save_static_model

DOCUMENTS = {
    "d1": "kedi evde uyur",
    "d2": "köpek bahçede koşar",
    "d3": "balık suda yüzer",
    "d4": "kuş gökte uçar",
    "d5": "kedi ile köpek",
}
QUERIES = {"q1": "kedi", "q2": "köpek koşar mı", "q3": "gökte ne uçar"}
GRADES = {("q1", "d1"): 2, ("q1", "d5"): 1, ("q1", "d3"): 0, ("q2", "d2"): 1, ("q3", "d4"): 1}


def save_beir(
    folder: Path,
    documents: Mapping[str, str] = DOCUMENTS,
    queries: Mapping[str, str] = QUERIES,
    grades: Mapping[tuple[str, str], int] = GRADES,
    split: str = "test",
) -> Path:
    (folder / "qrels").mkdir(parents=True)
    for name, texts in (("corpus", documents), ("queries", queries)):
        rows = (json.dumps({"_id": identity, "text": text}) for identity, text in texts.items())
        (folder / f"{name}.jsonl").write_text("\n".join(rows))
    lines = (f"{query}\t{document}\t{grade}" for (query, document), grade in grades.items())
    (folder / "qrels" / f"{split}.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines]))
    return folder


def save_run(path: Path, lists: Mapping[str, Sequence[tuple[str, float]]]) -> str:
    """Write a finished run and return the entry of the matrix that names it."""
    lines = [f"{query} Q0 {found} 0 {score} x" for query, row in lists.items() for found, score in row]
    path.write_text("\n".join(lines))
    return f"run:{path.name}"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with five documents, three queries, and a terminal of 80 columns."""
    save_beir(tmp_path / "pets")
    (tmp_path / "embedeval.toml").write_text(
        'cache = "kept"\n[datasets.animals]\npath = "pets"\nformat = "beir"\nlanguage = "tr"\n'
        '[datasets.words]\npath = "words.tsv"\nformat = "morphology"\n'
    )
    header = "id\tcategory\tfeatures\tlemma\tform\tdistractors\tsource\n"
    (tmp_path / "words.tsv").write_text(header + "w1\ttense\tV\tgel\tgeldi\tgeldik\tx\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


@pytest.fixture(scope="session")
def static_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model that knows three words."""
    return save_static_model(tmp_path_factory.mktemp("static") / "tiny")


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """Return the lines that are printed, none of them longer than the terminal or with blanks at its end."""
    assert main(["search", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if cells(line) > int(os.environ["COLUMNS"]) or line != line.rstrip()] == []
    return lines


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["search", *arguments]) == 2
    return capsys.readouterr().err.removeprefix("pytest-embedeval: ").strip()


def cells(line: str) -> int:
    """Return the columns of a line on a terminal, for signs of one or two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in line)


def test_couch_finds_sofas_though_no_product_is_called_so(capsys: pytest.CaptureFixture[str], fixtures: Path) -> None:
    lines = found(capsys, str(fixtures / "products"), "couch", "--models=minilm-en,bm25", "--k=3")
    assert lines[0] == '"couch" is query 0 of products (relevant: 13 of 23 graded)'
    assert lines[2:5] == ["minilm-en", "best relevant: rank 1", "     score  grade  id   document"]
    for rank, line in enumerate(lines[5:8], start=1):
        assert re.fullmatch(rf"{rank}\*  0\.\d{{4}}      2  \d+ +\w.* Sofas", line)
    assert lines[9:11] == ["bm25", "best relevant: not found"]
    assert re.fullmatch(r"1\*  \d\.\d{4}      0  50  Waffle-Knit Couch Throw Throws", lines[12])
    assert lines[13:] == ["", "*: in the list of this model alone"]


def test_a_query_of_the_medical_set_is_graded(capsys: pytest.CaptureFixture[str], fixtures: Path) -> None:
    path = str(fixtures / "turkish_medical_qa.json")
    lines = found(capsys, path, "--query-id=hipertansiyon-1-1", "--models=bm25", "--language=tr")
    said = " ".join(line.strip() for line in lines[:3])
    assert said.startswith('"Yüksek tansiyonun, ')
    assert said.endswith('" is query hipertansiyon-1-1 of turkish_medical_qa (relevant: 1 of 1 graded)')
    assert lines[4:6] == ["bm25", "best relevant: rank 4"]
    grades = [line.split()[2] for line in lines[7:]]
    assert grades == ["–", "–", "–", "1", "–"]
    assert "Hipertansiyon#1   Kalbin pompaladığı" in lines[10]


def test_a_text_is_recognised_whatever_its_accents_and_blanks_are_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    typed = unicodedata.normalize("NFD", "  köpek\n koşar   mı ")
    assert typed != "köpek koşar mı"
    lines = found(capsys, "animals", typed, "--models=bm25")
    assert lines[0] == '"köpek koşar mı" is query q2 of animals (relevant: 1 of 1 graded)'
    assert re.fullmatch(r"1  \d\.\d{4}      1  d2  köpek bahçede koşar", lines[5])
    assert found(capsys, "animals", "--query-id=q2", "--models=bm25") == lines


def test_a_text_of_ones_own_is_searched_and_not_graded(capsys: pytest.CaptureFixture[str]) -> None:
    lines = found(capsys, "animals", "suda balık", "--models=bm25")
    assert lines[0] == '"suda balık" is no query of animals: nothing is graded'
    assert lines[2:4] == ["bm25", "    score  grade  id  document"]
    assert re.fullmatch(r"1  \d\.\d{4}      –  d3  balık suda yüzer", lines[4])


def test_grades_stand_beside_documents_and_relevant_ones_are_looked_for_beyond_the_list(
    capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    run = save_run(project / "a.trec", {"q1": [("d3", 9.0), ("d2", 8.0), ("d4", 7.0), ("d5", 6.0), ("d1", 5.0)]})
    lines = found(capsys, "animals", "kedi", f"--models={run}", "--k=2")
    assert lines[0] == '"kedi" is query q1 of animals (relevant: 2 of 3 graded)'
    assert lines[2:4] == ["a.trec", "best relevant: rank 4"]
    assert [line.split()[:4] for line in lines[5:]] == [["1", "9.0000", "0", "d3"], ["2", "8.0000", "–", "d2"]]


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"d3": 9.0, "d1": 9.0, "d2": 9.0}, "rank 1 to 3, as ties fall"),
        ({"d3": 9.0, "d1": 8.0, "d5": 8.0}, "rank 2"),
        ({"d3": 9.0, "d2": 8.0}, "not found"),
    ],
    ids=["tied with others", "tied among themselves", "not listed"],
)
def test_ties_leave_a_range_of_ranks(
    capsys: pytest.CaptureFixture[str], project: Path, scores: dict[str, float], said: str
) -> None:
    run = save_run(project / "a.trec", {"q1": list(scores.items())})
    assert found(capsys, "animals", "kedi", f"--models={run}")[3] == f"best relevant: {said}"


def test_models_stand_side_by_side_where_there_is_room(
    capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_run(project / "a.trec", {"q1": [("d1", 3.0), ("d2", 2.0), ("d3", 1.0)]})
    save_run(project / "b.trec", {"q1": [("d2", 0.5)]})
    arguments = "animals", "kedi", "--models=one=run:a.trec,other=run:b.trec"
    header = "     score  grade  id  document"
    one = ["one", "best relevant: rank 1", header]
    one += ["1*  3.0000      2  d1  kedi evde uyur", "2   2.0000      –  d2  köpek bahçede koşar"]
    one += ["3*  1.0000      0  d3  balık suda yüzer"]
    other = ["other", "best relevant: not found", header, "1   0.5000      –  d2  köpek bahçede koşar"]
    end = ["", "*: in the list of this model alone"]
    assert found(capsys, *arguments)[2:] == [*one, "", *other, *end]
    monkeypatch.setenv("COLUMNS", "160")
    together = [left.ljust(81) + right for left, right in zip(one, [*other, "", ""], strict=True)]
    assert found(capsys, *arguments)[2:] == [*map(str.rstrip, together), *end]


def test_signs_of_two_columns_and_long_ids_keep_the_columns_straight(
    capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    texts = {"the-long-name-of-a-document#1": "日本語の文章" * 20, "d2": "kısa", "日本": "x" * 200}
    save_beir(project / "wide", texts, {"q": "?"}, {("q", "d2"): 1})
    rows = [(identity, 3.0 - place) for place, identity in enumerate(texts)]
    save_run(project / "a.trec", {"q": rows})
    lines = found(capsys, "wide", "--query-id=q", "--models=a=run:a.trec,b=run:a.trec")[2:]
    assert max(map(cells, lines)) <= 100
    assert lines[3].count("the-…nt#1") == 2  # beginning and end of an id tell it from others
    assert lines[3].count("日本語の文章") == 2
    assert [line.count("…") for line in lines[3:]] == [4, 0, 2]
    for sign in ("document", "日本語", "kısa", "xxx"):
        (line,) = (line for line in lines if sign in line and "wide" not in line)
        places = {cells(line[: place.start()]) for place in re.finditer(rf"(?<=  ){sign}", line)}
        assert {place % 51 for place in places} == {29}, sign


def test_nothing_in_a_text_steers_the_terminal(
    capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    evil = "a\x1b[31mred\x1b]0;title\x07 b\r\n\tc\x9b2J \u202eback\u202c \x00 end"
    save_beir(project / "evil", {"d\x1b[2J": evil, "d2": "x"}, {"q": "back \x1b[5m"}, {("q", "d2"): 1})
    out = "\n".join(found(capsys, "evil", "--query-id=q", "--models=bm25"))
    assert r"a\x1b[31mred\x1b]0;title\x07 b c\x9b2J \u202eback\u202c" in out
    assert r'"back \x1b[5m" is query q' in out
    assert r"d\x1b[2J" in out
    assert not {sign for sign in out if unicodedata.category(sign) in {"Cc", "Cf", "Cs"}} - {"\n"}


def test_a_model_that_finds_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert found(capsys, "animals", "uçak", "--models=bm25")[2:] == ["bm25", "nothing found"]


def test_of_queries_with_one_text_the_first_is_shown(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    save_beir(project / "twice", queries={**QUERIES, "q9": "kedi"}, grades={**GRADES, ("q9", "d5"): 1})
    lines = found(capsys, "twice", "kedi", "--models=bm25")
    assert " ".join(line.strip() for line in lines[:2]) == (
        '"kedi" is query q1 of twice (relevant: 2 of 3 graded); --query-id shows another with this text: q9'
    )
    assert (
        "is query q9 of twice (relevant: 1 of 1 graded)" in found(capsys, "twice", "--query-id=q9", "--models=bm25")[0]
    )


def test_vectors_hybrids_and_two_stages_search_as_the_suites_do(
    capsys: pytest.CaptureFixture[str], static_model: Path
) -> None:
    data = load_dataset("pets", format="beir", language="tr")
    entries = {"tiny": str(static_model), "both": f"{static_model}+bm25", "twice": f"bm25:rerank={static_model}"}
    models = ",".join(f"{alias}={entry}" for alias, entry in entries.items())
    lines = found(capsys, "animals", "kedi", f"--models={models}", "--k=4")
    for alias, entry in entries.items():
        expected = ranker(as_encoded(entry), data).search(4)
        ids = [data.document_ids[place] for place in expected.documents[0].tolist() if place >= 0]
        assert len(ids) > 1
        first = lines.index(alias) + 3
        shown = [line.split() for line in lines[first : first + len(ids)]]
        assert [row[3] for row in shown] == ids
        assert [float(row[1]) for row in shown] == pytest.approx(expected.scores[0, : len(ids)].tolist(), abs=1e-4)


def test_a_second_search_encodes_no_document_again(
    capsys: pytest.CaptureFixture[str], static_model: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found(capsys, "animals", "kedi", f"--models={static_model}")
    assert (project / "kept" / "vectors").is_dir()
    roles: list[str] = []
    encode = Model.encode

    def counted(self: Model, texts: Sequence[str], role: Any) -> Any:
        roles.append(role)
        return encode(self, texts, role)

    monkeypatch.setattr(Model, "encode", counted)
    found(capsys, "animals", "köpek", f"--models={static_model}")
    found(capsys, "animals", "ev", f"--models=bm25:rerank={static_model}")
    assert roles == ["query", "query"]
    found(capsys, "animals", "ev", f"--models={static_model}", "--cache=off")
    assert sorted(roles) == ["document", "query", "query", "query"]


def test_what_a_library_prints_and_how_far_it_is_stay_out_of_the_result(
    capsys: pytest.CaptureFixture[str], static_model: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    many = {f"d{n}": " ".join(["kedi"] * (n % 16) + ["köpek"] * (1 + n // 16)) for n in range(250)}
    save_beir(project / "many", many, {"q": "kedi"}, {("q", "d1"): 1})
    encode = Model.encode

    def talkative(self: Model, texts: Sequence[str], role: Any) -> Any:
        print("hello from a library")
        return encode(self, texts, role)

    monkeypatch.setattr(Model, "encode", talkative)
    monkeypatch.setattr(sys, "stderr", Terminal())
    lines = found(capsys, "many", "kedi", f"--models=tiny={static_model}", "--k=1")
    assert len(lines) == 6
    assert isinstance(sys.stderr, Terminal)
    said = sys.stderr.getvalue()
    assert "hello from a library" in said
    assert "\rtiny: document: 250 of 250 texts" in said
    assert said.rpartition("texts")[2].strip() == ""
    assert said.endswith("\r")


def test_without_models_those_of_the_configuration_are_asked(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    with (project / "embedeval.toml").open("r+") as stream:
        text = stream.read()
        stream.seek(0)
        stream.write('matrix = ["words=bm25", "stems=bm25:stemmer=none"]\n' + text)
    lines = found(capsys, "animals", "kedi")
    assert [line for line in lines if line in ("words", "stems", "bm25")] == ["words", "stems"]


@pytest.mark.parametrize("split", ["test", "dev"])
def test_a_folder_in_beirs_form_needs_no_configuration(
    capsys: pytest.CaptureFixture[str], project: Path, split: str
) -> None:
    save_beir(project / "some.data", split=split)
    assert "is query q1 of some.data" in found(capsys, "some.data", "kedi", "--models=bm25")[0]


def test_unanswered_questions_of_a_file_are_no_hindrance(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    questions = [
        {"id": 1, "question": "Neden?", "answers": []},
        {"id": 2, "question": "Nerede?", "answers": [{"text": "evde"}]},
    ]
    content = {"data": [{"title": "x", "paragraphs": [{"context": "kedi evde", "qas": questions}]}]}
    (project / "questions.json").write_text(json.dumps(content))
    lines = found(capsys, "questions.json", "Neden?", "--models=bm25")
    assert lines[0] == '"Neden?" is query 1 of questions (relevant: 0 of 0 graded)'


def test_the_language_says_how_words_are_read(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    save_beir(project / "towns", {"d1": "ISPARTA", "d2": "Burdur"}, {"q": "gül"}, {("q", "d1"): 1})
    assert found(capsys, "towns", "ısparta", "--models=bm25")[3] == "nothing found"
    assert found(capsys, "towns", "ısparta", "--models=bm25", "--language=tr")[4].endswith("d1  ISPARTA")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("animal", "x"), "'animal' is neither a data set named in embedeval.toml nor a file or folder; did you mean"),
        (("words", "x"), "'words' holds no documents that could be searched"),
        (("kept.csv", "x"), "kept.csv: its format is not plain; add [datasets.NAME] with path and format (squad, "),
        (("pets/qrels", "x"), "pets/qrels: its format is not plain"),
        (("animals", ""), "the query is empty"),
        (("animals", " \n"), "the query is empty"),
        (("animals", "\udcff"), "the query is not UTF-8 text"),
        (("animals",), "search takes one of a query in quotes, --query-id=ID and --lost=A,B"),
        (("animals", "x", "--query-id=q1"), "search takes one of a query in quotes, --query-id=ID and --lost=A,B"),
        (("animals", "--query-id=q7"), "animals has no query 'q7'; its ids are like 'q1'"),
        (("animals", "x", "--limit=2"), "search takes --limit only with --lost"),
        (("animals", "--lost=bm25,minilm-en", "--k=2"), "search --lost takes no --k"),
        (("animals", "x", "--models="), "the model matrix is empty"),
        (("animals", "x", "--models=minilm-eng"), "did you mean 'minilm-en'?"),
        (("animals", "x", "--models=bm25,bm25"), "2 models are called 'bm25'"),
        (("animals", "x", "--cache="), "--cache: must be a folder, or off for none"),
        (("animals", "--lost=bm25"), "--lost=bm25: name two models with a comma between"),
        (("animals", "--lost=bm25,bm25"), "--lost=bm25,bm25: name two models"),
        (("animals", "--lost=bm25,"), "--lost=bm25,: name two models"),
        (("animals", "--lost=bm25,nope"), "unknown model 'nope'"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], project: Path, arguments: tuple[str, ...], message: str
) -> None:
    (project / "kept.csv").touch()
    said = refused(capsys, *arguments)
    assert message in said
    assert "\n" not in said


@pytest.mark.parametrize("option", ["--k=0", "--k=two", "--limit=-1", "--k=²"])
def test_a_number_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], option: str) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["search", "animals", "x", option])
    assert "is no whole number above 0" in capsys.readouterr().err


def test_models_that_fail_cost_only_their_own_answers(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    run = save_run(project / "a.trec", {"q1": [("d1", 1.0)]})
    assert main(["search", "animals", "kedi uyur", f"--models=./nowhere,bm25,{run}"]) == 2
    out, err = capsys.readouterr()
    assert "d1  kedi evde uyur" in out
    assert "*" not in out
    first, second = err.splitlines()
    assert first.startswith("pytest-embedeval: model 'nowhere': there is no folder ")
    assert second == "model 'a.trec': a finished run knows only the queries of its data set"


def test_lost_lists_the_queries_whose_rank_falls(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    """q1 falls from 1 to 3, q2 is no longer found, q3 rises."""
    low = [("d3", 5.0), ("d2", 4.0), ("d1", 3.0)]
    save_run(project / "a.trec", {"q1": [("d1", 3.0)], "q2": [("d2", 1.0)], "q3": [("d1", 2.0), ("d4", 1.0)]})
    save_run(project / "b.trec", {"q1": low, "q2": [("d1", 1.0)], "q3": [("d4", 1.0)]})
    arguments = "animals", "--models=old=run:a.trec,new=run:b.trec", "--lost=old,new"
    lines = found(capsys, *arguments)
    assert " ".join(line.strip() for line in lines[:2]) == (
        "new answers 2 of the 3 queries of animals worse than old, and 1 better, by the rank of the first relevant "
        "document"
    )
    rows = ["old  new  id  query", "  1    –  q2  köpek koşar mı", "  1    3  q1  kedi"]
    assert lines[2:] == ["", *rows]
    assert found(capsys, *arguments, "--limit=1")[3:] == [*rows[:2], "… and 1 more; --limit=2 lists all"]
    back = found(capsys, *arguments[:2], "--lost=new,old")
    assert back[3:] == ["new  old  id  query", "  1    2  q3  gökte ne uçar"]


def test_lost_takes_entries_beside_aliases_and_marks_ties(capsys: pytest.CaptureFixture[str], project: Path) -> None:
    """Of three tied documents, one is relevant: the mean of 1, 1/2 and 1/3 is 11/18."""
    tied = [("d1", 1.0), ("d2", 1.0), ("d3", 1.0)]
    save_run(project / "a.trec", {"q1": tied, "q2": [("d2", 1.0)], "q3": [("d4", 1.0)]})
    lines = found(capsys, "animals", "--lost=words=bm25,run:a.trec", "--models=bm25")
    assert [line.split() for line in lines[3:5]] == [["words", "a.trec", "id", "query"], ["1", "~2", "q1", "kedi"]]
    assert lines[5].startswith("~: tied with others")


def test_where_nothing_is_lost_there_is_no_list(capsys: pytest.CaptureFixture[str]) -> None:
    lines = found(capsys, "animals", "--lost=bm25,same=bm25")
    assert " ".join(line.strip() for line in lines).startswith("same answers 0 of the 3 queries of animals worse than ")
    assert len(lines) == 2


def test_lost_needs_both_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no folder" in refused(capsys, "animals", "--lost=bm25,./nowhere")
    assert not capsys.readouterr().out
