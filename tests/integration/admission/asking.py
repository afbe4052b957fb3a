"""How the tests of admission ask: manifests laid over full ones, sent as dry runs to the API server."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

from kubernetes import client

from twin_operator.api.v1alpha1 import GROUP, PLURALS, VERSION

Manifest = dict[str, Any]


class Kube(Protocol):
    """What these tests need of the cluster."""

    kubeconfig: Path

    def kubectl(self, *args: str, input: str | None = None) -> str:  # noqa: A002 - as subprocess
        """Run kubectl and give what it prints."""
        ...


class FullManifest(Protocol):
    """Reads a kind's manifest that has every field, with some of them changed."""

    def __call__(self, kind: str, change: Manifest | None = None) -> Manifest:
        """Give a manifest of the test's own."""
        ...


class Admission:
    """The API server's answers. What is asked about a refusal is a dry run."""

    def __init__(self, api: client.CustomObjectsApi, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    def refusal(self, manifest: Manifest) -> str:
        """Give the message with which a manifest is refused, empty where it is taken."""
        return self._refusal(lambda: self.create(manifest, keep=False))

    def create(self, manifest: Manifest, *, keep: bool = True) -> Manifest:
        """Create an object, or only try to; unknown fields are errors."""
        plural = PLURALS[manifest["kind"]]
        place = (GROUP, VERSION, self._namespace, plural)
        dry_run = None if keep else "All"
        created = self._api.create_namespaced_custom_object(
            *place, manifest, dry_run=dry_run, field_validation="Strict"
        )
        return cast("Manifest", created)

    def patch_refusal(self, kind: str, name: str, patch: Manifest) -> str:
        """Give the message with which a merge patch is refused, empty where it is taken."""
        place = (GROUP, VERSION, self._namespace, PLURALS[kind], name)
        return self._refusal(
            lambda: self._api.patch_namespaced_custom_object(
                *place, patch, dry_run="All", field_validation="Strict", _content_type="application/merge-patch+json"
            )
        )

    def write_status(self, kind: str, name: str, status: Manifest) -> Manifest:
        """Merge a status as the operator does."""
        place = (GROUP, VERSION, self._namespace, PLURALS[kind], name)
        patched = self._api.patch_namespaced_custom_object_status(
            *place, {"status": status}, field_validation="Strict", _content_type="application/merge-patch+json"
        )
        return cast("Manifest", patched)

    @staticmethod
    def _refusal(attempt: Callable[[], object]) -> str:
        try:
            attempt()
        except client.ApiException as error:
            if error.status not in {400, 422}:
                raise
            return str(json.loads(error.body or "")["message"])
        return ""
