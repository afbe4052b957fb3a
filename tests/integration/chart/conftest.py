"""Helm with the cluster of the tests, and a release's accounts and roles."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.conftest import Kube


class Helm:
    """Runs Helm on the chart."""

    chart = str(Path(__file__).parents[3] / "charts" / "twin-operator")
    # Helm without a cluster does not know the version of one.
    version = ("--kube-version", "1.34.4")

    def __init__(self, program: Path, kubeconfig: Path) -> None:
        self._program = program
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Helm, whatever it says."""
        command = [str(self._program), *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=120, check=False)

    def template(self, values: Sequence[str], namespace: str = "default") -> list[dict[str, Any]]:
        """Render the chart into manifests."""
        answer = self("template", "twin-operator", self.chart, "-n", namespace, *self.version, *values)
        assert answer.returncode == 0, answer.stderr
        return [manifest for manifest in yaml.safe_load_all(answer.stdout) if manifest]


@pytest.fixture(scope="session")
def helm(kube: Kube) -> Helm:
    return Helm(kube.helm, kube.kubeconfig)


@pytest.fixture(scope="module")
def release(kube: Kube, helm: Helm) -> Iterator[str]:
    """The accounts and roles of a release, without Deployment and pools; gives its namespace."""
    namespace = "rights"
    values = ("--set", "redis.url=redis://redis:6379", "--set", "mlflow.trackingUri=http://mlflow:5000")
    rights = yaml.safe_dump_all(
        manifest
        for manifest in helm.template(values, namespace)
        if manifest["kind"] == "ServiceAccount" or manifest["apiVersion"].startswith("rbac")
    )
    kube.kubectl("create", "namespace", namespace)
    kube.kubectl("apply", "-f", "-", input=rights)
    yield namespace
    kube.kubectl("delete", "--wait=false", "-f", "-", input=rights)
    kube.kubectl("delete", "namespace", namespace, "--wait=false")
