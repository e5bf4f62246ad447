"""What a worker of a cluster holds in tests; it imports little, since every worker imports it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_embedeval.errors import UsageError
from pytest_embedeval.models.clustered import _Copy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_embedeval.models import ModelSpec


class Recorded:
    """Encodes texts by their trigrams, takes its time, and writes down each text when it is done."""

    def __init__(self, log: Path, seconds: float) -> None:
        self.log = log
        self.seconds = seconds

    def encoded(self, rows: Any, texts: list[str], role: str) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
        from tests.conftest import letters

        time.sleep(self.seconds)
        with self.log.open("a", encoding="utf-8") as log:
            log.writelines(f"{role}\t{row}\n" for row in rows)
        return rows, letters(texts), self.seconds

    def doubled(self, number: int) -> int:
        if number == 13:
            raise UsageError("thirteen")
        return 2 * number

    def where(self) -> str:
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def end(self) -> None:
        os._exit(1)


class Dying(_Copy):
    """A copy of a model that is lost whenever it encodes; it writes down each of its lives."""

    def __init__(self, spec: ModelSpec, cache: Path) -> None:
        super().__init__(spec, cache)
        self.log = cache / "deaths.txt"

    def encoded(self, *_: Any) -> Any:
        with self.log.open("a", encoding="utf-8") as log:
            log.write("died\n")
        os._exit(1)
