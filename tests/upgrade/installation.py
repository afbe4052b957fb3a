"""A release on a development cluster of its own: what its user does with Helm and kubectl."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster import Cluster, services
from tests.integration.chart.conftest import Helm
from tests.integration.conftest import Kube
from tests.upgrade.gated_data import GatedData, serving

NAMESPACE, RELEASE = "twins", "twin-operator"
FIRST_IMAGE, NEXT_IMAGE = "twin-operator:first", "twin-operator:next"
WITHIN = 300.0  # seconds for a condition: most hold within ten, but the machine may be busy
CALL = 30  # seconds for one `kubectl wait`, which starts again until WITHIN is over
PATIENCE = ("--wait", "--timeout", "5m")

JSON = dict[str, Any]


@dataclass(frozen=True)
class Installation:
    """The cluster with the release, and what stands next to it."""

    kube: Kube
    helm: Helm
    redis_url: str
    mlflow_url: str
    data: GatedData
    archive: Path

    def values(self, image: str) -> JSON:
        """Return the release's values: a worker for each kind of task, and two for training."""
        workers = {"light": 1, "medium": 1, "heavy": 2}
        repository, _, tag = image.partition(":")
        return {
            "image": {"repository": repository, "tag": tag},
            "redis": {"url": self.redis_url},
            "mlflow": {"trackingUri": self.mlflow_url},
            "logFormat": "text",
            "archive": {"volume": {"hostPath": {"path": str(self.archive)}}},
            "workers": {"data": {"volume": {"hostPath": {"path": str(self.data.folder)}}}},
            "data": {"allow": ["file:///data/", self.data.url]},
            "workerPools": {"pools": {name: {"autoscaling": None, "replicas": n} for name, n in workers.items()}},
        }

    def release(self, verb: str, chart: Path, image: str) -> None:
        """Install or upgrade the release, and wait until operator and pools are ready."""
        self.run_helm(verb, RELEASE, chart, NAMESPACE, self.values(image), *PATIENCE)

    def run_helm(self, verb: str, name: str, chart: Path, namespace: str, values: JSON, *options: str) -> None:
        """Run Helm with some values."""
        file = self.data.folder.with_name(f"{name}-values.json")
        file.write_text(json.dumps(values))
        answer = self.helm(verb, name, str(chart), "--namespace", namespace, "--values", str(file), *options)
        assert answer.returncode == 0, answer.stderr + self.trouble()

    def apply(self, kind: str, specs: Mapping[str, JSON]) -> None:
        """Apply resources, specs by name."""
        api = {"apiVersion": "twinops.dev/v1alpha1", "kind": kind}
        named = ((spec, {"name": name, "namespace": NAMESPACE}) for name, spec in specs.items())
        self.kube.apply(*({**api, "metadata": metadata, "spec": spec} for spec, metadata in named))

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the release's namespace."""
        return self.kube.kubectl("--namespace", NAMESPACE, *arguments)

    def get(self, kind: str, name: str) -> JSON:
        """Read an object."""
        found: JSON = self.kube.get(kind, name, "--namespace", NAMESPACE)
        return found

    def all(self, kind: str) -> list[JSON]:
        """Read the objects of a kind."""
        found: list[JSON] = self.kube.get(kind, "--namespace", NAMESPACE)["items"]
        return found

    def until(self, kind: str, name: str, condition: str) -> None:
        """Wait until a condition of `kubectl wait` holds, of an object or, with `--all`, of every object of a kind."""
        wait = ("wait", kind, name, "--namespace", NAMESPACE, f"--for={condition}", f"--timeout={CALL}s")
        self.kube.until(lambda: _is_met(self.kube.kubectl(*wait, check=False)), WITHIN)

    def trouble(self) -> str:
        """Return what a user would read first when something failed."""
        things = self.kube.kubectl("get", "pods,twinops", "--namespace", NAMESPACE, "-o", "wide", check=False)
        log = ("logs", "--namespace", NAMESPACE, "deployment/twin-operator", "--tail=40")
        return things + self.kube.kubectl(*log, check=False)


def _is_met(answer: str) -> bool:
    """Whether `kubectl wait` says that every object has met its condition."""
    lines = answer.splitlines()
    return lines != [] and all(line.endswith("condition met") for line in lines)


@contextmanager
def prepared(folder: Path, first_environment: Path) -> Iterator[Installation]:
    """Run a cluster without CRDs, a Redis and an MLflow until the end of the block."""
    data, archive = folder / "data", folder / "archive"
    data.mkdir()
    archive.mkdir()
    with (
        serving(data) as served,
        services.redis(folder / "redis") as redis,
        services.mlflow(folder / "mlflow") as mlflow,
        Cluster(folder / "cluster", images={FIRST_IMAGE: first_environment}) as cluster,
    ):
        kube = Kube(cluster)
        kube.kubectl("create", "namespace", NAMESPACE)
        yield Installation(kube, Helm(kube.helm, kube.kubeconfig), redis.url, mlflow.url, served, archive)
