"""Workers on the nodes of a cluster that hold the same object: started, asked, and joined by others as nodes join."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

from pytest_embedeval.memory import shown_size

if TYPE_CHECKING:
    from pytest_embedeval.cluster import Cluster, Node

_AHEAD = 2  # calls of one worker under way: one is computed while the next is sent
_LOOK_S = 5.0  # between two looks at the nodes
_LONG_S = 60.0  # that a list takes before it is worth the start of another node
_SILENT_S = 30.0  # that workers may take to start before somebody is told


@dataclass(frozen=True)
class Share:
    """What one worker takes of its node; of what it does not name it reserves nothing, and may use all.

    Attributes
    ----------
    gpus
        How many, or which part of one.
    memory
        Bytes.
    """

    gpus: float = 0
    memory: int = 0

    def __str__(self) -> str:
        gpus = [f"num_gpus = {self.gpus:g}"] if self.gpus else []
        return " and ".join([*gpus, f"memory = {shown_size(self.memory)}"] if self.memory else gpus)

    @property
    def is_reserved(self) -> bool:
        """Whether a worker may have to wait for another to end."""
        return bool(self.gpus or self.memory)

    def room(self, node: Node) -> int:
        """Return how many workers a node is given: what its GPUs hold, or one, and no more than its memory holds."""
        places = int(node.gpus / self.gpus) if self.gpus else 1
        return min(places, int(node.memory / self.memory)) if self.memory else places

    def one_more(self, nodes: list[Node]) -> list[dict[str, float]]:
        """Return what a cluster must have room for to be these nodes and another for one worker more."""
        memory = {"memory": float(self.memory)} if self.memory else {}
        if self.gpus:
            return [{"GPU": self.gpus} | memory] * (sum(map(self.room, nodes)) + 1)
        cores = [node.cpus for node in nodes]
        return [*[{"CPU": float(each)} for each in cores], {"CPU": float(min(cores))} | memory]


class Workers:
    """Workers that hold the same object; Ray starts one that is lost anew, and sends it again what it was doing.

    Parameters
    ----------
    start
        Starts one on a node, or elsewhere where that node is lost.
    share
        What each takes of its node.
    most
        Nodes that have some; None for all.
    """

    def __init__(self, cluster: Cluster, start: Callable[[Node], Any], share: Share, most: int | None = None) -> None:
        self._cluster = cluster
        self._start = start
        self._share = share
        self._homes: dict[Any, str] = {}  # worker -> the node that it was started on
        self._handles = self._started(cluster.nodes()[:most])
        self._next = cycle(self._handles)
        self._joining: dict[Any, Any] = {}  # what a new worker is asked -> the worker
        self._asked: tuple[str, Callable[[Any], object]] | None = None

    def __len__(self) -> int:
        return len(self._handles)

    def grow(self, method: str, check: Callable[[Any], object]) -> None:
        """From now on give nodes that join workers, and ask for another node where a list takes long.

        Parameters
        ----------
        method, check
            What a new worker is asked before anything else, and what raises where its answer is wrong.
        """
        self._asked = method, check

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of one worker, each in turn, and wait for what it returns."""
        return self._cluster.get(getattr(next(self._next), method).remote(*arguments))

    def ask_all(self, method: str, *arguments: Any, waiting: str = "") -> list[Any]:
        """Call a method of every worker and wait for all they return; `waiting` is told where that takes long."""
        calls = [getattr(handle, method).remote(*arguments) for handle in self._handles]
        if waiting and len(self._cluster.ready(calls, len(calls), wait_s=_SILENT_S)) < len(calls):
            self._cluster.warn(waiting)
        return [self._cluster.get(call) for call in calls]

    def stream(self, method: str, calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Call a method for each of `calls` on whichever worker is free; yield what it returns as it comes in.

        No more calls are drawn than the workers can take, two for each.
        """
        free, under_way = deque(self._handles * _AHEAD), dict[Any, Any]()
        began = looked = time.monotonic()

        def answer() -> Any:
            first = self._cluster.ready(list(under_way), 1)[0]
            worker = under_way.pop(first)
            if worker in self._homes:
                free.append(worker)
            return self._cluster.get(first)

        try:
            for arguments in calls:
                if self._asked is not None and time.monotonic() - looked >= _LOOK_S:
                    looked = time.monotonic()
                    joined = self._joined(is_long=looked - began >= _LONG_S)
                    free = deque([*(each for each in free if each in self._homes), *joined * _AHEAD])
                while not free:
                    yield answer()
                worker = free.popleft()
                under_way[getattr(worker, method).remote(*arguments)] = worker
            while under_way:
                yield answer()
        finally:
            self._cluster.want([])

    def close(self) -> None:
        """End the workers, whoever still refers to them: others may wait for what they hold."""
        self._cluster.end([*self._homes])
        self._homes.clear()
        self._handles.clear()
        self._joining.clear()
        self._next = cycle(())

    def _started(self, nodes: list[Node]) -> list[Any]:
        """Start workers on those nodes that have room and none yet."""
        placed = Counter(self._homes.values())
        places = [node for node in nodes for _ in range(self._share.room(node) - placed[node.identity])]
        if self._share.is_reserved:  # those that are lost wait for this room, and hold calls: Ray starts them there
            for worker, place in zip(self._homeless(nodes), [*places], strict=False):
                self._homes[worker] = place.identity
                places.remove(place)
        started = {self._start(node): node.identity for node in places}
        self._homes |= started
        return [*started]

    def _homeless(self, nodes: list[Node]) -> list[Any]:
        """Return the workers whose node is lost."""
        alive = {node.identity for node in nodes}
        return [worker for worker, home in self._homes.items() if home not in alive]

    def _joined(self, *, is_long: bool) -> list[Any]:
        """Start workers on new nodes, and return those that have become ready.

        Each takes the place of one whose node is lost, and which shares the node of another since: Ray ends that one
        when what it was sent is done and nobody refers to it.
        """
        assert self._asked is not None
        method, check = self._asked
        nodes = self._cluster.nodes()
        self._joining |= {getattr(worker, method).remote(): worker for worker in self._started(nodes)}
        joined = []
        for answer in self._cluster.ready(list(self._joining), len(self._joining), wait_s=0):
            check(self._cluster.get(answer))
            joined.append(self._joining.pop(answer))
        for each in self._homeless(nodes)[: len(joined)]:
            if each in self._handles:
                self._handles.remove(each)
                del self._homes[each]
        self._handles += joined
        self._next = cycle(self._handles)
        if is_long:
            self._cluster.want(self._share.one_more(nodes))
        return joined
