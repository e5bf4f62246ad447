"""What is kept between runs is shown, and removed only as asked."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from pytest_embedeval.cli import main
from pytest_embedeval.keys import text_keys
from pytest_embedeval.models.info import Recipe, Role
from pytest_embedeval.vectors import Store

DAY_S = 86_400
ENGINE = "sentence-transformers 6.0.0, transformers 5.1.0, tokenizers 0.23.0, torch 2.13.0+cpu, x86_64, 2 threads"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without a configuration, and a cache folder of the user's that is empty."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    return project


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with 40 vectors of `minilm-en` (30 of them of documents) and 5 of a long path."""
    folder = tmp_path / "cache"
    keep(folder, "minilm-en", 10, role="query")
    keep(folder, "minilm-en", 30)
    keep(folder, LONG, 5, dimension=1024, engine=None)
    return folder


LONG = "/home/somebody/checkpoints/turkish-medical-encoder-v3-final-really-final/step-12000"


def keep(
    folder: Path,
    source: str,
    texts: int,
    *,
    role: Role = "document",
    dimension: int = 384,
    engine: str | None = ENGINE,
    prompt: str = "",
) -> None:
    """Keep so many vectors as a run does."""
    recipe = Recipe(f"sha256:{source}", role, prompt, dimension, None, "torch", None, engine)
    vectors = np.random.default_rng(42).standard_normal((texts, dimension), dtype=np.float32)
    store = Store(folder)
    shelf = store.shelf(recipe, source)
    assert shelf is not None
    shelf.add(text_keys([f"{source} {n}" for n in range(texts)]), vectors, np.zeros(texts, dtype=np.int32), 1.0)
    store.close()


def execute(folder: Path, statement: str) -> list[tuple[object, ...]]:
    """Do something to the keys behind the command's back."""
    with closing(sqlite3.connect(folder / "vectors" / "keys.sqlite3")) as database, database:
        return database.execute(statement).fetchall()


def kept(folder: Path) -> dict[tuple[str, str], int]:
    """Return (model, role) -> vectors, from the database itself."""
    rows = execute(
        folder,
        "SELECT source, json_extract(facts, '$.role'), coalesce(sum(length(texts)), 0) / 16 FROM recipes "
        "LEFT JOIN batches ON batches.recipe = recipes.id GROUP BY recipes.id",
    )
    return {(str(source), str(role)): int(str(texts)) for source, role, texts in rows}


def segments(folder: Path) -> list[Path]:
    return sorted((folder / "vectors" / "segments").iterdir())


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in segments(folder))


