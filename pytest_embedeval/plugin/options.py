"""The command line, laid over the configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_embedeval.settings import DEVICES, Settings, load_settings


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
    group.addoption("--embedeval-device", choices=DEVICES, help="where models run; default: auto")
    group.addoption("--embedeval-seed", type=int, metavar="N", help="seed of k-means and random negatives; default: 42")


def settings_from(config: pytest.Config) -> Settings:
    """Return the settings of a run: command line over configuration file over defaults.

    Raises
    ------
    UsageError
        The configuration file is wrong.
    """
    settings = load_settings(config.rootpath)
    given: dict[str, Any] = {}
    if config.getoption("models") is not None:
        given["models"] = tuple(config.getoption("models").split(","))
    if config.getoption("embedeval_out") is not None:
        given["out"] = config.invocation_params.dir / Path(config.getoption("embedeval_out"))
    if config.getoption("embedeval_device") is not None:
        given["device"] = config.getoption("embedeval_device")
    if config.getoption("embedeval_seed") is not None:
        given["seed"] = config.getoption("embedeval_seed")
    return replace(settings, **given)
