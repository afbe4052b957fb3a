"""The operator's process: wait for the Lease, watch, reconcile; stop on a signal or when the Lease is lost."""

import asyncio
import gc
import logging
import signal
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import kopf
from prometheus_client import REGISTRY

from twin_operator.adapters.health_pages import serve_pages
from twin_operator.adapters.kubernetes_api.client import load_configuration
from twin_operator.adapters.leader_lease import LeaseLost
from twin_operator.adapters.redis_queue.memory import refuse_evicting_redis
from twin_operator.handlers import events
from twin_operator.settings import Settings
from twin_operator.wiring.connections import NOT_SIGNED, build_signing
from twin_operator.wiring.operator_process import OperatorGraph, build_operator

logger = logging.getLogger(__name__)
# Thresholds of Python's garbage collector, by generation: new objects before a collection of the first, and collections
# of one generation before one of the next. Python's default, 700 new objects, is reached with every fourth Simulation.
COLLECTIONS = 10_000, 10, 3
STALE_FACTOR = 5  # resync intervals without a resync after which the process is not healthy


@dataclass
class OperatorProcess:
    """One process: leader or standby.

    Args:
        settings: all of them.
        graph: the objects.
    """

    settings: Settings
    graph: OperatorGraph
    leading: bool = False
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> int:
        """Run until stopped; return the exit code, which is 1 where the election of the leader ended by itself."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.end)
        ports = {self.settings.health_port, self.settings.metrics_port}
        async with serve_pages(self.complaint, REGISTRY, self.settings.bind_address, ports):
            code = await self._run_election()
            await self.graph.close(leading=self.leading)
        return code

    def end(self) -> None:
        """Have `run` come to its end."""
        self._stop.set()

    def complaint(self) -> str | None:
        """Return what is wrong with this process; a standby is well."""
        if not self.leading:
            return None
        loop, lease = self.graph.loop, self.graph.lease
        if lease.overdue:
            return f"The Lease was not renewed for {lease.age:.0f} seconds."
        age = loop.clock() - loop.last_resync
        limit = STALE_FACTOR * loop.resync_seconds + STALE_FACTOR
        return f"No resync for {age:.0f} seconds." if age > limit else None

    async def _run_election(self) -> int:
        election = asyncio.create_task(self.graph.lease.lead(self._lead))
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({election, stopped}, return_when=asyncio.FIRST_COMPLETED)
        failed = not self._stop.is_set()
        for task in (election, stopped):
            task.cancel()
        (end, _) = await asyncio.gather(election, stopped, return_exceptions=True)
        if not failed:
            return 0
        self.leading = self.leading and not isinstance(end, LeaseLost)
        logger.error("The operator stops; its Deployment starts it again.", exc_info=_error(end))
        return 1

    async def _lead(self) -> None:
        self.leading = True
        logger.info("This process leads.")
        self.graph.loop.last_resync = self.graph.loop.clock()
        async with asyncio.TaskGroup() as group:
            loops = group.create_task(self.graph.loop.run())
            watches = [group.create_task(self._watch(*each)) for each in self._watched()]
            await asyncio.wait(watches)
            loops.cancel()

    def _watched(self) -> Iterator[tuple[kopf.OperatorRegistry, Collection[str]]]:
        """Yield what is watched, and in which namespaces; none of them stands for the whole cluster.

        Kopf watches everything of one registry in the same namespaces, and Deployments are ours in those of pools only.
        """
        resources, everywhere = kopf.OperatorRegistry(), self.settings.watch_namespaces
        events.register(resources, self.graph.loop, self.graph.api, len(everywhere))
        yield resources, everywhere
        deployments, of_pools = kopf.OperatorRegistry(), sorted(self.graph.loop.pools.index.namespaces)
        events.register_deployments(deployments, self.graph.loop, self.graph.api, len(of_pools))
        yield deployments, of_pools

    async def _watch(self, registry: kopf.OperatorRegistry, namespaces: Collection[str]) -> None:
        await kopf.operator(
            registry=registry,
            settings=events.settings(),
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=self._stop,
            # Else kopf asks for the user's name, and a container's user has none. Its type is not public.
            identity=cast("Any", self.settings.identity),
        )
        self.end()  # kopf takes the signals while it runs, and returns after one; the other watch ends as well


def _error(end: object) -> BaseException | None:
    return end if isinstance(end, BaseException) else None


def run_operator(settings: Settings) -> int:
    """Run the operator; return its exit code.

    Raises:
        Unsafe: Redis would drop what it is given, or the keys do not fit together.
    """
    if build_signing(settings) is None:
        logger.warning(NOT_SIGNED)
    refuse_evicting_redis(settings.redis_url)
    return asyncio.run(_run(settings))


def spare_collections() -> None:
    """Have Python's garbage collector skip the objects of imported modules.

    The modules are 300,000 objects that stay as long as the process; traversing all of them in each collection took
    a tenth of the operator's CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)


async def _run(settings: Settings) -> int:
    graph = await build_operator(settings, await load_configuration())
    spare_collections()
    return await OperatorProcess(settings, graph).run()
