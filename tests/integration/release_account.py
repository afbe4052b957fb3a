"""The operator's account as the chart makes it, with its Roles and no other rights, and what it has asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from tests.integration.chart.conftest import Helm
from tests.integration.conftest import Kube

_VALUES: Final = ("--set", "redis.url=redis://redis:6379", "--set", "mlflow.trackingUri=http://mlflow:5000")
_OPERATOR: Final = "twin-operator"  # every account of an operator begins with it
_FORBIDDEN: Final = 403


class Right(NamedTuple):
    """One verb on one resource, with its subresource after a slash."""

    verb: str
    group: str
    resource: str


@dataclass(frozen=True)
class Account:
    """An account bound to the chart's Roles, by whose token the operator of a test asks."""

    name: str
    kubeconfig: Path


def roles(helm: Helm, *values: str, namespace: str = "default") -> list[dict[str, Any]]:
    """Return the operator's account, Roles and bindings as the chart renders them."""
    return [each for each in helm.template((*_VALUES, *values), namespace) if _is_the_operators(each)]


def account_name(namespace: str) -> str:
    """Return the name of the account of a namespace's operator."""
    return f"{_OPERATOR}-{namespace}"


def create(kube: Kube, namespace: str, folder: Path) -> Account:
    """Make the account of a release in a namespace that is there, and a kubeconfig with its token."""
    name = account_name(namespace)
    helm = Helm(kube.helm, kube.kubeconfig)
    kube.apply(*roles(helm, "--set", f"fullnameOverride={name}", namespace=namespace))
    token = kube.kubectl("create", "token", name, "-n", namespace, "--duration=24h").strip()
    config = yaml.safe_load(kube.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    kubeconfig = folder / "operator.kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    return Account(name, kubeconfig)


def granted(manifests: list[dict[str, Any]]) -> set[Right]:
    """Return every right that Roles give."""
    rules = [rule for each in manifests for rule in each.get("rules", [])]
    return {
        Right(verb, group, resource)
        for rule in rules
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def used(kube: Kube, account: str) -> set[Right]:
    """Return the rights that an account has used in this cluster."""
    return {_right(entry) for entry in _asked(kube, account) if entry.get("objectRef")}


def refused(kube: Kube, account: str) -> list[str]:
    """Return what an account was refused because it has no right.

    An API server that has just started refuses everything until it has read the Roles: what an account may do now was
    refused for that reason, and is not returned.
    """
    answers = [each for each in _asked(kube, account) if each.get("responseStatus", {}).get("code") == _FORBIDDEN]
    requests = {f"{each['verb']} {each['requestURI']}": each for each in answers}
    return [request for request, entry in requests.items() if not _is_allowed_now(kube, entry)]


def _is_allowed_now(kube: Kube, entry: dict[str, Any]) -> bool:
    what = entry.get("objectRef")
    if what is None:
        return False
    resource = ".".join(filter(None, (what["resource"], what.get("apiGroup", ""))))
    target = "/".join(filter(None, (resource, what.get("name", ""))))
    options = [f"--subresource={what['subresource']}"] if "subresource" in what else []
    options += ["-n", what["namespace"]] if "namespace" in what else ["--all-namespaces"]
    user = f"--as={entry['user']['username']}"
    return kube.kubectl("auth", "can-i", entry["verb"], target, user, *options, check=False).strip() == "yes"


def _is_the_operators(manifest: dict[str, Any]) -> bool:
    if "helm.sh/hook" in manifest["metadata"].get("annotations", {}):
        return False
    if manifest["kind"] == "ServiceAccount":
        return bool(manifest["metadata"]["labels"]["app.kubernetes.io/component"] == "operator")
    name, version = str(manifest["metadata"]["name"]), str(manifest["apiVersion"])
    return name.startswith(_OPERATOR) and version.startswith("rbac.authorization.k8s.io")


def _asked(kube: Kube, account: str) -> Iterator[dict[str, Any]]:
    log = kube.directory / "logs" / "audit.log"
    for line in log.read_text().splitlines():
        if account in line:
            entry = json.loads(line)
            if entry["user"]["username"].rsplit(":", 1)[-1] == account:
                yield entry


def _right(entry: dict[str, Any]) -> Right:
    what = entry["objectRef"]
    subresource = f"/{what['subresource']}" if "subresource" in what else ""
    return Right(entry["verb"], what.get("apiGroup", ""), what["resource"] + subresource)
