"""Texts that are encoded elsewhere: divided into requests, several at once, asked again where that may help.

Knows no provider. What was answered is never lost: where a request fails for good, the error brings along what the
others got.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_embedeval.errors import MissingExtraError, RequestError
from pytest_embedeval.models.info import Prompts, Role

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tenacity import RetryCallState

PROBE = "Bu cümle, bu modelin hâlâ aynı model olup olmadığını gösterir. Is this still the same model?"

_FIRST_WAIT_S = 0.5  # before the first retry; twice as long before each further one, and a random part on top
_LONGEST_BACK_OFF_S = 30.0
_LONGEST_WAIT_S = 120.0  # a provider that asks for more is not waited for
_RETRIES_OF_A_STRANGER = 2  # a server that has never answered is more likely not there than busy


class Answer(NamedTuple):
    """Vectors of the texts of one request, float32 array [n, d], and the tokens to pay for; None where not told."""

    vectors: NDArray[np.float32]
    tokens: int | None


class Finished(NamedTuple):
    """What was done before an error: which of the texts, int64 array [m], and their vectors, float32 array [m, d]."""

    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]


@dataclass(frozen=True)
class Limits:
    """What one request may hold: so many texts, and so many tokens in all of them."""

    texts: int
    tokens: int


@dataclass
class Usage:
    """What was asked and paid for. `tokens` is None once an answer did not tell; `price` is for a million of them."""

    price: float | None = None
    requests: int = 0
    retries: int = 0
    texts: int = 0
    tokens: int | None = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def cost_usd(self) -> float | None:
        """US dollars; None where tokens or price are not known."""
        return None if self.tokens is None or self.price is None else self.tokens * self.price / 1e6

    def asked(self) -> None:
        """Count a request."""
        with self._lock:
            self.requests += 1

    def asked_again(self) -> None:
        """Count a retry, which is a request besides."""
        with self._lock:
            self.retries += 1

    def answered(self, texts: int, tokens: int | None) -> None:
        """Count what an answer brought."""
        with self._lock:
            self.texts += texts
            self.tokens = None if self.tokens is None or tokens is None else self.tokens + tokens

    def take(self) -> Usage:
        """Return the counts, and begin anew."""
        with self._lock:
            taken = Usage(self.price, self.requests, self.retries, self.texts, self.tokens)
            self.requests = self.retries = self.texts = self.tokens = 0
        return taken


@dataclass(frozen=True)
class Remote:
    """What the rooms after this one know of a model behind an API.

    Attributes
    ----------
    usage
        What was paid for so far.
    probe
        Vector of the text `PROBE` as a document, now; float32 array [d].
    at_once
        Texts that fill all requests which may be under way together.
    """

    usage: Usage
    probe: NDArray[np.float32]
    at_once: int


def finished_by(error: BaseException) -> Finished | None:
    """Return what was answered before an error of a `RemoteEncoder`, if anything was."""
    finished: Finished | None = vars(error).get("finished")
    return finished


class RemoteEncoder:
    """An encoder that asks a server.

    Parameters
    ----------
    ask
        Texts of one request and their role -> the answer. Raises a RequestError that says whether it may pass.
    prompts
        Put before the texts.
    limits
        What one request may hold.
    count
        Tokens of each text, exact or estimated.
    retries, concurrency
        As in `Endpoint`.
    usage
        Where requests are counted.
    quiet
        What surrounds the requests of one call, in the thread that made it.
    """

    def __init__(
        self,
        ask: Callable[[list[str], Role], Answer],
        prompts: Prompts,
        limits: Limits,
        count: Callable[[list[str]], list[int]],
        *,
        retries: int,
        concurrency: int,
        usage: Usage,
        quiet: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._ask = ask
        self._prompts = prompts
        self._limits = limits
        self._count = count
        self._retries = retries
        self._concurrency = concurrency
        self._usage = usage
        self._quiet = quiet
        self._has_answered = False
        self._has_failed = False

    def encode_queries(self, texts: list[str]) -> NDArray[np.float32]:
        """Encode queries: float32 array [n, d]."""
        return self._encode(texts, "query")

    def encode_documents(self, texts: list[str]) -> NDArray[np.float32]:
        """Encode documents: float32 array [n, d]."""
        return self._encode(texts, "document")

    def _encode(self, texts: list[str], role: Role) -> NDArray[np.float32]:
        whole = [self._prompts.of(role) + text for text in texts]
        batches = list(self._batches(whole))
        stop = threading.Event()

        def answer(batch: range) -> NDArray[np.float32]:
            return self._patiently([whole[row] for row in batch], role, stop)

        with self._quiet():
            if len(batches) == 1:
                return answer(batches[0])
            done, error = _together(answer, batches, self._concurrency, stop)
        if error is None:
            return np.concatenate([done[batch] for batch in batches])
        if done:
            rows = np.concatenate([np.array(batch, dtype=np.int64) for batch in done])
            vars(error)["finished"] = Finished(rows, np.concatenate(list(done.values())))
        raise error

    def _batches(self, texts: list[str]) -> Iterator[range]:
        """Divide texts into requests, in their order; one that is too long for any is a request of its own."""
        start, held = 0, 0
        for row, tokens in enumerate(self._count(texts)):
            if row > start and (row - start == self._limits.texts or held + tokens > self._limits.tokens):
                yield range(start, row)
                start, held = row, 0
            held += tokens
        yield range(start, len(texts))

    def _patiently(self, texts: list[str], role: Role, stop: threading.Event) -> NDArray[np.float32]:
        """Ask until there is an answer, or none to be hoped for."""
        try:
            import tenacity
        except ImportError:
            raise MissingExtraError("tenacity", "api") from None

        started = time.monotonic()
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, RequestError) and error.may_pass),
            wait=_pause,
            stop=lambda state: stop.is_set() or self._is_enough(state),
            sleep=tenacity.sleep_using_event(stop),
            before_sleep=lambda _: self._usage.asked_again(),
            reraise=True,
        )
        try:
            vectors: NDArray[np.float32] = retrying(self._once, texts, role, stop)
        except RequestError as error:
            failure = error
        else:
            self._has_answered, self._has_failed = True, False
            return vectors
        self._has_failed = failure.may_pass
        tries = int(retrying.statistics["attempt_number"])
        if tries > 1:
            failure = RequestError(f"{failure} (asked {tries} times in {time.monotonic() - started:.0f} s)")
        raise failure  # outside the handler, so that nothing is chained to it

    def _once(self, texts: list[str], role: Role, stop: threading.Event) -> NDArray[np.float32]:
        if stop.is_set():
            raise RequestError("given up, since another request failed")
        answer = self._ask(texts, role)
        self._usage.answered(len(texts), answer.tokens)
        return answer.vectors

    def _is_enough(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        asks_to_wait = isinstance(error, RequestError) and error.wait is not None
        if isinstance(error, RequestError) and (error.wait or 0) > _LONGEST_WAIT_S:
            return True
        retries = self._retries
        if self._has_failed:
            retries = 0  # its other requests have been tried for long enough
        elif not (self._has_answered or asks_to_wait):
            retries = min(retries, _RETRIES_OF_A_STRANGER)
        return state.attempt_number > retries


def _pause(state: RetryCallState) -> float:
    """Return the seconds to wait: what the provider asks for, or twice as long each time; and a random part."""
    error = state.outcome.exception() if state.outcome else None
    asked: float | None = getattr(error, "wait", None)
    back_off: float = min(_FIRST_WAIT_S * 2 ** (state.attempt_number - 1), _LONGEST_BACK_OFF_S)
    return (back_off if asked is None else asked) + random.uniform(0, _FIRST_WAIT_S)  # noqa: S311 - not for secrets


def _together(
    answer: Callable[[range], NDArray[np.float32]], batches: list[range], concurrency: int, stop: threading.Event
) -> tuple[dict[range, NDArray[np.float32]], BaseException | None]:
    """Ask for several batches at once.

    Returns
    -------
    The vectors of each batch that was answered, and the first error. After it no further request is made; those under
    way are waited for, since they are paid for, unless the user interrupts.
    """
    errors: list[BaseException] = []

    def answer_or_stop(batch: range) -> NDArray[np.float32]:
        try:
            return answer(batch)
        except BaseException as error:
            errors.append(error)
            stop.set()
            raise

    pool = ThreadPoolExecutor(min(concurrency, len(batches)), thread_name_prefix="embedeval-api")
    futures: dict[range, Future[NDArray[np.float32]]] = {}
    is_interrupted = False
    try:
        futures |= {batch: pool.submit(answer_or_stop, batch) for batch in batches}
        wait(futures.values(), return_when=FIRST_EXCEPTION)
    except BaseException as interruption:
        errors.insert(0, interruption)
        is_interrupted = True
    stop.set()
    pool.shutdown(wait=not is_interrupted, cancel_futures=True)
    answered = {
        batch: future.result()
        for batch, future in futures.items()
        if future.done() and not future.cancelled() and not future.exception()
    }
    return answered, errors[0] if errors else None
