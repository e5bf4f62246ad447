"""The command line, laid over the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_embedeval.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from pytest_embedeval.settings import Settings

_OPTIONS = ("models", "embedeval_out", "embedeval_device", "embedeval_seed")


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
        help="folder of report.json and scores.csv; default: .embedeval in the root",
    )
    group.addoption(
        "--embedeval-device", metavar="DEVICE", help="where models run: auto, cpu, cuda or mps; default: auto"
    )
    group.addoption("--embedeval-seed", type=int, metavar="N", help="seed of k-means and random negatives; default: 42")


def is_configured(config: pytest.Config) -> bool:
    """Whether anything in this run speaks to us; if not, no configuration is read before a test asks for a model."""
    if any(config.getoption(name) is not None for name in _OPTIONS) or (config.rootpath / "embedeval.toml").is_file():
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

    from pytest_embedeval.settings import DEVICES, load_settings

    settings = load_settings(config.rootpath)
    given: dict[str, Any] = {}
    if config.getoption("models") is not None:
        given["models"] = tuple(config.getoption("models").split(","))
    if config.getoption("embedeval_out") is not None:
        given["out"] = config.invocation_params.dir / config.getoption("embedeval_out")
    if config.getoption("embedeval_device") is not None:
        given["device"] = config.getoption("embedeval_device")
        if given["device"] not in DEVICES:
            raise UsageError(f"--embedeval-device: {given['device']!r}; {did_you_mean(given['device'], DEVICES)}")
    if config.getoption("embedeval_seed") is not None:
        given["seed"] = config.getoption("embedeval_seed")
    return replace(settings, **given)
