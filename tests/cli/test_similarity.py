"""The cosine of each text with each other, as a table."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from pytest_embedeval.cli import main
from pytest_embedeval.evaluate import as_encoded
from tests.models.test_transformer import save_static_model

NEAR = "Unless these texts are alike: in this model unrelated texts are near, too; compare ranks, not values."


@pytest.fixture(scope="session")
def static_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A real model that knows `kedi`, `köpek` and `ev`; any other word is one and the same to it."""
    return str(save_static_model(tmp_path_factory.mktemp("similar") / "tiny"))


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "embedeval.toml").write_text('cache = "kept"\nmodels = ["tiny=./tiny", "bm25"]\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def compared(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["similarity", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if columns(line) > 80 or line != line.rstrip()] == []
    return lines


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["similarity", *arguments]) == 2
    out, err = capsys.readouterr()
    assert not out
    return err.removeprefix("pytest-embedeval: ").strip()


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in line)


def numbers(line: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d\.\d\d(?!\d)", line)]


def test_every_text_is_compared_with_every_other(capsys: pytest.CaptureFixture[str], static_model: str) -> None:
    texts = ["kedi", "köpek", "ev kedi"]
    lines = compared(capsys, *texts, f"--models={static_model}")
    assert lines[1] == "          kedi  köpek  ev kedi"
    assert [re.split("  +", line)[0] for line in lines[2:5]] == texts
    vectors = as_encoded(static_model).vectors(texts, "query").astype(np.float64)
    expected = vectors @ vectors.T
    np.testing.assert_allclose([numbers(line) for line in lines[2:5]], expected, atol=0.005 + 1e-6)
    assert lines[0] == f"tiny: mean of the pairs {expected[np.triu_indices(3, k=1)].mean():.2f}"
    assert {line.index(f"{number:.2f}") + 4 for line, number in zip(lines[2:5], expected[:, 0], strict=True)} <= {14}


@pytest.mark.parametrize("role", ["query", "document"])
def test_the_role_decides_the_prompt(capsys: pytest.CaptureFixture[str], tmp_path: Path, role: str) -> None:
    folder = save_static_model(tmp_path / "prompted", prompts={"query": "köpek ", "document": "ev "})
    lines = compared(capsys, "kedi", "köpek", f"--models={folder}", f"--role={role}")
    vectors = as_encoded(str(folder)).vectors(["kedi", "köpek"], "query" if role == "query" else "document")
    assert numbers(lines[2])[1] == round(float(vectors[0] @ vectors[1]), 2)


def test_words_of_a_file_stand_after_those_of_the_line(
    capsys: pytest.CaptureFixture[str], project: Path, static_model: str
) -> None:
    (project / "words.txt").write_bytes("\ufeffköpek\r\n\r\n  ev kedi \n".encode())
    models = f"--models={static_model}"
    assert compared(capsys, "kedi", "--file=words.txt", models) == compared(capsys, "kedi", "köpek", "ev kedi", models)


def test_real_words_lie_as_they_mean(capsys: pytest.CaptureFixture[str]) -> None:
    lines = compared(capsys, "couch", "sofa", "garden hose", "--models=minilm-en")
    couch = dict(zip(("couch", "sofa", "garden hose"), numbers(lines[2]), strict=True))
    assert couch["couch"] == 1
    assert couch["sofa"] > 0.6 > 0.4 > couch["garden hose"]
    assert len(lines) == 5


def test_a_model_in_which_all_is_near_is_warned_of(capsys: pytest.CaptureFixture[str], static_model: str) -> None:
    """Both unknown words get the vector of an unknown word."""
    lines = compared(capsys, "masa", "kitap", f"--models={static_model}")
    assert lines[0] == "tiny: mean of the pairs 1.00"
    assert " ".join(lines[4:]) == NEAR
    assert not any("unrelated" in line for line in compared(capsys, "kedi", "köpek", f"--models={static_model}"))


def test_the_limit_of_the_warning_is_the_mean_without_the_diagonal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, static_model: str
) -> None:
    for cosine, warned in ((0.71, True), (0.69, False)):
        made = np.array([[1, cosine], [cosine, 1]], dtype=np.float32)
        monkeypatch.setattr("pytest_embedeval.cli.similarity._cosines", lambda *_, made=made: made)
        lines = compared(capsys, "kedi", "köpek", f"--models={static_model}")
        assert lines[0].endswith(f"{cosine:.2f}")
        assert (len(lines) > 4) is warned


