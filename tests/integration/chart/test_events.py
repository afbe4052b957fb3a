"""The exporter of Celery's events in the chart: there when asked for, without rights, and all processes send events."""

from __future__ import annotations

import json

import yaml

from tests.integration.chart.conftest import Helm
from tests.integration.chart.test_chart import ADDRESSES, SECRET, environment, pick
from tests.integration.conftest import Kube
from twin_operator.settings import Settings

EVENTS = ("--set", "events.enabled=true")
NAME = "twin-operator-events"


def test_nobody_tells_events_unless_asked_to(helm: Helm) -> None:
    manifests = helm.template(ADDRESSES)
    assert not [each for each in manifests if each["metadata"]["name"] == NAME]
    variables = environment(manifests)
    assert "TWINOPS_TASK_EVENTS" not in variables
    assert "TWINOPS_TASK_EVENTS" not in variables["TWINOPS_WORKER_ENV"]


def test_operator_and_workers_tell_events_when_asked_to(helm: Helm) -> None:
    variables = environment(helm.template((*ADDRESSES, *EVENTS)))
    workers = {each["name"]: each.get("value") for each in json.loads(variables["TWINOPS_WORKER_ENV"])}
    assert (variables["TWINOPS_TASK_EVENTS"], workers["TWINOPS_TASK_EVENTS"]) == ("true", "true")


def test_the_exporter_knows_redis_and_nothing_else(helm: Helm) -> None:
    manifests = helm.template((*SECRET, *EVENTS))
    pod = pick(manifests, "Deployment", NAME)["spec"]["template"]["spec"]
    variables = {each["name"]: each.get("value", each.get("valueFrom")) for each in pod["containers"][0]["env"]}
    assert variables["TWINOPS_REDIS_URL"] == {"secretKeyRef": {"name": "redis", "key": "url"}}
    ours = {name for name in variables if name.startswith("TWINOPS_")}
    assert ours <= {f"TWINOPS_{name.upper()}" for name in Settings.model_fields}
    assert "TWINOPS_MLFLOW_TRACKING_URI" not in ours
    bound = [subject for each in manifests if "Binding" in each["kind"] for subject in each.get("subjects", [])]
    assert NAME not in {subject["name"] for subject in bound}
    assert pick(manifests, "ServiceAccount", NAME)["automountServiceAccountToken"] is False


def test_the_service_finds_the_exporter_only(helm: Helm) -> None:
    manifests = helm.template((*ADDRESSES, *EVENTS))
    selector = pick(manifests, "Service", NAME)["spec"]["selector"]
    labels = {
        d["metadata"]["name"]: d["spec"]["template"]["metadata"]["labels"]
        for d in manifests
        if d["kind"] == "Deployment"
    }
    assert [name for name, has in labels.items() if selector.items() <= has.items()] == [NAME]


def test_the_exporter_meets_the_restricted_pod_security_standard(helm: Helm, kube: Kube, namespace: str) -> None:
    kube.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    pod = pick(helm.template((*ADDRESSES, *EVENTS)), "Deployment", NAME)["spec"]["template"]
    pod |= {"apiVersion": "v1", "kind": "Pod"}
    pod["metadata"] |= {"name": "events", "namespace": namespace}
    del pod["spec"]["serviceAccountName"]
    kube.kubectl("create", "--dry-run=server", "-f", "-", input=yaml.safe_dump(pod))
