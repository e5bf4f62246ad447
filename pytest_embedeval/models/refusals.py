"""Why a request failed, in words that say what to do, and whether it may succeed later."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pytest_embedeval.errors import RequestError
from pytest_embedeval.models.secrecy import Secret, scrubbed

_SHOWN = 300
_PASSING = (408, 409, 425, 429)
_WITHOUT_WORDS = ("APITimeoutError", "APIConnectionError", "ConnectError", "ReadTimeout")  # the server said nothing
_EXHAUSTED = "insufficient_quota"  # OpenAI's 429 that no waiting mends
_PREFIX = re.compile(r"^(?:litellm\.)?(?:\w+(?:Error|Exception|Timeout)(?: \w+)?: )+|^\w+Exception - ")
_MESSAGE = re.compile(r"""['"]message['"]: (?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")""")


def refusal(error: Exception, who: str, variable: str, *secrets: Secret | None) -> RequestError:
    """Return our error for one of LiteLLM's.

    Parameters
    ----------
    error
        What LiteLLM raised.
    who
        Model and address, for the message.
    variable
        The environment variable of the key, for the message.
    secrets
        What must not be seen in the message.
    """
    code = getattr(error, "status_code", None)
    said = scrubbed(_words_of(error), *secrets)
    exhausted = _EXHAUSTED in str(error)
    may_pass = not exhausted and (not isinstance(code, int) or code in _PASSING or code >= 500)
    wait = _asked_to_wait(error) if may_pass else None
    kinds = [type(each).__name__ for each in _chain(error)]
    if code in (401, 403):
        what = f"refuses the key ({code}); put a valid one into the environment variable {variable}"
    elif code == 404:
        what = "is not there (404); look at the name of the model and at api_base"
    elif exhausted:
        what = "has no quota left (429); look at the account's plan and billing"
    elif code == 429 and wait:
        what = f"takes no more requests for {wait:.0f} s (429)"
    elif code == 429:
        what = "takes no more requests for now (429); fewer at once (concurrency) or smaller ones (batch_size) may help"
    elif "Timeout" in kinds:
        what = "did not answer in time; a longer timeout, or a smaller batch_size, may help"
    elif "ConnectError" in kinds or "ConnectionRefusedError" in kinds:
        what = "cannot be reached; look whether the server runs, and at api_base"
    elif any("Protocol" in kind or kind in ("ReadError", "WriteError") for kind in kinds):
        what = "hung up in the middle"
    elif "JSONDecodeError" in kinds or not isinstance(code, int):
        what = "gave an answer that cannot be read"
    elif code >= 500:
        what = f"failed ({code})"
    else:
        what = f"refuses the request ({code})"
    by_server = isinstance(code, int) and not any(kind in _WITHOUT_WORDS for kind in kinds)
    return RequestError(f"{who} {what}: {said}" if by_server else f"{who} {what}", may_pass=may_pass, wait=wait)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _words_of(error: Exception) -> str:
    """Return what the server said, without LiteLLM's wrapping, in one line."""
    text = str(error) or type(error).__name__
    found = _MESSAGE.search(text)
    if found:
        text = found[1] or found[2] or text
    while text != (text := _PREFIX.sub("", text)):
        pass
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _asked_to_wait(error: Exception) -> float | None:
    """Return the seconds of the header Retry-After, which may name a time instead (RFC 9110, 10.2.3)."""
    headers = getattr(error, "litellm_response_headers", None) or getattr(
        getattr(error, "response", None), "headers", None
    )
    value = (headers or {}).get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
