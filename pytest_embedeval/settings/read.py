"""From TOML to typed settings, with errors that name file and key.

Read by the plugin at start-up, so only the standard library is imported here.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pytest_embedeval.cluster import is_engine
from pytest_embedeval.errors import UsageError, did_you_mean
from pytest_embedeval.folders import baseline_folder, cache_folder
from pytest_embedeval.memory import parse_size
from pytest_embedeval.settings.scenarios import SCENARIOS, WEIGHTS, Scenario
from pytest_embedeval.settings.tables import (
    BEATEN,
    DEVICES,
    FORMATS,
    POLICIES,
    RULE_KEYS,
    SWITCHES,
    DatasetTable,
    Gate,
    ModelTable,
    Rule,
    Settings,
    argument_of,
)

_FIELD_TYPES: dict[str, type] = {
    **dict.fromkeys(("dim", "batch_size", "sample", "seed", "depth"), int),
    **dict.fromkeys(("retries", "concurrency", "max_tokens"), int),
    **dict.fromkeys(("alpha", "k1", "b", "timeout", "price", "num_gpus"), float),
    **dict.fromkeys(("slices", "devices", "fields", "beats"), list),
}
_EXAMPLES = {"beats": "bm25", "slices": "title", "devices": "cuda:0", "fields": "product_name"}
_OF_ALL_FORMATS = ("path", "format", "language", "slices", "clusters", "beats")
_OF_RETRIEVAL = ("variants", "parallel", "parallel_language")
_PLAIN: dict[str, type] = {
    "out": str,
    "device": str,
    "seed": int,
    "baseline": str,
    "against": str,
    "policy": str,
    "tolerance": float,
    "min_queries": int,
    "github": str,
    "pictures": str,
    "index": str,
    "engine": str,
    "cache": str,
    "memory": str,
    "documents": list,
    "machine_price": float,
}


def problem_with(key: str, value: Any) -> str | None:
    """Return what is wrong with the value of a setting, in configuration and command line alike; None if nothing."""
    choices = {"device": DEVICES, "policy": POLICIES, "github": SWITCHES, "pictures": SWITCHES}.get(key)
    if choices and value not in choices:
        return f"must be one of {', '.join(choices)}, not {value!r}"
    if key == "tolerance" and not 0 < value < 1:
        return f"must lie between 0 and 1, for example 0.02, not {value:g}"
    if key == "cache" and not value:
        return "must be a folder, or off for none"
    if key == "index" and not value.strip():
        return "must be flat, a factory string of FAISS such as HNSW32, or lancedb"
    if key == "engine" and not is_engine(value):
        return f"must be local, ray, or ray://HOST:PORT, not {value!r}"
    if key == "memory" and parse_size(value) is None:
        return f"must be a size such as 4GiB or 512MiB, not {value!r}"
    if key == "documents" and not all(type(number) is int and number > 0 for number in value):
        return f"must be a list of sizes such as [50_000], not {value!r}"
    if key == "machine_price" and not 0 <= value < math.inf:
        return f"must be US dollars for an hour, such as 0.40, not {value:g}"
    least = {"seed": 0, "min_queries": 2}.get(key)
    if least is not None and value < least:
        return f"must be at least {least}, and is {value}"
    return None


def load_settings(root: Path) -> Settings:
    """Read the configuration of the project at `root`.

    Parameters
    ----------
    root
        Folder that may hold `embedeval.toml` or `pyproject.toml`; the former wins.

    Raises
    ------
    UsageError
        Malformed TOML, an unknown key or a value of the wrong type; the message names file and key.
    """
    path, table = _find_table(root)
    return _Reader(path, root).settings(table)


def project_root(start: Path) -> Path:
    """Return the nearest folder, from `start` upwards, that is configured; `start` itself where none is."""
    for folder in (start, *start.parents):
        if _find_table(folder)[1]:
            return folder
    return start


def _find_table(root: Path) -> tuple[Path, Mapping[str, Any]]:
    own = root / "embedeval.toml"
    if own.is_file():
        return own, _read_toml(own)
    shared = root / "pyproject.toml"
    if not shared.is_file():
        return shared, {}
    table: Any = _read_toml(shared)
    for depth, key in enumerate(("tool", "embedeval"), start=1):
        table = table.get(key, {})
        if not isinstance(table, Mapping):
            place = ".".join(("tool", "embedeval")[:depth])
            raise UsageError(f"{shared}: {place}: must be a table, not {table!r}")
    return shared, table


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None


class _Reader:
    """Turns TOML tables into settings; knows the file, so that errors can name it."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path = path
        self.root = root

    def fail(self, key: str, problem: str) -> UsageError:
        prefix = "" if self.path.name == "embedeval.toml" else "tool.embedeval."
        return UsageError(f"{self.path}: {prefix}{key}: {problem}")

    def settings(self, table: Mapping[str, Any]) -> Settings:
        self._known("", table, {*_PLAIN, "matrix", "models", "datasets", "gates", "scenarios"})
        plain: dict[str, Any] = {"root": self.root, "file": self.path.name}
        models = table.get("models", {})
        if not isinstance(models, Mapping):
            # TOML cannot hold the list `models` and the tables `models.NAME` in one file; `matrix` can stand
            # beside the tables, and a plain list of entries may go by either name.
            if "matrix" in table:
                raise self.fail("models", "is a list, and so is matrix; keep one of them")
            plain["models"] = self._entries("models", models)
        else:
            plain["model_tables"] = self._each("models", models, self._model)
            if "matrix" in table:
                plain["models"] = self._entries("matrix", table["matrix"])
        for key, kind in _PLAIN.items():
            if key in table:
                plain[key] = self._typed(key, table[key], kind)
                problem = problem_with(key, plain[key])
                if problem:
                    raise self.fail(key, problem)
        plain["out"] = self.root / plain.get("out", ".embedeval")
        plain["baseline"] = baseline_folder(self.root, plain.get("baseline", "baselines"))
        plain["cache"] = cache_folder(self.root, plain.get("cache"))
        plain["memory"] = parse_size(plain["memory"]) if "memory" in plain else None
        plain["datasets"] = self._each("datasets", table.get("datasets", {}), self._dataset)
        plain["documents"] = tuple(plain.get("documents", ()))
        plain["gates"] = self._each("gates", table.get("gates", {}), self._gate)
        plain["scenarios"] = self._each("scenarios", table.get("scenarios", {}), self._scenario) or SCENARIOS
        return Settings(**plain)

    def _entries(self, key: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise self.fail(key, f'must be a list of entries such as ["bge-m3"], not {value!r}')
        return tuple(value)

    def _each(self, key: str, table: Any, read: Callable[[str, Mapping[str, Any]], Any]) -> dict[str, Any]:
        entries = self._table(key, table)
        return {name: read(f"{key}.{name}", self._table(f"{key}.{name}", entries[name])) for name in entries}

    def _model(self, key: str, table: Mapping[str, Any]) -> ModelTable:
        values = self._fields(key, table, ModelTable, required="source")
        for name in ("source", "rerank"):
            if values.get(name, "").startswith("."):
                values[name] = str(self.root / values[name])
        values["devices"] = tuple(values.get("devices", ()))
        if "memory" in values:
            problem = problem_with("memory", values["memory"])
            if problem:
                raise self.fail(f"{key}.memory", problem)
            values["memory"] = parse_size(values["memory"])
        return ModelTable(**values)

    def _dataset(self, key: str, table: Mapping[str, Any]) -> DatasetTable:
        values = self._fields(key, table, DatasetTable, required="path")
        if values.get("format") not in FORMATS:
            raise self.fail(f"{key}.format", f"must be one of {', '.join(FORMATS)}, not {values.get('format')!r}")
        for name, known in (
            ("target", ("context", "answer")),
            ("duplicates", ("merge", "keep", "error")),
            ("no_relevant", ("error", "zero", "skip")),
        ):
            if name in values and values[name] not in known:
                raise self.fail(f"{key}.{name}", f"must be one of {', '.join(known)}, not {values[name]!r}")
        self._check_keys_of_format(key, values)
        for name in ("path", "variants", "parallel"):
            if name in values and (name == "variants" or not self._is_remote(values["format"], values[name])):
                values[name] = str(self.root / values[name])
        if "parallel" in values and not ("language" in values and "parallel_language" in values):
            raise self.fail(f"{key}.parallel", "needs language and parallel_language, such as tr and en")
        for name in values.get("beats", ()):
            if name not in BEATEN:
                raise self.fail(f"{key}.beats", f"{name!r} is unknown; {did_you_mean(name, BEATEN)}")
        for name in ("slices", "fields", "beats"):
            values[name] = tuple(values.get(name, ()))
        return DatasetTable(**values)

    def _is_remote(self, format: str, path: str) -> bool:
        """Whether a path names no file: the id of a data set on a hub, or an installed package."""
        return format in ("hub", "turkmorfbench") and not (self.root / path).exists()

    def _check_keys_of_format(self, key: str, values: Mapping[str, Any]) -> None:
        is_retrieval = argument_of(values["format"]) == "dataset"
        known = (*_OF_ALL_FORMATS, *(_OF_RETRIEVAL if is_retrieval else ()), *FORMATS[values["format"]])
        for name in values:
            if name not in known:
                problem = f'format = "{values["format"]}" has no such key; it knows {", ".join(known)}'
                raise self.fail(f"{key}.{name}", problem)
        for name, least, most in (("sample", 1, None), ("seed", 0, 2**32 - 1)):
            if name in values and not least <= values[name] <= (most or values[name]):
                bounds = f"at least {least}" if most is None else f"from {least} to {most}"
                raise self.fail(f"{key}.{name}", f"must be {bounds}, and is {values[name]}")

    def _gate(self, key: str, table: Mapping[str, Any]) -> Gate:
        if key.count("/") != 1:
            raise self.fail(key, 'a gate is named "suite/dataset", for example "retrieval/medical"')
        rules: dict[str, Rule] = {}
        by_alias: dict[str, dict[str, Rule]] = {}
        for name, value in table.items():
            inner = self._table(f"{key}.{name}", value)
            if inner and all(isinstance(entry, Mapping) for entry in inner.values()):
                by_alias[name] = {m: self._rule(f"{key}.{name}.{m}", entry) for m, entry in inner.items()}
            else:
                rules[name] = self._rule(f"{key}.{name}", inner)
        return Gate(rules, by_alias)

    def _rule(self, key: str, table: Mapping[str, Any]) -> Rule:
        self._known(key, table, set(RULE_KEYS))
        numbers = {name: self._typed(f"{key}.{name}", table[name], float) for name in table if name != "primary"}
        primary = self._typed(f"{key}.primary", table.get("primary", False), bool)
        if not numbers and not primary:
            raise self.fail(key, "needs min, max, tolerance or primary = true")
        for name, number in numbers.items():
            if not math.isfinite(number):
                raise self.fail(f"{key}.{name}", f"must be a finite number, not {number}")
        if numbers.get("min", -math.inf) > numbers.get("max", math.inf):
            raise self.fail(key, f"min {numbers['min']:g} is above max {numbers['max']:g}")
        problem = problem_with("tolerance", numbers.get("tolerance", 0.02))
        if problem:
            raise self.fail(f"{key}.tolerance", problem)
        return Rule(**numbers, primary=primary)

    def _scenario(self, key: str, table: Mapping[str, Any]) -> Scenario:
        self._known(key, table, {each.name for each in fields(Scenario)})
        weights = self._table(f"{key}.weights", table.get("weights", {}))
        if not weights:
            raise self.fail(key, "needs weights, for example { retrieval = 0.7, latency = 0.3 }")
        self._known(f"{key}.weights", weights, set(WEIGHTS))
        limits = {name: table[name] for name in ("latency_ms", "texts_per_s") if name in table}
        for name, number in (*((f"weights.{each}", weights[each]) for each in weights), *limits.items()):
            if not 0 < self._typed(f"{key}.{name}", number, float) < math.inf:
                raise self.fail(f"{key}.{name}", f"must be a number above 0, not {number:g}")
        title = self._typed(f"{key}.title", table.get("title", key.partition(".")[2]), str)
        return Scenario(title, dict(weights), **limits)

    def _fields(self, key: str, table: Mapping[str, Any], kind: type, required: str) -> dict[str, Any]:
        types = {f.name: _FIELD_TYPES.get(f.name, str) for f in fields(kind)}
        self._known(key, table, set(types))
        if required not in table:
            raise self.fail(key, f'needs {required} = "…"')
        values = {name: self._typed(f"{key}.{name}", value, types[name]) for name, value in table.items()}
        for name, value in values.items():
            if isinstance(value, list) and not all(isinstance(entry, str) for entry in value):
                problem = f'must be a list of names such as ["{_EXAMPLES[name]}"], not {value!r}'
                raise self.fail(f"{key}.{name}", problem)
        return values

    def _table(self, key: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self.fail(key, f"must be a table, not {value!r}")
        return value

    def _typed(self, key: str, value: Any, kind: type) -> Any:
        accepted = (int, float) if kind is float else kind
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            raise self.fail(key, f"must be of type {kind.__name__}, not {value!r}")
        return value

    def _known(self, key: str, table: Mapping[str, Any], known: set[str]) -> None:
        for name in table:
            if name not in known:
                place = f"{key}.{name}" if key else name
                raise self.fail(place, f"unknown key; {did_you_mean(name, known)}")
