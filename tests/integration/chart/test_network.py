"""Which Pods the chart's NetworkPolicies hold, and whom these let speak to whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.chart.conftest import Helm
from twin_operator.services.pools.manifest import labels

Manifest = dict[str, Any]
POOLS = "elsewhere"
VALUES = (
    *("--set", "redis.bundled.enabled=true", "--set", "mlflow.bundled.enabled=true"),
    *("--set", "postgresql.bundled.enabled=true", "--set", "networkPolicy.enabled=true"),
    *("--set", f"workerPools.namespaces={{{POOLS}}}"),
)
RELEASE = "default"
PORTS = {"redis": 6379, "mlflow": 5000, "postgresql": 5432}


@pytest.fixture(scope="module")
def manifests(helm: Helm) -> list[Manifest]:
    return helm.template(VALUES)


def ours(component: str) -> dict[str, str]:
    common = {"app.kubernetes.io/name": "twin-operator", "app.kubernetes.io/instance": "twin-operator"}
    return labels("light") if component == "worker" else {**common, "app.kubernetes.io/component": component}


def selects(selector: Manifest, found: dict[str, str]) -> bool:
    """Whether a label selector selects labels, by the operators that the chart uses."""
    exactly = all(found.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return exactly and all(found.get(e["key"]) in e["values"] for e in selector.get("matchExpressions", []))


def policies(manifests: list[Manifest], component: str, namespace: str) -> list[Manifest]:
    """Return the policies that hold for a Pod."""
    every = [each for each in manifests if each["kind"] == "NetworkPolicy"]
    here = [each["spec"] for each in every if each["metadata"]["namespace"] == namespace]
    return [spec for spec in here if selects(spec["podSelector"], ours(component))]


def allows(rules: list[Manifest], side: str, peer: tuple[str, str], home: str, port: int) -> bool:
    """Whether one of a policy's rules allows a peer, (component, namespace), at a port."""
    return any(
        port in [each["port"] for each in rule["ports"]]
        and any(_is_peer(each, peer, home) for each in rule.get(side, []))
        for rule in rules
    )


def _is_peer(rule: Manifest, peer: tuple[str, str], home: str) -> bool:
    component, namespace = peer
    spaces = rule.get("namespaceSelector")
    near = namespace == home if spaces is None else selects(spaces, {"kubernetes.io/metadata.name": namespace})
    return near and selects(rule.get("podSelector", {}), ours(component))


def may_speak(manifests: list[Manifest], one: tuple[str, str], other: tuple[str, str], port: int) -> bool:
    """Whether both ends let them: a Pod without a policy lets everything."""
    leaving = policies(manifests, *one)
    arriving = policies(manifests, *other)
    return all(allows(spec.get("egress", []), "to", other, one[1], port) for spec in leaving) and all(
        allows(spec.get("ingress", []), "from", one, other[1], port) for spec in arriving
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *((("operator", RELEASE), service) for service in ("redis", "mlflow", "postgresql")),
        *((("worker", place), service) for place in (RELEASE, POOLS) for service in ("redis", "mlflow")),
        (("events", RELEASE), "redis"),
        (("mlflow", RELEASE), "postgresql"),
        *((("test", RELEASE), service) for service in ("redis", "mlflow")),
    ],
)
def test_our_pods_reach_what_they_need(manifests: list[Manifest], one: tuple[str, str], other: str) -> None:
    assert may_speak(manifests, one, (other, RELEASE), PORTS[other])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("worker", RELEASE), "postgresql"),
        (("worker", "strangers"), "redis"),
        (("worker", "strangers"), "mlflow"),
        (("events", RELEASE), "mlflow"),
        (("test", RELEASE), "postgresql"),
        (("stranger", RELEASE), "redis"),
        (("stranger", RELEASE), "mlflow"),
        (("stranger", RELEASE), "postgresql"),
        (("redis", RELEASE), "postgresql"),
        (("mlflow", RELEASE), "redis"),
    ],
)
def test_nobody_else_does(manifests: list[Manifest], one: tuple[str, str], other: str) -> None:
    assert not may_speak(manifests, one, (other, RELEASE), PORTS[other])


@pytest.mark.parametrize(
    "component", ["operator", "worker", "events", "crds", "secrets", "test", "redis", "mlflow", "postgresql"]
)
def test_every_pod_of_ours_is_held_both_ways(manifests: list[Manifest], component: str) -> None:
    assert [spec["policyTypes"] for spec in policies(manifests, component, RELEASE)] == [["Ingress", "Egress"]]


def test_workers_do_not_reach_the_api_server(manifests: list[Manifest]) -> None:
    (policy,) = policies(manifests, "worker", RELEASE)
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 5000, 6379}


def test_without_the_value_there_are_none(helm: Helm) -> None:
    kinds = {each["kind"] for each in helm.template((*VALUES, "--set", "networkPolicy.enabled=false"))}
    assert "NetworkPolicy" not in kinds
