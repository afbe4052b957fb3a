"""A release's life on a real control plane: install, upgrade, uninstall, with the operator as the chart runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.services import Service
from tests.integration.chart.conftest import Helm
from tests.integration.conftest import Kube
from tests.previous_chart import previous_chart

NAMESPACE = "release"
WHERE = ("--namespace", NAMESPACE)
PATIENCE = ("--wait", "--timeout", "90s")
TEST = "app.kubernetes.io/component=test"
CRD = "customresourcedefinition/simulations.twinops.dev"


@pytest.fixture(scope="module")
def values(redis_server: Service, mlflow_server: Service) -> list[str]:
    """Return the values of a release that watches its own namespace only, with rights there and nowhere else."""
    servers = ["--set", f"redis.url={redis_server.url}", "--set", f"mlflow.trackingUri={mlflow_server.url}"]
    # The development cluster has nothing that would provide the archive's claim.
    archive = ["--set-json", 'archive.volume={"emptyDir":{}}']
    one = ["--set", "workerPools.pools.light.autoscaling.minReplicas=1"]  # for there to be a worker to look at
    return [*servers, *archive, *one, "--set", f"watchNamespaces={{{NAMESPACE}}}"]


@pytest.fixture(scope="module")
def installed(helm: Helm, kube: Kube, values: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Install the previous chart with its older CRDs, and give what Helm printed."""
    kube.kubectl("delete", "--wait", "--ignore-not-found", CRD)
    previous = previous_chart(helm.chart, tmp_path_factory.mktemp("previous"))
    answer = helm("install", "twin-operator", previous, *WHERE, "--create-namespace", *PATIENCE, *values)
    assert answer.returncode == 0, answer.stderr + trouble(kube)
    yield answer.stdout
    helm("uninstall", "twin-operator", *WHERE, *PATIENCE)
    kube.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def trouble(kube: Kube) -> str:
    pools = kube.kubectl("get", "pods,workerpools", *WHERE, "-o", "wide")
    return pools + kube.kubectl("logs", *WHERE, "deployment/twin-operator", "--tail=30", "--previous", check=False)


def test_helm_waits_until_operator_and_pools_are_ready_to_work_or_to_follow_their_queues(
    installed: str, kube: Kube
) -> None:
    assert "See that the operator and its worker pools are ready" in installed
    pools = json.loads(kube.kubectl("get", "workerpools", *WHERE, "-o", "json"))["items"]
    assert {pool["status"]["phase"] for pool in pools} == {"Ready", "Idle"}
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
def test_helm_test_finds_every_part_well_and_leaves_nothing_behind(helm: Helm, kube: Kube) -> None:
    answer = helm("test", "twin-operator", *WHERE, "--logs", "--timeout", "100s")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "leads" in answer.stdout
    assert " NO " not in answer.stdout
    assert kube.kubectl("get", "roles,rolebindings,serviceaccounts", *WHERE, "-l", TEST) == ""


def test_a_check_fails_with_a_sentence_for_each_part_that_is_not_there(tmp_path: Path) -> None:
    environment = {"TWINOPS_REDIS_URL": "redis://127.0.0.1:1/0", "TWINOPS_MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}
    program = Path(sys.executable).with_name("twin-operator")
    answer = subprocess.run(
        [str(program), "check", "--within", "0"],
        env={**os.environ, **environment, "KUBECONFIG": str(tmp_path / "none")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 1
    assert [line.split("│")[2].strip() for line in answer.stdout.splitlines() if "answer" in line] == ["NO"] * 3


@pytest.mark.usefixtures("installed")
def test_an_upgrade_brings_the_crds_up_to_date_and_leaves_nothing_behind(
    helm: Helm, kube: Kube, values: list[str]
) -> None:
    key = kube.kubectl("get", "secret/twin-operator-signing", *WHERE, "-o", "jsonpath={.data}")
    assert "shortNames" not in kube.get(CRD)["spec"]["names"]
    answer = helm("upgrade", "twin-operator", helm.chart, *WHERE, *PATIENCE, *values)
    assert answer.returncode == 0, answer.stderr
    assert kube.get(CRD)["spec"]["names"]["shortNames"] == ["twinsim"]
    schema = kube.get(CRD)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert "worker" in schema["properties"]["status"]["properties"]
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
