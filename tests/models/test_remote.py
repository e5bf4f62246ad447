"""Mechanics that no server is needed for: how texts are divided, and when asking ends."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from pytest_embedeval.errors import RequestError
from pytest_embedeval.models import Prompts, remote
from pytest_embedeval.models.info import Role
from pytest_embedeval.models.remote import Answer, Limits, RemoteEncoder, Usage, finished_by


class Asked:
    """Answers with the length of each text, and fails for requests that hold a given one."""

    def __init__(self, fails: str = "", error: RequestError | None = None) -> None:
        self.requests: list[list[str]] = []
        self.fails = fails
        self.error = error
        self.lock = threading.Lock()

    def __call__(self, texts: list[str], role: Role) -> Answer:
        with self.lock:
            self.requests.append(texts)
        if self.fails in texts and self.error is not None:
            raise self.error
        return Answer(np.array([[len(text), 1] for text in texts], dtype=np.float32), 10)

    def encoder(self, texts: int = 2, tokens: int = 100, retries: int = 3, concurrency: int = 1) -> RemoteEncoder:
        return RemoteEncoder(
            self,
            Prompts("q: ", ""),
            Limits(texts, tokens),
            lambda texts: list(map(len, texts)),
            retries=retries,
            concurrency=concurrency,
            usage=Usage(),
        )


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.001)


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([10, 10, 10], [2, 1]),
        ([60, 50, 40], [1, 2]),
        ([500, 1, 1], [1, 2]),
        ([1, 500, 1], [1, 1, 1]),
    ],
)
def test_a_request_holds_neither_too_many_texts_nor_too_many_tokens(lengths: list[int], expected: list[int]) -> None:
    asked = Asked()
    texts = ["a" * length for length in lengths]
    found = asked.encoder().encode_documents(texts)
    assert [len(request) for request in asked.requests] == expected
    assert found[:, 0].tolist() == lengths


def test_tokens_of_prompts_count() -> None:
    asked = Asked()
    asked.encoder(tokens=10).encode_queries(["aaaa", "aaaa"])
    assert asked.requests == [["q: aaaa"], ["q: aaaa"]]


def test_after_a_failure_nothing_more_is_asked_and_the_error_brings_what_was_done() -> None:
    asked = Asked("e", RequestError("no"))
    texts = list("abcdefghijkl")
    with pytest.raises(RequestError, match=r"^no$") as caught:
        asked.encoder().encode_documents(texts)
    finished = finished_by(caught.value)
    assert finished is not None
    assert finished.rows.tolist() == [0, 1, 2, 3]
    assert finished.vectors.shape == (4, 2)
    assert len(asked.requests) == 3


def test_the_first_failure_is_told_and_not_those_it_brings_about() -> None:
    for _ in range(20):
        asked = Asked("a", RequestError("the cause"))
        with pytest.raises(RequestError, match=r"^the cause$"):
            asked.encoder(texts=1, concurrency=4).encode_documents(list("abcdefgh"))


@pytest.mark.parametrize(
    ("wait", "tries"), [(None, 3), (0.0, 6), (121.0, 1)], ids=["a stranger", "who asks to wait", "for too long"]
)
def test_how_often_a_server_is_asked_that_has_never_answered(wait: float | None, tries: int) -> None:
    asked = Asked("a", RequestError("busy", may_pass=True, wait=wait))
    with pytest.raises(RequestError, match="busy"):
        asked.encoder(retries=5).encode_documents(["a"])
    assert len(asked.requests) == tries


def test_back_off_doubles_has_a_random_part_and_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_FIRST_WAIT_S", 0.5)

    class State:
        outcome = None
        attempt_number = 1

    state = State()
    waits = {}
    for state.attempt_number in (1, 2, 3, 4, 20):
        found = [remote._pause(state) for _ in range(50)]  # type: ignore[arg-type]
        waits[state.attempt_number] = min(found), max(found)
        assert len(set(found)) > 40
    for attempt, least in ((1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (20, 30.0)):
        assert least <= waits[attempt][0] <= waits[attempt][1] <= least + 0.5


def test_counts_are_taken_once() -> None:
    usage = Usage(price=2.0)
    usage.asked()
    usage.answered(3, 500_000)
    taken = usage.take()
    assert (taken.requests, taken.texts, taken.tokens, taken.cost_usd) == (1, 3, 500_000, 1.0)
    assert usage.take() == Usage(price=2.0)
