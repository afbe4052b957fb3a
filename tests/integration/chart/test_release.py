"""A release's life on a real control plane: install, upgrade, uninstall, with the operator as the chart runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devcluster.services import Service
from tests.integration.chart.conftest import Helm
from tests.integration.conftest import Kube, running_cluster
from tests.previous_chart import previous_chart

pytestmark = pytest.mark.slow
Manifest = dict[str, Any]

NAMESPACE = "release"
WHERE = ("--namespace", NAMESPACE)
PATIENCE = ("--wait", "--timeout", "5m")
TEST = "app.kubernetes.io/component=test"
CRD = "customresourcedefinition/simulations.twinops.dev"


@pytest.fixture(scope="module")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    """A cluster of its own: CRDs are deleted here, and names of a release are the same everywhere."""
    with running_cluster(tmp_path_factory.mktemp("release-cluster")) as kube:
        yield kube


@pytest.fixture(scope="module")
def helm(kube: Kube) -> Helm:
    return Helm(kube.helm, kube.kubeconfig)


@pytest.fixture(scope="module")
def values(redis_server: Service, mlflow_server: Service) -> list[str]:
    """Return the values of a release that watches its own namespace only, with rights there and nowhere else."""
    servers = ["--set", f"redis.url={redis_server.url}", "--set", f"mlflow.trackingUri={mlflow_server.url}"]
    # The development cluster has nothing that would provide the archive's claim.
    archive = ["--set-json", 'archive.volume={"emptyDir":{}}']
    one = ["--set", "workerPools.pools.light.autoscaling.minReplicas=1"]  # so that there is a worker to check
    return [*servers, *archive, *one, "--set", f"watchNamespaces={{{NAMESPACE}}}"]


@dataclass(frozen=True)
class Life:
    """What was seen while the previous chart was installed, tested, upgraded to this one, and uninstalled."""

    install: str
    pools: list[Manifest]
    pods: list[Manifest]
    explained: str
    test: subprocess.CompletedProcess[str]
    left_by_test: str
    crd_before: Manifest
    crd_after: Manifest
    key_before: str
    key_after: str
    left_by_upgrade: str
    left_by_uninstall: str


@pytest.fixture(scope="module")
def life(helm: Helm, kube: Kube, values: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Install the previous chart with its older CRDs, test it, upgrade it to this chart, and uninstall that."""
    kube.kubectl("delete", "--wait", "--ignore-not-found", CRD)
    previous = previous_chart(helm.chart, tmp_path_factory.mktemp("previous"))
    install = run(helm, kube, "install", "twin-operator", previous, "--create-namespace", *PATIENCE, *values)
    pools = kube.get("workerpools", *WHERE)["items"]
    kube.kubectl(*WHERE, "rollout", "status", "deployment/twin-operator", "--timeout=180s")
    kube.kubectl(*WHERE, "wait", "--for=condition=Ready", "workerpools", "--all", "--timeout=180s")
    pods = kube.get("pods", *WHERE)["items"]
    test = helm("test", "twin-operator", *WHERE, "--logs", "--timeout", "5m")
    left_by_test = kube.kubectl("get", "roles,rolebindings,serviceaccounts", *WHERE, "-l", TEST)
    crd_before, key_before = kube.get(CRD), signing_key(kube)
    run(helm, kube, "upgrade", "twin-operator", helm.chart, *PATIENCE, *values)
    crd_after, key_after = kube.get(CRD), signing_key(kube)
    left = kube.kubectl("get", "jobs,serviceaccounts", *WHERE, "-l", "app.kubernetes.io/component in (crds,secrets)")
    left += kube.kubectl("get", "clusterroles", "-l", "app.kubernetes.io/component=crds")
    explained = kube.kubectl("explain", "simulation.spec")
    run(helm, kube, "uninstall", "twin-operator", *PATIENCE)
    kube.kubectl("wait", "--for=delete", "deployments", "--all", *WHERE, "--timeout=180s")
    roles = kube.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name")
    yield Life(
        install, pools, pods, explained, test, left_by_test, crd_before, crd_after, key_before, key_after, left, roles
    )
    kube.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def run(helm: Helm, kube: Kube, *arguments: str) -> str:
    answer = helm(*arguments, *WHERE)
    assert answer.returncode == 0, answer.stderr + trouble(kube)
    return answer.stdout


def signing_key(kube: Kube) -> str:
    return kube.kubectl("get", "secret/twin-operator-signing", *WHERE, "-o", "jsonpath={.data}")


def trouble(kube: Kube) -> str:
    pools = kube.kubectl("get", "pods,workerpools", *WHERE, "-o", "wide")
    return pools + kube.kubectl("logs", *WHERE, "deployment/twin-operator", "--tail=30", "--previous", check=False)


def test_helm_waits_until_operator_and_pools_are_ready_to_work_or_to_follow_their_queues(life: Life) -> None:
    assert "See that the operator and its worker pools are ready" in life.install
    assert {pool["status"]["phase"] for pool in life.pools} == {"Ready", "Idle"}
    assert len(life.pools) == 3


def test_the_fields_of_the_kinds_are_explained(life: Life) -> None:
    assert "FIELDS" in life.explained


def test_the_running_operator_uses_its_own_account_and_workers_get_no_token(life: Life) -> None:
    by_component = {pod["metadata"]["labels"]["app.kubernetes.io/component"]: pod["spec"] for pod in life.pods}
    assert by_component["operator"]["serviceAccountName"] == "twin-operator"
    assert by_component["worker"]["serviceAccountName"] == "twin-operator-worker"
    mounts = [mount["mountPath"] for mount in by_component["worker"]["containers"][0]["volumeMounts"]]
    assert not [path for path in mounts if path.startswith("/var/run/secrets/kubernetes.io")]


def test_helm_test_finds_every_part_well_and_leaves_nothing_behind(life: Life) -> None:
    assert life.test.returncode == 0, life.test.stdout + life.test.stderr
    assert "leads" in life.test.stdout
    assert " NO " not in life.test.stdout
    assert life.left_by_test == ""


def test_a_check_fails_with_a_sentence_for_each_part_that_is_not_there(tmp_path: Path) -> None:
    environment = {"TWINOPS_REDIS_URL": "redis://127.0.0.1:1/0", "TWINOPS_MLFLOW_TRACKING_URI": "http://127.0.0.1:1"}
    program = Path(sys.executable).with_name("twin-operator")
    answer = subprocess.run(
        [str(program), "check", "--within", "0"],
        env={**os.environ, **environment, "KUBECONFIG": str(tmp_path / "none")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answer.returncode == 1
    assert [line.split("│")[2].strip() for line in answer.stdout.splitlines() if "answer" in line] == ["NO"] * 3


def test_an_upgrade_brings_the_crds_up_to_date_keeps_the_key_and_leaves_nothing_behind(life: Life) -> None:
    assert "shortNames" not in life.crd_before["spec"]["names"]
    assert life.crd_after["spec"]["names"]["shortNames"] == ["twinsim"]
    schema = life.crd_after["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert "worker" in schema["properties"]["status"]["properties"]
    assert life.key_after == life.key_before
    assert life.left_by_upgrade == ""


def test_uninstalling_takes_workers_along_and_keeps_the_crds(life: Life, kube: Kube) -> None:
    assert "twin-operator" not in life.left_by_uninstall
    kube.kubectl("get", CRD)
