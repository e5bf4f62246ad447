from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from pytest_embedeval.models.refusals import refusal


class LiteLLMError(Exception):
    """What LiteLLM's errors have in common."""

    def __init__(self, message: str, status_code: int | None, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.litellm_response_headers = {"retry-after": retry_after} if retry_after is not None else None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("0.5", 0.5), ("-3", 0), ("soon", None), ("", None)],
)
def test_the_header_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert refusal(LiteLLMError("slow down", 429, value), "it", "KEY").wait == seconds


@pytest.mark.parametrize(("minutes", "low", "high"), [(1, 50, 61), (-1, 0, 0)])
def test_the_header_retry_after_as_a_date(minutes: int, low: float, high: float) -> None:
    value = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    wait = refusal(LiteLLMError("slow down", 503, value), "it", "KEY").wait
    assert wait is not None
    assert low <= wait <= high


def test_what_will_not_pass_is_not_waited_for() -> None:
    found = refusal(LiteLLMError("no", 400, "7"), "it", "KEY")
    assert (found.may_pass, found.wait) == (False, None)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "litellm.BadRequestError: OpenAIException - Error code: 400 - {'error': {'message': \"it's\\ntoo long\"}}",
            "it refuses the request (400): it's\\ntoo long",
        ),
        (
            'CohereException - {"error": {"message": "too long", "code": null}}',
            "it refuses the request (400): too long",
        ),
        ("litellm.BadRequestError: VoyageException - too\n  long", "it refuses the request (400): too long"),
        ("a" * 400, f"it refuses the request (400): {'a' * 299}…"),
        ("", "it refuses the request (400): LiteLLMError"),
    ],
)
def test_the_servers_words_are_shown_without_wrapping(message: str, expected: str) -> None:
    assert str(refusal(LiteLLMError(message, 400), "it", "KEY")) == expected


def test_an_error_of_no_kind_may_pass() -> None:
    found = refusal(TypeError("'NoneType' object is not subscriptable"), "it", "KEY")
    assert (str(found), found.may_pass) == ("it gave an answer that cannot be read", True)
