"""The command line, laid over the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_embedeval.errors import UsageError

if TYPE_CHECKING:
    from pytest_embedeval.settings import Settings

# Options whose value goes into the settings as it is.
_OVER = ("device", "seed", "policy", "tolerance", "github", "pictures", "index", "engine")
_OPTIONS = (
    *("models", "against", "embedeval_out", "embedeval_baseline", "embedeval_cache", "embedeval_memory"),
    *(f"embedeval_{name}" for name in _OVER),
)
UPDATE = ("embedeval_update", "embedeval_update_new", "embedeval_accept_worse")


def add_options(parser: pytest.Parser) -> None:
    """Add the options; none takes an optional value, so that none swallows a path."""
    group = parser.getgroup("embedeval", "judging text-embedding models (pytest-embedeval)")
    group.addoption(
        "--models",
        metavar="[ALIAS=]SOURCE[@REVISION][:KEY=VALUE],…",
        help="the model matrix: catalogue names, hub ids, folders, bm25; default: use-multilingual,minilm-en,bm25",
    )
    group.addoption(
        "--embedeval-out",
        metavar="DIR",
        help="folder of report.json, report.html and scores.csv; default: .embedeval in the root",
    )
    group.addoption(
        "--against",
        metavar="ALIAS",
        help="compare every model with this one: with its scores of this run, or else with its baseline",
    )
    group.addoption(
        "--embedeval-baseline", metavar="DIR", help="folder of the stored scores; off for none; default: baselines"
    )
    group.addoption(
        "--embedeval-update",
        action="store_true",
        help="rewrite the baselines of what ran and print old → new; a score that fell stays out",
    )
    group.addoption("--embedeval-update-new", action="store_true", help="only add baselines that are missing")
    group.addoption(
        "--embedeval-accept-worse", action="store_true", help="with --embedeval-update: also write scores that fell"
    )
    group.addoption(
        "--embedeval-policy",
        metavar="POLICY",
        help="observed (default): a drop on these queries fails; strict: anything not shown to be no worse fails; "
        "proven: only a drop shown beyond these queries fails",
    )
    group.addoption(
        "--embedeval-tolerance",
        type=float,
        metavar="DROP",
        help="greatest drop of a score that counts as none; default: 0.02",
    )
    group.addoption(
        "--embedeval-github",
        metavar="auto|off",
        help="step summary and annotations where GitHub Actions runs; default: auto",
    )
    group.addoption(
        "--embedeval-pictures",
        metavar="auto|off",
        help="pictures in report.html, where the extra `report` is installed; they take seconds; default: auto",
    )
    group.addoption(
        "--embedeval-index",
        metavar="INDEX",
        help="what searches vectors: flat (default) for all of them, or an approximate index, judged beside it: a "
        "factory string of FAISS such as HNSW32 or IVF256,Flat:nprobe=16, or lancedb[:TYPE]",
    )
    group.addoption(
        "--embedeval-engine",
        metavar="ENGINE",
        help="where texts are encoded and vectors searched: local (default), ray for the Ray cluster at hand, or "
        "ray://HOST:PORT for one elsewhere",
    )
    group.addoption(
        "--embedeval-device", metavar="DEVICE", help="where models run: auto, cpu, cuda or mps; default: auto"
    )
    group.addoption(
        "--embedeval-cache",
        metavar="DIR",
        help="folder in which vectors are kept, each computed once; off for none; default: the user's cache folder",
    )
    group.addoption(
        "--embedeval-memory",
        metavar="SIZE",
        help="what vectors and search may take, for example 4GiB; beyond it they are read from disk; "
        "default: a quarter of the RAM",
    )
    group.addoption("--embedeval-seed", type=int, metavar="N", help="seed of k-means and random negatives; default: 42")


def is_configured(config: pytest.Config) -> bool:
    """Whether anything in this run speaks to us; if not, no configuration is read before a test asks for a model."""
    if any(config.getoption(name) is not None for name in _OPTIONS) or any(map(config.getoption, UPDATE)):
        return True
    if (config.rootpath / "embedeval.toml").is_file():
        return True
    shared = config.rootpath / "pyproject.toml"
    return shared.is_file() and b"embedeval" in shared.read_bytes()


def settings_from(config: pytest.Config) -> Settings:
    """Return the settings of a run: command line over configuration file over defaults.

    Raises
    ------
    UsageError
        The configuration file is wrong.
    """
    from dataclasses import replace

    from pytest_embedeval.folders import baseline_folder, cache_folder
    from pytest_embedeval.memory import parse_size
    from pytest_embedeval.settings import load_settings, problem_with

    settings = load_settings(config.rootpath)
    given: dict[str, Any] = {}
    here = config.invocation_params.dir
    if config.getoption("models") is not None:
        given["models"] = tuple(config.getoption("models").split(","))
    if config.getoption("against") is not None:
        given["against"] = config.getoption("against")
    if config.getoption("embedeval_out") is not None:
        given["out"] = here / config.getoption("embedeval_out")
    if config.getoption("embedeval_baseline") is not None:
        given["baseline"] = baseline_folder(here, config.getoption("embedeval_baseline"))
    for name in (*_OVER, "cache", "memory"):
        value = config.getoption(f"embedeval_{name}")
        if value is None:
            continue
        problem = problem_with(name, value)
        if problem:
            raise UsageError(f"--embedeval-{name}: {problem}")
        given[name] = cache_folder(here, value) if name == "cache" else value
    if "memory" in given:
        given["memory"] = parse_size(given["memory"])
    if config.getoption("embedeval_accept_worse") and not config.getoption("embedeval_update"):
        raise UsageError("--embedeval-accept-worse only says what --embedeval-update may write; give both")
    if config.getoption("embedeval_update") and config.getoption("embedeval_update_new"):
        raise UsageError("--embedeval-update rewrites and adds, --embedeval-update-new only adds; give one of them")
    settings = replace(settings, **given)
    if settings.index != "flat":
        from pytest_embedeval.retrieval.index_names import check_index

        check_index(settings.index)
    if settings.baseline is None and any(map(config.getoption, UPDATE)):
        raise UsageError("there is no folder of baselines to update (--embedeval-baseline=off)")
    return settings
