"""What the parsers of all commands share."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable
from typing import Any

WIDTH = 80
Commands = Any  # argparse's own type of a group of subparsers is private


def command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int], *, summary: str, examples: str
) -> argparse.ArgumentParser:
    """Add one command with a summary in a line and examples below its options."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(summary, WIDTH),
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def threshold(text: str) -> tuple[str, float]:
    """Read METRIC=VALUE; the type of an option."""
    metric, equals, value = text.rpartition("=")
    try:
        if not equals or not metric:
            raise ValueError
        return metric, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not METRIC=VALUE, for example mrr@10=0.35") from None


def names(text: str) -> tuple[str, ...]:
    """Read NAME,NAME; the type of an option."""
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def wrapped(text: str, hang: int = 0) -> list[str]:
    """Return the text in lines of 80 columns; all but the first are indented by `hang`."""
    return textwrap.wrap(text, WIDTH, subsequent_indent=" " * hang, break_long_words=False, break_on_hyphens=False)
