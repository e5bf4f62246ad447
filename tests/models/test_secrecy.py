from __future__ import annotations

import pytest

from pytest_embedeval.models.secrecy import Secret, scrubbed, without_user


@pytest.mark.parametrize(
    ("url", "shown", "sent"),
    [
        ("https://host/v1", "https://host/v1", None),
        ("https://me:pass@host:8443/v1?key=x#y", "https://host:8443/v1", "Basic bWU6cGFzcw=="),
        ("https://token@host", "https://host", "Basic dG9rZW4="),
        ("http://me:p@ss@[::1]:80/v1/", "http://[::1]:80/v1/", "Basic bWU6cEBzcw=="),
        ("", "", None),
    ],
)
def test_an_address_is_shown_without_user_and_query(url: str, shown: str, sent: str | None) -> None:
    address, header = without_user(url)
    assert address == shown
    assert (header.reveal() if header else None) == sent


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret("abc")
    assert "abc" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "abc"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Incorrect API key provided: sk-proj-ab***9xyz.", "Incorrect API key provided: ***"),
        ("headers {'Authorization': 'Bearer eyJh.b-c_d='}", "headers {'Authorization': '***'}"),
        ("POST https://me:pass@host/v1 failed", "POST https://host/v1 failed"),
        ("the value hunter22 of a variable", "the value *** of a variable"),
        ("known and unknown", "*** and un***"),
        ("a risk-free task-specific text", "a risk-free task-specific text"),
    ],
)
def test_secrets_are_taken_out_of_what_others_wrote(monkeypatch: pytest.MonkeyPatch, text: str, expected: str) -> None:
    monkeypatch.setenv("SOME_PROVIDER_TOKEN", "hunter22")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    assert scrubbed(text, Secret("known"), None) == expected


def test_short_values_of_variables_are_words_and_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_TYPE", "key")
    assert scrubbed("refuses the key") == "refuses the key"
