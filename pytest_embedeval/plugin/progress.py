"""A bar for long encodings: on a terminal, at normal verbosity, and nowhere else."""

from __future__ import annotations

import os

import pytest

from pytest_embedeval.vectors.encode import Progress, ProgressFactory

_WORTH_A_BAR = 200


class _NoBar:
    def update(self, n: int, /) -> None:
        pass

    def close(self) -> None:
        pass


def progress_for(config: pytest.Config) -> ProgressFactory | None:
    """Return what makes progress bars in this run; None in CI, under xdist, with -q, and without a terminal."""
    if os.environ.get("CI") or hasattr(config, "workerinput") or config.get_verbosity() != 0:
        return None
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not reporter.isatty:
        return None

    def bar(label: str, total: int) -> Progress:
        if total < _WORTH_A_BAR:
            return _NoBar()
        from tqdm import tqdm

        writer = config.get_terminal_writer()
        writer.line()  # the bar clears its line, which is not to be the one with the dots
        shown: Progress = tqdm(total=total, desc=label, unit=" texts", file=writer._file, leave=False, delay=1.0)
        return shown

    return bar
