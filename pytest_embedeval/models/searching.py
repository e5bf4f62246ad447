"""How an entry of the matrix searches besides, or in place of, its vectors: by words, by both, in two stages."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from pytest_embedeval.errors import UsageError, did_you_mean

FUSIONS = ("weighted", "rrf")
STEMMERS = ("snowball", "none")
STOP_WORDS = ("keep", "drop")
HYBRID = "+bm25"
DEPTH = 50  # documents that a second stage puts in order, unless set


@dataclass(frozen=True)
class Search:
    """The keys of an entry that say how it searches; None where a key was not given.

    Attributes
    ----------
    fusion
        Of a hybrid: `weighted` (of scores) or `rrf` (reciprocal rank fusion).
    alpha
        Weight of the vectors in a weighted hybrid, 0 to 1; that of the words is 1 - alpha.
    rerank
        Entry of the model that puts the first documents in order a second time: an embedding model or a cross-encoder.
    depth
        How many documents it puts in order.
    k1, b
        Parameters of BM25: saturation of repeated words, and share of the length normalisation.
    stemmer
        `snowball`, where there is one for the language of the data, or `none`.
    stop_words
        `keep`, or `drop` the most frequent words of the language.
    """

    fusion: str | None = None
    alpha: float | None = None
    rerank: str | None = None
    depth: int | None = None
    k1: float | None = None
    b: float | None = None
    stemmer: str | None = None
    stop_words: str | None = None

    @classmethod
    def read(cls, entry: str, options: Mapping[str, Any]) -> Search:
        """Read keys; numbers may be given as text.

        Raises
        ------
        UsageError
            A value that is none of those known, or out of range; the message names entry and key.
        """
        typed: dict[str, Any] = {}
        for key, value in options.items():
            if key in _CHOICES and value not in _CHOICES[key]:
                raise UsageError(f"{entry!r}: {key}={value} is unknown; {did_you_mean(str(value), _CHOICES[key])}")
            typed[key] = _number(entry, key, value) if key in _RANGES else value
        return cls(**typed)

    @property
    def of_words(self) -> dict[str, Any]:
        """The keys of BM25 that were given."""
        given = {key: getattr(self, key) for key in ("k1", "b", "stemmer", "stop_words")}
        return {key: value for key, value in given.items() if value is not None}

    def check(self, entry: str, *, has_words: bool, is_hybrid: bool) -> None:
        """Raise where a key does not apply to the entry.

        Parameters
        ----------
        has_words
            It is `bm25` or a hybrid.
        is_hybrid
            It is `MODEL+bm25`.
        """
        for key in self.of_words:
            if not has_words:
                raise UsageError(f"{entry!r}: {key} is a key of bm25 and of hybrids (MODEL+bm25); remove it")
        for key in ("fusion", "alpha"):
            if getattr(self, key) is not None and not is_hybrid:
                raise UsageError(f"{entry!r}: {key} is a key of hybrids (MODEL+bm25); remove it")
        if self.alpha is not None and self.fusion == "rrf":
            raise UsageError(f"{entry!r}: rrf fuses ranks and has no alpha; remove alpha, or write fusion=weighted")
        if self.depth is not None and self.rerank is None:
            raise UsageError(f"{entry!r}: depth says how many documents rerank puts in order; add rerank, or remove it")


@dataclass(frozen=True)
class Lexical:
    """How BM25 counts words; the defaults are those of bm25s."""

    k1: float = 1.5
    b: float = 0.75
    stemmer: str = "snowball"
    stop_words: str = "keep"

    @classmethod
    def of(cls, search: Search) -> Lexical:
        """Return what an entry asks for."""
        return cls(**search.of_words)

    @property
    def described(self) -> str:
        """The parameters in words."""
        stems = "Snowball stems" if self.stemmer == "snowball" else "whole words"
        dropped = ", no stop words" if self.stop_words == "drop" else ""
        return f"bm25 k1={self.k1:g} b={self.b:g}, {stems}{dropped}"


@dataclass(frozen=True)
class Fusion:
    """How two ranked lists become one.

    Attributes
    ----------
    method
        `weighted`: alpha times the vectors' scores plus (1 - alpha) times those of the words, each scaled to 0 … 1
        over the documents found for the query; those that share no word with it have 0 there. `rrf`: the sum of
        1 / (60 + rank).
    """

    method: str = "weighted"
    alpha: float = 0.5

    @classmethod
    def of(cls, search: Search) -> Fusion:
        """Return what an entry asks for."""
        return cls(search.fusion or cls.method, cls.alpha if search.alpha is None else search.alpha)

    @property
    def described(self) -> str:
        """The fusion in words."""
        return f"weighted alpha={self.alpha:g}" if self.method == "weighted" else "reciprocal rank fusion"


def split_hybrid(source: str, names: Collection[str]) -> tuple[str, bool]:
    """Return a source without `+bm25`, and whether it ended so; a source that is one of `names` stays as it is."""
    is_hybrid = source.endswith(HYBRID) and source not in names
    return (source.removesuffix(HYBRID), True) if is_hybrid else (source, False)


KEYS = tuple(field.name for field in fields(Search))
_CHOICES = {"fusion": FUSIONS, "stemmer": STEMMERS, "stop_words": STOP_WORDS}
_RANGES: dict[str, tuple[type, float, float]] = {
    "alpha": (float, 0, 1),
    "b": (float, 0, 1),
    "k1": (float, 0, 100),
    "depth": (int, 1, 1_000_000),
}


def _number(entry: str, key: str, value: Any) -> float | int:
    kind, least, most = _RANGES[key]
    try:
        number: float | int = kind(value)
    except (TypeError, ValueError):
        number = least - 1
    if not least <= number <= most:
        what = "a whole number" if kind is int else "a number"
        raise UsageError(f"{entry!r}: {key} must be {what} from {least:g} to {most:,}, not {value}")
    return number
