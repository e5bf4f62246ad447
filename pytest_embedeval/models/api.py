"""Models behind an API, asked through LiteLLM, of which nothing but the requests is used: no logs, no telemetry."""

from __future__ import annotations

import base64
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from importlib import metadata
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from pytest_embedeval.errors import MissingExtraError, ModelLoadError, RequestError
from pytest_embedeval.models.catalogue import catalogue
from pytest_embedeval.models.encoder import Model
from pytest_embedeval.models.endpoint import API, Endpoint
from pytest_embedeval.models.info import ModelInfo, Prompts, Role
from pytest_embedeval.models.providers import (
    WITH_BASE64,
    base_of,
    key_of,
    known_facts,
    known_provider,
    limits_of,
    price_of,
    roles_of,
)
from pytest_embedeval.models.refusals import refusal
from pytest_embedeval.models.remote import PROBE, Answer, Remote, RemoteEncoder, Usage
from pytest_embedeval.models.secrecy import without_user
from pytest_embedeval.models.spec import ModelSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TOKENIZED = ("text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002")  # by cl100k_base
_MAX_TOKENS = 8191
_LOCAL = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "CRITICAL"}
_SILENT = {
    "suppress_debug_info": True,
    "DEFAULT_MAX_RETRIES": 0,  # ours are the only ones; LiteLLM takes max_retries=0 for "the default"
    "input_callback": [],
    "success_callback": [],
    "failure_callback": [],
    "callbacks": [],
}


def load(spec: ModelSpec) -> Model:
    """Ask a model behind an API for the vector of one text, which shows that key and address are right.

    Raises
    ------
    MissingExtraError
        LiteLLM is not installed.
    ModelLoadError
        No key, an unknown provider, or no answer; the message says which variable or address is meant.
    """
    entry = catalogue().get(spec.source)
    name = f"openai/{entry.source}" if entry else spec.source.removeprefix(API)
    litellm = _litellm()
    endpoint = spec.endpoint or Endpoint()
    usage = Usage(price_of(litellm, name) if endpoint.price is None else endpoint.price)
    server = _Server(litellm, spec, name, endpoint, usage)
    limits = limits_of(server.provider, server.base, spec.batch_size)
    prompts = Prompts(spec.query_prompt or "", spec.document_prompt or "")
    encoder = RemoteEncoder(
        server.ask,
        prompts,
        limits,
        server.count,
        retries=endpoint.retries,
        concurrency=endpoint.concurrency,
        usage=usage,
        quiet=server.quiet,
    )
    failure = None
    try:
        probe = encoder.encode_documents([PROBE])[0]
    except RequestError as error:
        failure = str(error)
    if failure is not None:  # outside the handler, so that nothing is chained to it
        raise ModelLoadError(failure)
    info = ModelInfo(
        alias=spec.alias,
        source=f"{API}{name}",
        revision=spec.revision,
        fingerprint=server.fingerprint,
        kind="dense",
        dimension=spec.dimension_of(len(probe)),
        max_tokens=server.max_tokens,
        prompts=prompts,
        precision=spec.precision,
        device="api",
        backend="litellm",
        engine=f"litellm {metadata.version('litellm')}",
        price=usage.price,
    )
    model = Model(info, encoder, server.count if server.tokenizer else None, len(probe))
    model.remote = Remote(usage, probe, limits.texts * endpoint.concurrency)
    return model


