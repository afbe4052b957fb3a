"""Manifests with every field, and an API server that is asked about them without storing any."""

import uuid
from collections.abc import Iterator

import pytest
from kubernetes import client, config

from tests.contracts import manifests
from tests.contracts.manifests import laid_over
from tests.integration.admission.asking import Admission, FullManifest, Kube, Manifest


@pytest.fixture(scope="session")
def full_manifest() -> FullManifest:
    """Read a kind's manifest that has every field, with some of them changed."""

    def read(kind: str, change: Manifest | None = None) -> Manifest:
        return laid_over(manifests.full_manifest(kind), change or {})

    return read


@pytest.fixture(scope="session")
def admission(kube: Kube) -> Iterator[Admission]:
    """An API server that is asked in a namespace of its own."""
    namespace = f"admission-{uuid.uuid4().hex[:8]}"
    kube.kubectl("create", "namespace", namespace)
    with config.new_client_from_config(str(kube.kubeconfig)) as connection:  # type: ignore[no-untyped-call]
        yield Admission(client.CustomObjectsApi(connection), namespace)
    kube.kubectl("delete", "namespace", namespace, "--wait=false")
