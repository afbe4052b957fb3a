"""A kind cluster with the built images, and the release that the journeys run on.

The options of pytest-kind choose its programs and the node's image; `--redis-image` chooses Redis' image.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_kind import KindCluster

from devcluster import binaries
from tests.integration.chart.conftest import Helm
from tests.integration.conftest import Kube
from tests.integration.journey import experiments
from tests.previous_chart import previous_chart

ROOT = Path(__file__).parents[2]
IMAGE, NEXT_IMAGE, MLFLOW_IMAGE = "twin-operator:e2e", "twin-operator:e2e-next", "twin-operator-mlflow:e2e"
NAMESPACE, RELEASE = "twins", "twin-operator"
EFFECT = 0.15  # of the letter on the probability of a reply
PATIENCE = ("--wait", "--timeout", "8m")  # images start for the first time on a node with two cores


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("e2e")
    group.addoption("--redis-image", default="redis:8", help="Redis of the release, pulled unless Docker has it.")


def docker(*arguments: str) -> None:
    """Run Docker, with its own words as progress."""
    subprocess.run(["docker", *arguments], check=True, timeout=1800)


def _present(image: str) -> bool:
    return subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="session")
def images(request: pytest.FixtureRequest) -> list[str]:
    """Build the operator's image, once more under the name of a next version, and MLflow's; have Redis'."""
    docker("build", "--tag", IMAGE, str(ROOT))
    docker("build", "--tag", NEXT_IMAGE, "--label", "org.opencontainers.image.version=next", str(ROOT))
    folder = Path(__file__).parent / "images"
    version = ("--build-arg", f"MLFLOW_VERSION={locked('mlflow')}")
    docker("build", "--tag", MLFLOW_IMAGE, *version, "--file", str(folder / "mlflow.Dockerfile"), str(folder))
    redis: str = request.config.getoption("redis_image")
    if not _present(redis):
        docker("pull", redis)
    return [IMAGE, NEXT_IMAGE, MLFLOW_IMAGE, redis]


def locked(package: str) -> str:
    """Return the version of a package that the developers' lock file names."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    found = next(line for line in lines if line.startswith(f"{package}=="))
    return found.removeprefix(f"{package}==").split()[0]


@dataclass(frozen=True)
class Kind:
    """What `Kube` needs of a cluster."""

    kubeconfig: Path
    directory: Path
    kubectl: Path
    helm: Path


@pytest.fixture(scope="session")
def kube(kind_cluster: KindCluster, images: list[str], tmp_path_factory: pytest.TempPathFactory) -> Kube:
    """The kind cluster, ready for its first Pod, with the images on its node."""
    kind_cluster.ensure_kubectl()
    helm = shutil.which("helm")
    kubeconfig, directory = Path(kind_cluster.kubeconfig_path).resolve(), tmp_path_factory.mktemp("kind")
    kubectl = Path(kind_cluster.kubectl_path).absolute()  # not resolved: a link may name the program
    kind = Kind(kubeconfig, directory, kubectl, Path(helm) if helm else binaries.find().helm)
    kube = Kube(kind)  # type: ignore[arg-type]  # it has what the tests of this folder use of a Cluster
    for image in images:
        kind_cluster.load_docker_image(image)
    kube.until(lambda: "default" in kube.kubectl("get", "serviceaccount", "default", check=False), 60)
    kube.kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=90s")
    return kube


@pytest.fixture(scope="session")
def helm(kube: Kube) -> Helm:
    return Helm(kube.helm, kube.kubeconfig)


@pytest.fixture(scope="session")
def values(images: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Values of the release: all bundled, TLS to Redis, NetworkPolicies, the archive on a claim, pools that scale."""
    small = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}
    scaling = {"minReplicas": 0, "maxReplicas": 2, "scaleDownStabilizationSeconds": 10}
    pools = {name: {"resources": small, "autoscaling": scaling} for name in ("light", "medium", "heavy")}
    content = {
        "image": parts(IMAGE),
        "redis": {"bundled": {"enabled": True, "image": parts(images[3])}, "tls": {"enabled": True}},
        "mlflow": {"bundled": {"enabled": True, "image": parts(MLFLOW_IMAGE)}},
        "dataWatch": {"intervalSeconds": 60},
        "workers": {"data": {"volume": {"configMap": {"name": "experiments"}}}},
        "workerPools": {"pools": pools},
        "watchNamespaces": [NAMESPACE],
        "networkPolicy": {"enabled": True},
    }
    file = tmp_path_factory.mktemp("values") / "values.json"
    file.write_text(json.dumps(content))
    return ["--values", str(file)]


