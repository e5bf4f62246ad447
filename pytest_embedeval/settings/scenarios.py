"""What a model is chosen for, as weights of what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WEIGHTS = (
    *("retrieval", "robustness", "crosslingual", "morphology", "triplets", "confusions", "similarity"),
    *("latency", "throughput"),
)


@dataclass(frozen=True)
class Scenario:
    """One `[tool.embedeval.scenarios.NAME]`.

    Attributes
    ----------
    weights
        Suite, `latency` or `throughput` -> its weight, above 0; only their ratios matter.
    latency_ms
        Median time of one query that is as good as none: a model that takes twice as long has half of `latency`.
    texts_per_s
        Speed of encoding that is enough: a model that is half as fast has half of `throughput`.
    """

    title: str
    weights: Mapping[str, float]
    latency_ms: float = 50.0
    texts_per_s: float = 100.0


SCENARIOS: Mapping[str, Scenario] = {
    "real-time": Scenario("answers in real time", {"retrieval": 0.6, "latency": 0.4}),
    "offline": Scenario("quality, whatever it takes", {"retrieval": 1.0}),
    "typed": Scenario("search in a catalogue, as people type", {"robustness": 0.7, "retrieval": 0.3}),
    "languages": Scenario("many languages", {"crosslingual": 0.6, "retrieval": 0.4}),
}
