"""A Ray cluster: who is connected to it, what runs on its nodes, and what comes back.

Placing, retries and the loss of a node are Ray's; here stands only what this project asks of it.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from pytest_embedeval.errors import EmbedevalError, MissingExtraError, UsageError
from pytest_embedeval.workers import Share, Workers

LOCAL, RAY = "local", "ray"
FLAG = "--embedeval-engine"

_REMOTE = re.compile(r"ray://([^/:\[\]]+|\[[0-9A-Fa-f:]+\]):(\d{1,5})")
_PATIENCE_S = 5.0
_TRY_S = "3"
_SHOWN = 300  # characters of what Ray says
_DEAD = "The actor is dead because"  # begins the line on what killed a worker, below those on which one it was
_RESTARTS = 16  # of one worker; one that dies at every start must not do so for ever
_WHOLE = Share()


class ClusterError(EmbedevalError):
    """What runs on the nodes was lost, and Ray could not start it again."""


@dataclass(frozen=True)
class Node:
    """One machine of a cluster, with all its cores, GPUs and bytes that Ray gives away, be they in use or not."""

    identity: str
    cpus: int
    gpus: float
    memory: float


def is_engine(name: str) -> bool:
    """Whether a value of `--embedeval-engine` can be understood."""
    return name in (LOCAL, RAY) or _REMOTE.fullmatch(name) is not None


def check_engine(engine: str) -> None:
    """Raise within seconds where an engine cannot be used; starts nothing.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    UsageError
        Nobody answers at the address.
    """
    if engine == LOCAL:
        return
    if importlib.util.find_spec("ray") is None:
        raise MissingExtraError("Ray", "scale")
    address = os.environ.get("RAY_ADDRESS", "") if engine == RAY else engine
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    import socket  # only a run on a cluster needs it

    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S).close()
    except OSError as error:
        raise _nobody(engine, address, error.strerror or str(error)) from None


class Cluster:
    """A connection to a Ray cluster.

    Parameters
    ----------
    engine
        `ray` for the cluster of RAY_ADDRESS or, without that, for one that runs on this machine; where there is none,
        one is started for this process. `ray://HOST:PORT` for Ray's client at another machine.
    warn
        Is told what the user should know.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    UsageError
        Nobody answers at the address.
    """

    def __init__(self, engine: str = RAY, warn: Callable[[str], None] = lambda _: None) -> None:
        check_engine(engine)
        for each in ("INITIAL", "MAX"):  # Ray's client tries three times, and reads these once
            os.environ.setdefault(f"RAY_CLIENT_{each}_CONNECTION_TIMEOUT_S", _TRY_S)
        import ray

        self._ray = ray
        self.warn = warn
        self._wanted: list[Any] = []  # the request to the autoscaler that stands
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            self._connect(engine)

    def nodes(self) -> list[Node]:
        """Return the machines that are alive and have cores."""
        found = []
        for each in self._ray.nodes():
            has = each["Resources"]
            if each["Alive"] and has.get("CPU", 0) >= 1:
                found.append(Node(each["NodeID"], int(has["CPU"]), has.get("GPU", 0.0), has.get("memory", 0.0)))
        return found

    def workers(
        self, kind: type, arguments: tuple[Any, ...], share: Share = _WHOLE, most: int | None = None
    ) -> Workers:
        """Start workers that hold `kind(*arguments)`: one on each node or, with GPUs, one for every share of them.

        A worker on CPUs may use all cores of its node and reserves none, so that it can start anew on another node
        when its own is lost. One waits until its node has the GPUs and the memory of its share left. No more than
        `most` nodes are given some.
        """
        actor = self._ray.remote(kind)
        takes = {"num_gpus": share.gpus, "memory": share.memory or 1}  # what takes nothing, Ray puts on any node
        often = {"max_restarts": _RESTARTS, "max_task_retries": -1}

        def start(node: Node) -> Any:
            return actor.options(**takes, **often, **self._on(node)).remote(*arguments)

        return Workers(self, start, share, most)

    def each(self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Call a function on the nodes in turn; yield what it returns, in the order of the calls.

        One call of each node is under way at a time, and may use its cores. Call number i goes to node i modulo their
        number, for as long as that one is there. Nodes that have joined are used from the next search on.
        """
        task, nodes = self._ray.remote(function), self.nodes()
        flying: deque[Any] = deque()
        for node, arguments in zip(cycle(nodes), calls, strict=False):
            if len(flying) == len(nodes):
                yield self.get(flying.popleft())
            flying.append(task.options(max_retries=-1, **self._on(node)).remote(*arguments))
        while flying:
            yield self.get(flying.popleft())

    def want(self, bundles: list[dict[str, float]]) -> None:
        """Ask Ray's autoscaler, where one runs, for a cluster with room for all of these; none takes that back.

        The request goes through a node, since Ray's client has no such call, and stays until another takes its place.
        """
        if not (bundles or self._wanted) or not self._ray.is_initialized():
            return
        if self._wanted:
            self.ready(self._wanted, 1, wait_s=_PATIENCE_S)  # two at once could overtake each other
        self._wanted = [self._ray.remote(_request).options(num_cpus=0).remote(bundles)]
        if not bundles:
            self.ready(self._wanted, 1, wait_s=_PATIENCE_S)
            self._wanted = []

    def ready(self, references: list[Any], number: int, wait_s: float | None = None) -> list[Any]:
        """Wait until so many of some references have a value, or for a time; return those that have one."""
        found: list[Any] = self._ray.wait(references, num_returns=number, timeout=wait_s)[0] if references else []
        return found

    def end(self, handles: Iterable[Any]) -> None:
        """End workers at once."""
        for handle in handles if self._ray.is_initialized() else ():
            self._ray.kill(handle)

    def put(self, value: Any) -> Any:
        """Return a reference to a value that the nodes can read."""
        return self._ray.put(value)

    def get(self, reference: Any) -> Any:
        """Wait for a value.

        Raises
        ------
        EmbedevalError
            The one that was raised on the node.
        ClusterError
            Its worker is lost.
        """
        with self.errors():
            return self._ray.get(reference)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise our own errors as they were raised on a node, and those of lost workers as ours."""
        try:
            yield
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, EmbedevalError):
                raise error.cause from None
            raise
        except self._ray.exceptions.RayError as error:
            said = _said(error)
            raise ClusterError(f"Ray lost a worker and could not start it again (too little memory?): {said}") from None

    def close(self) -> None:
        """Leave the cluster; one that was started for this process ends."""
        self.want([])
        if self._is_ours and self._ray.is_initialized():
            self._ray.shutdown()

    def _connect(self, engine: str) -> None:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        address = os.environ.get("RAY_ADDRESS") or "auto" if engine == RAY else engine
        try:
            self._ray.init(address, **quiet)
            return
        except (OSError, RuntimeError, ImportError, ValueError, self._ray.exceptions.RayError) as error:
            if address != "auto" or not isinstance(error, ConnectionError):
                raise _nobody(engine, address, " ".join(str(error).split())[:_SHOWN]) from None
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a run tells nobody of itself
        self._ray.init("local", include_dashboard=False, **quiet)

    def _on(self, node: Node) -> dict[str, Any]:
        """Return the options that run something on a node, with all its cores and reserving none; or elsewhere."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return {
            "num_cpus": 0,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(node.identity, soft=True),
            "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(node.cpus)}},
        }


def fetched(reference: Any) -> Any:
    """Return on a node the value that stands for a reference of `Cluster.put`."""
    import ray

    return ray.get(reference)


def _request(bundles: list[dict[str, float]]) -> None:
    from ray.autoscaler.sdk import request_resources

    request_resources(bundles=bundles)


def _said(error: Exception) -> str:
    """Return the line of an error of Ray that tells most: why a worker died, or what failed as it started."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    told = lines[-1] if getattr(error, "actor_init_failed", False) else lines[0]
    return next((line for line in lines if line.startswith(_DEAD)), told)[:_SHOWN]


def _nobody(engine: str, address: str, reason: str) -> UsageError:
    return UsageError(
        f"{FLAG}={engine}: nobody answers at {address} ({reason}); start Ray there (ray start --head), or leave the "
        "option out to compute on this machine"
    )
