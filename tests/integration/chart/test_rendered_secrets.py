"""No rendered manifest has a value of a Secret that the release names, also where Helm may read the cluster."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest
import yaml

from tests.integration.chart.conftest import Helm
from tests.integration.chart.test_rendering import CHOSEN, references
from tests.integration.conftest import Kube

Manifest = dict[str, Any]
TLS_KEYS: Final = ("tls.crt", "tls.key", "ca.crt")


def keys_by_secret(manifests: list[Manifest]) -> dict[str, set[str]]:
    """Return the keys of each Secret that Pods read."""
    found: dict[str, set[str]] = {}
    for reference in references(manifests):
        found.setdefault(reference["name"], set()).update([reference["key"]] if "key" in reference else TLS_KEYS)
    return found


def value_of(name: str, key: str) -> str:
    return f"value-of-{name}-{key}-4f1c"


def secret(name: str, keys: set[str]) -> Manifest:
    content = {key: value_of(name, key) for key in keys}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": content}


@pytest.fixture(scope="module")
def secrets(helm: Helm, kube: Kube) -> Iterator[tuple[str, list[str]]]:
    """A namespace with each Secret that a set of values names, and their values, as they are and encoded."""
    name = f"secrets-{uuid.uuid4().hex[:8]}"
    named: dict[str, set[str]] = {}
    for values in CHOSEN.values():
        for each, keys in keys_by_secret(helm.template(values, name)).items():
            named.setdefault(each, set()).update(keys)
    kube.kubectl("create", "namespace", name)
    objects = yaml.safe_dump_all(secret(each, keys) for each, keys in named.items())
    kube.kubectl("apply", "-n", name, "-f", "-", input=objects)
    plain = [value_of(each, key) for each, keys in named.items() for key in keys]
    yield name, [*plain, *(base64.b64encode(value.encode()).decode() for value in plain)]
    kube.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("values", CHOSEN.values(), ids=CHOSEN)
def test_no_manifest_has_a_value_of_a_secret(helm: Helm, secrets: tuple[str, list[str]], values: Sequence[str]) -> None:
    namespace, shown = secrets
    assert len(shown) > 20
    answer = helm("template", "twin-operator", helm.chart, "-n", namespace, "--dry-run=server", *values)
    assert answer.returncode == 0, answer.stderr
    assert [value for value in shown if value in answer.stdout] == []
