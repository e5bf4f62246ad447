from __future__ import annotations

from pathlib import Path

import pytest

from pytest_embedeval.errors import ModelLoadError, UsageError
from pytest_embedeval.models import DEFAULT_MATRIX, ModelSpec, parse_entry, parse_matrix
from pytest_embedeval.models.searching import Search
from pytest_embedeval.models.spec import PACKAGED
from pytest_embedeval.settings import ModelTable


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, in which no name is a folder by accident."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("entry", "spec"),
    [
        ("bge-m3", ModelSpec("bge-m3", "bge-m3")),
        ("use-multilingual", ModelSpec("use-multilingual", "use-multilingual")),
        ("bm25", ModelSpec("bm25", "bm25")),
        ("BAAI/bge-m3", ModelSpec("bge-m3", "BAAI/bge-m3")),
        ("BAAI/bge-m3@5617a9f", ModelSpec("bge-m3", "BAAI/bge-m3", revision="5617a9f")),
        ("bge-m3@main", ModelSpec("bge-m3", "bge-m3", revision="main")),
        ("prod=BAAI/bge-m3@5617a9f", ModelSpec("prod", "BAAI/bge-m3", revision="5617a9f")),
        ("next=./checkpoints/bge-m3-ft", ModelSpec("next", "./checkpoints/bge-m3-ft")),
        ("./checkpoints/bge-m3-ft/", ModelSpec("bge-m3-ft", "./checkpoints/bge-m3-ft/")),
        ("p=./a@b/c@v1", ModelSpec("p", "./a@b/c", revision="v1")),
        (r"C:\models\ft", ModelSpec("ft", r"C:\models\ft")),
        ("  prod=bm25 ", ModelSpec("prod", "bm25")),
        ("A.b_c+d-1=bm25", ModelSpec("A.b_c+d-1", "bm25")),
        ("bge-m3:dim=256", ModelSpec("bge-m3-dim256", "bge-m3", dim=256)),
        (
            "p=BAAI/bge-m3@v1:dim=256:precision=float16:backend=torch:device=cpu:batch_size=4",
            ModelSpec("p", "BAAI/bge-m3", "v1", 256, "float16", "torch", "cpu", 4),
        ),
        ("minilm-en:backend=onnx", ModelSpec("minilm-en-backendonnx", "minilm-en", backend="onnx")),
        ("p=./ft:backend=openvino:device=cpu", ModelSpec("p", "./ft", backend="openvino", device="cpu")),
        (
            "BAAI/bge-m3:precision=float16:dim=8",
            ModelSpec("bge-m3-precisionfloat16-dim8", "BAAI/bge-m3", None, 8, "float16"),
        ),
    ],
)
def test_an_entry_is_read(here: Path, entry: str, spec: ModelSpec) -> None:
    assert parse_entry(entry) == spec


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("", ["empty entry"]),
        ("   ", ["empty entry"]),
        ("=bm25", ["'=bm25'", "the alias before '=' is empty"]),
        ("a b=bm25", ["'a b' is not a usable alias"]),
        ("türkçe=bm25", ["'türkçe' is not a usable alias"]),
        ("./my model", ["'my model' is not a usable alias"]),
        ("a=b=bm25", ["unknown model 'b=bm25'"]),
        (
            "bge-m",
            ["unknown model 'bge-m'", "did you mean 'bge-m3'?", "use-multilingual", "bm25", "a hub id", "a folder"],
        ),
        ("foo/bar/baz", ["unknown model 'foo/bar/baz'"]),
        ("bge-m3:256", ["unknown model 'bge-m3:256'"]),
        ("@main", ["write source@revision"]),
        ("BAAI/bge-m3@", ["write source@revision"]),
        ("bge-m3:dims=4", ["'bge-m3:dims=4'", "unknown key 'dims'", "did you mean 'dim'?"]),
        ("bge-m3:dim=4:dim=5", ["'dim' is given twice"]),
        ("bge-m3:dim=", ["dim must be a whole number, not ''"]),
        ("bge-m3:dim=many", ["dim must be a whole number, not 'many'"]),
        ("bge-m3:dim=-4", ["dim must be a whole number, not '-4'"]),
        ("bge-m3:dim=0", ["'bge-m3:dim=0'", "dim must be at least 1"]),
        ("bge-m3:batch_size=0", ["batch_size must be at least 1"]),
        ("bge-m3:precision=float61", ["precision=float61 is not supported", "did you mean 'float16'?"]),
        ("bge-m3:backend=tensorflow", ["backend=tensorflow is not supported", "onnx, openvino, torch"]),
        ("e5-small-q4:backend=onnx", ["'e5-small-q4:backend=onnx'", "an engine of its own", "remove backend=onnx"]),
        ("use-multilingual:backend=openvino", ["use-multilingual comes with an engine of its own"]),
        ("bm25:backend=onnx", ["bm25", "takes no keys"]),
        ("bge-m3:backend=onnx:device=cuda", ["backend=onnx runs on one CPU", "remove device=cuda"]),
        ("bge-m3:device=gpu", ["device=gpu is not supported", "cuda"]),
        ("bm25+bm25", ["'bm25+bm25'", "a hybrid is an embedding model and bm25", "put the model before +bm25"]),
        ("bm25+bge-m3", ["unknown model 'bm25+bge-m3'"]),
        ("+bm25", ["'+bm25'", "names no source"]),
        ("bge-m3+bm2", ["unknown model 'bge-m3+bm2'"]),
        ("nothing+bm25", ["unknown model 'nothing'"]),
        ("bge-m3:alpha=0.5", ["'bge-m3:alpha=0.5'", "alpha is a key of hybrids (MODEL+bm25)"]),
        ("bm25:fusion=rrf", ["fusion is a key of hybrids"]),
        ("bge-m3:k1=1", ["k1 is a key of bm25 and of hybrids"]),
        ("bge-m3+bm25:alpha=2", ["'bge-m3+bm25:alpha=2'", "alpha must be a number from 0 to 1, not 2"]),
        ("bge-m3+bm25:fusion=sum", ["fusion=sum is unknown", "rrf, weighted"]),
        ("bge-m3+bm25:fusion=rrf:alpha=0.3", ["rrf fuses ranks and has no alpha"]),
        ("bge-m3+bm25:alpah=1", ["unknown key 'alpah'", "did you mean 'alpha'?"]),
        (
            "bm25:device=cpu",
            ["'bm25:device=cpu'", "bm25 takes no keys but k1, b, stemmer, stop_words, rerank and depth"],
        ),
        ("bm25:depth=5", ["depth says how many documents rerank puts in order; add rerank"]),
        ("bge-m3:rerank=bm25", ["rerank names an embedding model or a cross-encoder, not bm25"]),
        ("bm25:rerank=bge-m3+bm25", ["rerank names an embedding model or a cross-encoder, not bge-m3+bm25"]),
        ("bm25:rerank=bge-m", ["unknown model 'bge-m'", "did you mean 'bge-m3'?"]),
        ("bm25:rerank=", ["empty entry"]),
        ("bm25:rerank=minilm:rerank=mpnet", ["'rerank' is given twice"]),
    ],
)
def test_a_malformed_entry_is_refused_with_the_reason(here: Path, entry: str, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse_entry(entry)
    message = str(caught.value)
    assert [word for word in words if word not in message] == []
    assert "\n" not in message


@pytest.mark.parametrize("entry", ["prod=", ":dim=4", "prod=:dim=4"])
def test_an_entry_without_a_source_is_refused(here: Path, entry: str) -> None:
    with pytest.raises(UsageError):
        parse_entry(entry)


def test_a_folder_with_an_at_sign_has_no_revision(here: Path) -> None:
    (here / "runs@home").mkdir()
    assert parse_entry("p=./runs@home:dim=4") == ModelSpec("p", "./runs@home", dim=4)
    assert parse_entry("p=./runs@away") == ModelSpec("p", "./runs", revision="away")


def test_a_folder_with_an_at_sign_is_found_at_home(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    monkeypatch.setenv("USERPROFILE", str(here))
    (here / "bge@2").mkdir()
    assert parse_entry("p=~/bge@2") == ModelSpec("p", "~/bge@2")


def test_a_bare_name_is_a_folder_only_where_one_exists(here: Path) -> None:
    with pytest.raises(UsageError, match="unknown model 'checkpoint'"):
        parse_entry("checkpoint")
    (here / "checkpoint").mkdir()
    assert parse_entry("checkpoint") == ModelSpec("checkpoint", "checkpoint")


def test_a_name_of_the_catalogue_is_not_shadowed_by_a_folder(here: Path) -> None:
    (here / "bge-m3@main").mkdir()
    (here / "bge-m3").mkdir()
    assert parse_entry("bge-m3@5617a9f").revision == "5617a9f"


@pytest.mark.parametrize("entry", ["bm25@v1", "use-multilingual@v1", "bm25:dim=4"])
def test_a_key_that_cannot_apply_is_refused(here: Path, entry: str) -> None:
    with pytest.raises(UsageError):
        parse_entry(entry)


def test_a_table_describes_a_model(here: Path) -> None:
    tables = {
        "prod": ModelTable("BAAI/bge-m3@v1", query_prompt="", document_prompt="d: ", dim=8, device="cpu", batch_size=2)
    }
    assert parse_entry("prod", tables) == ModelSpec(
        "prod", "BAAI/bge-m3", "v1", dim=8, device="cpu", batch_size=2, query_prompt="", document_prompt="d: "
    )


def test_the_entry_overrides_its_table(here: Path) -> None:
    tables = {"prod": ModelTable("BAAI/bge-m3", revision="v1", dim=8, query_prompt="q: ")}
    assert parse_entry("new=prod@v2:dim=16", tables) == ModelSpec(
        "new", "BAAI/bge-m3", "v2", dim=16, query_prompt="q: "
    )


def test_the_revision_key_of_a_table_wins_over_the_one_in_its_source(here: Path) -> None:
    assert parse_entry("prod", {"prod": ModelTable("BAAI/bge-m3@v1", revision="v2")}).revision == "v2"


def test_a_table_may_build_on_another(here: Path) -> None:
    tables = {"base": ModelTable("BAAI/bge-m3", dim=8, query_prompt="q: "), "short": ModelTable("base", dim=4)}
    assert parse_entry("short", tables) == ModelSpec("short", "BAAI/bge-m3", dim=4, query_prompt="q: ")


def test_a_table_may_refine_the_catalogue_under_the_same_name(here: Path) -> None:
    assert parse_entry("bge-m3", {"bge-m3": ModelTable("bge-m3", dim=8)}) == ModelSpec("bge-m3", "bge-m3", dim=8)


def test_tables_that_name_each_other_are_refused(here: Path) -> None:
    with pytest.raises(UsageError, match="unknown model 'a'"):
        parse_entry("a", {"a": ModelTable("b"), "b": ModelTable("a")})


@pytest.mark.parametrize(
    "table",
    [
        ModelTable("bm25", precision="int4"),
        ModelTable("bm25", device="gpu"),
        ModelTable("bm25", dim=0),
        ModelTable("bge-m3", backend="onnx", devices=("cuda:0", "cuda:1")),
    ],
    ids=["precision", "device", "dim", "devices"],
)
def test_the_values_of_a_table_are_checked_as_those_of_an_entry(here: Path, table: ModelTable) -> None:
    with pytest.raises(UsageError, match="'prod'"):
        parse_entry("prod", {"prod": table})


def test_an_encoder_of_a_conftest_is_a_source(here: Path) -> None:
    assert parse_entry("mine", encoders=["mine"]) == ModelSpec("mine", "mine")
    assert parse_entry("m=mine:dim=4", encoders=["mine"]) == ModelSpec("m", "mine", dim=4)
    with pytest.raises(UsageError, match="did you mean 'mine'"):
        parse_entry("min", encoders=["mine"])


def test_a_matrix_keeps_its_order(here: Path) -> None:
    assert [spec.alias for spec in parse_matrix("minilm-en, bm25 ,old=BAAI/bge-m3")] == ["minilm-en", "bm25", "old"]
    assert parse_matrix(["minilm-en", "bm25"]) == parse_matrix("minilm-en,bm25")


def test_the_default_matrix_needs_no_network() -> None:
    assert {spec.source for spec in parse_matrix(DEFAULT_MATRIX)} <= {"bm25", *PACKAGED}


@pytest.mark.parametrize("entries", ["", "  ", ",", [], [""]])
def test_an_empty_matrix_is_refused(entries: str | list[str]) -> None:
    with pytest.raises(UsageError, match="the model matrix is empty"):
        parse_matrix(entries)


@pytest.mark.parametrize("entries", ["bm25,", ",bm25", "bm25,,minilm-en", ["bm25", ""]])
def test_an_empty_entry_of_a_matrix_is_refused(entries: str | list[str]) -> None:
    with pytest.raises(UsageError, match="empty entry"):
        parse_matrix(entries)


@pytest.mark.parametrize(
    ("entries", "alias"),
    [
        ("bm25,bm25", "bm25"),
        ("a=bm25,a=minilm-en", "a"),
        ("bge-m3,BAAI/bge-m3", "bge-m3"),
        ("./old/model,./new/model", "model"),
    ],
)
def test_two_models_of_one_name_are_refused(here: Path, entries: str, alias: str) -> None:
    with pytest.raises(UsageError, match=f"2 models are called '{alias}'; give each its own alias"):
        parse_matrix(entries)


MINILM = ModelSpec("minilm-en", "minilm-en")


@pytest.mark.parametrize(
    ("entry", "spec"),
    [
        ("bge-m3+bm25", ModelSpec("bge-m3+bm25", "bge-m3", is_hybrid=True)),
        ("BAAI/bge-m3@5617a9f+bm25", ModelSpec("bge-m3+bm25", "BAAI/bge-m3", "5617a9f", is_hybrid=True)),
        ("./checkpoints/ft+bm25", ModelSpec("ft+bm25", "./checkpoints/ft", is_hybrid=True)),
        ("h=./ft+bm25:dim=8", ModelSpec("h", "./ft", dim=8, is_hybrid=True)),
        (
            "bge-m3+bm25:alpha=0.3",
            ModelSpec("bge-m3+bm25-alpha0.3", "bge-m3", is_hybrid=True, search=Search(alpha=0.3)),
        ),
        ("h=bge-m3+bm25:fusion=rrf", ModelSpec("h", "bge-m3", is_hybrid=True, search=Search(fusion="rrf"))),
        (
            "h=bge-m3+bm25:k1=0.9:b=0.4:stemmer=none:stop_words=drop",
            ModelSpec("h", "bge-m3", is_hybrid=True, search=Search(k1=0.9, b=0.4, stemmer="none", stop_words="drop")),
        ),
        ("bm25:k1=0.9:b=0", ModelSpec("bm25-k10.9-b0", "bm25", search=Search(k1=0.9, b=0.0))),
        (
            "bm25:rerank=minilm-en",
            ModelSpec("bm25-rerankminilm-en", "bm25", search=Search(rerank="minilm-en"), second=MINILM),
        ),
        (
            "t=bge-m3@main+bm25:dim=8:rerank=minilm-en:depth=20:alpha=1",
            ModelSpec(
                "t",
                "bge-m3",
                "main",
                8,
                is_hybrid=True,
                search=Search(alpha=1.0, rerank="minilm-en", depth=20),
                second=MINILM,
            ),
        ),
    ],
)
def test_an_entry_says_how_it_searches(here: Path, entry: str, spec: ModelSpec) -> None:
    assert parse_entry(entry) == spec


@pytest.mark.parametrize(
    ("rerank", "alias", "second"),
    [
        (
            "BAAI/bge-reranker-v2-m3",
            "bm25-rerankbge-reranker-v2-m3",
            ModelSpec("bge-reranker-v2-m3", "BAAI/bge-reranker-v2-m3"),
        ),
        ("BAAI/bge-m3@5617a9f", "bm25-rerankbge-m3", ModelSpec("bge-m3", "BAAI/bge-m3", "5617a9f")),
        ("./checkpoints/ce/", "bm25-rerankce", ModelSpec("ce", "./checkpoints/ce/")),
        ("/models/ce", "bm25-rerankce", ModelSpec("ce", "/models/ce")),
    ],
)
def test_the_second_model_is_any_source_and_its_last_part_names_the_entry(
    here: Path, rerank: str, alias: str, second: ModelSpec
) -> None:
    spec = parse_entry(f"bm25:rerank={rerank}")
    assert (spec.alias, spec.second) == (alias, second)


def test_a_hybrid_of_a_table_keeps_what_the_table_says(here: Path) -> None:
    tables = {"prod": ModelTable("BAAI/bge-m3@v1", dim=8, query_prompt="q: ")}
    assert parse_entry("prod+bm25:alpha=0.7", tables) == ModelSpec(
        "prod+bm25-alpha0.7", "BAAI/bge-m3", "v1", 8, query_prompt="q: ", is_hybrid=True, search=Search(alpha=0.7)
    )


def test_a_table_may_be_a_hybrid_and_its_entry_overrides_its_keys(here: Path) -> None:
    tables = {"both": ModelTable("BAAI/bge-m3@v1+bm25", alpha=0.3, k1=1.2, stemmer="none")}
    expected = ModelSpec("both", "BAAI/bge-m3", "v1", is_hybrid=True, search=Search(alpha=0.3, k1=1.2, stemmer="none"))
    assert parse_entry("both", tables) == expected
    found = parse_entry("b=both:alpha=0.9:k1=2", tables)
    assert found.search == Search(alpha=0.9, k1=2.0, stemmer="none")
    assert found.is_hybrid


def test_a_table_may_have_a_second_stage(here: Path) -> None:
    tables = {
        "ce": ModelTable("./ce", batch_size=8),
        "two": ModelTable("bm25", rerank="ce", depth=30, stop_words="drop"),
    }
    spec = parse_entry("two", tables)
    assert spec.search == Search(rerank="ce", depth=30, stop_words="drop")
    assert spec.second == ModelSpec("ce", "./ce", batch_size=8)
    assert parse_entry("two:depth=10", tables).search.depth == 10


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (ModelTable("bge-m3", alpha=0.5), "alpha is a key of hybrids"),
        (ModelTable("bge-m3+bm25", alpha=1.5), "alpha must be a number from 0 to 1"),
        (ModelTable("bge-m3", stemmer="none"), "stemmer is a key of bm25"),
        (ModelTable("bm25", depth=3), "add rerank"),
        (ModelTable("bm25", rerank="nowhere"), "unknown model 'nowhere'"),
    ],
)
def test_the_keys_of_a_table_are_checked_too(here: Path, table: ModelTable, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        parse_entry("prod", {"prod": table})


@pytest.mark.parametrize(
    "tables",
    [
        {"a": ModelTable("minilm-en", rerank="a")},
        {"a": ModelTable("minilm-en", rerank="b"), "b": ModelTable("minilm-en", rerank="a")},
        {"a": ModelTable("bm25", rerank="b"), "b": ModelTable("minilm-en+bm25")},
    ],
    ids=["itself", "each other", "a hybrid"],
)
def test_what_a_second_stage_names_has_but_one_stage(here: Path, tables: dict[str, ModelTable]) -> None:
    with pytest.raises(UsageError, match="'a': rerank names an embedding model or a cross-encoder, not"):
        parse_entry("a", tables)


def test_a_definition_wins_over_the_form_of_a_hybrid(here: Path) -> None:
    assert not parse_entry("mine+bm25", {"mine+bm25": ModelTable("minilm-en")}).is_hybrid
    assert parse_entry("mine+bm25", encoders=["mine+bm25"]) == ModelSpec("mine+bm25", "mine+bm25")
    assert parse_entry("mine+bm25", encoders=["mine"]) == ModelSpec("mine+bm25", "mine", is_hybrid=True)


def test_an_encoder_of_a_conftest_may_be_the_second_stage(here: Path) -> None:
    assert parse_entry("bm25:rerank=mine", encoders=["mine"]).second == ModelSpec("mine", "mine")


def test_a_model_and_its_hybrid_stand_side_by_side(here: Path) -> None:
    specs = parse_matrix("minilm-en,minilm-en+bm25,bm25,bm25:rerank=minilm-en,minilm-en+bm25:fusion=rrf")
    assert [spec.alias for spec in specs] == [
        "minilm-en",
        "minilm-en+bm25",
        "bm25",
        "bm25-rerankminilm-en",
        "minilm-en+bm25-fusionrrf",
    ]
    assert [spec.has_vectors for spec in specs] == [True, False, False, False, False]
    with pytest.raises(UsageError, match=r"2 models are called 'minilm-en\+bm25'"):
        parse_matrix("minilm-en+bm25,minilm-en+bm25")


def test_only_bm25_is_lexical(here: Path) -> None:
    assert [spec.is_lexical for spec in parse_matrix("words=bm25,minilm-en,bm25=./bm25")] == [True, False, False]


def test_truncation_keeps_what_was_asked_for() -> None:
    assert ModelSpec("m", "m").dimension_of(384) == 384
    assert ModelSpec("m", "m", dim=384).dimension_of(384) == 384
    assert ModelSpec("m", "m", dim=128).dimension_of(384) == 128


def test_truncation_to_more_than_there_is_names_both_lengths() -> None:
    with pytest.raises(ModelLoadError, match=r"'m': dim=385, but its vectors have 384 numbers"):
        ModelSpec("m", "m", dim=385).dimension_of(384)


@pytest.mark.parametrize("number", [-1.0, float("nan"), float("inf")])
def test_a_number_of_gpus_that_is_none_is_refused(number: float) -> None:
    with pytest.raises(UsageError, match=r"num_gpus must be a number of GPUs, such as 1 or 0\.5, not"):
        parse_entry("large", {"large": ModelTable("minilm-en", num_gpus=number)})


def test_the_memory_of_a_table_is_that_of_the_entry() -> None:
    assert parse_entry("large", {"large": ModelTable("minilm-en", memory=6 * 2**30)}).memory == 6 * 2**30
    assert parse_entry("minilm-en").memory is None
