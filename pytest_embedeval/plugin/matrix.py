"""Which test runs for which model, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_embedeval.errors import UsageError
from pytest_embedeval.plugin.state import Session

if TYPE_CHECKING:
    from pytest_embedeval.models import ModelSpec

_OURS = "pytest_embedeval.plugin"


def parametrise(metafunc: pytest.Metafunc, session: Session) -> None:
    """Give `model`, then the arguments of data, their parameters, unless the user has a fixture of that name."""
    if _wants(metafunc, "model"):
        params = [_param(spec.alias, metafunc.config) for spec in session.specs]
        metafunc.parametrize(
            "model", params, indirect=True, scope="session", ids=[spec.alias for spec in session.specs]
        )
    for name in _FORMATS:
        if _wants(metafunc, name):
            names = session.dataset_names(name)
            if not names and not any(map(session.dataset_names, _FORMATS)):
                heading = session.settings.heading("datasets", "NAME")
                raise UsageError(
                    f"{metafunc.definition.nodeid} wants a data set for {name!r}, and none is configured; add "
                    f"{heading} with path and format = {_FORMATS[name]!r} to {session.settings.file}"
                )
            metafunc.parametrize(name, names or [_NO_DATA], indirect=True, ids=names or [_NO_DATA])


# An argument of tests -> a format that serves it, for a message.
_FORMATS = {
    "dataset": "squad",
    "parallel": "squad",
    "words": "morphology",
    "sentences": "similarity",
    "minimal_pairs": "minimal_pairs",
}
# A mark of tests -> whether they apply to a model; those that do not are deselected without a word.
_NEEDS: dict[str, Callable[[ModelSpec], bool]] = {
    "needs_vectors": lambda spec: spec.has_vectors,
    "needs_second_stage": lambda spec: spec.second is not None,
    "needs_new_queries": lambda spec: not spec.is_run,
}
_NO_DATA = "no data set"  # stands for the parameter of tests that are deselected: the project has data of another kind


def _param(alias: str, config: pytest.Config) -> Any:
    """Keep each model's tests on one worker of xdist, where there is xdist; it looks for the mark very early."""
    marks = [pytest.mark.xdist_group(alias)] if config.pluginmanager.hasplugin("xdist") else []
    return pytest.param(alias, marks=marks)


def arrange(config: pytest.Config, items: list[pytest.Item], session: Session) -> None:
    """Sort by model and deselect what does not apply, in place."""
    specs = {spec.alias: spec for spec in session.specs} if _aliases(items) else {}
    session.dropped = {item: reason for item in items if (reason := _unfit(item, specs))}
    if session.dropped:
        config.hook.pytest_deselected(items=list(session.dropped))
        items[:] = [item for item in items if item not in session.dropped]
    if not _aliases(items):
        return
    session.check_against()
    place: dict[str | None, float] = {spec.alias: position for position, spec in enumerate(session.specs)}
    if session.settings.against in place:  # the reference first, so that the others can be compared with it
        place[session.settings.against] = -0.5
    items.sort(key=lambda item: place.get(alias_of(item), -1))


def announce(items: Sequence[pytest.Item], session: Session) -> list[str]:
    """Return the lines that follow the count of collected tests."""
    aliases = _aliases(items)
    if not aliases:
        return [] if items else session.none_left
    names = [spec.alias for spec in session.specs if spec.alias in aliases]
    searching = ", ".join(spec.alias for spec in session.specs if not spec.has_vectors)
    counts = Counter(session.dropped.values())
    inapplicable, without_data = counts["needs_vectors"], counts[_NO_DATA]
    left_out = f"; not applicable to {searching}: {_counted(inapplicable, 'test')}" if inapplicable else ""
    if without_data:
        left_out += f"; no data set of their kind: {_counted(without_data, 'test')}"
    return [f"embedeval: {_counted(len(names), 'model')} ({', '.join(names)}){left_out}"]


def none_left(collected: Sequence[pytest.Item], session: Session) -> list[str]:
    """Return the line that says for what tests were collected, and why none of them will run."""
    aliases = _aliases(collected)
    if not aliases:
        return []
    params = [item.callspec.params for item in collected if hasattr(item, "callspec")]
    data = dict.fromkeys(each[name] for each in params for name in _FORMATS if each.get(name, _NO_DATA) != _NO_DATA)
    models = ", ".join(spec.alias for spec in session.specs if spec.alias in aliases)
    counts = Counter(session.dropped.values())
    counts["deselected by options"] = len(collected) - counts.total()
    reasons = (f"; {reason}: {_counted(number, 'test')}" for reason, number in counts.items() if number)
    return [f"embedeval: no test is left for {models}{' on ' if data else ''}{', '.join(data)}{''.join(reasons)}"]


def _unfit(item: pytest.Item, specs: Mapping[str, ModelSpec]) -> str | None:
    """Return why a test does not apply: there are no data of its kind, or the mark that its model does not satisfy."""
    if _lacks_data(item):
        return _NO_DATA
    spec = specs.get(alias_of(item) or "")
    unmet = (mark for mark, can in _NEEDS.items() if spec and item.get_closest_marker(mark) and not can(spec))
    return next(unmet, None)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def alias_of(item: pytest.Item) -> str | None:
    """Return the model that a test runs for, None for a test without one."""
    callspec = getattr(item, "callspec", None)
    alias = callspec.params.get("model") if callspec is not None else None
    return alias if isinstance(alias, str) and _is_ours(getattr(item, "_fixtureinfo", None), "model") else None


def _lacks_data(item: pytest.Item) -> bool:
    params = getattr(getattr(item, "callspec", None), "params", {})
    fixtures = getattr(item, "_fixtureinfo", None)
    return any(params.get(name) == _NO_DATA and _is_ours(fixtures, name) for name in _FORMATS)


def _aliases(items: Iterable[pytest.Item]) -> set[str]:
    return {alias for item in items if (alias := alias_of(item))}


def _is_ours(fixtures: Any, name: str) -> bool:
    """Whether a test that asks for `name` gets our fixture, directly or through one of the user's that extends it."""
    for definition in reversed(fixtures.name2fixturedefs.get(name, ()) if fixtures is not None else ()):
        if definition.func.__module__.startswith(_OURS):
            return True
        if name not in definition.argnames or definition.params:
            return False
    return False


def _wants(metafunc: pytest.Metafunc, name: str) -> bool:
    """Whether a test asks for our fixture of that name and leaves its values to us."""
    return _is_ours(metafunc.definition._fixtureinfo, name) and not _has_own_values(metafunc, name)


def _has_own_values(metafunc: pytest.Metafunc, name: str) -> bool:
    """Whether a mark `parametrize` of the test already gives values to `name`."""
    marks = metafunc.definition.iter_markers("parametrize")
    given = (mark.args[0] if mark.args else mark.kwargs.get("argnames", ()) for mark in marks)
    return any(
        name in ([part.strip() for part in names.split(",")] if isinstance(names, str) else names) for names in given
    )
