"""Which test runs for which model, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from pytest_embedeval.plugin.state import Session

_OURS = "pytest_embedeval.plugin"


def parametrise(metafunc: pytest.Metafunc, session: Session) -> None:
    """Give `model`, then `dataset` and `words`, their parameters, unless the user has a fixture of that name."""
    if _is_ours(metafunc, "model"):
        aliases = [spec.alias for spec in session.specs]
        metafunc.parametrize("model", aliases, indirect=True, scope="session", ids=aliases)
    for name in ("dataset", "words"):
        if _is_ours(metafunc, name):
            names = session.dataset_names(name)
            if not names:
                raise pytest.UsageError(
                    f"{metafunc.definition.nodeid} wants a data set for {name!r}, and none is configured; add "
                    f"[tool.embedeval.datasets.NAME] with path and format = {_FORMATS[name]!r} to pyproject.toml"
                )
            metafunc.parametrize(name, names, indirect=True, ids=names)


_FORMATS = {"dataset": "squad", "words": "morphology"}


def arrange(config: pytest.Config, items: list[pytest.Item], session: Session) -> None:
    """Sort by model, keep each model's tests on one xdist worker, and deselect what does not apply, in place."""
    lexical = {spec.alias for spec in session.specs if spec.is_lexical} if _aliases(items) else set()
    inapplicable = [item for item in items if alias_of(item) in lexical and item.get_closest_marker("needs_vectors")]
    if inapplicable:
        dropped = set(inapplicable)
        items[:] = [item for item in items if item not in dropped]
        config.hook.pytest_deselected(items=inapplicable)
    session.inapplicable = len(inapplicable)
    if not _aliases(items):
        return
    place = {spec.alias: position for position, spec in enumerate(session.specs)}
    items.sort(key=lambda item: place.get(alias_of(item) or "", -1))
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            if alias := alias_of(item):
                item.add_marker(pytest.mark.xdist_group(alias))


def announce(items: Sequence[pytest.Item], session: Session) -> list[str]:
    """Return the lines that follow the count of collected tests."""
    aliases = _aliases(items)
    if not aliases:
        return []
    names = [spec.alias for spec in session.specs if spec.alias in aliases]
    left_out = f"; not applicable to bm25: {session.inapplicable} tests" if session.inapplicable else ""
    return [f"embedeval: {len(names)} models ({', '.join(names)}){left_out}"]


def alias_of(item: pytest.Item) -> str | None:
    """Return the model that a test runs for, None for a test without one."""
    callspec = getattr(item, "callspec", None)
    alias = callspec.params.get("model") if callspec is not None else None
    return alias if isinstance(alias, str) and _uses_our_fixture(item) else None


def _aliases(items: Iterable[pytest.Item]) -> set[str]:
    return {alias for item in items if (alias := alias_of(item))}


def _uses_our_fixture(item: pytest.Item) -> bool:
    info = getattr(item, "_fixtureinfo", None)
    definitions = info.name2fixturedefs.get("model", ()) if info is not None else ()
    return any(definition.func.__module__.startswith(_OURS) for definition in definitions)


def _is_ours(metafunc: pytest.Metafunc, name: str) -> bool:
    """Whether the test asks for our fixture of that name, and does not give it values of its own."""
    if name not in metafunc.fixturenames:
        return False
    definitions = metafunc.definition._fixtureinfo.name2fixturedefs.get(name, ())
    if not definitions or not definitions[-1].func.__module__.startswith(_OURS):
        return False
    given = (mark.args[0] for mark in metafunc.definition.iter_markers("parametrize") if mark.args)
    return not any(
        name in ([n.strip() for n in names.split(",")] if isinstance(names, str) else names) for names in given
    )
