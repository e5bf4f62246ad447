"""Batches by tokens: little padding, a size that suits the device, and a smaller one where memory runs out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_embedeval.errors import VectorError

_SHOWN = 80
# CUDA, ROCm and MPS; the allocator of a CPU on Linux and on Windows; cuBLAS; MPS on a buffer beyond its limit; ONNX
# Runtime; C++.
_OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "cublas_status_alloc_failed",
    "invalid buffer size",
    "failed to allocate memory",
    "bad_alloc",
)
# Tokens and texts of a batch. On a CPU small batches win: what the layers hand on stays in the cache of each core
# (benchmarks/encoding_beside_sentence_transformers.py). A GPU wants long matrix products; 32 × 512 tokens are what
# sentence-transformers makes of long texts by itself, so whatever runs a model runs that. CUDA gets twice as much,
# since it says when memory runs out, where MPS begins to swap. Only the CPU was measured.
_CPU_BUDGET_OF_A_THREAD = 1024
_BUDGETS = {"cpu": (16_384, 128), "cuda": (32_768, 1024)}
_OTHER_BUDGET = (16_384, 1024)
_STATIC_TEXTS = 1024  # a table of vectors pads nothing; enough for the tokenizer to use all cores
_PER_DEVICE = 8  # batches handed to several devices at once, so that none waits long for the last


@dataclass
class Budget:
    """What a batch may hold.

    Attributes
    ----------
    tokens
        Texts × tokens of the longest, padding included; becomes less, for good, when memory runs out.
    texts
        Texts, however short they are.
    """

    tokens: int
    texts: int

    @classmethod
    def on(cls, devices: Sequence[str], *, static: bool = False, texts: int | None = None, threads: int = 1) -> Budget:
        """Return what suits a device, or several alike that share what they are handed.

        Parameters
        ----------
        devices
            Names as torch has them, such as `cpu` or `cuda:1`.
        static
            The model looks its tokens up; the budget counts texts.
        texts
            Texts of a batch of one device at most; None for what suits it.
        threads
            Cores that share a batch on a CPU.
        """
        kind = devices[0].partition(":")[0]
        tokens, most = _BUDGETS.get(kind, _OTHER_BUDGET)
        if kind == "cpu":
            tokens = min(tokens, threads * _CPU_BUDGET_OF_A_THREAD)
        most = texts or (_STATIC_TEXTS if static else most)
        times = batches_at_once(len(devices))
        return cls((most if static else tokens) * times, most * times)

    def halve(self, failed: int) -> None:
        """Allow half of what did not fit, where that is less than half of what was allowed."""
        self.tokens = max(1, min(self.tokens, failed) // 2)


def batches_at_once(devices: int) -> int:
    """Return into how many batches so many devices divide what they are handed."""
    return devices * _PER_DEVICE if devices > 1 else 1


def token_batches(lengths: NDArray[np.int64], budget: int, most: int) -> list[NDArray[np.int64]]:
    """Divide texts into batches, from the longest texts to the shortest.

    Parameters
    ----------
    lengths
        Tokens of each text, int64 array [n].
    budget
        Tokens of one batch at most: its texts × the longest of them, since the others are padded. A longer text is a
        batch of its own.
    most
        Texts of one batch at most.

    Returns
    -------
    list of int64 arrays
        Positions of the texts of each batch; each position once. Texts of one length keep their order.
    """
    order = np.argsort(-lengths, kind="stable")
    batches = []
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        size = max(1, min(most, budget // longest))
        batches.append(order[start : start + size])
        start += size
    return batches


def encode_in_batches(
    texts: Sequence[str],
    lengths: NDArray[np.int64] | None,
    budget: Budget,
    encode: Callable[[list[str]], NDArray[np.floating]],
    *,
    free: Callable[[], object] = lambda: None,
    model: str = "",
) -> NDArray[np.float32]:
    """Encode texts batch by batch; what does not fit into memory is divided, and what is done stays done.

    Parameters
    ----------
    lengths
        Tokens of each text, int64 array [n]; None where they do not matter, and the budget counts texts.
    budget
        What a batch may hold; its tokens are halved here when memory runs out.
    encode
        Texts of one batch -> float array [m, d].
    free
        Gives back what the device keeps for later; called when memory ran out.
    model
        Alias, for the message.

    Returns
    -------
    float32 array [n, d]
        In the order of `texts`; [0, 0] without texts.

    Raises
    ------
    VectorError
        One text alone takes more memory than there is; the message names it.
    """
    costs = np.ones(len(texts), dtype=np.int64) if lengths is None else lengths
    waiting = deque(token_batches(costs, budget.tokens, budget.texts))
    result: NDArray[np.float32] | None = None
    while waiting:
        rows = waiting.popleft()
        vectors = _unless_out_of_memory(encode, [texts[row] for row in rows])
        if vectors is not None:
            if result is None:
                result = np.empty((len(texts), vectors.shape[1]), dtype=np.float32)
            result[rows] = vectors
            continue
        free()
        if len(rows) == 1:
            raise VectorError(_too_large(texts[rows[0]], None if lengths is None else int(lengths[rows[0]]), model))
        budget.halve(len(rows) * int(costs[rows].max()))
        left = np.concatenate([rows, *waiting])
        waiting = deque(left[places] for places in token_batches(costs[left], budget.tokens, budget.texts))
    return np.empty((0, 0), dtype=np.float32) if result is None else result


def _unless_out_of_memory(
    encode: Callable[[list[str]], NDArray[np.floating]], texts: list[str]
) -> NDArray[np.floating] | None:
    """Return None where memory ran out. The error is gone by then, and with it the arrays that its frames hold."""
    try:
        return encode(texts)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error is about memory; the libraries have a class for it in some cases, in all a message."""
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in _OUT_OF_MEMORY)


def _too_large(text: str, tokens: int | None, model: str) -> str:
    who = f"model {model!r}" if model else "the encoder"
    size = "" if tokens is None else f" of {tokens} tokens"
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return f"{who} runs out of memory on a single text{size}, {shown!r}; shorten it, or use a device with more memory"
