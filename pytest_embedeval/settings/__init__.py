"""The configuration: `[tool.embedeval]` in pyproject.toml, or `embedeval.toml` with the same tables."""

from __future__ import annotations

from pytest_embedeval.settings.read import load_settings, problem_with, project_root
from pytest_embedeval.settings.tables import (
    DEVICES,
    FORMATS,
    GITHUB,
    ITEM_FORMATS,
    POLICIES,
    DatasetTable,
    Gate,
    ModelTable,
    Rule,
    Settings,
)

__all__ = [
    "DEVICES",
    "FORMATS",
    "GITHUB",
    "ITEM_FORMATS",
    "POLICIES",
    "DatasetTable",
    "Gate",
    "ModelTable",
    "Rule",
    "Settings",
    "load_settings",
    "problem_with",
    "project_root",
]
