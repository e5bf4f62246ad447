"""The line that starts a run again: as a shell reads it, and without keys."""

from __future__ import annotations

import shlex

import pytest

from pytest_embedeval.report.environment import command_line


def test_a_shell_reads_back_what_was_given() -> None:
    given = ["suites/", "--models=a=./my models,bm25", "-k", "tr and not 'x'", "-o", "addopts="]
    assert shlex.split(command_line(given)) == ["pytest", *given]


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["--api-key=0815"], "pytest --api-key=***"),
        (["--my-token", "0815", "x"], "pytest --my-token *** x"),
        (["--token", "-q"], "pytest --token -q"),
        (["--password="], "pytest --password=***"),
        (["--url=https://me:0815@host/v1"], "pytest --url=https://host/v1"),
        (["--tokens-per-batch=8", "--keyword=x"], "pytest --tokens-per-batch=8 --keyword=x"),
        (["-x", "sk-abcdef0815"], "pytest -x ***"),
    ],
)
def test_what_looks_like_a_key_is_not_shown(given: list[str], shown: str) -> None:
    assert command_line(given) == shown


def test_what_the_environment_calls_a_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "open sesame")
    assert "sesame" not in command_line(["--header=open sesame"])
