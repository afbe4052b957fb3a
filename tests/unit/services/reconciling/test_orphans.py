"""Runs whose object is gone are stopped, whatever else messages name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.contracts.queue_system import task
from tests.fakes.cluster import InMemoryCluster
from tests.fakes.queue import InMemoryQueue
from twin_operator.adapters.kubernetes_api.client import ApiError
from twin_operator.adapters.kubernetes_api.typed_resources import TypedResources
from twin_operator.services.reconciling.orphans import stop_orphans
from twin_operator.services.runs.run import JSON, Stop


def now() -> float:
    return 1_800_000_000.0


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
