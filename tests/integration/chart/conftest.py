"""Helm with the cluster of the tests, a release's accounts and roles, and people who hold them."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster import binaries
from tests.integration.chart.people import People
from tests.integration.conftest import Kube
from tests.manifests import load_manifests


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
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=600, check=False)

    def template(self, values: Sequence[str], namespace: str = "default") -> list[dict[str, Any]]:
        """Render the chart into manifests."""
        answer = self("template", "twin-operator", self.chart, "-n", namespace, *self.version, *values)
        assert answer.returncode == 0, answer.stderr
        return load_manifests(answer.stdout)


@pytest.fixture(scope="session")
def helm(kube: Kube) -> Helm:
    return Helm(kube.helm, kube.kubeconfig)


@pytest.fixture(scope="session")
def offline_helm() -> Helm:
    """Helm without a cluster: enough to render."""
    return Helm(binaries.find().helm, Path(os.devnull))


@contextmanager
def applied(kube: Kube, helm: Helm, namespace: str, apis: tuple[str, ...], *watched: str) -> Iterator[None]:
    """Have a release's service accounts and its objects of some API groups in a namespace until the block ends."""
    values = (
        *("--set", "redis.url=redis://redis:6379", "--set", "mlflow.trackingUri=http://mlflow:5000"),
        *("--set-json", f"watchNamespaces={json.dumps(watched)}"),
    )
    objects = yaml.safe_dump_all(
        manifest
        for manifest in helm.template(values, namespace)
        if manifest["kind"] == "ServiceAccount" or manifest["apiVersion"].startswith(apis)
    )
    for each in (namespace, *watched):
        kube.kubectl("create", "namespace", each)
    kube.kubectl("apply", "-f", "-", input=objects)
    yield
    for each in (namespace, *watched):
        kube.kubectl("delete", "namespace", each, "--wait=false", "--ignore-not-found")
    kube.kubectl("delete", "--wait=false", "--ignore-not-found", "-f", "-", input=objects)


@pytest.fixture(scope="module")
def release(kube: Kube, helm: Helm) -> Iterator[str]:
    """The accounts and roles of a release, without Deployment and pools; gives its namespace."""
    namespace = "rights"
    with applied(kube, helm, namespace, ("rbac",)):
        yield namespace


@pytest.fixture(scope="module")
def people(kube: Kube, helm: Helm) -> Iterator[People]:
    """People with a role each in a namespace where the approval policies hold."""
    namespace = f"approval-{uuid.uuid4().hex[:8]}"
    people = People(kube, namespace)
    with applied(kube, helm, namespace, ("rbac", "admissionregistration"), people.doomed):
        people.arrive()
        yield people
