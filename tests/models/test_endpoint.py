from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.errors import UsageError
from pytest_embedeval.models import ModelSpec, parse_entry, parse_matrix
from pytest_embedeval.models.endpoint import Endpoint, is_api
from pytest_embedeval.settings import ModelTable, load_settings

SMALL = "api:openai/text-embedding-3-small"


def from_table(source: str = SMALL, **keys: Any) -> ModelSpec:
    return parse_entry("prod", {"prod": ModelTable(source, **keys)})


@pytest.mark.parametrize(
    ("entry", "alias", "source", "revision"),
    [
        (SMALL, "text-embedding-3-small", SMALL, None),
        (f"prod={SMALL}", "prod", SMALL, None),
        (f"prod={SMALL}@2024-05", "prod", SMALL, "2024-05"),
        (f"prod={SMALL}:dim=256:batch_size=8", "prod", SMALL, None),
        ("n=api:ollama/nomic-embed-text:v1.5", "n", "api:ollama/nomic-embed-text:v1.5", None),
        ("api:cloudflare/@cf/baai/bge-m3", "bge-m3", "api:cloudflare/@cf/baai/bge-m3", None),
        ("b=api:bedrock/amazon.titan-embed-text-v2:0@a", "b", "api:bedrock/amazon.titan-embed-text-v2:0", "a"),
    ],
)
def test_an_entry_names_provider_and_model(entry: str, alias: str, source: str, revision: str | None) -> None:
    spec = parse_entry(entry)
    assert (spec.alias, spec.source, spec.revision, spec.endpoint) == (alias, source, revision, None)


@pytest.mark.parametrize(
    ("source", "expected"), [(SMALL, True), ("openai-small", True), ("bge-m3", False), ("x", False)]
)
def test_what_is_behind_an_api(source: str, expected: bool) -> None:
    assert is_api(source) is expected


def test_a_hybrid_takes_a_model_behind_an_api() -> None:
    spec = parse_entry(f"prod={SMALL}+bm25")
    assert (spec.source, spec.is_hybrid) == (SMALL, True)


def test_the_keys_of_a_table_say_how_the_provider_is_asked(tmp_path: Path) -> None:
    (tmp_path / "embedeval.toml").write_text(
        '[models.prod]\nsource = "openai-small"\napi_base = "http://localhost:8000/v1"\napi_key_env = "TEAM_KEY"\n'
        "timeout = 5\nretries = 0\nconcurrency = 2\nmax_tokens = 512\nprice = 0.5\n"
        'query_input_type = "query"\ndocument_input_type = "passage"\n'
        '[models.next]\nsource = "prod"\nrevision = "b"\nretries = 7\n',
        encoding="utf-8",
    )
    prod, following = parse_matrix(["prod", "next"], load_settings(tmp_path).model_tables)
    assert prod.endpoint == Endpoint("http://localhost:8000/v1", "TEAM_KEY", 5, 0, 2, 512, 0.5, "query", "passage")
    assert following.endpoint == Endpoint("http://localhost:8000/v1", "TEAM_KEY", 5, 7, 2, 512, 0.5, "query", "passage")
    assert (following.source, following.revision) == ("openai-small", "b")


def test_what_a_table_leaves_out_is_as_documented() -> None:
    endpoint = from_table(price=1.0).endpoint
    assert endpoint is not None
    assert (endpoint.timeout, endpoint.retries, endpoint.concurrency) == (60, 5, 4)


@pytest.mark.parametrize("entry", ["api:", "api:openai", "api:openai/", "api:/x", "api:open ai/x"])
def test_a_source_without_provider_or_model_is_refused(entry: str) -> None:
    with pytest.raises(UsageError, match="write api:PROVIDER/MODEL as LiteLLM names them"):
        parse_entry(f"prod={entry}")


@pytest.mark.parametrize("option", ["backend=onnx", "device=cuda"])
def test_what_happens_elsewhere_has_no_backend_and_no_device(option: str) -> None:
    with pytest.raises(UsageError, match="is computed by its provider; remove backend, device and devices"):
        parse_entry(f"{SMALL}:{option}")


def test_its_keys_do_not_apply_to_a_model_that_is_computed_here() -> None:
    with pytest.raises(UsageError, match=r"retries, .* are keys of models behind an API"):
        from_table("bge-m3", retries=2)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"api_base": "localhost:8000"}, "api_base must be a URL that begins with http:// or https://"),
        ({"timeout": 0.0}, "timeout must be a number of seconds above 0, not 0"),
        ({"timeout": float("inf")}, "timeout must be a number of seconds above 0, not inf"),
        ({"retries": -1}, "retries must be at least 0, not -1"),
        ({"concurrency": 0}, "concurrency must be at least 1, not 0"),
        ({"max_tokens": 0}, "max_tokens must be at least 1, not 0"),
        ({"price": -0.1}, "price must be at least 0, not -0.1"),
        ({"price": float("nan")}, "price must be at least 0, not nan"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(keys: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        from_table(**keys)


@pytest.mark.parametrize("key", ["sk-proj-4711abc", "Abc4711Def", "${OPENAI_API_KEY}"])
def test_a_key_in_place_of_the_name_of_its_variable_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(UsageError, match="api_key_env takes the name of an environment variable") as caught:
        from_table(api_key_env=key)
    assert key not in str(caught.value)
