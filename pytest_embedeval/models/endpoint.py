"""Where a model behind an API is asked, and how: the keys that only such entries of the matrix have."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from pytest_embedeval.errors import UsageError
from pytest_embedeval.models.catalogue import catalogue

if TYPE_CHECKING:
    from pytest_embedeval.models.spec import ModelSpec
    from pytest_embedeval.settings import ModelTable

API = "api:"  # begins a source: api:PROVIDER/MODEL, as LiteLLM names them

_SOURCE = re.compile(r"api:[\w.-]+/\S+")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")  # capitals only, so that a key put here by mistake is none
_LEAST = {"retries": 0, "concurrency": 1, "max_tokens": 1, "price": 0}


@dataclass(frozen=True)
class Endpoint:
    """The keys of an entry that say how its provider is asked.

    Attributes
    ----------
    api_base
        URL of the server; None for what the environment says, or the provider's own.
    api_key_env
        Name of the environment variable that holds the key; None for the provider's usual one.
    timeout
        Seconds until a request counts as lost.
    retries
        How often a request is made again that failed for a reason which may pass.
    concurrency
        Requests under way at once.
    max_tokens
        Tokens after which the model cuts a text; None for what LiteLLM knows of it.
    price
        US dollars for a million tokens; None for what LiteLLM knows.
    query_input_type, document_input_type
        What the server calls the role of a text; None for the word that LiteLLM's provider has for it, if any.
    """

    api_base: str | None = None
    api_key_env: str | None = None
    timeout: float = 60.0
    retries: int = 5
    concurrency: int = 4
    max_tokens: int | None = None
    price: float | None = None
    query_input_type: str | None = None
    document_input_type: str | None = None


_KEYS = tuple(field.name for field in fields(Endpoint))


def endpoint_of(table: ModelTable, known: Endpoint | None) -> Endpoint | None:
    """Return what a table says, on top of what is known; None where neither says anything."""
    given = {key: getattr(table, key) for key in _KEYS if getattr(table, key) is not None}
    return replace(known or Endpoint(), **given) if given else known


def is_api(source: str) -> bool:
    """Whether a source is behind an API, by its form or by the catalogue."""
    known = catalogue().get(source)
    return source.startswith(API) or (known is not None and known.is_api)


def names_api(source: str, entry: str) -> bool:
    """Whether a source has the form `api:PROVIDER/MODEL`.

    Raises
    ------
    UsageError
        It begins like that, and names no provider or no model.
    """
    if source.startswith(API) and not _SOURCE.fullmatch(source):
        raise UsageError(
            f"{entry!r}: write api:PROVIDER/MODEL as LiteLLM names them, for example api:openai/text-embedding-3-small"
        )
    return source.startswith(API)


def check_endpoint(spec: ModelSpec, entry: str) -> None:
    """Raise where a key does not apply, or its value makes no sense; what may be a secret is never quoted.

    Raises
    ------
    UsageError
        The message names the entry, the key and what it takes.
    """
    if is_api(spec.source) and (spec.backend != "torch" or spec.devices or spec.device != "auto"):
        raise UsageError(f"{entry!r}: {spec.source} is computed by its provider; remove backend, device and devices")
    endpoint = spec.endpoint
    if endpoint is None:
        return
    if not is_api(spec.source):
        raise UsageError(f"{entry!r}: {', '.join(_KEYS)} are keys of models behind an API (api:PROVIDER/MODEL)")
    if endpoint.api_key_env is not None and not _VARIABLE.fullmatch(endpoint.api_key_env):
        raise UsageError(
            f"{entry!r}: api_key_env takes the name of an environment variable in capitals, such as OPENAI_API_KEY, "
            "and never the key itself"
        )
    if endpoint.api_base is not None and not endpoint.api_base.startswith(("http://", "https://")):
        raise UsageError(f"{entry!r}: api_base must be a URL that begins with http:// or https://")
    for key, least in _LEAST.items():
        value = getattr(endpoint, key)
        if value is not None and not least <= value < math.inf:
            raise UsageError(f"{entry!r}: {key} must be at least {least}, not {value}")
    if not 0 < endpoint.timeout < math.inf:
        raise UsageError(f"{entry!r}: timeout must be a number of seconds above 0, not {endpoint.timeout:g}")
