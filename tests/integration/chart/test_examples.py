"""Every manifest in examples/ is one that the API server takes without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import Kube

EXAMPLES = Path(__file__).parents[3] / "examples"
KUSTOMIZE = EXAMPLES / "kustomize"
NO_RESOURCES = {KUSTOMIZE / "kustomization.yaml", KUSTOMIZE / "name-references.yaml"}
MANIFESTS = sorted(set(EXAMPLES.rglob("*.yaml")) - NO_RESOURCES)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_an_example_is_accepted(kube: Kube, namespace: str, manifest: Path) -> None:
    kube.kubectl("create", "--dry-run=server", "--validate=strict", "-n", namespace, "-f", str(manifest))
