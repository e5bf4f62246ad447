"""Links of the pages to files beside docs/: links into the repository, or plain text while it has no address."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

_LOG = logging.getLogger("mkdocs.hooks.repository_links")
_FENCE = re.compile(r"^ *(```|~~~)")
_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)#\s]+)(#[^)\s]*)?\)")
_BRANCH = "main"


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001
    """Rewrite the links of one page; mkdocs calls this. A link to a file that is not there fails a strict build."""
    root = Path(config.config_file_path).parent
    for target in {match[2] for line in _prose(markdown) for match in _OUTSIDE.finditer(line)}:
        if not (root / target).exists():
            _LOG.warning("%s links to ../%s, which is not there", page.file.src_uri, target)
    return rewritten(markdown, config.repo_url)


def rewritten(markdown: str, repository: str | None) -> str:
    """Return the page with its links to `../…` pointing into the repository, or with their text alone.

    Parameters
    ----------
    repository
        Its address, as `repo_url` of mkdocs.yml has it; None while there is none.
    """
    prose = set(_prose(markdown))
    lines = (
        _OUTSIDE.sub(lambda match: _link(match, repository), line) if line in prose else line
        for line in markdown.split("\n")
    )
    return "\n".join(lines)


def _link(match: re.Match[str], repository: str | None) -> str:
    text, path, anchor = match[1], match[2], match[3] or ""
    return f"[{text}]({repository.rstrip('/')}/blob/{_BRANCH}/{path}{anchor})" if repository else text


def _prose(markdown: str) -> list[str]:
    """Return the lines outside fenced code."""
    lines, fence = [], None
    for line in markdown.split("\n"):
        found = _FENCE.match(line)
        if found and fence in (None, found[1]):
            fence = None if fence else found[1]
        elif fence is None:
            lines.append(line)
    return lines
