"""Batches by tokens: what they cost, and what happens when one does not fit into memory."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval.errors import VectorError
from pytest_embedeval.models.batches import Budget, batches_at_once, encode_in_batches, is_out_of_memory, token_batches

SHORT = "kedi"


def tokens_of(text: str) -> int:
    return len(text.split())


def counted(texts: list[str]) -> NDArray[np.int64]:
    return np.array([tokens_of(text) for text in texts], dtype=np.int64)


def words(*lengths: int) -> list[str]:
    """Distinct texts of so many words."""
    return [" ".join([f"metin{place}", *["kedi"] * (length - 1)]) for place, length in enumerate(lengths)]


@dataclass
class Machine:
    """Encodes a text as its number of tokens and of characters, if a batch has no more than `room` tokens."""

    room: int = 10**9
    error: Exception = field(default_factory=lambda: RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    tried: list[list[str]] = field(default_factory=list)
    done: list[list[str]] = field(default_factory=list)

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        self.tried.append(texts)
        if len(texts) * max(map(tokens_of, texts)) > self.room:
            raise type(self.error)(*self.error.args)  # a new one, without the frames of the last
        self.done.append(texts)
        return np.array([[tokens_of(text), len(text)] for text in texts], dtype=np.float32)

    def encode_all(self, texts: list[str], budget: Budget) -> NDArray[np.float32]:
        vectors = encode_in_batches(texts, counted(texts), budget, self.encode, model="küçük")
        np.testing.assert_array_equal(vectors, [[tokens_of(text), len(text)] for text in texts])
        return vectors


@pytest.mark.parametrize("seed", range(20))
def test_every_text_is_in_one_batch_and_no_batch_costs_more_than_the_budget(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 300, rng.integers(1, 200))
    budget, most = int(rng.integers(1, 2000)), int(rng.integers(1, 40))
    batches = token_batches(lengths, budget, most)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch, following in zip(batches, [*batches[1:], None], strict=True):
        longest = int(lengths[batch].max())
        assert len(batch) == 1 or len(batch) * longest <= budget
        assert len(batch) <= most
        if following is not None:
            assert lengths[batch].min() >= lengths[following].max(), "the longest come first"
            assert len(batch) == most or (len(batch) + 1) * longest > budget, "a batch is as full as it may be"


def test_texts_of_one_length_keep_their_order() -> None:
    assert [batch.tolist() for batch in token_batches(np.array([2, 5, 2, 2, 5]), 10, 10)] == [[1, 4], [0, 2, 3]]


def test_no_texts_make_no_batches() -> None:
    assert token_batches(np.array([], dtype=np.int64), 10, 10) == []
    assert encode_in_batches([], counted([]), Budget(10, 10), Machine().encode).shape == (0, 0)


def test_vectors_stand_in_the_order_of_the_texts() -> None:
    machine = Machine()
    machine.encode_all(words(1, 7, 3, 3, 9, 1, 2), Budget(9, 10))
    assert [len(batch) for batch in machine.done] == [1, 1, 3, 2]


def test_without_lengths_the_budget_counts_texts() -> None:
    machine = Machine()
    texts = words(1, 7, 3, 3, 9)
    encode_in_batches(texts, None, Budget(2, 10), machine.encode)
    assert machine.done == [texts[:2], texts[2:4], texts[4:]], "in the order in which they came"


def test_when_memory_runs_out_the_rest_goes_on_in_halves_and_nothing_is_encoded_twice() -> None:
    machine = Machine(room=20)
    texts = words(*[5] * 8, *[2] * 30, 20)
    machine.encode_all(texts, Budget(64, 100))
    assert sorted(text for batch in machine.done for text in batch) == sorted(texts)
    refused = [len(batch) * max(map(tokens_of, batch)) for batch in machine.tried if batch not in machine.done]
    assert refused == [60, 30], "20 and two of 5, each padded to 20; then half of that"


def test_what_was_encoded_before_memory_ran_out_is_kept() -> None:
    machine = Machine()
    texts = words(*[8] * 4, *[2] * 8)

    def encode(batch: list[str]) -> NDArray[np.float32]:
        machine.room = 12 if len(machine.done) == 1 else 16  # another program takes memory in between
        return machine.encode(batch)

    encode_in_batches(texts, counted(texts), Budget(16, 100), encode)
    assert [len(batch) for batch in machine.tried] == [2, 2, 1, 1, 4, 4]
    assert sorted(text for batch in machine.done for text in batch) == sorted(texts)


def test_the_smaller_budget_stays_for_later_texts() -> None:
    machine, budget = Machine(room=20), Budget(64, 100)
    machine.encode_all(words(*[4] * 16), budget)
    assert budget == Budget(16, 100)
    machine.tried.clear()
    machine.encode_all(words(*[4] * 16), budget)
    assert [len(batch) for batch in machine.tried] == [4, 4, 4, 4]


def test_half_of_what_did_not_fit_is_tried_however_large_the_budget_was() -> None:
    budget = Budget(10_000, 8)
    machine = Machine(room=12)
    machine.encode_all(words(*[2] * 8), budget)
    assert [len(batch) for batch in machine.tried] == [8, 4, 4]


@pytest.mark.parametrize(
    ("lengths", "size"), [(True, " of 300 tokens"), (False, "")], ids=["tokens counted", "tokens not counted"]
)
def test_a_text_that_does_not_fit_alone_is_named(lengths: bool, size: str) -> None:
    texts = words(3, 300, 200)
    message = (
        f"^model 'küçük' runs out of memory on a single text{size}, 'metin1 kedi [^']{{67}}…'; "
        "shorten it, or use a device with more memory$"
    )
    with pytest.raises(VectorError, match=message) as caught:
        encode_in_batches(
            texts, counted(texts) if lengths else None, Budget(500, 9), Machine(room=250).encode, model="küçük"
        )
    assert len(str(caught.value)) < 250


def test_other_errors_of_the_model_are_not_held_for_a_lack_of_memory() -> None:
    machine = Machine(room=3, error=RuntimeError("The size of tensor a (513) must match the size of tensor b (512)"))
    with pytest.raises(RuntimeError, match="size of tensor a"):
        machine.encode_all(words(2, 2), Budget(4, 4))
    assert len(machine.tried) == 1


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 15.77 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 17.66 GB, max allowed: 18.13 GB)"),
        RuntimeError("Invalid buffer size: 24.00 GB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
            "you tried to allocate 4398046511104 bytes. Error code 12 (Cannot allocate memory)"
        ),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4398046511104 bytes."),
        Exception("BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 34359738368"),
        MemoryError("Unable to allocate 2.84 TiB for an array"),
    ],
    ids=["cuda", "mps", "mps-buffer", "cublas", "linux", "windows", "onnx", "numpy"],
)
def test_a_lack_of_memory_has_many_names(error: Exception) -> None:
    assert is_out_of_memory(error)
    machine = Machine(room=4, error=error)
    machine.encode_all(words(2, 2, 2, 2), Budget(8, 4))
    assert [len(batch) for batch in machine.tried] == [4, 2, 2]


def test_the_memory_is_given_back_after_the_arrays_of_the_failed_batch_are_gone() -> None:
    class Activations:
        """What a layer holds while it computes."""

    machine = Machine(room=4)
    held: list[weakref.ref[Activations]] = []
    alive_when_freed: list[bool] = []

    def encode(texts: list[str]) -> NDArray[np.float32]:
        activations = Activations()
        held.append(weakref.ref(activations))
        return machine.encode(texts)

    texts = words(*[2] * 8)
    encode_in_batches(
        texts, counted(texts), Budget(16, 8), encode, free=lambda: alive_when_freed.append(held[-1]() is not None)
    )
    assert alive_when_freed == [False, False]


def test_several_devices_are_handed_several_batches_each_at_once() -> None:
    one, four = Budget.on(["cuda:0"]), Budget.on([f"cuda:{i}" for i in range(4)])
    share = batches_at_once(4)
    assert batches_at_once(1) == 1
    assert share >= 8
    assert (four.tokens / share, four.texts / share) == (one.tokens, one.texts)


@pytest.mark.parametrize("device", ["cpu", "cuda:0", "mps", "xpu"])
def test_a_batch_holds_a_long_text_and_many_short_ones_on_every_device(device: str) -> None:
    budget = Budget.on([device])
    assert budget.tokens >= 512
    assert budget.texts >= 32
    assert Budget.on([device], texts=5).texts == 5
    assert Budget.on([device], static=True).tokens == Budget.on([device], static=True).texts


def test_threads_of_a_cpu_share_a_batch_that_stays_of_bounded_size() -> None:
    one, two, many = (Budget.on(["cpu"], threads=threads).tokens for threads in (1, 2, 1000))
    assert two == 2 * one
    assert many <= 32 * 512
    assert Budget.on(["cuda"], threads=2) == Budget.on(["cuda"], threads=8)


def test_vectors_of_half_precision_become_float32() -> None:
    vectors = encode_in_batches([SHORT], counted([SHORT]), Budget(8, 8), lambda texts: np.ones((1, 3), np.float16))
    assert vectors.dtype == np.float32
