"""The configuration: `[tool.embedeval]` in pyproject.toml, or `embedeval.toml` with the same tables."""

from __future__ import annotations

from pytest_embedeval.settings.read import load_settings, problem_with, project_root
from pytest_embedeval.settings.scenarios import SCENARIOS, Scenario
from pytest_embedeval.settings.tables import (
    DEVICES,
    FORMATS,
    POLICIES,
    SWITCHES,
    DatasetTable,
    Gate,
    ModelTable,
    Rule,
    Settings,
    argument_of,
)

__all__ = [
    "DEVICES",
    "FORMATS",
    "POLICIES",
    "SCENARIOS",
    "SWITCHES",
    "DatasetTable",
    "Gate",
    "ModelTable",
    "Rule",
    "Scenario",
    "Settings",
    "argument_of",
    "load_settings",
    "problem_with",
    "project_root",
]