def test_letters_of_any_width_stand_in_straight_columns(capsys: pytest.CaptureFixture[str], static_model: str) -> None:
    lines = compared(capsys, "ığüşöçİ", "日本語", "I\u0307zmir \x1b[2J", "kedi", f"--models={static_model}")
    assert re.split("  +", lines[1])[1:] == ["ığüşöçİ", "日本語", r"İzmir \x1b[2J", "kedi"]
    for row in lines[2:6]:
        places = [columns(row[: place.end()]) for place in re.finditer(r"-?\d\.\d\d", row)]
        assert places == [columns(lines[1][: lines[1].index(end) + len(end)]) for end in ("çİ", "語", "[2J", " kedi")]


def test_many_texts_are_numbered_and_the_table_is_cut_into_parts(
    capsys: pytest.CaptureFixture[str], static_model: str
) -> None:
    texts = [f"kedi {'ev ' * number}".strip() for number in range(14)]
    lines = compared(capsys, *texts, f"--models={static_model}")[1:-2]
    parts = "\n".join(lines).split("\n\n")
    heads = [number for part in parts for number in part.splitlines()[0].split()]
    assert heads == [str(number) for number in range(1, 15)]
    rows = [part.splitlines()[1:] for part in parts]
    assert {len(part) for part in rows} == {14}
    assert rows[0][2].startswith("3 kedi ev ev ")
    cosines = np.array([[each for part in rows for each in numbers(part[row])] for row in range(14)])
    np.testing.assert_array_equal(cosines, cosines.T)
    np.testing.assert_array_equal(np.diag(cosines), 1)


def test_without_models_those_of_the_configuration_that_have_vectors_are_asked(
    capsys: pytest.CaptureFixture[str], project: Path
) -> None:
    save_static_model(project / "tiny")
    lines = compared(capsys, "kedi", "köpek")
    assert [line for line in lines if "mean of the pairs" in line] == lines[:1]
    assert lines[0].startswith("tiny: ")


def test_vectors_are_kept_for_the_next_time(
    capsys: pytest.CaptureFixture[str], project: Path, static_model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = compared(capsys, "kedi", "köpek", f"--models={static_model}")
    assert (project / "kept" / "vectors").is_dir()
    monkeypatch.delattr("pytest_embedeval.models.Model.encode")
    assert compared(capsys, "kedi", "köpek", f"--models={static_model}") == before


def test_one_matrix_for_each_model(capsys: pytest.CaptureFixture[str], static_model: str) -> None:
    lines = compared(capsys, "kedi", "köpek", f"--models=one={static_model},two={static_model}:dim=2")
    one, two = "\n".join(lines).split("\n\n")
    assert one.startswith("one: mean of the pairs ")
    assert two.startswith("two: mean of the pairs ")
    assert one.splitlines()[1] == two.splitlines()[1]
    assert one.splitlines()[2] != two.splitlines()[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("kedi", "köpek", "--models=bm25"), "similarity compares vectors, and bm25 only searches; name an embedding"),
        (("kedi", "köpek", "--models=minilm-en+bm25"), "and minilm-en+bm25 only searches"),
        (("kedi", "köpek", "--models=minilm-eng"), "did you mean 'minilm-en'?"),
        (("kedi",), "similarity takes two texts or more"),
        ((), "similarity takes two texts or more"),
        (("kedi", " "), "one of the texts is empty"),
        (("kedi", "\udcff"), "one of the texts is not UTF-8"),
        (("kedi", "--file=nowhere.txt"), "nowhere.txt: no such file"),
        (("kedi", "--file=latin.txt"), "latin.txt: not UTF-8 text (byte 1)"),
        (("kedi", "köpek", "--models=./nowhere"), "model 'nowhere': there is no folder "),
    ],
)
def test_a_mistake_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], project: Path, arguments: tuple[str, ...], message: str
) -> None:
    (project / "latin.txt").write_bytes("kış".encode("iso-8859-9"))
    said = refused(capsys, *arguments)
    assert message in said
    assert "\n" not in said
