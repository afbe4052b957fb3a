"""What one editor can do to others, as fast as an editor can: broken objects, large ones, names that nobody serves.

The other load, of as many requests for ConfigMaps, is what any client of the API server costs everybody.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.integration.journey.campaign import model_spec, question
from tests.integration.journey.platform_fixture import Platform
from twin_operator.adapters.kubernetes_api.client import ApiError, KubernetesApi, client_of_a_user

JSON = dict[str, Any]
AT_ONCE = 8  # requests in flight
LABELS = {"editor": "hostile"}
OWN = {"labelSelector": "editor=hostile"}
LARGE_EVERY = 5  # turns
KEPT = 100  # turns after which a large Simulation is deleted
LARGE_KINDS: dict[str, JSON] = {"large": {}, "nowhere": {"queue": "nobody"}}
CUSTOM = "/apis/twinops.dev/v1alpha1/namespaces/{}/{}"
LARGE_VALUES = [f"{number:064d}" for number in range(64)]
LARGE = {"where": [{"feature": "region", "operator": "In", "values": LARGE_VALUES} for _ in range(16)]}
"""The largest population that the API server accepts: 64 KB."""
BROKEN_TEMPLATES: list[Any] = [
    {"containers": []},
    {"spec": None},
    {"spec": {"containers": "none"}},
    {"spec": {"tru": 1}},
]


@dataclass
class Report:
    """Requests that were sent, and those that were refused, by kind of object."""

    sent: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return self.sent.total() / self.seconds

    def __str__(self) -> str:
        lines = [f"  {kind}: {count} sent, {self.refused[kind]} refused" for kind, count in sorted(self.sent.items())]
        return "\n".join([f"{self.per_second:.0f} requests a second", *lines])


@dataclass
class HostileEditor:
    """Sends requests in a namespace until it is stopped.

    Args:
        platform: where.
        namespace: the editor's.
    """

    platform: Platform
    namespace: str
    report: Report = field(default_factory=Report)
    _stopped: bool = False

    @asynccontextmanager
    async def at_work(self, rate: float | None = None, *, config_maps: bool = False) -> AsyncIterator[Report]:
        """Send requests during the block: at most `rate` a second, or as many as the API server takes."""
        api = client_of_a_user(await self.platform.configuration())
        requests, self._stopped = (self._config_maps(api) if config_maps else self._objects(api)), False
        began = time.monotonic()
        senders = [asyncio.create_task(self._send(requests, rate)) for _ in range(AT_ONCE)]
        try:
            yield self.report
        finally:
            self._stopped = True
            await asyncio.gather(*senders)
            self.report.seconds = time.monotonic() - began
            await api.close()

    async def delete_all(self) -> None:
        """Delete what the editor created."""
        api = client_of_a_user(await self.platform.configuration())
        try:
            for plural in ("simulations", "retrainingjobs", "twinmodels"):
                await api.request("DELETE", CUSTOM.format(self.namespace, plural))
            await api.request("DELETE", CUSTOM.format(self.platform.namespace, "workerpools"), query=OWN)
        finally:
            await api.close()

    async def _send(self, requests: Any, rate: float | None) -> None:
        pause = 0.0 if rate is None else AT_ONCE / rate
        for kind, request in requests:
            if self._stopped:
                return
            began = time.monotonic()
            self.report.sent[kind] += 1
            try:
                await request()
            except ApiError:
                self.report.refused[kind] += 1
            await asyncio.sleep(max(0.0, began + pause - time.monotonic()))

    def _config_maps(self, api: KubernetesApi) -> Any:
        path = f"/api/v1/namespaces/{self.namespace}/configmaps"
        for number in itertools.count():
            body = {"metadata": {"name": f"map-{number}"}, "data": {"text": "x" * 1000}}
            yield "ConfigMap", lambda body=body: api.create(path, body)

    def _objects(self, api: KubernetesApi) -> Any:
        """Yield requests of all kinds in turn; what is large is deleted again, so that etcd does not fill."""
        for number in itertools.count():
            if number % LARGE_EVERY == 0:
                for kind, changes in LARGE_KINDS.items():
                    large = question(population=LARGE, **changes)
                    yield "Simulation", self._create(api, "simulations", f"{kind}-{number}", large)
                    if number >= KEPT:
                        yield "deletion", self._delete(api, "simulations", f"{kind}-{number - KEPT}")
            small = question(queue=f"nobody-{number}")
            yield "Simulation", self._create(api, "simulations", f"small-{number}", small)
            template = BROKEN_TEMPLATES[number % len(BROKEN_TEMPLATES)]
            pool = {"queues": [f"queue-{number}"], "replicas": 0, "template": template}
            yield "WorkerPool", self._create(api, "workerpools", f"pool-{number}", pool, self.platform.namespace)
            unserved = model_spec("file:///data/none.csv", queue=f"nobody-{number % 10}")
            yield "TwinModel", self._create(api, "twinmodels", f"model-{number}", unserved)
            foreign = model_spec("file:///data/none.csv", registeredModel=f"{self.platform.namespace}.letters")
            yield "TwinModel", self._create(api, "twinmodels", f"foreign-{number}", foreign)
            for other in (number // 2, number // 3):
                yield "update", self._patch(api, "twinmodels", f"model-{other}", {"queue": f"other-{number % 10}"})
            yield "RetrainingJob", self._create(api, "retrainingjobs", f"job-{number}", {"modelRef": {"name": "none"}})

    def _create(self, api: KubernetesApi, plural: str, name: str, spec: JSON, namespace: str = "") -> Callable[[], Any]:
        kind = {"simulations": "Simulation", "workerpools": "WorkerPool", "twinmodels": "TwinModel"}
        namespace = namespace or self.namespace
        metadata = {"name": name, "namespace": namespace, "labels": LABELS}
        body = {
            "apiVersion": "twinops.dev/v1alpha1",
            "kind": kind.get(plural, "RetrainingJob"),
            "metadata": metadata,
            "spec": spec,
        }
        return lambda: api.create(CUSTOM.format(namespace, plural), body)

    def _delete(self, api: KubernetesApi, plural: str, name: str) -> Callable[[], Any]:
        path = f"{CUSTOM.format(self.namespace, plural)}/{name}"

        async def delete() -> None:
            with suppress(ApiError):
                await api.request("DELETE", path)

        return delete

    def _patch(self, api: KubernetesApi, plural: str, name: str, spec: JSON) -> Callable[[], Any]:
        return lambda: api.merge(f"{CUSTOM.format(self.namespace, plural)}/{name}", {"spec": spec})
