"""`report.html`: one file that opens from disk, asks no network, and lets a team decide."""

from __future__ import annotations

from pytest_embedeval.report.page.render import page_of

__all__ = ["page_of"]
