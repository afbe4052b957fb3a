"""What the operator watches, what each event leads to, and that kopf does nothing else with an object."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import kopf
import pytest
from kubernetes.aio.client import Configuration

from tests.fakes.cluster import InMemoryCluster
from tests.unit.handlers.operators import loop_on_fakes, settings
from tests.unit.handlers.watched_server import KINDS, WatchedServer
from tests.unit.services.letters import twin_model
from twin_operator.adapters.kubernetes_api.client import client_of_a_user
from twin_operator.adapters.kubernetes_api.typed_resources import TypedResources
from twin_operator.api.v1alpha1 import WorkerPool
from twin_operator.handlers import events
from twin_operator.services.operator import OperatorLoop
from twin_operator.services.pools.manifest import owner_reference
from twin_operator.services.reconciling.ports import Event

DEADLINE: Final = 120  # seconds for what takes less than one, and the machine may be busy
POOL: Final = ("home", "light")
POOL_NAMESPACES: Final = ("home",)


def body(plural: str, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """Return an object as a watch sends it."""
    identity = {"name": name, "namespace": "home", "uid": f"uid-{name}", "resourceVersion": "7", "generation": 1}
    version = "apps/v1" if plural == "deployments" else "twinops.dev/v1alpha1"
    meta = {**identity, "creationTimestamp": "2026-01-01T00:00:00Z", **metadata}
    return {"apiVersion": version, "kind": KINDS[plural], "metadata": meta, "spec": spec}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def watching(server: WatchedServer, loop: OperatorLoop, namespaces: tuple[str, ...] = ()) -> AsyncIterator[None]:
    """Run the watches until the end of the block; no controller runs."""
    api = client_of_a_user(Configuration(host=server.url))
    registry, deployments = kopf.OperatorRegistry(), kopf.OperatorRegistry()
    events.register(registry, loop, api, len(namespaces))
    events.register_deployments(deployments, loop, api, len(POOL_NAMESPACES))
    watches = [run_kopf(registry, namespaces), run_kopf(deployments, POOL_NAMESPACES)]
    try:
        await until(lambda: set(server.queries) == set(KINDS))
        yield
    finally:
        for watch in watches:
            watch.cancel()  # a stop flag would give every task of the test 5 s to end
        await asyncio.wait(watches, timeout=DEADLINE)
        await api.close()


def run_kopf(registry: kopf.OperatorRegistry, namespaces: tuple[str, ...]) -> asyncio.Task[None]:
    """Have kopf watch in some namespaces, or in the cluster."""
    running = kopf.operator(
        registry=registry,
        settings=events.settings(),
        clusterwide=not namespaces,
        namespaces=namespaces,
        identity=cast("Any", "first"),  # else kopf asks DNS for the name of this machine
    )
    return asyncio.create_task(running)


UNCERTAINTY: Final = {"confidence": 0.9, "betweenExperimentScale": 1, "acceptPrior": False}
ASKED: Final = {"modelRef": {"name": "letters"}, "intervention": {"arm": "letter"}}
SIMULATION: Final = body("simulations", "question", ASKED)
TWIN: Final = body("twinmodels", "letters", {**twin_model()["spec"], "uncertainty": UNCERTAINTY})
WORKER_POOL: Final = body("workerpools", "light", {"queues": ["simulations"]})
JOB: Final = body("retrainingjobs", "again", {"modelRef": {"name": "letters"}})


def knows_twin(loop: OperatorLoop) -> bool:
    with contextlib.suppress(KeyError):
        return bool(loop.changes.twins.uncertainty(("home", "letters")))
    return False


SEEN: Final[dict[str, tuple[dict[str, Any], Callable[[OperatorLoop], bool]]]] = {
    "simulations": (SIMULATION, lambda loop: loop.simulations.answers.unfinished() == 1),
    "twinmodels": (TWIN, knows_twin),
    "workerpools": (WORKER_POOL, lambda loop: loop.pools.index.keys == [POOL]),
    "retrainingjobs": (JOB, lambda loop: loop.upkeep.unfinished_jobs(("home", "letters")) == [("home", "again")]),
}


@pytest.mark.parametrize("plural", SEEN)
async def test_an_object_is_seen_when_it_comes_and_when_it_goes(server: WatchedServer, plural: str) -> None:
    loop = loop_on_fakes(settings())
    sent, seen = SEEN[plural]
    async with watching(server, loop):
        assert not seen(loop)
        server.send(plural, "ADDED", sent)
        await until(lambda: seen(loop))
        server.send(plural, "DELETED", {**sent, "metadata": {**sent["metadata"], "resourceVersion": "8"}})
        await until(lambda: not seen(loop))


UNREADABLE: Final = {**SIMULATION, "spec": {**ASKED, "observed": {"experiment": "e", "effect": "much"}}}


async def test_an_object_that_cannot_be_read_gets_an_event_and_stops_no_other(server: WatchedServer) -> None:
    loop = loop_on_fakes(settings())
    events_of: list[Event] = []
    loop.resources = RecordedEvents(events_of)
    async with watching(server, loop):
        server.send("simulations", "ADDED", {**UNREADABLE, "metadata": {**UNREADABLE["metadata"], "name": "bad"}})
        await until(lambda: bool(events_of))
        server.send("simulations", "ADDED", body("simulations", "good", ASKED))
        await until(lambda: loop.simulations.answers.unfinished() == 1)
    assert (events_of[0].regarding.name, events_of[0].reason, events_of[0].warning) == ("bad", "Unreadable", True)
    assert "spec.observed.effect" in events_of[0].message


async def test_a_simulation_that_became_unreadable_is_forgotten_when_it_is_deleted(server: WatchedServer) -> None:
    loop = loop_on_fakes(settings())
    loop.resources = RecordedEvents([])
    async with watching(server, loop):
        server.send("simulations", "ADDED", SIMULATION)
        await until(lambda: loop.simulations.answers.unfinished() == 1)
        server.send(
            "simulations", "DELETED", {**UNREADABLE, "metadata": {**SIMULATION["metadata"], "resourceVersion": "8"}}
        )
        await until(lambda: loop.simulations.answers.unfinished() == 0)


class RecordedEvents(TypedResources):
    """An API server of which only Events are wanted."""

    def __init__(self, emitted: list[Event]) -> None:
        super().__init__(InMemoryCluster(time.time))
        object.__setattr__(self, "emitted", emitted)

    async def emit(self, event: Event) -> None:
        """Keep an Event."""
        self.emitted.append(event)  # type: ignore[attr-defined]  # set in the constructor of a frozen class


async def test_the_deployment_of_a_pool_is_seen(server: WatchedServer) -> None:
    loop = loop_on_fakes(settings())
    loop.pool_seen(WorkerPool.model_validate(WORKER_POOL), deleted=False)
    owner = owner_reference(WorkerPool.model_validate(WORKER_POOL)).model_dump(mode="json")
    labels = {"twinops.dev/pool": "light"}
    deployment = body("deployments", "light", {"replicas": 1}, labels=labels, ownerReferences=[owner])
    pool = loop.pools.index.get(POOL)
    assert pool is not None
    async with watching(server, loop):
        server.send("deployments", "ADDED", deployment)
        await until(lambda: pool.deployment is not None)


async def test_finished_simulations_are_not_watched(server: WatchedServer) -> None:
    async with watching(server, loop_on_fakes(settings())):
        assert server.queries["simulations"]["fieldSelector"] == "status.phase!=Succeeded,status.phase!=Failed"


async def test_nothing_of_kopf_stays_in_an_object(server: WatchedServer) -> None:
    loop = loop_on_fakes(settings())
    async with watching(server, loop):
        server.send("workerpools", "ADDED", WORKER_POOL)
        await until(lambda: bool(loop.pools.index.keys))
    assert server.writes == []


async def test_each_namespace_that_is_named_is_watched(server: WatchedServer) -> None:
    async with watching(server, loop_on_fakes(settings()), ("home", "lab")):
        await until(lambda: server.namespaces["workerpools"] == {"home", "lab"})


def test_kopf_neither_posts_events_nor_has_peers() -> None:
    chosen = events.settings()
    assert (chosen.posting.enabled, chosen.peering.standalone, chosen.scanning.disabled) == (False, True, True)


async def test_an_event_costs_no_copy_of_the_object(server: WatchedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base class copies the body to build what is compared; ours are asked instead."""

    def copied(*_arguments: object, **_named: object) -> None:
        raise AssertionError("kopf built the essence of an object")

    monkeypatch.setattr(kopf.DiffBaseStorage, "build", copied)
    monkeypatch.setattr(kopf.ProgressStorage, "clear", copied)
    loop = loop_on_fakes(settings())
    async with watching(server, loop):
        server.send("workerpools", "ADDED", WORKER_POOL)
        await until(lambda: bool(loop.pools.index.keys))


def test_nothing_is_kept_of_an_object() -> None:
    persistence = events.settings().persistence
    body, patch = kopf.Body(cast("kopf.RawBody", WORKER_POOL)), kopf.Patch()
    essence = persistence.diffbase_storage.build(body=body)
    persistence.diffbase_storage.store(body=body, patch=patch, essence=essence)
    persistence.progress_storage.touch(body=body, patch=patch, value="now")
    assert (dict(essence), dict(patch)) == ({}, {})
    assert persistence.diffbase_storage.fetch(body=body) is None
