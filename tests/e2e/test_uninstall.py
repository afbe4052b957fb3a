"""The end of a release: workers go along, what is dear stays."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import NAMESPACE, RELEASE
from tests.integration.chart.conftest import Helm
from tests.integration.conftest import Kube


@pytest.mark.usefixtures("release")
def test_uninstalling_takes_workers_along_and_keeps_crds_resources_and_archive(kube: Kube, helm: Helm) -> None:
    answer = helm("uninstall", RELEASE, "-n", NAMESPACE, "--wait", "--timeout", "3m")
    assert answer.returncode == 0, answer.stderr
    kube.until(lambda: kube.get("deployments,statefulsets", "-n", NAMESPACE)["items"] == [], 120)
    assert kube.get("persistentvolumeclaim", "twin-operator-archive", "-n", NAMESPACE)
    assert kube.get("crd", "simulations.twinops.dev")
    assert "twin-operator" not in kube.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name")
