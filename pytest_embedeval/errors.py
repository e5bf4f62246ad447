"""What can go wrong, by whose mistake; every message names the place and the mend."""

from __future__ import annotations

from collections.abc import Iterable


class EmbedevalError(Exception):
    """Base of every error this package raises on purpose."""


class UsageError(EmbedevalError):
    """The command line, the configuration or a call is wrong; nothing was evaluated."""


class ModelLoadError(EmbedevalError):
    """A model of the matrix could not be loaded; the others go on."""


class DatasetError(EmbedevalError):
    """A data file is malformed; the message names file, place and key."""


class BaselineError(EmbedevalError):
    """A stored baseline or report cannot be used; the message names file, place and what to do."""


class VectorError(EmbedevalError):
    """An encoder returned vectors that no score may be computed from."""


class RequestError(EmbedevalError):
    """The provider of a model behind an API refused a request, or did not answer it as it should.

    Attributes
    ----------
    may_pass
        Whether the same request may succeed later.
    wait
        Seconds that the provider asks to wait; None where it says nothing.
    """

    def __init__(self, message: str, *, may_pass: bool = False, wait: float | None = None) -> None:
        super().__init__(message)
        self.may_pass = may_pass
        self.wait = wait


class TrackingError(EmbedevalError):
    """The server that keeps runs could not be reached, or refused something."""


class MissingExtraError(EmbedevalError):
    """An optional library is not installed."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed; add it with: pip install 'pytest-embedeval[{extra}]'")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of an error message: the nearest known names, or all of them.

    >>> did_you_mean("bge-m", ["bge-m3", "minilm"])
    "did you mean 'bge-m3'? Known: bge-m3, minilm"
    """
    import difflib  # for error messages alone; importing this module must cost nothing

    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}Known: {', '.join(names) or 'none'}"
