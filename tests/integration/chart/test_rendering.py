"""Manifests depend on the values alone: what is random is created in the cluster."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.chart.conftest import Helm
from tests.integration.chart.test_chart import ADDRESSES, VALUE_SETS, created_by
from tests.manifests import load_manifests

Manifest = dict[str, Any]
REDIS = "redis.bundled.enabled=true"
TLS = "redis.tls.enabled=true"
POSTGRESQL = "postgresql.bundled.enabled=true"
POOLS = "workerPools.namespaces={kube-public}"
UNSIGNED = "signing.enabled=false"
OPTIONS = (TLS, POSTGRESQL, POOLS, UNSIGNED)  # bundled MLflow has no Secret of its own
CHANGING: Final = re.compile(
    r"\b(rand\w+|shuffle|uuidv4|gen[A-Z]\w+|lookup|htpasswd|bcrypt|encryptAES|now|ago|getHostByName|env|expandenv)\b"
)
"""Functions of templates whose result is not the same at each rendering."""


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


COMBINATIONS: Final = {" ".join(each): sets(each) for each in combinations()}
MOST: Final = max(COMBINATIONS, key=str.__len__)  # the one with all options
CHOSEN: Final = {**VALUE_SETS, MOST: COMBINATIONS[MOST]}


@pytest.mark.parametrize("values", CHOSEN.values(), ids=CHOSEN)
def test_two_renderings_are_the_same_bytes(offline_helm: Helm, values: Sequence[str]) -> None:
    first, second = (rendered(offline_helm, values) for _ in range(2))
    assert first == second
    assert "kind: Secret\n" not in first
    assert optional_keys(first) <= {"previous"}  # a Pod waits for each other value


def rendered(helm: Helm, values: Sequence[str]) -> str:
    answer = helm("template", "twin-operator", helm.chart, *helm.version, *values)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def optional_keys(text: str) -> set[str]:
    """Return the keys of Secrets without which a Pod starts all the same."""
    manifests = load_manifests(text)
    return {str(each.get("key")) for each in references(manifests) if each.get("optional")}


def test_no_template_asks_for_what_changes(offline_helm: Helm) -> None:
    found = {
        file.name: words
        for file in (Path(offline_helm.chart) / "templates").rglob("*.*")
        if (words := [word for action in actions(file.read_text()) for word in CHANGING.findall(action)])
    }
    assert found == {"other-releases.yaml": ["lookup"]}  # which renders nothing


def actions(template: str) -> list[str]:
    """Return what stands between braces, without comments, texts and fields."""
    found = re.findall(r"\{\{(?!-? ?/\*)(.*?)\}\}", template, re.DOTALL)
    return [re.sub(r'"[^"]*"|[.$]\w[\w.]*', "", each) for each in found]


def references(manifests: list[Manifest]) -> list[Manifest]:
    """Return the references to Secrets in Pods, and in the variables that hold parts of workers' Pods."""
    found: list[Manifest] = []
    for manifest in manifests:
        spec = manifest.get("spec", {})
        found += _references(spec if manifest["kind"] == "Pod" else spec.get("template", {}))
    return found


def _references(part: Any) -> list[Manifest]:
    if isinstance(part, str):
        return _references(json.loads(part)) if "ecret" in part and part[0] in "[{" else []
    if isinstance(part, list):
        return [each for item in part for each in _references(item)]
    if not isinstance(part, dict):
        return []
    own = [part["secretKeyRef"]] if "secretKeyRef" in part else []
    own += [{"name": part["secretName"], **part}] if "secretName" in part else []
    return own + [each for value in part.values() for each in _references(value)]


def names(arguments: list[str]) -> list[str]:
    """Return the names of the Secrets that a command creates."""
    options = (argument.split("=") for argument in arguments)
    return [value for option, value, *_ in options if option in {"--signing-key", "--passwords", "--certificate"}]


@pytest.mark.parametrize("values", COMBINATIONS.values(), ids=COMBINATIONS)
def test_the_job_creates_and_may_get_the_secrets_that_pods_name_and_no_other(
    offline_helm: Helm, values: Sequence[str]
) -> None:
    manifests = offline_helm.template(values)
    expected = names(created_by(manifests))
    assert set(expected) == {reference["name"] for reference in references(manifests)}
    readable = {
        each["metadata"]["namespace"]: rules(each)
        for each in manifests
        if each["kind"] == "Role" and each["metadata"]["name"] == "twin-operator-secrets"
    }
    copied = {"twin-operator-signing"} & set(expected) if any("kube-public" in value for value in values) else set()
    here = {"default": (["create"], sorted(expected), ["get"])} if expected else {}
    assert readable == {**here, **({"kube-public": (["create"], sorted(copied), ["get"])} if copied else {})}


def rules(role: Manifest) -> tuple[list[str], list[str], list[str]]:
    """Return the verbs of the rule for all Secrets, and names and verbs of that for single ones; there is no other."""
    for_all, for_single = role["rules"]
    assert {*for_all["resources"], *for_single["resources"]} == {"secrets"}
    assert "resourceNames" not in for_all
    return for_all["verbs"], sorted(for_single["resourceNames"]), for_single["verbs"]


def test_helm_runs_the_job_before_an_installation_and_an_upgrade(offline_helm: Helm) -> None:
    hooks = {
        each["kind"]: each["metadata"]["annotations"]
        for each in offline_helm.template(ADDRESSES)
        if each["metadata"]["labels"].get("app.kubernetes.io/component") == "secrets"
    }
    assert set(hooks) == {"ServiceAccount", "Role", "RoleBinding", "Job"}
    assert {each["helm.sh/hook"] for each in hooks.values()} == {"pre-install,pre-upgrade"}
    weights = {kind: int(each["helm.sh/hook-weight"]) for kind, each in hooks.items()}
    assert max(weights, key=weights.__getitem__) == "Job"


def test_a_job_with_another_template_has_another_name(offline_helm: Helm) -> None:
    def jobs(*values: str) -> set[str]:
        manifests = offline_helm.template((*ADDRESSES, *values))
        return {each["metadata"]["name"] for each in manifests if each["kind"] == "Job"}

    assert jobs() == jobs("--set", "logFormat=text")
    assert len(jobs() | jobs("--set", "image.tag=next")) == 2 * len(jobs())


def test_the_name_of_the_job_fits_a_label(offline_helm: Helm) -> None:
    manifests = offline_helm.template((*ADDRESSES, "--set", "fullnameOverride=" + "n" * 48))
    assert max(len(each["metadata"]["name"]) for each in manifests if each["kind"] == "Job") <= 63
