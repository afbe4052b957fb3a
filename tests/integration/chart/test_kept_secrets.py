"""Secrets that the chart's Job creates: Pods wait for them, and a release that is installed again keeps them."""

from __future__ import annotations

import json

import yaml

from tests.integration.chart.conftest import Helm
from tests.integration.chart.test_chart import ADDRESSES
from tests.integration.conftest import Kube

BUNDLED = ("redis.bundled.enabled=true", "redis.tls.enabled=true", "postgresql.bundled.enabled=true")
NO_NODE = "operator.nodeSelector.none=none"  # the operator itself has no part in this

Data = dict[str, dict[str, str]]


def sets(*options: str) -> list[str]:
    return [word for option in options for word in ("--set", option)]


def private(namespace: str) -> list[str]:
    """Return values that keep a release apart from others of the cluster."""
    return sets(f"fullnameOverride={namespace}", f"watchNamespaces={{{namespace}}}", "userRoles.create=false")


def data(kube: Kube, namespace: str) -> Data:
    secrets = kube.get("secrets", "-n", namespace, "-l", f"twinops.dev/release={namespace}")["items"]
    return {each["metadata"]["name"]: each["data"] for each in secrets}


def test_a_release_that_is_installed_again_has_its_keys_and_passwords(helm: Helm, kube: Kube, namespace: str) -> None:
    values = (*ADDRESSES[2:], *sets(*BUNDLED, NO_NODE), *private(namespace))

    def run(verb: str) -> Data:
        answer = helm(verb, namespace, helm.chart, "--namespace", namespace, *values)
        assert answer.returncode == 0, answer.stderr
        return data(kube, namespace)

    first = run("install")
    assert len(first) == 4, json.dumps(sorted(first))  # the signing key, two services' passwords, a certificate
    assert run("upgrade") == first
    left = kube.kubectl("get", "jobs,roles,rolebindings,serviceaccounts", "-n", namespace, "-o", "name")
    assert f"{namespace}-secrets" not in left
    uninstalled = helm("uninstall", namespace, "--namespace", namespace, "--wait", "--timeout", "90s")
    assert uninstalled.returncode == 0, uninstalled.stderr
    assert data(kube, namespace) == first
    assert run("install") == first
    helm("uninstall", namespace, "--namespace", namespace)


def waiting(kube: Kube, namespace: str) -> str:
    """Return why containers of the operator wait; `not found` while there is no Pod."""
    component = ("-l", "app.kubernetes.io/component=operator")
    pods = kube.get("pods", "-n", namespace, *component)["items"]
    states = [each["state"] for pod in pods for each in pod["status"].get("containerStatuses", [])]
    return json.dumps([state.get("waiting", {}).get("message") for state in states]) if states else "not found"


def test_pods_of_rendered_manifests_wait_for_the_job(helm: Helm, kube: Kube, namespace: str) -> None:
    no_claim = ("--set-json", 'archive.volume={"emptyDir":{}}')
    manifests = helm.template((*ADDRESSES, *private(namespace), *no_claim), namespace)
    jobs = [each for each in manifests if each["kind"] == "Job" and "-secrets-" in each["metadata"]["name"]]
    rest = [each for each in manifests if each["kind"] not in {"Job", "Pod", "WorkerPool"}]
    kube.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(rest))
    kube.until(lambda: f"{namespace}-signing" in waiting(kube, namespace))
    kube.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(jobs))
    kube.until(lambda: "not found" not in waiting(kube, namespace))
    assert len(kube.get("secret", f"{namespace}-signing", "-n", namespace)["data"]["key"]) > 64
    kube.kubectl("delete", "--wait=false", "-f", "-", input=yaml.safe_dump_all([*rest, *jobs]))
