"""A second release in a cluster installs beside the first one, or says in a sentence what to set."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import yaml

from tests.integration.chart.conftest import Helm
from tests.integration.chart.test_chart import ADDRESSES
from tests.integration.conftest import Kube

FIRST = "first"


@pytest.fixture(scope="module")
def first(kube: Kube, helm: Helm) -> Iterator[str]:
    """The cluster-wide roles of a release, as Helm leaves them; gives its namespace."""
    namespace = f"first-{uuid.uuid4().hex[:8]}"
    answer = helm("template", FIRST, helm.chart, "-n", namespace, *helm.version, *ADDRESSES)
    assert answer.returncode == 0, answer.stderr
    roles = [each for each in yaml.safe_load_all(answer.stdout) if each and each["kind"] == "ClusterRole"]
    for role in roles:
        role["metadata"].setdefault("annotations", {}).update(
            {"meta.helm.sh/release-name": FIRST, "meta.helm.sh/release-namespace": namespace}
        )
        role["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "Helm"
    objects = yaml.safe_dump_all(roles)
    kube.kubectl("apply", "-f", "-", input=objects)
    yield namespace
    kube.kubectl("delete", "-f", "-", input=objects)


def refusal(helm: Helm, name: str, namespace: str, *options: str) -> str:
    """Return why a release cannot be installed; empty where it can."""
    values = [*ADDRESSES, *(word for option in options for word in ("--set", option))]
    answer = helm("install", name, helm.chart, "-n", namespace, "--dry-run=server", *values)
    return "" if answer.returncode == 0 else answer.stderr


def test_a_second_release_is_told_to_leave_the_roles_for_people_to_the_first(helm: Helm, first: str) -> None:
    told = refusal(helm, "second", "default")
    assert f"belong to the release {first}/{FIRST}: set userRoles.create=false" in told
    assert "ownership metadata" not in told
    assert refusal(helm, "second", "default", "userRoles.create=false", "watchNamespaces={default}") == ""


def test_one_of_the_same_name_in_another_namespace_is_told_to_take_another(helm: Helm, first: str) -> None:
    told = refusal(helm, FIRST, "default", "userRoles.create=false")
    assert f"belong to the release {first}/{FIRST}: give this release another name, or set fullnameOverride" in told
    assert refusal(helm, FIRST, "default", "userRoles.create=false", "fullnameOverride=others") == ""


def test_a_release_may_have_what_is_its_own(helm: Helm, first: str) -> None:
    assert refusal(helm, FIRST, first) == ""