class _Server:
    """One model of one provider; the only place that holds the key.

    Attributes
    ----------
    tokenizer
        Name under which LiteLLM has the model's own tokenizer; None where it has none.
    max_tokens
        Tokens after which a text is cut: here, where the tokenizer is known, else by the provider.
    base
        Address, without any secret; `""` where LiteLLM alone knows it.
    fingerprint
        Over provider, model, address, revision and roles.
    """

    def __init__(self, litellm: Any, spec: ModelSpec, name: str, endpoint: Endpoint, usage: Usage) -> None:
        self._litellm = litellm
        self._usage = usage
        self._name = name
        self._timeout = endpoint.timeout
        self.provider = known_provider(litellm, spec.alias, name)
        base, self._user = without_user(base_of(self.provider, endpoint))
        self.base = base.rstrip("/")
        self._key, self._variable = key_of(litellm, spec.alias, name, endpoint, self.base)
        self._who = f"model {spec.alias!r} ({API}{name} at {self.base or 'the address of its provider'})"
        self._roles = roles_of(spec.alias, self.provider, endpoint)
        self._encoding: str | None = "base64" if self.provider in WITH_BASE64 else None
        self._dimension: int | None = None
        model = name.partition("/")[2]
        self.tokenizer = model if model in _TOKENIZED and self.provider in ("openai", "azure") else None
        known = _MAX_TOKENS if self.tokenizer else known_facts(litellm, name).get("max_input_tokens")
        self.max_tokens: int | None = endpoint.max_tokens or known
        place = urlsplit(self.base)
        cut = self.max_tokens if self.tokenizer else None
        facts = (name, place.netloc, place.path, spec.revision, repr(self._roles), cut)
        self.fingerprint = f"sha256:{sha256(repr(facts).encode()).hexdigest()}"

    def count(self, texts: list[str]) -> list[int]:
        """Return the tokens of each text; an estimate on the safe side where nobody knows the tokenizer."""
        if self.tokenizer is None:
            return [len(text.encode("utf-8", "replace")) // 2 + 1 for text in texts]
        return [len(self._litellm.encode(self.tokenizer, _sendable(text))) for text in texts]

    def ask(self, texts: list[str], role: Role) -> Answer:
        """Ask once; where the first answer may be a no to base64, once more for plain numbers, and so from then on."""
        texts = [self._cut(_sendable(text)) for text in texts]
        encoding = self._encoding
        response, error = self._answer(texts, role, encoding)
        may_mean_base64 = self._dimension is None and getattr(error, "status_code", None) in (400, 415, 422)
        if encoding is not None and may_mean_base64:
            response, again = self._answer(texts, role, "float")
            if again is None:
                self._encoding, error = "float", None
        if error is not None:
            refused = refusal(error, self._who, self._variable, self._key, self._user)
            del error  # a traceback with local variables would show what the server said
            raise refused
        found = _vectors(response, len(texts), self._dimension)
        if isinstance(found, str):
            raise RequestError(f"{self._who} {found}", may_pass=True)
        self._dimension = found.shape[1]
        told = getattr(getattr(response, "usage", None), "total_tokens", None)
        return Answer(found, told or None)

    def _answer(self, texts: list[str], role: Role, encoding: str | None) -> tuple[Any, Exception | None]:
        given: dict[str, Any] = {"encoding_format": encoding} if encoding else {}
        given |= self._roles.get(role, {})
        if self._user is not None:
            given["extra_headers"] = {"Authorization": self._user.reveal()}
        self._usage.asked()
        try:
            response = self._litellm.embedding(
                model=self._name,
                input=texts,
                api_base=self.base or None,
                api_key=self._key.reveal() if self._key else None,
                timeout=self._timeout,
                max_retries=0,
                drop_params=True,
                caching=False,
                **{"no-log": True},
                **given,
            )
        except Exception as error:  # LiteLLM has a class for most of what may happen, and lets the rest through
            return None, error
        return response, None

    def _cut(self, text: str) -> str:
        """Return as much of a text as the model reads; OpenAI refuses longer ones."""
        most = self.max_tokens
        if self.tokenizer is None or most is None or len(text) <= most:  # a token has one character at least
            return text
        tokens = self._litellm.encode(self.tokenizer, text)
        return text if len(tokens) <= most else str(self._litellm.decode(self.tokenizer, tokens[:most]))

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Let LiteLLM say nothing, tell nobody and retry nothing by itself."""
        before = {name: getattr(self._litellm, name) for name in _SILENT}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            vars(self._litellm).update(_SILENT)
            try:
                yield
            finally:
                vars(self._litellm).update(before)


@cache
def _litellm() -> Any:
    """Import LiteLLM, which takes seconds, without letting it read .env files or look for prices in the network."""
    before = {name: os.environ.get(name) for name in _LOCAL}
    os.environ.update(_LOCAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import litellm
    except ModuleNotFoundError as error:
        if error.name != "litellm":
            raise
        raise MissingExtraError("litellm", "api") from None
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    litellm.telemetry = False
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in ("httpx", "httpcore", "openai"):  # they note addresses and headers, in which some providers want keys
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(logging.WARNING)
    return litellm


def _sendable(text: str) -> str:
    """Return a text that can be sent: OpenAI refuses empty ones, and half a surrogate pair is no UTF-8."""
    return text.encode("utf-8", "replace").decode() or " "


def _vectors(response: Any, texts: int, dimension: int | None) -> NDArray[np.float32] | str:
    """Return the vectors in the order of the texts, float32 array [n, d]; or what is wrong with the answer."""
    try:
        rows = sorted(((row["index"], row["embedding"]) for row in response.data), key=lambda row: row[0])
        if [index for index, _ in rows] != list(range(texts)):
            return f"answered with {len(rows)} vectors for {texts} texts"
        vectors = [_numbers(row) for _, row in rows]
        lengths = {len(vector) for vector in vectors} | ({dimension} if dimension else set())
        if len(lengths) != 1:
            return f"answered with vectors of different lengths: {', '.join(map(str, sorted(lengths)))}"
        return np.stack(vectors)
    except (AttributeError, KeyError, TypeError, ValueError):
        return "gave an answer that cannot be read"


def _numbers(row: str | list[float]) -> NDArray[np.float32]:
    if isinstance(row, str):
        return np.frombuffer(base64.b64decode(row, validate=True), dtype="<f4").astype(np.float32)
    return np.asarray(row, dtype=np.float32)
