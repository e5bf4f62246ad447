"""A run becomes JSON, CSV and a terminal table."""

from __future__ import annotations

from pytest_embedeval.report.gather import assemble, gather_excerpts, gather_results, scores_text, write_run
from pytest_embedeval.report.load import Kept, load_kept, load_report
from pytest_embedeval.report.schema import DatasetRow, Part, Report, ResultRow, SpeedRow, VectorsRow
from pytest_embedeval.report.table import failure_line, table_lines

__all__ = [
    "DatasetRow",
    "Kept",
    "Part",
    "Report",
    "ResultRow",
    "SpeedRow",
    "VectorsRow",
    "assemble",
    "failure_line",
    "gather_excerpts",
    "gather_results",
    "load_kept",
    "load_report",
    "scores_text",
    "table_lines",
    "write_run",
]
