"""Real processes on one store: killed in the middle, and four at once."""

from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
import os
import signal
import time
from collections import Counter
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.models import Model
from pytest_embedeval.vectors import Encoded, Store, encode
from tests.vectors.test_store import Letters, integrity, kept_model

CONTEXT = multiprocessing.get_context("spawn")
TEXTS = [f"{number} {'kedi' * (number % 5)}" for number in range(2000)]
PAUSE_S = 0.001  # per text
CHUNK_S = 0.05
PATIENCE_S = 60.0


def hashed(texts: list[str]) -> NDArray[np.float32]:
    """Encode at next to no cost."""
    content = b"".join(hashlib.blake2b(text.encode()).digest() for text in texts)
    return np.frombuffer(content, dtype=np.int8).reshape(len(texts), -1).astype(np.float32)


class Hashed(Letters):
    """Gives each text a vector of its own, fast."""

    def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
        self.asked.append(texts)
        return hashed(texts)

    encode_documents = encode_queries


class Slow(Hashed):
    """Takes its time, and notes each call in a file before it begins."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log

    def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(texts) + "\n")
        time.sleep(PAUSE_S * len(texts))
        return super().encode_queries(texts)

    encode_documents = encode_queries


def calls(log: Path) -> list[list[str]]:
    """Return the texts of each call that a process began."""
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []


def work(folder: Path, name: str, texts: list[str], together: Barrier | None = None) -> None:
    """Encode texts, as one process of several, and leave the vectors and a log."""
    vars(importlib.import_module("pytest_embedeval.vectors.encode"))["_CHUNK_S"] = CHUNK_S
    store = Store(folder / "cache")
    encoded = Encoded(model(Slow(folder / f"{name}.log")), store=store)
    if together is not None:
        together.wait(PATIENCE_S)
    np.save(folder / f"{name}.npy", encoded.vectors(texts, "document"))
    store.close()


def model(encoder: Hashed) -> Model:
    return kept_model(encoder, fingerprint="sha256:hashed", dimension=64)


def finish(folder: Path, texts: list[str]) -> tuple[list[str], list[str]]:
    """Encode texts in this process; return which were left to encode, and what was told."""
    problems: list[str] = []
    store = Store(folder, problems.append)
    vectors = Encoded(model(encoder := Hashed()), store=store).vectors(texts, "document")
    np.testing.assert_array_equal(vectors, expected(texts))
    store.close()
    return encoder.texts, problems


def expected(texts: list[str]) -> NDArray[np.float32]:
    return encode(model(Hashed()), texts, "document")


def started(target: object, *arguments: object) -> BaseProcess:
    process = CONTEXT.Process(target=target, args=arguments)  # type: ignore[arg-type]
    process.start()
    return process


def kill_after(process: BaseProcess, log: Path, begun: int) -> None:
    """Kill a process once it has begun so many calls."""
    deadline = time.monotonic() + PATIENCE_S
    while len(calls(log)) < begun:
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    process.close()


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    texts = TEXTS[:600]
    finished: list[str] = []
    for name, begun in (("first", 4), ("second", 3)):
        process = started(work, tmp_path, name, texts)
        kill_after(process, tmp_path / f"{name}.log", begun)
        *done, in_flight = calls(tmp_path / f"{name}.log")
        finished += [text for call in done for text in call]
        assert in_flight
    left, problems = finish(tmp_path / "cache", texts)
    assert len(finished) >= 5 * 16
    assert sorted([*finished, *left]) == sorted(texts), "all once, but for the texts in flight"
    assert problems == []
    assert integrity(tmp_path / "cache") == "ok"
    assert finish(tmp_path / "cache", texts) == ([], [])


def die_before_the_keys(folder: Path, texts: list[str]) -> None:
    """Be killed when the rows of the second batch are written and nobody knows of them yet."""
    store = Store(folder)
    encoded = Encoded(model(Hashed()), store=store)
    encoded.vectors(texts[:100], "document")
    (shelf,) = store._shelves.values()
    assert shelf._writer is not None
    shelf._writer.append(np.ones((50, 64), dtype=np.float32))
    os.kill(os.getpid(), signal.SIGKILL)


def die_before_the_commit(folder: Path, texts: list[str]) -> None:
    """Be killed when half of a transaction stands in the file of the keys, and its journal beside it."""
    store = Store(folder)
    Encoded(model(Hashed()), store=store).vectors(texts[:100], "document")
    store.database.execute("PRAGMA cache_size = 1")
    with store.transaction() as database:
        database.execute("UPDATE batches SET texts = zeroblob(length(texts)), checks = zeroblob(length(checks))")
        database.executemany(
            "INSERT INTO claims VALUES (1, ?)", [(bytes([i % 256, i // 256]) * 99,) for i in range(999)]
        )
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("death", [die_before_the_keys, die_before_the_commit])
def test_a_run_that_is_killed_while_it_writes_leaves_nothing_half_done(tmp_path: Path, death: object) -> None:
    process = started(death, tmp_path, TEXTS[:300])
    process.join(PATIENCE_S)
    assert process.exitcode == -signal.SIGKILL
    assert (tmp_path / "vectors" / "keys.sqlite3-journal").exists() == (death is die_before_the_commit)
    left, problems = finish(tmp_path, TEXTS[:300])
    assert sorted(left) == sorted(TEXTS[100:300])
    assert problems == []
    assert integrity(tmp_path) == "ok"


@pytest.mark.parametrize("step", [0, 250], ids=["the same texts", "lists that overlap"])
def test_four_processes_share_the_work(tmp_path: Path, step: int) -> None:
    lists = {str(number): TEXTS[number * step :][: len(TEXTS) - 3 * step] for number in range(4)}
    together = CONTEXT.Barrier(4)
    processes = [started(work, tmp_path, name, texts, together) for name, texts in lists.items()]
    for process in processes:
        process.join(PATIENCE_S)
        assert process.exitcode == 0
    asked = [calls(tmp_path / f"{name}.log") for name in lists]
    times = Counter(text for each in asked for call in each for text in call)
    assert set(times) == set(TEXTS), "no text is lost"
    # Whoever finds all that is left in other hands takes it on, since they may be dead: one chunk for each process.
    assert times.total() - len(TEXTS) <= sum(max(map(len, each)) for each in asked)
    for name, texts in lists.items():
        np.testing.assert_array_equal(np.load(tmp_path / f"{name}.npy"), expected(texts))
    assert integrity(tmp_path / "cache") == "ok"
    assert finish(tmp_path / "cache", TEXTS) == ([], [])
