"""Names in the paths of requests: of what no object can be called, nothing is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import pytest
from kubernetes.aio.client import Configuration

from twin_operator.adapters.kubernetes_api.client import ApiError, KubernetesApi, segment
from twin_operator.adapters.kubernetes_api.resources import ClusterResources
from twin_operator.adapters.kubernetes_api.workloads import ClusterWorkloads
from twin_operator.services.reconciling.ports import Gone

KIND: Final = "Simulation"
UP: Final = "t1/../../../../../api/v1/namespaces/twin-operator"
UPWARDS: Final = "../secrets/redis"


@pytest.mark.parametrize(
    "name", ["..", ".", "", "a/b", "%2e%2e", "a?b", "a#b", "A", "a\n", "-a", "a" * 254, UP, UPWARDS]
)
def test_what_no_object_is_called_is_no_part_of_a_path(name: str) -> None:
    with pytest.raises(ApiError) as refusal:
        segment(name)
    assert refusal.value.status == 404


@pytest.mark.parametrize("name", ["a", "team-a", "checkout.v2", "0a1b", "a" * 253])
def test_the_name_of_an_object_is_a_part_of_a_path(name: str) -> None:
    assert segment(name) == name


READS: Final[dict[str, Callable[[ClusterResources], Awaitable[object]]]] = {
    "read, by namespace": lambda resources: resources.read(KIND, UP, "s"),
    "read, by name": lambda resources: resources.read(KIND, "t1", UPWARDS),
    "create": lambda resources: resources.create(KIND, {"metadata": {"namespace": UP, "name": "s"}}),
    "write a status": lambda resources: resources.write_status(
        KIND, {"metadata": {"namespace": "t1", "name": UPWARDS, "resourceVersion": "1"}}, {}
    ),
}


class Unasked(KubernetesApi):
    """Fails the test with the first request."""

    async def request(self, method: str, path: str, *_body: object, **_options: object) -> Any:
        raise AssertionError(f"{method} {path}")


async def fresh() -> None:
    """Return at once: the Lease is fresh."""


@pytest.fixture
async def api() -> AsyncIterator[KubernetesApi]:
    api = Unasked(Configuration(host="http://localhost"), lambda _method, _status: None, fresh)
    yield api
    await api.close()


@pytest.mark.parametrize("request_", READS.values(), ids=READS)
async def test_an_object_of_such_a_name_is_gone_and_no_request_is_sent(
    api: KubernetesApi, request_: Callable[[ClusterResources], Awaitable[object]]
) -> None:
    with pytest.raises(Gone):
        await request_(ClusterResources(api))


async def test_there_is_no_deployment_of_such_a_name(api: KubernetesApi) -> None:
    assert await ClusterWorkloads(api).read_deployment("t1", UPWARDS) is None
