"""How much memory a process takes at most while a block runs (Linux only)."""

from __future__ import annotations

import threading
from pathlib import Path


class Peak:
    """Bytes, sampled every 10 ms: anonymous pages beyond those that were there before, and all pages."""

    def __enter__(self) -> Peak:
        self.all = self.anonymous = 0
        self._first = _resident("RssAnon")
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.01):
            self.anonymous = max(self.anonymous, _resident("RssAnon") - self._first)
            self.all = max(self.all, _resident("VmRSS"))


def _resident(key: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    return 0
