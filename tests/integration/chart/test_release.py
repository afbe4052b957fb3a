"""A release's life on a real control plane: install, upgrade, uninstall, with the operator as the chart runs it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from devcluster.services import Service
from tests.integration.chart.conftest import Helm
from tests.integration.conftest import Kube

NAMESPACE = "release"
WHERE = ("--namespace", NAMESPACE)
PATIENCE = ("--wait", "--timeout", "90s")
CRD = "customresourcedefinition/simulations.twinops.dev"


@pytest.fixture(scope="module")
def values(redis_server: Service, mlflow_server: Service) -> list[str]:
    """Return the values of a release that watches its own namespace only, with rights there and nowhere else."""
    servers = ["--set", f"redis.url={redis_server.url}", "--set", f"mlflow.trackingUri={mlflow_server.url}"]
    # The development cluster has nothing that would provide the archive's claim.
    archive = ["--set-json", 'archive.volume={"emptyDir":{}}']
    return [*servers, *archive, "--set", f"watchNamespaces={{{NAMESPACE}}}"]


@pytest.fixture(scope="module")
def installed(helm: Helm, kube: Kube, values: list[str]) -> Iterator[str]:
    """Install the chart, and give what Helm printed."""
    answer = helm("install", "twin-operator", helm.chart, *WHERE, "--create-namespace", *PATIENCE, *values)
    assert answer.returncode == 0, answer.stderr + trouble(kube)
    yield answer.stdout
    helm("uninstall", "twin-operator", *WHERE, *PATIENCE)
    kube.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def trouble(kube: Kube) -> str:
    pools = kube.kubectl("get", "pods,workerpools", *WHERE, "-o", "wide")
    return pools + kube.kubectl("logs", *WHERE, "deployment/twin-operator", "--tail=30", "--previous", check=False)


def test_helm_waits_until_operator_and_pools_are_ready(installed: str, kube: Kube) -> None:
    assert "See that the operator and its worker pools are ready" in installed
    pools = json.loads(kube.kubectl("get", "workerpools", *WHERE, "-o", "json"))["items"]
    assert {pool["status"]["phase"] for pool in pools} == {"Ready"}
    assert len(pools) == 3


@pytest.mark.usefixtures("installed")
def test_the_commands_of_the_notes_work(kube: Kube) -> None:
    kube.kubectl(*WHERE, "rollout", "status", "deployment/twin-operator", "--timeout=30s")
    kube.kubectl(*WHERE, "wait", "--for=condition=Ready", "workerpools", "--all", "--timeout=30s")
    assert "FIELDS" in kube.kubectl("explain", "simulation.spec")


@pytest.mark.usefixtures("installed")
def test_the_running_operator_uses_its_own_account_and_workers_get_no_token(kube: Kube) -> None:
    pods = json.loads(kube.kubectl("get", "pods", *WHERE, "-o", "json"))["items"]
    by_component = {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod["spec"] for pod in pods}
    assert by_component["operator"]["serviceAccountName"] == "twin-operator"
    assert by_component["worker"]["serviceAccountName"] == "twin-operator-worker"
    mounts = [mount["mountPath"] for mount in by_component["worker"]["containers"][0]["volumeMounts"]]
    assert not [path for path in mounts if path.startswith("/var/run/secrets/kubernetes.io")]


@pytest.mark.usefixtures("installed")
def test_an_upgrade_brings_the_crds_up_to_date_and_leaves_nothing_behind(
    helm: Helm, kube: Kube, values: list[str]
) -> None:
    key = kube.kubectl("get", "secret/twin-operator-signing", *WHERE, "-o", "jsonpath={.data}")
    outdated = [{"op": "remove", "path": "/spec/names/shortNames"}]
    kube.kubectl("patch", CRD, "--type=json", "-p", json.dumps(outdated))
    answer = helm("upgrade", "twin-operator", helm.chart, *WHERE, *PATIENCE, *values)
    assert answer.returncode == 0, answer.stderr
    assert yaml.safe_load(kube.kubectl("get", CRD, "-o", "yaml"))["spec"]["names"]["shortNames"] == ["twinsim"]
    assert kube.kubectl("get", "secret/twin-operator-signing", *WHERE, "-o", "jsonpath={.data}") == key
    assert kube.kubectl("get", "jobs,serviceaccounts", *WHERE, "-l", "app.kubernetes.io/component=crds") == ""
    assert kube.kubectl("get", "clusterroles", "-l", "app.kubernetes.io/component=crds") == ""


@pytest.mark.usefixtures("installed")
def test_uninstalling_takes_workers_along_and_keeps_the_crds(helm: Helm, kube: Kube) -> None:
    answer = helm("uninstall", "twin-operator", *WHERE, *PATIENCE)
    assert answer.returncode == 0, answer.stderr
    kube.kubectl("wait", "--for=delete", "deployments", "--all", *WHERE, "--timeout=60s")
    kube.kubectl("get", CRD)
    assert "twin-operator" not in kube.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name")
