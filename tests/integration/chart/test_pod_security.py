"""Every Pod of ours under the restricted Pod Security Standard, admitted by a real API server's own plugin.

A namespace says `enforce: restricted`, and controllers make the Pods, as they would anywhere.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.chart.conftest import Helm
from tests.integration.conftest import Kube
from twin_operator.api.v1alpha1 import ObjectMeta, WorkerPool
from twin_operator.api.v1alpha1.worker_pool import WorkerPoolSpec
from twin_operator.services.pools.manifest import WorkerDefaults, deployment_manifest

Manifest = dict[str, Any]
EVERYTHING = (
    *("--set", "redis.bundled.enabled=true", "--set", "redis.tls.enabled=true", "--set", "mlflow.bundled.enabled=true"),
    *("--set", "postgresql.bundled.enabled=true"),
)
WORKLOADS = ("Deployment", "StatefulSet", "Job")
DEFAULTS = WorkerDefaults("twin-operator:test", "IfNotPresent", "twin-operator-worker", [], 9090)


@pytest.fixture(scope="module")
def restricted(kube: Kube) -> Iterator[str]:
    """A namespace whose Pods must be restricted."""
    name = f"restricted-{uuid.uuid4().hex[:8]}"
    kube.kubectl("create", "namespace", name)
    kube.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    kube.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="module")
def workloads(kube: Kube, helm: Helm, restricted: str) -> dict[str, Manifest]:
    """Have the chart's workloads in that namespace, on no node, so that their Pods are made and nothing runs."""
    manifests = helm.template(EVERYTHING, restricted)
    kube.apply(*(each for each in manifests if each["kind"] == "ServiceAccount"))
    found = {_name(each): each for each in manifests if each["kind"] in WORKLOADS}
    found["twin-operator-light"] = deployment_manifest(pool(restricted), DEFAULTS, 1)
    del found["twin-operator-light"]["metadata"]["ownerReferences"]
    for each in found.values():
        each["metadata"].pop("annotations", None)  # the hook's: nothing here is a release
        each["spec"]["template"]["spec"] |= {"nodeSelector": {"nowhere": "yes"}}
    kube.apply(*found.values())
    return found


def _name(manifest: Manifest) -> str:
    """Return the name, of a Job without the digest of its template."""
    name: str = manifest["metadata"]["name"]
    return re.sub(r"-[0-9a-f]{6}$", "", name) if manifest["kind"] == "Job" else name


def pool(namespace: str, **template: Any) -> WorkerPool:
    """Return a WorkerPool as the API server would store it."""
    metadata = ObjectMeta(name="twin-operator-light", namespace=namespace, uid=str(uuid.uuid4()))
    return WorkerPool(metadata=metadata, spec=WorkerPoolSpec(queues=("simulations",), template=template))


@pytest.mark.parametrize(
    "name",
    [
        "twin-operator",
        "twin-operator-light",
        "twin-operator-crds",
        "twin-operator-secrets",
        "twin-operator-redis",
        "twin-operator-mlflow",
        "twin-operator-postgresql",
    ],
)
def test_its_controller_may_make_the_pod(
    kube: Kube, restricted: str, workloads: dict[str, Manifest], name: str
) -> None:
    wanted = workloads[name]["spec"]["template"]["spec"]["containers"][0]["name"]

    def look() -> list[Manifest]:
        pods = kube.get("pods", "-n", restricted)["items"]
        return [pod for pod in pods if pod["spec"]["containers"][0]["name"] == wanted]

    (pod,) = kube.until(look)
    assert pod["metadata"]["ownerReferences"][0]["name"].startswith(name)


def test_nothing_else_runs_in_the_release(workloads: dict[str, Manifest]) -> None:
    assert len(workloads) == 7


def test_every_root_file_system_is_read_only_and_only_who_asks_the_api_server_has_a_token(
    workloads: dict[str, Manifest],
) -> None:
    pods = {name: each["spec"]["template"]["spec"] for name, each in workloads.items()}
    for pod in pods.values():
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
    with_token = {name for name, pod in pods.items() if pod.get("automountServiceAccountToken", True)}
    assert with_token == {"twin-operator", "twin-operator-crds", "twin-operator-secrets"}


@pytest.mark.usefixtures("workloads")  # for the service account, which the API server looks up first
def test_a_template_that_asks_for_more_is_refused_and_the_deployment_says_why(kube: Kube, restricted: str) -> None:
    worker = {"name": "worker", "securityContext": {"allowPrivilegeEscalation": True}}
    refused = deployment_manifest(pool(restricted, spec={"containers": [worker]}), DEFAULTS, 1)
    del refused["metadata"]["ownerReferences"]
    refused["metadata"]["name"] = "escalating"
    kube.apply(refused)

    def look() -> str:
        conditions = kube.get("deployment", "escalating", "-n", restricted)["status"].get("conditions", [])
        return next((each["message"] for each in conditions if each["type"] == "ReplicaFailure"), "")

    kube.until(lambda: 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false' in look())
