"""Beside pytest-xdist: `--dist loadgroup` gives all tests of a model to one worker.

xdist reads the group of a test from the end of its id, `test_retrieval[minilm-medical]@minilm`. Version 3.8 writes it
there through a private name that pytest 9.2 no longer reads; ids then come without it, and every test is a group of its
own. So each worker notes the models of its tests, and the reporting process, which collects nothing and knows no more
than the ids, groups by that.
"""

from __future__ import annotations

import contextlib
import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_embedeval.plugin.matrix import alias_of
from pytest_embedeval.plugin.state import KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

_SUFFIX = ".models"  # the parts of the report, in the same folder, end in .json


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which test is of which model, before xdist sends the ids: after that the tests are given out."""
    state = session.config.stash[KEY]
    if state.is_worker:
        note_models(state.parts.folder(), session.items)


@pytest.hookimpl(optionalhook=True, trylast=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Group by model under `--dist loadgroup`; a scheduler of the user's own comes first, xdist's comes later."""
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist import scheduler

    # Named as its base: -v prints the name, and in a run without our tests there is no difference between the two.
    class LoadGroupScheduling(scheduler.LoadGroupScheduling):  # type: ignore[misc]  # xdist has no types
        """xdist's own, with the models of tests whose ids lack their group."""

        @cached_property
        def models(self) -> dict[str, str]:
            """First asked for when all workers have collected, and so have noted theirs."""
            return noted_models(config.stash[KEY].parts.folder())

        def _split_scope(self, nodeid: str) -> str:
            group: str = super()._split_scope(nodeid)
            return self.models.get(nodeid, group) if group == nodeid else group

    return LoadGroupScheduling(config, log)


def note_models(folder: Path, items: Iterable[pytest.Item]) -> None:
    """Write the model of each test that has one to a file of this process; nothing where none has."""
    models = {item.nodeid: alias for item in items if (alias := alias_of(item))}
    if models:
        with contextlib.suppress(OSError):  # no such folder: a worker on another machine
            (folder / f"{os.getpid()}{_SUFFIX}").write_text(json.dumps(models), encoding="utf-8")


def noted_models(folder: Path) -> dict[str, str]:
    """Return node id -> alias, from all workers."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        found |= json.loads(path.read_text(encoding="utf-8"))
    return found
