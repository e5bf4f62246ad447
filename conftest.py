"""What the plugin's own tests need from the root; the plugin itself is found by its entry point."""

from __future__ import annotations

pytest_plugins = ["pytester"]
