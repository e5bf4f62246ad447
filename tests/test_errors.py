from __future__ import annotations

import inspect

import pytest

from pytest_embedeval import errors
from pytest_embedeval.errors import EmbedevalError, MissingExtraError, did_you_mean


def test_one_except_clause_catches_every_error_of_the_package() -> None:
    own = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
    assert len(own) > 1
    assert [kind.__name__ for kind in own if not issubclass(kind, EmbedevalError)] == []


def test_a_missing_library_is_named_with_the_command_that_installs_it() -> None:
    assert str(MissingExtraError("bm25s", "lexical")) == (
        "bm25s is not installed; add it with: pip install 'pytest-embedeval[lexical]'"
    )


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        pytest.param("bge-m", ["minilm", "bge-m3"], "did you mean 'bge-m3'? Known: bge-m3, minilm", id="a near name"),
        pytest.param("xyz", ["minilm", "bge-m3"], "Known: bge-m3, minilm", id="nothing near"),
        pytest.param("xyz", [], "Known: none", id="nothing known"),
    ],
)
def test_a_suggestion_is_followed_by_all_that_is_known(name: str, known: list[str], message: str) -> None:
    assert did_you_mean(name, known) == message
