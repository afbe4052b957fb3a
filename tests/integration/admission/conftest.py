"""Manifests with every field, and an API server that is asked about them without storing any."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kubernetes import client, config

from tests.integration.admission.asking import Admission, FullManifest, Kube, Manifest, laid_over

MANIFESTS = Path(__file__).parent / "manifests"


@pytest.fixture(scope="session")
def full_manifest() -> FullManifest:
    """Read a kind's manifest that has every field, with some of them changed."""

    def read(kind: str, change: Manifest | None = None) -> Manifest:
        return laid_over(yaml.safe_load((MANIFESTS / f"{kind}.yaml").read_text()), change or {})

    return read


@pytest.fixture(scope="session")
def admission(kube: Kube) -> Iterator[Admission]:
    """An API server that is asked in a namespace of its own."""
    namespace = f"admission-{uuid.uuid4().hex[:8]}"
    kube.kubectl("create", "namespace", namespace)
    with config.new_client_from_config(str(kube.kubeconfig)) as connection:  # type: ignore[no-untyped-call]
        yield Admission(client.CustomObjectsApi(connection), namespace)
    kube.kubectl("delete", "namespace", namespace, "--wait=false")
