"""A release's life on kind: installed from the previous chart, tested, upgraded with its CRDs."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import NAMESPACE, NEXT_IMAGE, Release
from tests.integration.conftest import Kube


def test_the_notes_tell_the_next_command(release: Release) -> None:
    assert "wait --for=condition=Ready workerpools" in release.installed


def test_helm_test_finds_every_part_well_before_and_after_the_upgrade(release: Release) -> None:
    for said in (release.tested, release.tested_again):
        assert "Phase:          Succeeded" in said or "Phase: Succeeded" in said
        assert "leads" in said
        assert " NO " not in said


@pytest.mark.usefixtures("release")
def test_the_upgrade_brought_the_crds_and_the_image(kube: Kube) -> None:
    crd = kube.get("crd", "simulations.twinops.dev")
    assert crd["spec"]["names"]["shortNames"] == ["twinsim"]
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert "worker" in schema["properties"]["status"]["properties"]
    deployment = kube.get("deployment", "twin-operator", "-n", NAMESPACE)
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == NEXT_IMAGE


@pytest.mark.usefixtures("release")
def test_every_pod_was_admitted_as_restricted(kube: Kube) -> None:
    labels = kube.get("namespace", NAMESPACE)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    events = kube.get("events", "-n", NAMESPACE, "--field-selector=reason=FailedCreate")["items"]
    assert [event["message"] for event in events if "violates PodSecurity" in event["message"]] == []
