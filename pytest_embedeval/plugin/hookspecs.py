"""Hooks that a conftest.py may implement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_embedeval.datasets import AnyData
    from pytest_embedeval.models import EncodeFunction, Encoder, Model, ModelSpec
    from pytest_embedeval.report import Report
    from pytest_embedeval.retrieval.retriever import Retriever


@pytest.hookspec
def pytest_embedeval_models(config: pytest.Config) -> Mapping[str, Encoder | EncodeFunction | Retriever]:  # type: ignore[empty-body]
    """Return encoders and search engines by alias.

    An encoder is an object with `encode_queries(texts)` and `encode_documents(texts)`, or one callable for both; an
    engine has `search(queries, k)`, and `index(ids, documents)` where it holds no corpus yet. Entries of
    `--models` may name them as their source; without a matrix they are the matrix.
    """


@pytest.hookspec
def pytest_embedeval_datasets(config: pytest.Config) -> Mapping[str, AnyData]:  # type: ignore[empty-body]
    """Return data sets by name, beside those of the configuration."""


@pytest.hookspec(firstresult=True)
def pytest_embedeval_load_model(spec: ModelSpec) -> Model | Encoder | None:
    """Load one entry of the matrix in your own way; None leaves it to the plugin."""


@pytest.hookspec
def pytest_embedeval_report(report: Report) -> None:
    """Read the finished report before it is written."""
