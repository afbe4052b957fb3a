"""What prometheus-operator reads: it is well formed, finds its targets, and is absent unless it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.chart.conftest import Helm
from tests.integration.chart.monitoring.rendering import ADDRESSES, ALL
from tests.integration.conftest import Kube
from twin_operator.services.pools.manifest import labels

CRDS = Path(__file__).parent / "monitoring" / "crds.yaml"
GROUP = "monitoring.coreos.com/v1"
Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def manifests(offline_helm: Helm) -> list[Manifest]:
    """Everything for monitoring, with pools in another namespace too."""
    labelled = (
        f"metrics.{kind}.labels.release=prometheus" for kind in ("serviceMonitor", "podMonitor", "prometheusRule")
    )
    values = (part for label in labelled for part in ("--set", label))
    return offline_helm.template((*ALL, *values, "--set", "workerPools.namespaces={growth}"), "twins")


@pytest.fixture(scope="module")
def prometheus_operator(kube: Kube) -> Iterator[None]:
    """A cluster that knows its kinds."""
    kube.kubectl("apply", "-f", str(CRDS))
    kube.kubectl("wait", "--for=condition=Established", "--timeout=180s", "-f", str(CRDS))
    yield
    kube.kubectl("delete", "--wait=false", "-f", str(CRDS))


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


@pytest.mark.usefixtures("prometheus_operator")
def test_the_api_server_takes_them(kube: Kube, manifests: list[Manifest], namespace: str) -> None:
    ours = [each for each in manifests if each["apiVersion"] == GROUP]
    for each in ours:
        each = each | {"metadata": each["metadata"] | {"namespace": namespace}}  # noqa: PLW2901 - as in that namespace
        kube.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", input=yaml.safe_dump(each))
    assert {each["kind"] for each in ours} == {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
    assert {each["metadata"]["labels"]["release"] for each in ours} == {"prometheus"}


def test_the_service_monitor_finds_the_operators_service(manifests: list[Manifest]) -> None:
    monitor = of_kind(manifests, "ServiceMonitor")["twin-operator-operator"]["spec"]
    service = of_kind(manifests, "Service")["twin-operator-metrics"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["namespaceSelector"]["matchNames"] == [service["metadata"]["namespace"]]
    assert [each["port"] for each in monitor["endpoints"]] == [each["name"] for each in service["spec"]["ports"]]


def test_the_pod_monitor_finds_the_workers_of_every_pool(manifests: list[Manifest]) -> None:
    monitor = of_kind(manifests, "PodMonitor")["twin-operator-workers"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= labels("light").items()
    assert monitor["namespaceSelector"]["matchNames"] == ["growth", "twins"]


def test_labels_of_a_metric_win_over_those_of_its_target(manifests: list[Manifest]) -> None:
    # else `namespace` of a TwinModel would be called exported_namespace, and no query would find it
    monitors = (*of_kind(manifests, "ServiceMonitor").values(), *of_kind(manifests, "PodMonitor").values())
    for monitor in monitors:
        (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
        assert endpoint["honorLabels"] is True


def test_jobs_are_called_as_the_alerts_call_them(manifests: list[Manifest]) -> None:
    monitors = of_kind(manifests, "ServiceMonitor")
    jobs = {name: each["spec"]["endpoints"][0]["relabelings"][0] for name, each in monitors.items()}
    rules = yaml.safe_dump(of_kind(manifests, "PrometheusRule"))
    for name, relabeling in jobs.items():
        assert relabeling == {"targetLabel": "job", "replacement": name}
        assert f'job="{name}"' in rules.replace('\\"', '"')
    assert sorted(jobs) == ["twin-operator-events", "twin-operator-operator"]


def test_nothing_of_it_is_there_unless_it_is_asked_for(offline_helm: Helm) -> None:
    manifests = offline_helm.template(ADDRESSES)
    assert [each["kind"] for each in manifests if each["apiVersion"] == GROUP] == []
    assert [name for name in of_kind(manifests, "ConfigMap") if "dashboard" in name] == []
    assert "twin-operator-metrics" not in of_kind(manifests, "Service")


def test_the_exporter_of_events_is_neither_scraped_nor_missed_where_it_does_not_run(offline_helm: Helm) -> None:
    manifests = offline_helm.template((*ALL, "--set", "events.enabled=false"))
    assert list(of_kind(manifests, "ServiceMonitor")) == ["twin-operator-operator"]
    assert "TwinOpsEventsExporterDown" not in yaml.safe_dump(manifests)


@pytest.mark.parametrize(
    "value",
    [
        "metrics.serviceMonitor.interval=often",
        "metrics.prometheusRule.thresholds.oldest=5",
        "metrics.prometheusRule.thresholds.failedSimulationsShare=2",
        "metrics.prometheusRule.disabled={operator-down}",
        "metrics.dashboards.namespace=Grafana",
    ],
)
def test_the_schema_refuses(offline_helm: Helm, value: str) -> None:
    answer = offline_helm("template", offline_helm.chart, *offline_helm.version, *ADDRESSES, "--set", value)
    assert answer.returncode != 0
    assert "values don't meet the specifications" in answer.stderr
