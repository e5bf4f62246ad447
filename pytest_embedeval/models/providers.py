"""What is known of the providers of embeddings: addresses, variables of keys, limits of a request, words for roles.

Everything that LiteLLM knows is asked of it; its module is handed in, since importing it takes seconds.
"""

from __future__ import annotations

import difflib
import os
from typing import Any

from pytest_embedeval.errors import ModelLoadError
from pytest_embedeval.models.endpoint import API, Endpoint
from pytest_embedeval.models.remote import Limits
from pytest_embedeval.models.secrecy import Secret

# Texts by default, texts at most and tokens at most of one request, from the providers' documentation. A server that
# we do not know may be one of Hugging Face's, which take 32 texts unless told otherwise.
_LIMITS: dict[str, tuple[int, int, int]] = {
    "openai": (256, 2048, 300_000),
    "azure": (256, 2048, 300_000),
    "cohere": (96, 96, 100_000),
    "voyage": (128, 1000, 120_000),
    "gemini": (100, 100, 100_000),
}
_OTHER_LIMITS = (32, 2048, 16_000)
# The parameter that tells a provider the role of a text, and its words for query and document.
_ROLES = {
    "cohere": ("input_type", "search_query", "search_document"),
    "voyage": ("input_type", "query", "document"),
    "nvidia_nim": ("input_type", "query", "passage"),
    "jina_ai": ("task", "retrieval.query", "retrieval.passage"),
    "gemini": ("task_type", "RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT"),
}
_OPENAI_LIKE = ("openai", "litellm_proxy")  # LiteLLM lets them have further keys in the body
_OWN_BASES = {"openai": "https://api.openai.com/v1"}
_BASES = {"openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE")}  # else PROVIDER_API_BASE

WITH_BASE64 = ("openai", "azure", "litellm_proxy", "hosted_vllm", "voyage")


def known_provider(litellm: Any, alias: str, name: str) -> str:
    """Return the provider of `PROVIDER/MODEL`.

    Raises
    ------
    ModelLoadError
        LiteLLM has none of that name.
    """
    provider = name.partition("/")[0]
    known = [str(getattr(each, "value", each)) for each in litellm.provider_list]
    if provider not in known:
        near = difflib.get_close_matches(provider, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "LiteLLM's documentation lists those it has"
        raise ModelLoadError(f"model {alias!r}: LiteLLM has no provider {provider!r} ({API}{name}); {hint}")
    return provider


def limits_of(provider: str, base: str, texts: int | None) -> Limits:
    """Return what a request may hold.

    Parameters
    ----------
    base
        The address, behind which another server may be.
    texts
        How many the user wants at most.
    """
    is_own = provider not in _OWN_BASES or base == _OWN_BASES[provider]
    default, most, tokens = _LIMITS.get(provider, _OTHER_LIMITS) if is_own else _OTHER_LIMITS
    return Limits(min(texts or default, most), tokens)


def base_of(provider: str, endpoint: Endpoint) -> str:
    """Return the address of the server, as LiteLLM looks it up; `""` where LiteLLM alone knows it."""
    names = _BASES.get(provider, (f"{provider.upper()}_API_BASE",))
    in_environment = next((value for name in names if (value := os.environ.get(name))), None)
    return endpoint.api_base or in_environment or _OWN_BASES.get(provider, "")


def key_of(litellm: Any, alias: str, name: str, endpoint: Endpoint, base: str) -> tuple[Secret | None, str]:
    """Find the key.

    Returns
    -------
    The key, None where LiteLLM has to find it; and the name of its variable, for messages.

    Raises
    ------
    ModelLoadError
        The variable is not set, and the server is not one of the user's own, which may want no key.
    """
    if endpoint.api_key_env is not None:
        value = os.environ.get(endpoint.api_key_env)
        if not value:
            raise ModelLoadError(
                f"model {alias!r}: the environment variable {endpoint.api_key_env}, which api_key_env names, is not "
                "set; put the key there"
            )
        return Secret(value), endpoint.api_key_env
    provider = name.partition("/")[0]
    missing = [key for key in litellm.validate_environment(name)["missing_keys"] if "KEY" in key]
    variable = missing[-1] if missing else f"{provider.upper()}_API_KEY"
    value = os.environ.get(variable)
    if value or not missing:
        return (Secret(value) if value else None), variable
    if base not in ("", _OWN_BASES.get(provider)):
        return Secret("none"), variable  # the libraries want something to send
    raise ModelLoadError(
        f"model {alias!r}: the environment variable {' or '.join(missing)} is not set; put the key of {provider} "
        "there, or name another variable with api_key_env"
    )


def roles_of(alias: str, provider: str, endpoint: Endpoint) -> dict[str, dict[str, Any]]:
    """Return role -> the parameters of a request that tell the provider of it; nothing for those without roles.

    Raises
    ------
    ModelLoadError
        The endpoint has words for the roles that LiteLLM does not hand on to this provider.
    """
    parameter, query, document = _ROLES.get(provider, ("input_type", None, None))
    words = {"query": endpoint.query_input_type or query, "document": endpoint.document_input_type or document}
    given = {role: {parameter: word} for role, word in words.items() if word}
    if given and provider not in (*_ROLES, *_OPENAI_LIKE):
        raise ModelLoadError(
            f"model {alias!r}: LiteLLM tells {provider} no input_type; remove query_input_type and "
            "document_input_type, or use query_prompt and document_prompt"
        )
    return {role: {"extra_body": found} for role, found in given.items()} if provider in _OPENAI_LIKE else given


def price_of(litellm: Any, name: str) -> float | None:
    """Return US dollars for a million tokens by LiteLLM's own table; None for a model that it does not know."""
    cost = known_facts(litellm, name).get("input_cost_per_token")
    return None if cost is None else float(cost) * 1e6


def known_facts(litellm: Any, name: str) -> dict[str, Any]:
    """Return what LiteLLM's own table says of a model; nothing for one that it does not know."""
    provider, _, model = name.partition("/")
    found = (litellm.model_cost.get(key, {}) for key in (name, model))
    return next((facts for facts in found if facts.get("litellm_provider") == provider), {})
