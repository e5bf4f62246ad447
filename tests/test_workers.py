"""Workers on a cluster that stands in this process; tests/test_cluster.py has Ray's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_embedeval import workers as module
from pytest_embedeval.cluster import Cluster, Node
from pytest_embedeval.errors import ModelLoadError
from pytest_embedeval.workers import Share, Workers

WHOLE = Share()


class Machines:
    """A cluster whose nodes are a list; what is sent first is answered first."""

    def __init__(self, *nodes: Node) -> None:
        self.alive = [*nodes]
        self.asleep: set[str] = set()
        self.wanted: list[list[dict[str, float]]] = []
        self.ended: list[Any] = []
        self.said: list[str] = []
        self.warn = self.said.append

    def nodes(self) -> list[Node]:
        return [*self.alive]

    def ready(self, calls: list[Any], number: int, wait_s: float | None = None) -> list[Any]:
        return [call for call in calls if call.args[0] not in self.asleep][:number]

    def get(self, call: Callable[[], Any]) -> Any:
        return call()

    def want(self, bundles: list[dict[str, float]]) -> None:
        self.wanted.append(bundles)

    def end(self, handles: list[Any]) -> None:
        self.ended += handles

    def workers(self, share: Share = WHOLE) -> Workers:
        return Workers(cast("Cluster", self), Remote, share)


class Remote:
    """A worker that says on which node it was started."""

    def __init__(self, node: Node) -> None:
        self.where = self
        self.node = node.identity

    def remote(self, *_: Any) -> Any:
        return partial(str, self.node)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that have gone by."""
    now = [0.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def node(name: str, cpus: int = 2, gpus: float = 0, memory: float = 8) -> Node:
    return Node(name, cpus, gpus, memory)


def test_a_node_that_joins_gets_a_worker_which_is_used_once_it_is_ready(clock: list[float]) -> None:
    machines, checked = Machines(node("a")), list[str]()
    workers = machines.workers()
    workers.grow("where", checked.append)
    machines.asleep.add("b")
    found = []
    for number, each in enumerate(workers.stream("where", [()] * 40)):
        found.append(each)
        clock[0] += 1
        if number == 3:
            machines.alive.append(node("b"))
        if number == 20:
            assert {*found} == {"a"}
            machines.asleep.clear()
    assert (checked, len(workers), len(found)) == (["b"], 2, 40)
    assert 5 < found.count("b") < 20
    assert [workers.ask("where"), workers.ask("where")] == ["a", "b"]
    workers.close()
    assert sorted(each.node for each in machines.ended) == ["a", "b"]


def test_without_a_check_no_node_is_added(clock: list[float]) -> None:
    machines = Machines(node("a"))
    workers = machines.workers()
    machines.alive.append(node("b"))
    for _ in workers.stream("where", [()] * 9):
        clock[0] += 60
    assert (len(workers), machines.wanted) == (1, [[]])


def test_a_node_that_joins_with_another_model_ends_the_list(clock: list[float]) -> None:
    machines = Machines(node("a"))
    workers = machines.workers()

    def check(other: str) -> None:
        raise ModelLoadError(f"{other} differs")

    workers.grow("where", check)
    machines.alive.append(node("b"))
    answers = workers.stream("where", [()] * 9)
    next(answers)
    clock[0] += 5
    with pytest.raises(ModelLoadError, match=r"^b differs$"):
        next(answers)
    assert machines.wanted == [[]]


def test_a_long_list_asks_for_one_node_more_than_there_are_until_it_is_done(clock: list[float]) -> None:
    machines = Machines(node("head", 1), node("a", 4))
    workers = machines.workers()
    workers.grow("where", lambda _: None)
    for number, _ in enumerate(workers.stream("where", [()] * 90)):
        clock[0] += 1
        assert bool(machines.wanted) == (number >= 60)
        if number == 70:
            assert machines.wanted[-1] == [{"CPU": 1}, {"CPU": 4}, {"CPU": 1}]
            machines.alive.append(node("b", 4))
    assert machines.wanted[-2:] == [[{"CPU": 1}, {"CPU": 4}, {"CPU": 4}, {"CPU": 1}], []]


@pytest.mark.parametrize(("gpus", "there", "more"), [(1, 4, 5), (0.5, 8, 9), (2, 2, 3), (0, 2, 3)])
def test_a_worker_stands_for_its_share_of_gpus(gpus: float, there: int, more: int) -> None:
    machines = Machines(node("a", gpus=2), node("b", gpus=2))
    assert len(machines.workers(Share(gpus))) == there
    assert len(Share(gpus).one_more(machines.alive)) == more


def test_a_gpu_that_a_lost_worker_waits_for_is_left_to_it(clock: list[float]) -> None:
    """Ray starts it there, and with it the calls that it holds."""
    machines = Machines(node("a", gpus=1), node("b", gpus=1))
    workers = machines.workers(Share(1))
    workers.grow("where", lambda _: None)
    machines.alive[1] = node("c", gpus=1)
    for number, _ in enumerate(workers.stream("where", [()] * 30)):
        clock[0] += 5
        if number == 10:
            assert len(workers) == 2
            machines.alive.append(node("d", gpus=1))
    assert len(workers) == 3


def test_a_worker_is_put_only_where_its_memory_fits() -> None:
    machines = Machines(node("small"), node("large", gpus=4, memory=25))
    assert machines.workers(Share(memory=10)).ask_all("where") == ["large"]
    assert machines.workers(Share(1, 10)).ask_all("where") == ["large"] * 2
    assert machines.workers(Share(memory=8)).ask_all("where") == ["small", "large"]
    assert Share(memory=10).one_more(machines.alive)[-1] == {"CPU": 2, "memory": 10}
    assert Share(1, 10).one_more(machines.alive) == [{"GPU": 1, "memory": 10}] * 3


def test_what_workers_wait_for_is_said_once_it_takes_long() -> None:
    machines = Machines(node("a"), node("b"))
    workers = machines.workers()
    assert workers.ask_all("where", waiting="memory is short") == ["a", "b"]
    assert machines.said == []
    machines.asleep.add("b")
    assert workers.ask_all("where", waiting="memory is short") == ["a", "b"]
    assert machines.said == ["memory is short"]


def test_a_worker_on_a_new_node_takes_the_place_of_one_whose_node_is_lost(clock: list[float]) -> None:
    """Else each loss would leave one worker more on the nodes that stay."""
    machines = Machines(node("a"), node("b"))
    workers = machines.workers()
    workers.grow("where", lambda _: None)
    found = []
    for number, each in enumerate(workers.stream("where", [()] * 90)):
        found.append(each)
        clock[0] += 1
        if number in (20, 40, 60):
            machines.alive[1] = node(f"new {number}")
    assert len(found) == 90
    assert len(workers) == 2
    assert {*found[80:]} == {"a", "new 60"}
    workers.close()
    assert sorted(each.node for each in machines.ended) == ["a", "new 60"]
