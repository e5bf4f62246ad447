"""The bridge to pytest-benchmark: throughput and latency of a model (the fixtures `throughput` and `latency`)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_embedeval.plugin.state import KEY

if TYPE_CHECKING:
    from pytest_embedeval.datasets import RetrievalData
    from pytest_embedeval.models import Model
    from pytest_embedeval.report import SpeedRow

_TEXTS = 64
_BUDGET_S = 6.0
_ROUNDS = range(3, 31)
_LATENCY_ROUNDS = 100

Measure = Callable[["Model", "RetrievalData"], "SpeedRow | None"]


class WithoutBenchmark:
    """Our speed fixtures where pytest-benchmark is switched off: their tests are skipped and say why."""

    @pytest.fixture
    def throughput(self) -> None:
        """Not measured: pytest-benchmark is switched off."""
        pytest.skip("not measured: pytest-benchmark is switched off")

    @pytest.fixture
    def latency(self) -> None:
        """Not measured: pytest-benchmark is switched off."""
        pytest.skip("not measured: pytest-benchmark is switched off")


@pytest.fixture
def throughput(benchmark: Any, request: pytest.FixtureRequest) -> Measure:
    """Time encoding many documents: `throughput(model, dataset).texts_per_s`; None where benchmarks are disabled."""

    def measure(model: Model, dataset: RetrievalData) -> SpeedRow | None:
        texts = _spread(dataset.documents, _TEXTS)
        rounds = _rounds_within_budget(model, texts)
        _label(benchmark, model, dataset, "encode")
        before = _calibration()
        _reset_peak_memory()
        benchmark.pedantic(model.encode_documents, args=(texts,), rounds=rounds, iterations=1, warmup_rounds=1)
        times = _times(benchmark)
        if times is None:
            return None
        seconds = sorted(times)[len(times) // 2]
        counted = model.count_tokens(texts, "document")
        row = _row(model, dataset, "encode", times, before) | {
            "texts_per_s": len(texts) / seconds,
            "tokens_per_s": sum(counted) / seconds if counted else None,
        }
        return _noted(request, benchmark, row)

    return measure


@pytest.fixture
def latency(benchmark: Any, request: pytest.FixtureRequest) -> Measure:
    """Time one query at a time, from its text to ten documents: `latency(model, dataset).p95_ms`.

    None where benchmarks are disabled. Vectors are searched flat, beside as many as the corpus has documents.
    """

    def measure(model: Model, dataset: RetrievalData) -> SpeedRow | None:
        from pytest_embedeval.answering import answering

        queries = itertools.cycle(dataset.queries)
        _label(benchmark, model, dataset, "query")
        before = _calibration()
        _reset_peak_memory()
        benchmark.pedantic(
            answering(model, dataset),
            setup=lambda: ((next(queries),), {}),
            rounds=_LATENCY_ROUNDS,
            iterations=1,
            warmup_rounds=1,
        )
        times = _times(benchmark)
        if times is None:
            return None
        import numpy as np

        p50, p95 = (float(np.percentile(times, q)) * 1000 for q in (50, 95))
        enough = len(times) >= _LATENCY_ROUNDS
        row = _row(model, dataset, "query", times, before) | {"p50_ms": p50, "p95_ms": p95 if enough else None}
        return _noted(request, benchmark, row)

    return measure


def _spread(texts: Sequence[str], count: int) -> list[str]:
    """Return at most `count` texts, evenly spaced, so that every model times the same mix of lengths."""
    step = max(1, len(texts) // count)
    return list(texts[::step][:count])


def _rounds_within_budget(model: Model, texts: list[str]) -> int:
    few = texts[:8]
    started = time.perf_counter()
    model.encode_documents(few)
    expected = (time.perf_counter() - started) * len(texts) / len(few)
    return min(max(int(_BUDGET_S / max(expected, 1e-9)), _ROUNDS.start), _ROUNDS.stop - 1)


def _label(benchmark: Any, model: Model, dataset: RetrievalData, task: str) -> None:
    benchmark.group = f"{task}/{dataset.name}"
    benchmark.extra_info.update(model=model.alias, dataset=dataset.name, task=task, fingerprint=model.info.fingerprint)


def _times(benchmark: Any) -> list[float] | None:
    """Return the seconds of each round; None where pytest-benchmark measures nothing (xdist, --benchmark-disable)."""
    stats = benchmark.stats
    return None if stats is None else list(stats.stats.data)


def _row(model: Model, dataset: RetrievalData, task: str, times: list[float], before: float) -> dict[str, Any]:
    return {
        "model": model.alias,
        "task": task,
        "dataset": dataset.name,
        "rounds": len(times),
        "peak_memory_mib": _peak_memory_mib(),
        "calibration": (before + _calibration()) / 2,
    }


def _noted(request: pytest.FixtureRequest, benchmark: Any, values: dict[str, Any]) -> SpeedRow:
    from pytest_embedeval.report import Part, SpeedRow

    row = SpeedRow(**values)
    request.config.stash[KEY].record(Part(speed=[row]))
    benchmark.extra_info.update(
        {key: value for key, value in values.items() if key not in ("model", "task", "dataset")}
    )
    return row


def _calibration() -> float:
    """Return GFLOP/s of a fixed float32 matrix product: what the machine had to give at this moment."""
    import numpy as np

    side = 768
    matrix = np.random.default_rng(42).standard_normal((side, side), dtype=np.float32)
    matrix @ matrix
    times = []
    for _ in range(5):
        started = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - started)
    return float(2 * side**3 / sorted(times)[2] / 1e9)


def _reset_peak_memory() -> None:
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as control:  # noqa: PTH123 - a kernel file
            control.write("5")
    except OSError:
        pass  # not Linux, or not allowed: the peak is then that of the whole process


def _peak_memory_mib() -> float | None:
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - a kernel file
            line = next(line for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) / 1024
