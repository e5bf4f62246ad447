"""`report.html` and the page of several runs: files that open from disk, ask no network, and let a team decide."""

from __future__ import annotations

from pytest_embedeval.report.page.history import history_page
from pytest_embedeval.report.page.render import page_of

__all__ = ["history_page", "page_of"]
