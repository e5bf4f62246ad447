"""Where baselines and kept vectors lie. Read at start-up, so only what is light is imported here."""

from __future__ import annotations

from pathlib import Path

EXPORTS = "exports"  # in the cache folder: networks for other backends than torch, one folder each


def baseline_folder(base: Path, value: str) -> Path | None:
    """Return the folder of the baselines, relative to `base`; None for `off`."""
    return None if value == "off" else base / value


def cache_folder(base: Path, value: str | None) -> Path | None:
    """Return the folder of vectors and exported models, relative to `base`.

    Parameters
    ----------
    value
        A folder; `off` for none; None for the user's cache folder, as the system has it.
    """
    if value == "off":
        return None
    if value is not None:
        return base / Path(value).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("pytest-embedeval", appauthor=False)


def stored_aliases(folder: Path | None) -> list[str]:
    """Return the aliases that have a baseline in a folder; none where there is no folder."""
    return sorted(path.stem for path in folder.glob("*.json")) if folder is not None else []
