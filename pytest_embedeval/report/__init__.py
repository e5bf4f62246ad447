"""A run becomes JSON, CSV and a terminal table."""

from __future__ import annotations

from pytest_embedeval.report.gather import assemble, write_report, write_scores
from pytest_embedeval.report.schema import DatasetRow, Part, Report, SpeedRow
from pytest_embedeval.report.table import failure_line, table_lines

__all__ = [
    "DatasetRow",
    "Part",
    "Report",
    "SpeedRow",
    "assemble",
    "failure_line",
    "table_lines",
    "write_report",
    "write_scores",
]
