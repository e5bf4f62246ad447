"""A model that needs a prompt and gets none is a finding, however the need is known."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from pytest_embedeval.findings import Finding
from pytest_embedeval.models import Prompts
from pytest_embedeval.models.catalogue import catalogue
from pytest_embedeval.models.prompts import own_prompts, prompt_findings

NONE = Prompts()
E5 = Prompts("query: ", "passage: ")


def messages(findings: tuple[Finding, ...]) -> list[str]:
    assert {finding.kind for finding in findings} <= {"missing-prompt"}
    return [finding.message for finding in findings]


def roles(findings: tuple[Finding, ...]) -> list[str]:
    return [message.split(" puts no prompt before ")[1].split(",")[0] for message in messages(findings)]


def checkpoint(folder: Path, **files: str) -> Path:
    """Lay out a folder with these files; `config` becomes config.json, `README` README.md."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.{'md' if name == 'README' else 'json'}").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("source", ["e5-small", "intfloat/multilingual-e5-small"])
def test_a_model_of_the_catalogue_without_its_prompts_is_told_by_role(source: str) -> None:
    assert messages(prompt_findings(source, None, NONE, {}, alias="prod")) == [
        "model 'prod' puts no prompt before queries, but the catalogue has for e5-small \"query: \"; "
        'set query_prompt = "query: " under [tool.embedeval.models.prod]',
        "model 'prod' puts no prompt before documents, but the catalogue has for e5-small \"passage: \"; "
        'set document_prompt = "passage: " under [tool.embedeval.models.prod]',
    ]


def test_every_model_of_the_catalogue_is_content_with_its_own_prompts() -> None:
    for alias, entry in catalogue().items():
        prompts = Prompts(entry.query_prompt, entry.document_prompt)
        assert prompt_findings(alias, None, prompts, {}) == ()
        expected = [role for role, text in (("queries", prompts.query), ("documents", prompts.document)) if text]
        assert roles(prompt_findings(entry.source, None, NONE, {})) == expected


def test_only_the_role_without_a_prompt_is_told() -> None:
    assert roles(prompt_findings("e5-small", None, Prompts("query: ", ""), {})) == ["documents"]
    assert prompt_findings("arctic-l", None, Prompts("query: ", ""), {}) == ()


def test_another_prompt_than_the_known_one_was_chosen_by_somebody() -> None:
    assert prompt_findings("e5-small", None, Prompts("soru: ", "metin: "), {}) == ()


@pytest.mark.parametrize("key", ["document", "passage"])
def test_a_prompt_of_the_models_own_configuration_that_was_overridden_with_nothing(key: str, tmp_path: Path) -> None:
    own = {"query": "soru: ", key: "metin: ", "classification": "sınıf: "}
    assert own_prompts(own) == Prompts("soru: ", "metin: ")
    found = prompt_findings("./mine", tmp_path, NONE, own)
    assert messages(found) == [
        "model 'mine' puts no prompt before queries, but its own configuration has \"soru: \"; "
        'set query_prompt = "soru: " under [tool.embedeval.models.mine]',
        "model 'mine' puts no prompt before documents, but its own configuration has \"metin: \"; "
        'set document_prompt = "metin: " under [tool.embedeval.models.mine]',
    ]
    assert prompt_findings("./mine", tmp_path, own_prompts(own), own) == ()


def test_prompts_that_sentence_transformers_leaves_empty_are_none() -> None:
    assert own_prompts({"query": "", "document": None}) == NONE
    assert prompt_findings("acme/model", None, NONE, {"query": "", "document": ""}) == ()


@pytest.mark.parametrize(
    ("place", "files", "name"),
    [
        ("its name", {}, "multilingual-e5-small-ft"),
        ("its name", {"config": "{}", "README": "# A model\n"}, "tr_Multilingual_E5_Small"),
        ("_name_or_path in its config.json", {"config": '{"_name_or_path": "/data/multilingual-e5-small/"}'}, "run-3"),
        (
            "base_model in its README.md",
            {"README": "---\nlanguage: tr\nbase_model: intfloat/multilingual-e5-small\ntags:\n- x\n---\n# Model\n"},
            "run-3",
        ),
        (
            "base_model in its README.md",
            {"README": '---\r\nbase_model:\r\n  - "acme/other"\r\n  - intfloat/multilingual-e5-small\r\n---\r\n'},
            "run-3",
        ),
        ("base_model in its README.md", {"README": "---\nbase_model: [intfloat/multilingual-e5-small]\n---"}, "run-3"),
    ],
    ids=["name", "name with underscores", "config", "card", "card with a list", "card with a flow list"],
)
def test_a_model_made_from_one_of_the_catalogue_needs_its_prompts(
    place: str, files: dict[str, str], name: str, tmp_path: Path
) -> None:
    folder = checkpoint(tmp_path / name, **files)
    found = prompt_findings(str(folder), folder, NONE, {}, alias="next")
    assert messages(found)[0] == (
        "model 'next' puts no prompt before queries, but it was made from intfloat/multilingual-e5-small "
        f'(by {place}), which has "query: "; set query_prompt = "query: " under [tool.embedeval.models.next]'
    )
    assert roles(found) == ["queries", "documents"]
    assert prompt_findings(str(folder), folder, E5, {}) == ()


