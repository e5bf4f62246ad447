"""Where baselines lie. Read at start-up, so only the standard library is imported here."""

from __future__ import annotations

from pathlib import Path


def baseline_folder(base: Path, value: str) -> Path | None:
    """Return the folder of the baselines, relative to `base`; None for `off`."""
    return None if value == "off" else base / value


def stored_aliases(folder: Path | None) -> list[str]:
    """Return the aliases that have a baseline in a folder; none where there is no folder."""
    return sorted(path.stem for path in folder.glob("*.json")) if folder is not None else []
