"""The process that turns Celery's events into metrics; it needs no access to the Kubernetes API.

Its loops follow the events, read the queues and serve the pages until a signal stops them.
"""

import asyncio
import logging
import signal
import time
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import disable_created_metrics
from redis.exceptions import RedisError

from twin_operator.adapters.health_pages import serve_pages
from twin_operator.adapters.redis_queue.event_channel import Unreadable, read
from twin_operator.settings import Settings
from twin_operator.wiring.events import EventsGraph, build_events

logger = logging.getLogger(__name__)
READ_SECONDS: Final = 5.0  # between two readings of the queues: several in a scrape interval
FIRST_PAUSE: Final = 0.2  # seconds before Redis is tried again; doubles
LONGEST_PAUSE: Final = 5.0
STALE_SECONDS: Final = 60.0  # without a reading of the queues, successful or not, the process hangs
LOST = (RedisError, OSError)


@dataclass
class EventsProcess:
    """One process; several would each count everything.

    Args:
        graph: the objects.
    """

    graph: EventsGraph
    _pause: float = FIRST_PAUSE
    _ever: bool = False
    _up: bool = False
    _read_at: float = field(default_factory=time.monotonic)

    async def run(self, settings: Settings) -> None:
        """Run until stopped."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        ports = {settings.health_port, settings.metrics_port}
        pages = serve_pages(self.complaint, self.graph.registry, settings.bind_address, ports)
        async with pages, asyncio.TaskGroup() as group:
            loops = [group.create_task(self._follow()), group.create_task(self._read_queues())]
            await stop.wait()
            for loop in loops:
                loop.cancel()
        await self.graph.redis.aclose()

    def complaint(self) -> str | None:
        """Return what is wrong with this process; without Redis it is well, and waits."""
        age = time.monotonic() - self._read_at
        return f"The queues have not been polled for {age:.0f} seconds." if age > STALE_SECONDS else None

    async def _follow(self) -> None:
        while True:
            try:
                async for message in self.graph.feed.messages():
                    self._connected()
                    self._take(message)
            except LOST as error:
                self._lost(error)
            await asyncio.sleep(self._pause)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _take(self, message: bytes | None) -> None:
        try:
            for event in read(message) if message is not None else ():
                self.graph.events.take(event)
        except Unreadable as error:
            self.graph.metrics.unreadable()
            logger.warning("%s", error)

    def _connected(self) -> None:
        if self._up:
            return
        logger.info("Celery's events are received from Redis.")
        self.graph.metrics.connected(again=self._ever)
        self.graph.events.listen_again()
        self._up, self._ever, self._pause = True, True, FIRST_PAUSE

    def _lost(self, error: Exception) -> None:
        first = self._up or self._pause == FIRST_PAUSE
        self._up = False
        self.graph.metrics.disconnected()
        if first:  # once an outage
            what = "does not answer any more" if self._ever else "is not there yet"
            logger.warning("Redis %s (%s); trying again every few seconds.", what, error)

    async def _read_queues(self) -> None:
        while True:
            try:
                await self._read_depths()
            except LOST:  # the other loop logs it
                self.graph.metrics.lengths(None)
            self._read_at = time.monotonic()
            await asyncio.sleep(READ_SECONDS)

    async def _read_depths(self) -> None:
        queues = self.graph.events.shown_queues(await self.graph.feed.queues())
        self.graph.metrics.lengths(await self.graph.depths(queues))
        if self._up:  # a worker does not count as silent while this process is not connected
            self.graph.events.sweep()


def run_events(settings: Settings) -> None:
    """Run the exporter until a signal stops it."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # unused, and they double the series
    asyncio.run(EventsProcess(build_events(settings)).run(settings))
