"""The operator's process: wait for the Lease, watch, reconcile; stop on a signal or when the Lease is lost."""

import asyncio
import contextlib
import logging
import signal
from dataclasses import dataclass, field

import kopf
from kopf._core.engines.peering import Identity
from prometheus_client import REGISTRY

from twin_operator.handlers import events
from twin_operator.settings import Settings
from twin_operator.wiring.connections import refuse_evicting_redis
from twin_operator.wiring.operator_graph import OperatorGraph, build_operator, connect
from twin_operator.wiring.signing import NOT_SIGNED, build_signing
from twin_operator.wiring.status_pages import serve_status

logger = logging.getLogger(__name__)
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
    failed: bool = False
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _done: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> int:
        """Run until stopped; return the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.end)
        async with serve_status(self.settings, self.complaint, REGISTRY):
            election = asyncio.create_task(self.graph.lease.lead(self._lead, self._lost))
            await self._done.wait()
            self._stop.set()
            election.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await election
            await self.graph.close(leading=self.leading)
        return 1 if self.failed else 0

    def end(self) -> None:
        """Have `run` come to its end."""
        self._done.set()

    def complaint(self) -> str | None:
        """Return what is wrong with this process; a standby is well."""
        loop = self.graph.loop
        age = loop.clock() - loop.last_resync
        limit = STALE_FACTOR * loop.resync_seconds + STALE_FACTOR
        return f"No resync for {age:.0f} seconds." if self.leading and age > limit else None

    async def _lead(self) -> None:
        self.leading = True
        logger.info("This process leads.")
        self.graph.loop.last_resync = self.graph.loop.clock()
        registry = kopf.OperatorRegistry()
        events.register(registry, self.graph.loop, self.graph.api, len(self.settings.watch_namespaces))
        try:
            async with asyncio.TaskGroup() as group:
                loops = group.create_task(self.graph.loop.run())
                await kopf.operator(
                    registry=registry,
                    settings=events.settings(),
                    clusterwide=not self.settings.watch_namespaces,
                    namespaces=self.settings.watch_namespaces,
                    stop_flag=self._stop,
                    # Else kopf asks for the user's name, and a container's user has none.
                    identity=Identity(self.settings.identity),
                )
                loops.cancel()
        except Exception:
            self.failed = True
            logger.exception("The operator stops; its Deployment starts it anew.")
        finally:
            self._done.set()

    async def _lost(self) -> None:
        logger.error("The Lease is lost; the operator stops.")
        self.failed, self.leading = True, False
        self._done.set()


def run_operator(settings: Settings) -> int:
    """Run the operator; return its exit code.

    Raises:
        Unsafe: Redis would drop what it is given, or the keys do not fit together.
    """
    if build_signing(settings) is None:
        logger.warning(NOT_SIGNED)
    refuse_evicting_redis(settings.redis_url)
    return asyncio.run(_run(settings))


async def _run(settings: Settings) -> int:
    graph = await build_operator(settings, await connect())
    return await OperatorProcess(settings, graph).run()
