"""Applies custom resource definitions."""

from collections.abc import Sequence
from typing import Any

from twin_operator.adapters.kubernetes_api.client import KubernetesApi, load_configuration


async def apply_crds(definitions: Sequence[dict[str, Any]]) -> list[str]:
    """Apply `definitions` and return their names."""
    api = KubernetesApi(await load_configuration())
    try:
        for definition in definitions:
            name = definition["metadata"]["name"]
            await api.apply(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}", definition)
    finally:
        await api.close()
    return [str(definition["metadata"]["name"]) for definition in definitions]
