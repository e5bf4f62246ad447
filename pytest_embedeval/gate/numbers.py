"""Numbers in messages, with as many decimals as it takes to say what is meant."""

from __future__ import annotations

import math


def told_apart(value: float, other: float) -> str:
    """Return a number in four decimals, or in as many as it takes to differ from `other` as `value` does."""
    for digits in range(4, 17):
        shown = f"{value:.{digits}f}"
        if value == other or float(shown) != float(f"{other:g}"):
            return shown
    return repr(value)


def signed(value: float) -> str:
    """Return +0.012 or −0.012, with as many decimals as it takes not to show a change as zero."""
    digits = 3 if abs(value) >= 0.0005 or abs(value) < 5e-7 else math.ceil(-math.log10(abs(value)))
    return f"{value:+.{digits}f}".replace("-", "−")
