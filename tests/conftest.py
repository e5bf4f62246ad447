"""Data and models that many tests share."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import importlib
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

os.environ.pop("GITHUB_ACTIONS", None)  # runs inside tests must not write to the summary of our own
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

# Vectors of the user's own runs must not reach a test, nor those of tests the user.
_CACHE = tempfile.mkdtemp(prefix="embedeval-tests-")
os.environ["XDG_CACHE_HOME"] = _CACHE
atexit.register(shutil.rmtree, _CACHE, ignore_errors=True)

if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores: threads of each would wait for those of others
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with XQuAD and TQuAD, which this project may read but not ship."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the shared data sets are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """The folder with the data that this project ships."""
    return ROOT / "fixtures"


@pytest.fixture(scope="session")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tracking URI of a database of MLflow's; its tables take seconds to make, so it is one for all tests."""
    for library in ("mlflow", "sqlalchemy", "alembic"):
        pytest.importorskip(library, reason="the extra `mlflow` is not installed")
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The ``noload`` loader strategy", DeprecationWarning)  # SQLAlchemy of MLflow
        MlflowClient(tracking_uri=uri)
    return uri


def letters(texts: list[str]) -> NDArray[np.float32]:
    """Encode texts by their character trigrams, hashed into 256 numbers: deterministic, and no model."""
    vectors = np.zeros((len(texts), 256), dtype=np.float32)
    for row, text in enumerate(texts):
        padded = f"  {text.lower()}  "
        for place in range(len(padded) - 2):
            digest = hashlib.blake2b(padded[place : place + 3].encode("utf-8"), digest_size=4).digest()
            vectors[row, int.from_bytes(digest) % 256] += 1.0
    return vectors


def blind(texts: list[str]) -> NDArray[np.float32]:
    """Encode each text as a direction of its own, drawn from its hash: deterministic, sound, and it knows nothing."""
    drawn = [np.frombuffer(hashlib.shake_128(text.encode("utf-8")).digest(32), dtype=np.uint8) for text in texts]
    vectors: NDArray[np.float32] = np.array(drawn, dtype=np.float32).reshape(-1, 32) - np.float32(127.5)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def constant(texts: list[str]) -> NDArray[np.float32]:
    """Encode every text alike: an error, or chance everywhere where that is allowed."""
    return np.ones((len(texts), 8), dtype=np.float32)


def pytest_configure() -> None:
    """Prepare for runs inside tests: they are not those of a worker, where pytest-benchmark would time nothing."""
    os.environ.pop("PYTEST_XDIST_WORKER", None)
    # Both drop out with a run within this process that was first to import them; vl-convert cannot be imported twice.
    for drawing in ("altair", "vl_convert"):
        with contextlib.suppress(ImportError):
            importlib.import_module(drawing)


_TOGETHER = (
    ("tests/test_upgrades.py", "tests/test_reference_values.py"),
    ("tests/test_turkish.py",),
    ("tests/test_examples.py",),
    ("plugin/test_tracking.py", "report/test_tracking.py"),
    ("tests/test_cluster.py",),
    ("cli/test_gate.py", "cli/test_compare.py"),
    ("models/test_exported.py",),
)


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Let one worker run what shares something that takes long to make, and each other test go where there is room.

    The runs on XQuAD share vectors; others a database of MLflow's, a Ray cluster, a finished run, an exported model.
    What runs together runs first, so that no worker is left alone with it in the end.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return next((files[0] for files in _TOGETHER if path.endswith(files)), nodeid)

    return Scheduling(config, log)