def said(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> list[str]:
    assert main(["cache", *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    assert not err
    return out.splitlines()


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert main(["cache", *map(str, arguments)]) == 2
    return capsys.readouterr().err.strip().removeprefix("pytest-embedeval: ")


def test_info_shows_each_model_with_its_size_and_last_use(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    execute(cache, "UPDATE recipes SET used = 1700000000 WHERE source = 'minilm-en'")
    execute(cache, "UPDATE recipes SET used = used + 86400 WHERE facts LIKE '%query%'")
    lines = said(capsys, "info", f"--cache={cache}")
    day = time.strftime("%Y-%m-%d", time.localtime(1_700_000_000 + DAY_S))
    assert lines[0] == str(cache)
    assert [line.split() for line in lines[2:5]] == [
        ["Dim", "Queries", "Documents", "Size", "Last", "used", "Model"],
        ["384", "10", "30", "60.0", "KiB", day, "minilm-en"],
        ["1024", "0", "5", "20.0", "KiB", time.strftime("%Y-%m-%d"), LONG],
    ]
    assert " ".join(" ".join(lines[6:8]).split()) == f"minilm-en: computed by {ENGINE}"
    assert lines[8:] == ["", "vectors: 45, 80.0 KiB"]
    assert size(cache) == 80 * 1024


def test_info_fits_80_columns_but_for_the_names_of_models(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    lines = said(capsys, "info", f"--cache={cache}")
    assert [line for line in lines[1:] if len(line.replace(LONG, "")) > 80 or line != line.rstrip()] == []


def test_recipes_that_differ_in_what_is_not_shown_stand_in_one_row(
    capsys: pytest.CaptureFixture[str], cache: Path
) -> None:
    keep(cache, "minilm-en", 7, prompt="soru: ")
    rows = [line.split() for line in said(capsys, "info", f"--cache={cache}") if line.endswith(" minilm-en")]
    assert [row[:3] for row in rows] == [["384", "10", "37"]]


def test_info_counts_exported_models_and_files_that_no_run_will_use(
    capsys: pytest.CaptureFixture[str], cache: Path
) -> None:
    export = cache / "exports" / "minilm-en-onnx"
    export.mkdir(parents=True)
    (export / "model.onnx").write_bytes(bytes(3000))
    segments(cache)[0].with_name("0.f32.damaged").write_bytes(bytes(1024))
    lines = said(capsys, "info", f"--cache={cache}")
    assert lines[-2:] == ["exported models: 1, 2.9 KiB", "damaged or orphaned files: 1, 1.0 KiB"]


def test_the_cache_is_the_configured_one(capsys: pytest.CaptureFixture[str], cache: Path, here: Path) -> None:
    (here / "embedeval.toml").write_text(f"cache = '{os.path.relpath(cache, here)}'", encoding="utf-8")
    assert said(capsys, "info")[-1] == "vectors: 45, 80.0 KiB"


def test_without_a_configuration_it_is_that_of_the_user(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "user" / "pytest-embedeval"
    assert said(capsys, "info") == [f"{folder}: nothing is kept here"]
    keep(folder, "minilm-en", 2)
    assert said(capsys, "info")[-1] == "vectors: 2, 3.0 KiB"


def test_a_relative_folder_is_one_of_the_working_folder(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    keep(here / "mine", "minilm-en", 2)
    assert said(capsys, "info", "--cache=mine")[-1] == "vectors: 2, 3.0 KiB"


@pytest.mark.parametrize("action", ["info", "prune", "clear"])
def test_where_nothing_is_kept_nothing_is_made(capsys: pytest.CaptureFixture[str], tmp_path: Path, action: str) -> None:
    folder = tmp_path / "nothing"
    assert said(capsys, action, f"--cache={folder}") == [f"{folder}: nothing is kept here"]
    assert not folder.exists()


@pytest.mark.parametrize("how", ["configured", "flag"])
def test_a_cache_that_is_off_is_named(capsys: pytest.CaptureFixture[str], here: Path, how: str) -> None:
    if how == "configured":
        (here / "embedeval.toml").write_text('cache = "off"', encoding="utf-8")
    flag = ["--cache=off"] if how == "flag" else []
    assert refusal(capsys, "info", *flag) == "the cache is off; name a folder with --cache=DIR"


def test_prune_removes_what_no_run_used_for_so_long(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    execute(cache, f"UPDATE recipes SET used = used - {8 * DAY_S} WHERE facts LIKE '%query%'")
    arguments = "prune", f"--cache={cache}", "--unused-for=7"
    day = time.strftime("%Y-%m-%d", time.localtime(time.time() - 8 * DAY_S))
    what = f"removed: minilm-en (query), 10 vectors, 15.0 KiB, last used {day}"
    before = kept(cache), size(cache)
    assert said(capsys, *arguments, "--dry-run") == [f"would be {what}"]
    assert (kept(cache), size(cache)) == before
    assert said(capsys, *arguments) == [what]
    assert kept(cache) == {("minilm-en", "document"): 30, (LONG, "document"): 5}
    assert size(cache) == 65 * 1024
    assert said(capsys, *arguments) == [f"{cache}: nothing to remove; all that is kept was used in the last 7 days"]


def test_prune_waits_for_30_days_unless_told(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    execute(cache, f"UPDATE recipes SET used = used - {29 * DAY_S}")
    lines = said(capsys, "prune", f"--cache={cache}")
    assert lines == [f"{cache}: nothing to remove; all that is kept was used in the last 30 days"]
    execute(cache, f"UPDATE recipes SET used = used - {2 * DAY_S}")
    assert len(said(capsys, "prune", f"--cache={cache}")) == 3
    assert kept(cache) == {}
    assert segments(cache) == []


def test_prune_removes_damaged_files_and_old_orphans(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    """A young file may be that of a run which has announced nothing yet."""
    folder = cache / "vectors"
    names = "keys.sqlite3.damaged", "segments/1.f32.damaged", "segments/1.f32.damaged-2", "segments/old.f32"
    for name in (*names, "segments/young.f32"):
        (folder / name).write_bytes(bytes(1024))
    day_before_yesterday = time.time() - 2 * DAY_S
    for path in (folder / "segments" / "old.f32", segments(cache)[0]):
        os.utime(path, (day_before_yesterday, day_before_yesterday))
    before = kept(cache)
    arguments = "prune", f"--cache={cache}"
    assert said(capsys, *arguments, "--dry-run") == ["would be removed: 4 damaged or orphaned files, 4.0 KiB"]
    assert all((folder / name).exists() for name in names)
    assert said(capsys, *arguments) == ["removed: 4 damaged or orphaned files, 4.0 KiB"]
    assert not any((folder / name).exists() for name in names)
    assert (folder / "segments" / "young.f32").exists()
    assert len(segments(cache)) == 4
    assert kept(cache) == before


def test_clear_of_one_model_leaves_the_others(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    (cache / "exports" / "minilm-en-onnx").mkdir(parents=True)
    before = kept(cache)
    arguments = "clear", "minilm-en", f"--cache={cache}"
    lines = said(capsys, *arguments, "--dry-run")
    assert [re.sub(", last used.*", "", line) for line in lines] == [
        "would be removed: minilm-en (document), 30 vectors, 45.0 KiB",
        "would be removed: minilm-en (query), 10 vectors, 15.0 KiB",
    ]
    assert kept(cache) == before
    assert said(capsys, *arguments) == [line.removeprefix("would be ") for line in lines]
    assert kept(cache) == {(LONG, "document"): 5}
    assert size(cache) == 20 * 1024
    assert (cache / "exports" / "minilm-en-onnx").is_dir()


def test_an_unknown_model_suggests_the_nearest_and_clears_nothing(
    capsys: pytest.CaptureFixture[str], cache: Path
) -> None:
    before = kept(cache)
    message = refusal(capsys, "clear", "minlm-en", f"--cache={cache}")
    assert message.startswith("nothing is kept of 'minlm-en'; did you mean 'minilm-en'?")
    assert kept(cache) == before


def test_clear_removes_everything_and_leaves_a_cache_that_works(
    capsys: pytest.CaptureFixture[str], cache: Path
) -> None:
    export = cache / "exports" / "minilm-en-onnx"
    export.mkdir(parents=True)
    (export / "model.onnx").write_bytes(bytes(1024))
    (cache / "vectors" / "keys.sqlite3.damaged").write_bytes(bytes(1024))
    lines = said(capsys, "clear", f"--cache={cache}")
    assert len(lines) == 5
    assert lines[-2:] == ["removed: 1 exported models, 1.0 KiB", "removed: 1 damaged or orphaned files, 1.0 KiB"]
    assert (kept(cache), segments(cache), list((cache / "exports").iterdir())) == ({}, [], [])
    assert said(capsys, "clear", f"--cache={cache}") == [f"{cache}: nothing is kept here"]
    keep(cache, "minilm-en", 3)
    assert kept(cache) == {("minilm-en", "document"): 3}


def test_the_room_of_the_keys_is_given_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    keep(tmp_path, "large", 5000, dimension=4)
    path = tmp_path / "vectors" / "keys.sqlite3"
    before = path.stat().st_size
    said(capsys, "clear", f"--cache={tmp_path}")
    assert path.stat().st_size < before / 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("info", "minilm-en"), "cache info takes no model; cache clear does"),
        (("prune", "minilm-en"), "cache prune takes no model; cache clear does"),
        (("clear", "--unused-for=7"), "cache clear takes no --unused-for; cache prune does"),
    ],
)
def test_what_an_action_does_not_take_is_refused(
    capsys: pytest.CaptureFixture[str], cache: Path, arguments: tuple[str, ...], message: str
) -> None:
    before = kept(cache)
    assert refusal(capsys, *arguments, f"--cache={cache}") == message
    assert kept(cache) == before


@pytest.mark.parametrize("days", ["-1", "nan", "a week"])
def test_a_wrong_number_of_days_is_refused(capsys: pytest.CaptureFixture[str], cache: Path, days: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["cache", "prune", f"--unused-for={days}", f"--cache={cache}"])
    assert f"{days!r} is no number of days, for example 30" in capsys.readouterr().err
    assert len(kept(cache)) == 3


@pytest.mark.parametrize("action", ["info", "prune", "clear"])
def test_a_store_of_a_newer_version_is_refused_and_left(
    capsys: pytest.CaptureFixture[str], cache: Path, action: str
) -> None:
    execute(cache, "PRAGMA user_version = 99")
    assert "was written by a newer pytest-embedeval (schema 99" in refusal(capsys, action, f"--cache={cache}")
    assert len(kept(cache)) == 3


def test_damaged_keys_are_set_aside_and_told(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    (cache / "vectors" / "keys.sqlite3").write_bytes(b"no database" * 500)
    lines = said(capsys, "info", f"--cache={cache}")
    assert "keys.sqlite3 is damaged (file is not a database)" in lines[0]
    assert lines[-2:] == ["vectors: 0, 0 B", "damaged or orphaned files: 1, 5.4 KiB"]


def test_keys_that_another_process_holds_end_the_command_with_a_message(
    capsys: pytest.CaptureFixture[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_embedeval.vectors.store._PATIENCE_S", 0.01)
    before = kept(cache), size(cache)
    with closing(sqlite3.connect(cache / "vectors" / "keys.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "(database is locked)" in refusal(capsys, "clear", f"--cache={cache}")
        assert said(capsys, "info", f"--cache={cache}")[-1] == "vectors: 45, 80.0 KiB"
    assert (kept(cache), size(cache)) == before