def test_a_hub_id_is_known_by_its_name_without_any_file() -> None:
    assert roles(prompt_findings("acme/multilingual-e5-base-tr", None, NONE, {})) == ["queries", "documents"]
    assert prompt_findings("multilingual-e5-base/other", None, NONE, {}) == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("multilingual-e5-large-instruct-ft", ["queries"]),
        ("multilingual-e5-large-ft", ["queries", "documents"]),
        ("bge-m3-ft", []),
        ("all-minilm-l6-v2-tr", []),
        ("multilingual-e5-smaller", []),
        ("smultilingual-e5-small", []),
    ],
)
def test_the_longest_name_that_occurs_as_a_whole_counts(name: str, expected: list[str]) -> None:
    assert roles(prompt_findings(f"acme/{name}", None, NONE, {})) == expected


def test_what_the_card_says_comes_before_a_name(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "multilingual-e5-small-or-m3", README="---\nbase_model: BAAI/bge-m3\n---\n")
    assert prompt_findings(str(folder), folder, NONE, {}) == ()


def test_whoever_configured_one_prompt_has_thought_of_the_other() -> None:
    assert prompt_findings("acme/multilingual-e5-small-ft", None, Prompts("q: ", ""), {"query": "q: "}) == ()


@pytest.mark.parametrize(
    "files",
    [
        {"config": '{"model_type": "model2vec"}'},
        {"modules": '[{"type": "sentence_transformers.models.StaticEmbedding"}]'},
    ],
    ids=["model2vec", "sentence-transformers"],
)
def test_a_static_model_takes_no_prompt_whatever_it_was_distilled_from(files: dict[str, str], tmp_path: Path) -> None:
    card = "---\nbase_model: BAAI/bge-small-en-v1.5\n---\n"
    folder = checkpoint(tmp_path / "static", README=card, **files)
    assert prompt_findings(str(folder), folder, NONE, {}) == ()
    transformer = checkpoint(tmp_path / "transformer", README=card)
    assert roles(prompt_findings(str(transformer), transformer, NONE, {})) == ["queries"]


@pytest.mark.parametrize(
    "config", ["{", "[1]", "null", '{"_name_or_path": 7}', "[" * 100_000], ids=["cut", "list", "null", "number", "deep"]
)
@pytest.mark.parametrize(
    "readme",
    ["", "---\nbase_model: multilingual-e5-small\n", "no front matter\n---\nbase_model: multilingual-e5-small\n---\n"],
    ids=["empty", "unclosed", "later"],
)
def test_malformed_files_tell_nothing(config: str, readme: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "run-3", config=config, modules=config, README=readme)
    assert prompt_findings(str(folder), folder, NONE, {}) == ()


def test_files_that_are_no_text_tell_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"\xff\xfe{}")
    (tmp_path / "README.md").write_bytes(b"---\nlicense: \xff\xfe\n---\n")
    (tmp_path / "modules.json").mkdir()
    assert prompt_findings("./run-3", tmp_path, NONE, {}) == ()
    (tmp_path / "README.md").write_bytes(b"---\nlicense: \xff\nbase_model: multilingual-e5-small\n---\n")
    assert roles(prompt_findings("./run-3", tmp_path, NONE, {})) == ["queries", "documents"]


@pytest.mark.parametrize("alias", ["prod", "e5-small.v2", "next+1"])
@pytest.mark.parametrize("source", ["qwen3-0.6b", "embeddinggemma"])
def test_the_lines_to_set_are_toml(alias: str, source: str) -> None:
    """Qwen's prompt has a line end, and an alias may have dots, which TOML wants quoted."""
    (message, *_) = messages(prompt_findings(source, None, NONE, {}, alias=alias))
    line, table = message.split("; set ")[1].split(" under ")
    written = tomllib.loads(f"{table}\n{line}\n")["tool"]["embedeval"]["models"]
    assert written == {alias: {"query_prompt": catalogue()[source].query_prompt}}
