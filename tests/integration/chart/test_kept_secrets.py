"""Secrets that the chart generates stay when the release is uninstalled, and the next installation uses them again."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.chart.conftest import Helm
from tests.integration.chart.test_chart import ADDRESSES
from tests.integration.conftest import Kube

REDIS = "redis.bundled.enabled=true"
TLS = "redis.tls.enabled=true"
POSTGRESQL = "postgresql.bundled.enabled=true"
POOLS = "workerPools.namespaces={kube-public}"
UNSIGNED = "signing.enabled=false"
OPTIONS = (TLS, POSTGRESQL, POOLS, UNSIGNED)  # bundled MLflow has no Secret of its own
KEEP = "helm.sh/resource-policy"

Secret = dict[str, Any]


def combinations() -> Iterator[tuple[str, ...]]:
    """Yield each set of values that turns a generated Secret on or off, with an address for each external service."""
    redis_url, tracking_uri = (value for value in ADDRESSES if value != "--set")
    for chosen in itertools.product(*((None, option) for option in OPTIONS)):
        options = tuple(option for option in chosen if option)
        yield (tracking_uri, REDIS, *options)
        if TLS not in options:
            yield (tracking_uri, redis_url, *options)


def sets(options: tuple[str, ...]) -> list[str]:
    return [word for option in options for word in ("--set", option)]


def secrets_of(manifests: list[dict[str, Any]]) -> list[Secret]:
    return [manifest for manifest in manifests if manifest["kind"] == "Secret"]


@pytest.mark.parametrize("options", tuple(combinations()), ids=" ".join)
def test_every_generated_secret_is_kept_by_helm(offline_helm: Helm, options: tuple[str, ...]) -> None:
    secrets = secrets_of(offline_helm.template(sets(options)))
    kept = {each["metadata"]["name"]: each["metadata"].get("annotations", {}).get(KEEP) for each in secrets}
    assert kept == dict.fromkeys(kept, "keep")


def test_the_combinations_render_every_template_of_a_secret(offline_helm: Helm) -> None:
    templates = Path(offline_helm.chart) / "templates"
    of_secrets = {
        file.relative_to(templates) for file in templates.rglob("*.yaml") if "kind: Secret\n" in file.read_text()
    }
    everything = max((each for each in combinations() if REDIS in each and UNSIGNED not in each), key=len)
    answer = offline_helm("template", "twin-operator", offline_helm.chart, *offline_helm.version, *sets(everything))
    documents = answer.stdout.split("\n---\n")
    sources = (
        re.search(r"# Source: twin-operator/templates/(\S+)", each) for each in documents if "kind: Secret\n" in each
    )
    assert {Path(source[1]) for source in sources if source} == of_secrets


def test_a_release_that_is_installed_again_has_its_keys_and_passwords(helm: Helm, kube: Kube, namespace: str) -> None:
    release = (
        namespace,
        helm.chart,
        "--namespace",
        namespace,
        "--no-hooks",
        *ADDRESSES[2:],
        *sets((REDIS, TLS, POSTGRESQL)),
    )
    private = (
        f"fullnameOverride={namespace}",
        f"watchNamespaces={{{namespace}}}",
    )  # from other releases of the cluster
    no_node = "operator.nodeSelector.none=none"  # the operator itself has no part in this

    def install() -> dict[str, Any]:
        answer = helm("install", *release, *sets((*private, no_node)))
        assert answer.returncode == 0, answer.stderr
        return data()

    def data() -> dict[str, Any]:
        secrets = kube.get("secrets", "-n", namespace, "-l", f"app.kubernetes.io/instance={namespace}")["items"]
        return {each["metadata"]["name"]: each["data"] for each in secrets}

    first = install()
    uninstalled = helm("uninstall", namespace, "--namespace", namespace, "--wait", "--timeout", "90s")
    assert uninstalled.returncode == 0, uninstalled.stderr
    assert data() == first
    assert install() == first
    helm("uninstall", namespace, "--namespace", namespace)
    assert len(first) == 4, json.dumps(sorted(first))  # the signing key, two services' passwords, a certificate
