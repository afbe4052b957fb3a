"""Runs whose object is gone are stopped, whatever else messages name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from tests.contracts.queue_system import DONE, task
from tests.fakes.cluster import InMemoryCluster
from tests.fakes.queue import InMemoryQueue
from tests.fakes.ready_twin import simulation
from twin_operator.adapters.kubernetes_api.client import ApiError
from twin_operator.adapters.kubernetes_api.typed_resources import TypedResources
from twin_operator.services.reconciling.orphans import stop_orphans
from twin_operator.services.runs.run import JSON, Stop, Target

QUESTION: Final = ("Simulation", "default", "question")


def now() -> float:
    return 1_800_000_000.0


def stays(_cluster: InMemoryCluster) -> None:
    """Leave the object as it is."""


def ends(cluster: InMemoryCluster) -> None:
    cluster.patch_status(*QUESTION, {"status": {"phase": "Succeeded"}})


def goes(cluster: InMemoryCluster) -> None:
    cluster.remove(*QUESTION)


def is_made_again(cluster: InMemoryCluster) -> None:
    goes(cluster)
    cluster.apply(simulation())


@pytest.mark.parametrize(
    ("happens", "before", "after"),
    [
        (stays, None, None),
        (stays, Stop.SUSPENDED, Stop.SUSPENDED),
        (ends, None, Stop.DELETED),
        (goes, None, Stop.DELETED),
        (goes, Stop.SUSPENDED, Stop.DELETED),
        (goes, Stop.CANCELLED, Stop.CANCELLED),
        (is_made_again, None, Stop.DELETED),
    ],
)
async def test_a_run_that_is_not_followed_is_stopped_where_its_object_is_gone_or_has_ended(
    happens: Callable[[InMemoryCluster], None], before: Stop | None, after: Stop | None
) -> None:
    queue, cluster = InMemoryQueue(now), InMemoryCluster(now)
    uid = cluster.apply(simulation())["metadata"]["uid"]
    work = replace(task(), run=uid, target=Target(*QUESTION, uid))
    await queue.publish([work])
    if before is not None:
        await queue.stop(work.run, before)
    happens(cluster)
    await stop_orphans(queue, TypedResources(cluster), set())
    assert (await queue.runs([work.run]))[work.run].stop is after


async def test_a_run_with_a_result_is_not_stopped_though_it_has_a_message() -> None:
    queue, cluster = InMemoryQueue(now), InMemoryCluster(now)
    work = replace(task(), run="gone", target=Target(*QUESTION, "gone"))
    await queue.publish([work])
    delivery = queue.take([work.queue], "worker")
    assert delivery is not None
    queue.claim(delivery)
    queue.record(delivery, DONE)
    await queue.publish([work])  # as after a resync that did not find the first message
    await stop_orphans(queue, TypedResources(cluster), set())
    assert (await queue.runs([work.run]))[work.run].stop is None


class OtherInstallation(InMemoryCluster):
    """A cluster in which the operator may not read one object."""

    forbidden = ""

    async def read(self, kind: str, namespace: str, name: str) -> JSON:
        if name == self.forbidden:
            raise ApiError(403, "forbidden")
        return await super().read(kind, namespace, name)


async def test_an_object_that_cannot_be_read_keeps_no_other_run_from_being_stopped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue, cluster = InMemoryQueue(now), OtherInstallation(now)
    works = [task(), task(), task()]
    works[0] = replace(works[0], target=replace(works[0].target, name="of-another"))
    await queue.publish(works)
    cluster.forbidden = "of-another"
    await stop_orphans(queue, TypedResources(cluster), set())
    runs = await queue.runs([work.run for work in works])
    assert [runs[work.run].stop for work in works] == [None, Stop.DELETED, Stop.DELETED]
    assert "The object of a message could not be read: Target(kind='Simulation', namespace='n', name='of-another'" in (
        caplog.text
    )