def parts(image: str) -> dict[str, str]:
    """Return an image's name as the chart's values have it."""
    repository, _, tag = image.rpartition(":")
    return {"repository": repository, "tag": tag}


@dataclass(frozen=True)
class Release:
    """Helm's output when the previous chart was installed, tested, and upgraded to this one."""

    installed: str
    tested: str
    upgraded: str
    tested_again: str


@pytest.fixture(scope="session")
def release(
    kind_cluster: KindCluster, kube: Kube, helm: Helm, values: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Release:
    """The chart in a namespace that admits nothing but restricted Pods, upgraded from the previous one."""
    kube.kubectl("create", "namespace", NAMESPACE)
    for mode in ("enforce", "warn"):
        kube.kubectl("label", "namespace", NAMESPACE, f"pod-security.kubernetes.io/{mode}=restricted")
    put_data(kube, experiments.rows(experiments.waves(6), EFFECT))

    def run(*arguments: str) -> str:
        answer = helm(*arguments, "--namespace", NAMESPACE)
        assert answer.returncode == 0, answer.stderr + trouble(kube)
        return answer.stdout

    previous = previous_chart(helm.chart, tmp_path_factory.mktemp("previous"), key_in_templates=False)

    def install() -> str:
        with ThreadPoolExecutor(1) as background:
            running = background.submit(run, "install", RELEASE, previous, *PATIENCE, *values)
            while not running.done():
                open_volumes(kube, kind_cluster.name)
                time.sleep(2)
        return running.result()

    test = ("test", RELEASE, "--logs", "--timeout", "3m")
    next_image = ("--set", f"image.tag={NEXT_IMAGE.rpartition(':')[2]}")
    return Release(
        install(),
        run(*test),
        run("upgrade", RELEASE, helm.chart, *PATIENCE, *values, *next_image),
        run(*test),
    )


def open_volumes(kube: Kube, cluster: str) -> None:
    """Let any user write to the volumes: a folder of the node has no fsGroup, and its provisioner may be strict."""
    for volume in kube.get("persistentvolumes")["items"]:
        if "hostPath" in volume["spec"] and volume["status"]["phase"] == "Bound":
            # Not there yet: the next poll finds it.
            command = [
                "docker",
                "exec",
                f"{cluster}-control-plane",
                "chmod",
                "0777",
                volume["spec"]["hostPath"]["path"],
            ]
            subprocess.run(command, check=False, capture_output=True)


def put_data(kube: Kube, rows: list[str]) -> None:
    """Put rows into the file that workers read as /data/waves.csv."""
    text = "\n".join([experiments.COLUMNS, *rows, ""])
    metadata = {"name": "experiments", "namespace": NAMESPACE}
    content: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"waves.csv": text},
    }
    kube.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(content))


def trouble(kube: Kube) -> str:
    """Return what a user would read first."""
    where = ("-n", NAMESPACE)
    things = kube.kubectl("get", "pods,twinops", *where, "-o", "wide", check=False)
    warnings = kube.kubectl("get", "events", *where, "--field-selector=type=Warning", check=False)
    return things + warnings + kube.kubectl("logs", *where, "deployment/twin-operator", "--tail=40", check=False)
