"""NetworkPolicies let in at the ports where containers listen, and out to the ports that Services lead to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.integration.chart.conftest import Helm
from tests.integration.chart.test_network import VALUES, selects
from twin_operator.api.v1alpha1 import WorkerPool
from twin_operator.services.pools.manifest import deployment_manifest
from twin_operator.settings import Settings
from twin_operator.wiring.worker_pods import worker_defaults

Manifest = dict[str, Any]
ALL: Final = (
    *(*VALUES, "--set", "events.enabled=true", "--set", "metrics.service.enabled=true"),
    *("--set", "metrics.serviceMonitor.enabled=true", "--set", "metrics.podMonitor.enabled=true"),
)
WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "Job"})
PROBED: Final = "health"  # the port that only the node asks, which no policy keeps out
DNS: Final = 53
API_SERVER: Final = frozenset({443, 6443})


@pytest.fixture(scope="module")
def manifests(offline_helm: Helm) -> list[Manifest]:
    """What the chart renders, and the Deployments that the operator makes of its WorkerPools."""
    rendered = offline_helm.template(ALL)
    return [*rendered, *(worker_deployment(each) for each in rendered if each["kind"] == "WorkerPool")]


def worker_deployment(pool: Manifest) -> Manifest:
    metadata = {"namespace": "default", "uid": "11111111-1111-4111-8111-111111111111", **pool["metadata"]}
    return deployment_manifest(
        WorkerPool.model_validate({**pool, "metadata": metadata}), worker_defaults(Settings()), 1
    )


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] in kinds]


def pods(manifests: list[Manifest]) -> Iterator[Manifest]:
    """Yield the Pods, or the templates that they are made from."""
    yield from of_kind(manifests, "Pod")
    yield from (each["spec"]["template"] for each in of_kind(manifests, *WORKLOADS))


def listening(pod: Manifest) -> dict[str, int]:
    """Return the ports of a Pod's containers, by name."""
    containers = pod["spec"]["containers"]
    return {port["name"]: port["containerPort"] for each in containers for port in each.get("ports", [])}


def policy(manifests: list[Manifest], pod: Manifest) -> Manifest:
    """Return the one policy that holds for a Pod of the release's namespace."""
    every = [each for each in of_kind(manifests, "NetworkPolicy") if each["metadata"]["namespace"] == "default"]
    (found,) = [each["spec"] for each in every if selects(each["spec"]["podSelector"], pod["metadata"]["labels"])]
    spec: Manifest = found
    return spec


def ports(rules: list[Manifest]) -> set[int]:
    return {port["port"] for rule in rules for port in rule["ports"]}


def behind(manifests: list[Manifest], service: Manifest) -> dict[str, int]:
    """Return the ports of the Pods that a Service selects, by name."""
    labels = service["spec"]["selector"]
    (pod,) = [each for each in pods(manifests) if selects({"matchLabels": labels}, each["metadata"]["labels"])]
    return listening(pod)


def test_a_policy_lets_in_where_containers_listen_and_nowhere_else(manifests: list[Manifest]) -> None:
    seen = set()
    for pod in pods(manifests):
        expected = {port for name, port in listening(pod).items() if name != PROBED}
        assert ports(policy(manifests, pod).get("ingress", [])) == expected
        seen.add(pod["metadata"]["labels"]["app.kubernetes.io/component"])
    assert seen == {"operator", "worker", "events", "redis", "mlflow", "postgresql", "crds", "secrets", "test"}


def test_a_service_leads_to_a_port_that_the_policy_lets_in(manifests: list[Manifest]) -> None:
    services = of_kind(manifests, "Service")
    assert len(services) == 5
    for service in services:
        named = behind(manifests, service)
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            assert named.get(target, target) in named.values()
            assert port["name"] != PROBED


def test_metrics_are_scraped_at_a_port_that_the_policies_let_in(manifests: list[Manifest]) -> None:
    monitors = of_kind(manifests, "ServiceMonitor", "PodMonitor")
    assert len(monitors) == 3
    scraped = {
        each["port"]
        for monitor in monitors
        for each in monitor["spec"].get("endpoints", monitor["spec"].get("podMetricsEndpoints"))
    }
    assert scraped == {"metrics"}
    metered = [pod for pod in pods(manifests) if "metrics" in listening(pod)]
    assert len(metered) == 5  # operator, events exporter and three pools
    for pod in metered:
        assert port_of_process(pod) == listening(pod)["metrics"]


def port_of_process(pod: Manifest) -> int:
    """Return where the process in a Pod serves its metrics, by its environment."""
    (container,) = pod["spec"]["containers"]
    return int({each["name"]: each.get("value") for each in container["env"]}["TWINOPS_METRICS_PORT"])


def test_pods_may_leave_for_ports_of_services_names_and_the_api_server_alone(manifests: list[Manifest]) -> None:
    bundled = {
        port for each in of_kind(manifests, "StatefulSet") for port in listening(each["spec"]["template"]).values()
    }
    for pod in pods(manifests):
        assert ports(policy(manifests, pod).get("egress", [])) <= {DNS, *API_SERVER, *bundled}


@pytest.mark.parametrize("service", ["redis", "mlflow", "postgresql"])
def test_the_way_out_to_a_bundled_service_has_the_port_of_its_pod(manifests: list[Manifest], service: str) -> None:
    (server,) = [each for each in of_kind(manifests, "StatefulSet") if each["metadata"]["name"].endswith(service)]
    labels = server["spec"]["template"]["metadata"]["labels"]
    rules = [
        rule
        for each in of_kind(manifests, "NetworkPolicy")
        for rule in each["spec"].get("egress", [])
        if any(selects(peer["podSelector"], labels) for peer in rule.get("to", []) if peer.get("podSelector"))
    ]
    assert rules
    for rule in rules:
        assert ports([rule]) == set(listening(server["spec"]["template"]).values())
