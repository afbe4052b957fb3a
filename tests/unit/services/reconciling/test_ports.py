"""The optimistic write of a status."""

from __future__ import annotations

import pytest

from tests.fakes.cluster import InMemoryCluster
from tests.unit.services.letters import NAME, twin_model
from twin_operator.adapters.kubernetes_api.typed_resources import TypedResources
from twin_operator.api.v1alpha1 import TwinModel
from twin_operator.api.v1alpha1.conditions import TwinModelPhase
from twin_operator.services.reconciling.ports import WRITE_ATTEMPTS, Changed, Gone, write_status
from twin_operator.services.runs.run import JSON

PLACE = ("TwinModel", "default", NAME)


def body() -> JSON:
    content = twin_model()
    return {**content, "metadata": {**content["metadata"], "namespace": "default"}}


@pytest.fixture
def cluster() -> InMemoryCluster:
    cluster = InMemoryCluster(lambda: 1_800_000_000.0)
    cluster.create_object(body())
    return cluster


class Meddler:
    """Decides on a status, while another client changes the object that often."""

    def __init__(self, cluster: InMemoryCluster, times: int) -> None:
        self.cluster, self.times, self.decided = cluster, times, 0

    def __call__(self, seen: TwinModel) -> TwinModel | None:
        self.decided += 1
        if self.decided <= self.times:
            self.cluster.patch(*PLACE, {"metadata": {"labels": {"change": str(self.decided)}}})
        return seen.replace(status=seen.status.replace(phase=TwinModelPhase.READY))


@pytest.mark.parametrize("times", [0, 1, WRITE_ATTEMPTS - 1])
async def test_a_status_is_decided_on_again_where_the_object_was_changed(cluster: InMemoryCluster, times: int) -> None:
    resources, decide = TypedResources(cluster), Meddler(cluster, times)
    seen = await resources.read(TwinModel, *PLACE[1:])
    written = await write_status(resources, seen, decide)
    assert written is not None
    assert written.status.phase is TwinModelPhase.READY
    assert decide.decided == times + 1


async def test_an_object_that_others_change_all_the_time_is_given_up(cluster: InMemoryCluster) -> None:
    resources, decide = TypedResources(cluster), Meddler(cluster, WRITE_ATTEMPTS)
    with pytest.raises(Changed):
        await write_status(resources, await resources.read(TwinModel, *PLACE[1:]), decide)
    assert decide.decided == WRITE_ATTEMPTS


async def test_another_object_of_the_name_does_not_get_the_status(cluster: InMemoryCluster) -> None:
    resources = TypedResources(cluster)
    seen = await resources.read(TwinModel, *PLACE[1:])
    cluster.remove(*PLACE)
    cluster.create_object(body())
    with pytest.raises(Gone):
        await write_status(resources, seen, Meddler(cluster, 0))
    assert cluster.get(*PLACE)["status"]["phase"] == "Pending"


async def test_nothing_is_written_where_no_status_is_wanted_any_more(cluster: InMemoryCluster) -> None:
    resources = TypedResources(cluster)
    seen = await resources.read(TwinModel, *PLACE[1:])
    assert await write_status(resources, seen, lambda _seen: None) is None
    assert cluster.writes == []
