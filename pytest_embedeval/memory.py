"""How much memory there is, and how much may be used."""

from __future__ import annotations

import os
import re
from pathlib import Path

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([KMGT]?)(?:i?B)?", re.ASCII | re.IGNORECASE)
_CGROUP = Path("/sys/fs/cgroup/memory.max")
_UNKNOWN = 8 * 1024**3


def parse_size(text: str) -> int | None:
    """Return the bytes of a size such as `4GiB`, `512 MB` or `1.5G`, in powers of 1,024; None for anything else."""
    match = _SIZE.fullmatch(text.strip())
    size = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    return size or None


def shown_size(size: float) -> str:
    """Return a size for people: `1.4 GiB`."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def default_bound() -> int:
    """Return a quarter of the RAM, or of what a container is given of it, in bytes."""
    return _available() // 4


def _available() -> int:
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not POSIX
        machine = _UNKNOWN
    try:
        return min(machine, int(_CGROUP.read_text(encoding="ascii")))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return machine
