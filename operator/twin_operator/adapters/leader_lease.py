"""Leader election by a Lease of Kubernetes, after the rules of client-go's `leaderelection`.

A process reads the Lease every few seconds, and writes its name and the time into it when the Lease is free, expired
or its own. Expiry is measured by the own clock since the Lease changed last, so clocks need not agree. The client
library has an election too, but an error of the network ends it, it has no time limits, and it measures by the
system's time, which may jump.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from kubernetes.aio.client import ApiClient, Configuration, CoordinationV1Api, V1Lease, V1LeaseSpec, V1ObjectMeta
from kubernetes.aio.client.exceptions import ApiException

logger = logging.getLogger(__name__)

Work = Callable[[], Coroutine[Any, Any, None]]
END_SECONDS: Final = 5.0  # that cancelled work gets to end: less than is left of the Lease after RENEW_SECONDS


class LeaseLost(Exception):  # noqa: N818 - an event in the life of a leader, not a bug
    """This process no longer holds the Lease."""


@dataclass(frozen=True)
class Intervals:
    """Seconds; the first three are client-go's defaults.

    Args:
        lease: after the last renewal, until another process may take the Lease.
        renew: after the last renewal, until the leader gives up; less than `lease`, so that it ends before.
        retry: between two attempts.
        request: time limit of a request: an attempt has two, and two attempts fit into `renew`.
    """

    lease: float = 15.0
    renew: float = 10.0
    retry: float = 2.0
    request: float = 2.0


@dataclass
class LeaderLease:
    """Runs work while this process holds the Lease.

    Args:
        configuration: how to reach the API server.
        name: of the Lease.
        namespace: of the Lease.
        identity: of this process: the Pod's name, so that a restarted container goes on at once.
        intervals: how often, and how long.
    """

    configuration: Configuration
    name: str
    namespace: str
    identity: str
    intervals: Intervals = field(default_factory=Intervals)
    _renewed_at: float | None = None  # monotonic seconds: the start of the last attempt that succeeded
    _renewal: asyncio.Event = field(default_factory=asyncio.Event)
    _seen: tuple[str, float] = ("", 0.0)  # the Lease's resource version, and when it was seen first

    @property
    def age(self) -> float:
        """Seconds since this process renewed the Lease; 0 where it never held it."""
        return 0.0 if self._renewed_at is None else time.monotonic() - self._renewed_at

    @property
    def overdue(self) -> bool:
        """Whether the last renewal is too old for a leader to go on."""
        return self.age > self.intervals.renew

    async def wait_until_renewed(self) -> None:
        """Return at once while the Lease is fresh; else wait for its renewal.

        A process that slept, such as on a frozen node, may have lost the Lease: it must not write before it knows.
        """
        while self.overdue:
            await self._renewal.wait()

    async def lead(self, work: Work) -> None:
        """Wait for the Lease, then run `work` to its end.

        Raises:
            LeaseLost: another process holds the Lease, or it could not be renewed; `work` is cancelled.
        """
        async with ApiClient(self.configuration) as client:
            api = CoordinationV1Api(client)
            while not await self._attempt(api):  # noqa: ASYNC110 - nothing in this process says when to try
                await asyncio.sleep(self.intervals.retry)
            await self._run(work, api)

    async def release(self) -> None:
        """Give the Lease back if it is still ours; the next leader then need not wait for its end."""
        async with ApiClient(self.configuration) as client:
            api = CoordinationV1Api(client)
            try:
                async with asyncio.timeout(self.intervals.request):
                    await self._give_back(api)
            except Exception as error:  # noqa: BLE001 - it expires by itself
                logger.warning("The Lease was not given back: %s", _cause(error))

    async def _run(self, work: Work, api: CoordinationV1Api) -> None:
        tasks = asyncio.create_task(work()), asyncio.create_task(self._keep(api))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=END_SECONDS)
        for task in done:
            task.result()

    async def _keep(self, api: CoordinationV1Api) -> None:
        """Renew the Lease until it is lost."""
        while True:
            await asyncio.sleep(self.intervals.retry)
            if not await self._attempt(api, leading=True) and self.overdue:
                raise LeaseLost(f"The Lease could not be renewed for {self.age:.0f} s.")

    async def _attempt(self, api: CoordinationV1Api, *, leading: bool = False) -> bool:
        """Try to take or renew the Lease; return whether this process holds it.

        Raises:
            LeaseLost: `leading`, and another process holds it.
        """
        begun = time.monotonic()
        try:
            held = await self._take(api)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt may succeed
            logger.warning("The Lease could not be %s: %s", "renewed" if leading else "taken", _cause(error))
            return False
        if held:
            self._renewed_at = begun
            self._renewal.set()
            self._renewal.clear()
        elif leading:
            raise LeaseLost("Another process holds the Lease.")
        return held

    async def _take(self, api: CoordinationV1Api) -> bool:
        lease = await self._read(api)
        if lease is None:
            lease = V1Lease(metadata=V1ObjectMeta(name=self.name), spec=self._spec(None))
            await self._limited(api.create_namespaced_lease(self.namespace, lease))
            return True
        if self._belongs_to_another(lease):
            return False
        lease.spec = self._spec(lease.spec)
        await self._limited(api.replace_namespaced_lease(self.name, self.namespace, lease))
        return True

    async def _read(self, api: CoordinationV1Api) -> V1Lease | None:
        try:
            lease: V1Lease = await self._limited(api.read_namespaced_lease(self.name, self.namespace))
        except ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None
        if not _version(lease):  # without it a write would overwrite whatever is there
            raise ValueError("the answer is no Lease")
        return lease

    def _belongs_to_another(self, lease: V1Lease) -> bool:
        now, version = time.monotonic(), _version(lease)
        if version != self._seen[0]:
            self._seen = version, now
        holder = lease.spec.holder_identity if lease.spec else None
        return holder not in {None, "", self.identity} and now < self._seen[1] + self.intervals.lease

    def _spec(self, current: V1LeaseSpec | None) -> V1LeaseSpec:
        spec = current or V1LeaseSpec(lease_transitions=0)
        now = _now()
        if spec.holder_identity != self.identity:
            spec.acquire_time = now
            spec.lease_transitions = (spec.lease_transitions or 0) + (current is not None)
        spec.holder_identity, spec.renew_time = self.identity, now
        spec.lease_duration_seconds = max(1, round(self.intervals.lease))
        return spec

    async def _give_back(self, api: CoordinationV1Api) -> None:
        lease = await api.read_namespaced_lease(self.name, self.namespace)
        if lease.spec is not None and lease.spec.holder_identity == self.identity:
            lease.spec.holder_identity = None
            await api.replace_namespaced_lease(self.name, self.namespace, lease)

    async def _limited(self, request: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever the API answers
        async with asyncio.timeout(self.intervals.request):
            return await request


def _version(lease: V1Lease) -> str:
    return str(lease.metadata.resource_version or "") if lease.metadata else ""


def _now() -> datetime:
    """The time with a fraction: the client writes none where it is zero, and the API server refuses that."""
    now = datetime.now(UTC)
    return now if now.microsecond else now.replace(microsecond=1)


def _cause(error: Exception) -> str:
    """A line that says what happened; the body of an answer may be a page."""
    if isinstance(error, ApiException):
        return f"{error.status} {error.reason}"
    return f"{type(error).__name__}: {error}"
